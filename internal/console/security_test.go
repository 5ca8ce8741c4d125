// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"

	"postern/internal/access"
	"postern/internal/console"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/people/oidctest"
	"postern/internal/people/passkeytest"
	"postern/internal/store"
)

// withPassword is a signed-in browser of the owner, who has a password.
func (w *world) withPassword() *browser {
	w.t.Helper()
	b := w.signedIn()
	b.post("/password", url.Values{"password": {password}, "repeat": {password}}).is(http.StatusOK).at("/keys")
	return b
}

// givesPassword is a browser whose person has just given the password.
func (w *world) givesPassword() (*browser, answer) {
	w.t.Helper()
	b := w.browser()
	return b, b.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}, "next": {"/senders"}})
}

func (w *world) code(secret string, later time.Duration) string {
	w.t.Helper()
	c, err := totp.GenerateCode(secret, w.now.Add(later))
	ok(w.t, err)
	return c
}

// addApp sets an authenticator app up on the page, and returns its secret and the recovery codes.
func (b *browser) addApp() (secret string, codes []string) {
	b.w.t.Helper()
	page := b.get("/security/app").is(http.StatusOK).says("Set up an authenticator app")
	secret = strings.ReplaceAll(page.text("code.key"), " ", "")
	form := page.form("/security/app")
	form.Set("code", b.w.code(secret, 0))
	shown := b.post("/security/app", form).is(http.StatusOK).says("The authenticator app is set up", "shown this once")
	for _, li := range find(shown.first("ol.codes"), "code") {
		codes = append(codes, textOf(li))
	}
	return secret, codes
}

// mailed is the link of the last mail that sets a new password.
func (w *world) mailed() []string {
	w.t.Helper()
	kept, err := w.store.DueNotices(w.t.Context(), time.Now().Add(time.Hour), 1000)
	ok(w.t, err)
	var out []string
	for _, x := range kept {
		n, err := w.Notices.Open(x)
		ok(w.t, err)
		if n.Kind == notice.PasswordReset {
			out = append(out, n.Link)
		}
	}
	return out
}

func TestACodeIsAskedForAfterThePassword(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	page := b.get("/security/app").is(http.StatusOK)
	if src := attr(page.first("img.qr"), "src"); !strings.HasPrefix(src, "data:image/png;base64,") {
		t.Errorf("the QR code is %.40q", src)
	} else if _, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(src, "data:image/png;base64,")); err != nil {
		t.Error(err)
	}
	secret := strings.ReplaceAll(page.text("code.key"), " ", "")
	form := page.form("/security/app")
	form.Set("code", "000000")
	again := b.post("/security/app", form).is(http.StatusUnprocessableEntity).says("This code is wrong")
	if got := strings.ReplaceAll(again.text("code.key"), " ", ""); got != secret {
		t.Errorf("after a typing error the secret is another: %q", got)
	}
	form.Set("state", "x")
	b.post("/security/app", form).is(http.StatusUnprocessableEntity).says("begin again with a new secret")
	secret, codes := b.addApp()
	if len(codes) != 10 {
		t.Fatalf("recovery codes: %v", codes)
	}
	b.get("/security").says("Authenticator app On", "10 left").lacks(secret, codes[0])
	b.get("/security/app").at("/security")
	b.post("/security/app", form).is(http.StatusUnprocessableEntity)

	half, a := w.givesPassword()
	a.is(http.StatusOK).at("/sign-in/second").says("Second step", "owner@example.com", "Code of your authenticator app")
	half.get("/keys").at("/sign-in") // half-finished is not signed in
	u, err := url.Parse(w.base)
	ok(t, err)
	for _, k := range half.client.Jar.Cookies(u) { // nor is its token a session
		half.client.Jar.SetCookies(u, []*http.Cookie{{Name: "postern_session", Value: k.Value, Path: "/"}})
	}
	half.get("/keys").at("/sign-in")
	half.post("/sign-in/second", url.Values{"code": {""}, "next": {"/senders"}}).is(http.StatusUnauthorized).says("Give the code.")
	half.post("/sign-in/second", url.Values{"code": {w.code(secret, 0)}, "next": {"/senders"}}).is(http.StatusUnauthorized).says("was used already")
	half.post("/sign-in/second", url.Values{"recovery": {"aaaaa-bbbbb"}, "next": {"/senders"}}).is(http.StatusUnauthorized).says("This code is wrong")
	half.post("/sign-in/second", url.Values{"code": {w.code(secret, 30*time.Second)}, "next": {"/senders"}}).is(http.StatusOK).at("/senders")
	half.get("/sign-in/second").is(http.StatusUnauthorized).says("begin again")

	rescued, _ := w.givesPassword()
	rescued.post("/sign-in/second", url.Values{"recovery": {codes[0]}}).is(http.StatusOK).at("/keys")
	rescued.get("/security").says("9 left")
	twice, _ := w.givesPassword()
	twice.post("/sign-in/second", url.Values{"recovery": {codes[0]}}).is(http.StatusUnauthorized)

	b.post("/security/app/remove", url.Values{"code": {"123456"}}).is(http.StatusUnprocessableEntity).says("This code is wrong")
	b.get("/security/app/remove").is(http.StatusOK).says("The recovery codes end too")
	b.post("/security/app/remove", url.Values{"code": {codes[1]}}).is(http.StatusOK).at("/security").says("The authenticator app is removed.", "Authenticator app Off")
	b.get("/security/app/remove").at("/security")
	_, a = w.givesPassword()
	a.at("/senders")
}

