// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"postern/internal/store"
)

// urlName and secretName are what values are sealed for: the owner. They are part of what is stored.
func urlName(o store.Owner) string {
	if o.OfAccount() {
		return fmt.Sprintf("webhook URL %d", o.AccountID)
	}
	return fmt.Sprintf("hook URL %d", o.KeyID)
}

func secretName(o store.Owner) string {
	if o.OfAccount() {
		return fmt.Sprintf("webhook %d", o.AccountID)
	}
	return fmt.Sprintf("hook secret %d", o.KeyID)
}

// Endpoint finds or makes the endpoint of an owner with a URL, and has it begin anew: what failed before is forgotten.
func (w *Webhook) Endpoint(ctx context.Context, tx *store.Tx, o store.Owner, u *url.URL) (int64, error) {
	mac := hmac.New(sha256.New, w.digestKey)
	mac.Write([]byte(u.String())) //nolint:errcheck // a hash takes all
	id, err := tx.PutEndpoint(ctx, o, mac.Sum(nil), w.seal.Seal(urlName(o), []byte(u.String())), rand.Text()[:12])
	tx.AfterCommit(func() { w.revive(id) })
	return id, err
}

// URL opens the sealed URL of an owner's endpoint.
func (w *Webhook) URL(o store.Owner, sealed []byte) (*url.URL, error) {
	plain, err := w.seal.Open(urlName(o), sealed)
	if err != nil {
		return nil, fmt.Errorf("the URL: %w", err)
	}
	return read(string(plain))
}

// NewSecret gives an owner a new signing secret and returns it. The one before signs beside it for the overlap.
func (w *Webhook) NewSecret(ctx context.Context, tx *store.Tx, o store.Owner, overlap time.Duration) (string, error) {
	secret := newSecret()
	return secret, tx.PutWebhookSecret(ctx, o, w.seal.Seal(secretName(o), []byte(secret)), overlap)
}

// secrets are what an owner's requests are signed with now.
func (w *Webhook) secrets(ctx context.Context, o store.Owner) ([]string, error) {
	kept, err := w.Store.WebhookSecrets(ctx, o, w.Now())
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(kept))
	for _, x := range kept {
		plain, err := w.seal.Open(secretName(o), x.Secret)
		if err != nil {
			return nil, fmt.Errorf("the signing secret: %w", err)
		}
		out = append(out, string(plain))
	}
	return out, nil
}

// payload is what is posted of an account's event: the form that Standard Webhooks advises.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

func accountBody(t store.EventType, at time.Time, data any) ([]byte, error) {
	body, err := json.Marshal(payload{t.String(), at.UTC().Truncate(time.Second), data})
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", t, err)
	}
	return body, nil
}

// Notify queues an event of an account's credentials, about a key or (0) none, in the transaction that it happens in. It says
// whether a webhook takes it: that of an account that has none, or whose is disabled, does not.
func (w *Webhook) Notify(ctx context.Context, tx *store.Tx, about store.Owner, t store.EventType, at time.Time, data any) (bool, error) {
	body, err := accountBody(t, at, data)
	if err != nil {
		return false, err
	}
	return tx.AddAccountEvent(ctx,
		store.AccountEvent{AccountID: about.AccountID, KeyID: about.KeyID, Type: t, WebhookID: "msg_" + rand.Text(), Body: body})
}

// Body makes the body of an attempt again, and says how many of its events are still kept.
func (w *Webhook) Body(ctx context.Context, a store.Attempt) (body []byte, kept int, err error) {
	if a.Body != nil {
		return a.Body, a.Count, nil
	}
	events, err := w.eventsOf(ctx, a.Owner, a.EventIDs)
	if err != nil || len(events) == 0 {
		return nil, 0, err
	}
	return encode(a.Version, events)
}

// eventsOf reads events in the order of their IDs, those that are still there.
func (w *Webhook) eventsOf(ctx context.Context, o store.Owner, ids []int64) ([]store.EventDetail, error) {
	found, err := w.Store.EventDetails(ctx, o, ids)
	if err != nil {
		return nil, err
	}
	out := make([]store.EventDetail, 0, len(ids))
	for _, id := range ids {
		if e, ok := found[id]; ok {
			out = append(out, e)
		}
	}
	return out, nil
}

// Test posts a sample to a webhook's endpoint, once and now: of its type, or for an account a webhook.test with data. It
// returns what came of it, which is in the log too, and of an account's shows in the endpoint's state, unless it came to
// nothing for a reason of our own: ctx ended, or the host is asked too much now.
func (w *Webhook) Test(ctx context.Context, h store.Webhook, data any) (store.Attempt, error) {
	u, err := w.URL(h.Owner, h.URL)
	if err != nil {
		return store.Attempt{}, err
	}
	secrets, err := w.secrets(ctx, h.Owner)
	if err != nil {
		return store.Attempt{}, err
	}
	now := w.Now()
	x := &store.AttemptResult{Attempt: store.Attempt{
		Owner: h.Owner, At: now, Target: Origin(u), WebhookID: "test_" + rand.Text()[:16], Version: h.Version,
		Types: []store.EventType{h.Type}, Count: 1, Number: 1,
	}}
	if h.OfAccount() {
		x.EndpointID, x.Types = h.EndpointID, []store.EventType{store.EventWebhookTest}
		x.Body, err = accountBody(store.EventWebhookTest, now, data)
	} else {
		x.Body, _, err = encode(h.Version, []store.EventDetail{sample(h.Type, now)})
	}
	if err != nil {
		return store.Attempt{}, err
	}
	failure := errBusy
	if w.slots.enter(u.Host) {
		x.Status, failure = w.post(ctx, parcel{to: u, id: x.WebhookID, secrets: secrets, body: x.Body})
		w.slots.leave(u.Host)
	}
	x.Took = w.Now().Sub(now)
	if failure != nil {
		x.Outcome, x.Error = store.AttemptDropped, why(failure)
	}
	if errors.Is(failure, errBusy) || ctx.Err() != nil {
		return x.Attempt, ctx.Err()
	}
	return x.Attempt, w.Store.RecordAttempt(context.WithoutCancel(ctx), x)
}
