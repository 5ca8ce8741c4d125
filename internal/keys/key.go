// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/store"
)

// Key is an API key as people and programs are shown it. Times are zero for "never".
type Key struct {
	ID              int64
	AccountID       int64
	APIKey          string
	Name            string
	Reference       string `json:",omitempty"` // the customer's own ID
	TrackHost       string `json:",omitempty"` // host name of the links in its mail; none: the server's
	Master          bool
	State           string
	StateReason     string    `json:",omitempty"` // why the operator suspended it
	CreatedAt       time.Time `json:",omitzero"`
	DeletedAt       time.Time `json:",omitzero"`
	SecretHint      string    // the last four characters of the newest live secret
	SecretCreatedAt time.Time `json:",omitzero"`
	SecretDaysLeft  int       // to the reset that the account's policy asks for
	LastUsedAt      time.Time `json:",omitzero"` // with any of its secrets, ended ones included
	Secrets         []Secret  // the live ones, the newest first

	Record store.Key `json:"-"` // what the store has of it
}

// Secret is what is known of a live secret key: not the secret.
type Secret struct {
	ID        int64
	Hint      string    // its last four characters
	CreatedAt time.Time `json:",omitzero"`
	AgeDays   int
	DaysLeft  int // to the reset that the policy asks for; negative: overdue
	// Due says that somebody has to reset it, and Overdue that they are late, by the account's policy. It is said of
	// secrets that authenticate somebody and that end only when somebody ends them: not of those of a key that is not
	// active, which authenticate nobody, nor of the old one of an overlap, which ends by itself. Reminders and metrics
	// (store.UntoldSecrets, store.CountAged) and the filters of listings go by the same rule.
	Due        bool
	Overdue    bool
	ExpiresAt  time.Time `json:",omitzero"` // the end of an overlap
	StopsAt    time.Time `json:",omitzero"` // when it is overdue and refused, by the account's policy
	LastUsedAt time.Time `json:",omitzero"`
}

// Details are all of a key.
type Details struct {
	Key
	AccountName  string
	ACL          string `json:",omitempty"`
	Restrictions Restrictions
	Use          accounts.Use
	Senders      []string
	Connections  []Connection // of the live secrets
}

// Restrictions of a key. Empty lists and 0 restrict nothing.
type Restrictions struct {
	Permissions    []string // all three: nothing is restricted
	Networks       []string
	AllowedSenders []string
	HourLimit      int64
	DayLimit       int64
	MonthLimit     int64
	OverHour       string // "refuse" or "wait"
	AccountDay     int64  // the account's daily limit of keys that have none of their own
	// ByOperator are the properties that the operator restricted: nobody else loosens them.
	ByOperator []string `json:",omitempty"`
}

// VolumeDays is how far back the volume of a key is counted.
const VolumeDays = 30

// keyOf is a key as it is at a time.
func keyOf(k store.Key, policy credential.Policy, used, now time.Time) Key {
	out := Key{
		ID: k.ID, AccountID: k.AccountID, APIKey: k.APIKey, Name: k.Name, Reference: k.Reference, TrackHost: k.TrackHost, Master: k.Master,
		State: k.State, StateReason: k.StateReason, CreatedAt: k.CreatedAt, DeletedAt: k.DeletedAt, LastUsedAt: used, Secrets: []Secret{},
		Record: k,
	}
	for i, x := range k.Secrets {
		s := secretOf(x, k.State, policy, now)
		if i == 0 { // the newest
			out.SecretHint, out.SecretCreatedAt, out.SecretDaysLeft = s.Hint, s.CreatedAt, s.DaysLeft
		}
		out.Secrets = append(out.Secrets, s)
	}
	return out
}

func secretOf(x store.Secret, state string, policy credential.Policy, now time.Time) Secret {
	age := policy.AgeOf(x.CreatedAt, now)
	s := Secret{
		ID: x.ID, Hint: x.Hint, CreatedAt: x.CreatedAt, AgeDays: age.Days, DaysLeft: age.DaysLeft, ExpiresAt: x.ExpiresAt,
		LastUsedAt: x.LastUsedAt,
	}
	if x.ExpiresAt.IsZero() && state == store.KeyActive {
		s.Due, s.Overdue = age.Due, age.Overdue
	}
	if policy.Stop && policy.Days > 0 {
		s.StopsAt = policy.EndOf(x.CreatedAt)
	}
	return s
}

