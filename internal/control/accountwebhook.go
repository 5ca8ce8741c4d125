// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"

	"postern/internal/store"
)

func (d *door) showAccountWebhook(r *http.Request) (any, error) {
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	return d.accountWebhook(r, a, "")
}

// accountWebhook is an account's webhook, with a signing secret that was just made.
func (d *door) accountWebhook(r *http.Request, a store.Account, secret string) (AccountWebhook, error) {
	w, err := d.Webhooks.Webhook(r.Context(), a.ID)
	if err != nil {
		return AccountWebhook{}, err
	}
	return AccountWebhook{
		AccountID: a.ID, AccountName: a.Name, URL: w.URL, State: w.State(), CreatedAt: w.CreatedAt, LastAt: w.LastAt, LastStatus: w.LastStatus, LastError: w.LastError,
		FailingSince: w.FailingSince, Waiting: w.Waiting, Dropped: w.Dropped, Secret: secret,
	}, nil
}

func (d *door) setAccountWebhook(r *http.Request) (any, error) {
	var in AccountWebhookSet
	if err := read(r, &in); err != nil {
		return nil, err
	}
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	secret, err := d.Webhooks.SetWebhook(r.Context(), operator(), a.ID, in.URL)
	if err != nil {
		return nil, err
	}
	return d.accountWebhook(r, a, secret)
}

// testAccountWebhook posts a sample, and says what came of it.
func (d *door) testAccountWebhook(r *http.Request) (any, error) {
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	x, err := d.Webhooks.SampleWebhook(r.Context(), operator(), a.ID)
	if err != nil {
		return nil, err
	}
	out := Sample{Target: x.Target, WebhookID: x.WebhookID, Result: "delivered", Status: x.Status, Error: x.Error, TookMS: x.Took.Milliseconds()}
	if x.Error != "" {
		out.Result = "failed"
	}
	return out, nil
}

// removeAccountWebhook answers with the webhook as it was.
func (d *door) removeAccountWebhook(r *http.Request) (any, error) {
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	was, err := d.accountWebhook(r, a, "")
	if err != nil {
		return nil, err
	}
	return was, d.Webhooks.RemoveWebhook(r.Context(), operator(), a.ID)
}
