// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// Restrictions of which the operator can have set a bound, and of which a key grants no more than it has: by their property.
const (
	boundPermissions = "Permissions"
	boundNetworks    = "Networks"
	boundSenders     = "AllowedSenders"
	boundHour        = "HourLimit"
	boundDay         = "DayLimit"
	boundMonth       = "MonthLimit"
)

// Restricting says which properties of l restrict something, by their names.
func Restricting(l store.Limits) []string {
	var out []string
	for _, x := range []struct {
		property string
		is       bool
	}{
		{boundPermissions, l.Permissions != store.AllPermissions},
		{boundNetworks, l.Networks != ""},
		{boundSenders, l.AllowedSenders != ""},
		{boundHour, l.HourLimit > 0},
		{boundDay, l.DayLimit > 0},
		{boundMonth, l.MonthLimit > 0},
	} {
		if x.is {
			out = append(out, x.property)
		}
	}
	return out
}

// beyond says in which properties a key with the restrictions l may do what one with those of bound may not.
func beyond(l, bound store.Limits) ([]string, error) {
	networks, err := access.ParseNetworks(l.Networks)
	if err != nil {
		return nil, err
	}
	in, err := access.ParseNetworks(bound.Networks)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, property := range Restricting(bound) {
		is := false
		switch property {
		case boundPermissions:
			is = l.Permissions&^bound.Permissions != 0
		case boundNetworks:
			is = len(networks) == 0 || slices.ContainsFunc(networks, func(n netip.Prefix) bool {
				return !slices.ContainsFunc(in, func(m netip.Prefix) bool { return m.Bits() <= n.Bits() && m.Contains(n.Addr()) })
			})
		case boundSenders:
			is = sendersBeyond(mail.SplitList(l.AllowedSenders), mail.SplitList(bound.AllowedSenders))
		case boundHour:
			is = amountBeyond(l.HourLimit, bound.HourLimit)
		case boundDay:
			is = amountBeyond(l.DayLimit, bound.DayLimit)
		case boundMonth:
			is = amountBeyond(l.MonthLimit, bound.MonthLimit)
		}
		if is {
			out = append(out, property)
		}
	}
	return out, nil
}

// sendersBeyond says whether a list of addresses and *@domain has one that is not in the other, nor is of its domains.
func sendersBeyond(list, bound []string) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(s string) bool {
		return !slices.Contains(bound, s) && !slices.Contains(bound, "*"+s[strings.LastIndexByte(s, '@'):])
	})
}

func amountBeyond(n, bound int64) bool { return n == 0 || n > bound }

// bind makes what the operator gives of a key's restrictions its bound, and refuses what goes beyond it to anybody else.
func (c *KeyChange) bind(by change.Actor, key *store.Key) error {
	if by.Kind == change.Operator {
		set(&key.Bound.Permissions, key.Permissions, c.Permissions != nil)
		set(&key.Bound.Networks, key.Networks, c.Networks != nil)
		set(&key.Bound.AllowedSenders, key.AllowedSenders, c.AllowedSenders != nil)
		set(&key.Bound.HourLimit, key.HourLimit, c.HourLimit != nil)
		set(&key.Bound.DayLimit, key.DayLimit, c.DayLimit != nil)
		set(&key.Bound.MonthLimit, key.MonthLimit, c.MonthLimit != nil)
		return nil
	}
	names, err := beyond(key.Limits, key.Bound)
	if err != nil || len(names) == 0 {
		return err
	}
	return change.Forbidden(names[0], "the operator restricted this: it can be made tighter, and only they loosen it; ask them")
}

func set[T any](to *T, value T, given bool) {
	if given {
		*to = value
	}
}

// grants refuses that a key gives more than it has, to itself or to another key: what neither it nor the other has.
// Otherwise what restricts a master key would be no restriction: it could lift it, or make a subaccount without it. was is the
// other key before, or what a new one begins with.
func grants(ctx context.Context, tx *store.Tx, by change.Actor, was, is store.Limits) error {
	if by.Kind != change.Key {
		return nil
	}
	own, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: by.ID})
	if err != nil {
		return err
	}
	if more := access.Permission(is.Permissions &^ was.Permissions &^ own.Permissions); more != 0 {
		return change.Forbidden(boundPermissions, "the calling key lacks "+more.String()+" itself, and a key grants no more than it "+
			"has: its account's people can")
	}
	names, err := beyond(is, own.Limits)
	if err != nil {
		return err
	}
	more, err := beyond(is, was)
	for _, name := range names {
		if name != boundPermissions && slices.Contains(more, name) {
			return change.Forbidden(name, "the calling key is restricted in this itself, and a key grants no more than it has: its "+
				"account's people can")
		}
	}
	return err
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
