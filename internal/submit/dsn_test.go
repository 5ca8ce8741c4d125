// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// askedEnvelope asks for all that can be asked for, about the first of its recipients.
func askedEnvelope() submit.Envelope {
	return submit.Envelope{
		From: "news@example.org", Ret: mail.RetHeaders, EnvID: "QQ 314159", RequireTLS: true,
		Recipients: []submit.Recipient{
			{Email: "r@example.net", Notify: mail.NotifySuccess | mail.NotifyDelay, ORcpt: mail.ORcpt{Type: "utf-8", Address: "jörg+x@example.net"}},
			{Email: "q@example.net"},
		},
	}
}

// What is asked for is kept with the mail, and goes with it.
func TestAskedIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		m := submit.Message{Raw: []byte("From: news@example.org\r\n\r\nx\r\n"), From: mail.Address{Email: "news@example.org"}, Source: "smtp", Priority: 2}
		env := askedEnvelope()
		got, err := d.Accept(t.Context(), d.p, env, m)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := d.send(t, "news@example.org", nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Outgoing(t.Context(), got.SubmissionID)
		if err != nil || out.Asked == nil || *out.Asked != (store.Asked{Ret: env.Ret, EnvID: env.EnvID, RequireTLS: true}) {
			t.Errorf("%+v, %v", out.Asked, err)
		}
		of, err := s.Asked(t.Context(), got.SubmissionID)
		want := store.AskedOf{Notify: env.Recipients[0].Notify, ORcpt: env.Recipients[0].ORcpt}
		if err != nil || len(of) != 1 || of[got.Of("r@example.net").ID] != want {
			t.Errorf("%+v, %v", of, err)
		}
		if one, err := s.AskedOf(t.Context(), store.OfKey(d.p.AccountID, d.p.KeyID), got.Of("r@example.net").ID); err != nil || one != want {
			t.Errorf("%+v, %v", one, err)
		}
		if one, err := s.AskedOf(t.Context(), store.OfAccount(d.p.AccountID+1), got.Of("r@example.net").ID); err != nil || one != (store.AskedOf{}) {
			t.Errorf("another account reads %+v, %v", one, err)
		}
		if out, err = s.Outgoing(t.Context(), plain.SubmissionID); err != nil || out.Asked != nil {
			t.Errorf("a mail that asked for nothing: %+v, %v", out.Asked, err)
		}

		// It goes with the mail when that is forgotten.
		claimed, err := s.Claim(t.Context(), store.MainLane, "test", time.Now(), time.Now().Add(time.Minute), 10)
		if err != nil || len(claimed) != 3 {
			t.Fatal(claimed, err)
		}
		var done []store.Completion
		for _, c := range claimed {
			done = append(done, store.Completion{Claimed: c, Owner: "test", Result: store.CompletedSent, At: time.Now()})
		}
		if err := s.Complete(t.Context(), done); err != nil {
			t.Fatal(err)
		}
		if f, err := s.Forget(t.Context(), d.p.AccountID, time.Now().Add(time.Hour), 0, 100, time.Minute); err != nil || f.Messages != 3 {
			t.Errorf("%+v, %v", f, err)
		}
		if of, err := s.Asked(t.Context(), got.SubmissionID); err != nil || len(of) != 0 {
			t.Errorf("%+v, %v", of, err)
		}
	})
}

// What would end a command on its way on, or stand for nothing, is refused with the parameter's name, and nothing is kept.
func TestAskedIsChecked(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	for field, change := range map[string]func(*submit.Envelope){
		"RET":    func(e *submit.Envelope) { e.Ret = 7 },
		"ENVID":  func(e *submit.Envelope) { e.EnvID = "a\r\nRCPT TO:<b@example.net>" },
		"NOTIFY": func(e *submit.Envelope) { e.Recipients[0].Notify = mail.NotifyNever | mail.NotifySuccess },
		"ORCPT": func(e *submit.Envelope) {
			e.Recipients[0].ORcpt = mail.ORcpt{Type: "rfc822", Address: "a\r\nb@example.net"}
		},
	} {
		env := askedEnvelope()
		change(&env)
		_, err := d.Accept(t.Context(), d.p, env, submit.Message{Raw: []byte("From: news@example.org\r\n\r\nx\r\n"), From: mail.Address{Email: "news@example.org"}, Source: "smtp"})
		var e *submit.Error
		if !errors.As(err, &e) || e.Code != submit.BadParameter || e.Field != field || !strings.Contains(e.Reason, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if n := d.count(t); n != 0 {
		t.Errorf("%d messages are kept", n)
	}
}