func TestTheSecondStepEnds(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	_, codes := b.addApp()
	tired, _ := w.givesPassword()
	for range people.PendingTries {
		tired.post("/sign-in/second", url.Values{"code": {"000000"}}).is(http.StatusUnauthorized).says("This code is wrong")
	}
	tired.post("/sign-in/second", url.Values{"recovery": {codes[0]}}).is(http.StatusUnauthorized).says("was tried too often; begin again", "Password")
	late, _ := w.givesPassword()
	w.now = w.now.Add(people.PendingLifetime + time.Second)
	late.get("/sign-in/second").is(http.StatusUnauthorized).says("took too long")
	late.post("/sign-in/second", url.Values{"recovery": {codes[0]}}).is(http.StatusUnauthorized)
	w.browser().get("/sign-in/second").is(http.StatusUnauthorized)

	// Guessing is throttled by where it comes from, whoever is tried.
	for range people.AttemptBurst {
		late.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {"wrong wrong wrong"}})
	}
	w.now = w.now.Add(31 * time.Second)
	half, _ := w.givesPassword()
	half.post("/sign-in/second", url.Values{"code": {"000000"}}).is(http.StatusUnauthorized)
	half.post("/sign-in/second", url.Values{"recovery": {codes[0]}}).is(http.StatusTooManyRequests).says("Too many attempts", "Second step")
}

func TestNewRecoveryCodesAreShownOnce(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	b.get("/security/codes").at("/security")
	b.post("/security/codes", nil).at("/security")
	_, old := b.addApp()
	form := b.get("/security/codes").is(http.StatusOK).says("The 10 that are left of the old ones end at once").form("/security/codes")
	shown := b.post("/security/codes", form).is(http.StatusOK).says("New recovery codes")
	fresh := textOf(find(shown.first("ol.codes"), "code")[0])
	b.post("/security/codes", form).at("/security/codes").lacks(fresh) // a reload makes no others
	half, _ := w.givesPassword()
	half.post("/sign-in/second", url.Values{"recovery": {old[0]}}).is(http.StatusUnauthorized)
	half.post("/sign-in/second", url.Values{"recovery": {fresh}}).is(http.StatusOK).at("/keys")
}

