// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"postern/internal/mail"
)

// Charset, transfer encoding and bytes agree after a rewrite, and the mail can travel.
func TestRewrittenTextsAgree(t *testing.T) {
	link := "<a href=\"https://track.example/" + strings.Repeat("x", 1100) + "\">"
	in := func(e encoding.Encoding, s string) string {
		b, err := e.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const german, japaneseText = "<p>Grüße aus Köln</p>\r\nLINK\r\n", "<p>日本語のテキスト</p>\r\nLINK\r\n"
	utf16 := unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	for name, c := range map[string]struct{ charset, transfer, body, text string }{
		"utf-8, 8bit":                   {"utf-8", "8bit", german, german},
		"utf-8, quoted-printable":       {"utf-8", "quoted-printable", "<p>Gr=C3=BC=C3=9Fe aus K=C3=B6ln</p>\r\nLINK\r\n", german},
		"utf-8, base64":                 {"utf-8", "base64", b64(german) + "\r\n", german},
		"us-ascii, 7bit":                {"us-ascii", "7bit", "LINK\r\n", "LINK\r\n"},
		"no label":                      {"us-ascii", "", "LINK\r\n", "LINK\r\n"},
		"windows-1252, 8bit":            {"windows-1252", "8bit", in(charmap.Windows1252, german), german},
		"windows-1252, quoted":          {"windows-1252", "quoted-printable", "<p>Gr=FC=DFe aus K=F6ln</p>\r\nLINK\r\n", german},
		"windows-1252, base64":          {"windows-1252", "base64", b64(in(charmap.Windows1252, german)) + "\r\n", german},
		"iso-2022-jp, 7bit":             {"iso-2022-jp", "7bit", in(japanese.ISO2022JP, japaneseText), japaneseText},
		"iso-2022-jp, base64":           {"iso-2022-jp", "base64", b64(in(japanese.ISO2022JP, japaneseText)) + "\r\n", japaneseText},
		"iso-2022-jp, no label":         {"iso-2022-jp", "", in(japanese.ISO2022JP, japaneseText), japaneseText},
		"utf-16, base64":                {"utf-16", "base64", b64(in(utf16, german)) + "\r\n", german},
		"utf-16le, base64":              {"utf-16le", "base64", b64(in(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), german)) + "\r\n", german},
		"shift_jis, 8bit":               {"shift_jis", "8bit", in(japanese.ShiftJIS, japaneseText), japaneseText},
		"no line end, base64":           {"utf-8", "base64", b64("<p>LINK"), "<p>LINK"},
		"no line end, quoted-printable": {"utf-8", "quoted-printable", "<p>LINK=\r\n", "<p>LINK"},
	} {
		for _, place := range []string{link, "<a href=\"https://track.example/\">"} {
			t.Run(name, func(t *testing.T) {
				head := "MIME-Version: 1.0\r\nContent-Type: text/html; charset=" + c.charset + "\r\n"
				if c.transfer != "" {
					head += "Content-Transfer-Encoding: " + c.transfer + "\r\n"
				}
				for _, raw := range []string{
					plainHead + head + "\r\n" + c.body,
					plainHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + head + "\r\n" + c.body + "\r\n--b--\r\n",
				} {
					got := mail.RewriteShown([]byte(raw), func(s *mail.Shown) []byte { return bytes.Replace(s.Text, []byte("LINK"), []byte(place), 1) })
					fit, utf8, err := mail.Fit(got)
					if err != nil || utf8 || c.transfer != "8bit" && !strings.HasSuffix(raw, "LINK") && !bytes.Equal(fit, completed(got)) {
						t.Errorf("what is rewritten is not fit: %v\n%q\n%q", err, got, fit)
					}
					v, err := mail.Read(got)
					if want := strings.Replace(c.text, "LINK", place, 1); err != nil || strings.TrimSpace(v.HTML) != strings.TrimSpace(want) {
						t.Errorf("%q: %v, want %q\n%q", v.HTML, err, want, got)
					}
				}
			})
		}
	}
}

func completed(raw []byte) []byte {
	if !bytes.HasSuffix(raw, []byte("\r\n")) {
		return append(bytes.Clone(raw), "\r\n"...)
	}
	return raw
}
