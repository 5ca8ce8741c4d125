// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"postern/internal/access"
	"postern/internal/store"
	"postern/internal/webhooks"
)

// hook gives a key a webhook for what was sent, with one delivery in its log: a sample that reached nobody.
func (w *world) hook(key store.Key) (hookID, deliveryID int64) {
	w.t.Helper()
	ctx := w.t.Context()
	list, err := w.Webhooks.Set(ctx, operator, store.OfAccount(key.AccountID), store.KeyFilter{ID: key.ID}, webhooks.Setting{URL: "https://user:geheim@hooks.invalid/mail", Types: []store.EventType{store.EventSent}, Version: 1, Replace: true})
	ok(w.t, err)
	_, err = w.Webhooks.Test(ctx, store.OfAccount(key.AccountID), list[0].ID)
	ok(w.t, err)
	log, err := w.store.Attempts(ctx, store.OfKey(key.AccountID, key.ID), store.AttemptFilter{}, 1)
	ok(w.t, err)
	if len(log) != 1 {
		w.t.Fatalf("%d deliveries are logged", len(log))
	}
	return list[0].ID, log[0].ID
}

func TestWebhooksPage(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount("Shop")
	b := w.signedIn()
	b.get("/webhooks").is(http.StatusOK).says("No webhook yet").says("Nothing was delivered yet")
	b.get("/webhooks/new?key=" + sub.Key.APIKey).is(http.StatusOK).says("Add a webhook")
	form := url.Values{"key": {sub.Key.APIKey}, "url": {"https://user:geheim@hooks.invalid/mail"}, "type": {"bounce", "open"}, "version": {"2"}}
	for name, change := range map[string]url.Values{
		"begin with https://": {"url": {"http://hooks.example.com/"}}, "not a public one": {"url": {"https://10.0.0.1/"}}, "at least one type": {"type": nil}, "no such key": {"key": {"none"}},
		"array": {"version": {"7"}}, "not among the events": {"type": {"sunshine"}},
	} {
		bad := url.Values{}
		for k, s := range form {
			bad[k] = s
		}
		for k, s := range change {
			bad[k] = s
		}
		b.post("/webhooks/new", bad).is(http.StatusUnprocessableEntity).says(name)
	}
	b.post("/webhooks/new", form).is(http.StatusOK).says("The webhook is set").says("not used yet").says("hooks.invalid").lacks("geheim").says("requests are not signed")
	hooks, _, err := w.Webhooks.List(t.Context(), store.OfKey(sub.Key.AccountID, sub.Key.ID), store.WebhookFilter{}, store.Page{})
	ok(t, err)
	if len(hooks) != 2 {
		t.Fatalf("%d hooks", len(hooks))
	}
	page := fmt.Sprint("/webhooks/", hooks[0].ID)
	b.get(page).is(http.StatusOK).says("Save").lacks("geheim")
	b.post(page+"/test", nil).is(http.StatusOK).says("A sample was posted")
	b.get("/webhooks?show=failed&key=" + sub.Key.APIKey).is(http.StatusOK).says("a sample").says("Tell again what failed")
	log, err := w.store.Attempts(t.Context(), store.OfKey(sub.Key.AccountID, sub.Key.ID), store.AttemptFilter{}, 1)
	ok(t, err)
	delivery := b.get(fmt.Sprint("/deliveries/", log[0].ID)).is(http.StatusOK).says("What was sent").says("webhook-id").lacks("geheim")
	if back := attr(find(delivery.first("p.crumb"), "a")[0], "href"); back != "/webhooks?key="+sub.Key.APIKey {
		t.Errorf("a delivery leads back to %s", back)
	}
	b.post("/webhooks/replay", url.Values{"key": {sub.Key.APIKey}, "hours": {"24"}}).is(http.StatusOK).says("0 events are told again")
	b.post(page, url.Values{"url": {"https://other.invalid/"}, "version": {"1"}}).is(http.StatusOK).says("The webhook is changed").says("other.invalid")
	b.post(page, url.Values{"url": {"ftp://x"}, "version": {"1"}}).is(http.StatusUnprocessableEntity)

	secret := b.get(fmt.Sprint("/keys/", sub.Key.ID, "/webhook-secret")).is(http.StatusOK).says("Sign the webhooks")
	nonce := attr(secret.first("input[name=nonce]"), "value")
	made := url.Values{"nonce": {nonce}}
	b.post(fmt.Sprint("/keys/", sub.Key.ID, "/webhook-secret"), made).is(http.StatusOK).says("shown this once").says("whsec_")
	b.post(fmt.Sprint("/keys/", sub.Key.ID, "/webhook-secret"), made).is(http.StatusConflict)
	b.get("/webhooks?key=" + sub.Key.APIKey).is(http.StatusOK).says("Requests are signed").lacks("whsec_")

	b.get(page + "/remove").is(http.StatusOK).says("Remove the webhook?")
	b.post(page+"/remove", nil).is(http.StatusOK).says("is removed").lacks("other.invalid")
	b.get(page).is(http.StatusNotFound)
	b.get("/webhooks?key=nobodys").is(http.StatusOK).says("no such key")
	b.post("/webhooks/replay", url.Values{"key": {"no\x00\xff"}, "hours": {"1"}}).is(http.StatusNotFound)
}

// TestWhoOnlyReadsSeesNoPathOfAWebhook: of many receivers the path is what lets a caller in.
func TestWhoOnlyReadsSeesNoPathOfAWebhook(t *testing.T) {
	w := newWorld(t)
	mine, seen := w.subaccount("Mine"), w.subaccount("Seen")
	for path, key := range map[string]store.Key{"/mine-token": mine.Key, "/seen-token?key=geheim": seen.Key} {
		_, err := w.Webhooks.Set(t.Context(), operator, store.OfAccount(key.AccountID), store.KeyFilter{ID: key.ID}, webhooks.Setting{URL: "https://hooks.invalid" + path, Types: []store.EventType{store.EventOpen}})
		ok(t, err)
	}
	b := w.person("mixed@example.com", map[string]store.Key{access.Manager: mine.Key, access.Analyst: seen.Key})
	b.get("/webhooks").is(http.StatusOK).says("https://hooks.invalid/mine-token", "https://hooks.invalid version 1").lacks("seen-token", "geheim")
}