func TestWhatMattersAsksAgain(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	sub := w.subaccount("Shop")
	reset := keyPath(sub.Key, "reset")
	w.now = w.now.Add(people.FreshFor + console.TimeToFillIn + time.Minute)
	page := b.get("/keys").is(http.StatusOK) // looking does not
	nonce := page.form("/keys/new").Get("nonce")
	a := b.post(reset, url.Values{"nonce": {nonce}}).is(http.StatusOK).at("/confirm").says("Confirm that it is you", "owner@example.com")
	if !w.opens(sub.Key.APIKey, sub.Secret) {
		t.Fatal("a reset without a proof")
	}
	form := a.form("/confirm")
	if form.Get("next") != reset {
		t.Errorf("it leads on to %q", form.Get("next"))
	}
	b.get("/security/app").at("/confirm")
	b.post("/security/app", url.Values{"state": {"x"}}).at("/confirm")
	b.get("/security/passkeys/new").at("/confirm")
	form.Set("password", "not this one")
	b.post("/confirm", form).is(http.StatusUnprocessableEntity).says("This is not your password.")
	b.get("/security/app?x=1").at("/confirm")
	form.Set("password", password)
	form.Set("next", "//evil.example")
	b.post("/confirm", form).is(http.StatusOK).at("/keys")
	b.get(reset).is(http.StatusOK).at(reset)
	nonce = b.get("/keys").form("/keys/new").Get("nonce")
	b.post(reset, url.Values{"nonce": {nonce}}).is(http.StatusOK).says("The new secret key of Shop")
	if w.opens(sub.Key.APIKey, sub.Secret) {
		t.Error("not reset")
	}

	secret, _ := b.addApp()
	w.now = w.now.Add(people.FreshFor + time.Minute)
	b.get("/security/codes").at("/confirm").says("Code of your authenticator app")
	b.post("/confirm", url.Values{"next": {"/security/codes"}, "code": {"000000"}}).is(http.StatusUnprocessableEntity).says("This code is wrong")
	b.post("/confirm", url.Values{"next": {"/security/codes"}, "code": {w.code(secret, 0)}}).is(http.StatusOK).at("/security/codes")
	for range people.AttemptBurst {
		b.post("/confirm", url.Values{"password": {"not this one"}})
	}
	b.post("/confirm", url.Values{"password": {password}}).is(http.StatusTooManyRequests).says("Too many attempts")
}

// TestAFormIsNotLostToTheQuestion: whoever chose an overlap keeps it. The question comes before the form, and a form that
// was shown is taken for a while after the confirmation has aged.
func TestAFormIsNotLostToTheQuestion(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	sub := w.subaccount("Shop")
	first := w.live(sub.Key)[0]
	w.used(first, "smtp", "192.0.2.7", "postfix/3.7", time.Minute, 9)
	for _, page := range []string{"reset", "restrict", "delete"} {
		w.now = w.now.Add(people.FreshFor + time.Minute)
		path := keyPath(sub.Key, page)
		form := b.get(path).is(http.StatusOK).at("/confirm").form("/confirm")
		form.Set("password", password)
		b.post("/confirm", form).is(http.StatusOK).at(path)
	}
	form := b.get(keyPath(sub.Key, "reset")).is(http.StatusOK).form(keyPath(sub.Key, "reset"))
	form.Set("overlap", "own")
	form.Set("hours", "36")
	w.now = w.now.Add(people.FreshFor + time.Minute) // the choice took them a while
	b.post(keyPath(sub.Key, "reset"), form).is(http.StatusOK).says("The new secret key of Shop", "goes on working until")
	if end := w.live(sub.Key)[1].ExpiresAt; time.Until(end).Round(time.Hour) != 36*time.Hour { // the store has the real clock
		t.Errorf("the old secret ends at %s", end)
	}
}

