// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"
)

// Webhook is the URL that an account's notices are posted to: one for each account.
type Webhook struct {
	ID           int64
	AccountID    int64
	URL          []byte // sealed under the server key: it may have a password in it
	Secret       []byte // sealed: what deliveries are signed with
	CreatedAt    time.Time
	LastAt       time.Time // of the last attempt; zero: none yet
	LastStatus   int       // the HTTP status that it was answered with; 0: there was no answer
	LastError    string    // what was wrong; "" when the last attempt was a success
	FailingSince time.Time // the first failure since the last success; zero: it works
	Dropped      int64     // deliveries given up, in all
	Waiting      int64     // deliveries that wait
}

const webhookSelect = "SELECT w.id, w.account_id, w.url, w.secret, w.created_at, w.last_at, w.last_status, w.last_error, w.failing_since, w.dropped, (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = w.id) FROM webhook w"

func scanWebhook(r scanner) (Webhook, error) {
	var w Webhook
	err := r.scan(&w.ID, &w.AccountID, &w.URL, &w.Secret, nullTime{&w.CreatedAt}, nullTime{&w.LastAt}, &w.LastStatus, &w.LastError, nullTime{&w.FailingSince}, &w.Dropped, &w.Waiting)
	return w, err
}

// PutWebhook sets an account's webhook. One that it has gets the new URL and secret and starts anew; what waits for it
// goes to the new URL.
func (tx *Tx) PutWebhook(ctx context.Context, accountID int64, url, secret []byte) error {
	_, err := tx.exec(ctx, "INSERT INTO webhook (account_id, url, secret, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (account_id) DO UPDATE SET url = excluded.url, secret = excluded.secret, created_at = excluded.created_at, "+
		"last_at = NULL, last_status = 0, last_error = '', failing_since = NULL, dropped = 0", accountID, url, secret, micros(tx.Now))
	return err
}

// RemoveWebhook removes an account's webhook and what waits for it, and returns it as it was.
func (tx *Tx) RemoveWebhook(ctx context.Context, accountID int64) (Webhook, error) {
	w, err := scanWebhook(tx.row(ctx, webhookSelect+" WHERE w.account_id = $1", accountID))
	if err != nil {
		return w, err
	}
	if _, err := tx.exec(ctx, "DELETE FROM webhook_delivery WHERE webhook_id = $1", w.ID); err != nil {
		return w, err
	}
	return w, tx.one(ctx, "DELETE FROM webhook WHERE id = $1", w.ID)
}

// Webhook reads an account's webhook, ErrNotFound when it has none.
func (s *Store) Webhook(ctx context.Context, accountID int64) (Webhook, error) {
	return scanWebhook(s.row(ctx, webhookSelect+" WHERE w.account_id = $1", accountID))
}

// WebhookDelivery is one thing to tell a webhook.
type WebhookDelivery struct {
	ID        int64
	WebhookID int64
	AccountID int64  // the webhook's
	URL       []byte // the webhook's, sealed
	Secret    []byte // the webhook's, sealed
	MessageID string // the same at each attempt: the receiver knows a repetition by it
	Type      string
	Body      []byte
	CreatedAt time.Time
	DueAt     time.Time
	ExpiresAt time.Time
	Attempts  int
	Failing   bool // the webhook: since its last success there was a failure
}

