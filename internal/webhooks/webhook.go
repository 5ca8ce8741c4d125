// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/webhook"
)

// Webhook says where one type of a key's events goes, and how that fares. The times, the counts and the state are those of
// its URL, of all types that go there.
type Webhook struct {
	ID           int64
	Event        string
	Backup       bool
	URL          string    // a password in it reads xxxxx; "" when it was sealed under another server key: it can be set anew
	Version      int       // 1: an event a request; 2: an array of them
	State        string    // works, fails, dead or unused
	LastAt       time.Time `json:",omitzero"`
	LastStatus   int       // of the answer; 0: there was none
	LastError    string    `json:",omitempty"`
	FailingSince time.Time `json:",omitzero"`
	DisabledAt   time.Time `json:"DeadAt,omitzero"` // the URL failed for a day; zero: it is not dead
	Waiting      int       // events of the type, counted up to WaitingCounted
	Delivered    int64     `json:"Told"` // events
	Dropped      int64     // events that were given up
	APIKey       string
	KeyName      string

	KeyID int64           `json:"-"`
	Type  store.EventType `json:"-"`
}

// WaitingCounted is how far events that wait for a webhook are counted.
const WaitingCounted = 1000

// Alive says whether the webhook is not disabled.
func (h Webhook) Alive() bool { return h.DisabledAt.IsZero() }

// Unreadable says whether the URL was sealed under another server key.
func (h Webhook) Unreadable() bool { return h.URL == "" }

// Origin is where the webhook leads, for who may not change it: its path or query can be as good as a password.
func (h Webhook) Origin() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return webhook.Origin(u)
}

// List lists keys' webhooks of the scope by ID, and says how many there are in all.
func (w *Webhooks) List(ctx context.Context, scope store.Scope, f store.WebhookFilter, p store.Page) ([]Webhook, int, error) {
	list, total, err := w.store.Webhooks(ctx, scope, f, p)
	if err != nil {
		return nil, 0, err
	}
	out, err := w.shown(ctx, scope, list)
	return out, total, err
}

func (w *Webhooks) shown(ctx context.Context, scope store.Scope, list []store.Webhook) ([]Webhook, error) {
	ids, keyIDs := make([]int64, 0, len(list)), make([]int64, 0, len(list))
	for _, h := range list {
		ids, keyIDs = append(ids, h.ID), append(keyIDs, h.KeyID)
	}
	keys, err := w.store.KeysByID(ctx, scope, keyIDs)
	if err != nil {
		return nil, err
	}
	waiting, err := w.store.Waiting(ctx, scope, ids, WaitingCounted)
	if err != nil {
		return nil, err
	}
	out := make([]Webhook, 0, len(list))
	for _, h := range list {
		out = append(out, Webhook{
			ID: h.ID, Event: h.Type.String(), Backup: h.Backup, URL: w.shownURL(h), Version: h.Version, State: state(h), LastAt: h.LastAt,
			LastStatus: h.LastStatus, LastError: h.LastError, FailingSince: h.FailingSince, DisabledAt: h.DisabledAt,
			Waiting:   waiting[h.ID],
			Delivered: h.Delivered, Dropped: h.Dropped, APIKey: keys[h.KeyID].APIKey, KeyName: keys[h.KeyID].Name, KeyID: h.KeyID,
			Type: h.Type,
		})
	}
	return out, nil
}

// Webhook reads one webhook of a key in the scope. Error: *change.Error NotFound.
func (w *Webhooks) Webhook(ctx context.Context, scope store.Scope, f store.WebhookFilter) (Webhook, error) {
	h, err := w.kept(ctx, scope, f)
	if err != nil {
		return Webhook{}, err
	}
	list, err := w.shown(ctx, scope, []store.Webhook{h})
	if err != nil {
		return Webhook{}, err
	}
	return list[0], nil
}

func (w *Webhooks) kept(ctx context.Context, scope store.Scope, f store.WebhookFilter) (store.Webhook, error) {
	list, _, err := w.store.Webhooks(ctx, scope, f, store.Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = change.Missing("webhook")
	}
	if err != nil {
		return store.Webhook{}, err
	}
	return list[0], nil
}

// Named finds the webhooks of a key by the names of their types; "all" is all that there are. Errors: *change.Error on
// EventType, also when one is not there.
func (w *Webhooks) Named(ctx context.Context, key store.Key, names []string, backup bool) ([]Webhook, error) {
	types, err := EventTypes(names)
	if err != nil {
		return nil, err
	}
	what := "webhook"
	if backup {
		what = "backup webhook"
	}
	scope := ownerOf(key).Scope()
	list, _, err := w.List(ctx, scope, store.WebhookFilter{KeyID: key.ID, Backup: &backup}, store.Page{})
	if err != nil {
		return nil, err
	}
	all := len(names) == 1 && strings.EqualFold(names[0], "all")
	var out []Webhook
	for _, t := range types {
		i := slices.IndexFunc(list, func(h Webhook) bool { return h.Type == t })
		switch {
		case i >= 0:
			out = append(out, list[i])
		case !all:
			return nil, change.Errorf(change.NotFound, "EventType", "%s has no %s for %s events", key.Name, what, t)
		}
	}
	if len(out) == 0 {
		return nil, change.Errorf(change.NotFound, "EventType", "%s has no %s", key.Name, what)
	}
	return out, nil
}

