// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/store"
	"postern/internal/throttle"
)

// signInBody is the sign-in form, as it was sent but for the password.
type signInBody struct {
	Email, Next, Problem string
	Passkey              people.Ceremony // none where browsers offer no passkeys
	OIDC                 string          // the provider's name, "" for none
}

// signInBy finds out how else than by a password people can sign in.
func (c *console) signInBy() {
	var err error
	if c.party, err = people.NewRelyingParty(c.BaseURL); err != nil {
		c.noPasskey = sentence(reasonOf(err))
	}
	c.Config.OIDC.RedirectURL = c.BaseURL + "/sign-in/oidc/callback"
	c.oidc = people.NewOIDC(c.Config.OIDC)
}

// reasonOf is what a change.Error says to people.
func reasonOf(err error) string {
	var e *change.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return "something went wrong"
}

func (c *console) showSignIn(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	if _, err := c.People.Session(r.Context(), c.sessionToken(r)); err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	c.signInPage(w, r, http.StatusOK, signInBody{Next: next})
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request, status int, b signInBody) {
	if c.oidc != nil {
		b.OIDC = c.oidc.Name
	}
	if c.party != nil {
		var err error
		if b.Passkey, err = c.People.BeginPasskeySignIn(c.party); err != nil {
			c.fail(w, r, err)
			return
		}
	}
	c.render(w, r, status, "sign-in", page{Title: "Sign in", Body: b})
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	if err := parseForm(r); err != nil {
		c.fail(w, r, err)
		return
	}
	body := signInBody{Email: clean(r.PostForm.Get("email")), Next: localPath(r.PostForm.Get("next"))}
	password := r.PostForm.Get("password")
	again := func(status int, problem string) {
		body.Problem = problem
		c.signInPage(w, r, status, body)
	}
	if body.Email == "" || password == "" {
		again(http.StatusUnprocessableEntity, "Give your email address and your password.")
		return
	}
	addr := c.address(r)
	if problem := c.tooMany(w, r, store.User{}); problem != "" {
		again(http.StatusTooManyRequests, problem)
		return
	}
	session, user, err := c.People.SignIn(r.Context(), body.Email, password, c.browser(r))
	if errors.Is(err, throttle.ErrFull) {
		c.People.ProvedBy(addr) // it was not looked at
		again(http.StatusTooManyRequests, c.busy(w, r, user))
		return
	}
	var e *change.Error
	if errors.As(err, &e) {
		c.refused(r, refusal.Password, user)
		again(http.StatusUnauthorized, "The email address or the password is wrong.")
		return
	}
	c.People.ProvedBy(addr)
	c.signedInNow(w, r, session, body.Next, err)
}

