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

// invitationBody is the page of an invitation's link.
type invitationBody struct {
	Path, SignIn string
	By           string
	AccountName  string
	Email        string
	Keys         []string // none: the whole account
	Role         roleRow
	Ends         store.Invitation
	SignedIn     string // who is, "" nobody
	State        string // "new": an account is made; "known": they sign in; "mine": they are signed in; "other": somebody else is
	Problem      string
}

// invitationGone says why a link does not work any more. It does not say which of the three it was: a stranger with an
// old link need not know.
func invitationGone() error {
	return &statusError{http.StatusNotFound, "This invitation does not work any more", "It was accepted or withdrawn already, or " +
		"has ended. If you have accepted it, go on to the pages and sign in; if not, ask who invited you for a new one."}
}

// visitor is who opens the link of an invitation: their session, if they are signed in.
func (c *console) visitor(r *http.Request) (*people.SignedIn, error) {
	in, err := c.People.Session(r.Context(), c.sessionToken(r))
	var e *change.Error
	if errors.As(err, &e) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &in, nil
}

// userOf is who is signed in, if somebody is.
func userOf(in *people.SignedIn) store.User {
	if in == nil {
		return store.User{}
	}
	return in.User
}

// showInvitation answers who opens an invitation's link. It uses nothing up: programs look at links in mail before
// people do. A browser that comes from another site keeps its cookie back: then the page loads itself once more.
func (c *console) showInvitation(w http.ResponseWriter, r *http.Request) {
	in, err := c.visitor(r)
	if err == nil && in == nil && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		c.render(w, r, http.StatusOK, "again", page{Title: "One moment", Body: localPath(r.URL.Path)})
		return
	}
	var b invitationBody
	if err == nil {
		b, err = c.invitationBody(r, in)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.render(w, r, http.StatusOK, "invitation", page{Title: "Invitation", Body: b})
}

func (c *console) invitationBody(r *http.Request, in *people.SignedIn) (invitationBody, error) {
	i, err := c.People.Invitation(r.Context(), r.PathValue("token"))
	var e *change.Error
	if errors.As(err, &e) && e.Kind == change.NotFound {
		c.refused(r, refusal.Invitation, userOf(in))
		return invitationBody{}, invitationGone()
	}
	if err != nil {
		return invitationBody{}, err
	}
	b := invitationBody{
		Path: r.URL.Path, SignIn: signInFor(r.URL.Path), By: who(i.InvitedBy), AccountName: i.AccountName, Email: i.Email,
		Ends: i.Invitation, State: "new",
		Role: roleRow{Role: i.Role, May: roleWords(i.Role, len(i.KeyIDs) > 0)},
	}
	names, err := c.keyNames(r.Context(), store.OfAccount(i.AccountID), i.KeyIDs)
	if err != nil {
		return b, err
	}
	b.Keys = namesOf(i.KeyIDs, names)
	switch {
	case in != nil && in.User.Email == i.Email:
		b.State, b.SignedIn = "mine", in.User.Email
	case in != nil:
		b.State, b.SignedIn = "other", in.User.Email
	case i.Known:
		b.State = "known"
	}
	return b, nil
}

// acceptInvitation accepts, and leads on: who is new to a password, others to the keys of the account that they are in
// now. It also signs out who is signed in as somebody else, and comes back.
func (c *console) acceptInvitation(w http.ResponseWriter, r *http.Request) {
	if err := parseForm(r); err != nil {
		c.fail(w, r, err)
		return
	}
	if r.PostForm.Has("sign-out") {
		if err := c.People.SignOut(r.Context(), c.sessionToken(r)); err != nil {
			c.fail(w, r, err)
			return
		}
		c.clearBrowser(w, r)
		http.Redirect(w, r, localPath(r.URL.Path), http.StatusSeeOther)
		return
	}
	in, err := c.visitor(r)
	var b invitationBody
	if err == nil {
		b, err = c.invitationBody(r, in)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	var user *store.User
	if in != nil {
		user = &in.User
	}
	session, err := c.People.Accept(r.Context(), r.PathValue("token"), user, c.browser(r))
	var e *change.Error
	switch {
	case errors.As(err, &e) && e.Kind == change.NotFound:
		c.refused(r, refusal.Invitation, userOf(in))
		c.fail(w, r, invitationGone())
	case errors.As(err, &e):
		c.refused(r, refusal.Invitation, userOf(in))
		b.Problem = sentence(e.Reason)
		c.render(w, r, http.StatusForbidden, "invitation", page{Title: "Invitation", Body: b})
	case err != nil:
		c.fail(w, r, err)
	case session != "":
		c.setSession(w, r, session)
		http.Redirect(w, r, "/password", http.StatusSeeOther)
	default:
		http.Redirect(w, r, "/keys", http.StatusSeeOther)
	}
}
