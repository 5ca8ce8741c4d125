// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"fmt"
	netmail "net/mail"
	"strings"
	"testing"

	"postern/internal/mail"
)

// canonicals are the addresses of a list, as compared.
func canonicals(list []mail.Address) string {
	var out []string
	for _, a := range list {
		out = append(out, mail.Canonical(a.Email))
	}
	return strings.Join(out, " ")
}

// Each value with the addresses that are in it, in the order of RFC 5322 §3.4 and §4.4.
var addressLists = []struct{ value, want string }{
	{"a@example.com", "a@example.com"},
	{" a@example.com ", "a@example.com"},
	{"<a@example.com>", "a@example.com"},
	{"< a@example.com >", "a@example.com"},
	{"A@Example.COM, b@example.org,c@example.net", "a@example.com b@example.org c@example.net"},
	{", a@example.com,, b@example.org ,", "a@example.com b@example.org"},
	{"Name <a@example.com>", "a@example.com"},
	{"Name<a@example.com>", "a@example.com"},
	{"Dr. John Q. Public, Jr. <a@example.com>", ""},
	{"Dr. John Q. Public <a@example.com>", "a@example.com"},
	{"Dr. Foo (Bar) <a@example.com>", "a@example.com"},
	{`"Doe, John" <a@example.com>, "x" <b@example.org>`, "a@example.com b@example.org"},
	{`"a \"b\" <c@d.example>," <a@example.com>`, "a@example.com"},
	{`Giant "Big" Box <a@example.com>`, "a@example.com"},
	{"[Shop] Orders <a@example.com>", "a@example.com"},
	{"Orders [Shop.example] <a@example.com>", "a@example.com"},
	{"a@example.com <a@example.com>", "a@example.com"},
	{"A@EXAMPLE.com <a@example.com>", "a@example.com"},
	{`"a"@example.com <a@example.com>`, "a@example.com"},
	{"ceo@bank.example <a@example.com>", ""},
	{"a@example.com <ceo@bank.example>", ""},
	{"Orders a@example.com <a@example.com>", ""},
	{`"ceo@bank.example" <a@example.com>`, "a@example.com"},
	{"=?windows-1252?Q?J=FCrgen?= <a@example.com>", "a@example.com"},
	{"=?iso-8859-15?q?J=FCrgen_=A4?= <a@example.com>", "a@example.com"},
	{"=?gb2312?B?1tC5+g==?= <a@example.com>", "a@example.com"},
	{"=?koi8-r?B?8NLJ18XU?= <a@example.com>", "a@example.com"},
	{"=?x-unknown?Q?J=FCrgen?= <a@example.com>", "a@example.com"},
	{"=?utf-8*de?Q?J=C3=BCrgen?= <a@example.com>", "a@example.com"},
	{"=?utf-8?Q?J=C3?= <a@example.com>", "a@example.com"},
	{"=?utf-8?Q?J=ZZ?= =?utf-8?B?*?= <a@example.com>", "a@example.com"},
	{"=?utf-8?Q?broken <a@example.com>", "a@example.com"},
	{"=?utf-8?Q?J=C3=BCrgen_@_Shop?= <a@example.com>", "a@example.com"},
	{"=?utf-8?Q?Meier,_J=C3=BCrgen?= <a@example.com>", "a@example.com"},
	{"=?utf-8?Q?Shop_(new)?= <a@example.com>", "a@example.com"},
	{"=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?=<a@example.com>", "a@example.com"},
	{`"=?utf-8?q?J=C3=BCrgen?=" <a@example.com>`, "a@example.com"},
	{"J\xfcrgen <a@example.com>", "a@example.com"},
	{"\"J\xfcrgen, M\xfcller\" <a@example.com>", "a@example.com"},
	{"Jürgen Müller <a@example.com>", "a@example.com"},
	{"名前 <a@example.com>", "a@example.com"},
	{"jörg@bücher.example", "jörg@xn--bcher-kva.example"},
	{"J\xfcrgen@example.com", ""},
	{`"a b"@example.com`, `"a b"@example.com`},
	{`<"a b"@example.com>`, `"a b"@example.com`},
	{`x <"a\ b"@example.com>`, `"a b"@example.com`},
	{`"a@b"@example.com`, `"a@b"@example.com`},
	{"team: a@example.com, b@example.org;", "a@example.com b@example.org"},
	{"team: a@example.com, , X <b@example.org> ; , c@example.net", "a@example.com b@example.org c@example.net"},
	{"undisclosed-recipients:;", " "},
	{"undisclosed-recipients: (none) ; (end)", " "},
	{"team: a@example.com", ""},
	{"Shop: Orders <a@example.com>", ""},
	{"a: b: c@example.com;;", ""},
	{"a@example.com (John)", "a@example.com"},
	{"(John) a@example.com", "a@example.com"},
	{"(a (nested \\) one) x) <a@example.com>(end)", "a@example.com"},
	{"<@relay.example:a@example.com>", "a@example.com"},
	{"Mary <@relay.example,@b.example:a@example.com>", "a@example.com"},
	{"<@relay.example,ceo@bank.example:a@example.com>", ""},
	{"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", "mary@example.net jdoe@test.example"},
	{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete@silly.test"},
	{"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n  joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)", "c@public.example joe@example.org jdoe@one.test"},
	{"a @ example.com", "a@example.com"},
	{`"a"."b"@example.com`, "a.b@example.com"},
	{"Müller,\r\n Jürgen <a@example.com>", ""},
	{"<a@example.com> <b@example.org>", ""},
	{"a@example.com b@example.org", ""},
	{"a@example.com <b@example.org> <c@example.net>", ""},
	{"a@example.com; b@example.org", ""},
	{"a@example.com trailing", ""},
	{"<a@example.com> trailing", ""},
	{"Name a@example.com", ""},
	{"<a@example.com", ""},
	{"a@example.com>", ""},
	{"<<a@example.com>>", ""},
	{"<>", ""},
	{"Name <>", ""},
	{"Name", ""},
	{"Two words", ""},
	{"", ""},
	{" ,, ", ""},
	{"(a@example.com)", ""},
	{"a@example.com (x", ""},
	{`"a <a@example.com>`, ""},
	{"a\x00 <a@example.com>", ""},
	{"a\x1b$B <a@example.com>", ""},
	{"a\r\nX: y <a@example.com>", ""},
	{"a@b@example.com", ""},
	{"a@[192.0.2.1]", ""},
	{"a@example.com.", ""},
	{"@example.com", ""},
	{"a@", ""},
	{`back\slash <a@example.com>`, ""},
	{"I <3 mail <a@example.com>", ""},
}

func TestParseAddressList(t *testing.T) {
	for _, c := range addressLists {
		list, err := mail.ParseAddressList(c.value)
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%q became %q, want it refused", c.value, canonicals(list))
		case c.want != "" && (err != nil || canonicals(list) != strings.TrimSpace(c.want)):
			t.Errorf("%q became %q, %v; want %q", c.value, canonicals(list), err, c.want)
		}
	}
}

