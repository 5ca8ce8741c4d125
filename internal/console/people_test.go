// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/console"
	"postern/internal/people"
	"postern/internal/store"
)

func slogDiscard() *slog.Logger { return slog.New(slog.DiscardHandler) }

const password = "correct horse battery"

func TestTheOneTimeLinkSignsInByItsButtonOnce(t *testing.T) {
	w := newWorld(t)
	token, err := w.People.NewSignInLink(t.Context(), operator, w.signed.User)
	ok(t, err)
	b := w.browser()
	for range 3 { // what programs that look into mail do uses nothing up
		b.get("/welcome/" + token).is(http.StatusOK).says("This link signs you in once")
	}
	b.post("/welcome/"+token, nil).is(http.StatusOK).at("/password").says("Set your password", "owner@example.com")
	b.get("/keys").is(http.StatusOK).at("/keys")
	w.browser().post("/welcome/"+token, nil).is(http.StatusNotFound).says("This link does not work any more")
}

func TestPasswordThenSignInThenSignOut(t *testing.T) {
	w := newWorld(t)
	first := w.signedIn()
	first.post("/password", url.Values{"password": {"short"}, "repeat": {"short"}}).is(http.StatusUnprocessableEntity).says("at least 10 are needed")
	first.post("/password", url.Values{"password": {password}, "repeat": {password + "!"}}).is(http.StatusUnprocessableEntity).says("The two are not the same.")
	first.post("/password", url.Values{"password": {password}, "repeat": {password}}).is(http.StatusOK).at("/keys")
	other := w.browser()
	other.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}).is(http.StatusOK).at("/keys")
	first.post("/password", url.Values{"old": {password}, "password": {password + " too"}, "repeat": {password + " too"}}).is(http.StatusOK)
	other.get("/keys").at("/sign-in") // a new password ends all other sessions
	first.post("/password", url.Values{"old": {password + " too"}, "password": {password}, "repeat": {password}}).is(http.StatusOK)

	b := w.browser()
	b.get("/messages?state=sent").at("/sign-in")
	page := b.get("/sign-in?next=%2Fmessages%3Fstate%3Dsent").is(http.StatusOK)
	if next := page.form("/sign-in").Get("next"); next != "/messages?state=sent" {
		t.Errorf("the form leads to %q", next)
	}
	b.post("/sign-in", url.Values{"email": {"owner@example.com"}}).is(http.StatusUnprocessableEntity).says("Give your email address and your password.")
	wrong := b.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {"wrong wrong wrong"}}).is(http.StatusUnauthorized)
	nobody := b.post("/sign-in", url.Values{"email": {"nobody@example.com"}, "password": {"wrong wrong wrong"}}).is(http.StatusUnauthorized)
	if wrong.text("p.problem") == "" || wrong.text("p.problem") != nobody.text("p.problem") {
		t.Errorf("a stranger learns who exists: %q and %q", wrong.text("p.problem"), nobody.text("p.problem"))
	}
	wrong.lacks("wrong wrong wrong")
	b.post("/sign-in", url.Values{"email": {"a\x00\xff@example.com"}, "password": {"wrong wrong wrong"}}).is(http.StatusUnauthorized)
	b.post("/sign-in", url.Values{"email": {" OWNER@Example.com "}, "password": {password}, "next": {"/messages?state=sent"}}).is(http.StatusOK).at("/messages")
	b.get("/sign-in").at("/keys") // who is signed in need not

	kept := b.client.Jar
	u, err := url.Parse(w.base)
	ok(t, err)
	cookies := kept.Cookies(u)
	b.post("/sign-out", nil).at("/sign-in")
	b.get("/keys").at("/sign-in")
	kept.SetCookies(u, cookies) // the session has ended, not just its cookie
	b.get("/keys").at("/sign-in")
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.post("/password", url.Values{"password": {password}, "repeat": {password}}).at("/keys")
	b.get("/password").says("Change your password", "Your password now")
	b.post("/password", url.Values{"old": {"not this one"}, "password": {password + "2"}, "repeat": {password + "2"}}).is(http.StatusUnprocessableEntity).says("This is not your password.")
	b.post("/password", url.Values{"old": {password}, "password": {password + "2"}, "repeat": {password + "2"}}).is(http.StatusOK).says("Your password is changed.")
	w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}).is(http.StatusUnauthorized)
	w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password + "2"}}).is(http.StatusOK)
}

