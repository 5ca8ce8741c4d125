// SPDX-License-Identifier: Apache-2.0

// Package webhooks has the questions and changes about webhooks: which of an owner's events go to which URL, how that fares,
// and what was delivered. An owner is an API key, with events of its messages, or an account, with events of its
// credentials. Package webhook delivers.
package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/store"
	"postern/internal/webhook"
)

// Webhooks asks and changes. Make it with New.
type Webhooks struct {
	store   *store.Store
	notices *notice.Outbox
	webhook *webhook.Webhook
	now     func() time.Time
}

// Config of Webhooks.
type Config struct {
	Store   *store.Store
	Notices *notice.Outbox
	Webhook *webhook.Webhook
	Now     func() time.Time // nil: time.Now
}

// New makes Webhooks.
func New(c Config) *Webhooks {
	if c.Now == nil {
		c.Now = time.Now
	}
	w := &Webhooks{store: c.Store, notices: c.Notices, webhook: c.Webhook, now: c.Now}
	w.webhook.OnDisabled(w.disabled)
	return w
}

// Private says whether endpoints may be in private networks, and without TLS.
func (w *Webhooks) Private() bool { return w.webhook.Private }

// KeyEvents are the types of events that a key's webhooks are for, in the order of a message's life.
func KeyEvents() []store.EventType {
	return []store.EventType{
		store.EventSent, store.EventOpen, store.EventClick, store.EventBounce, store.EventBlocked, store.EventSpam, store.EventUnsub,
	}
}

// AccountEvents are the types of events that an account's webhook is for.
func AccountEvents() []store.EventType {
	return []store.EventType{store.EventCredentialDue, store.EventCredentialOverdue, store.EventCredentialLeaked, store.EventWebhookTest}
}

// EventType reads the name of a type of a key's events. Error: *change.Error on EventType.
func EventType(name string) (store.EventType, error) {
	var names []string
	for _, t := range KeyEvents() {
		if strings.EqualFold(t.String(), strings.TrimSpace(name)) {
			return t, nil
		}
		names = append(names, t.String())
	}
	return 0, change.Errorf(change.Invalid, "EventType", "%q is not among the events that are told: %s", access.Short(name),
		strings.Join(names, ", "))
}

// EventTypes reads the names of types; "all" is each of them. Error: *change.Error on EventType, also of none.
func EventTypes(names []string) (types []store.EventType, err error) {
	for _, name := range names {
		if strings.EqualFold(name, "all") {
			return KeyEvents(), nil
		}
		t, err := EventType(name)
		if err != nil {
			return nil, err
		}
		types = append(types, t)
	}
	if len(types) == 0 {
		err = change.Errorf(change.Invalid, "EventType", "say of which events")
	}
	return types, err
}

// state is how a webhook fares: "dead" (disabled), "fails", "works", or "unused" where nothing was delivered yet.
func state(h store.Webhook) string {
	switch {
	case !h.DisabledAt.IsZero():
		return "dead"
	case !h.FailingSince.IsZero():
		return "fails"
	case h.LastAt.IsZero():
		return "unused"
	}
	return "works"
}

// shownURL is a webhook's URL with xxxxx for a password; "" when it was sealed under another server key.
func (w *Webhooks) shownURL(h store.Webhook) string {
	u, err := w.webhook.URL(h.Owner, h.URL)
	if err != nil {
		return ""
	}
	return webhook.Redacted(u)
}

// origin is where a webhook leads, for the audit log.
func (w *Webhooks) origin(h store.Webhook) string {
	u, err := w.webhook.URL(h.Owner, h.URL)
	if err != nil {
		return "unreadable" // it can be removed all the same
	}
	return webhook.Origin(u)
}

