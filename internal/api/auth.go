// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"net/netip"
	"strings"

	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/refusal"
	"postern/internal/store"
)

// secured is the address that a request comes from, unless what it brings can be read on the way.
func (a *api) secured(r *http.Request) (netip.Addr, error) {
	addr, secure := a.Client(r)
	if !secure {
		a.Refusals.Note(r.Context(), refusal.Refusal{Reason: refusal.ClearText, From: addr, Route: r.Pattern})
		return addr, &fault{status: http.StatusForbidden, message: "Credentials are refused over clear-text HTTP: they can be read " +
			"on the way. " +
			"Use https, or call from the server's own machine; if a proxy in front of this server speaks https, name it as a " +
			"trusted proxy."}
	}
	return addr, nil
}

// authenticate lets a request in, or says in a fault why not. Nothing of the body is read before.
func (a *api) authenticate(r *http.Request) (*call, error) {
	addr, err := a.secured(r)
	if err != nil {
		return nil, err
	}
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.HasPrefix(rest, " ") {
		r.Header.Set("Authorization", scheme+" "+strings.TrimLeft(rest, " ")) // RFC 9110 §11.4: one blank or more
	}
	user, password, ok := r.BasicAuth()
	who, err := a.Gate.Verify(gate.Source{Addr: addr, Protocol: "http", Client: r.UserAgent()}, user, password)
	if err != nil {
		a.noteRefused(r, addr, user, err)
		f := faultOf(err)
		if given := r.Header.Get("Authorization"); given != "" && !ok && f.status == http.StatusUnauthorized {
			scheme, _, _ := strings.Cut(given, " ")
			f.message = gate.AuthFailure + " The Authorization header is not HTTP basic authentication"
			if strings.EqualFold(scheme, "basic") {
				f.message += " in base64"
			}
			f.message += ": give the API key as user name and the secret key as password."
		}
		return nil, f
	}
	c := &call{Request: r, who: who, addr: addr}
	c.alive = func() error {
		release, err := a.hold(c)
		if err != nil {
			a.noteRefused(r, addr, user, err)
			return faultOf(err)
		}
		release()
		return nil
	}
	return c, nil
}

// hold says whether the caller may still do what he began to: a body can come minutes behind its header. If so, who ends
// his secret waits until release: what is kept meanwhile was asked for with a live one.
func (a *api) hold(c *call) (release func(), err error) {
	done := make(chan struct{})
	unbind, err := a.Gate.Bind(c.who, func(string) (wait func()) { return func() { <-done } })
	if err != nil {
		return nil, err
	}
	release = func() { unbind(); close(done) }
	if err := a.Gate.Still(c.addr, c.who, c.need); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// noteRefused leaves a line in the log for who wonders why a client gets 401 or 403.
func (a *api) noteRefused(r *http.Request, addr netip.Addr, user string, err error) {
	a.Refusals.NoteGate(r.Context(), err, addr, r.Pattern, a.Gate.Shown(user))
}

// own is the scope of what belongs to the calling key itself: its messages and senders.
func (c *call) own() store.Scope { return store.OfKey(c.who.AccountID, c.who.KeyID) }

// managed is the scope of the keys that the calling key sees: a master key's whole account, a subaccount's itself.
func (c *call) managed() store.Scope {
	if c.who.Master {
		return store.OfAccount(c.who.AccountID)
	}
	return c.own()
}

// actor is the caller's name in the audit log.
func (c *call) actor() change.Actor {
	by := change.Actor{Kind: change.Key, ID: c.who.KeyID, Name: c.who.APIKey}
	if c.addr.IsValid() {
		by.Origin = c.addr.String()
	}
	return by
}