func TestGuessingIsThrottledByItsSource(t *testing.T) {
	w := newWorld(t)
	w.signedIn().post("/password", url.Values{"password": {password}, "repeat": {password}}).is(http.StatusOK)
	b := w.browser()
	right := url.Values{"email": {"owner@example.com"}, "password": {password}}
	for range 3 { // right ones are not counted
		w.browser().post("/sign-in", right).is(http.StatusOK)
	}
	for range people.AttemptBurst {
		b.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {"wrong wrong wrong"}}).is(http.StatusUnauthorized)
	}
	a := b.post("/sign-in", right).is(http.StatusTooManyRequests).says("Too many attempts from your address. Try again in 30 seconds.")
	if a.header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	w.now = w.now.Add(31 * time.Second)
	b.post("/sign-in", right).is(http.StatusOK).at("/keys")
}

func TestOldPasswordsAreNotGuessedInASession(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.post("/password", url.Values{"password": {password}, "repeat": {password}}).at("/keys")
	for range people.AttemptBurst {
		b.post("/password", url.Values{"old": {"not this one"}, "password": {password}, "repeat": {password}}).is(http.StatusUnprocessableEntity)
	}
	b.post("/password", url.Values{"old": {password}, "password": {password}, "repeat": {password}}).is(http.StatusTooManyRequests).says("Too many attempts")
}

func TestCookies(t *testing.T) {
	for name, c := range map[string]struct{ base, cookie string }{
		"clear on loopback": {"http://127.0.0.1:8025", "postern_session"},
		"behind TLS":        {"https://mail.example.com", "__Host-postern_session"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(cfg *console.Config) { cfg.BaseURL = c.base })
			token, err := w.People.NewSignInLink(t.Context(), operator, w.signed.User)
			ok(t, err)
			b := w.browser()
			b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			a := b.post("/welcome/"+token, nil).is(http.StatusSeeOther)
			k, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
			ok(t, err)
			if k.Name != c.cookie || !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.Domain != "" || k.Secure != strings.HasPrefix(c.base, "https") {
				t.Errorf("the cookie is %s", a.header.Get("Set-Cookie"))
			}
			if a.header.Get("Cache-Control") != "no-store" {
				t.Error("an answer with a session may be kept")
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; frame-src 'none'; base-uri 'none'"
	for _, path := range []string{"/keys", "/messages", "/senders", "/password", "/keys/new", "/nothing"} {
		h := b.get(path).header
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), want)
			}
		}
	}
}

func TestStaticFilesAreNamedAfterTheirContent(t *testing.T) {
	w := newWorld(t)
	page := w.browser().get("/sign-in")
	paths := []string{attr(page.first("script"), "src")}
	for _, l := range page.all("link") {
		paths = append(paths, attr(l, "href"))
	}
	if len(paths) != 3 {
		t.Fatalf("the page refers to %v", paths)
	}
	for _, p := range paths {
		a := w.browser().get(p).is(http.StatusOK)
		if !strings.Contains(a.header.Get("Cache-Control"), "immutable") || a.header.Get("ETag") == "" {
			t.Errorf("%s may not be kept: %v", p, a.header)
		}
		if got := w.browser().do(http.MethodGet, p, nil, map[string]string{"If-None-Match": a.header.Get("ETag")}).status; got != http.StatusNotModified {
			t.Errorf("%s with its ETag answered %d", p, got)
		}
	}
	w.browser().get("/static/app.css").is(http.StatusNotFound)
	w.browser().get("/static/..%2fconsole.go").is(http.StatusNotFound)
}

func TestCredentialsInClearAreRefused(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	w.secure = false
	b.get("/sign-in").is(http.StatusForbidden).says("These pages are opened over HTTPS only").lacks("Go to the first page")
	b.post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}).is(http.StatusForbidden)
	b.get("/keys").is(http.StatusForbidden)
}

func TestPostsOfOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	for _, header := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"},
		{"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
		{"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		nonce := b.get("/keys").form("/keys/new").Get("nonce")
		b.do(http.MethodPost, keyPath(sub.Key, "reset"), url.Values{"nonce": {nonce}}, header).is(http.StatusForbidden).says("This form came from another site")
	}
	if !w.opens(sub.Key.APIKey, sub.Secret) {
		t.Error("another site has reset a secret key")
	}
}

func TestALinkOfAnotherSiteFindsTheSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	// The browser keeps the cookie back on such a request: the page loads itself again, now as one of this site.
	a := b.do(http.MethodGet, "/messages?q=a", nil, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).is(http.StatusOK).at("/messages")
	if got := attr(a.first("meta[http-equiv=refresh]"), "content"); got != "0;url=/messages?q=a" {
		t.Errorf("it goes on to %q", got)
	}
}

func TestWhereSignInLeads(t *testing.T) {
	for next, want := range map[string]string{
		"/messages?q=1": "/messages?q=1", "": "/keys", "messages": "/keys", "//evil.example": "/keys", "https://evil.example/": "/keys",
		`/\evil.example`: "/keys", "/\tevil": "/keys", "/\n/evil.example": "/keys",
	} {
		if got := console.LocalPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestErrorPages(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/nothing").is(http.StatusNotFound).says("Not found", "There is no page at this address.")
	w.browser().get("/nothing").is(http.StatusNotFound)
	if a := b.post("/messages", nil).is(http.StatusMethodNotAllowed); !strings.Contains(a.header.Get("Allow"), "GET") {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
	b.post("/keys/new", url.Values{"name": {strings.Repeat("x", 70_000)}}).is(http.StatusRequestEntityTooLarge)
	b.post("/password", url.Values{"password": {strings.Repeat("x", 70_000)}}).is(http.StatusRequestEntityTooLarge)
	b.get("/keys/0/reset").is(http.StatusNotFound)
	b.get("/keys/x/reset").is(http.StatusNotFound)
	b.get("/keys/999/smtp").is(http.StatusNotFound)
	b.get("/messages/999").is(http.StatusNotFound)
	b.get("/senders/999/remove").is(http.StatusNotFound)
	b.get("/").at("/keys")

	ok(t, w.store.Close())
	a := b.get("/keys").is(http.StatusInternalServerError).says("Something went wrong here")
	a.lacks("sql", "database")
}

func TestRolesThatOnlyReadChangeNothing(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount("Shop")
	var reader store.User
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) (err error) {
		if reader, err = tx.AddUser(t.Context(), store.User{AccountID: w.signed.Account.ID, Email: "reader@example.com"}); err != nil {
			return err
		}
		return tx.PutAccess(t.Context(), reader.ID, w.signed.Account.ID, 0, access.Analyst)
	}))
	b := w.browser()
	b.signInAs(reader)
	nonce := w.signedIn().get("/keys").is(http.StatusOK).form("/keys/new").Get("nonce")
	b.get("/keys").is(http.StatusOK)
	for _, path := range []string{"/keys/new", keyPath(sub.Key, "reset"), keyPath(sub.Key, "rename"), keyPath(sub.Key, "deactivate"), keyPath(sub.Key, "activate"), "/senders/new"} {
		b.post(path, url.Values{"nonce": {nonce}, "name": {"Mine"}, "sender": {"a@b.example"}, "key": {sub.Key.APIKey}}).is(http.StatusForbidden).says("Your role does not allow this")
	}
	if !w.opens(sub.Key.APIKey, sub.Secret) {
		t.Error("a reader has reset a secret key")
	}
}

// The primary key's secret opens everything of the account by the API, sharing too: who manages keys does not get it.
func TestAManagerDoesNotResetThePrimaryKey(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount("Shop")
	var manager store.User
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) (err error) {
		if manager, err = tx.AddUser(t.Context(), store.User{AccountID: w.signed.Account.ID, Email: "manager@example.com"}); err != nil {
			return err
		}
		return tx.PutAccess(t.Context(), manager.ID, w.signed.Account.ID, 0, access.Manager)
	}))
	b := w.browser()
	b.signInAs(manager)
	b.get("/keys").is(http.StatusOK).lacks(keyPath(w.signed.Key, "reset"))
	b.get(keyPath(w.signed.Key, "reset")).is(http.StatusForbidden)
	nonce := b.get(keyPath(sub.Key, "reset")).is(http.StatusOK).form(keyPath(sub.Key, "reset")).Get("nonce")
	b.post(keyPath(w.signed.Key, "reset"), url.Values{"nonce": {nonce}, "overlap": {"0"}}).is(http.StatusForbidden)
	if !w.opens(w.signed.Key.APIKey, w.signed.Secret) {
		t.Error("a manager has reset the primary key")
	}
}