// withPassword puts the password back into a URL that is given as one of the owner's webhooks is shown. Error: *change.Error
// on URL.
func (w *Webhooks) withPassword(ctx context.Context, o store.Owner, text string) (string, error) {
	given, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return text, nil //nolint:nilerr // webhook.Check says it
	}
	if password, _ := given.User.Password(); password != webhook.Masked {
		return text, nil
	}
	none := "no webhook of the key is shown so"
	if o.OfAccount() {
		none = "the account's webhook is not shown so"
	}
	list, _, err := w.store.Webhooks(ctx, o.Scope(), store.WebhookFilter{Account: o.OfAccount(), KeyID: o.KeyID}, store.Page{})
	if err != nil {
		return "", err
	}
	known := map[string]bool{}
	for _, h := range list {
		if u, err := w.webhook.URL(o, h.URL); err == nil && webhook.Redacted(u) == given.String() {
			known[u.String()] = true
			text = u.String()
		}
	}
	switch len(known) {
	case 0:
		return "", change.Errorf(change.Invalid, "URL", "has %s for a password, and %s: give the password", webhook.Masked, none)
	case 1:
		return text, nil
	}
	return "", change.Errorf(change.Invalid, "URL", "has %s for a password, and the key has several that are shown so: give the password",
		webhook.Masked)
}

// put has one type of an owner's events go to an endpoint; what is there already is changed, or with replace false a
// conflict. What waits for a webhook that is changed goes to its new endpoint, and one that was disabled is no more.
func (w *Webhooks) put(ctx context.Context, tx *store.Tx, h store.Webhook, replace bool) (now store.Webhook, err error) {
	there, err := tx.Webhooks(ctx, h.Scope(), store.WebhookFilter{Account: h.OfAccount(), KeyID: h.KeyID, Type: h.Type, Backup: &h.Backup})
	if err != nil {
		return h, err
	}
	if len(there) == 0 {
		if h.Version == 0 {
			h.Version = 2
		}
		_, err = tx.AddWebhook(ctx, h)
		return h, err
	}
	if !replace {
		what := "URL"
		if h.Backup {
			what = "backup URL"
		}
		return h, change.Errorf(change.Conflict, "EventType", "a %s for %s events is set already; change or remove that one", what, h.Type)
	}
	h.ID = there[0].ID
	if h.Version == 0 {
		h.Version = there[0].Version
	}
	if h.EndpointID != there[0].EndpointID {
		if _, _, err := tx.MoveDeliveries(ctx, there[0], h, 0, 0); err != nil {
			return h, err
		}
	}
	return h, tx.ChangeWebhook(ctx, h)
}

// disabled leaves a notice of webhooks whose endpoint failed for a day, and notes it in the audit log.
func (w *Webhooks) disabled(ctx context.Context, tx *store.Tx, d webhook.Disabled) error {
	names := make([]string, len(d.Types))
	for i, t := range d.Types {
		names[i] = t.String()
	}
	what := strings.Join(names, ", ")
	detail := fmt.Sprintf("failed since %s; %d by a backup now; %d events dropped", d.Since.Format(time.RFC3339), len(d.TakenOver),
		d.Dropped)
	n := notice.Notice{
		Kind: notice.HookDead, What: what, Address: d.Target, Reason: d.Error, Wanted: int64(d.Dropped), Days: len(d.TakenOver),
		Until: d.Since, Link: "/account",
	}
	action := "webhook.dead"
	if !d.OfAccount() {
		key, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: d.KeyID})
		if errors.Is(err, store.ErrNotFound) {
			return nil // deleted: there is nobody to notify
		}
		if err != nil {
			return err
		}
		action, detail = "hook.dead", detail+"; for key "+key.APIKey
		n.KeyID, n.APIKey, n.KeyName, n.Link = key.ID, key.APIKey, key.Name, "/webhooks?key="+key.APIKey
	}
	if err := tx.AddAudit(ctx, change.Actor{}.Entry(d.AccountID, action, "webhook "+what+" "+d.Target, detail)); err != nil {
		return err
	}
	return w.notices.Add(ctx, tx, d.AccountID, n)
}

// keyOf finds a key of the scope. Error: *change.Error NotFound.
func (w *Webhooks) keyOf(ctx context.Context, scope store.Scope, f store.KeyFilter) (store.Key, error) {
	key, err := w.store.Key(ctx, scope, f)
	if errors.Is(err, store.ErrNotFound) {
		err = change.Missing("key")
	}
	return key, err
}

func ownerOf(key store.Key) store.Owner { return store.Owner{AccountID: key.AccountID, KeyID: key.ID} }

// ofKey names the key of a webhook in an entry of the audit log.
func ofKey(ctx context.Context, tx *store.Tx, keyID int64) (string, error) {
	key, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: keyID})
	if errors.Is(err, store.ErrNotFound) { // deleted meanwhile
		return fmt.Sprintf("for key number %d", keyID), nil
	}
	return "for key " + key.APIKey, err
}
