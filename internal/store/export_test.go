// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"strings"
)

// Words are those of the index.
func Words(text string) []string { return words(text) }

// Collide gives a message the number of another address: no two addresses are known that share one.
func (tx *Tx) Collide(ctx context.Context, id, contact int64) error {
	return tx.one(ctx, "UPDATE message SET contact = $1 WHERE id = $2", contact, id)
}

// FillCanonical runs the migration to canonical addresses again.
func (s *Store) FillCanonical(ctx context.Context) error {
	return s.Update(ctx, func(tx *Tx) error { return s.fillCanonical(ctx, tx.tx) })
}

// Old makes a store of an older schema, with what the statements put into it.
func Old(ctx context.Context, dsn string, version int64, fill func(exec func(query string, args ...any))) error {
	open := openSQLite
	if strings.HasPrefix(dsn, "postgres://") {
		open = openPostgres
	}
	s, err := open(ctx, dsn, Options{})
	if err != nil {
		return err
	}
	p, _, err := s.provider()
	if err == nil {
		_, err = p.UpTo(ctx, version)
	}
	fill(func(query string, args ...any) {
		if err == nil {
			_, err = s.w.ExecContext(ctx, query, args...)
		}
	})
	err = errors.Join(err, s.w.Close())
	if s.r != s.w {
		err = errors.Join(err, s.r.Close())
	}
	return err
}
