// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/keys"
	"postern/internal/store"
)

func keyPage(k store.Key) string { return strings.TrimSuffix(keyPath(k, ""), "/") }

// live are a key's live secrets, the newest first.
func (w *world) live(k store.Key) []store.Secret {
	w.t.Helper()
	got, err := w.store.Key(w.t.Context(), store.OfAccount(k.AccountID), store.KeyFilter{ID: k.ID})
	ok(w.t, err)
	return got.Secrets
}

// TestTwoTabsResetOnce: the second of two open forms does not end the secret that the first has just made.
func TestTwoTabsResetOnce(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	sub := w.subaccount("Shop")
	path := keyPath(sub.Key, "reset")
	first, second := b.get(path).form(path), b.get(path).form(path)
	made := secretIn(b.post(path, first).is(http.StatusOK))
	again := b.post(path, second).is(http.StatusConflict).says("The secret key was reset", "by owner@example.com, after this form was opened. Nothing was changed.")
	if !w.opens(sub.Key.APIKey, made) {
		t.Fatal("the second form ended the first one's secret")
	}
	b.post(path, again.form(path)).is(http.StatusOK).says("The new secret key of Shop")
}

// TestTheSecretInUseIsNotChosenToEnd: of two live secrets the form proposes to end the one that nothing uses.
func TestTheSecretInUseIsNotChosenToEnd(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	sub := w.subaccount("Shop")
	path := keyPath(sub.Key, "reset")
	form := b.get(path).form(path)
	w.used(w.live(sub.Key)[0], "smtp", "192.0.2.7", "postfix/3.7", 2*time.Minute, 5)
	form.Set("overlap", "168h")
	b.post(path, form).is(http.StatusOK)
	live := w.live(sub.Key) // the new one is not used yet
	if got := b.get(path).form(path).Get("end"); got != strconv.FormatInt(live[0].ID, 10) {
		t.Errorf("it proposes to end %s of %d (new, unused) and %d (in use)", got, live[0].ID, live[1].ID)
	}
	w.used(live[0], "smtp", "192.0.2.7", "postfix/3.7", time.Minute, 5)
	if got := b.get(path).form(path).Get("end"); got != strconv.FormatInt(live[1].ID, 10) {
		t.Errorf("it proposes to end %s of %d (used last) and %d", got, live[0].ID, live[1].ID)
	}
}

// used notes uses of a secret, the last that long ago.
func (w *world) used(secret store.Secret, protocol, address, client string, ago time.Duration, n int64) {
	w.t.Helper()
	at := w.now.Add(-ago)
	ok(w.t, w.Keys.NoteUses(w.t.Context(), []gateUse{{SecretID: secret.ID, Protocol: protocol, Address: address, Client: client, First: at, Last: at, Count: n}}))
}

// change changes a key behind the pages.
func (w *world) change(k store.Key, c keys.KeyChange) {
	w.t.Helper()
	_, err := w.Keys.Change(w.t.Context(), operator, store.OfAccount(k.AccountID), store.KeyFilter{ID: k.ID}, c, 0)
	ok(w.t, err)
}

func retirePath(k store.Key, x store.Secret) string {
	return keyPath(k, "secrets/"+strconv.FormatInt(x.ID, 10)+"/retire")
}

func TestARotationWithAnOverlap(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.post("/password", url.Values{"password": {password}, "repeat": {password}}).is(http.StatusOK)
	sub := w.subaccount("Shop")
	first := w.live(sub.Key)[0]
	w.used(first, "smtp", "192.0.2.7", "postfix/3.7", 2*time.Minute, 1204)
	w.used(first, "http", "198.51.100.4", "", 30*time.Hour, 1)

	page := b.get(keyPath(sub.Key, "reset")+"?on=key").is(http.StatusOK).says("What will break", "postfix/3.7 from 192.0.2.7 by SMTP", "2 minutes ago, 1,204 times")
	page.lacks("198.51.100.4") // not in the last 24 hours
	form := page.form(keyPath(sub.Key, "reset") + "?on=key")
	if form.Get("overlap") != "0" {
		t.Errorf("the old secret lives on by default: %v", form)
	}
	form.Set("overlap", "168h")
	a := b.post(keyPath(sub.Key, "reset")+"?on=key", form).is(http.StatusOK).says("The new secret key of Shop", "goes on working until "+w.live(sub.Key)[1].ExpiresAt.Format("2 Jan 2006, 15:04:05 UTC"), "works until")
	fresh := secretIn(a)
	if got := attr(a.first("dialog.issued"), "data-modal"); got != keyPage(sub.Key) {
		t.Errorf("beneath the secret stands %q", got)
	}
	if !w.opens(sub.Key.APIKey, sub.Secret) || !w.opens(sub.Key.APIKey, fresh) {
		t.Fatal("in the overlap both secrets open")
	}
	b.get("/keys").says("old: 7 days left")
	var rings []string
	for _, secret := range b.get(keyPage(sub.Key)).all("article.secret") {
		ring := find(secret, "svg")[0]
		rings = append(rings, attr(ring, "aria-label")+" "+textOf(ring))
	}
	if want := []string{"The secret key was made 0 days ago; it is due for a reset every 90 days. 90", "The secret key ends in 7 days. 7"}; !slices.Equal(rings, want) {
		t.Errorf("the rings say %q", rings)
	}
	old := w.live(sub.Key)[1]
	if d := old.ExpiresAt.Sub(w.now); d < 167*time.Hour || d > 169*time.Hour {
		t.Errorf("the overlap lasts %s", d)
	}

	// The client moves over. A day later nothing uses the old secret any more.
	w.used(w.live(sub.Key)[0], "smtp", "192.0.2.7", "postfix/3.7", 0, 1)
	b.get(keyPage(sub.Key)).is(http.StatusOK).says("One connection has used it in the last 24 hours: retire it, and it breaks.", "a program without a name")
	w.now = w.now.Add(25 * time.Hour)
	b.get(keyPage(sub.Key)).says("ends in 6 days", "Nothing has used it for 1 day. Retiring it should break nothing.")
	// Who has been away confirms their identity before they see the form, and then comes to it.
	b.get(retirePath(sub.Key, old)).is(http.StatusOK).at("/confirm")
	confirm := b.post(retirePath(sub.Key, old), nil).is(http.StatusOK).at("/confirm").form("/confirm")
	if !w.opens(sub.Key.APIKey, sub.Secret) {
		t.Fatal("a secret was retired from a session that was left open")
	}
	confirm.Set("password", password)
	b.post("/confirm", confirm).is(http.StatusOK).at(retirePath(sub.Key, old)).says("Retire the secret key …"+old.Hint+"?", "Nothing has used it for 1 day.")
	b.post(retirePath(sub.Key, old), nil).is(http.StatusOK).at(keyPage(sub.Key))
	if w.opens(sub.Key.APIKey, sub.Secret) || !w.opens(sub.Key.APIKey, fresh) {
		t.Error("after it was retired the old secret opens, or the new one does not")
	}
	b.post(retirePath(sub.Key, old), nil).is(http.StatusNotFound).says("That secret key has ended")
	only := w.live(sub.Key)[0]
	b.get(retirePath(sub.Key, only)).at(strings.TrimSuffix(keyPath(sub.Key, "reset"), "/"))
	b.post(retirePath(sub.Key, only), nil).is(http.StatusUnprocessableEntity).says("It is the only live secret key")
	if !w.opens(sub.Key.APIKey, fresh) {
		t.Error("the only secret was retired")
	}
	b.get(retirePath(sub.Key, store.Secret{})).is(http.StatusNotFound)
	b.get(keyPath(sub.Key, "secrets/x/retire")).is(http.StatusNotFound)
}