// Keys lists keys of the scope, and says how many there are in all.
func (k *Keys) Keys(ctx context.Context, scope store.Scope, f store.KeyFilter, p store.Page) ([]Key, int, error) {
	list, total, err := k.store.Keys(ctx, scope, f, p)
	if err != nil {
		return nil, 0, err
	}
	out, err := k.show(ctx, list)
	return out, total, err
}

// Count says how many keys of the scope there are.
func (k *Keys) Count(ctx context.Context, scope store.Scope, f store.KeyFilter) (int, error) {
	_, n, err := k.store.Keys(ctx, scope, f, store.Page{Limit: 1})
	return n, err
}

// Key reads one key of the scope.
func (k *Keys) Key(ctx context.Context, scope store.Scope, f store.KeyFilter) (Key, error) {
	key, err := k.store.Key(ctx, scope, f)
	if err != nil {
		return Key{}, missing(err)
	}
	return k.Show(ctx, key)
}

// Show is what is shown of a key that was read or changed just now.
func (k *Keys) Show(ctx context.Context, key store.Key) (Key, error) {
	out, err := k.show(ctx, []store.Key{key})
	if err != nil {
		return Key{}, err
	}
	return out[0], nil
}

func (k *Keys) show(ctx context.Context, list []store.Key) ([]Key, error) {
	ids := make([]int64, len(list))
	policies := map[int64]credential.Policy{}
	for i, x := range list {
		ids[i] = x.ID
		if _, known := policies[x.AccountID]; !known {
			a, err := k.store.Account(ctx, x.AccountID)
			if err != nil {
				return nil, err
			}
			policies[a.ID] = accounts.PolicyOf(a)
		}
	}
	used, err := k.store.LastUses(ctx, store.OfOperator(), ids)
	now := k.now()
	out := make([]Key, len(list))
	for i, x := range list {
		out[i] = keyOf(x, policies[x.AccountID], used[x.ID], now)
	}
	return out, err
}

// Details reads all of a key.
func (k *Keys) Details(ctx context.Context, key store.Key) (Details, error) {
	x, err := k.Show(ctx, key)
	if err != nil {
		return Details{}, err
	}
	out := Details{Key: x, ACL: key.ACL, Senders: []string{}}
	a, err := k.store.Account(ctx, key.AccountID)
	if err != nil {
		return out, err
	}
	out.AccountName, out.Restrictions = a.Name, restrictionsOf(key.Limits)
	out.Restrictions.ByOperator = Restricting(key.Bound)
	out.Restrictions.AccountDay = a.DayLimit
	if out.Use, err = k.Use(ctx, key.ID); err != nil {
		return out, err
	}
	senders, err := k.store.KeySenders(ctx, key.ID)
	if err != nil {
		return out, err
	}
	for _, s := range senders {
		out.Senders = append(out.Senders, s.Email)
	}
	out.Connections, err = k.Connections(ctx, key, store.ConnectionFilter{})
	return out, err
}

func restrictionsOf(l store.Limits) Restrictions {
	out := Restrictions{
		Permissions: strings.Split(access.Permission(l.Permissions).String(), ","), Networks: strings.Fields(l.Networks),
		AllowedSenders: mail.SplitList(l.AllowedSenders), HourLimit: l.HourLimit, DayLimit: l.DayLimit, MonthLimit: l.MonthLimit,
		OverHour: "refuse",
	}
	if l.OverHourWaits {
		out.OverHour = "wait"
	}
	return out
}

// Use says how many messages of a key were accepted for now.
func (k *Keys) Use(ctx context.Context, keyID int64) (accounts.Use, error) {
	now := k.now()
	hours, err := k.store.KeyUse(ctx, keyID, accounts.MonthOf(now))
	return accounts.UseOf(hours, now), err
}

// Volumes counts the messages of some keys of the scope for each of the last VolumeDays, today last.
func (k *Keys) Volumes(ctx context.Context, scope store.Scope, list []Key) (map[int64][]int64, error) {
	ids := make([]int64, len(list))
	for i, x := range list {
		ids[i] = x.ID
	}
	return k.store.Volumes(ctx, scope, ids, k.now(), VolumeDays)
}
