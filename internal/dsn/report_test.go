// SPDX-License-Identifier: Apache-2.0

package dsn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/courier"
	"postern/internal/dsn"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

var noUser = courier.Outcome{
	Result: courier.Bounced, Code: 550, Enhanced: "5.1.1", Line: "550 5.1.1 no such user \u00fcberall " + strings.Repeat("x", 900), Host: "mx.example.org", State: mail.StateUserUnknown,
}

// What a report says, field by field, on both engines.
func TestReport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s, nil)
		got := d.send(
			func(e *submit.Envelope, _ *submit.Message) { e.EnvID, e.Ret = "QQ+314 159", mail.RetHeaders },
			submit.Recipient{Email: "bob@example.org", Notify: mail.NotifyFailure, ORcpt: mail.ORcpt{Type: "rfc822", Address: "robert+x@example.org"}},
			submit.Recipient{Email: "jörg@bücher.example", Notify: mail.NotifyFailure},
		)
		d.outcome(0, noUser)
		d.round()
		list := d.notices()
		if len(list) != 1 || len(list[0].each) != 2 {
			t.Fatalf("%+v\n%s", list, d.log)
		}
		n := list[0]
		if v := n.header.Get("Auto-Submitted"); v != "auto-replied" {
			t.Errorf("Auto-Submitted: %q", v)
		}
		if v := n.header.Get("From"); !strings.Contains(v, "<postern@mail.example.net>") {
			t.Errorf("From: %q", v)
		}
		if v := n.header.Get("To"); v != returnPath {
			t.Errorf("To: %q", v)
		}
		if v := n.header.Get("Subject"); v != "Undeliverable: Minutes" {
			t.Errorf("Subject: %q", v)
		}
		for name, want := range map[string]string{"Reporting-Mta": "dns; mail.example.net", "Original-Envelope-Id": "QQ+314 159"} {
			if v := n.whole.Get(name); v != want {
				t.Errorf("%s: %q", name, v)
			}
		}
		if _, err := time.Parse(time.RFC1123Z, n.whole.Get("Arrival-Date")); err != nil {
			t.Error(err)
		}
		for i, want := range []map[string]string{
			{"Original-Recipient": "rfc822; robert+x@example.org", "Final-Recipient": "rfc822; bob@example.org"},
			{"Original-Recipient": "", "Final-Recipient": `utf-8; j\x{F6}rg@b\x{FC}cher.example`},
		} {
			want["Action"], want["Status"], want["Remote-Mta"] = "failed", "5.1.1", "dns; mx.example.org"
			for name, v := range want {
				if got := n.each[i].Get(name); got != v {
					t.Errorf("%s: %q, want %q", name, got, v)
				}
			}
			if v := n.each[i].Get("Diagnostic-Code"); !strings.HasPrefix(v, "smtp; 550 5.1.1 no such user ?berall xxx") {
				t.Errorf("Diagnostic-Code: %q", v)
			}
			if _, err := time.Parse(time.RFC1123Z, n.each[i].Get("Last-Attempt-Date")); err != nil {
				t.Error(err)
			}
		}
		if n.kind != "text/rfc822-headers" || !strings.Contains(n.returned, "Message-ID: <m1@example.com>") || strings.Contains(n.returned, "The body") {
			t.Errorf("%s: %q", n.kind, n.returned)
		}
		for _, want := range []string{"could not be delivered to these 2 recipients", "bob@example.org", "jörg@bücher.example", "no such user überall", "check the address"} {
			if !strings.Contains(strings.Join(strings.Fields(n.text), " "), want) {
				t.Errorf("the text has no %q:\n%s", want, n.text)
			}
		}
		sent, err := s.SentNotices(t.Context(), store.OfKey(d.p.AccountID, d.p.KeyID), got.Messages[0].ID)
		if err != nil || len(sent) != 1 || sent[0].Kind != store.NoticeFailed || sent[0].State != store.NoticeSent || sent[0].ID == 0 || sent[0].At.IsZero() {
			t.Errorf("%+v, %v", sent, err)
		}
		if sent, err = s.SentNotices(t.Context(), store.OfAccount(d.p.AccountID+1), got.Messages[0].ID); err != nil || len(sent) != 0 {
			t.Errorf("another account sees %+v, %v", sent, err)
		}
	})
}

