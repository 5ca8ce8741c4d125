// SPDX-License-Identifier: Apache-2.0

package track_test

import (
	"bytes"
	"io"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"postern/internal/track"
)

// Whoever asks with whatever token: it is refused, or it is one that we made, in the one spelling it has.
func FuzzToken(f *testing.F) {
	s := signer(f)
	f.Add(s.Sign(track.Token{Kind: track.Open, MessageID: 7, At: at}, "", ""), "", "")
	f.Add(s.Sign(track.Token{Kind: track.Click, MessageID: 7, Link: 1, At: at}, "h", "https://example.com/"), "h", "https://example.com/")
	f.Add("AAAA", "", "")
	f.Fuzz(func(t *testing.T, text, host, target string) {
		for _, kind := range []track.Kind{track.Open, track.Click, track.Unsub} {
			if got, ok := s.Check(kind, text, host, target); ok && s.Sign(got, host, target) != text {
				t.Errorf("%q is another spelling of %+v", text, got)
			}
		}
		if target, ok := track.DecodeTarget(text); ok && track.EncodeTarget(target) != text {
			t.Errorf("%q is another spelling of %q", text, target)
		}
	})
}

// Whatever HTML: its links lead where they led as a browser reads them, and nothing else changes.
func FuzzHTML(f *testing.F) {
	s := signer(f)
	for _, x := range []string{
		`<a href="https://example.com/?a&amp;b">x</a></body>`, `<a href=http://example.com>`, `<a/href='https://example.com/"'`,
		`<!--[if mso]><a href="https://example.com/"><![endif]-->`, "<a =href=https://example.com/ href=x>", "<a href\n=\nhttps://example.com/>",
		"<title></title><a href='https://example.com/&quot;&apos;'>", "</a href=https://example.com/></><a>",
	} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, text string) {
		head := "From: a@example.com\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\n"
		raw := []byte(head + text)
		got := s.Personalise(raw, all(track.Clicks))
		if !bytes.Contains(got, []byte("quoted-printable")) {
			checkLinks(t, s, text, strings.TrimPrefix(string(got), head))
		}
		if opens := s.Personalise(raw, all(track.Opens)); text != "" && len(opens) <= len(raw) {
			t.Error("no pixel")
		}
	})
}

// Whatever mail: nothing panics, what is done twice is done alike, and a mail without ways stays as it is.
func FuzzMail(f *testing.F) {
	s := signer(f)
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		m := all(track.Opens | track.Clicks | track.UnsubHead | track.UnsubText)
		once := s.Personalise(raw, m)
		if !bytes.Equal(once, s.Personalise(raw, m)) {
			t.Error("two mails of one")
		}
		if !bytes.Equal(raw, s.Personalise(raw, all(0))) {
			t.Error("changed without a way")
		}
		if !bytes.Equal(raw, before) {
			t.Error("the source was changed")
		}
		track.HasPlaceholder(raw)
	})
}

// FuzzPlace compares the search for places with the pattern that says what they are.
func FuzzPlace(f *testing.F) {
	pattern := regexp.MustCompile(`(?i)(?:\[\[|%5B%5B)UNSUB_LINK(?:_[A-Z]{2}(?:[_-][A-Z]{2})?)?(?:\]\]|%5D%5D)`)
	for _, x := range []string{"[[UNSUB_LINK]]", "[[[unsub_link_en]]]", "%5b%5BUNSUB_LINK_pt-br%5d%5D", "[[UNSUB_LINK[[UNSUB_LINK]]", "[[UNSUB_LINK_E]]", "UNSUB_LINK]][[UNSUB_LINK_EN_GB]]", strings.Repeat("*", 990) + "[[UNSUB_LINK]]"} {
		f.Add(x)
	}
	s := signer(f)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\u017f\u212a") { // to the pattern the long s and the Kelvin sign are letters
			return
		}
		raw := []byte("Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n" + text)
		want := pattern.MatchString(text)
		if got := track.HasPlaceholder(raw); got != want {
			t.Fatalf("%q: %v", text, got)
		}
		made := shownText(t, s.Personalise(raw, all(track.UnsubText)))
		if n := len(pattern.FindAllString(text, -1)); bytes.Count(made, []byte("https://track.example.com/u/"))-strings.Count(text, "https://track.example.com/u/") != n {
			t.Errorf("%q: not %d links: %s", text, n, made)
		}
	})
}

// shownText is the text of a mail of one part: a link may have made a line too long to stand as it is.
func shownText(t *testing.T, raw []byte) []byte {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	body := m.Body
	if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
