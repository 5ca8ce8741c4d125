// SPDX-License-Identifier: Apache-2.0

package store

import "context"

// Setting reads a named value of the installation, ErrNotFound when it was never set.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	var v string
	err := s.row(ctx, "SELECT value FROM setting WHERE name = $1", name).scan(&v)
	return v, err
}

// Set sets a named value.
func (tx *Tx) Set(ctx context.Context, name, value string) error {
	_, err := tx.exec(ctx, "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		name, value)
	return err
}
