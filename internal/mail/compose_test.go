// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"postern/internal/mail"
)

func draft() mail.Draft {
	return mail.Draft{
		From: mail.Address{Name: "Jürgen, Jr.", Email: "a@example.com"}, To: []mail.Address{{Name: "B", Email: "b@example.net"}, {Email: "c@example.net"}},
		Cc: []mail.Address{{Email: "d@example.net"}}, ReplyTo: &mail.Address{Email: "r@example.com"}, Subject: "Grüße", Text: "Hello\nworld", Date: noon, MessageID: "1@example.com",
	}
}

// back composes a draft and reads it again, as a server would and as a person would.
func back(t *testing.T, d mail.Draft) (*mail.Incoming, *mail.View) {
	t.Helper()
	raw, err := mail.Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	in, err := mail.ReadIncoming(raw, noon, newID)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 998 {
			t.Fatalf("a line of %d bytes", len(line))
		}
	}
	v, err := mail.Read(raw)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return in, v
}

func TestComposeReadsBack(t *testing.T) {
	d := draft()
	d.HTML = "<p>Hello <img src=\"cid:logo\"></p>"
	d.Inlined = []mail.Part{{ContentType: "image/png", Filename: "logo.png", ContentID: "logo", Data: []byte{0, 1, 2, 255}}}
	d.Attachments = []mail.Part{{ContentType: "text/plain", Filename: "Rechnung für Sie.txt", Data: []byte("x\r\n")}, {ContentType: "nonsense", Filename: "b", Data: bytes.Repeat([]byte("ab"), 5000)}}
	d.Headers = []mail.Field{{"X-Custom", "eins zwei"}, {"List-Unsubscribe", "<https://example.com/u?a=b>"}}
	in, v := back(t, d)
	if in.From != d.From || in.Subject != d.Subject || in.MessageID != d.MessageID || !in.HasText || !in.HasHTML || in.Attachments != 3 {
		t.Errorf("incoming %+v", in)
	}
	if v.Text != "Hello\r\nworld" || v.HTML != d.HTML || len(v.To) != 2 || v.To[0] != d.To[0] || len(v.Cc) != 1 || !v.Date.Equal(noon) {
		t.Errorf("view %+v", v)
	}
	if len(v.Parts) != 3 || v.Parts[0].ContentID != "logo" || !bytes.Equal(v.Parts[0].Data, d.Inlined[0].Data) || v.Parts[1].Filename != "Rechnung für Sie.txt" ||
		!bytes.Equal(v.Parts[2].Data, d.Attachments[1].Data) || v.Parts[2].ContentType != "application/octet-stream" {
		t.Errorf("%d parts, types of the last %q", len(v.Parts), v.Parts[len(v.Parts)-1].ContentType)
	}
}

// What is composed is never in doubt: its authors are read again when it is resent, and by the SMTP server.
func TestComposedNamesAreNotInDoubt(t *testing.T) {
	for _, name := range []string{
		`x" <ceo@bank.example>, "`, `a\" ceo@bank.example`, `\@`, "[x] ceo@bank.example", "(ceo@bank.example", "ceo@bank.example", "a, ceo@bank.example;",
		`Jü" <ceo@bank.example>, "`, "=?utf-8?q?x?= ceo@bank.example", `"Ann" at home`, strings.Repeat(`"ceo@bank.example" `, 12) + "x",
	} {
		d := draft()
		d.From.Name = name
		if in, _ := back(t, d); in.From.Name != name || in.From.Email != "a@example.com" || len(in.Authors) != 1 {
			t.Errorf("%q reads back as %+v", name, in.Authors)
		}
	}
}

func TestComposeEncodesTexts(t *testing.T) {
	for name, text := range map[string]string{
		"ascii": "Hello\r\n.\r\nFrom here\r\n trailing \r\n", "umlauts": "Grüße aus Köln, " + strings.Repeat("viel Text ", 50), "chinese": strings.Repeat("你好", 500),
		"a long line": strings.Repeat("x", 5000), "mixed line ends": "a\nb\rc\r\nd", "a NUL": "a\x00b", "equals": "a=b =?utf-8?q?x?=",
	} {
		t.Run(name, func(t *testing.T) {
			d := draft()
			d.Text = text
			_, v := back(t, d)
			want := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n")
			if strings.TrimSuffix(v.Text, "\r\n") != strings.TrimSuffix(want, "\r\n") {
				t.Errorf("%.100q became %.100q", want, v.Text)
			}
		})
	}
}

