// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/console"
	"postern/internal/store"
)

func TestTheWebhookIsSetTestedAndRemoved(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/account").reads("Webhook about secret keys Set one", "Your own program can be told by HTTP")
	b.get("/account/webhook/remove").is(http.StatusNotFound)
	b.post("/account/webhook/test", nil).is(http.StatusNotFound)

	form := b.get("/account/webhook").is(http.StatusOK).form("/account/webhook")
	b.post("/account/webhook", form).is(http.StatusUnprocessableEntity).says("Give the address that is to be told.")
	form.Set("url", "http://10.0.0.1/x")
	if a := b.post("/account/webhook", form).is(http.StatusUnprocessableEntity); a.text("#problem-URL") == "" || attr(a.first("input[name=url]"), "value") != "http://10.0.0.1/x" {
		t.Error("what is wrong does not stand at the address, or the address is gone")
	}
	form = b.get("/account/webhook").form("/account/webhook")
	form.Set("url", "https://me:hunter2@hooks.example.com/postern")
	a := b.post("/account/webhook", form).is(http.StatusOK).says("The webhook is set", "The signing secret is shown this once.").lacks("hunter2")
	secret := textOf(a.first("code.key"))
	if !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("the secret is %q", secret)
	}
	b.post("/account/webhook", form).is(http.StatusConflict).says("The signing secret was shown already") // a reload
	if got := len(w.log("webhook.set")); got != 1 {
		t.Errorf("it was set %d times", got)
	}

	b.get("/account").is(http.StatusOK).reads("https://me:", "hooks.example.com/postern", "not used yet", "Send a test").lacks(secret, "hunter2")
	b.get("/account/webhook").says("This one takes its place").lacks(secret, "hunter2")
	b.post("/account/webhook/test", nil).is(http.StatusOK).at("/account").reads("A test is on its way.", "Waiting 1")
	w.as(w.user("mate@example.com", access.Manager)).get("/account").says("hooks.example.com").lacks("/account/webhook")
	b.get("/account/webhook/remove").is(http.StatusOK).says("is told nothing any more")
	b.post("/account/webhook/remove", nil).at("/account").reads("The webhook is removed.", "Webhook about secret keys Set one")
	b.post("/account/webhook/remove", nil).is(http.StatusNotFound)
	if got := len(w.log("webhook.remove")); got != 1 {
		t.Errorf("it was removed %d times", got)
	}
}

// TestWhatFailsIsToldInWords: for how long, since when exactly, and why.
func TestWhatFailsIsToldInWords(t *testing.T) {
	w := newWorld(t)
	ctx, key, scope := t.Context(), w.signed.Key, store.OfAccount(w.signed.Account.ID)
	w.hook(key)
	_, err := w.Webhooks.SetOfAccount(ctx, operator, key.AccountID, "https://hooks.invalid/secrets")
	ok(t, err)
	at := w.now.Add(-11 * time.Minute)
	for _, ofAccount := range []bool{false, true} {
		kept, _, err := w.store.Webhooks(ctx, scope, store.WebhookFilter{Account: ofAccount}, store.Page{})
		ok(t, err)
		ok(t, w.store.RecordAttempt(ctx, &store.AttemptResult{EndpointID: kept[0].EndpointID, Attempt: store.Attempt{
			Owner: kept[0].Owner, At: at, Target: "https://hooks.invalid", Types: []store.EventType{kept[0].Type}, EventIDs: []int64{7}, Count: 1,
			Number: 11, Outcome: store.AttemptFailed, Status: 500, Error: "the answer was 500 Internal Server Error",
		}}))
	}
	b := w.signedIn()
	list := b.get("/webhooks").is(http.StatusOK).says("fails for 11 minutes: the answer was 500 Internal Server Error", "500: the answer was 500 Internal Server Error, attempt 11")
	since := "since " + at.UTC().Format("2 Jan 2006, 15:04:05 UTC")
	if got := attr(list.first("time.muted"), "title"); got != since {
		t.Errorf("it fails %q", got)
	}
	card := b.get("/account").is(http.StatusOK).says("fails for 11 minutes", "11 minutes ago, answered 500: the answer was 500 Internal Server Error")
	if got := attr(card.first("time.muted"), "title"); got != since {
		t.Errorf("it fails %q", got)
	}
	b.get("/webhooks/new").says("Reachable from the Internet, by https.")
	b.get("/account/webhook").says("Reachable from the Internet, by https.")
}

