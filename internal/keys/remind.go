// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"
	"slices"
	"time"

	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/store"
)

// remindAtOnce is how many secrets are read at a time.
const remindAtOnce = 100

// Remind tells the owners of secrets that are due for a reset at now, or overdue, by their accounts' policies. They are
// told once of each. It says how many notices there are.
func (k *Keys) Remind(ctx context.Context, now time.Time) (n int, err error) {
	now = now.Truncate(time.Microsecond) // as the store counts
	for {
		aged, err := k.store.UntoldSecrets(ctx, now, remindAtOnce)
		if err != nil {
			return n, err
		}
		for _, a := range aged {
			if err := k.remind(ctx, now, a); err != nil {
				return n, err
			}
			n++
		}
		if len(aged) < remindAtOnce {
			return n, nil
		}
	}
}

func (k *Keys) remind(ctx context.Context, now time.Time, a store.AgedSecret) error {
	return change.Update(ctx, k.store, "secret", func(tx *store.Tx) error {
		owner, err := tx.Account(ctx, a.AccountID)
		if err != nil {
			return err
		}
		policy := accounts.PolicyOf(owner)
		age := policy.AgeOf(a.CreatedAt, now)
		if err := tx.MarkTold(ctx, a.SecretID, age.Overdue); err != nil {
			return err
		}
		key, err := tx.Key(ctx, store.OfAccount(a.AccountID), store.KeyFilter{ID: a.KeyID})
		if errors.Is(err, store.ErrNotFound) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		i := slices.IndexFunc(key.Secrets, func(x store.Secret) bool { return x.ID == a.SecretID && x.ExpiresAt.IsZero() })
		if i < 0 {
			return nil // reset meanwhile
		}
		out := notice.Notice{
			Kind: notice.CredentialDue, AccountName: owner.Name, KeyID: key.ID, APIKey: key.APIKey, KeyName: key.Name,
			Reference: key.Reference, SecretID: a.SecretID, Hint: key.Secrets[i].Hint,
			Days: age.DaysLeft, Stops: owner.StopOverdue, Until: policy.EndOf(a.CreatedAt),
		}
		if age.Overdue {
			out.Kind, out.Days = notice.CredentialOverdue, -age.DaysLeft
		}
		return k.notices.Add(ctx, tx, a.AccountID, out)
	})
}
