// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"postern/internal/mail"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newID() string { return "new@example.com" }

func read(t *testing.T, raw string) *mail.Incoming {
	t.Helper()
	m, err := mail.ReadIncoming([]byte(raw), noon, newID)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return m
}

func TestReadIncomingCleans(t *testing.T) {
	m := read(t, "From: =?utf-8?q?J=C3=BCrgen?= <a@example.com>\r\nTo: b@example.net\r\nBCC: secret@example.net,\r\n other@example.net\r\n"+
		"Subject: =?iso-8859-1?q?Gr=FC=DFe?= und\r\n mehr\r\nx-mj-customid: order 7\r\nX-MJ-EventPayload: {\"a\":\r\n 1}\r\nX-Mailjet-Campaign: autumn\r\n"+
		"X-Mailjet-DeduplicateCampaign: Y\r\nX-Mailjet-TrackOpen: 0\r\nX-Mailjet-TrackClick: 1\r\nX-Mailjet-Prio: 3\r\nX-MJ-Something-New: 1\r\nX-Other: kept\r\n\r\nbody \t\r\n.\r\n")
	want := "From: =?utf-8?q?J=C3=BCrgen?= <a@example.com>\r\nTo: b@example.net\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?= und\r\n mehr\r\nX-Other: kept\r\n" +
		"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <new@example.com>\r\n\r\nbody \t\r\n.\r\n"
	if string(m.Raw) != want {
		t.Errorf("raw:\n%q\nwant:\n%q", m.Raw, want)
	}
	if m.From.Name != "Jürgen" || m.From.Email != "a@example.com" || m.Subject != "Grüße und mehr" || m.MessageID != "new@example.com" {
		t.Errorf("read %+v", m)
	}
	c := m.Control
	if c.CustomID != "order 7" || c.EventPayload != `{"a": 1}` || c.Campaign != "autumn" || !c.Deduplicate || c.TrackOpen != "0" || c.TrackClick != "1" || c.Priority != 3 {
		t.Errorf("control %+v", c)
	}
	if !m.HasText || m.HasHTML || m.Attachments != 0 {
		t.Errorf("structure: text %v, html %v, attachments %d", m.HasText, m.HasHTML, m.Attachments)
	}
}

func TestReadIncomingKeepsWhatIsThere(t *testing.T) {
	raw := "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-Id: <mine@example.com>\r\nFrom: a@example.com\r\n\r\n \x01\x7f\t 7-bit \r\n"
	m := read(t, raw)
	if string(m.Raw) != raw || m.MessageID != "mine@example.com" || m.Control.Priority != -1 {
		t.Errorf("raw %q, ID %q, priority %d", m.Raw, m.MessageID, m.Control.Priority)
	}
	headOnly := read(t, "From: a@example.com\r\nSubject: x")
	if !bytes.HasSuffix(headOnly.Raw, []byte("\r\n\r\n")) || !bytes.Contains(headOnly.Raw, []byte("Subject: x\r\nDate:")) {
		t.Errorf("a message without a body became %q", headOnly.Raw)
	}
}

func TestReadIncomingRefuses(t *testing.T) {
	ok := "From: a@example.com\r\n"
	for name, c := range map[string]struct{ raw, field, reason string }{
		"bare LF in the body":     {ok + "\r\na\n.\r\nb\r\n", "", "LF without CR"},
		"bare LF first":           {"\n" + ok + "\r\n", "", "LF without CR"},
		"bare CR in the body":     {ok + "\r\na\r.\r\nb\r\n", "", "CR without LF"},
		"CR at the end":           {ok + "\r\na\r", "", "CR without LF"},
		"CR CR LF":                {ok + "\r\na\r\r\n", "", "CR without LF"},
		"no From":                 {"To: b@example.net\r\n\r\n", "From", "missing"},
		"two Froms":               {ok + "from: b@example.com\r\n\r\n", "From", "more than one"},
		"From is no address":      {"From: nobody\r\n\r\n", "From", ""},
		"no colon":                {ok + "hello\r\n\r\n", "", "not a header field"},
		"a name with a blank":     {ok + "X y: 1\r\n\r\n", "", "not a header field"},
		"starts with folding":     {" x\r\n" + ok + "\r\n", "", "not a header field"},
		"an overlong line":        {ok + "X: " + strings.Repeat("x", 1000) + "\r\n\r\n", "X", "more than 998"},
		"too many fields":         {ok + strings.Repeat("X: y\r\n", 1001) + "\r\n", "", "more than 1000"},
		"8-bit in a header name":  {ok + "X\xc3: y\r\n\r\n", "", "not a header field"},
		"a NUL":                   {ok + "\r\na\x00b\r\n", "", "NUL"},
		"an empty message":        {"", "From", "missing"},
		"a body without a header": {"\r\nhello\r\n", "From", "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mail.ReadIncoming([]byte(c.raw), noon, newID)
			var syntax *mail.SyntaxError
			if !errors.As(err, &syntax) || syntax.Field != c.field || !strings.Contains(syntax.Reason, c.reason) {
				t.Errorf("error %v, want %q with %q", err, c.field, c.reason)
			}
		})
	}
}

func TestReadIncomingSeesTheStructure(t *testing.T) {
	m := read(t, "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=\"o\"\r\n\r\npreamble\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"+
		"--i\r\n\r\ntext\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--\r\n--o\r\nContent-Type: text/plain; name=a.txt\r\n\r\nx\r\n--o\r\nContent-Type: image/png\r\n\r\nx\r\n--o--\r\n")
	if !m.HasText || !m.HasHTML || m.Attachments != 2 {
		t.Errorf("text %v, html %v, attachments %d", m.HasText, m.HasHTML, m.Attachments)
	}
}

func FuzzReadIncoming(f *testing.F) {
	for _, s := range []string{
		"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n", "From: a@example.com\r\nBcc: b@example.net\r\nX-MJ-CustomID: 1\r\n\r\n", "\r\n", "From: a@example.com\r\n\tfolded\r\n\r\n\r\n.\r\n",
		"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", "From: a@example.com", "From: a@b.c\r\nX: \n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := mail.ReadIncoming(raw, noon, newID)
		if err != nil {
			var syntax *mail.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		again, err := mail.ReadIncoming(m.Raw, noon, newID)
		if err != nil {
			t.Fatalf("what was cleaned is refused: %v\n%q", err, m.Raw)
		}
		if !bytes.Equal(again.Raw, m.Raw) {
			t.Fatalf("cleaning twice differs:\n%q\n%q", m.Raw, again.Raw)
		}
		for _, h := range again.Header {
			if l := strings.ToLower(h.Name); l == "bcc" || strings.HasPrefix(l, "x-mj-") || strings.HasPrefix(l, "x-mailjet-") {
				t.Fatalf("%s is still there", h.Name)
			}
		}
	})
}

func BenchmarkReadIncoming(b *testing.B) {
	raw := []byte("From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: bench\r\nMessage-ID: <bench@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n" + strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mail.ReadIncoming(raw, noon, newID); err != nil {
			b.Fatal(err)
		}
	}
}