func TestDisplayNames(t *testing.T) {
	for value, want := range map[string]string{
		"=?windows-1252?Q?J=FCrgen?= <a@b.example>":                "Jürgen",
		"=?iso-8859-15?q?5_=A4?= <a@b.example>":                    "5 €",
		"=?koi8-r?B?8NLJ18XU?= <a@b.example>":                      "Привет",
		"=?gb2312?B?1tC5+g==?= <a@b.example>":                      "中国",
		"=?x-unknown?Q?J=FCrgen?= <a@b.example>":                   "=?x-unknown?Q?J=FCrgen?=",
		"=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?= Meier <a@b.example>": "Jürgen Meier",
		"=?utf-8?Q?Meier,_J=C3=BCrgen?= <a@b.example>":             "Meier, Jürgen",
		"J\xfcrgen <a@b.example>":                                  "J\uFFFDrgen",
		"[Shop]  Orders <a@b.example>":                             "[Shop] Orders",
		`"Doe,  John" <a@b.example>`:                               "Doe,  John",
		`"a \"b\" \\c" <a@b.example>`:                              `a "b" \c`,
		`Giant "Big" Box <a@b.example>`:                            "Giant Big Box",
		"Dr. Foo (Bar) <a@b.example>":                              "Dr. Foo",
		"a@b.example (John  Q.)":                                   "John Q.",
		"a@b.example <a@b.example>":                                "a@b.example",
		"<a@b.example>":                                            "",
	} {
		a, err := mail.ParseAddress(value)
		if err != nil || a.Name != want || a.Email != "a@b.example" {
			t.Errorf("%q became %+v, %v; want %q", value, a, err, want)
		}
	}
}

