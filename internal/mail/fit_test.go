// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"postern/internal/mail"
)

const plainHead = "From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"

var longLine = "<a href=\"https://example.com/" + strings.Repeat("long-", 250) + "\">x</a>"

// contents takes a message apart with the standard library: what each part that is no multipart is once it is decoded,
// after its media type.
func contents(t testing.TB, raw []byte) []string {
	t.Helper()
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	h := textproto.MIMEHeader{}
	name := ""
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') {
			if v := h[name]; len(v) > 0 {
				v[len(v)-1] += " " + strings.TrimSpace(line)
			}
			continue
		}
		n, v, _ := strings.Cut(line, ":")
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(n))
		h[name] = append(h[name], strings.TrimSpace(v))
	}
	return content(t, h, body)
}

const undecodable = "this part cannot be decoded"

func content(t testing.TB, h textproto.MIMEHeader, body []byte) []string {
	t.Helper()
	kind, params, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind == "" {
		kind = "text/plain"
	}
	switch {
	case strings.HasPrefix(kind, "multipart/") && params["boundary"] != "":
		var out []string
		r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err != nil {
				return out
			}
			b, _ := io.ReadAll(p)
			out = append(out, content(t, p.Header, b)...)
		}
	case kind == "message/rfc822":
		return append([]string{"message/rfc822"}, contents(t, body)...)
	}
	var r io.Reader = bytes.NewReader(body)
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return []string{undecodable}
	}
	return []string{kind + ": " + string(b)}
}

// checkFit wants what is right of every message that was made fit.
func checkFit(t testing.TB, fit []byte, utf8 bool) {
	t.Helper()
	for line := range bytes.SplitSeq(fit, []byte("\r\n")) {
		if len(line) > 998 {
			t.Fatalf("a line of %d bytes: %.80q…", len(line), line)
		}
		if bytes.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("a bare CR or LF, or a NUL: %q", line)
		}
	}
	if i := bytes.IndexFunc(fit, func(r rune) bool { return r >= 0x80 }); i >= 0 && !utf8 {
		t.Fatalf("an 8-bit byte: %q", fit[max(0, i-40):min(len(fit), i+40)])
	}
	again, utf8Again, err := mail.Fit(fit)
	if err != nil || !bytes.Equal(again, fit) || utf8Again != utf8 {
		t.Fatalf("made fit twice it differs: %v, %v and %v\n%q\n%q", err, utf8, utf8Again, fit, again)
	}
}

func fitted(t testing.TB, raw string) string {
	t.Helper()
	fit, utf8, err := mail.Fit([]byte(raw))
	if err != nil {
		t.Fatalf("%v\n%.500q", err, raw)
	}
	checkFit(t, fit, utf8)
	return string(fit)
}

// What can travel stays byte for byte.
func TestFitLeavesWhatIsFit(t *testing.T) {
	for name, raw := range map[string]string{
		"plain":         plainHead + "\r\nhello\r\n.\r\n trailing \t\r\n\r\n\r\n",
		"a full line":   plainHead + "\r\n" + strings.Repeat("x", 998) + "\r\n" + strings.Repeat("y", 998) + "\r\n",
		"labels":        plainHead + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nx\r\n",
		"quoted":        plainHead + "MIME-Version: 1.0\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n=C3=BC=\r\n x\r\n",
		"broken MIME":   plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\nno part at all\r\n",
		"a broken part": plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno header\r\n--b--\r\n",
		"unknown":       plainHead + "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n#86)C\r\nend\r\n",
		"words":         plainHead + "X-A: =?windows-1252?Q?J=FCrgen?= =?utf-8?q?=C3=BC?=\r\n\r\nx\r\n",
		"odd folding":   plainHead + "X-A: a\r\n\t b\r\n  c\r\n\r\nx\r\n",
		"signed":        plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx \r\n--b\r\n\r\ny\r\n--b--\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := fitted(t, raw); got != raw {
				t.Errorf("%q\nbecame\n%q", raw, got)
			}
		})
	}
}

