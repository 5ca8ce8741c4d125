// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Account is a primary account.
type Account struct {
	ID   int64
	Name string

	// The rotation policy.
	SecretDays  int  // days until a secret is due for a reset
	RemindDays  int  // days before that from which its owners are reminded
	StopOverdue bool // an overdue secret stops working

	SecondFactor bool // everybody who may do something in it has a second factor

	DayLimit int64 // messages a day of each key that has no limit of its own; 0: none
	PlanID   int64 // 0: no plan
	// What the operator granted beyond the plan; nil: what the plan says.
	MaxSubaccounts, MaxMonth, MaxHour, MaxUsers *int64

	Tracking        Tracking
	System          bool      // Postern's own, which sends notices
	SuspendedAt     time.Time // by the operator; zero: it is not
	SuspendedReason string
	CreatedAt       time.Time
}

// Suspended says whether the operator has suspended the account, and all its keys with it.
func (a Account) Suspended() bool { return !a.SuspendedAt.IsZero() }

const accountColumns = "id, name, secret_days, remind_days, stop_overdue, day_limit, coalesce(plan_id, 0), max_subaccounts, " +
	"max_month, max_hour, max_users, track_opens, track_clicks, add_unsubscribe, is_system, second_factor, suspended_at, " +
	"suspended_reason, created_at"

func scanAccount(r scanner) (Account, error) {
	var a Account
	err := r.scan(a.columns()...)
	return a, err
}

// columns are the places of accountColumns.
func (a *Account) columns() []any {
	return []any{
		&a.ID, &a.Name, &a.SecretDays, &a.RemindDays, &a.StopOverdue, &a.DayLimit, &a.PlanID, &a.MaxSubaccounts, &a.MaxMonth, &a.MaxHour,
		&a.MaxUsers, &a.Tracking.Opens, &a.Tracking.Clicks, &a.Tracking.Unsubscribe, &a.System, &a.SecondFactor,
		nullTime{&a.SuspendedAt},
		&a.SuspendedReason,
		nullTime{&a.CreatedAt},
	}
}

// AddAccount makes a primary account.
func (tx *Tx) AddAccount(ctx context.Context, name string) (Account, error) {
	return scanAccount(tx.row(ctx, "INSERT INTO account (name, created_at) VALUES ($1, $2) RETURNING "+accountColumns, name,
		micros(tx.Now)))
}

// AddSystemAccount makes the account that Postern's own notices are sent by: there is one at most (ErrExists).
func (tx *Tx) AddSystemAccount(ctx context.Context, name string) (Account, error) {
	return scanAccount(tx.row(ctx, "INSERT INTO account (name, is_system, created_at) VALUES ($1, TRUE, $2) RETURNING "+accountColumns,
		name, micros(tx.Now)))
}

// SystemAccount reads the account that notices are sent by.
func (s *Store) SystemAccount(ctx context.Context) (Account, error) {
	return scanAccount(s.row(ctx, "SELECT "+accountColumns+" FROM account WHERE is_system"))
}

// Account reads one account.
func (s *Store) Account(ctx context.Context, id int64) (Account, error) {
	return scanAccount(s.row(ctx, "SELECT "+accountColumns+" FROM account WHERE id = $1", id))
}

// Account reads one account, inside the transaction.
func (tx *Tx) Account(ctx context.Context, id int64) (Account, error) {
	return scanAccount(tx.row(ctx, "SELECT "+accountColumns+" FROM account WHERE id = $1", id))
}

// LockAccount makes who counts an account's people and then adds or removes one stand in line, on every engine.
func (tx *Tx) LockAccount(ctx context.Context, id int64) error {
	return tx.one(ctx, "UPDATE account SET name = name WHERE id = $1", id)
}

// SetSuspended suspends an account, from now on unless it was before, or with an empty reason restores it.
func (tx *Tx) SetSuspended(ctx context.Context, id int64, reason string) error {
	if reason == "" {
		return tx.one(ctx, "UPDATE account SET suspended_at = NULL, suspended_reason = '' WHERE id = $1", id)
	}
	return tx.one(ctx, "UPDATE account SET suspended_at = coalesce(suspended_at, $1), suspended_reason = $2 WHERE id = $3",
		micros(tx.Now), reason, id)
}

// ChangeAccount sets all of the account with a's ID but when it was made, whether it is the system's and its suspension.
func (tx *Tx) ChangeAccount(ctx context.Context, a Account) error {
	var plan any
	if a.PlanID != 0 {
		plan = a.PlanID
	}
	return tx.one(ctx, `UPDATE account SET name = $1, secret_days = $2, remind_days = $3, stop_overdue = $4, day_limit = $5, plan_id = $6, max_subaccounts = $7, max_month = $8, max_hour = $9, max_users = $10,
 track_opens = $11, track_clicks = $12, add_unsubscribe = $13, second_factor = $14 WHERE id = $15`,
		a.Name, a.SecretDays, a.RemindDays, a.StopOverdue, a.DayLimit, plan, a.MaxSubaccounts, a.MaxMonth, a.MaxHour, a.MaxUsers,
		a.Tracking.Opens, a.Tracking.Clicks, a.Tracking.Unsubscribe, a.SecondFactor, a.ID)
}

// Accounts lists all accounts but the system's own, for the operator.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	return collect(ctx, s, scanAccount, "SELECT "+accountColumns+" FROM account WHERE NOT is_system ORDER BY id")
}

// FindAccounts lists accounts whose name has search in it, and how many there are in all, for the operator.
func (s *Store) FindAccounts(ctx context.Context, search string, p Page) ([]Account, int, error) {
	filter := func(w *where) {
		w.and("NOT is_system")
		if search != "" {
			w.and("lower(name) LIKE ? ESCAPE '!'", "%"+escapeLike(search)+"%")
		}
	}
	n := newWhere("SELECT count(*) FROM account")
	filter(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere("SELECT " + accountColumns + " FROM account")
	filter(w)
	w.page(p, "id")
	out, err := collect(ctx, s, scanAccount, w.String(), w.args...)
	return out, total, err
}
