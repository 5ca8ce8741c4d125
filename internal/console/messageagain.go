// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strconv"

	"postern/internal/access"
	"postern/internal/store"
	"postern/internal/submit"
)

// doable is what the visitor can do with a message: Retry and Cancel one that waits, Resend one that did not arrive. Why
// says why one that did not arrive cannot be sent again.
type doable struct {
	Retry, Cancel, Resend bool
	Why                   string
	Nonce                 string // of the form that sends again: reloading the answer does not do it twice
	Unwanted              bool   // the recipient is on the suppression list
}

func (c *console) doable(v *visit, m store.Message, kept bool) (d doable, err error) {
	if !v.may(access.SendTest, m.KeyID) {
		return d, nil
	}
	if m.DoneAt.IsZero() {
		d.Retry, d.Cancel = true, true
		return d, nil
	}
	if m.Status != store.StatusHardBounced && m.Status != store.StatusSoftBounced && m.Status != store.StatusBlocked {
		return d, nil
	}
	d.Why = submit.MayResend(m)
	if d.Why == "" && !kept {
		d.Why = "Its source is not kept any more."
	}
	if d.Why == "" {
		if d.Why, err = c.Submit.Closed(v.r.Context(), m); err != nil {
			return d, err
		}
	}
	if d.Why == "" {
		if d.Why, err = c.Submit.Unwanted(v.r.Context(), m); d.Why != "" {
			d.Unwanted = true
		}
	}
	if d.Resend = err == nil && d.Why == ""; d.Resend {
		d.Nonce = c.forms.nonce(v.user.ID)
	}
	return d, err
}

// retryMessage makes a message that waits due now.
func (c *console) retryMessage(v *visit) error {
	m, _, err := c.messageOf(v.r.Context(), v)
	if err == nil {
		err = c.Submit.Retry(v.r.Context(), v.scope, m.ID)
	}
	return c.didMessage(v, m, err)
}

func (c *console) showCancelMessage(v *visit) error {
	m, _, err := c.messageOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "message-cancel", "Take a message back", "messages", messageRow{Message: m})
}

// cancelMessage takes a message that waits back.
func (c *console) cancelMessage(v *visit) error {
	m, _, err := c.messageOf(v.r.Context(), v)
	if err == nil {
		err = c.Submit.Cancel(v.r.Context(), v.scope, m.ID, v.user.Email)
	}
	return c.didMessage(v, m, err)
}

// resendMessage sends a message that did not arrive again, and shows the new one. A form works once.
func (c *console) resendMessage(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	m, _, err := c.messageOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return v.redirect(messagePage(m.ID)) // sent already, as the page says
	}
	x, err := c.Submit.Resend(v.r.Context(), v.scope, m.ID, submit.Again{Source: "console", Address: c.address(v.r), Client: v.user.Email})
	if err == nil {
		m.ID = x.ID
	}
	return c.didMessage(v, m, err)
}

func messagePage(id int64) string { return "/messages/" + strconv.FormatInt(id, 10) }

// didMessage goes on to the message's page, or says why it cannot be.
func (c *console) didMessage(v *visit, m store.Message, err error) error {
	var e *submit.Error
	if errors.As(err, &e) {
		return &statusError{http.StatusConflict, "That is not possible now", e.Reason}
	}
	if err != nil {
		return err
	}
	return v.redirect(messagePage(m.ID))
}
