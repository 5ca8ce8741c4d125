// SPDX-License-Identifier: Apache-2.0

package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// testMail is what a test mail of a key would be: from whom to whom, or why it cannot be sent.
type testMail struct {
	From, To string
	NoSender bool
	Why      string         // it cannot be sent, "" when it can
	Sent     *store.Message // the one that was sent just now
}

// testMail finds the key's first sender that its restrictions allow.
func (c *console) testMail(v *visit, k store.Key) (testMail, error) {
	t := testMail{To: v.user.Email}
	switch {
	case c.Submit == nil:
		t.Why = "This server takes no mail at the moment."
	case k.State != store.KeyActive:
		t.Why = "The key is " + k.State + ": nothing is sent with it."
	case k.Permissions&int(access.MaySend) == 0:
		t.Why = "The key is not allowed to send: see its restrictions."
	}
	if t.Why != "" {
		return t, nil
	}
	senders, err := c.Store.KeySenders(v.r.Context(), k.ID)
	if err != nil {
		return t, err
	}
	slices.SortFunc(senders, func(a, b store.Sender) int { return int(a.ID - b.ID) })
	if t.NoSender = len(senders) == 0; t.NoSender {
		return t, nil
	}
	for _, x := range senders {
		email := x.Email
		if domain, whole := strings.CutPrefix(email, "*@"); whole {
			email = "postern@" + domain
		}
		_, err := c.Submit.CheckSender(v.r.Context(), principal(k), email)
		if err == nil {
			t.From = email
			return t, nil
		}
		var e *submit.Error
		if !errors.As(err, &e) || e.Code != submit.SenderNotAllowed {
			return t, err
		}
	}
	t.Why = "The key has senders, but its restrictions allow none of them."
	return t, nil
}

func principal(k store.Key) gate.Principal {
	return gate.Principal{KeyID: k.ID, AccountID: k.AccountID, APIKey: k.APIKey, Master: k.Master}
}

const testText = `This is a test from the page of the API key "%NAME%".

It went the way of all mail that is sent with this key: what reaches you, reaches others.
`

// sendTest sends a mail with the key to the user's own address.
func (c *console) sendTest(v *visit) error {
	ctx := v.r.Context()
	k, err := c.keyOf(ctx, v)
	if err != nil {
		return err
	}
	t, err := c.testMail(v, k)
	if err != nil {
		return err
	}
	if t.NoSender {
		t.Why = "The key has no sender yet: add the address or domain that it sends from."
	}
	if t.Why != "" {
		return c.testRefused(v, k, t.Why)
	}
	from, to := mail.Address{Name: "Postern", Email: t.From}, mail.Address{Email: t.To}
	d := mail.Draft{
		From: from, To: []mail.Address{to}, Subject: "A test with " + k.Name, Text: strings.ReplaceAll(testText, "%NAME%", k.Name),
		Date: c.Now(), MessageID: rand.Text() + "@" + mail.Domain(t.From),
	}
	raw, err := mail.Compose(d)
	if err != nil {
		return err
	}
	receipt, err := c.Submit.Accept(ctx, principal(k), submit.Envelope{From: from.Email, Recipients: []submit.Recipient{{Email: to.Email, Kind: store.To}}}, submit.Message{
		Raw: raw, From: from, Subject: d.Subject, MessageID: d.MessageID, HasText: true, UTF8: mail.NeedsUTF8(from.Email) || mail.NeedsUTF8(to.Email), Priority: 2,
		Source: "console", Address: c.address(v.r), Client: v.user.Email,
	})
	var e *submit.Error
	if errors.As(err, &e) {
		return c.testRefused(v, k, e.Reason)
	}
	if err != nil {
		return err
	}
	return v.redirect("/keys/" + strconv.FormatInt(k.ID, 10) + "?sent=" + strconv.FormatInt(receipt.Messages[0].ID, 10))
}

func (c *console) testRefused(v *visit, k store.Key, why string) error {
	b, err := c.keyBody(v, k)
	if err != nil {
		return err
	}
	b.Problem = why
	return c.show(v, http.StatusUnprocessableEntity, "key", k.Name, "keys", b)
}

// testSent is the test mail that the address names, when it is one of this key.
func (c *console) testSent(v *visit, k store.Key) (*store.Message, error) {
	id, err := strconv.ParseInt(v.r.URL.Query().Get("sent"), 10, 64)
	if err != nil || id <= 0 {
		return nil, nil //nolint:nilerr // it names none
	}
	m, err := c.Store.Message(v.r.Context(), v.scope, store.MessageFilter{ID: id, KeyID: k.ID})
	if errors.Is(err, store.ErrNotFound) || err == nil && m.Source != "console" {
		return nil, nil
	}
	return &m, err
}
