// SPDX-License-Identifier: Apache-2.0

// Package webhook tells accounts' URLs what happened. What is to be told is queued in the transaction of what it tells
// of ([Webhook.Deliver]) and posted by [Webhook.Run], signed by the Standard Webhooks specification, until the receiver
// answers with 2xx or a day has passed.
//
// The URLs are strangers': each address that is connected to is looked at after the name was looked up, no redirect is
// followed, no proxy used, answers are bounded and thrown away, and one slow receiver has a bounded part of the
// requests that are under way.
package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"postern/internal/credential"
	"postern/internal/store"
)

// Times and bounds of delivery.
const (
	Timeout    = 10 * time.Second // for one attempt, the answer included
	RetryEvery = 30 * time.Second
	Lifetime   = 24 * time.Hour // how long a delivery is tried

	retryJitter = 5 * time.Second // at most so much later, so that what failed together does not come back together
	maxAnswer   = 64 << 10        // bytes that are read of an answer
	perWebhook  = 4               // deliveries under way at a time
	perHost     = 16
	inAll       = 512
	recordAgain = 2 * time.Second
	look        = 15 * time.Second // how often at least Run looks for what is due
)

// Config of a Webhook.
type Config struct {
	Store     *store.Store
	ServerKey []byte        // seals URLs and signing secrets
	Private   bool          // URLs may be http and lead into private networks
	Grace     time.Duration // how long attempts under way may take at the end; 0: Timeout
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now

	// Resolver looks names up; nil: the system's. What it answers is checked like any other's answer.
	Resolver *net.Resolver
}

// Webhook delivers. Make it with New.
type Webhook struct {
	Config
	seal   *credential.Sealer
	client *http.Client
	wake   chan struct{}
	work   *work

	delivered, failed, dropped atomic.Int64
}

// New makes a deliverer.
func New(c Config) (*Webhook, error) {
	seal, err := credential.NewSealer(c.ServerKey)
	if err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Grace <= 0 {
		c.Grace = Timeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	dialer := &net.Dialer{Timeout: Timeout / 2, Resolver: c.Resolver}
	if !c.Private {
		dialer.Control = control
	}
	return &Webhook{
		Config: c, seal: seal, wake: make(chan struct{}, 1), work: newWork(),
		client: &http.Client{
			Timeout: Timeout,
			Transport: &http.Transport{
				Proxy:       nil, // a proxy would connect where we may not
				DialContext: dialer.DialContext, TLSHandshakeTimeout: Timeout / 2, ForceAttemptHTTP2: true, DisableCompression: true,
				MaxIdleConns: 100, MaxIdleConnsPerHost: perWebhook, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Stats are counts since the start.
type Stats struct{ Delivered, Failed, Dropped int64 }

// Stats reads the counts.
func (w *Webhook) Stats() Stats {
	return Stats{Delivered: w.delivered.Load(), Failed: w.failed.Load(), Dropped: w.dropped.Load()}
}

// Wake makes Run look for what is due now.
func (w *Webhook) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

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
	return url.Parse(string(plain))
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
	body, err := json.Marshal(payload{kind, at.UTC().Truncate(time.Second), data})
	if err != nil {
		return false, fmt.Errorf("webhook %s: %w", kind, err)
	}
	has, err := tx.AddWebhookDelivery(ctx, accountID, store.WebhookDelivery{MessageID: "msg_" + rand.Text(), Type: kind, Body: body}, Lifetime)
	if has {
		tx.AfterCommit(w.Wake)
	}
	return has, err
}

// Run delivers until ctx ends, and then lets the attempts under way end within the grace time.
func (w *Webhook) Run(ctx context.Context) error {
	attempts, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return w.stop(breakOff)
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

func (w *Webhook) stop(breakOff func()) error {
	end := time.AfterFunc(w.Grace, breakOff)
	defer end.Stop()
	w.work.running.Wait()
	w.client.CloseIdleConnections()
	return nil
}

// round begins as much as may be under way of what is due, and says when more becomes due.
func (w *Webhook) round(ctx, attempts context.Context) (next time.Time, err error) {
	now := w.Now()
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
		status, err := w.post(ctx, d, u)
		if ctx.Err() == nil {
			w.done(ctx, d, Origin(u), status, err)
		} // else it was broken off: it is due again at the next start
		if w.work.give(d, u.Host) {
			w.Wake()
		}
	})
}

// errAnswer is an answer that is no success.
type errAnswer struct{ status int }

func (e errAnswer) Error() string {
	words := fmt.Sprintf("the answer was %d %s", e.status, http.StatusText(e.status))
	if e.status/100 == 3 {
		words += "; redirects are not followed"
	}
	return words
}

// post makes one attempt. The status is 0 when there was no answer.
func (w *Webhook) post(ctx context.Context, d store.WebhookDelivery, u *url.URL) (status int, err error) {
	req, err := w.request(ctx, d, u)
	if err != nil {
		return 0, err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // what it answers is not looked at
	discard(res.Body)
	if res.StatusCode/100 != 2 {
		return res.StatusCode, errAnswer{res.StatusCode}
	}
	return res.StatusCode, nil
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
