// SPDX-License-Identifier: Apache-2.0

package messages

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// Test is a mail that a person sends with a key to see that it works. It goes the way of all mail.
type Test struct {
	From    string   // an address, or "Name <address>"; "": as [Messages.TestSender] says
	To      []string // likewise
	Subject string   // "" and
	Text    string   // "": that it is a test, and with which key
}

// Sent is what became of a test mail.
type Sent struct {
	From     string
	Messages []SentTo
}

// SentTo is one recipient's message.
type SentTo struct {
	To   string
	ID   int64
	UUID string
}

const testText = `This is a test with the API key "%s".

It went the way of all mail that is sent with this key: what reaches you, reaches others.
`

// TestSender is the address that test mails of a key are from: its first sender that its restrictions allow, the default
// one before others and its own before those that are lent to it. Of a whole domain it is postern@ that. An error is a
// *submit.Error where nothing is sent with the key, and a *change.Error on From where it has no such sender.
func (m *Messages) TestSender(ctx context.Context, key store.Key) (string, error) {
	if err := m.c.Submit.MaySend(ctx, key.ID); err != nil {
		return "", err
	}
	senders, err := m.c.Store.KeySenders(ctx, key.ID)
	if err != nil {
		return "", err
	}
	for _, x := range senders {
		email := x.Email
		if domain, whole := strings.CutPrefix(email, "*@"); whole {
			email = "postern@" + domain
		}
		_, err := m.c.Submit.CheckSender(ctx, principal(key), email)
		var not *submit.Error
		if err == nil || !errors.As(err, &not) || not.Code != submit.SenderNotAllowed {
			return email, err
		}
	}
	kind, why := change.Conflict, "the key %q has no sender yet: add the address or domain that it sends from"
	if len(senders) > 0 {
		kind, why = change.NotAllowed, "the key %q has senders, but its restrictions allow none of them"
	}
	return "", change.Errorf(kind, "From", why, key.Name)
}

func principal(k store.Key) gate.Principal {
	return gate.Principal{KeyID: k.ID, AccountID: k.AccountID, APIKey: k.APIKey, Master: k.Master}
}

// SendTest sends a test mail with a key. Errors are a *change.Error on a field of Test, or submit's.
func (m *Messages) SendTest(ctx context.Context, key store.Key, t Test, via Via) (Sent, error) {
	draft, err := m.draft(ctx, key, t)
	if err != nil {
		return Sent{}, err
	}
	raw, err := mail.Compose(draft)
	var bad *mail.SyntaxError
	if errors.As(err, &bad) {
		return Sent{}, change.Errorf(change.Invalid, bad.Field, "%s", bad.Reason)
	}
	if err != nil {
		return Sent{}, err
	}
	env, utf8 := submit.Envelope{From: draft.From.Email}, mail.NeedsUTF8(draft.From.Email)
	for _, to := range draft.To {
		env.Recipients = append(env.Recipients, submit.Recipient{Email: to.Email, Kind: store.To})
		utf8 = utf8 || mail.NeedsUTF8(to.Email)
	}
	receipt, err := m.c.Submit.Accept(ctx, principal(key), env, submit.Message{
		Raw: raw, From: draft.From, Subject: draft.Subject, MessageID: draft.MessageID, HasText: true, UTF8: utf8, Priority: 2,
		Source: via.Source, Address: via.Address, Client: via.Client,
	})
	if err != nil {
		return Sent{}, err
	}
	out := Sent{From: draft.From.Email}
	for _, x := range receipt.Messages {
		out.Messages = append(out.Messages, SentTo{To: x.Email, ID: x.ID, UUID: x.UUID})
	}
	return out, nil
}

// draft fills in what a test mail does not say.
func (m *Messages) draft(ctx context.Context, key store.Key, t Test) (d mail.Draft, err error) {
	d = mail.Draft{Subject: t.Subject, Text: t.Text, Date: m.c.Now()}
	if d.Subject == "" {
		d.Subject = "A test with " + key.Name
	}
	if d.Text == "" {
		d.Text = fmt.Sprintf(testText, key.Name)
	}
	if t.From == "" {
		d.From.Name = "Postern"
		d.From.Email, err = m.TestSender(ctx, key)
	} else if d.From, err = mail.ParseAddress(t.From); err != nil {
		err = change.Wrong("From", err)
	}
	if err != nil {
		return d, err
	}
	d.MessageID = rand.Text() + "@" + mail.Domain(d.From.Email)
	for _, text := range t.To {
		to, err := mail.ParseAddress(text)
		if err != nil {
			return d, change.Wrong("To", err)
		}
		d.To = append(d.To, to)
	}
	return d, nil
}
