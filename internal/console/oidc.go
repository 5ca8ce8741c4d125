// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"

	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/store"
)

// beginOIDC sends a browser to the OpenID provider.
func (c *console) beginOIDC(w http.ResponseWriter, r *http.Request) {
	if c.oidc == nil {
		c.fail(w, r, notFound("This server has no OpenID provider to sign in with."))
		return
	}
	next := nextOf(r.URL.Query().Get("next"))
	if next == "" {
		next = "/keys"
	}
	to, cookie, err := c.People.BeginOIDC(r.Context(), c.oidc, next, r.URL.Query().Has("again"))
	if err != nil {
		c.fail(w, r, c.issuerError(r, err))
		return
	}
	// Strict would keep the cookie back when the provider sends the browser here.
	c.setCookie(w, r, oidcCookie, cookie, people.OIDCLifetime, http.SameSiteLaxMode)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// finishOIDC takes who comes back from the provider.
func (c *console) finishOIDC(w http.ResponseWriter, r *http.Request) {
	if c.oidc == nil {
		c.fail(w, r, notFound("This server has no OpenID provider to sign in with."))
		return
	}
	cookie := c.cookie(r, oidcCookie)
	c.endCookie(w, r, oidcCookie)
	session, next, err := c.People.SignInByOIDC(r.Context(), c.oidc, cookie, r.URL.Query(), c.browser(r))
	var e *change.Error
	if errors.As(err, &e) {
		c.refused(r, refusal.Provider, store.User{})
		c.signInPage(w, r, http.StatusForbidden, signInBody{Next: localPath(next), Problem: sentence(e.Reason)})
		return
	}
	c.signedInNow(w, r, session, localPath(next), c.issuerError(r, err))
}

// issuerError tells people that it is the provider that fails, and the log why.
func (c *console) issuerError(r *http.Request, err error) error {
	var e *people.IssuerError
	if !errors.As(err, &e) {
		return err
	}
	c.Log.ErrorContext(r.Context(), "the OpenID provider failed", "provider", e.Name, "error", e.Err)
	return &statusError{http.StatusBadGateway, e.Name + " does not answer as it should", "Signing in by it does not work just now. " +
		"Try again in a moment, or sign in with your password; the server's log says more."}
}