// The reason is the true one.
func TestAddressListReasons(t *testing.T) {
	for value, want := range map[string]string{
		"Müller, Jürgen <a@b.example>":        "the display name needs quotation marks: it has a comma",
		"Müller; Jürgen <a@b.example>":        "the display name needs quotation marks: it has a semicolon",
		"Shop: Orders <a@b.example>":          "the display name needs quotation marks: it has a colon",
		"ceo@bank.example <a@b.example>":      "the display name needs quotation marks: it has an @",
		"Orders a@b.example <a@b.example>":    "the display name needs quotation marks: it has an @",
		`a\b <a@b.example>`:                   `the display name needs quotation marks: it has a \`,
		"I <3 mail <a@b.example>":             "the display name needs quotation marks: it has a <",
		"smile :-) <a@b.example>":             "the display name needs quotation marks",
		"a) <a@b.example>":                    "the display name needs quotation marks: it has a )",
		"a@b.example; c@d.example":            "has a ; where a comma belongs",
		"<a@b.example> <c@d.example>":         "has something after it",
		"a@b.example c@d.example":             "has something after it",
		"Name a@b.example":                    "a name before it stands in < and >",
		"Two words":                           "is missing after a name: it stands in < and >",
		"Name":                                "has no @",
		"<>":                                  "is missing between < and >",
		"(comment)":                           "is missing",
		`"Name <a@b.example>`:                 "has a quotation mark that is not closed",
		"Name (x <a@b.example>":               "has a ( that is not closed",
		"Name <a@b.example":                   "has a < that is not closed",
		"Na\x00me <a@b.example>":              "has a control character",
		"Name <a b@c.example>":                "more than one word before the @",
		"Name <a@b.example.>":                 "has a domain that is not a valid name",
		"Name <j\xfcrgen@b.example>":          "is not UTF-8",
		"Name <@x.example,y@z.example:a@b.c>": "has a route before it that is none",
	} {
		if _, err := mail.ParseAddressList(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", value, err, want)
		}
	}
}

// fromHeader reads the authors of a mail with these header lines.
func fromHeader(lines string) (string, error) {
	m, err := mail.ReadIncoming([]byte(lines+"\r\nTo: b@example.org\r\n\r\nx\r\n"), noon, newID)
	if err != nil {
		return "", err
	}
	var out []string
	for _, a := range m.Authors {
		out = append(out, a.Field+"="+a.Email)
	}
	return strings.Join(out, " "), nil
}

