// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// errPrivate is what a webhook is told whose host leads into a network that is not public. The address is not named:
// an account's owner learns nothing about the names and addresses inside.
var errPrivate = errors.New("the host's address is not a public one, and webhooks do not go into private networks")

// notPublic4 are the IPv4 networks of the IANA special-purpose registry (RFC 6890) and what is no host's address.
var notPublic4 = prefixes(
	"0.0.0.0/8",       // this network (RFC 791)
	"10.0.0.0/8",      // private (RFC 1918)
	"100.64.0.0/10",   // carrier-grade NAT (RFC 6598)
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, and the metadata services of clouds
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments (RFC 6890)
	"192.0.2.0/24",    // documentation (RFC 5737)
	"192.88.99.0/24",  // 6to4 relays (RFC 7526)
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks (RFC 2544)
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
)

// public6 is all of IPv6 that is given out to networks (RFC 4291 §2.4). Outside of it are loopback, link-local, unique
// local and multicast addresses, and the forms with an IPv4 address inside: mapped and compatible (::/96), translated
// (64:ff9b::/96 of RFC 6052, 64:ff9b:1::/48 of RFC 8215).
var public6 = netip.MustParsePrefix("2000::/3")

// notPublic6 is what is special within it.
var notPublic6 = prefixes(
	"2001::/23",     // protocol assignments: Teredo (RFC 4380), benchmarks (RFC 5180), ORCHID (RFC 7343)
	"2001:db8::/32", // documentation (RFC 3849)
	"2002::/16",     // 6to4, with an IPv4 address inside (RFC 3056)
	"3fff::/20",     // documentation (RFC 9637)
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

// public says whether an address is one that everybody on the Internet could reach: the only kind that a webhook of
// somebody else's choice may be sent to.
func public(a netip.Addr) bool {
	special := notPublic6
	switch {
	case a.Is4():
		special = notPublic4
	case a.Zone() != "" || !public6.Contains(a): // a mapped address among others: nobody needs to write one
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsValid()
}

// allowedPort leaves out the ports of other protocols, which a body of ours might say something to.
func allowedPort(port int) bool { return port == 80 || port == 443 || port > 1024 && port < 1<<16 }

// control looks at each address that is about to be connected to: after the name was looked up, so that it cannot
// change in between, and for each try.
func control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !public(to.Addr()) || !allowedPort(int(to.Port())) {
		return errPrivate
	}
	return nil
}

// Check reads the URL of a webhook, and brings it into the form in which it is asked for: what stands in it as a person
// writes it (blanks, letters beyond ASCII) is percent-encoded, and a host name beyond ASCII is an A-label (RFC 3986 §2.1,
// RFC 5890 §2.3.2.1). With private it may be http, and lead anywhere. The error is for the person who gave it.
func Check(text string, private bool) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if len(text) > 2000 {
		return nil, errors.New("is longer than 2000 bytes")
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("is not UTF-8")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return nil, errors.New("is not a URL such as https://example.com/postern") // url.Error would repeat a password
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must begin with https://")
	case u.Scheme == "http" && !private:
		return nil, errors.New("must begin with https://: what is posted is not for others' eyes")
	case u.Fragment != "":
		return nil, errors.New("has a fragment (#…), which is never sent")
	}
	if err := normalise(u); err != nil {
		return nil, err
	}
	return u, checkHost(u, private)
}

// read reads a URL that is kept. One that was kept before URLs were normalised is so now; what that cannot help is as it was.
func read(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err == nil && normalise(u) != nil {
		return url.Parse(text)
	}
	return u, err
}

// normalise makes of a URL one that can stand in a request: a path is encoded by net/url, a query and a host are not.
func normalise(u *url.URL) error {
	u.RawQuery = encoded(u.RawQuery)
	if u.RawPath = encoded(u.RawPath); strings.ContainsFunc(u.EscapedPath(), beyond) {
		u.RawPath = "" // net/url's own form
	}
	host, port := u.Hostname(), u.Port()
	if strings.Contains(host, ":") { // an IPv6 address
		return nil
	}
	if strings.ContainsFunc(host, beyond) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return fmt.Errorf("has the host %s, which is not a name in the DNS", line(host))
		}
		host = ascii
	}
	if strings.ContainsFunc(host, func(r rune) bool {
		return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	}) {
		return fmt.Errorf("has the host %s, which is not a name in the DNS", line(host))
	}
	if u.Host = host; port != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	return nil
}

// beyond says whether a character may not stand in a request line as it is.
func beyond(r rune) bool { return r <= ' ' || r > '~' }

// encoded percent-encodes what may not stand in a URL as it is, and leaves what is encoded.
func encoded(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return beyond(r) || strings.ContainsRune(`"<>\^`+"`{|}", r) }) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; beyond(rune(c)) || strings.IndexByte(`"<>\^`+"`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func checkHost(u *url.URL, private bool) error {
	if text := u.Port(); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port >= 1<<16 {
			return fmt.Errorf("has the port %s, which is none", text)
		}
		if !private && !allowedPort(port) {
			return fmt.Errorf("has the port %d: allowed are 80, 443 and those above 1024", port)
		}
	}
	if private {
		return nil
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return errPrivate
	}
	if a, err := netip.ParseAddr(host); err != nil && numeric(host) {
		return fmt.Errorf("has the host %s, which is a number but no address: write it as 192.0.2.1", host)
	} else if err == nil && !public(a) {
		return errPrivate
	}
	return nil
}

// numeric says whether a host that is no address would be one for programs that read addresses generously: 2130706433,
// 0x7f.1 and 0177.0.0.1 are 127.0.0.1 for many. No name in the DNS ends in a number (RFC 1123 §2.1, RFC 3696 §2).
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last == "" || strings.Trim(last, "0123456789") == ""
}

// Masked is what is shown of a password.
const Masked = "xxxxx"

// Redacted is a URL as it may be shown to the account's people: without a password.
func Redacted(u *url.URL) string {
	c := *u
	if _, has := c.User.Password(); has {
		c.User = url.UserPassword(c.User.Username(), Masked)
	}
	return c.String()
}

// Origin is what a log may have of a URL: a path or query can be as good as a password.
func Origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// why says in words for the account's people what went wrong with a request, without what only an operator should see.
func why(err error) string {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errPrivate):
		return errPrivate.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the host's name is not in the DNS"
	case errors.As(err, &dns):
		return "the host's name could not be looked up"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // without addresses
	}
	return line(err.Error())
}

// maxWhy bounds the words of what went wrong, in bytes: they may quote what a receiver answered.
const maxWhy = 300

// line makes one bounded line of text.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxWhy {
		s = strings.ToValidUTF8(s[:maxWhy], "") + "…"
	}
	return s
}
