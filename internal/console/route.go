// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"postern/internal/account"
	"postern/internal/keyring"
	"postern/internal/store"
)

// maxForm bounds what a form may send, in bytes.
const maxForm = 64 << 10

// visit is one request of a signed-in user.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	user    store.User
	account store.Account
	scope   store.Scope
	actor   keyring.Actor
}

func (c *console) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{name}", c.serveStatic)
	mux.HandleFunc("GET /sign-in", c.showSignIn)
	mux.HandleFunc("POST /sign-in", c.signIn)
	mux.HandleFunc("POST /sign-out", c.signOut)
	mux.HandleFunc("GET /welcome/{token}", c.showWelcome)
	mux.HandleFunc("POST /welcome/{token}", c.welcome)

	read := func(pattern string, h func(*visit) error) { mux.HandleFunc("GET "+pattern, c.signedIn(h)) }
	change := func(pattern string, h func(*visit) error) { mux.HandleFunc("POST "+pattern, c.signedIn(manager(h))) }
	read("/{$}", func(v *visit) error { return v.redirect("/keys") })
	read("/password", c.showPassword)
	mux.HandleFunc("POST /password", c.signedIn(c.setPassword)) // everybody's own
	read("/keys", c.showKeys)
	read("/keys/new", c.showNewKey)
	change("/keys/new", c.createKey)
	read("/keys/{id}/rename", c.showKeyForm("rename"))
	change("/keys/{id}/rename", c.renameKey)
	read("/keys/{id}/reset", c.showKeyForm("reset"))
	change("/keys/{id}/reset", c.resetKey)
	read("/keys/{id}/deactivate", c.showKeyForm("deactivate"))
	change("/keys/{id}/deactivate", c.setKeyActive(false))
	read("/keys/{id}/activate", c.showKeyForm("activate"))
	change("/keys/{id}/activate", c.setKeyActive(true))
	read("/keys/{id}/smtp", c.showSMTP)
	read("/messages", c.showMessages)
	read("/messages/{id}", c.showMessage)
	read("/messages/{id}/html", c.showMessageHTML)
	read("/messages/{id}/source", c.showMessageSource)
	read("/messages/{id}/parts/{n}", c.showMessagePart)
	read("/senders", c.showSenders)
	read("/senders/new", c.showNewSender)
	change("/senders/new", c.addSender)
	read("/senders/{id}/remove", c.showRemoveSender)
	change("/senders/{id}/remove", c.removeSender)
	return c.outer(mux)
}

// outer is what every request passes: panics become a page, headers are set, credentials in clear and posts of other
// sites are refused.
func (c *console) outer(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				c.Log.ErrorContext(r.Context(), "a page panicked", "path", r.URL.Path, "panic", p)
				c.fail(w, r, errors.New("panic"))
			}
		}()
		setHeaders(w.Header())
		_, secure := c.Client(r)
		h, pattern := mux.Handler(r)
		switch {
		case pattern == "GET /static/{name}":
		case !secure:
			c.fail(w, r, &statusError{http.StatusForbidden, "These pages are opened over HTTPS only", "The connection is not encrypted, so a password would cross the network in clear. Use the https:// address of this server, or open it on the machine itself."})
			return
		case c.cross.Check(r) != nil:
			c.fail(w, r, &statusError{http.StatusForbidden, "This form came from another site", "For your safety only forms of this site are taken. Open the page here and try again."})
			return
		case pattern == "":
			h.ServeHTTP(&headersOnly{ResponseWriter: w}, r) // learns whether it is 404 or 405, and Allow
			c.fail(w, r, unrouted(w.Header()))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		mux.ServeHTTP(w, r)
	})
}

// headersOnly takes an answer's headers and drops the rest.
type headersOnly struct{ http.ResponseWriter }

func (h *headersOnly) WriteHeader(int)             {}
func (h *headersOnly) Write(b []byte) (int, error) { return len(b), nil }

func unrouted(h http.Header) error {
	h.Del("Content-Length")
	if h.Get("Allow") != "" {
		return &statusError{http.StatusMethodNotAllowed, "That cannot be done here", "This page does not take such a request. Go back and try again."}
	}
	return notFound("There is no page at this address.")
}

// signedIn lets only signed-in users through; others are asked to sign in and come back.
func (c *console) signedIn(h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		v, err := c.visit(w, r)
		var e *keyring.Error
		if errors.As(err, &e) {
			c.askToSignIn(w, r)
			return
		}
		if err == nil {
			err = h(v)
		}
		if err != nil {
			c.failFor(w, r, v, err)
		}
	}
}

func (c *console) visit(w http.ResponseWriter, r *http.Request) (*visit, error) {
	user, err := c.Keyring.Session(r.Context(), c.sessionToken(r))
	if err != nil {
		return nil, err
	}
	acc, err := c.Store.Account(r.Context(), user.AccountID)
	if err != nil {
		return nil, err
	}
	addr, _ := c.Client(r)
	actor := keyring.Actor{Name: "user " + user.Email}
	if addr.IsValid() {
		actor.Origin = addr.String()
	}
	return &visit{w: w, r: r, user: user, account: acc, scope: store.OfAccount(user.AccountID), actor: actor}, nil
}

// manager lets only those through whose role may change keys and senders.
func manager(h func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if !account.Allowed(account.Owner, account.ManageKeys) {
			return &statusError{http.StatusForbidden, "Your role does not allow this", "Only an owner or a manager of the account can change its keys and senders."}
		}
		return h(v)
	}
}

// askToSignIn sends a browser to the sign-in page, and from there back. A SameSite=Strict cookie is not sent when a
// link of another site is followed: then the page loads itself once more, which is a request of this site.
func (c *console) askToSignIn(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		c.render(w, r, http.StatusOK, "again", page{Title: "One moment", Body: localPath(r.URL.RequestURI())})
		return
	}
	to := "/sign-in"
	if next := r.URL.RequestURI(); r.Method == http.MethodGet && next != "/" {
		to += "?next=" + url.QueryEscape(next)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// localPath is where to go after signing in: a path of this site, never another site's.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || !strings.HasPrefix(next, "/") || u.Scheme != "" || u.Host != "" || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/keys"
	}
	return next
}

func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

func (c *console) address(r *http.Request) netip.Addr {
	addr, _ := c.Client(r)
	return addr
}

// setHeaders is what every answer says to the browser. Pages that show mail widen it.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy("'none'"))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // the token of a sign-in link stays here
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

func policy(frames string) string {
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; frame-src " + frames + "; base-uri 'none'"
}