// Who has come by a link and has nothing to prove himself with sets a password first.
func TestWhoHasNothingToProveSetsAPassword(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/security").says("You have none yet.")
	w.now = w.now.Add(people.FreshFor + time.Minute)
	a := b.get("/security/app?x=1").is(http.StatusOK).at("/password").says("Set your password")
	form := a.form("/password")
	if form.Get("next") != "/security/app?x=1" {
		t.Errorf("it leads on to %q", form.Get("next"))
	}
	form.Set("password", password)
	form.Set("repeat", password+"!")
	form = b.post("/password", form).is(http.StatusUnprocessableEntity).form("/password")
	form.Set("password", password)
	form.Set("repeat", password)
	w.now = time.Now()
	b.post("/password", form).is(http.StatusOK).at("/security/app")
}

func TestPasswordsThatAreGuessedFirst(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	for bad, why := range map[string]string{"password2024!": "one of the commonest", "qwertyuiop": "a row of the keyboard", "owner@example.com": "your email address", "aaaaaaaaaaaa": "over and over"} {
		b.post("/password", url.Values{"password": {bad}, "repeat": {bad}}).is(http.StatusUnprocessableEntity).says(why)
	}
}

func TestSessionsCanBeEnded(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	var others []*browser
	for _, agent := range []string{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "curl/8.14"} {
		o := w.browser()
		o.do(http.MethodPost, "/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}, map[string]string{"User-Agent": agent}).at("/keys")
		others = append(others, o)
	}
	page := b.get("/security").is(http.StatusOK).says("Where you are signed in 4", "Firefox on Linux", "Safari on iPhone", "curl", "from 192.0.2.7", "This one")
	var ids []string
	for _, f := range page.all("form[action=/security/sessions/end]") {
		ids = append(ids, attr(find(f, "input")[0], "value"))
	}
	if len(ids) != 4 {
		t.Fatalf("%d sessions", len(ids))
	}
	stranger := w.stranger()
	stranger.post("/security/sessions/end", url.Values{"session": {ids[1]}}).is(http.StatusOK)
	live := func() (n int) {
		for _, o := range others {
			if o.get("/keys").url.Path == "/keys" {
				n++
			}
		}
		return n
	}
	if live() != 3 {
		t.Fatal("a stranger has ended a session")
	}
	b.post("/security/sessions/end", url.Values{"session": {ids[1]}}).is(http.StatusOK).at("/security").says("The session is ended.")
	if live() != 2 {
		t.Errorf("%d others are signed in, want 2", live())
	}
	b.post("/security/sessions/end", url.Values{"session": {ids[1]}}).is(http.StatusOK).at("/security")
	b.post("/security/sessions/end", url.Values{"session": {"x"}}).is(http.StatusNotFound)
	b.post("/security/sessions/end-others", nil).is(http.StatusOK).at("/security").says("All other sessions are ended.", "Where you are signed in 1")
	if live() != 0 {
		t.Errorf("%d others are signed in", live())
	}
	b.post("/security/sessions/end", url.Values{"session": {ids[0]}}).at("/sign-in")
	b.get("/keys").at("/sign-in")
}

// stranger is a signed-in browser of another account's owner.
func (w *world) stranger() *browser {
	w.t.Helper()
	up, err := w.Keys.SignUp(w.t.Context(), operator, "Other", "other@example.com")
	ok(w.t, err)
	b := w.browser()
	b.signInAs(up.User)
	return b
}

func TestForgottenPasswords(t *testing.T) {
	w := newWorld(t)
	old := w.withPassword()
	b := w.browser()
	b.get("/sign-in").says("Forgot your password?")
	b.get("/forgot").is(http.StatusOK)
	b.post("/forgot", url.Values{"email": {" "}}).is(http.StatusUnprocessableEntity).says("Give your email address.")
	begun := time.Now()
	nobody := b.post("/forgot", url.Values{"email": {"nobody@example.com"}}).is(http.StatusOK)
	took := time.Since(begun)
	begun = time.Now()
	known := b.post("/forgot", url.Values{"email": {" OWNER@example.com "}}).is(http.StatusOK)
	if a, b := strings.ReplaceAll(nobody.body, "nobody@", "x@"), strings.ReplaceAll(known.body, "OWNER@", "x@"); a != b {
		t.Error("a stranger learns who exists")
	}
	if least := console.ForgotTakes; took < least || time.Since(begun) < least {
		t.Errorf("answers after %v and %v tell who exists", took, time.Since(begun))
	}
	links := w.mailed()
	if len(links) != 1 {
		t.Fatalf("%d mails", len(links))
	}
	for range 2 {
		b.get(links[0]).is(http.StatusOK).says("owner@example.com", "New password")
	}
	old.get("/keys").at("/keys")
	fresh := "a second long one"
	b.post(links[0], url.Values{"password": {fresh}, "repeat": {"x"}}).is(http.StatusUnprocessableEntity).says("The two are not the same.")
	b.post(links[0], url.Values{"password": {"short"}, "repeat": {"short"}}).is(http.StatusUnprocessableEntity).says("at least 10")
	w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}).is(http.StatusOK).at("/keys")
	b.post(links[0], url.Values{"password": {fresh}, "repeat": {fresh}}).is(http.StatusOK).at("/keys")
	old.get("/keys").at("/sign-in")
	w.browser().get(links[0]).is(http.StatusNotFound).says("This link does not work any more")
	w.browser().post(links[0], url.Values{"password": {"a third long one"}, "repeat": {"a third long one"}}).is(http.StatusNotFound)
	w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}).is(http.StatusUnauthorized)
	w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {fresh}}).is(http.StatusOK).at("/keys")

	// A second factor is asked for all the same.
	_, codes := b.addApp()
	b.post("/forgot", url.Values{"email": {"owner@example.com"}}).is(http.StatusOK)
	links = w.mailed()
	c := w.browser()
	c.post(links[1], url.Values{"password": {password}, "repeat": {password}}).is(http.StatusOK).at("/sign-in/second")
	c.get("/keys").at("/sign-in")
	c.post("/sign-in/second", url.Values{"recovery": {codes[0]}}).is(http.StatusOK).at("/keys")
}

