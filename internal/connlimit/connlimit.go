// SPDX-License-Identifier: Apache-2.0

// Package connlimit bounds connections: in all, and from one source (see package origin): an IPv4 address or an IPv6 /64. The last
// quarter of the places is kept for sources that hold few, so that some that hold many cannot shut out everybody else.
//
// A Limiter counts; several listeners may share one. A connection that is one too many is passed to a function that may
// answer it, and is closed. Reverse proxies, whose connections are many people's, can be exempted from the bounds of a
// source.
//
// The package does not know what a connection is used for: time-outs are left to the servers.
package connlimit

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"postern/internal/origin"
)

// Bound is which bound a connection was refused by.
type Bound int

const (
	// None is no refusal.
	None Bound = iota
	// Total is the bound of all connections.
	Total
	// Source is the bound of one source.
	Source
	// Reserved is the share of places that is kept for sources that hold few.
	Reserved

	bounds = int(Reserved) + 1
)

// String is the bound's name in metrics.
func (b Bound) String() string { return [...]string{"none", "total", "source", "reserved"}[b] }

// Refusals are the bounds by which a connection can be refused.
func Refusals() []Bound { return []Bound{Total, Source, Reserved} }

// Config of a Limiter. Zero is the default, in brackets.
type Config struct {
	All       int                   // connections at a time [1000]
	PerSource int                   // of one source [100]
	Few       int                   // how many a source may hold when three quarters of the places are taken [5, or a tenth of All]
	Proxy     func(netip.Addr) bool // exempt from the bounds of a source; nil: none
}

// Limiter counts connections. Make it with New.
type Limiter struct {
	c        Config
	reserved int // the number of open connections from which places are for sources that hold few

	mu      sync.Mutex
	open    int
	taken   map[netip.Prefix]int
	refused [bounds]int64

	lingering chan struct{} // places of refused connections that are being closed: they take descriptors, too
}

// New makes a Limiter.
func New(c Config) *Limiter {
	if c.All <= 0 {
		c.All = 1000
	}
	if c.PerSource <= 0 {
		c.PerSource = 100
	}
	if c.Few <= 0 {
		c.Few = within(1, c.All/10, 5)
	}
	return &Limiter{c: c, reserved: c.All - c.All/4, taken: map[netip.Prefix]int{}, lingering: make(chan struct{}, within(1, c.All/16, 32))}
}

func within(least, n, most int) int { return max(least, min(n, most)) }

// AddrOf is the IP address of one end of a connection: IPv4 as such, and without a zone. It is invalid where there is none.
func AddrOf(a net.Addr) netip.Addr {
	var ap netip.AddrPort
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap = tcp.AddrPort()
	} else {
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return ap.Addr().Unmap().WithZone("")
}

// Take takes a place for a connection from an address, and says None; release gives it back, once. Or it says the bound
// that refuses it.
func (l *Limiter) Take(from netip.Addr) (release func(), by Bound) {
	source := origin.Of(from)
	proxy := l.c.Proxy != nil && l.c.Proxy(from.Unmap().WithZone(""))
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.taken[source]
	switch {
	case l.open >= l.c.All:
		by = Total
	case proxy:
	case n >= l.c.PerSource:
		by = Source
	case l.open >= l.reserved && n >= l.c.Few:
		by = Reserved
	}
	if by != None {
		l.refused[by]++
		return nil, by
	}
	l.open++
	l.taken[source]++
	return sync.OnceFunc(func() { l.free(source) }), None
}

func (l *Limiter) free(source netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.taken[source]--; l.taken[source] == 0 {
		delete(l.taken, source)
	}
}

// Stats are the numbers of now, and the refusals since the start by bound.
type Stats struct {
	Open, All int
	Sources   int
	Refused   map[Bound]int64
}

// Stats reads the numbers.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := Stats{Open: l.open, All: l.c.All, Sources: len(l.taken), Refused: map[Bound]int64{}}
	for _, b := range Refusals() {
		out.Refused[b] = l.refused[b]
	}
	return out
}

// Listen bounds the connections of a listener. refuse may write an answer to a connection that is one too many, in words
// that fit into a socket's buffer; it is closed afterwards. nil: it is closed without one.
func (l *Limiter) Listen(inner net.Listener, refuse func(c net.Conn, by Bound)) net.Listener {
	return &listener{Listener: inner, l: l, refuse: refuse}
}

type listener struct {
	net.Listener
	l      *Limiter
	refuse func(net.Conn, Bound)
}

// Accept returns the next connection that there is a place for. It gives its place back when it is closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		release, by := l.l.Take(AddrOf(c.RemoteAddr()))
		if by == None {
			return &conn{Conn: c, release: release}, nil
		}
		l.turnAway(c, by)
	}
}

// lingerTime is how long a refused connection is read from, so that the answer is not lost with a reset.
const lingerTime = time.Second

// turnAway answers a connection and closes it. What the client has sent already is read first, for as many at a time as
// there are places for: a socket that is closed with unread bytes is reset, and the answer with it.
func (l *listener) turnAway(c net.Conn, by Bound) {
	if l.refuse == nil {
		c.Close() //nolint:errcheck,gosec // nothing is left to do with it
		return
	}
	c.SetDeadline(time.Now().Add(lingerTime)) //nolint:errcheck,gosec // it is closed next
	l.refuse(c, by)
	select {
	case l.l.lingering <- struct{}{}:
	default:
		c.Close() //nolint:errcheck,gosec // as above
		return
	}
	go func() {
		defer func() { <-l.l.lingering }()
		defer c.Close() //nolint:errcheck // as above
		if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
			return
		}
		var buf [1024]byte
		for {
			if _, err := c.Read(buf[:]); err != nil {
				return
			}
		}
	}()
}

// conn gives its place back when it is closed.
type conn struct {
	net.Conn
	release func()
}

// CloseWrite closes the connection for writing, where that is possible.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *conn) Close() error {
	c.release()
	return c.Conn.Close()
}
