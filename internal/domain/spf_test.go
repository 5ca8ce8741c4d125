// SPDX-License-Identifier: Apache-2.0

package domain_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"postern/internal/dns"
	"postern/internal/domain"
)

func txt(texts ...string) dns.Records { return dns.Records{TXT: texts} }

func TestSPF(t *testing.T) {
	table := dns.Table{
		"spf.mail.test":      txt("v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/64 -all"),
		"mail.test":          {IP: []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("2001:db8::5")}},
		"mx.test":            {MX: []dns.MX{{Host: "mail.test", Pref: 1}}},
		"dead.test":          {Fail: true},
		"half.test":          txt("v=spf1 ip4:192.0.2.5 -all"),
		"loop.test":          txt("v=spf1 include:loop.test -all"),
		"two.test":           txt("v=spf1 -all", "V=SPF1 ~all"),
		"open.test":          txt("v=spf1 +all"),
		"redirected.test":    txt("v=spf1 redirect=spf.mail.test"),
		"near.mail.test":     txt("v=spf1x include:spf.mail.test", "google-site-verification=1"),
		"exists.mail.test":   txt("v=spf1 exists:%{i}._spf.mail.test a:mail.test/24//64 mx:mx.test ptr ?all"),
		"many.includes.test": txt(many(12)),
	}
	for i := range 12 {
		table[fmt.Sprintf("i%d.test", i)] = txt("v=spf1 ip4:198.51.100.1 -all")
	}
	at := func(record string) string {
		table["shop.test"] = txt("unrelated", record)
		return "shop.test"
	}
	for _, c := range []struct {
		name, domain, requires string
		wrong                  []string // parts of what is wrong, in order; none: it is right
	}{
		{"include", at("v=spf1 include:spf.mail.test ~all"), "include:spf.mail.test", nil},
		{"none", "mx.test", "include:spf.mail.test", []string{"mx.test has no SPF record"}},
		{"no such name", "nowhere.test", "include:spf.mail.test", []string{"has no SPF record"}},
		{"something like it", "near.mail.test", "include:spf.mail.test", []string{"has no SPF record"}},
		{"two", "two.test", "ip4:192.0.2.5", []string{"two.test has 2 SPF records", "not covered: add ip4:192.0.2.5"}},
		{"everybody", "open.test", "ip4:192.0.2.5", []string{`the record of open.test has "+all"`}},
		{"by redirect", "redirected.test", "include:spf.mail.test", nil},
		{"address by a host and network", "exists.mail.test", "ip4:192.0.2.200", nil},
		{"both addresses of the host", "redirected.test", "a:mail.test", nil},
		{"one address of two", "half.test", "a:mail.test", []string{"not covered: add a:mail.test"}},
		{"a host without an address", "half.test", "a:mx.test", []string{"the name of this server, mx.test, has no address"}},
		{"a loop", "loop.test", "include:loop.test", []string{"takes more than 30 DNS look-ups"}},
		{"too many", "many.includes.test", "include:i3.test", []string{"takes 12 DNS look-ups"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker, err := domain.New(domain.Config{Resolver: table, SPF: []string{c.requires}})
			if err != nil {
				t.Fatal(err)
			}
			got, known := checker.SPFErrors(t.Context(), c.domain)
			ok := known && len(got) == len(c.wrong)
			for i := 0; ok && i < len(got); i++ {
				ok = strings.Contains(got[i], c.wrong[i])
			}
			if !ok {
				t.Errorf("%q, known %v; want %q", got, known, c.wrong)
			}
		})
	}
	checker, err := domain.New(domain.Config{Resolver: table, SPF: []string{"include:spf.mail.test"}})
	if err != nil {
		t.Fatal(err)
	}
	for record, wrong := range map[string]string{
		"v=spf1 include:spf.mail.test include:gone.test -all": "shop.test includes gone.test, which has no SPF record",
		"v=spf1 include:spf.mail.test ipv4:192.0.2.1 -all":    `"ipv4:192.0.2.1" is no mechanism of SPF`,
		"v=spf1 include:spf.mail.test ip4:192.0.2.300 -all":   "no such address",
		"v=spf1 include:spf.mail.test redirect=gone.test":     "shop.test redirects to gone.test, which has no SPF record",
		"v=spf1 mx -all":                    "not covered: add include:spf.mail.test to the record, before its all",
		"v=spf1 -all include:spf.mail.test": "not covered",
	} {
		got, known := checker.SPFErrors(t.Context(), at(record))
		if !known || len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), wrong) {
			t.Errorf("%s: %q", record, got)
		}
	}
	for _, d := range []string{"dead.test", at("v=spf1 include:dead.test -all"), at("v=spf1 a:dead.test include:spf.mail.test -all")} {
		if got, known := checker.SPFErrors(t.Context(), d); known {
			t.Errorf("%s: a dead server says %q", d, got)
		}
	}
	blind, err := domain.New(domain.Config{Resolver: table})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := blind.SPFErrors(t.Context(), "half.test"); len(got) != 1 || !strings.Contains(got[0], "--spf") {
		t.Errorf("a server that knows nothing of itself: %q", got)
	}
	if got, _ := blind.SPFErrors(t.Context(), "mx.test"); len(got) != 2 || !strings.Contains(got[1], "--spf") {
		t.Errorf("a server that knows nothing of itself, of a domain without a record: %q", got)
	}
}

