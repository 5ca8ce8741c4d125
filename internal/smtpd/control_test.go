// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"strings"
	"testing"

	"postern/internal/mail"
	"postern/internal/store"
)

// A mail with an idempotency key is kept once, however often it is handed over, and the header does not leave.
func TestIdempotencyKey(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	text := func(key, date, body string) string {
		return "Postern-Idempotency-Key: " + key + "\r\nDate: " + date + "\r\nFrom: a@example.com\r\nTo: b@example.net\r\nSubject: once\r\n\r\n" + body + "\r\n.\r\n"
	}
	hand := func(want, text string) string {
		t.Helper()
		c.envelope()
		return c.data(want, text)
	}
	first := hand("250 2.0.0", text("order-7", "Tue, 24 Nov 2026 10:00:00 +0000", "x"))
	// Tried again, a client dates its mail anew.
	if again := hand("250 2.0.0", text("order-7", "Tue, 24 Nov 2026 10:05:00 +0000", "x")); again != first {
		t.Errorf("the repeat got %q, the first %q", again, first)
	}
	hand("554 5.6.0", text("order-7", "Tue, 24 Nov 2026 10:05:00 +0000", "another"))
	hand("554 5.6.0 Postern-Idempotency-Key", text("two words", "Tue, 24 Nov 2026 10:05:00 +0000", "x"))
	if other := hand("250 2.0.0", text("order-8", "Tue, 24 Nov 2026 10:05:00 +0000", "x")); other == first {
		t.Errorf("another key got the first's answer %q", other)
	}
	got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
	if err != nil || len(got) != 2 {
		t.Fatalf("%d messages were kept, %v; want 2", len(got), err)
	}
	for _, m := range got {
		raw, err := w.store.Source(t.Context(), store.OfOperator(), m.ID)
		if err != nil || strings.Contains(strings.ToLower(string(raw)), "idempotency") {
			t.Errorf("%v, the mail goes out with its key:\n%s", err, raw)
		}
	}
	if !strings.HasSuffix(strings.TrimSpace(first), got[0].UUID.String()) && !strings.HasSuffix(strings.TrimSpace(first), got[1].UUID.String()) {
		t.Errorf("the answer %q does not end with the UUID", first)
	}
}

// A relaying server hands a mail with many recipients over in several transactions: each is kept, and each once.
func TestIdempotencyKeyOfAMailInParts(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	hand := func(to ...string) string {
		t.Helper()
		c.say("MAIL FROM:<a@example.com>", "250")
		for _, x := range to {
			c.say("RCPT TO:<"+x+">", "250")
		}
		return c.data("250 2.0.0", "Postern-Idempotency-Key: order-7\r\nFrom: a@example.com\r\nSubject: once\r\n\r\nx\r\n.\r\n")
	}
	one := hand("a@example.net", "b@example.net")
	two := hand("c@example.net", "d@example.net")
	if one == two {
		t.Errorf("both parts are answered %q", one)
	}
	if again := hand("b@example.net", "A@example.NET"); again != one {
		t.Errorf("the first part again is answered %q, at first %q", again, one)
	}
	if again := hand("c@example.net", "d@example.net"); again != two {
		t.Errorf("the second part again is answered %q, at first %q", again, two)
	}
	if n := w.count(t); n != 4 {
		t.Errorf("%d messages are kept, want 4", n)
	}
}

func TestSecondMailOfACampaign(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	for range 2 {
		c.envelope()
		c.data("250 2.0.0", "X-Mailjet-Campaign: spring\r\nX-Mailjet-DeduplicateCampaign: yes\r\nFrom: a@example.com\r\n\r\nx\r\n.\r\n")
	}
	got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
	if err != nil || len(got) != 2 {
		t.Fatal(len(got), err)
	}
	if got[0].Status != store.StatusQueued || got[1].Status != store.StatusBlocked || got[1].StateID != int(mail.StateDuplicateInCampaign) || got[0].Campaign != "spring" {
		t.Errorf("%v and %v", got[0].Status, got[1].Status)
	}
}