func TestAServerWithPrivateWebhooksSaysSo(t *testing.T) {
	w := newWorldOf(t, func(c *backend.Config) { c.Webhook.Private = true })
	b := w.signedIn()
	b.get("/webhooks/new").is(http.StatusOK).says("Reachable from this server, by https or http.").lacks("Internet")
	b.get("/account/webhook").is(http.StatusOK).says("Reachable from this server, by https or http.").lacks("Internet")
}

func TestAWebhookOfAnotherServerKeyCanBeSetAgain(t *testing.T) {
	w := newWorld(t, func(c *console.Config) {
		behind := *c.Backend
		behind.Webhooks = backendtest.New(t, backend.Config{Store: c.Store, ServerKey: []byte("another server key, of 32 bytes.")}).Webhooks
		c.Backend = &behind
	})
	_, err := w.Webhooks.SetOfAccount(t.Context(), operator, w.signed.Account.ID, "https://hooks.example.com/lost")
	ok(t, err)
	b := w.signedIn()
	b.get("/account").is(http.StatusOK).says("The webhook cannot be read")
	form := b.get("/account/webhook").is(http.StatusOK).form("/account/webhook")
	form.Set("url", "https://hooks.example.com/new")
	b.post("/account/webhook", form).is(http.StatusOK).says("The webhook is set")
	b.get("/account").says("https://hooks.example.com/new")
}

// TestTheAccountsDeliveries: those about secret keys are listed and shown to who may see the account, posted again by who may
// change it, and seen by nobody else.
func TestTheAccountsDeliveries(t *testing.T) {
	w := newWorld(t)
	ctx, sub := t.Context(), w.subaccount("Shop")
	_, err := w.Webhooks.SetOfAccount(ctx, operator, w.signed.Account.ID, "https://user:geheim@hooks.invalid/token")
	ok(t, err)
	_, err = w.Webhooks.TestOfAccount(ctx, operator, w.signed.Account.ID)
	ok(t, err)
	ok(t, w.Webhooks.QueueTest(ctx, operator, w.signed.Account.ID))
	kept, _, err := w.store.Webhooks(ctx, store.OfAccount(w.signed.Account.ID), store.WebhookFilter{Account: true, Type: store.EventWebhookTest}, store.Page{})
	ok(t, err)
	due, err := w.store.DueDeliveries(ctx, kept[0].EndpointID, w.now.Add(time.Hour), 10)
	ok(t, err)
	ok(t, w.store.RecordAttempt(ctx, &store.AttemptResult{EndpointID: kept[0].EndpointID, Attempt: store.Attempt{
		Owner: kept[0].Owner, At: w.now, Target: "https://hooks.invalid", Types: []store.EventType{kept[0].Type}, EventIDs: []int64{due[0].EventID}, Count: 1, Number: 1,
	}}))
	log, err := w.Webhooks.Deliveries(ctx, store.OfAccount(w.signed.Account.ID), store.AttemptFilter{}, 10)
	ok(t, err)
	if len(log) != 2 || log[0].Account != w.signed.Account.Name {
		t.Fatalf("%+v", log)
	}
	page := fmt.Sprint("/deliveries/", log[0].ID)
	b := w.signedIn()
	b.get("/account").says("Deliveries").lacks("geheim")
	b.get("/webhooks?of=account").is(http.StatusOK).reads("Deliveries about secret keys", "webhook.test", "the account").lacks("geheim", "/token")
	b.get("/webhooks").is(http.StatusOK).says("webhook.test")
	b.get("/webhooks?key=" + sub.Key.APIKey).is(http.StatusOK).lacks("webhook.test")
	b.get(page).is(http.StatusOK).reads("Delivery to https://hooks.invalid", "Tell again").says(`"type": "webhook.test"`).lacks("geheim")
	b.post(page+"/replay", nil).is(http.StatusOK).at("/webhooks").says("1 events are told again")
	b.get(fmt.Sprint("/webhooks/", kept[0].ID)).is(http.StatusNotFound)
	manager := w.as(w.user("mate@example.com", access.Manager))
	manager.get(page).is(http.StatusOK).lacks("Tell again")
	manager.post(page+"/replay", nil).is(http.StatusForbidden)
	shared := w.person("shared@example.com", map[string]store.Key{access.Manager: sub.Key})
	reader := w.as(w.user("reader@example.com", access.Analyst))
	for _, other := range []*browser{shared, reader} {
		other.get("/webhooks?of=account").is(http.StatusOK).lacks("webhook.test")
		other.get(page).is(http.StatusNotFound)
	}
}
