// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/store"
)

func (o *operator) listKeys(ctx context.Context, in KeyList) ([]Key, error) {
	scope := store.OfOperator()
	if in.Account != "" {
		a, err := o.findAccount(ctx, in.Account)
		if err != nil {
			return nil, err
		}
		scope = store.OfAccount(a.ID)
	}
	f := store.KeyFilter{Search: in.Search, State: in.State, Deleted: in.Deleted}
	switch f.State {
	case "", store.KeyActive, store.KeyDeactivated, store.KeySuspended:
	default:
		return nil, misused("state", "%q is not a state: there are active, deactivated and suspended", f.State)
	}
	policies, err := o.policies(ctx)
	if err != nil {
		return nil, err
	}
	out := []Key{}
	for at := 0; ; {
		keys, total, err := o.Store.Keys(ctx, scope, f, store.Page{Limit: 1000, Offset: at})
		if err != nil {
			return nil, err
		}
		used, err := o.lastUses(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			x := keyOf(k, policies[k.AccountID], used[k.ID], time.Now())
			due, overdue := x.aged()
			if in.Due && !due || in.Overdue && !overdue {
				continue
			}
			out = append(out, x)
		}
		if at += len(keys); len(keys) == 0 || at >= total {
			return out, nil
		}
	}
}

// aged says whether a live secret of the key is due for a reset, and whether one is overdue.
func (k *Key) aged() (due, overdue bool) {
	for _, x := range k.Secrets {
		due, overdue = due || x.Due, overdue || x.Overdue
	}
	return due, overdue
}

// policies are the rotation policies of the accounts.
func (o *operator) policies(ctx context.Context) (map[int64]credential.Policy, error) {
	list, err := o.Store.Accounts(ctx)
	out := map[int64]credential.Policy{}
	for _, a := range list {
		out[a.ID] = accounts.PolicyOf(a)
	}
	return out, err
}

// lastUses says when keys were last used, with whichever secret: one that has ended counts too.
func (o *operator) lastUses(ctx context.Context, keys []store.Key) (map[int64]time.Time, error) {
	ids := make([]int64, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return o.Store.LastUses(ctx, store.OfOperator(), ids)
}

func keyOf(k store.Key, policy credential.Policy, used, now time.Time) Key {
	out := Key{
		ID: k.ID, AccountID: k.AccountID, APIKey: k.APIKey, Name: k.Name, Reference: k.Reference, TrackHost: k.TrackHost, Master: k.Master,
		State: k.State, StateReason: k.StateReason, CreatedAt: k.CreatedAt, DeletedAt: k.DeletedAt, LastUsedAt: used, Secrets: []Secret{},
	}
	for i, x := range k.Secrets {
		s := secretOf(x, policy, now)
		if i == 0 { // the newest
			out.SecretHint, out.SecretCreatedAt, out.SecretDaysLeft = s.Hint, s.CreatedAt, s.DaysLeft
		}
		out.Secrets = append(out.Secrets, s)
	}
	return out
}

func secretOf(x store.Secret, policy credential.Policy, now time.Time) Secret {
	age := policy.AgeOf(x.CreatedAt, now)
	s := Secret{ID: x.ID, Hint: x.Hint, CreatedAt: x.CreatedAt, AgeDays: age.Days, DaysLeft: age.DaysLeft, ExpiresAt: x.ExpiresAt, LastUsedAt: x.LastUsedAt}
	if x.ExpiresAt.IsZero() {
		s.Due, s.Overdue = age.Due, age.Overdue // one that ends by itself is nobody's task
	}
	if policy.Stop && policy.Days > 0 {
		s.StopsAt = policy.EndOf(x.CreatedAt)
	}
	return s
}

func (o *operator) showKey(ctx context.Context, which string) (KeyDetails, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return KeyDetails{}, err
	}
	return o.details(ctx, key)
}

