// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// The parameters of RFC 3461, as clients write them: what is understood, and what is said of the rest.
func TestDSNParameters(t *testing.T) {
	notify := func(s string) (string, error) { n, err := ParseNotify(s); return n.String(), err }
	ret := func(s string) (string, error) { r, err := ParseRet(s); return r.String(), err }
	envid := func(s string) (string, error) { e, err := ParseEnvID(s); return string(e), err }
	orcpt := func(s string) (string, error) { o, err := ParseORcpt(s); return o.Type + "|" + o.Address, err }
	for _, tt := range []struct {
		param    string
		parse    func(string) (string, error)
		in, want string // want is the value, or with a ! part of the error
	}{
		{"NOTIFY", notify, "NEVER", "NEVER"},
		{"NOTIFY", notify, "never", "NEVER"},
		{"NOTIFY", notify, "delay,Success,FAILURE", "SUCCESS,FAILURE,DELAY"},
		{"NOTIFY", notify, "SUCCESS", "SUCCESS"},
		{"NOTIFY", notify, "", `!"" is not one of`},
		{"NOTIFY", notify, "SUCCESS,", `!"" is not one of`},
		{"NOTIFY", notify, "ALWAYS", `!"ALWAYS" is not one of`},
		{"NOTIFY", notify, "NEVER,FAILURE", "!NEVER cannot be combined"},
		{"NOTIFY", notify, "DELAY,DELAY", "!occurs twice"},
		{"NOTIFY", notify, "SUCCESS, FAILURE", "!is not one of"},
		{"RET", ret, "FULL", "FULL"},
		{"RET", ret, "hdrs", "HDRS"},
		{"RET", ret, "", "!neither FULL nor HDRS"},
		{"RET", ret, "HEADERS", "!neither FULL nor HDRS"},
		{"ENVID", envid, "QQ314159", "QQ314159"}, // RFC 3461 §10
		{"ENVID", envid, "a+2Bb+3Dc+20d", "a+b=c d"},
		{"ENVID", envid, "a+2bb", "a+b"},
		{"ENVID", envid, strings.Repeat("x", 100), strings.Repeat("x", 100)},
		{"ENVID", envid, strings.Repeat("x", 101), "!has 101 characters; 100 are allowed"},
		{"ENVID", envid, "", "!has no value"},
		{"ENVID", envid, "a=b", "!written as +3D"},
		{"ENVID", envid, "a b", "!written as +20"},
		{"ENVID", envid, "a+2", "!two digits"},
		{"ENVID", envid, "a+-1", "!two digits"},
		{"ENVID", envid, "a+0D+0Ab", "!not printable"},
		{"ENVID", envid, "a+C3", "!not printable"},
		{"ENVID", envid, "ä", "!written as +C3"},
		{"ORCPT", orcpt, "rfc822;Bob@Example.COM", "rfc822|Bob@Example.COM"}, // RFC 3461 §10
		{"ORCPT", orcpt, "RFC822;bob+2Btag@example.com", "rfc822|bob+tag@example.com"},
		{"ORCPT", orcpt, "x400;/G=a+20b/C=+3DX/", "!written as +3D"},
		{"ORCPT", orcpt, "x400;/G+3Da+20b/", "x400|/G=a b/"},
		{"ORCPT", orcpt, "bob@example.com", "!no semicolon"},
		{"ORCPT", orcpt, ";bob@example.com", "!is not an address type"},
		{"ORCPT", orcpt, "rfc822;", "!no address"},
		{"ORCPT", orcpt, "rfc822;+20", "!no address"},
		{"ORCPT", orcpt, "rfc 822;a@b.example", "!is not an address type"},
		{"ORCPT", orcpt, "rfc822;jörg@example.com", "!written as +C3"},
		{"ORCPT", orcpt, "rfc822;" + strings.Repeat("x", 493), "rfc822|" + strings.Repeat("x", 493)},
		{"ORCPT", orcpt, "rfc822;" + strings.Repeat("x", 494), "!501 characters; 500 are allowed"},
		{"ORCPT", orcpt, "utf-8;jörg@bücher.example", "utf-8|jörg@bücher.example"},
		{"ORCPT", orcpt, `UTF-8;j\x{F6}rg@example.com`, "utf-8|jörg@example.com"},
		{"ORCPT", orcpt, `utf-8;j\x{F6}rg\x{2B}a+2Bb@example.com`, "utf-8|jörg+a+b@example.com"},
		{"ORCPT", orcpt, `utf-8;\x{1F4EE}@example.com`, "utf-8|📮@example.com"},
		{"ORCPT", orcpt, `utf-8;\x{D800}@example.com`, `!number of a character`},
		{"ORCPT", orcpt, `utf-8;\x{110000}@example.com`, `!number of a character`},
		{"ORCPT", orcpt, `utf-8;\xF6@example.com`, `!number of a character`},
		{"ORCPT", orcpt, `utf-8;\x{}@example.com`, `!number of a character`},
		{"ORCPT", orcpt, `utf-8;\x{0A}@example.com`, "!not printable"},
		{"ORCPT", orcpt, "utf-8;j+F6rg@example.com", "!ASCII character"},
		{"ORCPT", orcpt, "utf-8;a\xff@example.com", "!not valid UTF-8"},
	} {
		got, err := tt.parse(tt.in)
		if part, refused := strings.CutPrefix(tt.want, "!"); refused {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Field != tt.param || !strings.Contains(e.Reason, part) {
				t.Errorf("%s=%s: %v, want an error with %q", tt.param, tt.in, err, part)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%s=%s: %q, %v; want %q", tt.param, tt.in, got, err, tt.want)
		}
	}
}

// Values that no client wrote are checked by the same rules.
func TestDSNCheck(t *testing.T) {
	for _, err := range []error{
		(NotifyNever | NotifyDelay).Check(), Notify(16).Check(), Ret(3).Check(), EnvID("a\r\nb").Check(), EnvID(strings.Repeat("+", 34)).Check(),
		ORcpt{Type: "rfc822", Address: "jörg@example.com"}.Check(), ORcpt{Type: "rfc822", Address: "a\r\nb"}.Check(), ORcpt{Type: "RFC822", Address: "a@b"}.Check(),
		ORcpt{Type: "utf-8", Address: "a\x00@b"}.Check(), ORcpt{Address: "a@b"}.Check(),
	} {
		if err == nil {
			t.Error("taken")
		}
	}
	for _, err := range []error{Notify(0).Check(), Ret(0).Check(), EnvID("").Check(), ORcpt{}.Check(), EnvID("a b").Check(), ORcptOf("jörg@example.com").Check()} {
		if err != nil {
			t.Error(err)
		}
	}
}

// How addresses are written: in a command with and without SMTPUTF8, and in a report.
func TestORcptForms(t *testing.T) {
	for _, tt := range []struct {
		email, smtp, smtputf8, field string
	}{
		{"a+b@example.com", "rfc822;a+2Bb@example.com", "rfc822;a+2Bb@example.com", "rfc822; a+b@example.com"},
		{`"a b"@example.com`, `rfc822;"a+20b"@example.com`, `rfc822;"a+20b"@example.com`, `rfc822; "a b"@example.com`},
		{"jörg+x@example.com", `utf-8;j\x{F6}rg\x{2B}x@example.com`, `utf-8;jörg\x{2B}x@example.com`, `utf-8; j\x{F6}rg\x{2B}x@example.com`},
	} {
		o := ORcptOf(tt.email)
		if o.SMTP(false) != tt.smtp || o.SMTP(true) != tt.smtputf8 || o.Field() != tt.field {
			t.Errorf("%s: %s, %s, %s", tt.email, o.SMTP(false), o.SMTP(true), o.Field())
		}
	}
}

// What is understood is written such that it is understood alike, and nothing of it ends a command or a header field.
func FuzzDSNParameters(f *testing.F) {
	for _, s := range []string{"NEVER", "SUCCESS,DELAY", "FULL", "hdrs", "a+2Bb", "QQ314159", "rfc822;a+2Bb@example.com", `utf-8;j\x{F6}rg@example.com`, "utf-8;jörg@example.com", `utf-8;\x{5C}x{0A}@x`, "x400;+20a", "+", `utf-8;\x{`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseNotify(s); err == nil {
			if again, err := ParseNotify(n.String()); err != nil || again != n {
				t.Errorf("%q: %v, %v", s, again, err)
			}
		}
		if r, err := ParseRet(s); err == nil {
			if again, err := ParseRet(r.String()); err != nil || again != r {
				t.Errorf("%q: %v, %v", s, again, err)
			}
		}
		if e, err := ParseEnvID(s); err == nil {
			if strings.ContainsAny(string(e), "\r\n\x00") || strings.ContainsAny(e.XText(), " \r\n=") {
				t.Errorf("%q: %q, %q", s, e, e.XText())
			}
			if again, err := ParseEnvID(e.XText()); err == nil && again != e {
				t.Errorf("%q: %q", s, again)
			}
		}
		o, err := ParseORcpt(s)
		if err != nil {
			return
		}
		for _, form := range []string{o.SMTP(false), o.SMTP(true)} {
			if again, err := ParseORcpt(form); utf8.RuneCountInString(form) <= maxORcpt && (err != nil || again != o) {
				t.Errorf("%q: %q: %+v, %v; want %+v", s, form, again, err, o)
			}
			if strings.ContainsAny(form, " \r\n\x00=") {
				t.Errorf("%q: %q", s, form)
			}
		}
		if strings.ContainsAny(o.Field(), "\r\n\x00") || !ascii(o.Field()) {
			t.Errorf("%q: %q", s, o.Field())
		}
	})
}
