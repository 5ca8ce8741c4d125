// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/notice"
	"postern/internal/senders"
	"postern/internal/store"
)

// KeyChange is what to change of a key; nil leaves a property as it is.
type KeyChange struct {
	Name      *string
	ACL       *string
	Reference *string
	Active    *bool
	TrackHost *string // host name of the links in its mail; "" the server's

	// Restrictions.
	Permissions    *access.Permission
	Networks       *string // addresses and networks, with white space or commas between
	AllowedSenders *string // addresses and domains, with white space or commas between
	HourLimit      *int64  // messages; 0: no limit
	DayLimit       *int64
	MonthLimit     *int64
	OverHourWaits  *bool

	Confirm bool // a key may shut itself out
}

// Restricts says whether the change touches a restriction.
func (c *KeyChange) Restricts() bool {
	return c.Permissions != nil || c.Networks != nil || c.AllowedSenders != nil || c.HourLimit != nil || c.DayLimit != nil ||
		c.MonthLimit != nil || c.OverHourWaits != nil
}

// maxAllowedSenders bounds a key's list.
const maxAllowedSenders = 100

// Change changes a key of the scope. self is the ID of the key that asks, 0 when a person does: a key cannot
// deactivate itself, a subaccount's cannot change what restricts it, and none gives more than it has. What the operator
// restricts, nobody else loosens. Errors: *change.Error
// on the property, of the kind LockOut when the key would shut itself out.
func (k *Keys) Change(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, c KeyChange, self int64) (store.Key,
	error,
) {
	var out store.Key
	err := k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.KeyToChange(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		if key.ID == self && !key.Master {
			switch {
			case c.Restricts():
				return nil, change.Forbidden("Permissions", "a subaccount's key cannot change its own restrictions: the account's "+
					"master key or its people can")
			case c.Name != nil && *c.Name != key.Name, c.Reference != nil && *c.Reference != key.Reference:
				// A name or reference that is taken would tell of the account's other keys.
				return nil, change.Forbidden("Name", "a subaccount's key cannot change its own name and reference: the account's "+
					"master key or its people can")
			}
		}
		var log change.Log
		host, was, bound := key.TrackHost, key.Limits, key.Bound
		if err := c.apply(&key, self, &log); err != nil {
			return nil, err
		}
		if err := c.bind(by, &key); err != nil {
			return nil, err
		}
		if err := grants(ctx, tx, by, was, key.Limits); err != nil {
			return nil, err
		}
		if err := c.locksOut(by, key); err != nil {
			return nil, err
		}
		if key.TrackHost != host && key.TrackHost != "" {
			if err := k.allowHost(ctx, tx, by, &key); err != nil {
				return nil, err
			}
		}
		out = key
		if log.Text == "" && key.Bound != bound {
			log.Text = "the operator's restrictions: " + cmp.Or(strings.Join(Restricting(key.Bound), ", "), "none")
		}
		if log.Text == "" {
			return nil, nil
		}
		if c.Name != nil || c.Reference != nil {
			if err := tx.LockAccount(ctx, key.AccountID); err != nil { // they are unique in it
				return nil, err
			}
			if err := k.free(ctx, tx, key); err != nil {
				return nil, err
			}
		}
		if err := tx.ChangeKey(ctx, key); err != nil {
			return nil, err
		}
		return &key, tx.AddAudit(ctx, by.Entry(key.AccountID, "key.change", "key "+key.APIKey, log.Text))
	})
	return out, err
}

// apply changes key and notes what is different.
func (c *KeyChange) apply(key *store.Key, self int64, log *change.Log) error {
	if c.Name != nil && *c.Name != key.Name { // one that was taken stays good
		name, err := access.CleanName(*c.Name)
		if err != nil {
			return change.Wrong("Name", err)
		}
		log.Note("name", key.Name, name)
		key.Name = name
	}
	if c.Reference != nil {
		reference, err := access.CleanReference(*c.Reference)
		if err != nil {
			return change.Wrong("Reference", err)
		}
		log.Note("reference", key.Reference, reference)
		key.Reference = reference
	}
	if c.ACL != nil {
		if len(*c.ACL) > 1000 {
			return change.Wrong("ACL", errors.New("the ACL is longer than 1000 bytes"))
		}
		log.Note("ACL", key.ACL, *c.ACL)
		key.ACL = *c.ACL
	}
	if c.TrackHost != nil {
		host, err := cleanHost(*c.TrackHost)
		if err != nil {
			return change.Wrong("TrackHost", err)
		}
		log.Note("host of links", key.TrackHost, host)
		key.TrackHost = host
	}
	if err := c.applyState(key, self, log); err != nil {
		return err
	}
	return c.restrict(&key.Limits, log)
}

