// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"postern/internal/store"
)

// Set gives an account a webhook, in place of one that it has, and returns the secret that its deliveries are signed
// with. The error about a URL is for the person who gave it.
func (w *Webhook) Set(ctx context.Context, tx *store.Tx, accountID int64, u *url.URL) (secret string, err error) {
	secret = newSecret()
	return secret, tx.PutWebhook(ctx, accountID, w.seal.Seal(urlName(accountID), []byte(u.String())), w.seal.Seal(secretName(accountID), []byte(secret)))
}

func urlName(accountID int64) string    { return fmt.Sprintf("webhook URL %d", accountID) }
func secretName(accountID int64) string { return fmt.Sprintf("webhook %d", accountID) }

// URL opens the sealed URL of an account's webhook.
func (w *Webhook) URL(accountID int64, sealed []byte) (*url.URL, error) {
	plain, err := w.seal.Open(urlName(accountID), sealed)
	if err != nil {
		return nil, fmt.Errorf("webhook of account %d: %w", accountID, err)
	}
	return read(string(plain))
}

// payload is what is posted: the form that Standard Webhooks advises.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// Deliver queues something to tell an account's webhook, in the transaction of what it tells of. It says whether the
// account has a webhook.
func (w *Webhook) Deliver(ctx context.Context, tx *store.Tx, accountID int64, kind string, at time.Time, data any) (bool, error) {
	body, err := encodeAccount(kind, at, data)
	if err != nil {
		return false, err
	}
	has, err := tx.AddWebhookDelivery(ctx, accountID, store.WebhookDelivery{MessageID: "msg_" + rand.Text(), Type: kind, Body: body}, Lifetime)
	if has {
		tx.AfterCommit(w.Wake)
	}
	return has, err
}

func encodeAccount(kind string, at time.Time, data any) ([]byte, error) {
	body, err := json.Marshal(payload{kind, at.UTC().Truncate(time.Second), data})
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", kind, err)
	}
	return body, nil
}

// Sample is what came of something that was posted to try a webhook.
type Sample struct {
	Target    string // scheme and host
	WebhookID string
	Status    int    // of the answer; 0: there was none
	Error     string // what was wrong; "" when it was taken
	Took      time.Duration
}

// Sample posts something to an account's webhook now, once, and returns what came of it, which the webhook's state tells
// too, unless it did not come to an answer or none for a reason of our own: ctx ended, or the host is asked too much now.
func (w *Webhook) Sample(ctx context.Context, to store.Webhook, kind string, data any) (Sample, error) {
	u, err := w.URL(to.AccountID, to.URL)
	if err != nil {
		return Sample{}, err
	}
	now := w.Now()
	body, err := encodeAccount(kind, now, data)
	if err != nil {
		return Sample{}, err
	}
	out := Sample{Target: Origin(u), WebhookID: "test_" + rand.Text()[:16]}
	failure := errBusy
	if w.work.enter(u.Host) {
		out.Status, failure = w.deliver(ctx, store.WebhookDelivery{AccountID: to.AccountID, Secret: to.Secret, MessageID: out.WebhookID, Body: body}, u)
		if w.work.leave(u.Host) {
			w.Wake()
		}
	}
	out.Took = w.Now().Sub(now)
	if failure != nil {
		out.Error = why(failure)
	}
	if errors.Is(failure, errBusy) || ctx.Err() != nil {
		return out, ctx.Err()
	}
	ctx = context.WithoutCancel(ctx)
	return out, w.Store.Update(ctx, func(tx *store.Tx) error {
		return tx.WebhookSampled(ctx, to, store.WebhookOutcome{At: w.Now(), Status: out.Status, Error: out.Error})
	})
}

// runAccounts tells accounts' webhooks until ctx ends.
func (w *Webhook) runAccounts(ctx, attempts context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.wake:
		}
		wait := look
		if next, err := w.round(ctx, attempts); err == nil {
			if !next.IsZero() {
				wait = min(look, max(next.Sub(w.Now()), 10*time.Millisecond))
			}
		} else if ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "what is due to be told to webhooks could not be read", "error", err)
		}
		timer.Reset(wait)
	}
}

// round begins as much as may be under way of what is due, and says when more becomes due.
func (w *Webhook) round(ctx, attempts context.Context) (next time.Time, err error) {
	now := w.Now()
	w.work.looking()
	due, err := w.Store.DueWebhookDeliveries(ctx, now, 2*perWebhook, 2*inAll)
	if err != nil {
		return next, err
	}
	for _, d := range due {
		w.begin(attempts, d)
	}
	return w.Store.NextWebhookDelivery(ctx, now)
}

// begin starts an attempt at a delivery, unless it is under way already or its turn has not come.
func (w *Webhook) begin(ctx context.Context, d store.WebhookDelivery) {
	u, err := w.URL(d.AccountID, d.URL)
	if err != nil {
		w.done(ctx, d, "", 0, err)
		return
	}
	if !w.work.take(d, u.Host) {
		return
	}
	w.work.running.Go(func() {
		status, err := w.deliver(ctx, d, u)
		if ctx.Err() == nil {
			w.done(ctx, d, Origin(u), status, err)
		} // else it was broken off: it is due again at the next start
		if w.work.give(d, u.Host) {
			w.Wake()
		}
	})
}

// deliver makes one attempt.
func (w *Webhook) deliver(ctx context.Context, d store.WebhookDelivery, u *url.URL) (status int, err error) {
	secret, err := w.seal.Open(secretName(d.AccountID), d.Secret)
	if err != nil {
		return 0, fmt.Errorf("the signing secret: %w", err)
	}
	return w.post(ctx, parcel{to: u, id: d.MessageID, secrets: []string{string(secret)}, body: d.Body})
}

// done records what came of an attempt.
func (w *Webhook) done(ctx context.Context, d store.WebhookDelivery, origin string, status int, failure error) {
	now := w.Now()
	o := store.WebhookOutcome{At: now, Status: status}
	log := w.Log.With("account", d.AccountID, "type", d.Type, "webhook_id", d.MessageID, "to", origin, "attempts", d.Attempts+1)
	if failure != nil {
		o.Error = why(failure)
		if again := now.Add(RetryEvery + jitter()); again.Before(d.ExpiresAt) {
			o.Again = again
		}
	}
	switch err := w.record(ctx, d, o, log); {
	case err != nil: // removed meanwhile, or broken off
	case failure == nil:
		w.delivered.Add(1)
		log.DebugContext(ctx, "told a webhook")
	case o.Again.IsZero():
		w.dropped.Add(1)
		log.WarnContext(ctx, "gave up telling a webhook after a day", "reason", o.Error)
	default:
		w.failed.Add(1)
		log.InfoContext(ctx, "a webhook did not take what it was told; it is tried again", "reason", o.Error, "again", o.Again)
	}
}

// record writes down what came of an attempt. While the store fails it tries on: what was taken must not be told again
// because our disk was full for a minute.
func (w *Webhook) record(ctx context.Context, d store.WebhookDelivery, o store.WebhookOutcome, log *slog.Logger) error {
	for {
		err := w.Store.Update(ctx, func(tx *store.Tx) error { return tx.WebhookTried(ctx, d, o) })
		if err == nil || ctx.Err() != nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrClosed) {
			return err
		}
		log.ErrorContext(ctx, "what came of a webhook could not be recorded; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(recordAgain):
		}
	}
}
