// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/store"
)

func (d *door) listKeys(r *http.Request) (any, error) {
	scope := store.OfOperator()
	q := r.URL.Query()
	if which := q.Get("account"); which != "" {
		a, err := d.findAccount(r.Context(), which)
		if err != nil {
			return nil, err
		}
		scope = store.OfAccount(a.ID)
	}
	f := store.KeyFilter{Search: q.Get("search"), State: q.Get("state"), Deleted: yes(r, "deleted")}
	switch f.State {
	case "", store.KeyActive, store.KeyDeactivated, store.KeySuspended:
	default:
		return nil, misused("state", "%q is not a state: there are active, deactivated and suspended", f.State)
	}
	policies, err := d.policies(r)
	if err != nil {
		return nil, err
	}
	out := []Key{}
	for at := 0; ; {
		keys, total, err := d.Store.Keys(r.Context(), scope, f, store.Page{Limit: 1000, Offset: at})
		if err != nil {
			return nil, err
		}
		used, err := d.lastUses(r, keys)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			x := keyOf(k, policies[k.AccountID], used[k.ID], time.Now())
			due, overdue := x.aged()
			if yes(r, "due") && !due || yes(r, "overdue") && !overdue {
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
func (d *door) policies(r *http.Request) (map[int64]credential.Policy, error) {
	list, err := d.Store.Accounts(r.Context())
	out := map[int64]credential.Policy{}
	for _, a := range list {
		out[a.ID] = accounts.PolicyOf(a)
	}
	return out, err
}

// lastUses says when keys were last used, with whichever secret: one that has ended counts too.
func (d *door) lastUses(r *http.Request, keys []store.Key) (map[int64]time.Time, error) {
	ids := make([]int64, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return d.Store.LastUses(r.Context(), store.OfOperator(), ids)
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

func (d *door) showKey(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return d.details(r, key)
}

// details gathers all of a key.
func (d *door) details(r *http.Request, key store.Key) (KeyDetails, error) {
	a, err := d.Store.Account(r.Context(), key.AccountID)
	if err != nil {
		return KeyDetails{}, err
	}
	used, err := d.lastUses(r, []store.Key{key})
	if err != nil {
		return KeyDetails{}, err
	}
	now := time.Now()
	out := KeyDetails{Key: keyOf(key, accounts.PolicyOf(a), used[key.ID], now), AccountName: a.Name, ACL: key.ACL, Senders: []string{}}
	out.Restrictions = restrictionsOf(key.Limits)
	out.Restrictions.AccountDay = a.DayLimit
	uses, err := d.Store.KeyUse(r.Context(), key.ID, monthOf(now))
	if err != nil {
		return out, err
	}
	out.Use = useOf(uses, now)
	senders, err := d.Store.KeySenders(r.Context(), key.ID)
	if err != nil {
		return out, err
	}
	for _, s := range senders {
		out.Senders = append(out.Senders, s.Email)
	}
	out.Connections, err = d.connections(r, key, store.ConnectionFilter{})
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

func (d *door) listConnections(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return d.connections(r, key, store.ConnectionFilter{})
}

// connections lists how the live secrets of a key are used.
func (d *door) connections(r *http.Request, key store.Key, f store.ConnectionFilter) ([]Connection, error) {
	hints := map[int64]string{}
	for _, x := range key.Secrets {
		hints[x.ID] = x.Hint
	}
	f.KeyID = key.ID
	list, err := d.Store.Connections(r.Context(), store.OfAccount(key.AccountID), f)
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

func (d *door) suggestNetworks(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	list, err := d.connections(r, key, store.ConnectionFilter{Since: time.Now().AddDate(0, 0, -suggestDays)})
	if err != nil {
		return nil, err
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
