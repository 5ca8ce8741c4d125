// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"postern/internal/dns"
)

// maxLookups is how many terms of a record, and of those it includes, may ask the DNS (RFC 7208 §4.6.4). Past
// stopLookups we stop counting.
const (
	maxLookups  = 10
	stopLookups = 30
)

// spfTerm is a mechanism or modifier of an SPF record (RFC 7208 §4.6.1).
type spfTerm struct {
	qualifier byte // + - ~ ?
	name      string
	value     string // a domain, or an address
	bits4     int    // prefix lengths of a and mx; of ip4 and ip6 the first that applies
	bits6     int
	modifier  bool
}

// isSPF says whether a TXT record is one of SPF (RFC 7208 §4.5).
func isSPF(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// parseSPF reads a record, and says of its first wrong term what is wrong.
func parseSPF(text string) ([]spfTerm, error) {
	if !isSPF(text) {
		return nil, errors.New(`it does not begin with "v=spf1"`)
	}
	var out []spfTerm
	for _, word := range strings.Fields(text)[1:] {
		t, err := parseTerm(word)
		if err != nil {
			return nil, fmt.Errorf("%q %w", word, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func parseTerm(word string) (spfTerm, error) {
	t := spfTerm{qualifier: '+', bits4: 32, bits6: 128}
	end := strings.IndexAny(word, "=:/")
	if end >= 0 && word[end] == '=' { // modifiers that are not known are let be (RFC 7208 §6)
		t.modifier, t.name, t.value = true, strings.ToLower(word[:end]), word[end+1:]
		if t.name == "redirect" && t.value == "" {
			return t, errors.New("names no domain")
		}
		return t, nil
	}
	if strings.ContainsRune("+-~?", rune(word[0])) {
		t.qualifier, word = word[0], word[1:]
	}
	name, rest := word, ""
	if end := strings.IndexAny(word, ":/"); end >= 0 {
		name, rest = word[:end], word[end:]
	}
	t.name = strings.ToLower(name)
	switch t.name {
	case "all":
		if rest != "" {
			return t, errors.New("says more than all")
		}
	case "ip4", "ip6":
		return t, t.network(rest)
	case "a", "mx":
		return t, t.host(rest)
	case "include", "exists":
		if t.value = strings.TrimPrefix(rest, ":"); t.value == "" || rest[0] != ':' {
			return t, errors.New("names no domain")
		}
	case "ptr":
		t.value = strings.TrimPrefix(rest, ":")
	default:
		return t, errors.New("is no mechanism of SPF")
	}
	return t, nil
}

// network reads the value of ip4 and ip6.
func (t *spfTerm) network(rest string) error {
	text, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return errors.New("names no address")
	}
	if !strings.Contains(text, "/") {
		text += map[string]string{"ip4": "/32", "ip6": "/128"}[t.name]
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4() != (t.name == "ip4") || p.Addr().Is4In6() {
		return errors.New("has no such address or network")
	}
	t.value, t.bits4, t.bits6 = p.Addr().String(), p.Bits(), p.Bits()
	return nil
}

// host reads the value of a and mx: a domain, a prefix length for IPv4, and after // one for IPv6.
func (t *spfTerm) host(rest string) error {
	host, lengths := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		host, lengths = rest[:slash], rest[slash:]
	}
	var ok bool
	if t.value, ok = strings.CutPrefix(host, ":"); ok && t.value == "" {
		return errors.New("names no domain")
	}
	four, six, both := strings.Cut(lengths, "//")
	for _, l := range []struct {
		text  string
		given bool
		most  int
		into  *int
	}{{strings.TrimPrefix(four, "/"), four != "", 32, &t.bits4}, {six, both, 128, &t.bits6}} {
		if !l.given {
			continue
		}
		n, err := strconv.Atoi(l.text)
		if err != nil || n < 0 || n > l.most || l.text[0] == '+' {
			return errors.New("has a wrong prefix length")
		}
		*l.into = n
	}
	return nil
}

// spfResult is what a record says of an address (RFC 7208 §2.6).
type spfResult int

const (
	spfNone spfResult = iota
	spfNeutral
	spfPass
	spfFail // softfail, too: not covered
	spfPermanent
	spfTemporary
)

// spfWalk asks a record, and those that it includes, of one address. The zero address is nobody's: with it all terms are
// visited.
type spfWalk struct {
	resolver Resolver
	addr     netip.Addr

	lookups int
	visited map[string]bool // domains whose records were read
	open    string          // the domain whose record lets everybody in, "" none
	problem string          // what a receiver would stumble over, in words
	texts   []string        // SPF records of the domain itself
}

// check is check_host of RFC 7208 §4.
func (w *spfWalk) check(ctx context.Context, domain string) spfResult {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	texts, err := w.resolver.TXT(ctx, domain)
	var records []string
	for _, t := range texts {
		if isSPF(t) {
			records = append(records, t)
		}
	}
	if len(w.visited) == 0 {
		w.texts = records
	}
	w.visited[domain] = true
	switch {
	case err != nil && !notFound(err):
		return spfTemporary
	case len(records) == 0:
		return spfNone
	case len(records) > 1:
		return w.wrong("%s has %d SPF records, and receivers take that for an error (RFC 7208 §4.5): join them into one", domain,
			len(records))
	}
	terms, err := parseSPF(records[0])
	if err != nil {
		return w.wrong("the SPF record of %s cannot be read: %v", domain, err)
	}
	return w.terms(ctx, domain, terms)
}

func (w *spfWalk) terms(ctx context.Context, domain string, terms []spfTerm) spfResult {
	redirect := ""
	for _, t := range terms {
		if t.modifier {
			if t.name == "redirect" {
				redirect = t.value
			}
			continue
		}
		matches, result := w.match(ctx, domain, t)
		switch {
		case result != spfNone:
			return result
		case matches && t.name == "all" && t.qualifier == '+' && w.open == "":
			w.open = domain
			return spfPass
		case matches && t.qualifier == '+':
			return spfPass
		case matches && t.qualifier == '?':
			return spfNeutral
		case matches:
			return spfFail
		}
	}
	if redirect == "" {
		return spfNeutral
	}
	if stop := w.look(); stop != spfNone {
		return stop
	}
	result := w.check(ctx, redirect)
	if result == spfNone {
		return w.wrong("%s redirects to %s, which has no SPF record", domain, redirect)
	}
	return result
}

// match says whether a mechanism applies to the address, or that the check ends with a result.
func (w *spfWalk) match(ctx context.Context, domain string, t spfTerm) (bool, spfResult) {
	switch t.name {
	case "all":
		return true, spfNone
	case "ip4", "ip6":
		a, err := netip.ParseAddr(t.value)
		return err == nil && w.within(a, t), spfNone
	}
	if stop := w.look(); stop != spfNone {
		return false, stop
	}
	target := t.value
	if target == "" {
		target = domain
	}
	if t.name == "ptr" || strings.Contains(target, "%") {
		return false, spfNone // of a macro (RFC 7208 §7) nobody can tell beforehand
	}
	if t.name == "include" {
		return w.include(ctx, domain, target)
	}
	hosts := []string{target}
	if t.name == "mx" {
		list, err := w.resolver.MX(ctx, target)
		if err != nil && !notFound(err) {
			return false, spfTemporary
		}
		hosts = nil
		for _, m := range list[:min(len(list), maxLookups)] {
			hosts = append(hosts, m.Host)
		}
	}
	for _, h := range hosts {
		addrs, err := w.resolver.IP(ctx, h)
		if err != nil && !notFound(err) {
			return false, spfTemporary
		}
		if t.name == "exists" && len(addrs) > 0 {
			return true, spfNone
		}
		for _, a := range addrs {
			if w.within(a, t) {
				return true, spfNone
			}
		}
	}
	return false, spfNone
}

// include asks another record (RFC 7208 §5.2): only its pass is a match.
func (w *spfWalk) include(ctx context.Context, domain, target string) (bool, spfResult) {
	switch r := w.check(ctx, target); r {
	case spfPass:
		return true, spfNone
	case spfNone:
		return false, w.wrong("%s includes %s, which has no SPF record", domain, target)
	case spfPermanent, spfTemporary:
		return false, r
	}
	return false, spfNone
}

// look counts a term that asks the DNS.
func (w *spfWalk) look() spfResult {
	w.lookups++
	switch {
	case w.lookups > stopLookups, w.addr.IsValid() && w.lookups > maxLookups:
		return spfPermanent
	}
	return spfNone
}

// wrong notes the first problem. While all terms are visited, the rest is, too.
func (w *spfWalk) wrong(format string, args ...any) spfResult {
	if w.problem == "" {
		w.problem = fmt.Sprintf(format, args...)
	}
	return spfPermanent
}

func (w *spfWalk) within(a netip.Addr, t spfTerm) bool {
	bits := t.bits4
	if a.Is6() {
		bits = t.bits6
	}
	p, err := a.Prefix(bits)
	return err == nil && w.addr.IsValid() && p.Contains(w.addr)
}

func notFound(err error) bool {
	var e *dns.Error
	return errors.As(err, &e) && e.NotFound
}

// required is what must be in a record so that mail from this server passes.
type required struct {
	text    string // as it stands in a record
	include string // a domain whose record must be part of it
	host    string // whose addresses must pass
	addr    netip.Addr
}

// ParseSPF reads mechanisms that sending domains must have in their SPF records: include, a with a host, ip4 and ip6.
func ParseSPF(mechanisms []string) error {
	_, err := parseRequired(mechanisms)
	return err
}

func parseRequired(mechanisms []string) ([]required, error) {
	var out []required
	for _, m := range mechanisms {
		if m = strings.TrimSpace(m); m == "" {
			continue
		}
		if strings.ContainsAny(m, " \t\"") {
			return nil, fmt.Errorf("%q is more than one mechanism of SPF", m)
		}
		t, err := parseTerm(m)
		if err != nil {
			return nil, fmt.Errorf("%q %w", m, err)
		}
		r := required{text: m}
		switch {
		case t.modifier || t.qualifier != '+' || m[0] == '+' || strings.Contains(t.value, "%"):
			return nil, fmt.Errorf("%q is not of the form include:NAME, a:NAME, ip4:ADDRESS or ip6:ADDRESS", m)
		case t.name == "include":
			r.include = strings.ToLower(t.value)
		case t.name == "a" && t.value != "":
			r.host = strings.ToLower(t.value)
		case t.name == "ip4", t.name == "ip6":
			r.addr = netip.MustParseAddr(t.value)
		default:
			return nil, fmt.Errorf("%q is not of the form include:NAME, a:NAME, ip4:ADDRESS or ip6:ADDRESS", m)
		}
		out = append(out, r)
	}
	return out, nil
}

// finding is what a look found of one record.
type finding struct {
	unknown bool     // the DNS gave no answer: nothing can be said
	current []string // the texts that are there
	errors  []string // what is wrong, in words; none: it is OK
}

// checkSPF looks at the SPF record of a domain.
func (c *Checker) checkSPF(ctx context.Context, domain string) finding {
	all := &spfWalk{resolver: c.Resolver, visited: map[string]bool{}}
	result := all.check(ctx, domain)
	f := finding{current: all.texts}
	switch {
	case result == spfTemporary:
		return finding{unknown: true}
	case result == spfNone:
		f.errors = append(f.errors, fmt.Sprintf("%s has no SPF record", domain))
		if len(c.spf) == 0 {
			f.errors = append(f.errors, noWayOut)
		}
		return f
	case all.problem != "":
		f.errors = append(f.errors, all.problem)
	}
	if all.open != "" {
		f.errors = append(f.errors,
			fmt.Sprintf(`the record of %s has "+all", by which everybody may send as %s: end it with ~all or -all`, all.open, domain))
	}
	if all.lookups > maxLookups {
		f.errors = append(f.errors, fmt.Sprintf("the record takes %s DNS look-ups with all that it includes, and receivers stop at "+
			"%d (RFC 7208 §4.6.4): take includes out that are not needed", atLeast(all.lookups), maxLookups))
	}
	if len(c.spf) == 0 {
		f.errors = append(f.errors, noWayOut)
		return f
	}
	for _, r := range c.spf {
		covered, unknown, why := c.covers(ctx, domain, all, r)
		if unknown {
			return finding{unknown: true}
		}
		if !covered {
			f.errors = append(f.errors, why)
		}
	}
	return f
}

func atLeast(n int) string {
	if n > stopLookups {
		return fmt.Sprintf("more than %d", stopLookups)
	}
	return strconv.Itoa(n)
}

// covers says whether a record has what is required, by itself or by what it includes.
func (c *Checker) covers(ctx context.Context, domain string, all *spfWalk, r required) (covered, unknown bool, why string) {
	missing := fmt.Sprintf("mail from this server is not covered: add %s to the record, before its all", r.text)
	if r.include != "" {
		return all.visited[r.include], false, missing
	}
	addrs := []netip.Addr{r.addr}
	if r.host != "" {
		var err error
		if addrs, err = c.Resolver.IP(ctx, r.host); err != nil {
			return false, !notFound(err), fmt.Sprintf("the name of this server, %s, has no address in the DNS: whoever runs it "+
				"should see to that, or set --spf", r.host)
		}
	}
	for _, a := range addrs {
		w := &spfWalk{resolver: c.Resolver, addr: a, visited: map[string]bool{}}
		switch w.check(ctx, domain) {
		case spfPass:
		case spfTemporary:
			return false, true, ""
		case spfNone, spfNeutral, spfFail, spfPermanent:
			return false, false, missing
		}
	}
	return true, false, ""
}
