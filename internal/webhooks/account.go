// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/webhook"
)

// WebhookTest is the type of what TestWebhook sends.
const WebhookTest = "webhook.test"

// Webhook is where an account is told by HTTP of what happens to its credentials.
type Webhook struct {
	URL          string // a password in it reads xxxxx; "" when it is Unreadable
	Unreadable   bool   // it was sealed under another server key: it can be set anew
	CreatedAt    time.Time
	LastAt       time.Time // of the last attempt; zero: none yet
	LastStatus   int       // the HTTP status that it was answered with; 0: there was no answer
	LastError    string    // what was wrong; "" when the last attempt was a success
	FailingSince time.Time // zero: it works, or was not tried yet
	Dropped      int64     // given up after a day, in all
	Waiting      int64     // to be told still
}

// State is how the webhook fares: "fails", "works", or "unused" where nothing was told yet.
func (w Webhook) State() string {
	switch {
	case !w.FailingSince.IsZero():
		return "fails"
	case w.LastAt.IsZero():
		return "unused"
	}
	return "works"
}

// PrivateWebhooks says whether webhooks may lead into private networks, and be told without TLS.
func (k *Webhooks) PrivateWebhooks() bool { return k.webhook.Private }

// SetWebhook sets the URL that an account's credential notices are posted to, in place of one that it has, and returns
// the secret that they are signed with: to be shown once. xxxxx for the password of the one that it has keeps the
// password. Error: *change.Error on URL.
func (k *Webhooks) SetWebhook(ctx context.Context, by change.Actor, accountID int64, text string) (secret string, err error) {
	if text, err = k.webhookPassword(ctx, accountID, text); err != nil {
		return "", err
	}
	u, err := webhook.Check(text, k.webhook.Private)
	if err != nil {
		return "", change.Wrong("URL", err)
	}
	err = change.Add(ctx, k.store, "account", func(tx *store.Tx) error {
		if _, err := tx.Account(ctx, accountID); err != nil {
			return err
		}
		if secret, err = k.webhook.Set(ctx, tx, accountID, u); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "webhook.set", "webhook "+webhook.Origin(u), "a new signing secret"))
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// webhookPassword puts the password back into an account's URL that is given as it is shown.
func (k *Webhooks) webhookPassword(ctx context.Context, accountID int64, text string) (string, error) {
	given, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return text, nil //nolint:nilerr // webhook.Check says it
	}
	if password, _ := given.User.Password(); password != webhook.Masked {
		return text, nil
	}
	w, err := k.store.Webhook(ctx, accountID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if err == nil {
		if u, err := k.webhook.URL(accountID, w.URL); err == nil && webhook.Redacted(u) == given.String() {
			return u.String(), nil
		}
	}
	return "", change.Wrong("URL", errors.New("has "+webhook.Masked+" for a password, and the account's webhook is not shown so: give the password"))
}

// RemoveWebhook ends an account's webhook: what waits for it is not sent. Error: *change.Error NotFound.
func (k *Webhooks) RemoveWebhook(ctx context.Context, by change.Actor, accountID int64) error {
	return k.update(ctx, "webhook", func(tx *store.Tx) error {
		was, err := tx.RemoveWebhook(ctx, accountID)
		if err != nil {
			return err
		}
		origin := "unreadable" // sealed under a lost key: it can be removed all the same
		if u, err := k.webhook.URL(accountID, was.URL); err == nil {
			origin = webhook.Origin(u)
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "webhook.remove", "webhook "+origin, ""))
	})
}

// Webhook reads an account's webhook. Error: *change.Error NotFound when it has none.
func (k *Webhooks) Webhook(ctx context.Context, accountID int64) (Webhook, error) {
	w, err := k.store.Webhook(ctx, accountID)
	if errors.Is(err, store.ErrNotFound) {
		return Webhook{}, noWebhook()
	}
	if err != nil {
		return Webhook{}, err
	}
	return k.shownWebhook(w), nil
}

func (k *Webhooks) shownWebhook(w store.Webhook) Webhook {
	out := Webhook{
		CreatedAt: w.CreatedAt, LastAt: w.LastAt, LastStatus: w.LastStatus, LastError: w.LastError,
		FailingSince: w.FailingSince, Dropped: w.Dropped, Waiting: w.Waiting,
	}
	u, err := k.webhook.URL(w.AccountID, w.URL)
	if out.Unreadable = err != nil; !out.Unreadable {
		out.URL = webhook.Redacted(u)
	}
	return out
}

// TestWebhook sends an account's webhook something to try it with: the type is WebhookTest. It returns once that is
// queued; what came of it is in Webhook. Error: *change.Error NotFound.
func (k *Webhooks) TestWebhook(ctx context.Context, by change.Actor, accountID int64) error {
	return k.store.Update(ctx, func(tx *store.Tx) error {
		a, err := tx.Account(ctx, accountID)
		if err != nil {
			return err
		}
		has, err := k.webhook.Deliver(ctx, tx, accountID, WebhookTest, tx.Now, testData(a, by))
		if err == nil && !has {
			err = noWebhook()
		}
		return err
	})
}

// SampleWebhook posts to an account's webhook what TestWebhook queues, now and once, and returns what came of it. Error:
// *change.Error NotFound, or Invalid where its URL cannot be read.
func (k *Webhooks) SampleWebhook(ctx context.Context, by change.Actor, accountID int64) (webhook.Sample, error) {
	w, err := k.store.Webhook(ctx, accountID)
	if errors.Is(err, store.ErrNotFound) {
		err = noWebhook()
	}
	if err != nil {
		return webhook.Sample{}, err
	}
	if k.shownWebhook(w).Unreadable {
		return webhook.Sample{}, &change.Error{Kind: change.Invalid, Reason: "the webhook cannot be read under this server key: set it again"}
	}
	a, err := k.store.Account(ctx, accountID)
	if err != nil {
		return webhook.Sample{}, err
	}
	return k.webhook.Sample(ctx, w, WebhookTest, testData(a, by))
}

// testData is what a webhook.test says.
func testData(a store.Account, by change.Actor) map[string]string {
	return map[string]string{"account": a.Name, "by": by.String()}
}

func noWebhook() error {
	return &change.Error{Kind: change.NotFound, Reason: "the account has no webhook"}
}
