// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strings"

	"postern/internal/change"
	"postern/internal/webhooks"
)

// accountWebhook is the account's webhook as the Account page shows it.
type accountWebhook struct {
	webhooks.AccountWebhook
	Set bool
}

// accountWebhook reads the account's webhook.
func (c *console) accountWebhook(v *visit) accountWebhook {
	w, err := c.Webhooks.OfAccount(v.r.Context(), v.account.ID)
	var e *change.Error
	switch {
	case errors.As(err, &e):
		return accountWebhook{}
	case err != nil: // the rest of the page is good without it
		c.Log.ErrorContext(v.r.Context(), "a webhook could not be read", "account", v.account.ID, "error", err)
	}
	return accountWebhook{w, true}
}

// accountWebhookBody is the form of the webhook: Kind is set or remove.
type accountWebhookBody struct {
	Kind    string
	Webhook accountWebhook
	URL     string
	Nonce   string
	Private bool // an address in a private network is taken, too
	Problem problem
}

func (c *console) showAccountWebhook(kind string) func(*visit) error {
	return func(v *visit) error {
		b := accountWebhookBody{Kind: kind, Webhook: c.accountWebhook(v)}
		if kind == "remove" && !b.Webhook.Set {
			return notFound("The account has no webhook.")
		}
		return c.accountWebhookForm(v, http.StatusOK, b)
	}
}

func (c *console) accountWebhookForm(v *visit, status int, b accountWebhookBody) error {
	b.Nonce, b.Private = c.forms.nonce(v.user.ID), c.Webhooks.Private()
	title := map[string]string{"set": "Webhook about secret keys", "remove": "Remove the webhook about secret keys"}[b.Kind]
	return c.show(v, status, "webhook-form", title, "account", b)
}

// accountSecretBody is a new signing secret. It is in this one answer and nowhere else.
type accountSecretBody struct{ URL, Secret string }

func (c *console) setAccountWebhook(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := accountWebhookBody{Kind: "set", Webhook: c.accountWebhook(v), URL: strings.TrimSpace(v.r.PostForm.Get("url"))}
	if b.URL == "" {
		b.Problem = problem{"URL", "Give the address that is to be told."}
		return c.accountWebhookForm(v, http.StatusUnprocessableEntity, b)
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return &statusError{http.StatusConflict, "The signing secret was shown already", "This form was sent before, and its answer " +
			"with the secret is shown once. If you did not keep it, set the webhook again: that makes a new one."}
	}
	w, err := c.Webhooks.SetOfAccount(v.r.Context(), v.actor, v.account.ID, b.URL)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "URL")
		return c.accountWebhookForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "webhook-secret", "Webhook", "account", accountSecretBody{w.URL, w.Secret})
}

func (c *console) testAccountWebhook(v *visit) error {
	if err := c.Webhooks.QueueTest(v.r.Context(), v.actor, v.account.ID); err != nil {
		return err
	}
	return v.redirect("/account?done=tested")
}

func (c *console) removeAccountWebhook(v *visit) error {
	if _, err := c.Webhooks.RemoveOfAccount(v.r.Context(), v.actor, v.account.ID); err != nil {
		return err
	}
	return v.redirect("/account?done=unhooked")
}