func TestMailsToSetAPasswordAreThrottled(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for range people.AttemptBurst {
		b.post("/forgot", url.Values{"email": {"owner@example.com"}}).is(http.StatusOK)
	}
	if n := len(w.mailed()); n != 3 {
		t.Errorf("%d mails to one user in an hour", n)
	}
	a := b.post("/forgot", url.Values{"email": {"nobody@example.com"}}).is(http.StatusTooManyRequests).says("Too many attempts")
	if a.header.Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	w.withPassword() // signing in is another matter
	for range people.AttemptBurst {
		b.post("/reset/GUESSED", url.Values{"password": {password}, "repeat": {password}}).is(http.StatusNotFound)
	}
	b.get("/reset/GUESSED").is(http.StatusNotFound)
	b.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}).is(http.StatusTooManyRequests)
}

func TestResetPageIsThrottled(t *testing.T) {
	w := newWorld(t)
	w.withPassword()
	b := w.browser()
	b.post("/forgot", url.Values{"email": {"owner@example.com"}}).is(http.StatusOK)
	for range people.AttemptBurst {
		b.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {"wrong wrong wrong"}})
	}
	b.post(w.mailed()[0], url.Values{"password": {"a second long one"}, "repeat": {"a second long one"}}).is(http.StatusTooManyRequests).says("Too many attempts")
}

// atName makes the pages be opened at a name, as passkeys need.
func atName(c *console.Config) {
	c.BaseURL = strings.Replace(c.BaseURL, "127.0.0.1", "localhost", 1)
}

