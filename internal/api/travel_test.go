// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"strings"
	"testing"

	"postern/internal/mail"
	"postern/internal/store"
)

// Each header is written by its own grammar: none but a text is encoded as a whole (RFC 2047 §5).
func TestHeadersKeepTheirGrammar(t *testing.T) {
	w := newWorld(t)
	long := "https://example.com/" + strings.Repeat("x", 930)
	for _, c := range []struct{ name, value, want string }{
		{"List-Unsubscribe", "<https://example.com/u?name=Jürgen>", "<https://example.com/u?name=J%C3%BCrgen>"},
		{"List-Unsubscribe", "<" + long + ">", "<" + long + ">"},
		{"List-Unsubscribe", "<" + long + ">,<mailto:u@example.com>", "<" + long + ">,\r\n <mailto:u@example.com>"},
		{"list-unsubscribe", "<https://example.com/u> ", "<https://example.com/u>"},
		{"List-Unsubscribe", "  https://müller.example/ä b", "<https://xn--mller-kva.example/%C3%A4b>"},
		{"List-Help", "<mailto:hilfe@example.com?subject=Über uns> (für alle)", "<mailto:hilfe@example.com?subject=%C3%9Cberuns>"},
		{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click ", "List-Unsubscribe=One-Click"},
		{"List-Post", "NO", "NO"},
		{"References", "<a@example.com> <b@example.com>", "<a@example.com> <b@example.com>"},
		{"In-Reply-To", "a@example.com", "<a@example.com>"},
		{"Disposition-Notification-To", "Jürgen <a@example.com>", "=?utf-8?b?SsO8cmdlbg==?= <a@example.com>"},
		{"Keywords", "eins, zwölf", "eins, =?utf-8?b?enfDtmxm?="},
		{"Auto-Submitted", "auto-generated ", "auto-generated"},
		{"Feedback-ID", "campaign:customer:type:sender", "campaign:customer:type:sender"},
		{"X-Text", "Grüße ", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="},
		{"X-Long", strings.Repeat("x", 980), strings.Repeat("x", 980)},
		{"Precedence", "", ""},
	} {
		var got results
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"Headers": obj{c.name: c.value}}))).decode(t, &got)
		raw, err := w.store.Source(t.Context(), store.OfOperator(), got.Messages[0].To[0].MessageID)
		if err != nil {
			t.Fatal(err)
		}
		want := "\r\n" + c.name + ": " + c.want
		if has := strings.Contains(string(raw), want); has != (c.want != "") {
			t.Errorf("%s: %.100q: want %.200q in\n%.1500s", c.name, c.value, want, raw)
		}
		if fit, utf8, err := mail.Fit(raw); err != nil || utf8 || string(fit) != string(raw) {
			t.Errorf("%s: %.100q: the mail is not fit to travel: %v", c.name, c.value, err)
		}
	}
}

// What a header cannot say is refused with its name.
func TestHeadersAgainstTheirGrammar(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ name, value, want string }{
		{"List-Unsubscribe", "<https://example.com/" + strings.Repeat("x", 1000) + ">", "has 1022 bytes"},
		{"List-Unsubscribe", "click here", "is not a URL"},
		{"List-Unsubscribe", "<https://example.com/u", "not closed"},
		{"List-Unsubscribe", "here: <https://example.com/u>", "has to be URLs in"},
		{"List-Unsubscribe-Post", "yes", "List-Unsubscribe=One-Click"},
		{"List-Owner", "<owner@example.com>", "is not a URL"},
		{"References", "the mail of yesterday <ü>", "is not a message ID"},
		{"Disposition-Notification-To", "Jürgen", "Disposition-Notification-To"},
		{"X-Priority", "höchste", "not ASCII"},
		{"Feedback-ID", "müller", "not ASCII"},
		{"Content-Length", "7", "not passed on"},
	} {
		got := w.mustDo(t, w.master.Issued, 400, "POST", "/v3.1/send", call(with(obj{"Headers": obj{c.name: c.value}})))
		if body := got.body; !strings.Contains(body, c.want) || !strings.Contains(body, `Headers[\"`+c.name+`\"]`) || !strings.Contains(body, "mj-0005") {
			t.Errorf("%s: %.60q: %s", c.name, c.value, body)
		}
	}
}
