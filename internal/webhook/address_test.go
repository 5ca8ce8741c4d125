// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"postern/internal/webhook"
)

func TestPublicAddresses(t *testing.T) {
	for _, text := range []string{"1.1.1.1", "9.9.9.9", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1", "2400:cb00::1"} {
		if !webhook.Public(netip.MustParseAddr(text)) {
			t.Errorf("%s is refused", text)
		}
	}
	for _, text := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::1.1.1.1", "::ffff:1.1.1.1", "::ffff:127.0.0.1", "::ffff:0:1.1.1.1", "64:ff9b::7f00:1", "64:ff9b::1.1.1.1", "64:ff9b:1::1", "100::1",
		"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:101:101::1", "3fff::1", "3fff:fff::1",
		"fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "5f00::1",
	} {
		if webhook.Public(netip.MustParseAddr(text)) {
			t.Errorf("%s is allowed", text)
		}
	}
	if webhook.Public(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}

func TestControl(t *testing.T) {
	for address, ok := range map[string]bool{
		"1.1.1.1:443": true, "1.1.1.1:80": true, "1.1.1.1:8443": true, "[2606:4700::1111]:8080": true, "1.1.1.1:65535": true,
		"1.1.1.1:25": false, "1.1.1.1:22": false, "1.1.1.1:1024": false, "127.0.0.1:443": false, "[::1]:443": false, "[::ffff:10.0.0.1]:443": false, "[fe80::1%lo]:443": false,
		"example.com:443": false, "": false,
	} {
		if err := webhook.Control(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// FuzzPublic holds the classifier to what net/netip knows, and to the rule that no IPv4 address goes by inside of an
// IPv6 one.
func FuzzPublic(f *testing.F) {
	for _, text := range []string{"1.1.1.1", "10.0.0.1", "2606:4700::1111", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:10.0.0.1", "fe80::1"} {
		f.Add(netip.MustParseAddr(text).AsSlice())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		if webhook.Public(a) && (!a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.Is4In6()) {
			t.Errorf("%s is allowed", a)
		}
		if webhook.Public(a.WithZone("eth0")) && a.Is6() {
			t.Errorf("%s with a zone is allowed", a)
		}
		if len(raw) != 4 {
			return
		}
		for _, form := range embedded([4]byte(raw)) {
			if webhook.Public(form) {
				t.Errorf("%s goes by as %s", a, form)
			}
		}
	})
}

// embedded are the IPv6 forms that have an IPv4 address inside.
func embedded(v4 [4]byte) []netip.Addr {
	var out []netip.Addr
	at := func(prefix string, offset int, invert bool) {
		b := netip.MustParseAddr(prefix).As16()
		n := binary.BigEndian.Uint32(v4[:])
		if invert {
			n = ^n
		}
		binary.BigEndian.PutUint32(b[offset:], n)
		out = append(out, netip.AddrFrom16(b))
	}
	at("::", 12, false)         // IPv4-compatible
	at("::ffff:0:0", 12, false) // IPv4-mapped
	at("::ffff:0:0:0", 12, false)
	at("2002::", 2, false)     // 6to4
	at("64:ff9b::", 12, false) // NAT64
	at("64:ff9b:1::", 12, false)
	at("2001::", 12, true) // Teredo's client
	at("2001::", 4, false) // Teredo's server
	return out
}

func TestCheck(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://example.com/hook": true, " https://user:pw@example.com:8443/a?b=c ": true, "https://example.com:443": true, "https://[2606:4700::1111]/": true, "https://1.1.1.1/": true,
		"https://example.com:5000/": true,
		"http://example.com/":       false, "ftp://example.com/": false, "example.com": false, "": false, "https://": false, "https:///x": false, "https://:443/": false,
		"https://example.com/#x": false, "https://example.com:25/": false, "https://example.com:0/": false, "https://example.com:99999/": false,
		"https://127.0.0.1/": false, "https://[::1]/": false, "https://localhost/": false, "https://a.LOCALHOST./": false, "https://10.1.2.3/": false, "https://169.254.169.254/latest": false,
		"https://2130706433/": false, "https://0x7f000001/": false, "https://0x7f.1/": false, "https://0177.0.0.1/": false, "https://127.1/": false, "https://0300.0250.1/": false, "https://08.8.8.8./": false, "https://./": false,
		"https://[::127.0.0.1]/": false, "https://[64:ff9b::7f00:1]/": false, "https://[2002:7f00:1::]/": false, "https://[::ffff:7f00:1]/": false, "https://[fe80::1%25eth0]/": false, "https://\u2460\u2461\u2466.0.0.1/": false,
		"https://[::ffff:10.0.0.1]/": false, "https://ex\nample.com/": false, "https://example.com/" + strings.Repeat("x", 2000): false,
	} {
		if _, err := webhook.Check(text, false); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{"http://127.0.0.1:9000/": true, "http://localhost/": true, "https://10.0.0.1:25/": true, "ftp://10.0.0.1/": false, "http://a:99999/": false} {
		if _, err := webhook.Check(text, true); (err == nil) != ok {
			t.Errorf("with private networks allowed, %q: %v", text, err)
		}
	}
	if _, err := webhook.Check("https://user:hunter2@exa mple.com/", false); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error is %v", err)
	}
}

// What a person writes into a URL is brought into the form of a request line, or refused.
func TestURLsAreNormalised(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.com/a b":                        "https://example.com/a%20b",
		"https://example.com/é":                          "https://example.com/%C3%A9",
		"https://example.com/a%20b%2Fc é":                "https://example.com/a%20b%2Fc%20%C3%A9",
		"https://example.com/?q=a b":                     "https://example.com/?q=a%20b",
		"https://example.com/?name=José&x=%C3%A9&y=1+2":  "https://example.com/?name=Jos%C3%A9&x=%C3%A9&y=1+2",
		"https://example.com/p é?k=✓ x":                  "https://example.com/p%20%C3%A9?k=%E2%9C%93%20x",
		`https://example.com/?a="<>"`:                    "https://example.com/?a=%22%3C%3E%22",
		"https://bücher.example.com/":                    "https://xn--bcher-kva.example.com/",
		"https://BÜCHER.example.com:8443/x":              "https://xn--bcher-kva.example.com:8443/x",
		"https://b%C3%BCcher.example.com/":               "https://xn--bcher-kva.example.com/",
		"https://例え.テスト/":                                "https://xn--r8jz45g.xn--zckzah/",
		"https://example.com/a?b=c%20d":                  "https://example.com/a?b=c%20d",
		"https://exa_mple.example.com/\u202e":            "https://exa_mple.example.com/%E2%80%AE",
		"https://[2606:4700::1111]:8443/a b?c d":         "https://[2606:4700::1111]:8443/a%20b?c%20d",
		"https://hooks.example.com/T0/B0/{id}?x={y}|{z}": "https://hooks.example.com/T0/B0/%7Bid%7D?x=%7By%7D%7C%7Bz%7D",
	} {
		u, err := webhook.Check(text, false)
		if err != nil || u.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, u, err, want)
			continue
		}
		if strings.ContainsFunc(u.RequestURI()+u.Host, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%s: the request line would have %q", text, u.RequestURI())
		}
		if again, err := webhook.Check(u.String(), false); err != nil || again.String() != want {
			t.Errorf("%s: once more it is %v, %v", text, again, err)
		}
	}
	for _, bad := range []string{
		"https://exa mple.com/", "https://example.com/?q=\xe9", "https://example.com/\xff", "https://a\u202eb.example.com/", "https://\uff11\uff12\uff17.0.0.1/", "https://ex<>ample.com/",
		"https://user:p \u00e9@example.com/", "https://xn--\u00fc.example.com/", "https://example.com/?a=\x00", "https://example.com/?a=\tb", "https://exa\"mple.com/", "https://local\u00adhost/",
	} {
		if u, err := webhook.Check(bad, false); err == nil {
			t.Errorf("%q: it is %s", bad, u)
		}
	}
}
