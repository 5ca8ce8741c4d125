// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"postern/internal/store"
)

func (o *operator) showAccountWebhook(ctx context.Context, account string) (AccountWebhook, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return AccountWebhook{}, err
	}
	return o.accountWebhook(ctx, a, "")
}

// accountWebhook is an account's webhook, with a signing secret that was just made.
func (o *operator) accountWebhook(ctx context.Context, a store.Account, secret string) (AccountWebhook, error) {
	w, err := o.Webhooks.Webhook(ctx, a.ID)
	if err != nil {
		return AccountWebhook{}, err
	}
	return AccountWebhook{
		AccountID: a.ID, AccountName: a.Name, URL: w.URL, State: w.State(), CreatedAt: w.CreatedAt, LastAt: w.LastAt, LastStatus: w.LastStatus, LastError: w.LastError,
		FailingSince: w.FailingSince, Waiting: w.Waiting, Dropped: w.Dropped, Secret: secret,
	}, nil
}

func (o *operator) setAccountWebhook(ctx context.Context, account, url string) (AccountWebhook, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return AccountWebhook{}, err
	}
	secret, err := o.Webhooks.SetWebhook(ctx, actor(), a.ID, url)
	if err != nil {
		return AccountWebhook{}, err
	}
	return o.accountWebhook(ctx, a, secret)
}

// testAccountWebhook posts a sample, and says what came of it.
func (o *operator) testAccountWebhook(ctx context.Context, account string) (Sample, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return Sample{}, err
	}
	x, err := o.Webhooks.SampleWebhook(ctx, actor(), a.ID)
	if err != nil {
		return Sample{}, err
	}
	out := Sample{Target: x.Target, WebhookID: x.WebhookID, Result: "delivered", Status: x.Status, Error: x.Error, TookMS: x.Took.Milliseconds()}
	if x.Error != "" {
		out.Result = "failed"
	}
	return out, nil
}

// removeAccountWebhook answers with the webhook as it was.
func (o *operator) removeAccountWebhook(ctx context.Context, account string) (AccountWebhook, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return AccountWebhook{}, err
	}
	was, err := o.accountWebhook(ctx, a, "")
	if err != nil {
		return AccountWebhook{}, err
	}
	return was, o.Webhooks.RemoveWebhook(ctx, actor(), a.ID)
}
