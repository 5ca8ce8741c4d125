// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postern/internal/keyring"
)

// signInBody is the sign-in form, as it was sent but for the password.
type signInBody struct {
	Email, Next, Problem string
}

func (c *console) showSignIn(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	if _, err := c.Keyring.Session(r.Context(), c.sessionToken(r)); err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	c.render(w, r, http.StatusOK, "sign-in", page{Title: "Sign in", Body: signInBody{Next: next}})
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
		c.render(w, r, status, "sign-in", page{Title: "Sign in", Body: body})
	}
	if body.Email == "" || password == "" {
		again(http.StatusUnprocessableEntity, "Give your email address and your password.")
		return
	}
	addr := c.address(r)
	if wait := c.throttle.take(addr); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
		again(http.StatusTooManyRequests, "Too many attempts from your address. Try again in "+count(seconds(wait), "second")+".")
		return
	}
	session, _, err := c.Keyring.SignIn(r.Context(), body.Email, password, addr, r.UserAgent())
	var e *keyring.Error
	if errors.As(err, &e) {
		again(http.StatusUnauthorized, "The email address or the password is wrong.")
		return
	}
	c.throttle.giveBack(addr)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.setSession(w, r, session)
	http.Redirect(w, r, body.Next, http.StatusSeeOther)
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	if err := c.Keyring.SignOut(r.Context(), c.sessionToken(r)); err != nil {
		c.fail(w, r, err)
		return
	}
	c.endSession(w, r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// showWelcome answers the first request of a one-time link. It uses nothing up: programs that look at links in mail
// before people do must not sign in. The button does.
func (c *console) showWelcome(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "welcome", page{Title: "Welcome", Body: r.URL.Path})
}

func (c *console) welcome(w http.ResponseWriter, r *http.Request) {
	session, user, err := c.Keyring.UseSignInLink(r.Context(), r.PathValue("token"), c.address(r), r.UserAgent())
	var e *keyring.Error
	if errors.As(err, &e) {
		err = &statusError{http.StatusNotFound, "This link does not work any more", "A sign-in link works once, and for a day. Sign in with your password, or ask for a new link on the server's command line."}
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.setSession(w, r, session)
	to := "/keys"
	if user.PasswordHash == "" {
		to = "/password"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// passwordBody is the form to set or change a password.
type passwordBody struct {
	HasPassword   bool
	Email         string
	OldProblem    string
	NewProblem    string
	RepeatProblem string
	Problem       string
	Done          bool
}

func (c *console) showPassword(v *visit) error {
	return c.passwordPage(v, http.StatusOK, passwordBody{Done: v.r.URL.Query().Has("done")})
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
	f := v.r.PostForm
	if f.Get("password") != f.Get("repeat") {
		return c.passwordPage(v, http.StatusUnprocessableEntity, passwordBody{RepeatProblem: "The two are not the same."})
	}
	addr := c.address(v.r)
	if wait := c.throttle.take(addr); wait > 0 {
		return c.passwordPage(v, http.StatusTooManyRequests, passwordBody{Problem: "Too many attempts from your address. Try again in " + count(seconds(wait), "second") + "."})
	}
	first := v.user.PasswordHash == ""
	session, err := c.Keyring.SetPassword(v.r.Context(), v.user, f.Get("old"), f.Get("password"), addr, v.r.UserAgent())
	var e *keyring.Error
	if errors.As(err, &e) && e.Field == "OldPassword" {
		return c.passwordPage(v, http.StatusUnprocessableEntity, passwordBody{OldProblem: sentence(e.Reason)})
	}
	c.throttle.giveBack(addr)
	if errors.As(err, &e) {
		return c.passwordPage(v, http.StatusUnprocessableEntity, passwordBody{NewProblem: sentence(e.Reason)})
	}
	if err != nil {
		return err
	}
	c.setSession(v.w, v.r, session)
	if first {
		return v.redirect("/keys")
	}
	return v.redirect("/password?done")
}

// sentence makes a reason of the keyring one.
func sentence(reason string) string {
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

// The session's cookie. Over TLS its name makes the browser hold it to this host and to TLS (RFC 6265bis, prefixes).
const (
	cookieName       = "postern_session"
	secureCookieName = "__Host-postern_session"

	// cookieLifetime is longer than a session may rest: when it ends is the store's to say.
	cookieLifetime = 90 * 24 * time.Hour
)

// overTLS says whether the browser speaks TLS to us or to the proxy before us.
func (c *console) overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(c.BaseURL, "https://")
}

func (c *console) cookieName(r *http.Request) string {
	if c.overTLS(r) {
		return secureCookieName
	}
	return cookieName
}

func (c *console) sessionToken(r *http.Request) string {
	k, err := r.Cookie(c.cookieName(r))
	if err != nil {
		return ""
	}
	return k.Value
}

func (c *console) setSession(w http.ResponseWriter, r *http.Request, token string) {
	c.cookie(w, r, token, int(cookieLifetime/time.Second))
}

func (c *console) endSession(w http.ResponseWriter, r *http.Request) {
	c.cookie(w, r, "", -1)
}

func (c *console) cookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	w.Header().Set("Cache-Control", "no-store")
	http.SetCookie(w, &http.Cookie{
		Name: c.cookieName(r), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.overTLS(r),
	})
}