// details gathers all of a key.
func (o *operator) details(ctx context.Context, key store.Key) (KeyDetails, error) {
	a, err := o.Store.Account(ctx, key.AccountID)
	if err != nil {
		return KeyDetails{}, err
	}
	used, err := o.lastUses(ctx, []store.Key{key})
	if err != nil {
		return KeyDetails{}, err
	}
	now := time.Now()
	out := KeyDetails{Key: keyOf(key, accounts.PolicyOf(a), used[key.ID], now), AccountName: a.Name, ACL: key.ACL, Senders: []string{}}
	out.Restrictions = restrictionsOf(key.Limits)
	out.Restrictions.AccountDay = a.DayLimit
	uses, err := o.Store.KeyUse(ctx, key.ID, monthOf(now))
	if err != nil {
		return out, err
	}
	out.Use = useOf(uses, now)
	senders, err := o.Store.KeySenders(ctx, key.ID)
	if err != nil {
		return out, err
	}
	for _, s := range senders {
		out.Senders = append(out.Senders, s.Email)
	}
	out.Connections, err = o.connections(ctx, key, store.ConnectionFilter{})
	return out, err
}

func restrictionsOf(l store.Limits) Restrictions {
	out := Restrictions{
		Permissions: strings.Split(access.Permission(l.Permissions).String(), ","), Networks: strings.Fields(l.Networks), AllowedSenders: mail.SplitList(l.AllowedSenders),
		HourLimit: l.HourLimit, DayLimit: l.DayLimit, MonthLimit: l.MonthLimit, OverHour: "refuse",
	}
	if l.OverHourWaits {
		out.OverHour = "wait"
	}
	return out
}

// monthOf is the beginning of a time's month, in UTC as all limits are.
func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// useOf sums the hours of this month.
func useOf(hours []store.HourUse, now time.Time) (u Use) {
	hour, day, next := now.UTC().Truncate(time.Hour), now.UTC().Truncate(24*time.Hour), monthOf(now).AddDate(0, 1, 0)
	for _, h := range hours {
		if h.Hour.Equal(hour) {
			u.ThisHour += h.Messages
		}
		if !h.Hour.Before(day) && h.Hour.Before(day.AddDate(0, 0, 1)) {
			u.ThisDay += h.Messages
		}
		if h.Hour.Before(next) { // what waits for its hour may be in the next month
			u.ThisMonth += h.Messages
		}
	}
	return u
}

func (o *operator) listConnections(ctx context.Context, which string) ([]Connection, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return nil, err
	}
	return o.connections(ctx, key, store.ConnectionFilter{})
}

// connections lists how the live secrets of a key are used.
func (o *operator) connections(ctx context.Context, key store.Key, f store.ConnectionFilter) ([]Connection, error) {
	hints := map[int64]string{}
	for _, x := range key.Secrets {
		hints[x.ID] = x.Hint
	}
	f.KeyID = key.ID
	list, err := o.Store.Connections(ctx, store.OfAccount(key.AccountID), f)
	out := []Connection{}
	for _, c := range list {
		if hint, live := hints[c.SecretID]; live { // an overlap that is over may not be noted yet
			out = append(out, Connection{
				SecretID: c.SecretID, SecretHint: hint, Protocol: c.Protocol, Address: c.Address, Client: c.Client,
				FirstSeenAt: c.FirstSeenAt, LastSeenAt: c.LastSeenAt, Count: c.Count,
			})
		}
	}
	return out, err
}

// suggestDays is how far back a suggestion looks.
const suggestDays = 30

func (o *operator) suggestNetworks(ctx context.Context, which string) (Suggestion, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return Suggestion{}, err
	}
	list, err := o.connections(ctx, key, store.ConnectionFilter{Since: time.Now().AddDate(0, 0, -suggestDays)})
	if err != nil {
		return Suggestion{}, err
	}
	out := Suggestion{Networks: []string{}}
	seen := map[netip.Addr]bool{}
	var all []netip.Addr
	for _, c := range list {
		a, err := netip.ParseAddr(c.Address)
		if err != nil {
			out.Unknown++
			continue
		}
		if !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	out.Addresses = len(all)
	out.Networks = append(out.Networks, strings.Fields(access.FormatNetworks(access.SuggestNetworks(all)))...)
	return out, nil
}
