// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postern/internal/change"
	"postern/internal/store"
)

// Delivery is one request to an endpoint.
type Delivery struct {
	ID        int64
	At        time.Time `json:",omitzero"`
	Events    []string  // types
	Count     int       // of events
	Sample    bool      `json:",omitempty"` // of no event: somebody tried the webhook
	Version   int
	Attempt   int
	Result    string // delivered, failed (it is tried again) or dropped
	Status    int    // of the answer; 0: there was none
	Error     string `json:",omitempty"`
	TookMS    int64
	Target    string // scheme and host
	WebhookID string
	APIKey    string
	KeyName   string
	Account   string `json:",omitempty"` // of an account's own: its name
	Body      string `json:",omitempty"` // of one alone: of the events that are still kept
	Kept      int    `json:",omitempty"` // how many those are

	KeyID int64 `json:"-"` // 0: an account's own
}

// Deliveries lists the latest requests of the scope, newest first; limit 0 is all that are kept of a key.
func (w *Webhooks) Deliveries(ctx context.Context, scope store.Scope, f store.AttemptFilter, limit int) ([]Delivery, error) {
	list, err := w.store.Attempts(ctx, scope, f, limit)
	if err != nil {
		return nil, err
	}
	return w.deliveries(ctx, scope, list)
}

func (w *Webhooks) deliveries(ctx context.Context, scope store.Scope, list []store.Attempt) ([]Delivery, error) {
	var keyIDs []int64
	accounts := map[int64]string{}
	for _, a := range list {
		if _, known := accounts[a.AccountID]; !a.OfAccount() {
			keyIDs = append(keyIDs, a.KeyID)
		} else if !known {
			account, err := w.store.Account(ctx, a.AccountID)
			if err != nil {
				return nil, err
			}
			accounts[a.AccountID] = account.Name
		}
	}
	keys, err := w.store.KeysByID(ctx, scope, keyIDs)
	if err != nil {
		return nil, err
	}
	out := make([]Delivery, 0, len(list))
	for _, a := range list {
		d := Delivery{
			ID: a.ID, At: a.At, Events: []string{}, Count: a.Count, Sample: len(a.EventIDs) == 0, Version: a.Version, Attempt: a.Number,
			Result: a.Outcome.String(),
			Status: a.Status, Error: a.Error, TookMS: a.Took.Milliseconds(), Target: a.Target, WebhookID: a.WebhookID, KeyID: a.KeyID,
			APIKey: keys[a.KeyID].APIKey, KeyName: keys[a.KeyID].Name, // the key of one may be deleted since
		}
		for _, t := range a.Types {
			d.Events = append(d.Events, t.String())
		}
		if a.OfAccount() {
			d.Account = accounts[a.AccountID]
		}
		out = append(out, d)
	}
	return out, nil
}

// Delivery reads one request of the scope with its body, made again of the events that are still kept. Error: *change.Error
// NotFound.
func (w *Webhooks) Delivery(ctx context.Context, scope store.Scope, id int64) (Delivery, error) {
	a, err := w.attempt(ctx, scope, id)
	if err != nil {
		return Delivery{}, err
	}
	list, err := w.deliveries(ctx, scope, []store.Attempt{a})
	if err != nil {
		return Delivery{}, err
	}
	body, kept, err := w.webhook.Body(ctx, a)
	list[0].Body, list[0].Kept = string(body), kept
	return list[0], err
}

func (w *Webhooks) attempt(ctx context.Context, scope store.Scope, id int64) (store.Attempt, error) {
	list, err := w.store.Attempts(ctx, scope, store.AttemptFilter{ID: id}, 1)
	if err == nil && len(list) == 0 {
		err = change.Errorf(change.NotFound, "Delivery", "there is no delivery %d in the log", id)
	}
	if err != nil {
		return store.Attempt{}, err
	}
	return list[0], nil
}

// Replayed says how many events are delivered again.
type Replayed struct{ Events int }

// Replay queues the events of a request of the scope anew. Error: *change.Error NotFound.
func (w *Webhooks) Replay(ctx context.Context, by change.Actor, scope store.Scope, id int64) (Replayed, error) {
	a, err := w.attempt(ctx, scope, id)
	if err != nil {
		return Replayed{}, err
	}
	return w.replay(ctx, by, a.Owner, a.EventIDs, "delivery "+a.WebhookID)
}

// ReplayFailed queues anew what was not delivered to an owner's endpoints since a time, by its log, and not after.
func (w *Webhooks) ReplayFailed(ctx context.Context, by change.Actor, o store.Owner, since time.Time) (Replayed, error) {
	list, err := w.store.Attempts(ctx, o.Scope(), store.AttemptFilter{Account: new(o.OfAccount()), From: since}, 0)
	if err != nil {
		return Replayed{}, err
	}
	seen := map[int64]bool{}
	var failed []int64
	for _, a := range list { // the latest first
		for _, id := range a.EventIDs {
			if a.Outcome != store.AttemptDelivered && !seen[id] {
				failed = append(failed, id)
			}
			seen[id] = true // delivered, or in failed already
		}
	}
	return w.replay(ctx, by, o, failed, "what failed since "+since.UTC().Format(time.RFC3339))
}

func (w *Webhooks) replay(ctx context.Context, by change.Actor, o store.Owner, events []int64, what string) (out Replayed, err error) {
	slices.Sort(events)
	err = w.store.Update(ctx, func(tx *store.Tx) error {
		if out.Events, err = tx.Replay(ctx, o, events); err != nil || out.Events == 0 {
			return err
		}
		action, of := "webhook.replay", "of the account"
		if !o.OfAccount() {
			action = "hook.replay"
			if of, err = ofKey(ctx, tx, o.KeyID); err != nil {
				return err
			}
		}
		return tx.AddAudit(ctx, by.Entry(o.AccountID, action, what, fmt.Sprintf("%d events; %s", out.Events, of)))
	})
	return out, err
}
