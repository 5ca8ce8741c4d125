// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Account is a primary account.
type Account struct {
	ID         int64
	Name       string
	SecretDays int // days until a secret is due for a reset
	CreatedAt  time.Time
}

const accountColumns = "id, name, secret_days, created_at"

func scanAccount(r scanner) (Account, error) {
	var a Account
	err := r.scan(&a.ID, &a.Name, &a.SecretDays, nullTime{&a.CreatedAt})
	return a, err
}

// AddAccount makes a primary account.
func (tx *Tx) AddAccount(ctx context.Context, name string) (Account, error) {
	return scanAccount(tx.row(ctx, "INSERT INTO account (name, created_at) VALUES ($1, $2) RETURNING "+accountColumns, name, micros(tx.Now)))
}

// Account reads one account.
func (s *Store) Account(ctx context.Context, id int64) (Account, error) {
	return scanAccount(s.row(ctx, "SELECT "+accountColumns+" FROM account WHERE id = $1", id))
}

// Accounts lists all accounts, for the operator.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	return collect(ctx, s, scanAccount, "SELECT "+accountColumns+" FROM account ORDER BY id")
}