// How much of the mail is returned (RFC 3461 §4.3, RFC 8689 §5).
func TestReturned(t *testing.T) {
	big := strings.Replace(source, "The body of it.", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 16<<10), 1)
	delivered := courier.Outcome{Result: courier.Delivered, Code: 250, Line: "250 OK"}
	for name, x := range map[string]struct {
		ret     mail.Ret
		tls     bool
		raw     string
		outcome courier.Outcome
		full    bool
	}{
		"FULL":                      {mail.RetFull, false, source, noUser, true},
		"HDRS":                      {mail.RetHeaders, false, source, noUser, false},
		"nothing said":              {0, false, source, noUser, false},
		"FULL of success":           {mail.RetFull, false, source, delivered, false},
		"FULL of a large mail":      {mail.RetFull, false, big, noUser, false},
		"FULL with REQUIRETLS":      {mail.RetFull, true, source, noUser, false},
		"FULL of what is 8 bit":     {mail.RetFull, false, strings.Replace(source, "\r\n\r\nThe", "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nÜ. The", 1), noUser, true},
		"a header that has no mark": {mail.RetHeaders, false, strings.Replace(source, "Minutes", "Größe", 1), noUser, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, storetest.New(t), nil)
			d.send(func(e *submit.Envelope, m *submit.Message) { e.Ret, e.RequireTLS, m.Raw = x.ret, x.tls, []byte(x.raw) },
				submit.Recipient{Email: "bob@example.org", Notify: mail.NotifyFailure | mail.NotifySuccess})
			d.outcome(0, x.outcome)
			d.round()
			list := d.notices()
			if len(list) != 1 {
				t.Fatalf("%d notices\n%s", len(list), d.log)
			}
			n, kind := list[0], "text/rfc822-headers"
			if x.full {
				kind = "message/rfc822"
			}
			if n.kind != kind || strings.Contains(n.returned, "body of it") != x.full || !strings.Contains(n.returned, "m1@example.com") {
				t.Errorf("%s: %.300q", n.kind, n.returned)
			}
		})
	}
}

// A return path is not flooded: what nobody asked for is dropped past a number in an hour, what was asked for waits.
func TestNobodyIsFlooded(t *testing.T) {
	for _, x := range []struct {
		notify mail.Notify
		limit  int
		next   int // notices of the next hour
	}{{0, dsn.MaxDefault, 0}, {mail.NotifyFailure, dsn.MaxAsked, 3}} {
		d := newDesk(t, storetest.New(t), nil)
		for i := range x.limit + 3 {
			d.send(nil, submit.Recipient{Email: fmt.Sprintf("r%d@example.org", i), Notify: x.notify})
		}
		d.outcome(0, noUser)
		now := time.Now()
		d.ahead.Store(int64(now.Truncate(time.Hour).Add(time.Hour).Sub(now))) // the beginning of an hour
		d.round()
		if s := d.Stats(); s.Sent[store.NoticeFailed] != int64(x.limit) || s.Dropped+s.Waited != 3 || (s.Waited == 3) != (x.notify != 0) {
			t.Errorf("%+v", s)
		}
		d.ahead.Add(int64(time.Hour))
		d.round()
		if s := d.Stats(); s.Sent[store.NoticeFailed] != int64(x.limit+x.next) {
			t.Errorf("an hour later: %+v", s)
		}
	}
}

// A crash before a notice's acceptance sends it later, one after it sends nothing twice: both are one transaction.
func TestACrashBetween(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s, nil)
		d.send(nil, submit.Recipient{Email: "bob@example.org"})
		d.outcome(0, noUser)
		if n, err := s.CountNoticesOfMail(t.Context()); err != nil || n != 1 {
			t.Fatalf("with the event: %d, %v", n, err)
		}
		for range 3 { // each is a process of its own
			again := dsn.New(d.Config)
			if err := again.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if list := d.notices(); len(list) != 1 {
			t.Errorf("%d notices", len(list))
		}
	})
}
