// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"strings"
	"testing"

	"postern/internal/store"
)

// mailFrom is a mail with these header lines for From and its kind.
func mailFrom(lines string) string {
	return lines + "\r\nTo: b@example.org\r\nSubject: x\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nx\r\n.\r\n"
}

// Who a mail says that it is from is checked in every field, and every way to write it (RFC 5322 §3.4, §3.6.2, §3.6.6).
func TestAuthorship(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct{ lines, want string }{
		{"From: app@example.com", "250 2.0.0"},
		{"From: app@example.com, ceo@bank.example", `550 5.7.1 "ceo@bank.example"`},
		{"From: app@example.com, ceo@bank.example\r\nSender: app@example.com", `550 5.7.1 "ceo@bank.example"`},
		{"From: team: app@example.com, ceo@bank.example;", `550 5.7.1 "ceo@bank.example"`},
		{"From: team: app@example.com, b@example.com;", "250 2.0.0"},
		{"From: app@example.com, b@example.com", "250 2.0.0"}, // RFC 6854 §1: a Sender beside them is not asked for
		{"From: app@example.com\r\nSender: ceo@bank.example", `550 5.7.1 "ceo@bank.example" in Sender`},
		{"From: app@example.com\r\nSender: The \"CEO\" <\"ceo\"@bank.example>", `550 5.7.1 "\"ceo\"@bank.example" in Sender`},
		{"From: app@example.com\r\nSender: b@example.com", "250 2.0.0"},
		{"From: app@example.com\r\nResent-From: ceo@bank.example", `550 5.7.1 "ceo@bank.example" in Resent-From`},
		{"Resent-From: b@example.com\r\nResent-From: ceo@bank.example\r\nFrom: app@example.com", `550 5.7.1 "ceo@bank.example" in Resent-From`},
		{"From: app@example.com\r\nResent-From: b@example.com\r\nResent-Sender: ceo@bank.example", `550 5.7.1 "ceo@bank.example" in Resent-Sender`},
		{"From: a@example.com <ceo@bank.example>", "554 5.6.0"},
		{"From: ceo@bank.example <a@example.com>", "554 5.6.0"},
		{"From: \"ceo@bank.example <x>\"@example.com", "554 5.6.0"},
		{"From: app@example.com\r\nFrom : ceo@bank.example", "554 5.6.0"},
		{"From: app@example.com\r\nSender: ceo", "554 5.6.0"},
		{"From: app@EXAMPLE.com, \"app\"@example.com", "250 2.0.0"},
		{"From: app@sub.example.com", `550 5.7.1 "app@sub.example.com"`},
	} {
		cl := w.login(t)
		cl.envelope()
		if answer := cl.data(c.want[:3], mailFrom(c.lines)); !strings.HasPrefix(answer, c.want) {
			t.Errorf("%q: %q, want %q", c.lines, answer, c.want)
		}
	}
}

// The name before an address is the sender's own business; the address in < > is what counts.
func TestDisplayNamesOfAuthors(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct{ from, want string }{
		{"=?windows-1252?Q?J=FCrgen?= <a@example.com>", "250"},
		{"=?iso-8859-15?Q?J=FCrgen?= <a@example.com>", "250"},
		{"=?gb2312?B?1tC5+g==?= <a@example.com>", "250"},
		{"=?koi8-r?B?8NLJ18XU?= <a@example.com>", "250"},
		{"=?x-unknown?Q?J=FCrgen?= <a@example.com>", "250"},
		{"=?utf-8?Q?J=C3?= <a@example.com>", "250"},
		{"a@example.com <a@example.com>", "250"},
		{"[Shop] Orders <a@example.com>", "250"},
		{"Dr. Foo (Bar) <a@example.com>", "250"},
		{"J\xfcrgen <a@example.com>", "250"},
		{"Jürgen <a@example.com>", "250"},
		{"\"a b\"@example.com", "250"},
		{"Shop, Orders <a@example.com>", "554 5.6.0 this is not a valid message: From: the display name needs quotation marks: it has a comma"},
		{"Shop: Orders <a@example.com>", "554 5.6.0 this is not a valid message: From: the display name needs quotation marks: it has a colon"},
		{"ceo@bank.example <a@example.com>", "554 5.6.0 this is not a valid message: From: the display name needs quotation marks: it has an @"},
	} {
		cl := w.login(t)
		cl.envelope()
		if answer := cl.data(c.want[:3], mailFrom("From: "+c.from)); !strings.HasPrefix(answer, c.want) {
			t.Errorf("%q: %q, want %q", c.from, answer, c.want)
		}
	}
}

func TestReturnPaths(t *testing.T) {
	w := start(t, nil)
	if _, err := w.Senders.AddSender(t.Context(), operator, store.OfAccount(w.key.AccountID), store.KeyFilter{ID: w.key.ID}, "me@freemail.example", ""); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"": "250", "me@freemail.example": "250", `"ME"@freemail.example`: "250", "any@example.com": "250", `"a b"@example.com`: "250", "x@bounces.example.com": "250",
		"stranger@freemail.example": "550 5.7.1 MAIL FROM:<stranger@freemail.example>", "me@bounces.freemail.example": "550 5.7.1", "postmaster@com": "550 5.7.1",
		"x@notexample.com": "550 5.7.1", "ceo@bank.example": "550 5.7.1",
	} {
		cl := w.login(t)
		cl.say("MAIL FROM:<"+from+">", "250")
		cl.say("RCPT TO:<b@example.org>", "250")
		if answer := cl.data(want[:3], mailFrom("From: me@freemail.example")); !strings.HasPrefix(answer, want) {
			t.Errorf("MAIL FROM:<%s>: %q, want %q", from, answer, want)
		}
	}
}

// A mailbox is one however it is written: it gets one mail, none when it is suppressed, and its quotes are kept.
func TestSpellingsOfRecipients(t *testing.T) {
	w := start(t, nil)
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddSuppressions(t.Context(), w.key, []store.Suppression{{Email: "sup@example.org", Reason: store.SuppressedUnsub}, {Email: "jörg@xn--bcher-kva.example", Reason: store.SuppressedUnsub}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cl := w.login(t)
	cl.say("MAIL FROM:<a@example.com> SMTPUTF8", "250")
	for _, to := range []string{
		`"sup"@example.org`, "sup@EXAMPLE.org", `"s\up"@example.org`, "@relay.example:sup@example.org",
		`"a b"@example.org`, `"a\ b"@example.org`, `"A B"@example.org`, "jo\u0308rg@bücher.example", `"jörg"@BÜCHER.example`,
	} {
		cl.say("RCPT TO:<"+to+">", "250")
	}
	cl.data("250", mailFrom("From: a@example.com"))
	got, err := w.store.Messages(t.Context(), store.OfKey(w.key.AccountID, w.key.ID), store.MessageFilter{}, store.Page{})
	is := map[string]store.Status{}
	for _, m := range got {
		is[m.Recipient] = m.Status
	}
	if err != nil || len(got) != 3 || is[`"sup"@example.org`] != store.StatusBlocked || is["jo\u0308rg@bücher.example"] != store.StatusBlocked || is[`"a b"@example.org`] == store.StatusBlocked {
		t.Errorf("%v, %v", is, err)
	}
	for _, typed := range []string{`"A\ B"@example.org`, `"a b"@EXAMPLE.org`} {
		if n, err := w.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{Recipient: typed}); err != nil || n != 1 {
			t.Errorf("looked for %s: %d, %v", typed, n, err)
		}
	}
}