// passkeyForm is the form that asks for a passkey, and what it asks the browser for.
func (a answer) passkeyForm(action string) (form url.Values, options string) {
	a.t.Helper()
	form = url.Values{}
	for _, f := range a.all("form[action=" + action + "]") {
		if !has(f, "data-passkey") {
			continue
		}
		for _, in := range find(f, "input") {
			form.Set(attr(in, "name"), attr(in, "value"))
		}
		return form, attr(f, "data-options")
	}
	a.t.Fatalf("%s has no form for a passkey to %s", a.url.Path, action)
	return nil, ""
}

func TestPasskeysOnThePages(t *testing.T) {
	w := newWorld(t, atName)
	origin := strings.Replace(w.base, "127.0.0.1", "localhost", 1)
	b := w.withPassword()
	device := passkeytest.New(origin)
	page := b.get("/security/passkeys/new").is(http.StatusOK).says("A passkey is made by a script, and it does not run here.")
	if len(page.all("script[src]")) != 2 {
		t.Error("the page has no script for passkeys")
	}
	form, options := page.passkeyForm("/security/passkeys/new")
	response, err := device.Create(options)
	ok(t, err)
	form.Set("answer", response)
	b.post("/security/passkeys/new", form).is(http.StatusUnprocessableEntity).says("A name is needed.")
	form.Set("name", "Laptop")
	form.Set("answer", "{}")
	b.post("/security/passkeys/new", form).is(http.StatusUnprocessableEntity).says("could not be checked")
	form.Set("answer", response)
	shown := b.post("/security/passkeys/new", form).is(http.StatusOK).says("The passkey is added", "shown this once")
	if n := len(find(shown.first("ol.codes"), "code")); n != 10 {
		t.Errorf("%d recovery codes", n)
	}
	second := passkeytest.New(origin)
	form, options = b.get("/security/passkeys/new").passkeyForm("/security/passkeys/new")
	response, err = second.Create(options)
	ok(t, err)
	form.Set("name", "Phone")
	form.Set("answer", response)
	b.post("/security/passkeys/new", form).is(http.StatusOK).at("/security").says("The passkey is added.", "Laptop", "Phone", "not used yet")

	// By itself.
	alone := w.browser()
	form, options = alone.get("/sign-in?next=/senders").passkeyForm("/sign-in/passkey")
	response, err = device.Get(options)
	ok(t, err)
	form.Set("answer", response)
	alone.post("/sign-in/passkey", form).is(http.StatusOK).at("/senders")
	w.browser().post("/sign-in/passkey", form).is(http.StatusUnauthorized).says("was used already")
	w.browser().post("/sign-in/passkey", nil).is(http.StatusUnauthorized)

	// After the password.
	half, a := w.givesPassword()
	a.at("/sign-in/second").says("A passkey is used by a script.").lacks("authenticator app")
	form, options = a.passkeyForm("/sign-in/second")
	response, err = second.Get(options)
	ok(t, err)
	form.Set("answer", response)
	half.post("/sign-in/second", form).is(http.StatusOK).at("/senders")

	// To confirm.
	w.now = w.now.Add(people.FreshFor + time.Minute)
	var remove string
	for _, link := range b.get("/security").all("a") {
		if attr(link, "aria-label") == "Remove the passkey Laptop" {
			remove = attr(link, "href")
		}
	}
	form, options = b.get(remove).at("/confirm").passkeyForm("/confirm")
	response, err = device.Get(options)
	ok(t, err)
	form.Set("answer", response)
	b.post("/confirm", form).is(http.StatusOK).at(remove).says("Remove the passkey Laptop?").lacks("The recovery codes end too")
	b.post(remove, nil).is(http.StatusOK).at("/security").says("The passkey is removed.").lacks("Laptop")
	b.post(remove, nil).is(http.StatusNotFound)
	form, options = w.browser().get("/sign-in").passkeyForm("/sign-in/passkey")
	response, err = device.Get(options)
	ok(t, err)
	form.Set("answer", response)
	w.browser().post("/sign-in/passkey", form).is(http.StatusUnauthorized)
	for range people.AttemptBurst {
		w.browser().post("/sign-in/passkey", form)
	}
	w.browser().post("/sign-in/passkey", form).is(http.StatusTooManyRequests)
}