// AddWebhookDelivery queues something to tell the account's webhook, due at once, to be tried for so long. It says
// whether the account has a webhook; where there is none there is nothing to do.
func (tx *Tx) AddWebhookDelivery(ctx context.Context, accountID int64, d WebhookDelivery, lifetime time.Duration) (bool, error) {
	var id int64
	err := tx.row(ctx, "SELECT id FROM webhook WHERE account_id = $1", accountID).scan(&id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = tx.exec(ctx, "INSERT INTO webhook_delivery (webhook_id, message_id, type, body, created_at, due_at, expires_at) VALUES ($1, $2, $3, $4, $5, $5, $6)",
		id, d.MessageID, d.Type, d.Body, micros(tx.Now), micros(tx.Now.Add(lifetime)))
	return err == nil, err
}

// DueWebhookDeliveries lists deliveries that are due, of each webhook no more than each: first the longest due one of
// every webhook, so that a backlog of one does not hide the others'.
func (s *Store) DueWebhookDeliveries(ctx context.Context, now time.Time, each, limit int) ([]WebhookDelivery, error) {
	return collect(ctx, s, func(r scanner) (WebhookDelivery, error) {
		var d WebhookDelivery
		err := r.scan(&d.ID, &d.WebhookID, &d.AccountID, &d.URL, &d.Secret, &d.MessageID, &d.Type, &d.Body, nullTime{&d.CreatedAt}, nullTime{&d.DueAt}, nullTime{&d.ExpiresAt}, &d.Attempts, &d.Failing)
		return d, err
	}, `SELECT d.id, d.webhook_id, w.account_id, w.url, w.secret, d.message_id, d.type, d.body, d.created_at, d.due_at, d.expires_at, d.attempts, w.failing_since IS NOT NULL
 FROM (SELECT id, row_number() OVER (PARTITION BY webhook_id ORDER BY due_at, id) AS place FROM webhook_delivery WHERE due_at <= $1) x
 JOIN webhook_delivery d ON d.id = x.id JOIN webhook w ON w.id = d.webhook_id WHERE x.place <= $2 ORDER BY x.place, d.due_at, d.id LIMIT $3`, micros(now), each, limit)
}

// NextWebhookDelivery says when the next delivery becomes due after now; zero: none waits.
func (s *Store) NextWebhookDelivery(ctx context.Context, now time.Time) (due time.Time, err error) {
	err = s.row(ctx, "SELECT min(due_at) FROM webhook_delivery WHERE due_at > $1", micros(now)).scan(nullTime{&due})
	return due, err
}

// CountWebhookDeliveries counts the deliveries that wait.
func (s *Store) CountWebhookDeliveries(ctx context.Context) (n int64, err error) {
	err = s.row(ctx, "SELECT count(*) FROM webhook_delivery").scan(&n)
	return n, err
}

// WebhookOutcome is what came of one attempt.
type WebhookOutcome struct {
	At     time.Time
	Status int       // of the answer; 0: there was none
	Error  string    // "": a success
	Again  time.Time // of a failure: the next attempt; zero: it is given up
}

// WebhookTried records what came of an attempt at a delivery, and what its webhook is like now. A webhook or delivery
// that was removed meanwhile is ErrNotFound. What is recorded of a webhook counts only while it has the URL that was tried.
func (tx *Tx) WebhookTried(ctx context.Context, d WebhookDelivery, o WebhookOutcome) error {
	if !o.Again.IsZero() {
		if err := tx.one(ctx, "UPDATE webhook_delivery SET due_at = $1, attempts = attempts + 1 WHERE id = $2", micros(o.Again), d.ID); err != nil {
			return err
		}
	} else if err := tx.one(ctx, "DELETE FROM webhook_delivery WHERE id = $1", d.ID); err != nil {
		return err
	}
	dropped := 0
	if o.Error != "" && o.Again.IsZero() {
		dropped = 1
	}
	return tx.webhookAnswered(ctx, d.WebhookID, d.URL, o, dropped)
}

// WebhookSampled records what came of a sample, which was in no queue.
func (tx *Tx) WebhookSampled(ctx context.Context, w Webhook, o WebhookOutcome) error {
	return tx.webhookAnswered(ctx, w.ID, w.URL, o, 0)
}

// webhookAnswered notes what a webhook is like after an attempt at a URL, while it has that URL.
func (tx *Tx) webhookAnswered(ctx context.Context, id int64, url []byte, o WebhookOutcome, dropped int) error {
	if o.Error == "" {
		_, err := tx.exec(ctx, "UPDATE webhook SET last_at = $1, last_status = $2, last_error = '', failing_since = NULL WHERE id = $3 AND url = $4", micros(o.At), o.Status, id, url)
		return err
	}
	_, err := tx.exec(ctx, "UPDATE webhook SET last_at = $1, last_status = $2, last_error = $3, failing_since = coalesce(failing_since, $1), dropped = dropped + $4 WHERE id = $5 AND url = $6",
		micros(o.At), o.Status, o.Error, dropped, id, url)
	return err
}
