// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strconv"

	"postern/internal/change"
	"postern/internal/messages"
	"postern/internal/submit"
)

// retryMessage makes a message that waits due now.
func (c *console) retryMessage(v *visit) error {
	f, err := v.messageNamed()
	if err != nil {
		return err
	}
	m, err := c.Messages.Retry(v.r.Context(), v.scope, f)
	return v.didMessage(m, err)
}

func (c *console) showCancelMessage(v *visit) error {
	m, _, err := c.messageOf(v, c.Messages.Message)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "message-cancel", "Take a message back", "messages", m)
}

// cancelMessage takes a message that waits back.
func (c *console) cancelMessage(v *visit) error {
	f, err := v.messageNamed()
	if err != nil {
		return err
	}
	m, err := c.Messages.Cancel(v.r.Context(), v.actor, v.scope, f)
	return v.didMessage(m, err)
}

// resendMessage sends a message that did not arrive again, and shows the new one. A form works once.
func (c *console) resendMessage(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	f, err := v.messageNamed()
	if err != nil {
		return err
	}
	m, err := c.Messages.Message(v.r.Context(), v.scope, f)
	if err != nil || !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return v.didMessage(m, err) // sent already, as the page says
	}
	m, err = c.Messages.Resend(v.r.Context(), v.scope, f, c.via(v))
	return v.didMessage(m, err)
}

// via is how mail comes in that a user sends on the pages.
func (c *console) via(v *visit) messages.Via {
	return messages.Via{Source: "console", Address: c.address(v.r), Client: v.user.Email}
}

// didMessage goes on to the message's page, or says why it cannot be.
func (v *visit) didMessage(m messages.Message, err error) error {
	if err != nil {
		return messageError(err)
	}
	return v.redirect("/messages/" + strconv.FormatInt(m.ID, 10))
}

// messageError is the page that says what is wrong with a question about a message or a change of it.
func messageError(err error) error {
	var e *change.Error
	var refused *submit.Error
	switch {
	case errors.As(err, &e) && e.Kind == change.NotFound:
		return notFound("There is no such message in your account.")
	case errors.As(err, &e):
		return &statusError{http.StatusConflict, "That is not possible now", sentence(e.Reason)}
	case errors.As(err, &refused):
		return &statusError{http.StatusConflict, "That is not possible now", refused.Reason}
	}
	return err
}
