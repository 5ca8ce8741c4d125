// SPDX-License-Identifier: Apache-2.0

// Package origin says which network a caller comes from, as far as bounds go: what is bounded by source is bounded by it.
package origin

import "net/netip"

// nat64 is the well-known prefix in which IPv4 addresses are reached from IPv6 (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Of is the source that an address belongs to: an IPv4 address, or an IPv6 /64, which is what a subscriber has at least (RFC
// 6177). IPv4 addresses may be written as IPv6: mapped (RFC 4291) or through NAT64. All invalid addresses are one source.
func Of(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for the invalid address alone
	return p
}

// Text is the source of an address for logs and replies: an IPv4 address, or an IPv6 /64.
func Text(a netip.Addr) string {
	p := Of(a)
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
