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