func many(n int) string {
	s := "v=spf1"
	for i := range n {
		s += fmt.Sprintf(" include:i%d.test", i)
	}
	return s + " -all"
}

func TestParseSPF(t *testing.T) {
	for _, ok := range []string{"include:spf.mail.test", "a:mail.test", "ip4:192.0.2.25", "ip4:192.0.2.0/24", "ip6:2001:db8::1", ""} {
		if err := domain.ParseSPF([]string{ok}); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"mail.test", "all", "a", "mx:mail.test", "-include:spf.mail.test", "+a:mail.test", "redirect=mail.test", "ip4:mail.test", "ip4:2001:db8::1", "ip6:192.0.2.1", "include:", "include:a b", "include:%{i}.test", "a:mail.test/33", "a:mail.test/+1"} {
		if err := domain.ParseSPF([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestDKIMRecord(t *testing.T) {
	const want = "v=DKIM1; k=rsa; p=MIIBIjANBgkq"
	for text, wrong := range map[string]string{
		want:                                  "",
		"k=rsa;p=MIIBIj ANBgkq;":              "",
		"v=DKIM1; k=rsa; t=s; p=MIIBIjANBgkq": "",
		"v=DKIM1; p=":                         "revoked",
		"v=DKIM1; k=rsa":                      "no key",
		"v=DKIM1; p=MIIBIj":                   "cut off after 6 of 12",
		"v=DKIM1; p=other":                    "another key",
		"v=DKIM2; p=MIIBIjANBgkq":             "v=DKIM2",
		"v=DKIM1; k=ed25519; p=MIIBIjANBgkq":  "ed25519",
		"nonsense":                            "cannot be read",
		"p=a; p=b":                            "twice",
	} {
		got := strings.Join(domain.DKIMErrors(text, want), "\n")
		if wrong == "" && got != "" || !strings.Contains(got, wrong) {
			t.Errorf("%q: %q, want %q", text, got, wrong)
		}
	}
}

func TestDMARC(t *testing.T) {
	c, err := domain.New(domain.Config{Resolver: dns.Table{
		"_dmarc.none.test": txt("v=DMARC1; p=none"), "_dmarc.good.test": txt("something", "v=DMARC1;p=reject"), "_dmarc.two.test": txt("v=DMARC1; p=none", "v=DMARC1; p=reject"),
		"_dmarc.odd.test": txt("v=DMARC1; p=perhaps"), "_dmarc.dead.test": {Fail: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{
		"none.test": "With p=none", "good.test": "", "a.b.good.test": "", "two.test": "2 DMARC records", "odd.test": `"perhaps"`, "nothing.test": "There is none", "test": "There is none",
	} {
		if _, advice, known := c.DMARC(t.Context(), domain); !known || !strings.Contains(advice, want) || want == "" && advice != "" {
			t.Errorf("%s: %q", domain, advice)
		}
	}
	if _, _, known := c.DMARC(t.Context(), "dead.test"); known {
		t.Error("a dead server says something")
	}
}

func FuzzSPF(f *testing.F) {
	for _, s := range []string{"v=spf1 include:spf.mail.test ~all", "v=spf1 a:host/24//64 mx/8 ip4:192.0.2.0/24 ip6:2001:db8::/32 ptr exists:%{i} ?all redirect=x exp=y", "v=spf1 a//", "v=spf1 ip4:/", "v=spf1 -", "v=spf1 =x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		domain.ReadSPF(text) //nolint:errcheck // it must not panic
		c, err := domain.New(domain.Config{Resolver: dns.Table{"x": txt(text), "y": txt("v=spf1 redirect=x")}, SPF: []string{"ip4:192.0.2.1"}})
		if err != nil {
			t.Fatal(err)
		}
		c.SPFErrors(t.Context(), "x")
	})
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{"v=DKIM1; k=rsa; p=MIIB", ";;=;", "p"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		domain.ReadTags(text) //nolint:errcheck // it must not panic
		domain.DKIMErrors(text, "v=DKIM1; k=rsa; p=MIIB")
	})
}