func (c *KeyChange) applyState(key *store.Key, self int64, log *change.Log) error {
	if c.Active == nil {
		return nil
	}
	switch {
	case key.State == store.KeySuspended:
		return change.Forbidden("IsActive", "the key is suspended by the operator")
	case !*c.Active && key.ID == self:
		return change.Forbidden("IsActive", "a key cannot deactivate itself")
	}
	state := store.KeyDeactivated
	if *c.Active {
		state = store.KeyActive
	}
	log.Note("state", key.State, state)
	key.State, key.Own.State = state, state
	return nil
}

// restrict changes the restrictions of a key.
func (c *KeyChange) restrict(l *store.Limits, log *change.Log) error {
	if c.Permissions != nil {
		p := *c.Permissions
		if p <= 0 || p > access.AllPermissions {
			return change.Wrong("Permissions", errors.New("at least one of send, statistics and manage is needed"))
		}
		log.Note("permissions", access.Permission(l.Permissions).String(), p.String())
		l.Permissions = int(p)
	}
	if c.Networks != nil {
		networks, err := access.ParseNetworks(*c.Networks)
		if err != nil {
			return change.Wrong("Networks", err)
		}
		text := access.FormatNetworks(networks)
		log.Note("networks", l.Networks, text)
		l.Networks = text
	}
	if c.AllowedSenders != nil {
		text, err := cleanSenders(*c.AllowedSenders)
		if err != nil {
			return change.Wrong("AllowedSenders", err)
		}
		log.Note("allowed senders", l.AllowedSenders, text)
		l.AllowedSenders = text
	}
	for _, x := range []struct {
		property, name string
		to             *int64
		limit          *int64
	}{
		{"HourLimit", "messages an hour", c.HourLimit, &l.HourLimit},
		{"DayLimit", "messages a day", c.DayLimit, &l.DayLimit},
		{"MonthLimit", "messages a month", c.MonthLimit, &l.MonthLimit},
	} {
		if x.to == nil {
			continue
		}
		if *x.to < 0 || *x.to > accounts.MaxLimit {
			return change.Wrong(x.property, fmt.Errorf("must be 0 (no limit) to %d messages", int64(accounts.MaxLimit)))
		}
		log.Note(x.name, accounts.LimitText(*x.limit), accounts.LimitText(*x.to))
		*x.limit = *x.to
	}
	if c.OverHourWaits != nil {
		say := map[bool]string{false: "is refused", true: "waits"}
		log.Note("mail over the hourly limit", say[l.OverHourWaits], say[*c.OverHourWaits])
		l.OverHourWaits = *c.OverHourWaits
	}
	return nil
}

// cleanSenders reads a list of addresses and domains into its stored form.
func cleanSenders(s string) (string, error) {
	var out []string
	for _, f := range mail.SplitList(s) {
		email, _, err := senders.Split(f)
		if err != nil {
			return "", fmt.Errorf("%q: %w", access.Short(f), err)
		}
		out = append(out, email)
	}
	if len(out) > maxAllowedSenders {
		return "", fmt.Errorf("%d senders; %d are allowed", len(out), maxAllowedSenders)
	}
	return strings.Join(out, " "), nil
}

