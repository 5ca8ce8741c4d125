// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// send submits a test mail as a key that the operator names. It goes the way of all mail: the sender must be one of
// the key's, and a key that is not active sends nothing.
func (o *operator) send(ctx context.Context, in NewMail) (Sent, error) {
	key, err := o.findKey(ctx, in.Key)
	if err != nil {
		return Sent{}, err
	}
	if key.State != store.KeyActive {
		return Sent{}, invalid("Key", "the key %q is %s", key.Name, key.State)
	}
	from, err := o.from(ctx, in.From, key)
	if err != nil {
		return Sent{}, err
	}
	draft := mail.Draft{From: from, Subject: in.Subject, Text: in.Text, Date: time.Now(), MessageID: rand.Text() + "@" + o.Hostname}
	env := submit.Envelope{From: from.Email}
	for _, text := range in.To {
		to, err := mail.ParseAddress(text)
		if err != nil {
			return Sent{}, invalid("To", "%v", err)
		}
		draft.To = append(draft.To, to)
		env.Recipients = append(env.Recipients, submit.Recipient{Email: to.Email, Kind: store.To})
	}
	raw, err := mail.Compose(draft)
	var bad *mail.SyntaxError
	if errors.As(err, &bad) {
		return Sent{}, invalid(bad.Field, "%s", bad.Reason)
	}
	if err != nil {
		return Sent{}, err
	}
	utf8 := mail.NeedsUTF8(from.Email)
	for _, to := range env.Recipients {
		utf8 = utf8 || mail.NeedsUTF8(to.Email)
	}
	receipt, err := o.Submit.Accept(ctx, gate.Principal{KeyID: key.ID, AccountID: key.AccountID, APIKey: key.APIKey, Master: key.Master}, env, submit.Message{
		Raw: raw, From: from, Subject: in.Subject, MessageID: draft.MessageID, HasText: true, UTF8: utf8, Priority: 2, Source: "cli", Client: "postern send",
	})
	if err != nil {
		return Sent{}, err
	}
	out := Sent{From: from.Email}
	for _, m := range receipt.Messages {
		out.Messages = append(out.Messages, SentTo{To: m.Email, ID: m.ID, UUID: m.UUID})
	}
	return out, nil
}

// from reads the sender, or takes the first that the key has: the default one, if there is one.
func (o *operator) from(ctx context.Context, text string, key store.Key) (mail.Address, error) {
	if text != "" {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return a, invalid("From", "%v", err)
		}
		return a, nil
	}
	senders, err := o.Store.KeySenders(ctx, key.ID)
	if err != nil {
		return mail.Address{}, err
	}
	if len(senders) == 0 {
		return mail.Address{}, invalid("From", "the key %q has no sender yet: postern sender add you@example.com", key.Name)
	}
	email := senders[0].Email
	if domain, ok := strings.CutPrefix(email, "*@"); ok {
		email = "postern@" + domain
	}
	return mail.Address{Name: "Postern", Email: email}, nil
}