// A value can never start a field of its own, whatever is in it.
func TestComposeTakesNoInjection(t *testing.T) {
	d := draft()
	evil := "x\r\nBcc: evil@example.net\r\n\r\nbody\nX: y"
	d.Subject, d.From.Name = evil, evil
	d.To[0].Name = evil
	d.Headers = []mail.Field{{"X-Custom", evil}}
	d.Attachments = []mail.Part{{ContentType: "text/plain\r\nX-Evil: 1", Filename: evil, ContentID: evil, Data: []byte("x")}}
	raw, err := mail.Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if bytes.HasPrefix(line, []byte("Bcc:")) || bytes.HasPrefix(line, []byte("X-Evil")) || bytes.HasPrefix(line, []byte("X: y")) {
			t.Errorf("injected %q in\n%s", line, raw)
		}
	}
	for _, name := range []string{"", "X y", "X:", "X\r\nY", "Xä"} {
		d := draft()
		d.Headers = []mail.Field{{name, "1"}}
		if _, err := mail.Compose(d); err == nil {
			t.Errorf("header name %q was taken", name)
		}
	}
}

func TestReadBrokenMIME(t *testing.T) {
	deep := "From: a@example.com\r\n"
	for range 100 {
		deep += "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	}
	for name, raw := range map[string]string{
		"no end": "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext", "deep": deep,
		"unknown charset": "Content-Type: text/plain; charset=klingon\r\n\r\nx", "bad base64": "Content-Transfer-Encoding: base64\r\n\r\n!!!!", "no MIME": "Subject: x\r\n\r\nplain\r\n",
		"a cycle of names": "Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nx",
	} {
		if v, err := mail.Read([]byte(raw)); err != nil || v == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	v, err := mail.Read([]byte("Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe"))
	if err != nil || v.Subject != "Grüße" || v.Text != "Grüße" {
		t.Errorf("%+v, %v", v, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n"))
	f.Add([]byte("Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*=utf-8''%C3%BC\r\n\r\nAAAA"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := mail.Read(raw)
		if err != nil {
			return
		}
		if !utf8.ValidString(v.Text) || !utf8.ValidString(v.HTML) {
			t.Fatal("a text is not UTF-8")
		}
	})
}

func FuzzCompose(f *testing.F) {
	f.Add("Subject", "text", "<p>", "Name", "file.txt", "value", []byte("data"))
	f.Add("Grüße\r\nX: y", "=\r\n.\r\n", "", "\"\\", "a/b\x00", strings.Repeat("long ", 300), []byte{0})
	f.Add("", "", "", strings.Repeat("b", 2000), "", "", []byte{})
	f.Add("", "", "", "", strings.Repeat("名", 255), "", []byte{})
	f.Add("", "", "", strings.Repeat("ü=? ", 500), "", "", []byte{})
	f.Add(" x  y ", "", "h", "=?utf-8?q?x?=", "", "=?utf-8?q?x?=", []byte{})
	f.Fuzz(func(t *testing.T, subject, text, html, name, file, value string, data []byte) {
		d := draft()
		d.Subject, d.Text, d.HTML, d.From.Name = subject, text, html, name
		d.Headers = []mail.Field{{"X-Value", value}}
		d.Attachments = []mail.Part{{ContentType: "application/pdf", Filename: file, Data: data}}
		in, v := back(t, d)
		clean := func(s string) string {
			return strings.TrimSpace(strings.Map(func(r rune) rune {
				if r < ' ' || r == 127 {
					return ' '
				}
				return r
			}, strings.ToValidUTF8(s, "\uFFFD")))
		}
		if strings.TrimSpace(in.Subject) != clean(subject) {
			t.Fatalf("subject %q became %q", clean(subject), in.Subject)
		}
		if len(v.Parts) == 0 || !bytes.Equal(v.Parts[len(v.Parts)-1].Data, data) {
			t.Fatalf("the attachment changed: %d parts", len(v.Parts))
		}
		if want := strings.ToValidUTF8(strings.Map(func(r rune) rune {
			if r < ' ' || r == 127 {
				return -1
			}
			return r
		}, file), ""); !strings.Contains(want, "=?") && v.Parts[len(v.Parts)-1].Filename != want {
			t.Fatalf("the file name %q became %q", want, v.Parts[len(v.Parts)-1].Filename)
		}
		if want := lines(html); utf8.ValidString(html) && v.HTML != want {
			t.Fatalf("html %q became %q", want, v.HTML)
		}
		if want := lines(text); utf8.ValidString(text) && v.Text != want {
			t.Fatalf("text %q became %q", want, v.Text)
		}
		for _, h := range in.Header {
			if strings.ContainsFunc(h.Name, unicode.IsSpace) {
				t.Fatalf("header %q", h.Name)
			}
		}
	})
}

func lines(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n")
}

func BenchmarkCompose(b *testing.B) {
	d := draft()
	d.Text = strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56)
	b.SetBytes(int64(len(d.Text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mail.Compose(d); err != nil {
			b.Fatal(err)
		}
	}
}
