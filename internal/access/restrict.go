// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a key's lists and of its reference.
const (
	MaxNetworks  = 100
	MaxReference = 100 // characters
)

// CleanReference trims and checks the customer's own ID of a subaccount: up to MaxReference printable characters, "" for
// none. It must not look like an ID with a prefix of ours.
func CleanReference(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s):
		return "", errors.New("the reference is not valid UTF-8")
	case utf8.RuneCountInString(s) > MaxReference:
		return "", fmt.Errorf("the reference has more than %d characters", MaxReference)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == '/' }):
		return "", errors.New("the reference has a slash or a character in it that cannot be printed")
	}
	return s, nil
}

// fields splits a list as people write it: by white space, commas and semicolons.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
}

// ParseNetworks reads a list of networks (192.0.2.0/24, 2001:db8::/32) and addresses, which are networks of one.
func ParseNetworks(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, f := range fields(s) {
		p, err := parseNetwork(f)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if len(out) > MaxNetworks {
		return nil, fmt.Errorf("%d networks; %d are allowed", len(out), MaxNetworks)
	}
	return out, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor a network such as 192.0.2.0/24 or 2001:db8::/32", Short(s))
	}
	if p.Addr().Is4In6() {
		return p, fmt.Errorf("%s is an IPv4 network in IPv6 form: write it as IPv4", p)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%s has bits beyond its mask; did you mean %s?", p, p.Masked())
	}
	return p, nil
}

// FormatNetworks writes networks as they are stored; a network of one address as the address.
func FormatNetworks(networks []netip.Prefix) string {
	out := make([]string, len(networks))
	for i, p := range networks {
		out[i] = p.String()
		if p.IsSingleIP() {
			out[i] = p.Addr().String()
		}
	}
	return strings.Join(out, " ")
}

// SuggestNetworks are few networks that hold all addresses, with little more: addresses of one IPv4 /24 or IPv6 /64
// become that network, a single one stays itself. They are in order.
func SuggestNetworks(addresses []netip.Addr) []netip.Prefix {
	in := map[netip.Prefix]map[netip.Addr]bool{}
	for _, a := range addresses {
		a = a.Unmap().WithZone("")
		bits := 64
		if a.Is4() {
			bits = 24
		}
		p, err := a.Prefix(bits)
		if err != nil {
			continue
		}
		if in[p] == nil {
			in[p] = map[netip.Addr]bool{}
		}
		in[p][a] = true
	}
	var out []netip.Prefix
	for p, all := range in {
		if len(all) > 1 {
			out = append(out, p)
			continue
		}
		for a := range all {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return out
}

// ParsePermissions reads names of permissions: send, statistics, manage.
func ParsePermissions(names []string) (Permission, error) {
	var p Permission
	for _, n := range names {
		one, ok := Permissions()[strings.ToLower(strings.TrimSpace(n))]
		if !ok {
			return 0, fmt.Errorf("%q is not a permission: there are send, statistics and manage", Short(n))
		}
		p |= one
	}
	if p == 0 {
		return 0, errors.New("at least one permission is needed: to close a key, deactivate it")
	}
	return p, nil
}