func TestAResetBesideTwoLiveSecretsSaysWhichDies(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	path := keyPath(sub.Key, "reset")
	reset := func(change func(url.Values)) answer {
		t.Helper()
		form := b.get(path).is(http.StatusOK).form(path)
		change(form)
		return b.post(path, form)
	}
	second := secretIn(reset(func(f url.Values) { f.Set("overlap", "24h") }).is(http.StatusOK))
	newer, older := w.live(sub.Key)[0], w.live(sub.Key)[1]
	page := b.get(path).says("Two secret keys are live, and a third is not possible", "End …"+newer.Hint+", the newer", "End …"+older.Hint+", the older")
	if got := page.form(path).Get("end"); got != strconv.FormatInt(older.ID, 10) {
		t.Errorf("by default %s would end, want the older, %d", got, older.ID)
	}
	reset(func(f url.Values) { f.Set("overlap", "24h"); f.Del("end") }).is(http.StatusUnprocessableEntity).says("a third is not possible")
	reset(func(f url.Values) { f.Set("overlap", "24h"); f.Set("end", "999") }).is(http.StatusUnprocessableEntity).says("It names no live secret key")
	if !w.opens(sub.Key.APIKey, sub.Secret) || !w.opens(sub.Key.APIKey, second) {
		t.Fatal("a form that was refused has ended a secret")
	}
	third := secretIn(reset(func(f url.Values) { f.Set("overlap", "24h"); f.Set("end", strconv.FormatInt(newer.ID, 10)) }).is(http.StatusOK))
	if !w.opens(sub.Key.APIKey, sub.Secret) || w.opens(sub.Key.APIKey, second) || !w.opens(sub.Key.APIKey, third) {
		t.Error("another than the chosen secret has ended")
	}
	fourth := secretIn(reset(func(url.Values) {}).is(http.StatusOK)) // at once ends both
	if w.opens(sub.Key.APIKey, sub.Secret) || w.opens(sub.Key.APIKey, third) || !w.opens(sub.Key.APIKey, fourth) {
		t.Error("a reset at once has left an old secret")
	}
}

func TestAnOverlapOfOwnLength(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	path := keyPath(sub.Key, "reset")
	for _, hours := range []string{"", "0", "-1", "721", "1.5", "soon", "99999999999999999999"} {
		form := b.get(path).form(path)
		form.Set("overlap", "own")
		form.Set("hours", hours)
		a := b.post(path, form).is(http.StatusUnprocessableEntity).says("Give a whole number of hours, 1 to 720.")
		if got := a.form(path); got.Get("hours") != hours || got.Get("overlap") != "own" {
			t.Errorf("what was typed is gone: %v", got)
		}
	}
	form := b.get(path).form(path)
	form.Set("hours", "48") // without a script, typing does not choose
	b.post(path, form).is(http.StatusUnprocessableEntity).says("You gave a number of hours, and chose something else")
	form = b.get(path).form(path)
	form.Set("overlap", "forever")
	b.post(path, form).is(http.StatusUnprocessableEntity).says("Choose how long the old secret key goes on working.")
	form = b.get(path).form(path)
	form.Set("overlap", "own")
	form.Set("hours", " 48 ")
	secretIn(b.post(path, form).is(http.StatusOK))
	if d := time.Until(w.live(sub.Key)[1].ExpiresAt); d < 47*time.Hour || d > 48*time.Hour {
		t.Errorf("the overlap lasts %s", d)
	}
}
