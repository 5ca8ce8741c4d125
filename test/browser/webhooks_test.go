// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"postern/internal/store"
	"postern/internal/webhooks"
)

// TestATourOfWebhooks: a key's webhook is set on the page, tried, looked at and removed.
func TestATourOfWebhooks(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	tour := &tour{t, ctx, screenshots()}
	load(t, ctx, p.link(), 200)
	press(t, ctx, click("button"))
	load(t, ctx, p.base+"/webhooks", 200)
	tour.look("webhooks-empty")

	p.key("Shop")
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "The order book is closed", http.StatusServiceUnavailable)
	}))
	defer receiver.Close()
	set := func(key string, types ...store.EventType) int64 {
		k := p.keys[key]
		list, err := p.Webhooks.Set(t.Context(), operator, store.OfAccount(k.AccountID), store.KeyFilter{ID: k.ID}, webhooks.Setting{URL: receiver.URL + "/mail/events", Types: types, Version: 2, Replace: true})
		ok(t, err)
		_, err = p.Webhooks.Test(t.Context(), store.OfAccount(k.AccountID), list[0].ID)
		ok(t, err)
		return list[0].ID
	}
	hook := set("Shop", store.EventSent, store.EventBounce)
	set("Harbour Books", store.EventUnsub)
	log, err := p.store.Attempts(t.Context(), store.OfAccount(p.signed.Account.ID), store.AttemptFilter{}, 1)
	ok(t, err)
	for _, c := range []struct{ name, path string }{
		{"webhooks", "/webhooks"},
		{"webhook-new", "/webhooks/new?key=" + p.keys["Shop"].APIKey},
		{"webhook", fmt.Sprint("/webhooks/", hook)},
		{"webhook-remove", fmt.Sprint("/webhooks/", hook, "/remove")},
		{"webhook-delivery", fmt.Sprint("/deliveries/", log[0].ID)},
		{"webhook-secret", fmt.Sprint("/keys/", p.keys["Shop"].ID, "/webhook-secret")},
	} {
		load(t, ctx, p.base+c.path, 200)
		tour.look(c.name)
	}
	press(t, ctx, click(`form[action$="/webhook-secret"] button`))
	tour.look("webhook-secret-new")
	load(t, ctx, p.base+"/webhooks/new?key="+p.keys["Shop"].APIKey, 200)
	do(t, ctx, typed("input[name=url]", "https://10.0.0.1/mail"))
	press(t, ctx, click(`form[action$="/webhooks/new"] button`))
	tour.look("webhook-new-refused")
}
