// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"postern/internal/change"
	"postern/internal/refusal"
	"postern/internal/store"
)

// forgotTakes is how long every answer to "I forgot my password" takes, so that it does not tell whom there is.
const forgotTakes = 300 * time.Millisecond

type forgotBody struct {
	Email, Problem string
	Sent           bool
}

func (c *console) showForgot(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "forgot", page{Title: "Set a new password", Body: forgotBody{}})
}

func (c *console) forgot(w http.ResponseWriter, r *http.Request) {
	if err := parseForm(r); err != nil {
		c.fail(w, r, err)
		return
	}
	b := forgotBody{Email: clean(r.PostForm.Get("email"))}
	status := http.StatusOK
	addr := c.address(r)
	if b.Email == "" {
		status, b.Problem = http.StatusUnprocessableEntity, "Give your email address."
	} else if wait := c.mails.Take(c.mails.Of(addr), c.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
		status, b.Problem = http.StatusTooManyRequests,
			"Too many attempts from your address. Try again in "+count(seconds(wait), "second")+"."
	} else {
		timer := time.NewTimer(forgotTakes)
		defer timer.Stop()
		// Who hangs up early stops nothing, and a failure is told to the log alone: only who exists could cause it.
		if err := c.People.MailPasswordReset(context.WithoutCancel(r.Context()), b.Email, addr); err != nil {
			c.Log.ErrorContext(r.Context(), "a mail to set a new password was not sent", "error", err)
		}
		<-timer.C
		b.Sent = true
	}
	c.render(w, r, status, "forgot", page{Title: "Set a new password", Body: b})
}

type newPasswordBody struct {
	Action, Email             string
	NewProblem, RepeatProblem string
	Problem                   string
}

// showNewPassword answers the first request of a mailed link. It uses nothing up.
func (c *console) showNewPassword(w http.ResponseWriter, r *http.Request) {
	c.newPasswordPage(w, r, http.StatusOK, newPasswordBody{})
}

func (c *console) newPasswordPage(w http.ResponseWriter, r *http.Request, status int, b newPasswordBody) {
	user, err := c.People.ResetLinkUser(r.Context(), r.PathValue("token"))
	if err != nil {
		c.fail(w, r, c.resetError(r, err))
		return
	}
	b.Action, b.Email = r.URL.Path, user.Email
	c.render(w, r, status, "reset", page{Title: "Set a new password", Body: b})
}

// resetError says what to do when a mailed link has ended.
func (c *console) resetError(r *http.Request, err error) error {
	var e *change.Error
	if errors.As(err, &e) {
		c.refused(r, refusal.Link, store.User{})
		return &statusError{http.StatusNotFound, "This link does not work any more", "A link that sets a new password works once, " +
			"and for an hour. Ask for another on the sign-in page."}
	}
	return err
}

func (c *console) reset(w http.ResponseWriter, r *http.Request) {
	if err := parseForm(r); err != nil {
		c.fail(w, r, err)
		return
	}
	f := r.PostForm
	if f.Get("password") != f.Get("repeat") {
		c.newPasswordPage(w, r, http.StatusUnprocessableEntity, newPasswordBody{RepeatProblem: "The two are not the same."})
		return
	}
	addr := c.address(r)
	if problem := c.tooMany(w, r, store.User{}); problem != "" {
		c.newPasswordPage(w, r, http.StatusTooManyRequests, newPasswordBody{Problem: problem})
		return
	}
	session, _, err := c.People.ResetPassword(r.Context(), r.PathValue("token"), f.Get("password"), c.browser(r))
	var e *change.Error
	if errors.As(err, &e) && e.Field == "Password" {
		c.People.ProvedBy(addr)
		c.newPasswordPage(w, r, http.StatusUnprocessableEntity, newPasswordBody{NewProblem: sentence(e.Reason)})
		return
	}
	if e != nil {
		c.fail(w, r, c.resetError(r, err)) // a guessed token counts
		return
	}
	c.People.ProvedBy(addr)
	c.signedInNow(w, r, session, "/keys", err)
}
