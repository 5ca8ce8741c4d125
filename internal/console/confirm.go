// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/store"
)

// timeToFillIn is how much longer than its page a form is taken: who got the form had confirmed their identity for it,
// and what they typed is not thrown away for the question.
const timeToFillIn = 15 * time.Minute

// isFresh says whether the person of a visit has confirmed their identity lately.
func (c *console) isFresh(v *visit) bool {
	most := people.FreshFor
	if v.r.Method == http.MethodPost {
		most += timeToFillIn
	}
	return c.Now().Sub(v.session.ConfirmedAt) <= most
}

// askToConfirm sends a browser to prove that its person is there, and from there to the page that it asked for; after
// a form to the page of that form, which is at the same address.
func (c *console) askToConfirm(v *visit) error {
	return v.redirect("/confirm?next=" + url.QueryEscape(v.r.URL.RequestURI()))
}

// proveBody is a page that asks for a proof: the second step of signing in, or a confirmation.
type proveBody struct {
	Action, Next string
	Email        string
	Password     bool
	App          bool
	Recovery     bool            // a recovery code is taken too
	Passkey      people.Ceremony // none when the user has no passkey, or it cannot be used here
	NoPasskey    string          // why he cannot use the passkeys that he has
	OIDC         string          // a provider that can ask him

	Problem                                       string
	PasswordProblem, CodeProblem, RecoveryProblem string
}

// any says whether there is a way to prove something.
func (b proveBody) any() bool { return b.Password || b.App || b.Passkey.State != "" || b.OIDC != "" }

// say puts what is wrong with a proof where it was given.
func (b *proveBody) say(e *change.Error, recovery bool) {
	text := sentence(e.Reason)
	switch {
	case e.Field == "Password":
		b.PasswordProblem = text
	case e.Field == "Code" && recovery:
		b.RecoveryProblem = text
	case e.Field == "Code":
		b.CodeProblem = text
	default:
		b.Problem = text
	}
}

// waysToConfirm is what a signed-in user can prove himself with.
func (c *console) waysToConfirm(v *visit) (proveBody, error) {
	ctx := v.r.Context()
	b := proveBody{Action: "/confirm", Email: v.user.Email, Password: v.user.PasswordHash != ""}
	f, err := c.People.Factors(ctx, v.user.ID)
	if err != nil {
		return b, err
	}
	b.App = f.TOTP
	if len(f.Passkeys) > 0 && c.party != nil {
		if b.Passkey, err = c.People.BeginPasskey(ctx, c.party, v.user); err != nil {
			return b, err
		}
	}
	known, err := c.People.KnowsByOIDC(ctx, c.oidc, v.user.ID)
	if known {
		b.OIDC = c.oidc.Name
	}
	return b, err
}

func (c *console) showConfirm(v *visit) error {
	return c.confirmPage(v, http.StatusOK, localPath(v.r.URL.Query().Get("next")), nil, "")
}

func (c *console) confirmPage(v *visit, status int, next string, e *change.Error, problem string) error {
	b, err := c.waysToConfirm(v)
	if err != nil {
		return err
	}
	if !b.any() {
		return v.redirect("/password?next=" + url.QueryEscape(next))
	}
	b.Next, b.Problem = next, problem
	if e != nil {
		b.say(e, false)
	}
	return c.show(v, status, "confirm", "Confirm that it is you", "", b)
}

// proofOf reads a proof from a form.
func proofOf(f url.Values) people.Proof {
	p := people.Proof{Password: f.Get("password"), Code: f.Get("code")}
	if p.Code == "" {
		p.Code = f.Get("recovery")
	}
	if f.Get("answer") != "" {
		p.Passkey = people.PasskeyAnswer{State: f.Get("state"), Response: f.Get("answer")}
	}
	return p
}

func (c *console) confirm(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	next := localPath(v.r.PostForm.Get("next"))
	addr := c.address(v.r)
	if problem := c.tooMany(v.w, v.r, v.user); problem != "" {
		return c.confirmPage(v, http.StatusTooManyRequests, next, nil, problem)
	}
	err := c.People.Confirm(v.r.Context(), c.party, v.in, proofOf(v.r.PostForm), addr)
	var e *change.Error
	if errors.As(err, &e) && e.Kind == change.Invalid {
		v.refused(c, reasonOfProof(e))
		return c.confirmPage(v, http.StatusUnprocessableEntity, next, e, "")
	}
	c.People.ProvedBy(addr)
	if err != nil {
		return err
	}
	return v.redirect(next)
}

// showSecondStep asks who has given the right password for the second factor.
func (c *console) showSecondStep(w http.ResponseWriter, r *http.Request) {
	c.secondStepPage(w, r, http.StatusOK, localPath(r.URL.Query().Get("next")), nil, "")
}

func (c *console) secondStepPage(w http.ResponseWriter, r *http.Request, status int, next string, e *change.Error, problem string) {
	ctx := r.Context()
	user, err := c.People.PendingUser(ctx, c.cookie(r, pendingCookie))
	if err != nil {
		c.beginAgain(w, r, next, err)
		return
	}
	f, err := c.People.Factors(ctx, user.ID)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	b := proveBody{Action: "/sign-in/second", Next: next, Email: user.Email, App: f.TOTP, Recovery: true, Problem: problem}
	switch {
	case len(f.Passkeys) > 0 && c.party != nil:
		if b.Passkey, err = c.People.BeginPasskey(ctx, c.party, user); err != nil {
			c.fail(w, r, err)
			return
		}
	case len(f.Passkeys) > 0:
		b.NoPasskey = c.noPasskey
	}
	if e != nil {
		b.say(e, r.PostForm.Get("recovery") != "")
	}
	c.render(w, r, status, "second-step", page{Title: "Second step", Body: b})
}

// beginAgain sends who took too long, or tried too often, back to the first step.
func (c *console) beginAgain(w http.ResponseWriter, r *http.Request, next string, err error) {
	var e *change.Error
	if !errors.As(err, &e) {
		c.fail(w, r, err)
		return
	}
	c.endCookie(w, r, pendingCookie)
	c.signInPage(w, r, http.StatusUnauthorized, signInBody{Next: next, Problem: sentence(e.Reason)})
}

func (c *console) secondStep(w http.ResponseWriter, r *http.Request) {
	if err := parseForm(r); err != nil {
		c.fail(w, r, err)
		return
	}
	next := localPath(r.PostForm.Get("next"))
	addr := c.address(r)
	if problem := c.tooMany(w, r, store.User{}); problem != "" {
		c.secondStepPage(w, r, http.StatusTooManyRequests, next, nil, problem)
		return
	}
	session, user, err := c.People.FinishSignIn(r.Context(), c.party, c.cookie(r, pendingCookie), proofOf(r.PostForm), c.browser(r))
	var e *change.Error
	switch {
	case errors.As(err, &e) && e.Kind == change.Invalid:
		c.refused(r, reasonOfProof(e), user)
		c.secondStepPage(w, r, http.StatusUnauthorized, next, e, "")
		return
	case e != nil:
		c.refused(r, refusal.Expired, user)
		c.beginAgain(w, r, next, err)
		return
	}
	c.People.ProvedBy(addr)
	c.signedInNow(w, r, session, next, err)
}
