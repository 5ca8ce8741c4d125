// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strconv"

	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/store"
)

// signInByPasskey signs in by a passkey alone.
func (c *console) signInByPasskey(w http.ResponseWriter, r *http.Request) {
	if err := parseForm(r); err != nil {
		c.fail(w, r, err)
		return
	}
	body := signInBody{Next: localPath(r.PostForm.Get("next"))}
	again := func(status int, problem string) {
		body.Problem = problem
		c.signInPage(w, r, status, body)
	}
	addr := c.address(r)
	if c.party == nil {
		again(http.StatusConflict, c.noPasskey)
		return
	}
	if problem := c.tooMany(w, r, store.User{}); problem != "" {
		again(http.StatusTooManyRequests, problem)
		return
	}
	session, user, err := c.People.SignInByPasskey(r.Context(), c.party, proofOf(r.PostForm).Passkey, c.browser(r))
	var e *change.Error
	if errors.As(err, &e) {
		c.refused(r, refusal.Passkey, user)
		again(http.StatusUnauthorized, sentence(e.Reason))
		return
	}
	c.People.ProvedBy(addr)
	c.signedInNow(w, r, session, body.Next, err)
}

// passkeyBody is the page that adds a passkey.
type passkeyBody struct {
	Passkey              people.Ceremony
	Name                 string
	Problem, NameProblem string
}

func (c *console) showAddPasskey(v *visit) error {
	return c.passkeyPage(v, http.StatusOK, passkeyBody{})
}

func (c *console) passkeyPage(v *visit, status int, b passkeyBody) error {
	if c.party == nil {
		return &statusError{http.StatusConflict, "Passkeys cannot be used here", c.noPasskey}
	}
	var err error
	if b.Passkey, err = c.People.BeginAddPasskey(v.r.Context(), c.party, v.user); err != nil {
		return err
	}
	return c.show(v, status, "passkey", "Add a passkey", "", b)
}

func (c *console) addPasskey(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := passkeyBody{Name: clean(v.r.PostForm.Get("name"))}
	if c.party == nil {
		return c.passkeyPage(v, http.StatusForbidden, b)
	}
	codes, err := c.People.AddPasskey(v.r.Context(), c.party, v.user, b.Name, proofOf(v.r.PostForm).Passkey, c.address(v.r))
	var e *change.Error
	switch {
	case errors.As(err, &e) && e.Field == "Name":
		b.NameProblem = sentence(e.Reason)
		return c.passkeyPage(v, http.StatusUnprocessableEntity, b)
	case e != nil:
		b.Problem = sentence(e.Reason)
		return c.passkeyPage(v, http.StatusUnprocessableEntity, b)
	case err != nil:
		return err
	case len(codes) == 0:
		return v.redirect("/security?done=passkey-added")
	}
	return c.codesPage(v, "The passkey is added", codes)
}

// onePasskey finds the passkey that a page's address names.
func (c *console) onePasskey(v *visit) (store.Passkey, people.Factors, error) {
	f, err := c.People.Factors(v.r.Context(), v.user.ID)
	if err != nil {
		return store.Passkey{}, f, err
	}
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	for _, p := range f.Passkeys {
		if err == nil && p.ID == id {
			return p, f, nil
		}
	}
	return store.Passkey{}, f, notFound("You have no such passkey. It may be removed already.")
}

func (c *console) showRemovePasskey(v *visit) error {
	p, f, err := c.onePasskey(v)
	if err != nil {
		return err
	}
	return c.factorPage(v, http.StatusOK, "Remove a passkey",
		factorBody{Kind: "passkey", Passkey: p, Last: !f.TOTP && len(f.Passkeys) == 1})
}

func (c *console) removePasskey(v *visit) error {
	p, _, err := c.onePasskey(v)
	if err != nil {
		return err
	}
	if err := c.People.RemovePasskey(v.r.Context(), v.user, p.ID, c.address(v.r)); err != nil {
		return err
	}
	return v.redirect("/security?done=passkey-removed")
}