// Nobody is an author whom we do not see.
func TestAuthors(t *testing.T) {
	for lines, want := range map[string]string{
		"From: a@example.com":                                                         "From=a@example.com",
		"fROM : a@example.com":                                                        "From=a@example.com",
		"From: app@example.com, ceo@bank.example":                                     "From=app@example.com From=ceo@bank.example",
		"From: team: app@example.com, ceo@bank.example;":                              "From=app@example.com From=ceo@bank.example",
		"Sender: ceo@bank.example\r\nFrom: app@example.com":                           "From=app@example.com Sender=ceo@bank.example",
		"From: a@example.com\r\nResent-From: x@y.example, z@y.example":                "From=a@example.com Resent-From=x@y.example Resent-From=z@y.example",
		"From: a@example.com\r\nResent-From: x@y.example\r\nResent-From: z@y.example": "From=a@example.com Resent-From=x@y.example Resent-From=z@y.example",
		"From: a@example.com\r\nRESENT-SENDER: x@y.example":                           "From=a@example.com Resent-Sender=x@y.example",
		"From: a@example.com\r\nSender: ":                                             "From=a@example.com",
		"From:\r\n a@example.com,\r\n\tceo@bank.example":                              "From=a@example.com From=ceo@bank.example",
		`From: "ceo@bank.example" <a@example.com>`:                                    "From=a@example.com",
		"From: =?utf-8?q?ceo=40bank.example=2C?= <a@example.com>":                     "From=a@example.com",
		"From: =?utf-8?q?ceo@bank.example=2C?= <a@example.com>":                       "From=a@example.com",
		"From: a@example.com (ceo@bank.example)":                                      "From=a@example.com",
		`From: "a b"@example.com`:                                                     `From="a b"@example.com`,
		// refused
		"Subject: x":   "",
		"From: ":       "",
		"From: team:;": "",
		"From: <>":     "",
		"From: a@example.com\r\nFrom: ceo@bank.example":                            "",
		"From: a@example.com\r\nfrom : ceo@bank.example":                           "",
		"From: a@example.com\r\nFrom\t: ceo@bank.example":                          "",
		"From: a@example.com\r\nSender: a@example.com\r\nSender: ceo@bank.example": "",
		"From: a@example.com\r\nSender: a@example.com, ceo@bank.example":           "",
		"From: a@example.com\r\nSender: ceo":                                       "",
		"From: a@example.com\r\nResent-From: ceo at bank.example":                  "",
		"From: a@example.com <ceo@bank.example>":                                   "",
		"From: ceo@bank.example <a@example.com>":                                   "",
		"From: <a@example.com> <ceo@bank.example>":                                 "",
		"From: a@example.com\x00, ceo@bank.example":                                "",
		"From: a@example.com ((x), ceo@bank.example (y))":                          "",
		"From: a@example.com (x\\), ceo@bank.example (\\y)":                        "",
		`From: "x\", ceo@bank.example, \"" <a@example.com>`:                        "",
		`From: "ceo@bank.example <x>"@example.com`:                                 "",
		`From: "ceo@bank.example"]<a@example.com>`:                                 "",
		`From: team:";<ceo@bank.example>"< a@example.com (x)>;`:                    "",
		"From: (ceo@bank.example),a@example.com":                                   "",
		`From: "ceo@bank.example"(\\),.)<a@example.com>`:                           "",
		`From: x"ceo@bank.example"((=?utf-8?q?x?=);;)<a@example.com>`:              "",
		`From: (;\\)\")"<ceo@bank.example>"<a@example.com>`:                        "",
		`From: "ceo@bank.example, x"@example.com`:                                  "",
		"From: =?utf-8?q?x,ceo@bank.example,y?= <a@example.com>":                   "",
		"From: =?utf-8?q?x:ceo@bank.example;?= <a@example.com>":                    "",
		"From: =?utf-8?q?<ceo@bank.example>?= <a@example.com>":                     "",
		"From: a@example.com .evil.example":                                        "",
		"From: ceo .a@example.com":                                                 "",
		"From: a(ceo@bank.example)@example.com":                                    "",
		"From: [x, ceo@bank.example] <a@example.com>":                              "",
		"From: undisclosed: a@example.com; ceo@bank.example":                       "",
		" From: ceo@bank.example\r\nFrom: a@example.com":                           "",
		"From ceo@bank.example Mon Nov 23 12:00:00 2026\r\nFrom: a@example.com":    "",
		"Fr\xd0\xbem: ceo@bank.example\r\nFrom: a@example.com":                     "",
		"From\xa0: ceo@bank.example\r\nFrom: a@example.com":                        "",
		// What Python's email.policy.default reads as ceo@bank.example.
		"From: =?utf-8?q?ceo=40bank.example=2C?=a@example.com":                          "",
		`From: "ceo@bank.example" <=?utf-8?q?ceo=40bank.example?=a@example.com>`:        "",
		"From: =?utf-8?q?ceo=40bank=2Eexample?=] <a@example.com>":                       "",
		"From: =?utf,-8?q?ceo=40bank=2Eexample?= ]<a@example.com>":                      "",
		`From: "ceo@bank.example" [x] <a@example.com>`:                                  "",
		"From: Name?==?utf-8?q?ceo@bank.example?= <a@example.com>":                      "",
		"From: a@example.com\r\nSender: =?utf-8?q?ceo=40bank.example=2C?=a@example.com": "",
	} {
		got, err := fromHeader(lines)
		if got != want || want == "" && err == nil {
			t.Errorf("%q: %q, %v; want %q", lines, got, err, want)
		}
	}
}

