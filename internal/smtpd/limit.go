// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
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
			p := &place{Conn: c, free: sync.OnceFunc(func() { l.s.places.free(source) })}
			p.progress(l.s.c.Limits.Commands)
			return p, nil
		}
		l.s.stats.refused.Add(1)
		c.SetDeadline(time.Now().Add(time.Second))                                                                             //nolint:errcheck,gosec // it is closed next
		c.Write([]byte("421 4.7.0 " + l.s.c.Hostname + " too many connections from " + source + "; close some and retry\r\n")) //nolint:errcheck,gosec // as above
		c.Close()                                                                                                              //nolint:errcheck,gosec // nothing is left to do with it
	}
}

// place is a connection that gives its place back when it is closed. Replies are sent when the server comes to wait
// for more, so that those to a pipelined group go together (RFC 2920 §3.2).
type place struct {
	net.Conn
	free func()

	mu  sync.Mutex
	out []byte

	reads, limit atomic.Int64 // since the last message, and how many there may be
}

// maxHeldReplies is past how many bytes replies are sent at once.
const maxHeldReplies = 16 << 10

func (p *place) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = append(p.out, b...)
	if len(p.out) < maxHeldReplies {
		return len(b), nil
	}
	return len(b), p.flush()
}

func (p *place) flush() error {
	if len(p.out) == 0 {
		return nil
	}
	_, err := p.Conn.Write(p.out)
	p.out = p.out[:0]
	return err
}

func (p *place) Read(b []byte) (int, error) {
	p.mu.Lock()
	if p.reads.Add(1) > p.limit.Load() {
		p.out = append(p.out, "421 4.7.0 too many commands without a message\r\n"...)
		p.flush() //nolint:errcheck,gosec // it is over anyway
		p.mu.Unlock()
		return 0, errTooMuch
	}
	err := p.flush()
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

var errTooMuch = errors.New("too many commands without a message")

// progress starts the count of commands anew, with a limit.
func (p *place) progress(limit int) {
	p.limit.Store(int64(limit))
	p.reads.Store(0)
}

// placeOf finds the place below a connection, which TLS may cover.
func placeOf(c net.Conn) *place {
	if tc, ok := c.(*tls.Conn); ok {
		c = tc.NetConn()
	}
	p, ok := c.(*place)
	if !ok {
		p = &place{} // not one of ours: nothing to count
	}
	return p
}

func (p *place) Close() error {
	p.free()
	p.mu.Lock()
	if len(p.out) > 0 {
		p.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck,gosec // crypto/tls has set one that is over
		p.flush()                                       //nolint:errcheck,gosec // the other side may be gone
	}
	p.mu.Unlock()
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