func TestPasskeysAtAnAddressAreNotOffered(t *testing.T) {
	w := newWorld(t)
	b := w.withPassword()
	b.get("/security").is(http.StatusOK).says("Passkeys cannot be used here. These pages are opened at a bare IP address").lacks("Add a passkey")
	b.get("/security/passkeys/new").is(http.StatusConflict).says("bare IP address")
	b.post("/security/passkeys/new", nil).is(http.StatusConflict)
	w.browser().get("/sign-in").lacks("passkey")
	w.browser().post("/sign-in/passkey", nil).is(http.StatusConflict).says("bare IP address")

	// Who has one from when the server had a name uses a recovery code.
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddPasskey(t.Context(), store.Passkey{UserID: w.signed.User.ID, CredentialID: []byte("x"), Name: "Old", Data: "{}"})
		return err
	}))
	_, a := w.givesPassword()
	a.at("/sign-in/second").says("Your passkeys cannot be used here.", "Recovery code")
}

// withOIDC is a world whose people may sign in at a provider.
func withOIDC(t *testing.T) (*world, *oidctest.Provider) {
	t.Helper()
	p := oidctest.New(t)
	return newWorld(t, func(c *console.Config) {
		c.OIDC = people.OIDCConfig{Issuer: p.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, Name: "Harbour ID"}
	}), p
}

func TestSignInWithOpenID(t *testing.T) {
	w, p := withOIDC(t)
	b := w.browser()
	p.Down(true)
	link := attr(b.get("/sign-in?next=/senders").says("Sign in with Harbour ID").first("a.button"), "href")
	b.get(link).is(http.StatusBadGateway).says("Harbour ID does not answer as it should")
	p.Down(false)
	p.Is("1", "stranger@example.com", true)
	b.get(link).is(http.StatusForbidden).says("Nobody here has the email address stranger@example.com")
	p.Is("1", "owner@example.com", false)
	b.get(link).is(http.StatusForbidden).says("has not verified the email address")
	b.get("/keys").at("/sign-in")
	p.Is("1", "owner@example.com", true)
	b.get(link).is(http.StatusOK).at("/senders")
	if to := p.Asked().Get("redirect_uri"); to != w.base+"/sign-in/oidc/callback" {
		t.Errorf("people are sent back to %q", to)
	}
	b.get("/security").says("Harbour ID Connected", "You have none yet.")

	// The provider may have known the browser: what matters wants a proof of presence.
	b.get("/security/app").at("/confirm").says("Sign in again with Harbour ID")

	// A second factor of ours is not asked for; and an address alone opens nothing.
	b.signInAs(w.signed.User)
	_, _ = b.addApp()
	c := w.browser()
	c.get("/sign-in/oidc").is(http.StatusOK).at("/keys")
	p.Is("2", "owner@example.com", true)
	w.browser().get("/sign-in/oidc").is(http.StatusForbidden).says("bound to another person at Harbour ID")
	p.Is("1", "owner@example.com", true)
	p.Says("nonce", "another")
	w.browser().get("/sign-in/oidc").is(http.StatusForbidden).says("belongs to another sign-in")
	w.browser().get("/sign-in/oidc/callback?code=x&state=y").is(http.StatusForbidden).says("was not begun in this browser")
	p.Refuses()
	w.browser().get("/sign-in/oidc").is(http.StatusForbidden).says("did not agree")
}