// A written list reads back; what net/mail reads is read alike.
func FuzzAddressList(f *testing.F) {
	for _, c := range addressLists {
		f.Add(c.value)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.TrimSpace(s) // as the value of a field is
		list, err := mail.ParseAddressList(s)
		if err == nil {
			readsBack(t, list)
		}
		authors, doubt := mail.ParseAuthors(s)
		if doubt == nil && (err != nil || canonicals(authors) != canonicals(list)) {
			t.Fatalf("%q has authors %q and is the list %q, %v", s, authors, canonicals(list), err)
		}
		authorsLeave(t, s)
		other := netmail.AddressParser{}
		theirs, no := other.ParseList(s)
		if no != nil || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return
		}
		var want []string
		for _, a := range theirs {
			box, err := mail.ParseMailbox(requoted(a.Address))
			if err != nil {
				return
			}
			want = append(want, box.Canonical())
		}
		if err != nil {
			t.Fatalf("%q is refused: %v; net/mail reads %q", s, err, want)
		}
		if doubt == nil && canonicals(list) != strings.Join(want, " ") {
			t.Fatalf("%q became %q; net/mail reads %q", s, canonicals(list), want)
		}
	})
}

// authorsLeave: what leaves names the authors that were checked, and nobody else to a reader of RFC 5322's plain forms.
func authorsLeave(t *testing.T, value string) {
	t.Helper()
	m, err := mail.ReadIncoming([]byte("From: "+value+"\r\n\r\nx\r\n"), noon, newID)
	if err != nil {
		return
	}
	out, err := mail.ReadAuthors(m.Raw)
	if err != nil || len(out) != len(m.Authors) {
		t.Fatalf("%q: authors %+v, and in what leaves %+v, %v", value, m.Authors, out, err)
	}
	for i := range out {
		if out[i].Email != m.Authors[i].Email {
			t.Fatalf("%q: authors %+v, and in what leaves %+v", value, m.Authors, out)
		}
	}
}

func readsBack(t *testing.T, list []mail.Address) {
	t.Helper()
	var written []string
	for _, a := range list {
		if err := mail.CheckEmail(a.Email); err != nil {
			t.Fatalf("%q: %v", a.Email, err)
		}
		written = append(written, a.String())
	}
	if len(list) == 0 {
		return
	}
	back, err := mail.ParseAddressList(strings.Join(written, ", "))
	if err != nil || canonicals(back) != canonicals(list) {
		t.Fatalf("%q reads back as %q, %v", written, canonicals(back), err)
	}
}

// requoted puts back the quotation marks that net/mail takes from a local part.
func requoted(email string) string {
	at := strings.LastIndexByte(email, '@')
	if at < 0 || mail.CheckEmail(email) == nil && email[0] != '"' {
		return email
	}
	return fmt.Sprintf(`"%s"%s`, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(email[:at]), email[at:])
}

func BenchmarkParseAddressList(b *testing.B) {
	for name, s := range map[string]string{"plain": "ann.smith@example.com", "named": "Ann Smith <ann.smith@example.com>", "quoted": `"Smith, Ann" <ann.smith@example.com>`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mail.ParseAddressList(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
