// SPDX-License-Identifier: Apache-2.0

// Package accounts has primary accounts: their plans and allowances, their policies and profiles, and their requests for
// more.
package accounts

import (
	"context"
	"strconv"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/notice"
	"postern/internal/store"
)

// Accounts changes accounts. Make it with New.
type Accounts struct {
	store   *store.Store
	gate    *gate.Gate
	notices *notice.Outbox
	changed func(keyID int64)
	locks   change.Locks
}

// Config of Accounts.
type Config struct {
	Store   *store.Store
	Gate    *gate.Gate
	Notices *notice.Outbox
	Changed func(keyID int64) // limits of all keys (0) have changed
}

// New makes Accounts.
func New(c Config) *Accounts {
	return &Accounts{store: c.Store, gate: c.Gate, notices: c.Notices, changed: c.Changed}
}

// PolicyOf is an account's rotation policy.
func PolicyOf(a store.Account) credential.Policy {
	return credential.Policy{Days: a.SecretDays, RemindDays: a.RemindDays, Stop: a.StopOverdue}
}

// MaxLimit is the largest limit of messages that can be set: more than anybody sends.
const MaxLimit = 1_000_000_000_000

// LimitText is a limit in the audit log.
func LimitText(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return strconv.FormatInt(n, 10)
}

func (k *Accounts) update(ctx context.Context, what string, fn func(tx *store.Tx) error) error {
	return change.Update(ctx, k.store, what, fn)
}