// Suspend closes a key by the operator's word, whatever its owner does, until Restore. The owners are told the reason.
func (k *Keys) Suspend(ctx context.Context, by change.Actor, f store.KeyFilter, reason string) (store.Key, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > 1000 {
		return store.Key{}, change.Wrong("Reason", errors.New("a reason of up to 1000 bytes is needed: the owners are told it"))
	}
	return k.setSuspended(ctx, by, f, func(key *store.Key) (action, detail string, n notice.Notice, err error) {
		if key.Own.State == store.KeySuspended {
			return "", "", n, change.Conflicting("State", "the key is suspended already")
		}
		key.Own = store.OwnState{State: store.KeySuspended, Before: key.Own.State, Reason: reason}
		return "key.suspend", "state: " + key.Own.Before + " → suspended; reason: " + reason,
			notice.Notice{Kind: notice.KeySuspended, Reason: reason}, nil
	})
}

// Restore ends a key's own suspension: it is again what it was before. That of its account stays.
func (k *Keys) Restore(ctx context.Context, by change.Actor, f store.KeyFilter) (store.Key, error) {
	return k.setSuspended(ctx, by, f, func(key *store.Key) (action, detail string, n notice.Notice, err error) {
		switch {
		case key.State != store.KeySuspended:
			return "", "", n, change.Conflicting("State", "the key is not suspended")
		case key.Own.State != store.KeySuspended:
			return "", "", n, change.Conflicting("State", "the key is not suspended for itself: its account is, and is restored as a whole")
		}
		key.Own = store.OwnState{State: cmp.Or(key.Own.Before, store.KeyActive)}
		return "key.restore", "state: suspended → " + key.Own.State, notice.Notice{Kind: notice.KeyRestored}, nil
	})
}

func (k *Keys) setSuspended(ctx context.Context, by change.Actor, f store.KeyFilter,
	set func(*store.Key) (action, detail string, n notice.Notice, err error),
) (store.Key, error) {
	var out store.Key
	err := k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.KeyToChange(ctx, store.OfOperator(), f)
		if err != nil {
			return nil, err
		}
		action, detail, n, err := set(&key)
		if err != nil {
			return nil, err
		}
		if err := tx.ChangeKey(ctx, key); err != nil {
			return nil, err
		}
		if key, err = tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: key.ID}); err != nil { // as it counts with its account
			return nil, err
		}
		n.KeyID, n.APIKey, n.KeyName = key.ID, key.APIKey, key.Name
		if err := k.notices.Add(ctx, tx, key.AccountID, n); err != nil {
			return nil, err
		}
		out = key
		return &key, tx.AddAudit(ctx, by.Entry(key.AccountID, action, "key "+key.APIKey, detail))
	})
	return out, err
}

// Delete ends a subaccount for good: its secrets and sessions die, its API key is never given out again, its history
// stays for the retention time. What waits in the queue is still sent, or, with cancelQueued, given up as blocked.
// Errors: *change.Error NotAllowed for a master key.
func (k *Keys) Delete(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, cancelQueued bool) error {
	err := k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.KeyToChange(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		if key.Master {
			return nil, change.Forbidden("ID", "the master key is the account's own and cannot be deleted")
		}
		if key.State == store.KeySuspended && by.Kind != change.Operator {
			return nil, change.Forbidden("ID", "the key is suspended by the operator, and can be deleted when it is restored")
		}
		if _, err := tx.EndSecrets(ctx, key.ID); err != nil {
			return nil, err
		}
		if err := tx.DeleteKey(ctx, key, cancelQueued); err != nil {
			return nil, err
		}
		if err := tx.RemoveWebhooksOf(ctx, key.ID); err != nil {
			return nil, err
		}
		detail := "name " + key.Name + "; queued mail is sent"
		if cancelQueued {
			detail = "name " + key.Name + "; queued mail is cancelled"
		}
		key.DeletedAt, key.Secrets = tx.Now, nil
		return &key, tx.AddAudit(ctx, by.Entry(key.AccountID, "key.delete", "key "+key.APIKey, detail))
	})
	if err != nil || !cancelQueued {
		return err
	}
	_, err = k.CancelQueued(ctx)
	return err
}

// CancelQueued gives up what deleted keys have waiting that is not to be sent, and says how many messages it was. What
// is being tried at the moment is left for the next call.
func (k *Keys) CancelQueued(ctx context.Context) (n int, err error) {
	const batch = 500
	for {
		got, err := k.store.CancelQueued(ctx, batch)
		n += got
		if err != nil || got < batch {
			return n, err
		}
	}
}
