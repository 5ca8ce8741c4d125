// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/store"
)

// errTried takes back what was only tried.
var errTried = errors.New("tried, and taken back")

// TrySubaccount says what CreateSubaccount would say, and changes nothing. after is how many subaccounts are to be made
// before this one: they count for the plan.
func (k *Keys) TrySubaccount(ctx context.Context, accountID int64, n NewKey, after int64) error {
	name, err := access.CleanName(n.Name)
	if err != nil {
		return change.Wrong("Name", err)
	}
	if n.Reference, err = access.CleanReference(n.Reference); err != nil {
		return change.Wrong("Reference", err)
	}
	if err := n.checkImported(); err != nil {
		return err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		may, err := k.accounts.AllowanceTx(ctx, tx, accountID)
		if err != nil {
			return err
		}
		has, err := tx.CountSubaccounts(ctx, accountID)
		if err != nil {
			return err
		}
		if may.Subaccounts != 0 && has+after >= may.Subaccounts {
			return accounts.NoRoom(may, has+after)
		}
		key := store.Key{AccountID: accountID, Name: name, Reference: n.Reference, APIKey: n.APIKey}
		if _, err := k.issueWith(ctx, tx, change.Actor{}, key, n.Secret, ""); err != nil {
			return err
		}
		return errTried
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}