// signedInNow gives a browser its new session and sends it to next, or to the second step when err asks for one.
func (c *console) signedInNow(w http.ResponseWriter, r *http.Request, session, next string, err error) {
	var step *people.SecondStep
	switch {
	case errors.As(err, &step):
		c.setCookie(w, r, pendingCookie, step.Pending, people.PendingLifetime, http.SameSiteStrictMode)
		http.Redirect(w, r, "/sign-in/second?next="+url.QueryEscape(next), http.StatusSeeOther)
	case err != nil:
		c.fail(w, r, err)
	default:
		c.setSession(w, r, session)
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	if err := c.People.SignOut(r.Context(), c.sessionToken(r)); err != nil {
		c.fail(w, r, err)
		return
	}
	c.clearBrowser(w, r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// clearBrowser takes out of a browser what was kept there for who signs out. The cookies are ended one by one: Clear-Site-Data
// would take those of all hosts of the domain, and sign people out of other sites.
func (c *console) clearBrowser(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{sessionCookie, pendingCookie, oidcCookie} {
		c.endCookie(w, r, name)
	}
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
}

// showWelcome answers the first request of a one-time link. It uses nothing up: programs that look at links in mail
// before people do must not sign in. The button does.
func (c *console) showWelcome(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "welcome", page{Title: "Welcome", Body: r.URL.Path})
}

func (c *console) welcome(w http.ResponseWriter, r *http.Request) {
	session, user, err := c.People.UseSignInLink(r.Context(), r.PathValue("token"), c.browser(r))
	var e *change.Error
	if errors.As(err, &e) {
		c.refused(r, refusal.Link, user)
		err = &statusError{http.StatusNotFound, "This link does not work any more", "A sign-in link works once, and for a day. Sign " +
			"in with your password, or ask for a new link on the server's command line."}
	}
	to := "/keys"
	if user.PasswordHash == "" {
		to = "/password"
	}
	c.signedInNow(w, r, session, to, err)
}

// passwordBody is the form to set or change a password.
type passwordBody struct {
	HasPassword   bool
	Email         string
	OldProblem    string
	NewProblem    string
	RepeatProblem string
	Problem       string
	Next          string // where to go then, "" for nowhere in particular
	Done          bool
}

// nextOf is where a page leads on to, "" for nowhere in particular.
func nextOf(next string) string {
	if next == "" || len(next) > maxNext {
		return ""
	}
	return localPath(next)
}

// maxNext bounds the address that a page leads on to: it is carried in cookies.
const maxNext = 1000

func (c *console) showPassword(v *visit) error {
	if ask, err := c.mustConfirmFirst(v); ask || err != nil {
		return err
	}
	q := v.r.URL.Query()
	return c.passwordPage(v, http.StatusOK, passwordBody{Next: nextOf(q.Get("next")), Done: q.Has("done")})
}

// mustConfirmFirst sends who sets a first password to confirm that it is him, if he has a way to: nobody asks him for
// an old one.
func (c *console) mustConfirmFirst(v *visit) (bool, error) {
	if v.user.PasswordHash != "" || c.isFresh(v) {
		return false, nil
	}
	b, err := c.waysToConfirm(v)
	if err != nil || !b.any() {
		return false, err
	}
	return true, c.askToConfirm(v)
}

func (c *console) passwordPage(v *visit, status int, b passwordBody) error {
	b.HasPassword, b.Email = v.user.PasswordHash != "", v.user.Email
	title := "Set your password"
	if b.HasPassword {
		title = "Change your password"
	}
	return c.show(v, status, "password", title, "", b)
}

func (c *console) setPassword(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	if ask, err := c.mustConfirmFirst(v); ask || err != nil {
		return err
	}
	f := v.r.PostForm
	next := nextOf(f.Get("next"))
	if f.Get("password") != f.Get("repeat") {
		return c.passwordPage(v, http.StatusUnprocessableEntity, passwordBody{Next: next, RepeatProblem: "The two are not the same."})
	}
	addr := c.address(v.r)
	if problem := c.tooMany(v.w, v.r, v.user); problem != "" {
		return c.passwordPage(v, http.StatusTooManyRequests, passwordBody{Next: next, Problem: problem})
	}
	first := v.user.PasswordHash == ""
	session, err := c.People.SetPassword(v.r.Context(), v.user, f.Get("old"), f.Get("password"), c.browser(v.r))
	var e *change.Error
	if errors.As(err, &e) && e.Field == "OldPassword" {
		v.refused(c, refusal.Password)
		return c.passwordPage(v, http.StatusUnprocessableEntity, passwordBody{Next: next, OldProblem: sentence(e.Reason)})
	}
	c.People.ProvedBy(addr)
	if errors.As(err, &e) {
		return c.passwordPage(v, http.StatusUnprocessableEntity, passwordBody{Next: next, NewProblem: sentence(e.Reason)})
	}
	if err != nil {
		return err
	}
	c.setSession(v.w, v.r, session)
	switch {
	case next != "":
		return v.redirect(next)
	case first:
		return v.redirect("/keys")
	}
	return v.redirect("/password?done")
}

// sentence makes a reason a sentence.
func sentence(reason string) string {
	if word, _, _ := strings.Cut(reason, " "); strings.Contains(word, "@") { // an address is as it is
		return strings.TrimSuffix(reason, ".") + "."
	}
	return firstLetter(reason) + strings.TrimSuffix(reason[min(1, len(reason)):], ".") + "."
}

// clean is a value as the store can search for it: PostgreSQL takes no NUL and no broken UTF-8.
func clean(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", ""))
}

// parseForm reads a posted form.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &statusError{http.StatusRequestEntityTooLarge, "This form is too large", "No form here needs as much. Nothing was changed."}
	}
	if err != nil {
		return &statusError{http.StatusBadRequest, "This form could not be read", "Go back, and try again. Nothing was changed."}
	}
	return nil
}

// The cookies. Over TLS a name makes the browser hold the cookie to this host and to TLS (RFC 6265bis, prefixes).
const (
	sessionCookie = "postern_session"
	pendingCookie = "postern_pending" // a sign-in that waits for its second step
	oidcCookie    = "postern_oidc"    // a sign-in that is at the OpenID provider
	securePrefix  = "__Host-"

	// cookieLifetime is longer than a session may rest: when it ends is the store's to say.
	cookieLifetime = 90 * 24 * time.Hour
)

// overTLS says whether the browser speaks TLS to us or to the proxy before us.
func (c *console) overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(c.BaseURL, "https://")
}

func (c *console) cookieName(r *http.Request, plain string) string {
	if c.overTLS(r) {
		return securePrefix + plain
	}
	return plain
}

func (c *console) cookie(r *http.Request, plain string) string {
	k, err := r.Cookie(c.cookieName(r, plain))
	if err != nil {
		return ""
	}
	return k.Value
}

func (c *console) sessionToken(r *http.Request) string { return c.cookie(r, sessionCookie) }

// setSession signs a browser in; what was half-finished is over.
func (c *console) setSession(w http.ResponseWriter, r *http.Request, token string) {
	if c.cookie(r, pendingCookie) != "" {
		c.endCookie(w, r, pendingCookie)
	}
	c.setCookie(w, r, sessionCookie, token, cookieLifetime, http.SameSiteStrictMode)
}

func (c *console) endCookie(w http.ResponseWriter, r *http.Request, plain string) {
	c.setCookie(w, r, plain, "", -time.Second, http.SameSiteStrictMode)
}

func (c *console) setCookie(w http.ResponseWriter, r *http.Request, plain, value string, life time.Duration, site http.SameSite) {
	w.Header().Set("Cache-Control", "no-store")
	http.SetCookie(w, &http.Cookie{
		Name: c.cookieName(r, plain), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: site, Secure: c.overTLS(r),
	})
}
