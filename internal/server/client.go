// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
type proxies []netip.Prefix

func (p proxies) trust(a netip.Addr) bool {
	for _, n := range p {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// client tells who a request came from, and whether credentials may come this way: over TLS, from this machine, or
// through a trusted proxy that says https.
func (p proxies) client(r *http.Request) (addr netip.Addr, secure bool) {
	peer := parseHop(r.RemoteAddr)
	if !peer.IsValid() || !p.trust(peer) {
		return peer, r.TLS != nil || peer.IsLoopback()
	}
	addr = p.forwarded(peer, r.Header.Values("X-Forwarded-For"))
	// The nearest proxy's word is the last. Without one, what the proxy forwards may have come in clear text.
	proto := lastOf(r.Header.Values("X-Forwarded-Proto"))
	if proto == "" {
		return addr, addr.IsLoopback() || addr == peer && r.TLS != nil
	}
	return addr, strings.EqualFold(proto, "https")
}

// forwarded walks from the proxy that is connected to us away to the first address that is no trusted proxy: what
// stands before it the client could have written itself.
func (p proxies) forwarded(peer netip.Addr, headers []string) netip.Addr {
	hops := strings.Split(strings.Join(headers, ","), ",")
	at := peer
	for i := len(hops) - 1; i >= 0 && p.trust(at); i-- {
		hop := parseHop(strings.TrimSpace(hops[i]))
		if !hop.IsValid() {
			break
		}
		at = hop
	}
	return at
}

// parseHop reads an address, with a port or without one.
func parseHop(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func lastOf(headers []string) string {
	all := strings.Split(strings.Join(headers, ","), ",")
	return strings.TrimSpace(all[len(all)-1])
}

// local says whether a request comes from this machine itself, and not through a proxy on it that nobody named.
func (p proxies) local(r *http.Request) bool {
	addr, _ := p.client(r)
	if !addr.IsLoopback() {
		return false
	}
	for _, h := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(h) != "" && !p.trust(parseHop(r.RemoteAddr)) {
			return false
		}
	}
	return true
}
