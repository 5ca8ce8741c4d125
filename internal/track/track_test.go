// SPDX-License-Identifier: Apache-2.0

package track_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tokens "golang.org/x/net/html"

	"postern/internal/mail"
	"postern/internal/track"
)

var update = flag.Bool("update", false, "write the golden files anew")

func signer(t testing.TB) *track.Signer {
	t.Helper()
	s, err := track.NewSigner(bytes.Repeat([]byte{1, 2}, 16))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var at = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func all(ways track.Ways) track.Mail {
	return track.Mail{MessageID: 4242, KeyID: 7, Recipient: "reader@example.net", At: at, Base: "https://track.example.com", Host: "track.example.com", Ways: ways, URLTags: "utm_source=mail&utm_medium=a b"}
}

// The mails in testdata are of the kinds that people send; what becomes of each is beside it, to be looked at.
func TestGolden(t *testing.T) {
	s := signer(t)
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%v, %d mails", err, len(files))
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Personalise(raw, all(track.Opens|track.Clicks|track.Tags|track.UnsubHead|track.UnsubText))
		golden := strings.TrimSuffix(file, ".eml") + ".golden"
		if *update {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s became another mail than before; look at it and run with -update:\n%s", file, got)
		}
		if same := s.Personalise(raw, all(0)); !bytes.Equal(same, raw) {
			t.Errorf("%s changed though nothing was to be done", file)
		}
		for line := range bytes.SplitSeq(got, []byte("\r\n")) {
			if len(line) > 998 {
				t.Errorf("%s: a line has %d bytes", file, len(line))
			}
		}
	}
}

// Every link leads where it led, and nothing but links, pixel and places changes.
func TestLinksLeadWhereTheyLed(t *testing.T) {
	s := signer(t)
	for _, name := range []string{"tables", "latin1", "base64", "iso2022jp", "longline", "broken"} {
		raw, err := os.ReadFile("testdata/" + name + ".eml")
		if err != nil {
			t.Fatal(err)
		}
		before, err := mail.Read(raw)
		if err != nil {
			t.Fatal(err)
		}
		after, err := mail.Read(s.Personalise(raw, all(track.Opens|track.Clicks)))
		if err != nil {
			t.Fatal(err)
		}
		if n := checkLinks(t, s, before.HTML, after.HTML); n == 0 {
			t.Errorf("%s: no link was rewritten", name)
		}
		if strings.Count(after.HTML, ".gif\" width=\"1\"") != 1 {
			t.Errorf("%s: not one pixel", name)
		}
	}
}

// checkLinks compares the links of two HTML texts and counts those that are signed.
func checkLinks(t *testing.T, s *track.Signer, before, after string) (n int) {
	t.Helper()
	was, is := hrefs(before), hrefs(after)
	if len(was) != len(is) {
		t.Fatalf("%d links were %d:\n%s", len(is), len(was), after)
	}
	for i := range was {
		rest, signed := strings.CutPrefix(is[i], "https://track.example.com/c/")
		if !signed {
			if was[i] != is[i] {
				t.Errorf("%q became %q", was[i], is[i])
			}
			continue
		}
		n++
		token, text, _ := strings.Cut(rest, "/")
		target, ok := track.DecodeTarget(text)
		if !ok || !track.Safe(target) {
			t.Errorf("%q leads to %q", is[i], target)
		}
		if plain := strings.TrimSpace(was[i]); target != plain && !strings.ContainsAny(target, "%") && !strings.ContainsAny(plain, "\t\r\n") {
			t.Errorf("%q leads to %q", was[i], target)
		}
		if _, ok := s.Check(track.Click, token, "track.example.com", target); !ok {
			t.Errorf("%q is not signed", is[i])
		}
	}
	return n
}

// hrefs are the links of an HTML text as a browser reads them.
func hrefs(text string) (out []string) {
	z := tokens.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case tokens.ErrorToken:
			return out
		case tokens.StartTagToken, tokens.SelfClosingTagToken:
			name, more := z.TagName()
			if string(name) != "a" && string(name) != "area" {
				continue
			}
			for more {
				var k, v []byte
				if k, v, more = z.TagAttr(); string(k) == "href" {
					out = append(out, string(v))
					break
				}
			}
		}
	}
}

