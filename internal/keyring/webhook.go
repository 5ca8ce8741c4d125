// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"errors"
	"time"

	"postern/internal/store"
	"postern/internal/webhook"
)

// WebhookTest is the type of what TestWebhook sends.
const WebhookTest = "webhook.test"

// Webhook is where an account is told by HTTP of what happens to its credentials.
type Webhook struct {
	URL          string // a password in it is not shown
	CreatedAt    time.Time
	LastAt       time.Time // of the last attempt; zero: none yet
	LastStatus   int       // the HTTP status that it was answered with; 0: there was no answer
	LastError    string    // what was wrong; "" when the last attempt was a success
	FailingSince time.Time // zero: it works, or was not tried yet
	Dropped      int64     // given up after a day, in all
	Waiting      int64     // to be told still
}

// SetWebhook sets the URL that an account's credential notices are posted to, in place of one that it has, and returns
// the secret that they are signed with: to be shown once. Error: *Error on URL.
func (k *Keyring) SetWebhook(ctx context.Context, by Actor, accountID int64, text string) (secret string, err error) {
	u, err := webhook.Check(text, k.webhook.Private)
	if err != nil {
		return "", invalid("URL", err)
	}
	err = k.update(ctx, "account", func(tx *store.Tx) error {
		if _, err := tx.Account(ctx, accountID); err != nil {
			return err
		}
		if secret, err = k.webhook.Set(ctx, tx, accountID, u); err != nil {
			return err
		}
		return tx.AddAudit(ctx, entry(by, accountID, "webhook.set", "webhook "+webhook.Origin(u), "a new signing secret"))
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// RemoveWebhook ends an account's webhook: what waits for it is not sent. Error: *Error NotFound.
func (k *Keyring) RemoveWebhook(ctx context.Context, by Actor, accountID int64) error {
	return k.update(ctx, "webhook", func(tx *store.Tx) error {
		was, err := tx.RemoveWebhook(ctx, accountID)
		if err != nil {
			return err
		}
		origin := "unreadable" // sealed under a lost key: it can be removed all the same
		if u, err := k.webhook.URL(accountID, was.URL); err == nil {
			origin = webhook.Origin(u)
		}
		return tx.AddAudit(ctx, entry(by, accountID, "webhook.remove", "webhook "+origin, ""))
	})
}

// Webhook reads an account's webhook. Error: *Error NotFound when it has none.
func (k *Keyring) Webhook(ctx context.Context, accountID int64) (Webhook, error) {
	w, err := k.store.Webhook(ctx, accountID)
	if errors.Is(err, store.ErrNotFound) {
		return Webhook{}, noWebhook()
	}
	if err != nil {
		return Webhook{}, err
	}
	u, err := k.webhook.URL(accountID, w.URL)
	if err != nil {
		return Webhook{}, err
	}
	return Webhook{
		URL: webhook.Redacted(u), CreatedAt: w.CreatedAt, LastAt: w.LastAt, LastStatus: w.LastStatus, LastError: w.LastError,
		FailingSince: w.FailingSince, Dropped: w.Dropped, Waiting: w.Waiting,
	}, nil
}

// TestWebhook sends an account's webhook something to try it with: the type is WebhookTest. It returns once that is
// queued; what came of it is in Webhook. Error: *Error NotFound.
func (k *Keyring) TestWebhook(ctx context.Context, by Actor, accountID int64) error {
	return k.store.Update(ctx, func(tx *store.Tx) error {
		a, err := tx.Account(ctx, accountID)
		if err != nil {
			return err
		}
		has, err := k.webhook.Deliver(ctx, tx, accountID, WebhookTest, tx.Now, map[string]string{"account": a.Name, "by": by.Name})
		if err == nil && !has {
			err = noWebhook()
		}
		return err
	})
}

func noWebhook() error {
	return &Error{Kind: NotFound, Reason: "the account has no webhook"}
}
