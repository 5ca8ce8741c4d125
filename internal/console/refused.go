// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"strconv"
	"strings"

	"postern/internal/change"
	"postern/internal/refusal"
	"postern/internal/store"
)

// refused records that somebody was refused who is not signed in. User is whom it was about, where that is known.
func (c *console) refused(r *http.Request, reason refusal.Reason, user store.User) {
	c.Refusals.Note(r.Context(), refusal.Refusal{Reason: reason, From: c.address(r), Route: routeOf(r), User: user})
}

// refused records that the person of a visit was refused.
func (v *visit) refused(c *console, reason refusal.Reason) {
	c.Refusals.Note(v.r.Context(), refusal.Refusal{
		Reason: reason, From: c.address(v.r), Route: routeOf(v.r), User: v.user, SignedIn: true, AccountID: v.account.ID,
	})
}

// routeOf is what a request asks for, with no token of a link in it.
func routeOf(r *http.Request) string {
	if r.Pattern == "" || strings.Contains(r.Pattern, " ") {
		return r.Pattern
	}
	return r.Method + " " + r.Pattern
}

// reasonOfProof is why a proof is not taken, by the field in which it was given.
func reasonOfProof(e *change.Error) refusal.Reason {
	switch e.Field {
	case "Code":
		return refusal.Code
	case "Passkey":
		return refusal.Passkey
	}
	return refusal.Password
}

// tooMany counts an attempt to prove something, and says what to answer who makes too many. User is who makes it, where that
// is known.
func (c *console) tooMany(w http.ResponseWriter, r *http.Request, user store.User) string {
	wait := c.People.Attempt(c.address(r))
	if wait <= 0 {
		return ""
	}
	c.refused(r, refusal.Throttled, user)
	w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
	return "Too many attempts from your address. Try again in " + count(seconds(wait), "second") + "."
}

// busy is what to answer when too many passwords are being checked.
func (c *console) busy(w http.ResponseWriter, r *http.Request, user store.User) string {
	c.refused(r, refusal.Busy, user)
	w.Header().Set("Retry-After", "1")
	return "Too many people are signing in at this moment. Try again in a second."
}