// Setting is where a key's events of some types are to go.
type Setting struct {
	URL     string
	Types   []store.EventType
	Version int // 0: 1, or with Replace that of the webhook that is there, or else 2
	Backup  bool
	Replace bool // webhooks that are there are changed, rather than a conflict; xxxxx for a password keeps the password
}

// Set adds webhooks to a key of the scope, or with Replace changes those that are there; what waits for one that is changed
// goes to its new URL, and one that was dead is alive again. Errors: *change.Error on URL, Version, EventType; NotFound.
func (w *Webhooks) Set(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, set Setting) ([]Webhook, error) {
	key, err := w.keyOf(ctx, scope, f)
	if err != nil {
		return nil, err
	}
	owner := ownerOf(key)
	if set.Replace {
		if set.URL, err = w.withPassword(ctx, owner, set.URL); err != nil {
			return nil, err
		}
	} else if set.Version == 0 {
		set.Version = 1
	}
	if set.Version != 0 {
		if err := checkVersion(set.Version); err != nil {
			return nil, err
		}
	}
	if len(set.Types) == 0 {
		return nil, change.Errorf(change.Invalid, "EventType", "is missing")
	}
	u, err := webhook.Check(set.URL, w.webhook.Private)
	if err != nil {
		return nil, change.Wrong("URL", err)
	}
	err = change.Add(ctx, w.store, "key", func(tx *store.Tx) error {
		if _, err := tx.Key(ctx, scope, store.KeyFilter{ID: key.ID}); err != nil {
			return err
		}
		endpoint, err := w.webhook.Endpoint(ctx, tx, owner, u)
		if err != nil {
			return err
		}
		for _, t := range set.Types {
			h := store.Webhook{Owner: owner, EndpointID: endpoint, Type: t, Backup: set.Backup, Version: set.Version}
			if err := w.putOfKey(ctx, tx, by, key, h, set.Replace, webhook.Origin(u)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, _, err := w.List(ctx, owner.Scope(), store.WebhookFilter{KeyID: key.ID, Backup: &set.Backup}, store.Page{})
	return slices.DeleteFunc(list, func(h Webhook) bool { return !slices.Contains(set.Types, h.Type) }), err
}

func checkVersion(version int) error {
	if version == 1 || version == 2 {
		return nil
	}
	return change.Errorf(change.Invalid, "Version", "is 1 (an event a request) or 2 (an array of them)")
}

// putOfKey adds or changes one webhook of a key, with its audit entry.
func (w *Webhooks) putOfKey(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key, h store.Webhook, replace bool,
	origin string,
) error {
	h, err := w.put(ctx, tx, h, replace)
	if err != nil {
		return err
	}
	if err := tx.CheckBackup(ctx, h); errors.Is(err, store.ErrSameEndpoint) {
		return change.Errorf(change.Invalid, "URL", "is the one that the backup stands in for: a backup has another URL")
	} else if err != nil {
		return err
	}
	action := "hook.change"
	if h.ID == 0 {
		action = "hook.add"
	}
	return tx.AddAudit(ctx, by.Entry(key.AccountID, action, "webhook "+auditName(h)+" "+origin,
		fmt.Sprintf("version %d; for key %s", h.Version, key.APIKey)))
}

func auditName(h store.Webhook) string {
	if h.Backup {
		return h.Type.String() + " (backup)"
	}
	return h.Type.String()
}

// Change is what is to be different of a webhook; nil stays as it is.
type Change struct {
	URL     *string
	Version *int
	Revive  bool // a dead URL is to be tried again
}

// Change changes a key's webhook of the scope. A URL that is given, even the same, makes a dead one alive. Errors:
// *change.Error on URL and Version, NotFound.
func (w *Webhooks) Change(ctx context.Context, by change.Actor, scope store.Scope, id int64, c Change) (Webhook, error) {
	h, err := w.kept(ctx, scope, store.WebhookFilter{ID: id})
	if err != nil {
		return Webhook{}, err
	}
	version := h.Version
	if c.Version != nil {
		version = *c.Version
	}
	if err := checkVersion(version); err != nil {
		return Webhook{}, err
	}
	switch {
	case c.URL == nil && !c.Revive && version == h.Version:
	case c.URL == nil && !c.Revive && !h.DisabledAt.IsZero():
		err = w.changeVersion(ctx, by, h, version)
	default:
		set := Setting{Types: []store.EventType{h.Type}, Version: version, Backup: h.Backup, Replace: true}
		if c.URL != nil && strings.TrimSpace(*c.URL) != w.shownURL(h) { // what is shown has no password in it
			set.URL = *c.URL
		} else if u, err := w.webhook.URL(h.Owner, h.URL); err == nil {
			set.URL = u.String()
		}
		_, err = w.Set(ctx, by, scope, store.KeyFilter{ID: h.KeyID}, set)
	}
	if err != nil {
		return Webhook{}, err
	}
	return w.Webhook(ctx, scope, store.WebhookFilter{ID: id})
}

// changeVersion changes the version of a webhook that stays disabled.
func (w *Webhooks) changeVersion(ctx context.Context, by change.Actor, h store.Webhook, version int) error {
	return change.Update(ctx, w.store, "webhook", func(tx *store.Tx) error {
		if err := tx.SetWebhookVersion(ctx, h.ID, version); err != nil {
			return err
		}
		of, err := ofKey(ctx, tx, h.KeyID)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(h.AccountID, "hook.change", "webhook "+auditName(h), fmt.Sprintf("version %d; %s", version, of)))
	})
}

// Remove removes a key's webhook of the scope: what waits for it is not delivered. Error: *change.Error NotFound.
func (w *Webhooks) Remove(ctx context.Context, by change.Actor, scope store.Scope, id int64) error {
	return change.Update(ctx, w.store, "webhook", func(tx *store.Tx) error {
		list, err := tx.Webhooks(ctx, scope, store.WebhookFilter{ID: id})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return store.ErrNotFound
		}
		h := list[0]
		if err := tx.RemoveWebhook(ctx, h); err != nil {
			return err
		}
		of, err := ofKey(ctx, tx, h.KeyID)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(h.AccountID, "hook.remove", "webhook "+auditName(h)+" "+w.origin(h), of))
	})
}

// Test posts a sample to the URL of a key's webhook in the scope and returns what came of it, with what was posted. Error:
// *change.Error NotFound.
func (w *Webhooks) Test(ctx context.Context, scope store.Scope, id int64) (Delivery, error) {
	h, err := w.kept(ctx, scope, store.WebhookFilter{ID: id})
	if err != nil {
		return Delivery{}, err
	}
	a, err := w.webhook.Test(ctx, h, nil)
	if err != nil {
		return Delivery{}, err
	}
	list, err := w.deliveries(ctx, scope, []store.Attempt{a})
	if err != nil {
		return Delivery{}, err
	}
	list[0].Body = string(a.Body)
	return list[0], nil
}

// SigningSecret is what is shown of a key's signing secrets: not what they are, but in the answer that made one.
type SigningSecret struct {
	CreatedAt time.Time `json:",omitzero"` // zero: there is none, requests are not signed
	OldEndsAt time.Time `json:",omitzero"` // when the one before stops signing beside it; zero: there is none
	Secret    string    `json:",omitempty"`
	APIKey    string
	KeyName   string
}

// Bounds of the overlap of signing secrets.
const (
	Overlap    = 24 * time.Hour // when none is chosen
	maxOverlap = 30 * 24 * time.Hour
)

// Secret says since when a key of the scope has a signing secret. Error: *change.Error NotFound.
func (w *Webhooks) Secret(ctx context.Context, scope store.Scope, f store.KeyFilter) (SigningSecret, error) {
	key, err := w.keyOf(ctx, scope, f)
	if err != nil {
		return SigningSecret{}, err
	}
	list, err := w.store.WebhookSecrets(ctx, ownerOf(key), w.now())
	out := SigningSecret{APIKey: key.APIKey, KeyName: key.Name}
	for _, x := range list {
		if x.ExpiresAt.IsZero() {
			out.CreatedAt = x.CreatedAt
		} else {
			out.OldEndsAt = x.ExpiresAt
		}
	}
	return out, err
}

// NewSecret makes a new signing secret for a key of the scope and returns it: to be shown once. The one before goes on
// signing beside it for the overlap. Errors: *change.Error on OverlapSeconds, NotFound.
func (w *Webhooks) NewSecret(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter,
	overlap time.Duration,
) (SigningSecret, error) {
	if overlap < 0 || overlap > maxOverlap {
		return SigningSecret{}, change.Errorf(change.Invalid, "OverlapSeconds", "is from 0 to %d (30 days)", int64(maxOverlap/time.Second))
	}
	var secret string
	err := change.Update(ctx, w.store, "key", func(tx *store.Tx) error {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return err
		}
		if secret, err = w.webhook.NewSecret(ctx, tx, ownerOf(key), overlap); err != nil {
			return err
		}
		detail := fmt.Sprintf("a new one, the old one beside it for %s; for key %s", overlap, key.APIKey)
		return tx.AddAudit(ctx, by.Entry(key.AccountID, "hook.secret", "the signing secret of webhooks", detail))
	})
	if err != nil {
		return SigningSecret{}, err
	}
	out, err := w.Secret(ctx, scope, f)
	out.Secret = secret
	return out, err
}
