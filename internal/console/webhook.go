// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strings"

	"postern/internal/change"
	"postern/internal/webhooks"
)

// hookView is the account's webhook as the Account page shows it.
type hookView struct {
	webhooks.Webhook
	Set bool
}

// hookOf reads the account's webhook.
func (c *console) hookOf(v *visit) hookView {
	w, err := c.Webhooks.Webhook(v.r.Context(), v.account.ID)
	var e *change.Error
	switch {
	case errors.As(err, &e):
		return hookView{}
	case err != nil: // the rest of the page is good without it
		c.Log.ErrorContext(v.r.Context(), "a webhook could not be read", "account", v.account.ID, "error", err)
		return hookView{Webhook: webhooks.Webhook{Unreadable: true}, Set: true}
	}
	return hookView{Webhook: w, Set: true}
}

// hookBody is the form of the webhook: Kind is set or remove.
type hookBody struct {
	Kind    string
	Hook    hookView
	URL     string
	Nonce   string
	Private bool // an address in a private network is taken, too
	Problem problem
}

func (c *console) showHook(kind string) func(*visit) error {
	return func(v *visit) error {
		b := hookBody{Kind: kind, Hook: c.hookOf(v)}
		if kind == "remove" && !b.Hook.Set {
			return notFound("The account has no webhook.")
		}
		return c.hookForm(v, http.StatusOK, b)
	}
}

func (c *console) hookForm(v *visit, status int, b hookBody) error {
	b.Nonce, b.Private = c.forms.nonce(v.user.ID), c.Webhooks.PrivateWebhooks()
	title := map[string]string{"set": "Webhook about secret keys", "remove": "Remove the webhook about secret keys"}[b.Kind]
	return c.show(v, status, "webhook-form", title, "account", b)
}

// hookSecretBody is a new signing secret. It is in this one answer and nowhere else.
type hookSecretBody struct{ URL, Secret string }

func (c *console) setHook(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := hookBody{Kind: "set", Hook: c.hookOf(v), URL: strings.TrimSpace(v.r.PostForm.Get("url"))}
	if b.URL == "" {
		b.Problem = problem{"URL", "Give the address that is to be told."}
		return c.hookForm(v, http.StatusUnprocessableEntity, b)
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return &statusError{http.StatusConflict, "The signing secret was shown already", "This form was sent before, and its answer with the secret is shown once. If you did not keep it, set the webhook again: that makes a new one."}
	}
	secret, err := c.Webhooks.SetWebhook(v.r.Context(), v.actor, v.account.ID, b.URL)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "URL")
		return c.hookForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "webhook-secret", "Webhook", "account", hookSecretBody{c.hookOf(v).URL, secret})
}

func (c *console) testHook(v *visit) error {
	if err := c.Webhooks.TestWebhook(v.r.Context(), v.actor, v.account.ID); err != nil {
		return err
	}
	return v.redirect("/account?done=tested")
}

func (c *console) removeHook(v *visit) error {
	if err := c.Webhooks.RemoveWebhook(v.r.Context(), v.actor, v.account.ID); err != nil {
		return err
	}
	return v.redirect("/account?done=unhooked")
}
