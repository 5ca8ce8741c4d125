// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strconv"

	"postern/internal/change"
	"postern/internal/messages"
	"postern/internal/store"
	"postern/internal/submit"
)

// testMail is what a test mail of a key would be: from whom to whom, or why it cannot be sent.
type testMail struct {
	From, To string
	NoSender bool
	Why      string            // it cannot be sent, "" when it can
	Sent     *messages.Message // the one that was sent just now
}

func (c *console) testMail(v *visit, k store.Key) (testMail, error) {
	from, err := c.Messages.TestSender(v.r.Context(), k)
	t := testMail{From: from, To: v.user.Email}
	var e *change.Error
	if t.NoSender = errors.As(err, &e) && e.Kind == change.Conflict; t.NoSender {
		return t, nil
	}
	t.Why, err = testProblem(err)
	return t, err
}

// testProblem says in a sentence why a test mail cannot be sent. Other errors it gives back.
func testProblem(err error) (string, error) {
	var e *change.Error
	var refused *submit.Error
	switch {
	case errors.As(err, &e):
		return sentence(e.Reason), nil
	case errors.As(err, &refused):
		return refused.Reason, nil
	}
	return "", err
}

// sendTest sends a mail with the key to the user's own address.
func (c *console) sendTest(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	sent, err := c.Messages.SendTest(v.r.Context(), k.Record, messages.Test{To: []string{v.user.Email}}, c.via(v))
	if err == nil {
		return v.redirect("/keys/" + strconv.FormatInt(k.ID, 10) + "?sent=" + strconv.FormatInt(sent.Messages[0].ID, 10))
	}
	why, err := testProblem(err)
	if err != nil {
		return err
	}
	b, err := c.keyBody(v, k)
	if err != nil {
		return err
	}
	b.Problem = why
	return c.show(v, http.StatusUnprocessableEntity, "key", k.Name, "keys", b)
}

// testSent is the test mail that the address names, when it is one of this key.
func (c *console) testSent(v *visit, k store.Key) (*messages.Message, error) {
	f, ok := messages.Named(v.r.URL.Query().Get("sent"))
	if !ok {
		return nil, nil //nolint:nilnil // it names none
	}
	f.KeyID = k.ID
	m, err := c.Messages.Message(v.r.Context(), v.scope, f)
	if e := (*change.Error)(nil); errors.As(err, &e) || err == nil && m.Source != "console" {
		return nil, nil //nolint:nilnil // it is none
	}
	return &m, err
}
