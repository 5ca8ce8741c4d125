// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"

	"postern/internal/audit"
)

// AddAudit appends an entry to the audit log in the transaction of the change that it tells of. The entry's number,
// time and hash are set here.
func (tx *Tx) AddAudit(ctx context.Context, e audit.Entry) error {
	var prev []byte
	// Taking the head's row makes writers stand in line, on every engine.
	if err := tx.row(ctx, "UPDATE audit_head SET last = last + 1 WHERE id = 1 RETURNING last, hash").scan(&e.ID, &prev); err != nil {
		return err
	}
	e.At = tx.Now
	e.Hash = e.Sum(prev)
	var account any
	if e.AccountID != 0 {
		account = e.AccountID
	}
	if _, err := tx.exec(ctx, "INSERT INTO audit (id, at, account_id, actor, origin, action, target, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		e.ID, micros(e.At), account, e.Actor, e.Origin, e.Action, e.Target, e.Detail, e.Hash); err != nil {
		return err
	}
	return tx.one(ctx, "UPDATE audit_head SET hash = $1 WHERE id = 1", e.Hash)
}

// Audit reads up to limit entries after the one numbered after, oldest first, for the operator.
func (s *Store) Audit(ctx context.Context, after int64, limit int) ([]audit.Entry, error) {
	return collect(ctx, s, func(r scanner) (audit.Entry, error) {
		var e audit.Entry
		var at time.Time
		var account *int64
		err := r.scan(&e.ID, nullTime{&at}, &account, &e.Actor, &e.Origin, &e.Action, &e.Target, &e.Detail, &e.Hash)
		e.At = at
		if account != nil {
			e.AccountID = *account
		}
		return e, err
	}, "SELECT id, at, account_id, actor, origin, action, target, detail, hash FROM audit WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
}
