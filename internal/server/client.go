// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net"
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

// local says whether a request comes from this machine itself: from loopback, to a name of loopback, and with nothing that
// a reverse proxy on this machine would have added. A page whose name was made to lead here (DNS rebinding) has another
// Host, and nginx, which adds nothing by itself, speaks HTTP/1.0.
func local(r *http.Request) bool {
	if !parseHop(r.RemoteAddr).IsLoopback() || !r.ProtoAtLeast(1, 1) || !loopbackName(r.Host) {
		return false
	}
	for name := range r.Header {
		switch {
		case strings.HasPrefix(name, "X-Forwarded"), strings.HasPrefix(name, "X-Original"), name == "Forwarded", name == "Via",
			strings.HasPrefix(name, "X-Real"), strings.HasPrefix(name, "Cf-"), strings.HasSuffix(name, "-Client-Ip"):
			return false
		}
	}
	return true
}

// loopbackName says whether a Host is this machine's own: an address of loopback, or localhost.
func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(strings.TrimSuffix(host, "."), "[]"))
	return host == "localhost" || parseHop(host).IsLoopback()
}