// Whatever is encoded is the same once it is decoded, and says how it is encoded.
func TestFitEncodesBodies(t *testing.T) {
	alternative := func(html string) string {
		return plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\ntext\r\n--=_b\r\n" + html + "\r\n--=_b--\r\n"
	}
	for name, c := range map[string]struct {
		raw  string
		want []string // parts of it
	}{
		"a long line of HTML, 7bit":      {alternative("Content-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<p>\r\n" + longLine), []string{"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>\r\n<a href=3D"}},
		"a long line without a label":    {alternative("Content-Type: text/html\r\n\r\n" + longLine), []string{"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"}},
		"a long line of no MIME":         {plainHead + "\r\n" + longLine + "\r\n", []string{"\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"}},
		"999 bytes":                      {plainHead + "\r\n" + strings.Repeat("x", 999) + "\r\n", []string{"quoted-printable"}},
		"999 bytes and no end":           {plainHead + "\r\n" + strings.Repeat("x", 999), []string{"quoted-printable"}},
		"8bit":                           {alternative("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße an alle, die das hier lesen"), []string{"Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe an"}},
		"8bit with the label 7bit":       {alternative("Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: 7bit\r\n\r\nGr\xfc\xdfe an alle, die das hier lesen"), []string{"charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe an"}},
		"much of 8 bits":                 {alternative("Content-Type: text/html; charset=utf-8\r\n\r\n你好，世界"), []string{"Content-Transfer-Encoding: base64\r\n\r\n5L2g"}},
		"UTF-8 that says nothing":        {plainHead + "\r\nGrüße an alle, die das hier lesen\r\n", []string{"\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"}},
		"Latin-1 that says nothing":      {plainHead + "\r\nGr\xfc\xdfe an alle, die das hier lesen\r\n", []string{"\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC"}},
		"UTF-8 without its charset":      {plainHead + "Content-Type: text/html; format=flowed;\r\n\r\nGrüße an alle, die das hier lesen\r\n", []string{"Content-Type: text/html; format=flowed;\r\n charset=utf-8\r\n"}},
		"the label 8bit of ASCII":        {plainHead + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n", []string{"Content-Transfer-Encoding: 7bit\r\n\r\nx\r\n"}},
		"the label binary of a part":     {alternative("Content-Type: text/html\r\nContent-Transfer-Encoding: binary\r\n\r\n<p>"), []string{"Content-Transfer-Encoding: 7bit\r\n\r\n<p>\r\n"}},
		"a label of a multipart":         {plainHead + "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8BIT\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nü ist ein Buchstabe\r\n--b--\r\n", []string{"\r\nContent-Transfer-Encoding: 7bit\r\nContent-Type: multipart", "--b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n=C3=BC ist"}},
		"a label of nobody's":            {plainHead + "Content-Transfer-Encoding: utf-8\r\n\r\nGrüße an alle, die das hier lesen\r\n", []string{"Content-Transfer-Encoding: quoted-printable\r\n"}},
		"an attachment":                  {alternative("Content-Type: application/json; name=a.json\r\n\r\n{" + strings.Repeat("\"a\":1,", 300) + "}"), []string{"quoted-printable"}},
		"an attachment of 8 bits":        {alternative("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x01\xff\xfe\xfd\x80\x90 \xa0\r\n\xff"), []string{"Content-Transfer-Encoding: base64\r\n\r\nAf/+"}},
		"base64 on one line":             {alternative("Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(longLine))), []string{"Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(longLine))[:76] + "\r\n"}},
		"quoted-printable on one line":   {alternative("Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.Repeat("=C3=BC", 300) + "=\r\nx"), []string{"=C3=BC=C3=BC=\r\n=C3=BC"}},
		"quoted-printable with 8 bits":   {alternative("Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db ü =\r\nx"), []string{"a=3Db =C3=BC =\r\nx"}},
		"a message in the message":       {plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: Grüße\r\nTo: " + strings.Repeat("b@example.net, ", 80) + "c@example.net\r\nBcc: d@example.net\r\n\r\nGrüße an alle, die das hier lesen\r\n--b--\r\n", []string{"message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nTo: b@example.net,", "\r\nBcc: d@example.net\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr=C3"}},
		"a digest":                       {plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: Grüße\r\n\r\nx\r\n--b--\r\n", []string{"--b\r\n\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nx"}},
		"an unquoted boundary":           {plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=----=_Part:1\r\n\r\n------=_Part:1\r\n\r\nüber die Teile hinweg\r\n------=_Part:1--\r\n", []string{"quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n=C3=BCber die Teile hinweg\r\n------=_Part:1--"}},
		"a preamble and an epilogue":     {plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nDies ist für niemanden.\r\n--b\r\n\r\nx\r\n--b--\r\nDas hier ü.\r\n", []string{"boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"}},
		"a file name of 8 bits":          {alternative("Content-Type: text/html; name=\"für.html\"\r\nContent-Disposition: attachment; filename=\"f\xfcr \\\"Sie\\\".html\"; size=\"3\"\r\n\r\nx"), []string{"Content-Type: text/html; name*=utf-8''f%C3%BCr.html\r\nContent-Disposition: attachment; filename*=utf-8''f%C3%BCr%20%22Sie%22.html;\r\n size=\"3\"\r\n"}},
		"a calendar":                     {alternative("Content-Type: text/calendar; method=REQUEST; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY:Müller\r\nEND:VCALENDAR"), []string{"quoted-printable\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY:M=C3=BCller"}},
		"a line that becomes a boundary": {plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat("x", 75) + "--b" + strings.Repeat(" ", 74) + strings.Repeat("y", 999) + "\r\n--b--\r\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := fitted(t, c.raw)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in\n%q", want, got)
				}
			}
			before, after := contents(t, []byte(c.raw)), contents(t, []byte(got))
			if !strings.HasSuffix(c.raw, "\r\n") { // it is completed
				before = contents(t, []byte(c.raw+"\r\n"))
			}
			if !slices.Equal(before, after) && name != "a digest" && name != "an unquoted boundary" { // which the standard library cannot read
				t.Errorf("once decoded it differs:\n%q\n%q", before, after)
			}
		})
	}
}

func TestFitHeaders(t *testing.T) {
	sixty := strings.Repeat("someone.somewhere@example.net,", 60)
	for name, c := range map[string]struct{ field, want string }{
		"60 addresses":                 {"To: " + sixty + "z@example.net", "To: someone.somewhere@example.net,someone.somewhere@example.net,\r\n someone.somewhere@example.net,"},
		"with blanks":                  {"Cc: " + strings.ReplaceAll(sixty, ",", ", ") + "z@example.net", "Cc: someone.somewhere@example.net, someone.somewhere@example.net,\r\n someone"},
		"a comma in a name":            {"To: " + strings.Repeat("\"a,b\" <a@example.net>,", 60) + "z@example.net", "To: \"a,b\" <a@example.net>,\"a,b\" <a@example.net>,\"a,b\" <a@example.net>,\"a,b\"\r\n <a@"},
		"references":                   {"References: " + strings.Repeat("<12345678901234567890@example.com>", 40), "References: <12345678901234567890@example.com>\r\n <12345678901234567890@example.com><1"},
		"a text":                       {"X-Text: " + strings.Repeat("word ", 300) + "end", "X-Text: word word"},
		"a word for a line":            {"X-Word: " + strings.Repeat("w", 995), "X-Word:\r\n " + strings.Repeat("w", 995) + "\r\n"},
		"a raw subject":                {"Subject: Grüße aus Köln an alle", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus =?utf-8?q?K=C3=B6ln?= an alle\r\n"},
		"two raw words":                {"Subject: über über", "Subject: =?utf-8?q?=C3=BCber_=C3=BCber?=\r\n"},
		"two raw words and two blanks": {"X-A: über  über", "X-A: =?utf-8?q?=C3=BCber__=C3=BCber?=\r\n"},
		"beside an encoded word":       {"Subject: =?utf-8?q?=C3=BC?= ü =?utf-8?q?=C3=BC?=", "Subject: =?utf-8?q?=C3=BC?= =?utf-8?q?_=C3=BC_?= =?utf-8?q?=C3=BC?=\r\n"},
		"a raw subject in Latin-1":     {"Subject: Gr\xfc\xdfe", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"},
		"a subject in the body's":      {"Content-Type: text/plain; charset=koi8-r\r\nSubject: \xf0\xf2\xe9", "Subject: =?utf-8?q?=D0=9F=D0=A0=D0=98?=\r\n"},
		"a name":                       {"Reply-To: Jürgen Müller <j@example.com>, b@example.com", "Reply-To: =?utf-8?b?SsO8cmdlbiBNw7xsbGVy?= <j@example.com>, b@example.com\r\n"},
		"a quoted name":                {"To: \"Müller, \\\"J\\\"\" <j@example.com>", "To: =?utf-8?b?TcO8bGxlciwgIkoi?= <j@example.com>\r\n"},
		"a name in Latin-1":            {"To: J\xfcrgen <j@example.com>", "To: =?utf-8?b?SsO8cmdlbg==?= <j@example.com>\r\n"},
		"a group":                      {"To: Große Gruppe: a@example.com, \"ö\" <b@example.com>;", "To: =?utf-8?b?R3Jvw59lIEdydXBwZQ==?=: a@example.com, =?utf-8?b?w7Y=?=\r\n <b@example.com>;\r\n"},
		"a comment":                    {"To: j@example.com (Jürgen)", "To: j@example.com (=?utf-8?b?SsO8cmdlbg==?=)\r\n"},
		"a domain":                     {"To: <j@müller.example>, j@müller.example", "To: <j@xn--mller-kva.example>, j@xn--mller-kva.example\r\n"},
		"a URL":                        {"List-Unsubscribe: <https://example.com/u?name=Jürgen>, <mailto:u@example.com>", "List-Unsubscribe: <https://example.com/u?name=J%C3%BCrgen>,\r\n <mailto:u@example.com>\r\n"},
		"keywords":                     {"Keywords: eins, zwölf", "Keywords: eins, =?utf-8?b?enfDtmxm?=\r\n"},
		"a trace":                      {"Received: from müller by x; Mon, 1 Jan 2024 00:00:00 +0000", "Received: from m?ller by x;"},
		"a blank before the colon":     {"X-A : b", "X-A: b\r\n"},
		"Content-Disposition":          {"Content-Disposition: inline; filename=ü.txt", "Content-Disposition: inline; filename*=utf-8''%C3%BC.txt\r\n"},
		"a long file name of 8 bits":   {"Content-Disposition: inline; filename=" + strings.Repeat("ü", 400) + ".txt", "Content-Disposition: inline;\r\n filename*0*=utf-8''%C3%BC"},
		"a Subject that stands twice":  {"X-A: 1\r\nMIME-Version: 1.0\r\nmime-version: 1.0\r\nX-A: 1", "X-A: 1\r\nMIME-Version: 1.0\r\nX-A: 1\r\n\r\n"},
		"a To that stands twice":       {"Cc: a@example.com,\r\n b@example.com\r\nX-A: 1\r\nCC: c@example.com", "Cc: a@example.com,\r\n b@example.com,\r\n c@example.com\r\nX-A: 1\r\n\r\n"},
		"headers that must not leave":  {"Bcc: x@example.org\r\nResent-Bcc: x@example.org,\r\n y@example.org\r\nReturn-Path: <x@example.org>\r\nContent-Length: 7\r\nX-Mozilla-Status: 0001\r\nstatus: RO\r\nPostern-X: 1\r\nX-A: b", "<1@example.com>\r\nX-A: b\r\n\r\n"},
		"headers that say nothing":     {"Cc:\r\nReply-To: \r\nX-A:", "<1@example.com>\r\nX-A:\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			head := plainHead
			for _, name := range []string{"Subject", "To"} {
				if strings.HasPrefix(c.field, name+":") || strings.Contains(c.field, "\n"+name+":") {
					head = strings.NewReplacer("To: b@example.net\r\n", "", "Subject: x\r\n", "").Replace(head)
				}
			}
			if got := fitted(t, head+c.field+"\r\n\r\nbody\r\n"); !strings.Contains(got, c.want) {
				t.Errorf("%q is missing in\n%q", c.want, got)
			}
		})
	}
}

// A local part has no other form than UTF-8.
func TestFitSaysWhatNeedsUTF8(t *testing.T) {
	for field, want := range map[string]bool{
		"To: jürgen@example.com": true, "To: Jürgen <j@example.com>, <jürgen@müller.example>": true, "Reply-To: x (a) <jürgen@example.com>": true, "In-Reply-To: <ü@example.com>": true,
		"To: Jürgen <j@müller.example>": false, "Subject: jürgen@example.com": false, "Cc: \"jürgen@example.com\" <j@example.com>": false,
	} {
		fit, got, err := mail.Fit([]byte(strings.ReplaceAll(strings.ReplaceAll(plainHead, "To: b@example.net\r\n", ""), "Subject: x\r\n", "") + field + "\r\n\r\nx\r\n"))
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", field, got, err)
			continue
		}
		checkFit(t, fit, got)
	}
}

func TestFitRefuses(t *testing.T) {
	signed := func(kind, part string) string {
		return plainHead + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nx\r\n--o\r\nContent-Type: " + kind + "; boundary=b\r\n\r\n--b\r\n" + part + "\r\n--b\r\n\r\nsignature\r\n--b--\r\n--o--\r\n"
	}
	for name, c := range map[string]struct{ raw, want string }{
		"a long line that is signed":    {signed("multipart/signed", "\r\n"+longLine), "part 2 (multipart/signed): has a line of more than 998 bytes, and what is signed"},
		"8 bits that are signed":        {signed("multipart/signed", "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße"), "part 2 (multipart/signed): has 8-bit bytes, and what is signed"},
		"8 bits that are encrypted":     {signed("multipart/encrypted", "\r\n\xff"), "part 2 (multipart/encrypted): has 8-bit bytes"},
		"8 bits of S/MIME":              {plainHead + "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: binary\r\n\r\n0\x80\x06\r\n", "the body (application/pkcs7-mime): has 8-bit bytes"},
		"a long line of S/MIME":         {plainHead + "Content-Type: application/x-pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("A", 2000) + "\r\n", "the body (application/x-pkcs7-mime): has a line of more than 998"},
		"8 bits of message/partial":     {plainHead + "Content-Type: message/partial; id=x; number=1\r\n\r\nGrüße\r\n", "the body (message/partial): has 8-bit bytes, and this type"},
		"8 bits of external-body":       {plainHead + "Content-Type: message/external-body; access-type=URL\r\n\r\nX: y\r\n\r\nü\r\n", "message/external-body"},
		"8 bits of an unknown encoding": {plainHead + "Content-Transfer-Encoding: x-yenc\r\n\r\n\xff\r\n", `has 8-bit bytes in the transfer encoding "x-yenc"`},
		"no boundary":                   {plainHead + "Content-Type: multipart/mixed\r\n\r\nGrüße\r\n", "the body (multipart/mixed): has 8-bit bytes, and cannot be taken apart"},
		"a broken part":                 {plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nGrüße\r\n--b--\r\n", "is not a header field"},
		"a long field of one word":      {plainHead + "X-Long: " + strings.Repeat("x", 1000) + "\r\n\r\nx\r\n", "X-Long: a line has more than 998 bytes"},
		"a long name":                   {plainHead + strings.Repeat("x", 1000) + ": y\r\n\r\nx\r\n", "a line has more than 998 bytes"},
		"a long field of a part":        {plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-ID: <" + strings.Repeat("x", 1000) + ">\r\n\r\nx\r\n--b--\r\n", "part 1, Content-ID: a line has more than 998"},
		"8 bits in a Date":              {strings.Replace(plainHead, "Jan", "Jän", 1) + "\r\nx\r\n", "Date: is not a date"},
		"8 bits in a version":           {plainHead + "MIME-Version: 1.0ü\r\n\r\nx\r\n", "MIME-Version: has characters that are not ASCII"},
		"an address in Latin-1":         {plainHead + "Cc: <j\xfcrgen@example.com>\r\n\r\nx\r\n", "Cc: has an address that is not UTF-8"},
		"a domain in Latin-1":           {plainHead + "Cc: J\xfcrgen <j@m\xfcller.example>\r\n\r\nx\r\n", "Cc: has an address that is not UTF-8"},
		"two Subjects":                  {plainHead + "subject: y\r\n\r\nx\r\n", "Subject: there is more than one"},
		"two Dates":                     {plainHead + "Date: Tue, 2 Jan 2024 00:00:00 +0000\r\n\r\nx\r\n", "Date: there is more than one"},
		"two Message-IDs":               {plainHead + "Message-Id: <2@example.com>\r\n\r\nx\r\n", "Message-ID: there is more than one"},
		"two Content-Types":             {plainHead + "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx\r\n", "Content-Type: there is more than one"},
		"two Senders":                   {plainHead + "Sender: a@example.com\r\nSender: b@example.com\r\n\r\nx\r\n", "Sender: there is more than one"},
		"two Froms":                     {plainHead + "From: a@example.com\r\n\r\nx\r\n", "From: there is more than one"},
		"a large header":                {plainHead + strings.Repeat("X-A: "+strings.Repeat("x", 900)+"\r\n", 900) + strings.Repeat("X-B: "+strings.Repeat("x ", 150000)+"\r\n", 1) + "\r\nx\r\n", "the header has more than"},
		"large headers of parts":        {plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nX-B: "+strings.Repeat("ü ", 100000)+"\r\n\r\nx\r\n", 5) + "--b--\r\n", "the headers of its parts have more than"},
		"a NUL":                         {plainHead + "\r\nx\x00\r\n", "NUL"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := mail.Fit([]byte(c.raw))
			var syntax *mail.SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q\n%.300q", err, c.want, got)
			}
		})
	}
}

// What is signed stays byte for byte, also when another part is encoded.
func TestFitKeepsWhatIsSigned(t *testing.T) {
	signed := "--o\r\nContent-Type: multipart/signed; boundary=b; micalg=pgp-sha256\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe \t\r\n-- \r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
	got := fitted(t, plainHead+"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"+signed+"--o\r\n\r\nFußzeile\r\n--o--\r\n")
	if !strings.Contains(got, signed) || !strings.Contains(got, "Fu=C3=9Fzeile") {
		t.Errorf("%q", got)
	}
}

// A composed message is fit as it is.
func TestComposedIsFit(t *testing.T) {
	for name, change := range map[string]func(*mail.Draft){
		"plain":      func(*mail.Draft) {},
		"8 bits":     func(d *mail.Draft) { d.Subject, d.Text, d.HTML = "Grüße", "Grüße", "<p>你好</p>" },
		"long lines": func(d *mail.Draft) { d.Text, d.HTML = longLine, longLine; d.Subject = strings.Repeat("x", 1200) },
		"999":        func(d *mail.Draft) { d.Text = strings.Repeat("x", 999); d.HTML = strings.Repeat("x", 998) },
		"headers": func(d *mail.Draft) {
			d.Headers = []mail.Field{{"X-A", "ü " + strings.Repeat("x", 1000)}, {"List-Unsubscribe", "<https://example.com/" + strings.Repeat("x", 950) + ">"}}
		},
		"attachments": func(d *mail.Draft) {
			d.Attachments = []mail.Part{{"text/plain", strings.Repeat("ü", 255), "", []byte{0, 255}}, {"message/rfc822", "a.eml", "", []byte("ü")}}
		},
		"a wide list": func(d *mail.Draft) {
			d.To = slices.Repeat([]mail.Address{{Name: "Jürgen", Email: "j@müller.example"}}, 100)
		},
		"nothing":      func(d *mail.Draft) { d.Text, d.Subject = "", "" },
		"nobody":       func(d *mail.Draft) { d.To, d.Cc, d.ReplyTo = nil, nil, nil },
		"needs UTF-8":  func(d *mail.Draft) { d.To[0].Email = "jürgen@example.com" },
		"a name alone": func(d *mail.Draft) { d.From.Name = strings.Repeat("x", 1500) },
	} {
		d := draft()
		change(&d)
		raw, err := mail.Compose(d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fit, utf8, err := mail.Fit(raw)
		if err != nil || !bytes.Equal(fit, raw) || utf8 != (name == "needs UTF-8") {
			t.Errorf("%s: %v, %v\n%q\nbecame\n%q", name, utf8, err, raw, fit)
		}
		in, err := mail.ReadIncoming(raw, noon, newID)
		if err != nil || !bytes.Equal(in.Raw, raw) {
			t.Errorf("%s: handed over by SMTP it changes: %v", name, err)
		}
	}
}

// A report of a mail that was not delivered is fit as it is, whatever it returns.
func TestReportIsFit(t *testing.T) {
	for _, source := range []string{plainHead + "\r\nx\r\n", plainHead + "Cc: jürgen@example.com\r\n\r\nx\r\n", plainHead + "\r\n" + longLine + "\r\n", plainHead} {
		for _, headers := range []bool{false, true} {
			raw, err := mail.ComposeReport(mail.Report{
				From: mail.Address{Name: "Zustellung für Postern", Email: "postmaster@example.com"}, To: "a@example.com", Subject: "Nicht zugestellt: Grüße", Date: noon, MessageID: "r@example.com",
				Text: "Grüße\r\n" + longLine, Fields: []mail.Field{{Name: "Reporting-MTA", Value: "dns; mail.example.com"}},
				Recipients: [][]mail.Field{{{Name: "Final-Recipient", Value: "rfc822; b@example.net"}, {Name: "Diagnostic-Code", Value: "smtp; 550 " + strings.Repeat("ü", 2000)}}},
				Returned:   []byte(source), Headers: headers,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := fitted(t, string(raw)); got != string(raw) {
				t.Errorf("%q\nbecame\n%q", raw, got)
			}
		}
	}
}
