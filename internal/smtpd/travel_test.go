// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"strings"
	"testing"

	"postern/internal/mail"
	"postern/internal/store"
)

// source is the source of the one message that is kept.
func (w *world) source(t testing.TB) string {
	t.Helper()
	list, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{Limit: 10})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d messages, %v", len(list), err)
	}
	raw, err := w.store.Source(t.Context(), store.OfOperator(), list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What a client hands over is kept as it can travel, and signed so.
func TestMailIsMadeFitToTravel(t *testing.T) {
	const head = "From: a@example.com\r\nSubject: x\r\n"
	link := "<a href=\"https://example.com/" + strings.Repeat("x", 1250) + "\">"
	for name, c := range map[string]struct{ text, want, not string }{
		"a link of 1,250 bytes in HTML": {head + "MIME-Version: 1.0\r\nContent-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + link + "\r\n", "Content-Transfer-Encoding: quoted-printable\r\n", link},
		"a long line of text":           {head + "\r\n" + strings.Repeat("word ", 300) + "\r\n", "Content-Transfer-Encoding: quoted-printable\r\n", strings.Repeat("word ", 100)},
		"a long line in a part":         {head + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/json\r\n\r\n[" + strings.Repeat("1,", 600) + "1]\r\n--b--\r\n", "Content-Transfer-Encoding: quoted-printable\r\n", strings.Repeat("1,", 300)},
		"8 bits":                        {head + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße an alle, die das lesen\r\n", "Gr=C3=BC=C3=9Fe", "ü"},
		"a raw name and subject":        {"From: J\xfcrgen <a@example.com>\r\nSubject: Grüße\r\n\r\nx\r\n", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", "\xfc"},
		"60 recipients on a line":       {head + "To: " + strings.Repeat("someone.somewhere@example.net,", 59) + "b@example.net\r\n\r\nx\r\n", "\r\n someone.somewhere@example.net", ""},
		"60 with blanks and names":      {head + "Cc: " + strings.Repeat("\"One, Some\" <someone@example.net>, ", 59) + "b@example.net\r\n\r\nx\r\n", "@example.net>,\r\n \"One,", ""},
		"long references":               {head + "References: " + strings.Repeat("<1234567890.1234567890@example.net>", 59) + "\r\n\r\nx\r\n", "@example.net>\r\n <", ""},
		"Resent-Bcc":                    {head + "Resent-From: a@example.com\r\nResent-Bcc: secret@example.org,\r\n more@example.org\r\n\r\nx\r\n", "Resent-From: a@example.com\r\nDate:", "@example.org"},
		"Return-Path":                   {head + "Return-Path: <x@example.org>\r\nreturn-path : <y@example.org>\r\n\r\nx\r\n", "", "@example.org"},
		"Content-Length":                {head + "CONTENT-LENGTH: 7\r\nBcc: secret@example.org\r\nX-Mozilla-Status: 1\r\n\r\nx\r\n", "Subject: x\r\nDate:", "ONTENT"},
		"an empty Date and Message-ID":  {head + "Date:\r\nMessage-ID: <>\r\nMessage-Id:\r\n\r\nx\r\n", "@mail.postern.example>\r\n\r\nx", "<>"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, nil)
			client := w.login(t)
			client.envelope()
			client.data("250", c.text+".\r\n")
			got := w.source(t)
			if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("want %q, and not %.100q, in\n%s", c.want, c.not, got)
			}
			fit, utf8, err := mail.Fit([]byte(got))
			if err != nil || utf8 || string(fit) != got {
				t.Errorf("it is not fit to travel: %v", err)
			}
			for _, once := range []string{"\r\nDate: ", "\r\nMessage-ID: "} {
				if n := strings.Count(got, once); n != 1 {
					t.Errorf("%q stands %d times", once, n)
				}
			}
		})
	}
}

// What cannot travel is refused in words that say which part or header it is.
func TestMailThatCannotTravelIsRefused(t *testing.T) {
	const head = "From: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
	w := start(t, nil)
	for name, c := range map[string]struct{ text, want string }{
		"a long line that is signed": {head + "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat("x", 1200) + "\r\n--b\r\n\r\ns\r\n--b--\r\n", "the body (multipart/signed): has a line of more than 998 bytes, and what is signed"},
		"8 bits that are encrypted":  {head + "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\nü\r\n--b--\r\n", "the body (multipart/encrypted): has 8-bit bytes"},
		"S/MIME in binary":           {head + "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe\r\n", "application/pkcs7-mime"},
		"a header of one word":       {head + "X-Long: " + strings.Repeat("x", 1200) + "\r\n\r\nx\r\n", "X-Long: a line has more than 998 bytes"},
		"two subjects":               {head + "Subject: y\r\n\r\nx\r\n", "Subject: there is more than one"},
		"a broken Date":              {head + "Date: Mo, 3 Mär 2026 10:00:00 +0100\r\n\r\nx\r\n", "Date: is not a date"},
	} {
		t.Run(name, func(t *testing.T) {
			client := w.login(t)
			client.envelope()
			if got := client.data("554 5.6", c.text+".\r\n"); !strings.Contains(strings.ReplaceAll(got, "\r\n554-5.6.0 ", " "), c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if n := w.count(t); n != 0 {
		t.Errorf("%d messages are kept", n)
	}
}
