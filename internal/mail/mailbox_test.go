// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"postern/internal/mail"
)

// Each address as written with its canonical form; "" where it is none.
var mailboxes = []struct{ written, canonical string }{
	{"sup@example.org", "sup@example.org"},
	{"Sup@EXAMPLE.org", "sup@example.org"},
	{`"sup"@example.org`, "sup@example.org"},
	{`"SUP"@example.org`, "sup@example.org"},
	{`"s\up"@example.org`, "sup@example.org"},
	{`"\s\u\p"@example.org`, "sup@example.org"},
	{`"s.u.p"@example.org`, "s.u.p@example.org"},
	{`"a b"@example.org`, `"a b"@example.org`},
	{`"a\ b"@example.org`, `"a b"@example.org`},
	{`"A\ B"@example.org`, `"a b"@example.org`},
	{`"a\"b"@example.org`, `"a\"b"@example.org`},
	{`"a\\b"@example.org`, `"a\\b"@example.org`},
	{`"a\@b"@example.org`, `"a@b"@example.org`},
	{`"a@b"@example.org`, `"a@b"@example.org`},
	{`".a"@example.org`, `".a"@example.org`},
	{`"a..b"@example.org`, `"a..b"@example.org`},
	{`"a."@example.org`, `"a."@example.org`},
	{`""@example.org`, `""@example.org`},
	{`" "@example.org`, `" "@example.org`},
	{"*@example.org", "*@example.org"},
	{`"*"@example.org`, "*@example.org"},
	{"a+b@example.org", "a+b@example.org"},
	{"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"},
	{"a@localhost", "a@localhost"},
	{"a@1.2.3.example", "a@1.2.3.example"},
	// Unicode: composed and decomposed forms are one.
	{"jörg@example.org", "jörg@example.org"},
	{"jo\u0308rg@example.org", "jörg@example.org"},
	{"JÖRG@example.org", "jörg@example.org"},
	{"JO\u0308RG@example.org", "jörg@example.org"},
	{"\"jo\u0308rg\"@example.org", "jörg@example.org"},
	{"\u212bngstrom@example.org", "ångstrom@example.org"}, // the sign for the unit
	{"\u0130@example.org", "\u0130@example.org"},          // whose lower case is no ASCII i
	{"用户@example.org", "用户@example.org"},
	{"\"a\u00a0b\"@example.org", "\"a\u00a0b\"@example.org"},
	{"a\u037eb@example.org", `"a;b"@example.org`}, // the Greek question mark is a semicolon
	// domains
	{"a@Bücher.example", "a@xn--bcher-kva.example"},
	{"a@bu\u0308cher.example", "a@xn--bcher-kva.example"},
	{"a@BÜCHER.example", "a@xn--bcher-kva.example"},
	{"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
	{"a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"},
	{"a@ｅｘａｍｐｌｅ.ｏｒｇ", "a@example.org"},
	{"a@ＥＸＡＭＰＬＥ。ＯＲＧ", "a@example.org"},
	{"a@example\u3002org", "a@example.org"},
	{"a@straße.example", "a@xn--strae-oqa.example"},
	{strings.Repeat("a", 64) + "@example.org", strings.Repeat("a", 64) + "@example.org"},
	{"a@" + strings.Repeat("b", 63) + ".example", "a@" + strings.Repeat("b", 63) + ".example"},
	// none
	{"", ""},
	{"a", ""},
	{"@example.org", ""},
	{"a@", ""},
	{"a@b@example.org", ""},
	{".a@example.org", ""},
	{"a.@example.org", ""},
	{"a..b@example.org", ""},
	{"a b@example.org", ""},
	{`"a"b"@example.org`, ""},
	{`"a"b@example.org`, ""},
	{`"a\"@example.org`, ""},
	{`"a@example.org`, ""},
	{`"@example.org`, ""},
	{"a@[192.0.2.1]", ""},
	{"a@[IPv6:2001:db8::1]", ""},
	{"a@example..org", ""},
	{"a@.example.org", ""},
	{"a@example.org.", ""},
	{"a@example.org\u3002", ""},
	{"a@-example.org", ""},
	{"a@example-.org", ""},
	{"a@exa_mple.org", ""},
	{"a@exa mple.org", ""},
	{"a@xn--\u00fc.example", ""},
	{"a@xn--a.example", ""},
	{"<a@example.org>", ""},
	{" a@example.org", ""},
	{"a@example.org ", ""},
	{"a(b)@example.org", ""},
	{"a,b@example.org", ""},
	{"a\x00@example.org", ""},
	{"a\r\n@example.org", ""},
	{"\"a\tb\"@example.org", ""},
	{"a\x7f@example.org", ""},
	{"a\u0085@example.org", ""},
	{"a\u2028@example.org", ""},
	{"j\xf6rg@example.org", ""},
	{"su\u200bp@example.org", ""},
	{"\ufeffsup@example.org", ""},
	{"su\u00adp@example.org", ""},
	{"\u202esup@example.org", ""},
	{"sup@exam\u00adple.org", ""},
	{"a\u00a0b@example.org", ""},
	{strings.Repeat("a", 65) + "@example.org", ""},
	{"a@" + strings.Repeat("b", 64) + ".example", ""},
	{"a@" + strings.Repeat("b.", 126) + "example", ""},
}

func TestParseMailbox(t *testing.T) {
	for _, c := range mailboxes {
		box, err := mail.ParseMailbox(c.written)
		if c.canonical == "" {
			if err == nil {
				t.Errorf("%q is %q, want it refused", c.written, box.Canonical())
			}
			continue
		}
		if err != nil || box.Canonical() != c.canonical || box.String() != c.written {
			t.Errorf("%q is %q, written %q, %v; want %q", c.written, box.Canonical(), box.String(), err, c.canonical)
		}
		if mail.Canonical(c.written) != c.canonical || mail.ContactID(c.written) != mail.ContactID(c.canonical) {
			t.Errorf("%q: Canonical and ContactID see another address", c.written)
		}
	}
}

func TestMailboxParts(t *testing.T) {
	box, err := mail.ParseMailbox(`"Ann B"@BÜCHER.example`)
	if err != nil || box.Local() != `"Ann B"` || box.Domain() != "xn--bcher-kva.example" {
		t.Errorf("%q, %q, %v", box.Local(), box.Domain(), err)
	}
	if none := (mail.Mailbox{}); none.Local() != "" || none.Domain() != "" || none.Canonical() != "" || none.String() != "" {
		t.Errorf("the zero mailbox is %+v", none)
	}
	if got := (mail.Address{Name: "x", Email: `"Ann B"@BÜCHER.example`}).String(); got != `"x" <"Ann B"@xn--bcher-kva.example>` {
		t.Errorf("written for a header: %s", got)
	}
}

// The canonical form is an address, its own canonical form, and that of everything that differs in its quotes or in
// Unicode's form alone.
func FuzzMailbox(f *testing.F) {
	for _, c := range mailboxes {
		f.Add(c.written)
	}
	f.Fuzz(func(t *testing.T, s string) {
		box, err := mail.ParseMailbox(s)
		if err != nil {
			return
		}
		again, err := mail.ParseMailbox(box.String())
		if err != nil || again != box || box.String() != s {
			t.Fatalf("%q: %+v read again is %+v, %v", s, box, again, err)
		}
		canonical, err := mail.ParseMailbox(box.Canonical())
		if err != nil || canonical.Canonical() != box.Canonical() || canonical.String() != box.Canonical() || canonical.Domain() != box.Domain() {
			t.Fatalf("%q: %q is not its own canonical form: %q, %v", s, box.Canonical(), canonical.Canonical(), err)
		}
		others := []string{norm.NFC.String(box.Local()) + "@" + box.Domain(), norm.NFD.String(box.Local()) + "@" + strings.ToUpper(box.Domain())}
		if !strings.HasPrefix(s, `"`) {
			others = append(others, `"`+box.Local()+`"@`+box.Domain())
		}
		for _, x := range others {
			if other, err := mail.ParseMailbox(x); err == nil && other.Canonical() != box.Canonical() {
				t.Fatalf("%q is %q, and %q is %q", s, box.Canonical(), x, other.Canonical())
			}
		}
	})
}

func BenchmarkParseMailbox(b *testing.B) {
	for name, s := range map[string]string{"plain": "ann.smith+tag@mail.example.com", "capitals": "Ann.Smith@Example.com", "quoted": `"ann smith"@example.com`, "unicode": "jörg@bücher.example"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mail.ParseMailbox(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// An address of plain ASCII costs no memory.
func TestPlainMailboxAllocatesNothing(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		box, err := mail.ParseMailbox("ann.smith+tag@mail.example.com")
		if err != nil || box.Canonical() != "ann.smith+tag@mail.example.com" {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
