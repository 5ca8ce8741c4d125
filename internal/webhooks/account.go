// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"context"
	"errors"
	"time"

	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/webhook"
)

// AccountWebhook says where the events of an account's credentials go, and how that fares. An account has one.
type AccountWebhook struct {
	AccountID    int64
	AccountName  string
	URL          string    // a password in it reads xxxxx; "" when it was sealed under another server key: it can be set anew
	State        string    // works, fails, dead or unused
	CreatedAt    time.Time `json:",omitzero"`
	LastAt       time.Time `json:",omitzero"` // of the last attempt
	LastStatus   int       // of the answer; 0: there was none
	LastError    string    `json:",omitempty"`
	FailingSince time.Time `json:",omitzero"`
	DisabledAt   time.Time `json:"DeadAt,omitzero"` // it failed for a day: nothing is delivered until it is set anew
	Waiting      int64     // events, counted up to WaitingCounted of a type
	Dropped      int64     // events that were given up
	Secret       string    `json:",omitempty"` // signs deliveries: in the answer that made it, and in no other
}

// Unreadable says whether the URL was sealed under another server key.
func (a AccountWebhook) Unreadable() bool { return a.URL == "" }

// OfAccount reads an account's webhook. Error: *change.Error NotFound, also when it has none.
func (w *Webhooks) OfAccount(ctx context.Context, accountID int64) (AccountWebhook, error) {
	a, list, err := w.accountWebhooks(ctx, accountID)
	if err != nil {
		return AccountWebhook{}, err
	}
	h := list[0]
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	waiting, err := w.store.Waiting(ctx, store.OfAccount(accountID), ids, WaitingCounted)
	if err != nil {
		return AccountWebhook{}, err
	}
	out := AccountWebhook{
		AccountID: a.ID, AccountName: a.Name, URL: w.shownURL(h), State: state(h), CreatedAt: h.SetAt, LastAt: h.LastAt,
		LastStatus: h.LastStatus,
		LastError:  h.LastError, FailingSince: h.FailingSince, DisabledAt: h.DisabledAt, Dropped: h.Dropped,
	}
	for _, n := range waiting {
		out.Waiting += int64(n)
	}
	return out, nil
}

// accountWebhooks reads an account and its webhook, which has a row for each type of event.
func (w *Webhooks) accountWebhooks(ctx context.Context, accountID int64) (store.Account, []store.Webhook, error) {
	a, err := w.store.Account(ctx, accountID)
	if errors.Is(err, store.ErrNotFound) {
		return a, nil, change.Missing("account")
	}
	if err != nil {
		return a, nil, err
	}
	list, _, err := w.store.Webhooks(ctx, store.OfAccount(accountID), store.WebhookFilter{Account: true}, store.Page{})
	if err == nil && len(list) == 0 {
		err = noWebhook()
	}
	return a, list, err
}

// SetOfAccount sets the URL that the events of an account's credentials are posted to, in place of one that it has, with a new
// signing secret: to be shown once. xxxxx for the password of the one that it has keeps the password. Error: *change.Error
// on URL.
func (w *Webhooks) SetOfAccount(ctx context.Context, by change.Actor, accountID int64, text string) (AccountWebhook, error) {
	owner := store.Owner{AccountID: accountID}
	text, err := w.withPassword(ctx, owner, text)
	if err != nil {
		return AccountWebhook{}, err
	}
	u, err := webhook.Check(text, w.webhook.Private)
	if err != nil {
		return AccountWebhook{}, change.Wrong("URL", err)
	}
	var secret string
	err = change.Add(ctx, w.store, "account", func(tx *store.Tx) error {
		if _, err := tx.Account(ctx, accountID); err != nil {
			return err
		}
		endpoint, err := w.webhook.Endpoint(ctx, tx, owner, u)
		if err != nil {
			return err
		}
		for _, t := range AccountEvents() {
			if _, err := w.put(ctx, tx, store.Webhook{Owner: owner, EndpointID: endpoint, Type: t, Version: 1}, true); err != nil {
				return err
			}
		}
		if secret, err = w.webhook.NewSecret(ctx, tx, owner, 0); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "webhook.set", "webhook "+webhook.Origin(u), "a new signing secret"))
	})
	if err != nil {
		return AccountWebhook{}, err
	}
	out, err := w.OfAccount(ctx, accountID)
	out.Secret = secret
	return out, err
}

// RemoveOfAccount ends an account's webhook: what waits for it is not delivered. It returns it as it was. Error:
// *change.Error NotFound.
func (w *Webhooks) RemoveOfAccount(ctx context.Context, by change.Actor, accountID int64) (AccountWebhook, error) {
	was, err := w.OfAccount(ctx, accountID)
	if err != nil {
		return was, err
	}
	return was, w.store.Update(ctx, func(tx *store.Tx) error {
		list, err := tx.Webhooks(ctx, store.OfAccount(accountID), store.WebhookFilter{Account: true})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return noWebhook()
		}
		for _, h := range list {
			if err := tx.RemoveWebhook(ctx, h); err != nil {
				return err
			}
		}
		if err := tx.RemoveWebhookSecrets(ctx, list[0].Owner); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "webhook.remove", "webhook "+w.origin(list[0]), ""))
	})
}

// QueueTest queues a webhook.test for an account's webhook, and returns once that is done; what comes of it is in OfAccount.
// Errors: *change.Error NotFound, Conflict where it is dead.
func (w *Webhooks) QueueTest(ctx context.Context, by change.Actor, accountID int64) error {
	a, list, err := w.accountWebhooks(ctx, accountID)
	if err != nil {
		return err
	}
	if !list[0].DisabledAt.IsZero() {
		return change.Conflicting("", "the webhook failed for a day and is dead: set it again")
	}
	return w.store.Update(ctx, func(tx *store.Tx) error {
		has, err := w.webhook.Notify(ctx, tx, list[0].Owner, store.EventWebhookTest, tx.Now, testData(a, by))
		if err == nil && !has {
			err = noWebhook()
		}
		return err
	})
}

// Sample is what came of a post to try an account's webhook.
type Sample struct {
	Target    string // scheme and host
	WebhookID string
	Result    string // delivered or failed
	Status    int    // of the answer; 0: there was none
	Error     string `json:",omitempty"`
	TookMS    int64
}

// TestOfAccount posts to an account's webhook what QueueTest queues, now and once, and returns what came of it. Error:
// *change.Error NotFound, or Invalid where its URL cannot be read.
func (w *Webhooks) TestOfAccount(ctx context.Context, by change.Actor, accountID int64) (Sample, error) {
	a, list, err := w.accountWebhooks(ctx, accountID)
	if err != nil {
		return Sample{}, err
	}
	if w.shownURL(list[0]) == "" {
		return Sample{}, &change.Error{Kind: change.Invalid, Reason: "the webhook cannot be read under this server key: set it again"}
	}
	x, err := w.webhook.Test(ctx, list[0], testData(a, by))
	out := Sample{
		Target: x.Target, WebhookID: x.WebhookID, Result: "delivered", Status: x.Status, Error: x.Error, TookMS: x.Took.Milliseconds(),
	}
	if x.Error != "" {
		out.Result = "failed"
	}
	return out, err
}

// testData is what a webhook.test says.
func testData(a store.Account, by change.Actor) map[string]string {
	return map[string]string{"account": a.Name, "by": by.String()}
}

func noWebhook() error {
	return &change.Error{Kind: change.NotFound, Reason: "the account has no webhook"}
}