// Every control header is read, obeyed and taken out.
func TestControlHeaders(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	c.envelope()
	c.data("250 2.0.0", "From: a@example.com\r\nSubject: s\r\nContent-Type: text/html\r\nX-MJ-CustomID: =?utf-8?q?order_=C3=A4?=\r\nX-MJ-EventPayload: {\"a\":\r\n 1}\r\nX-Mailjet-Campaign: spring\r\n"+
		"X-Mailjet-DeduplicateCampaign: 1\r\nX-Mailjet-TrackOpen: 1\r\nX-Mailjet-TrackClick: 0\r\nX-Mailjet-Prio: 3\r\nX-MJ-TemplateLanguage: True\r\nX-MJ-Vars: {\"x\": null}\r\n"+
		"X-MJ-TemplateErrorReporting: x@example.com\r\nX-MJ-TemplateErrorDeliver: deliver\r\nX-MJ-MonitoringCategory: m\r\nX-Order: 7\r\n\r\n{{var:x}}\r\n.\r\n")
	got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
	if err != nil || len(got) != 1 {
		t.Fatal(len(got), err)
	}
	m := got[0]
	if m.CustomID != "order ä" || m.EventPayload != `{"a": 1}` || m.Campaign != "spring" || m.TrackOpens != store.TrackOn || m.TrackClicks != store.TrackOff {
		t.Errorf("%+v", m)
	}
	raw, err := w.store.Source(t.Context(), store.OfOperator(), m.ID)
	if err != nil || strings.Contains(string(raw), "X-M") || !strings.Contains(string(raw), "X-Order: 7\r\n") || !strings.Contains(string(raw), "{{var:x}}") {
		t.Errorf("%v\n%s", err, raw)
	}
	// Other spellings.
	c.envelope()
	c.data("250 2.0.0", "From: a@example.com\r\nX-Mailjet-Prio: 0\r\nX-Mailjet-TrackOpen: enabled\r\nX-Mailjet-TrackClick: account_default\r\nX-Mailjet-DeduplicateCampaign: no\r\n\r\nx\r\n.\r\n")
}

func TestWrongControlHeaders(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	for header, words := range map[string]string{
		"X-Mailjet-Prio: 4":                                        `X-Mailjet-Prio: "4" is none of 0, 1, 2 and 3`,
		"X-Mailjet-Prio: high":                                     `X-Mailjet-Prio: "high"`,
		"X-Mailjet-TrackOpen: perhaps":                             `X-Mailjet-TrackOpen: "perhaps" is none of 0 and 1`,
		"X-Mailjet-TrackClick: 7":                                  `X-Mailjet-TrackClick: "7"`,
		"X-Mailjet-DeduplicateCampaign: y":                         "X-Mailjet-DeduplicateCampaign needs X-Mailjet-Campaign",
		"X-Mailjet-DeduplicateCampaign: perhaps":                   `X-Mailjet-DeduplicateCampaign: "perhaps"`,
		"X-Mailjet-Campaign: " + strings.Repeat("x", 256):          "X-Mailjet-Campaign: 256 characters; 255 are allowed",
		"X-MJ-CustomID: " + strings.Repeat("x", 256):               "X-MJ-CustomID: 256",
		"X-MJ-TemplateID: 7":                                       "X-MJ-TemplateID: template \"7\" doesn't exist",
		"Postern-Idempotency-Key:":                                 "Postern-Idempotency-Key: an idempotency key has 1 to 255",
		"Postern-Idempotency-Key: " + strings.Repeat("k", 256):     "Postern-Idempotency-Key: an idempotency key has 1 to 255",
		"Postern-Idempotency-Key: ä":                               "Postern-Idempotency-Key: an idempotency key has visible ASCII",
		"Postern-Idempotency-Key: a\r\nPOSTERN-idempotency-key: b": "Postern-Idempotency-Key: there is more than one",
	} {
		c.envelope()
		c.data("554 5.6.0 "+words, "From: a@example.com\r\n"+header+"\r\n\r\nx\r\n.\r\n")
	}
	if n := w.count(t); n != 0 {
		t.Errorf("%d messages were kept", n)
	}
}
