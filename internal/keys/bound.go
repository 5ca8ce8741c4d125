// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"net/netip"
	"slices"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/store"
)

// grants refuses that a key gives more than it has, to itself or to another key: permissions that neither it nor the other
// has, and networks beyond its own. Otherwise what restricts a master key would be no restriction: it could lift it, or make
// a subaccount without it. was is the other key before, or what a new one begins with. Limits of messages are each key's own
// and not compared.
func grants(ctx context.Context, tx *store.Tx, by change.Actor, was, is store.Limits) error {
	if by.Kind != change.Key {
		return nil
	}
	own, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: by.ID})
	if err != nil {
		return err
	}
	if more := access.Permission(is.Permissions &^ was.Permissions &^ own.Permissions); more != 0 {
		return change.Forbidden("Permissions", "the calling key lacks "+more.String()+" itself, and a key grants no more than it has: its account's people can")
	}
	if own.Networks == "" || is.Networks == was.Networks {
		return nil
	}
	mine, err := access.ParseNetworks(own.Networks)
	if err != nil {
		return err
	}
	theirs, err := access.ParseNetworks(is.Networks)
	if err != nil {
		return err
	}
	beyond := func(n netip.Prefix) bool {
		return !slices.ContainsFunc(mine, func(m netip.Prefix) bool { return m.Bits() <= n.Bits() && m.Contains(n.Addr()) })
	}
	if len(theirs) == 0 || slices.ContainsFunc(theirs, beyond) {
		return change.Forbidden("Networks", "the calling key is restricted to networks itself, and a key grants no more than it has: its account's people can")
	}
	return nil
}

// locksOut refuses a change by which a key would shut itself out, so that nobody could undo it by that key: when it may not
// manage any more, or not from where the change is asked for.
func (c *KeyChange) locksOut(by change.Actor, key store.Key) error {
	if by.Kind != change.Key || by.ID != key.ID || c.Confirm {
		return nil
	}
	const undone = ", and could not undo it: confirm it if it is meant"
	if c.Permissions != nil && access.Permission(key.Permissions)&access.MayManage == 0 {
		return change.Errorf(change.LockOut, "Permissions", "the key that asks would lack manage itself"+undone)
	}
	networks, err := access.ParseNetworks(key.Networks)
	if err == nil && c.Networks != nil && !admits(networks, by.Origin) {
		return change.Errorf(change.LockOut, "Networks", "they do not hold %s, from where the key itself asks%s", by.Origin, undone)
	}
	return err
}
