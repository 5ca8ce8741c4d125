// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"context"
	"errors"

	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/store"
)

// InGate is an account as the gate knows it.
func InGate(a store.Account) gate.Account {
	return gate.Account{ID: a.ID, Suspended: a.Suspended(), Policy: PolicyOf(a)}
}

// changeInGate runs fn in a transaction, and makes the gate know the account as fn returns it before it returns itself. The
// changes of one account are made one after another, so that the gate learns of them in the order of their commits. Who hangs
// up early stops nothing.
func (k *Accounts) changeInGate(
	ctx context.Context, id int64, fn func(ctx context.Context, tx *store.Tx, now store.Account) (store.Account, error),
) (store.Account, error) {
	ctx, cancel := change.Whole(ctx)
	defer cancel()
	defer k.locks.Lock(id)()
	var out store.Account
	through := false // fn was: what fails then is the commit, of which nobody knows whether it happened
	err := k.update(ctx, "account", func(tx *store.Tx) error {
		was, err := tx.Account(ctx, id)
		if err != nil {
			return err
		}
		out, err = fn(ctx, tx, was)
		through = err == nil
		return err
	})
	if err != nil && through {
		is, failed := k.store.Account(ctx, id)
		if failed != nil {
			return out, errors.Join(err, failed)
		}
		out = is
	}
	if err == nil || through {
		k.gate.PutAccount(InGate(out))
	}
	return out, err
}
