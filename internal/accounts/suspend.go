// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"context"
	"errors"
	"strings"

	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/store"
)

// KeysChanged says how many keys of an account are others than before, and how many are suspended as they were.
type KeysChanged struct {
	Changed int
	Left    int // suspended before, or for themselves
}

// Suspend closes an account with all its keys by the operator's word, until Restore: when it has returned, nothing is accepted
// with any of them, and their SMTP sessions have ended. Its owners are notified of the reason. An account that is suspended
// already has a new reason from then on. Errors: *change.Error on Reason.
func (k *Accounts) Suspend(ctx context.Context, by change.Actor, accountID int64, reason string) (KeysChanged, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > 1000 {
		return KeysChanged{}, change.Wrong("Reason", errors.New("a reason of up to 1000 bytes is needed: the owners are told it"))
	}
	return k.setSuspended(ctx, by, accountID, reason)
}

// Restore ends the suspension of an account: its keys are again what they were before. Those that were suspended for
// themselves stay so. Its owners are notified.
func (k *Accounts) Restore(ctx context.Context, by change.Actor, accountID int64) (KeysChanged, error) {
	return k.setSuspended(ctx, by, accountID, "")
}

// setSuspended suspends an account with a reason, or restores it without one.
func (k *Accounts) setSuspended(ctx context.Context, by change.Actor, accountID int64, reason string) (KeysChanged, error) {
	switched := false
	is, err := k.changeInGate(ctx, accountID, func(ctx context.Context, tx *store.Tx, was store.Account) (store.Account, error) {
		if was.SuspendedReason == reason {
			return was, nil
		}
		switched = was.Suspended() != (reason != "")
		if err := tx.SetSuspended(ctx, accountID, reason); err != nil {
			return was, err
		}
		n, action, detail := notice.Notice{Kind: notice.AccountRestored, AccountName: was.Name, Link: "/account"}, "account.restore",
			"all keys but those that are suspended for themselves are again what they were before"
		if reason != "" {
			n.Kind, n.Reason, action, detail = notice.AccountSuspended, reason, "account.suspend", "with all its keys; reason: "+reason
		}
		if err := k.notices.Add(ctx, tx, accountID, n); err != nil {
			return was, err
		}
		if err := tx.AddAudit(ctx, by.Entry(accountID, action, "account "+was.Name, detail)); err != nil {
			return was, err
		}
		return tx.Account(ctx, accountID)
	})
	if err != nil {
		return KeysChanged{}, err
	}
	k.changed(0)
	return k.keysChanged(ctx, is, switched)
}

// keysChanged counts the keys of an account that was suspended or restored just now, or not.
func (k *Accounts) keysChanged(ctx context.Context, is store.Account, switched bool) (KeysChanged, error) {
	all, own, err := k.store.CountSuspended(ctx, is.ID)
	switch {
	case err != nil:
		return KeysChanged{}, err
	case switched:
		return KeysChanged{Changed: all - own, Left: own}, nil
	case is.Suspended():
		return KeysChanged{Left: all}, nil
	}
	return KeysChanged{Left: own}, nil
}

// CheckOpen says no when the operator has suspended an account: its people may look at everything, but invite nobody and make
// no keys. Error: *change.Error.
func CheckOpen(a store.Account) error {
	if a.Suspended() {
		return change.Forbidden("", "the account is suspended by the operator: nobody can be invited and no keys can be made until "+
			"it is restored")
	}
	return nil
}