func TestTheCookieOfOpenIDIsLaxAndShort(t *testing.T) {
	w, _ := withOIDC(t)
	b := w.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/sign-in/oidc?next=//evil.example", nil)
	ok(t, err)
	res, err := b.client.Do(r)
	ok(t, err)
	ok(t, res.Body.Close())
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d", res.StatusCode)
	}
	k, err := http.ParseSetCookie(res.Header.Get("Set-Cookie"))
	ok(t, err)
	if k.SameSite != http.SameSiteLaxMode || !k.HttpOnly || k.MaxAge != int(people.OIDCLifetime/time.Second) || strings.Contains(k.Value, "state") {
		t.Errorf("the cookie is %s", res.Header.Get("Set-Cookie"))
	}
}

func TestWhoSignsInByOpenIDConfirmsThere(t *testing.T) {
	w, p := withOIDC(t)
	p.Is("1", "owner@example.com", true)
	b := w.browser()
	b.get("/sign-in/oidc").at("/keys")
	w.now = w.now.Add(people.FreshFor + time.Minute)
	b.get("/password").at("/confirm") // or whoever has the browser would set the first password
	b.post("/password", url.Values{"password": {password}, "repeat": {password}}).at("/confirm")
	page := b.get("/security/app").at("/confirm").says("Sign in again with Harbour ID")
	p.Says("auth_time", w.now.Unix())
	var link string
	for _, n := range page.all("a") {
		if strings.Contains(textOf(n), "Harbour ID") {
			link = attr(n, "href")
		}
	}
	b.get(link).is(http.StatusOK).at("/security/app")
	if p.Asked().Get("prompt") != "login" {
		t.Error("the provider is not told to ask anew")
	}
}

func TestWithoutAProviderThereIsNone(t *testing.T) {
	w := newWorld(t)
	w.browser().get("/sign-in").lacks("/sign-in/oidc")
	w.browser().get("/sign-in/oidc").is(http.StatusNotFound)
	w.browser().get("/sign-in/oidc/callback").is(http.StatusNotFound)
}

// Everybody may change how he signs in, whatever his role.
func TestReadersHaveASecurityPage(t *testing.T) {
	w := newWorld(t)
	var reader store.User
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) (err error) {
		if reader, err = tx.AddUser(t.Context(), store.User{AccountID: w.signed.Account.ID, Email: "reader@example.com"}); err != nil {
			return err
		}
		return tx.PutAccess(t.Context(), reader.ID, w.signed.Account.ID, 0, access.Analyst)
	}))
	b := w.browser()
	b.signInAs(reader)
	b.get("/security").is(http.StatusOK).says("reader@example.com")
	b.addApp()
	w.signedIn().get("/security").says("Authenticator app Off")
}

// Every form that says where it leads is one that can be sent: buttons, fields, and an address of ours.
func TestSignInFormsWorkWithoutAScript(t *testing.T) {
	w := newWorld(t, atName)
	b := w.withPassword()
	b.addApp()
	_, second := w.givesPassword()
	w.now = w.now.Add(people.FreshFor + time.Minute)
	for _, page := range []answer{w.browser().get("/sign-in"), w.browser().get("/forgot"), second, b.get("/confirm"), b.get("/security")} {
		for _, f := range page.all("form") {
			if attr(f, "method") != "post" || !strings.HasPrefix(attr(f, "action"), "/") || len(find(f, "button")) != 1 {
				t.Errorf("%s: a form to %q cannot be sent", page.url.Path, attr(f, "action"))
			}
			if has(f, "data-passkey") != has(f, "hidden") {
				t.Errorf("%s: a form that needs a script is shown without one", page.url.Path)
			}
		}
		var headings []*html.Node
		if headings = page.all("h1"); len(headings) != 1 {
			t.Errorf("%s has %d headings of the first level", page.url.Path, len(headings))
		}
	}
}

func TestClientWords(t *testing.T) {
	for agent, want := range map[string]string{
		"": "An unnamed program", "curl/8.1": "curl", "Go-http-client/1.1": "Go-http-client",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":    "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                     "Chrome on Android",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":            "Safari on macOS",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                   "Chrome on ChromeOS",
		"Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15": "Firefox on iPad",
	} {
		if got := console.ClientWords(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}
