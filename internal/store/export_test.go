// SPDX-License-Identifier: Apache-2.0

package store

import "context"

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
