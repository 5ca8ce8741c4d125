// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// places counts connections, in all and by source.
type places struct {
	all, each int

	mu    sync.Mutex
	open  int
	taken map[string]int
}

func (p *places) take(source string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open >= p.all || p.taken[source] >= p.each {
		return false
	}
	p.open++
	p.taken[source]++
	return true
}

func (p *places) free(source string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if p.taken[source]--; p.taken[source] == 0 {
		delete(p.taken, source)
	}
}

// listener takes connections within the limits; one too many is told so and closed.
type listener struct {
	net.Listener
	s *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := sourceOf(c.RemoteAddr())
		if l.s.places.take(source) {
			l.s.stats.connections.Add(1)
			return &place{Conn: c, free: sync.OnceFunc(func() { l.s.places.free(source) })}, nil
		}
		l.s.stats.refused.Add(1)
		c.SetDeadline(time.Now().Add(time.Second))                                                                             //nolint:errcheck,gosec // it is closed next
		c.Write([]byte("421 4.7.0 " + l.s.c.Hostname + " too many connections from " + source + "; close some and retry\r\n")) //nolint:errcheck,gosec // as above
		c.Close()                                                                                                              //nolint:errcheck,gosec // nothing is left to do with it
	}
}

// place is a connection that gives its place back when it is closed.
type place struct {
	net.Conn
	free func()
}

func (p *place) Close() error {
	p.free()
	return p.Conn.Close()
}

// sourceOf is whom a connection counts for: an IPv4 address, or an IPv6 /64.
func sourceOf(a net.Addr) string {
	ip := addrOf(a)
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
