// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"net/http"
	"net/url"
	"testing"

	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/store"
)

func TestTrackingOfAnAccount(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/account").reads("Opens not tracked", "Clicks not tracked", "Unsubscribe button in no mail")
	b.get("/account/tracking").is(http.StatusOK).says("Recipients must be able to reach it")
	b.post("/account/tracking", url.Values{"opens": {"1"}, "unsubscribe": {"sometimes"}}).is(http.StatusUnprocessableEntity).says("is none of never, campaigns, all")
	b.post("/account/tracking", url.Values{"opens": {"1"}, "unsubscribe": {"campaigns"}}).at("/account").reads("What mail tells of its recipients is changed.", "Opens tracked", "Clicks not tracked", "in mail of campaigns")
	a := b.get("/account/tracking")
	if n := attr(a.first("input[checked]"), "name"); n != "opens" {
		t.Errorf("the form has %q checked", n)
	}
	if e := w.log("account.change"); len(e) != 1 || e[0].Detail != "opens: not tracked → tracked; List-Unsubscribe in mail: never → campaigns" {
		t.Errorf("logged: %+v", e)
	}
}

func TestHostOfTrackedLinks(t *testing.T) {
	w := newWorld(t)
	shop := w.subaccount("Shop")
	b := w.signedIn()
	page := keyPage(shop.Key)
	b.get(page).says("under the server’s name")
	b.get(page + "/links").is(http.StatusOK)
	b.post(page+"/links", url.Values{"host": {"https://links.shop.example/"}}).is(http.StatusUnprocessableEntity).says("is not a host name")
	b.post(page+"/links", url.Values{"host": {"links.shop.example"}}).is(http.StatusUnprocessableEntity).says("is in no domain that this key may send from")
	_, err := w.Senders.AddSender(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: shop.Key.ID}, "*@shop.example", "")
	ok(t, err)
	b.post(page+"/links", url.Values{"host": {"Links.Shop.example"}}).at(page).says("links.shop.example")
	other, err := w.Keys.SignUp(t.Context(), change.Actor{Kind: change.Operator}, "Other", "other@example.com")
	ok(t, err)
	host := "links.shop.example"
	if _, err := w.Keys.Change(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: other.Key.ID}, keys.KeyChange{TrackHost: &host}, 0); err == nil {
		t.Error("another account took the name")
	}
	b.post(page+"/links", url.Values{"host": {""}}).at(page).says("under the server’s name")
	if e := w.log("key.change"); len(e) != 2 || e[1].Detail != "host of links: none → links.shop.example" {
		t.Errorf("logged: %+v", e)
	}
}