func TestToken(t *testing.T) {
	s := signer(t)
	in := track.Token{Kind: track.Click, MessageID: 1 << 52, Link: 3, At: at}
	text := s.Sign(in, "h", "https://example.com/")
	if got, ok := s.Check(track.Click, text, "h", "https://example.com/"); !ok || got != in {
		t.Fatalf("%+v %v", got, ok)
	}
	for name, c := range map[string]struct {
		kind               track.Kind
		text, host, target string
	}{
		"another target":       {track.Click, text, "h", "https://example.net/"},
		"another host":         {track.Click, text, "", "https://example.com/"},
		"a host moved":         {track.Click, text, "hh", "ttps://example.com/"},
		"another kind":         {track.Open, text, "h", "https://example.com/"},
		"cut":                  {track.Click, text[:len(text)-1], "h", "https://example.com/"},
		"longer":               {track.Click, text + "A", "h", "https://example.com/"},
		"padded":               {track.Click, text + "=", "h", "https://example.com/"},
		"empty":                {track.Click, "", "h", "https://example.com/"},
		"long":                 {track.Click, strings.Repeat("A", 1000), "h", "https://example.com/"},
		"a MAC and nothing":    {track.Click, base64.RawURLEncoding.EncodeToString(make([]byte, 16)), "h", ""},
		"a message of another": {track.Click, flip(t, text, 3), "h", "https://example.com/"},
	} {
		if _, ok := s.Check(c.kind, c.text, c.host, c.target); ok {
			t.Errorf("%s: taken", name)
		}
	}
	other, err := track.NewSigner(bytes.Repeat([]byte{1, 3}, 16))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := other.Check(track.Click, text, "h", "https://example.com/"); ok {
		t.Error("taken under another server key")
	}
}

// The address in a link to unsubscribe is read by nobody else, and is of that link alone.
func TestAddress(t *testing.T) {
	s := signer(t)
	token := track.Token{Kind: track.Unsub, MessageID: 5, Link: 7, At: at}
	text := s.SealAddress(token, "reader@example.net")
	if got, ok := s.OpenAddress(token, text); !ok || got != "reader@example.net" {
		t.Errorf("%q %v", got, ok)
	}
	if raw, _ := base64.RawURLEncoding.DecodeString(text); bytes.Contains(raw, []byte("reader")) {
		t.Error("the address stands there")
	}
	other := token
	other.MessageID++
	for name, x := range map[string]string{"changed": flip(t, text, 0), "cut": text[:20], "empty": "", "in clear": track.EncodeTarget("reader@example.net")} {
		if got, ok := s.OpenAddress(token, x); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got, ok := s.OpenAddress(other, text); ok {
		t.Errorf("of another message: %q", got)
	}
}

func flip(t *testing.T, text string, i int) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	raw[i] ^= 1
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestHasPlaceholder(t *testing.T) {
	head := "From: a@example.com\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: "
	for body, want := range map[string]bool{
		"7bit\r\n\r\nunder [[UNSUB_LINK]]":                                                                true,
		"7bit\r\n\r\n[[unsub_link_pt-BR]]":                                                                true,
		"quoted-printable\r\n\r\n[[UNS=\r\nUB_LINK_EN]]":                                                  true,
		"base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("[[UNSUB_LINK]]")):                    true,
		"7bit\r\n\r\n[[UNSUB_LINKS]]":                                                                     false,
		"7bit\r\n\r\n[UNSUB_LINK] uuuu":                                                                   false,
		"x-unknown\r\n\r\n[[UNSUB_LINK]]":                                                                 false,
		"7bit\r\nContent-Disposition: attachment\r\n\r\n[[UNSUB_LINK]]":                                   false,
		"base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("<a href='%5b%5bUNSUB_LINK%5d%5d'>")): true,
	} {
		if got := track.HasPlaceholder([]byte(head + body)); got != want {
			t.Errorf("%q: %v", body, got)
		}
	}
}

func TestTwoRecipientsHaveTheirOwnLinks(t *testing.T) {
	s := signer(t)
	raw := []byte("From: a@example.com\r\nContent-Type: text/html\r\n\r\n<a href=\"https://example.com/\">x</a>\r\n")
	m := all(track.Opens | track.Clicks)
	one := s.Personalise(raw, m)
	m.MessageID++
	two := s.Personalise(raw, m)
	if bytes.Equal(one, two) {
		t.Error("both got the same mail")
	}
}

func BenchmarkPersonalise(b *testing.B) {
	s := signer(b)
	raw, err := os.ReadFile("testdata/tables.eml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		s.Personalise(raw, all(track.Opens|track.Clicks|track.UnsubHead))
	}
}

func BenchmarkHasPlaceholder(b *testing.B) {
	text, err := os.ReadFile("testdata/latin1.eml")
	if err != nil {
		b.Fatal(err)
	}
	line := strings.Repeat("A", 76) + "\r\n"
	large := "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>under=20the=20sun</p>\r\n" +
		"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(line, 60_000) + "--b--\r\n"
	for name, raw := range map[string][]byte{"small": text, "html": []byte("Content-Type: text/html\r\n\r\n" + strings.Repeat("<p>buy under the sun, unsubscribe</p>\r\n", 300)), "5MB": []byte(large)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				track.HasPlaceholder(raw)
			}
		})
	}
}
