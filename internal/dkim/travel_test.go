// SPDX-License-Identifier: Apache-2.0

package dkim_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/ianaindex"

	"postern/internal/dkim"
	"postern/internal/mail"
)

const travelHead = "From: A <a@example.com>\r\nTo: b@example.net\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"

// oddMails are mails as clients hand them over.
func oddMails(t *testing.T) map[string]string {
	texts := map[string][]string{
		"Grüße aus Köln, schöne Straße": {"utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "iso-8859-2", "windows-1250", "iso-8859-9", "windows-1254"},
		"Привет, как дела":              {"utf-8", "koi8-r", "windows-1251", "iso-8859-5"},
		"日本語のテキスト":                      {"utf-8", "shift_jis", "euc-jp", "iso-2022-jp"},
		"中文电子邮件":                        {"utf-8", "gbk", "gb18030", "hz-gb-2312"},
		"中文電子郵件":                        {"big5"},
		"한국어 메일":                        {"euc-kr"},
		"καλημέρα κόσμε":                {"iso-8859-7", "windows-1253"},
		"שלום עולם":                     {"iso-8859-8", "windows-1255"},
	}
	odd := map[string]string{}
	for text, charsets := range texts {
		for _, charset := range charsets {
			e, err := ianaindex.MIME.Encoding(charset)
			if err != nil || e == nil {
				t.Fatalf("%s: %v", charset, err)
			}
			coded, err := e.NewEncoder().String(text)
			if err != nil {
				t.Fatalf("%s: %v", charset, err)
			}
			kind := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=" + charset + "\r\nContent-Transfer-Encoding: 8bit\r\n"
			odd[text+", 8bit, "+charset] = travelHead + "Subject: " + coded + "\r\n" + kind + "\r\n" + coded + " \t\r\n\r\n" + coded + "\r\n\r\n"
			odd[text+", a long line, "+charset] = travelHead + kind + "\r\n" + strings.Repeat(coded+" ", 120) + "\r\n"
			odd[text+", a part, "+charset] = travelHead + "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + kind + "\r\n" + coded +
				"\r\n--b\r\nContent-Type: text/html; charset=" + charset + "\r\n\r\n<p>" + coded + "\r\n--b--\r\n"
		}
	}
	long := strings.Repeat("x", 1500)
	mixed := func(parts ...string) string {
		return travelHead + "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n" + strings.Join(parts, "\r\n--=_b\r\n") + "\r\n--=_b--\r\n"
	}
	for name, raw := range map[string]string{
		"no body": travelHead, "an empty body": travelHead + "\r\n", "blank lines": travelHead + "\r\n\r\n\r\n\r\n", "blanks": travelHead + "Subject:  a   b \t\r\n\r\n \r\n\t\r\na  b \t \r\n \r\n",
		"no last line end": travelHead + "\r\nabc", "dots": travelHead + "\r\n.\r\n..\r\n.x\r\n", "From lines": travelHead + "\r\nFrom here\r\n>From there\r\n",
		"a header of a date alone": "From: a@example.com\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nx\r\n", "blanks before colons": travelHead + "Subject : x\r\nX-A\t: y\r\n\r\nx\r\n",
		"wide folding": travelHead + "Subject: a\r\n \r\n\tb\r\n\t \r\n\r\nx\r\n", "a long text": travelHead + "\r\n" + long + "\r\n", "a long HTML link": mixed("Content-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<a href=\"" + long + "\">"),
		"base64 on one line": mixed("Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("AAAA", 1000)), "long quoted-printable": mixed("Content-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.Repeat("=41", 1000)),
		"binary": mixed("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe\x01\x80" + long), "the label 8bit": mixed("Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nascii"),
		"the label 8BIT above": strings.Replace(mixed("\r\nx"), "MIME-Version", "Content-Transfer-Encoding: 8BIT\r\nMIME-Version", 1), "60 recipients": strings.Replace(travelHead, "To: ", "To: "+strings.Repeat("someone@example.net,", 60), 1) + "\r\nx\r\n",
		"a calendar": mixed("Content-Type: text/plain\r\n\r\nx", "Content-Type: text/calendar; method=REQUEST; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY:Besprechung für alle\r\nDESCRIPTION:"+long+"\r\nEND:VCALENDAR"),
		"AMP":        mixed("Content-Type: text/x-amp-html; charset=utf-8\r\n\r\n<!doctype html><html ⚡4email><script>" + long + "</script>"), "a message": mixed("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: Grüße\r\nBcc: x@example.org\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße " + long),
		"a digest": travelHead + "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: ü\r\n\r\nü\r\n--b\r\n\r\nSubject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n--b--\r\n",
		"PGP/MIME": travelHead + "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx \t\r\n-- \r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n--b--\r\n",
		"S/MIME":   travelHead + "MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n", "a preamble": strings.Replace(mixed("\r\nx"), "\r\n\r\n", "\r\n\r\nFür niemanden "+long+"\r\n", 1),
		"an epilogue": mixed("\r\nx") + "ü" + long, "a file name": mixed("Content-Type: application/pdf; name=\"Rechnung für Sie.pdf\"\r\nContent-Disposition: attachment; filename=\"Rechnung für Sie.pdf\"\r\n\r\n%PDF"), "two To": travelHead + "To: c@example.net\r\n\r\nx\r\n",
		"what must not leave": travelHead + "Bcc: x@example.org\r\nReturn-Path: <a@example.com>\r\nContent-Length: 3\r\nResent-Bcc: y@example.org\r\n\r\nx\r\n", "a raw name": strings.Replace(travelHead, "From: A", "From: J\xfcrgen", 1) + "\r\nx\r\n",
		"a message ID that is empty": strings.Replace(travelHead, "<1@example.com>", "", 1) + "\r\nx\r\n", "a list": travelHead + "List-Unsubscribe: <https://example.com/ü>\r\nList-Id: Über <x.example.com>\r\n\r\nx\r\n",
	} {
		odd[name] = raw
	}
	return odd
}

var (
	eightLabel = regexp.MustCompile(`(?im)^(Content-Transfer-Encoding:) *(8bit|binary)`)
	mustGo     = regexp.MustCompile(`(?im)^(Bcc|Resent-Bcc|Return-Path|Content-Length):.*\r\n([ \t].*\r\n)*`)
	beforeCol  = regexp.MustCompile(`(?m)^([!-9;-~]+)[ \t]+:`)
)

// behind is what a relay makes of a mail whose next hop takes neither 8 bits nor long lines, as Postfix does it: it cuts
// lines, converts what has 8 bits or says so, and takes fields out.
func behind(raw string) string {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	raw = beforeCol.ReplaceAllString(mustGo.ReplaceAllString(head+"\r\n", ""), "$1:") + "\r\n" + eightLabel.ReplaceAllString(body, "$1 7bit")
	raw = eightLabel.ReplaceAllString(raw, "$1 7bit")
	var out bytes.Buffer
	for line := range strings.SplitAfterSeq(raw, "\r\n") {
		text := strings.TrimSuffix(line, "\r\n")
		for ; len(text) > 998; text = text[998:] {
			out.WriteString(text[:998] + "\r\n ")
		}
		for i := range len(text) {
			if text[i] >= 0x80 {
				fmt.Fprintf(&out, "=%02X", text[i])
			} else {
				out.WriteByte(text[i])
			}
		}
		out.WriteString(line[len(strings.TrimSuffix(line, "\r\n")):])
	}
	return out.String()
}

// What is signed is what arrives.
func TestSignaturesTravel(t *testing.T) {
	lookup, record, _ := keys(t)
	s := dkim.NewSigner(lookup)
	odd := oddMails(t)
	if len(odd) < 100 {
		t.Fatalf("%d odd mails", len(odd))
	}
	changed := 0
	for name, raw := range odd {
		in, err := mail.ReadIncoming([]byte(raw), time.Unix(1e9, 0), func() string { return "new@example.com" })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		header, err := s.Sign(t.Context(), 0, 7, "example.com", in.Raw)
		if err != nil {
			t.Fatal(err)
		}
		sent := string(header) + string(in.Raw)
		got := behind(sent)
		if got != sent {
			t.Errorf("%s: it arrives as another:\n%.600q\n%.600q", name, sent, got)
		}
		if err := verify(t, record, got); err != nil {
			t.Errorf("%s: %v\n%.600q", name, err, got)
		}
		if header, err = s.Sign(t.Context(), 0, 7, "example.com", []byte(raw)); err != nil || verify(t, record, behind(string(header)+raw)) != nil {
			changed++
		}
	}
	if changed < 60 {
		t.Errorf("as they came, only %d of %d would have lost their signature: the relay does too little", changed, len(odd))
	}
}
