// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"testing"

	"postern/internal/mail"
)

func TestCheckEmail(t *testing.T) {
	for s, ok := range map[string]bool{
		"a@b.example": true, "a+b@c.d": true, `"a b"@c.d`: true, "jörg@köln.example": true,
		"": false, "a": false, "@b": false, "a@": false, ".a@b": false, "a.@b": false, "a..b@c": false,
		"a b@c.d": false, "a@[127.0.0.1]": false, "a@b..c": false, "a@b\r\nX: y": false, "a@b@c": false,
	} {
		if err := mail.CheckEmail(s); (err == nil) != ok {
			t.Errorf("CheckEmail(%q) = %v, want ok %v", s, err, ok)
		}
	}
	if got := mail.Canonical("Jo@KÖLN.example"); got != "jo@xn--kln-sna.example" {
		t.Error(got)
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add(`"Name" <a@b.c>`)
	f.Add(`"a \" b"@c.d`)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.ParseAddress(s)
		if err != nil {
			return
		}
		back, err := mail.ParseAddress(a.String())
		if err != nil || mail.Canonical(back.Email) != mail.Canonical(a.Email) {
			t.Fatalf("%q -> %q -> %+v, %v", s, a.String(), back, err)
		}
	})
}
