// SPDX-License-Identifier: Apache-2.0

// Package smtpd is the entry point for SMTP submission (RFC 6409): a client logs in with an API key and its secret
// (AUTH PLAIN or LOGIN, RFC 4954) and hands over mail.
//
// Each connection has one goroutine, which reads a command, looks it up in a table of command and state (command.go)
// and appends its reply; replies are sent together before the goroutine waits for more input (RFC 2920). The text of a
// mail is read in blocks into the buffer in which it is kept, and searched, not read byte by byte (data.go).
//
// AUTH is offered over TLS, and in clear on loopback alone. A session is bound to the secret that opened it. When that
// secret dies, a mail that is being committed becomes durable and gets its 250 before the connection closes; any other
// session gets 421 and nothing of its mail is kept (inflight.go). Which of the two holds is decided under one lock.
//
// A mail ends with CRLF.CRLF and nothing else; bare CR, bare LF and NUL in it are refused (SMTP smuggling), and a
// connection that stalls or breaks inside a mail is closed, so that no byte of a mail is ever read as a command.
//
// It implements RFC 5321, 6409, 3207 (STARTTLS), 4954 and 4616 (AUTH), 1870 (SIZE), 2034 (enhanced codes), 2920
// (PIPELINING), 3030 (CHUNKING, without BINARYMIME), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 (DSN), 8689 (REQUIRETLS) and
// 9422 (LIMITS). Whether a mail is accepted, and why not, is decided in the packages mail, gate and submit.
package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/budget"
	"postern/internal/connlimit"
	"postern/internal/gate"
	"postern/internal/origin"
	"postern/internal/refusal"
	"postern/internal/submit"
)

// Limits of the server. Zero is the default, in brackets.
type Limits struct {
	Connections int           // at a time, in all [1000]
	PerSource   int           // at a time, from one address [100]
	Line        int           // bytes of a command line without CRLF [12288: RFC 4954 §4; RFC 5321 asks for 512]
	Idle        time.Duration // between commands [5 min: RFC 5321 §4.5.3.2.7]
	Block       time.Duration // between blocks of a mail [5 min: §4.5.3.2.5 asks a client to wait 3 min]
	Mail        time.Duration // for a whole mail, and a second for each 8 KiB of it [15 min]
	Write       time.Duration // for the client to take replies [1 min]
	Login       time.Duration // from the connection to a login, with the TLS handshake [1 min]
	Commands    int           // without a login, and 30 times as many after it without a message [100]; a pipelined group is one
	Failures    int           // of AUTH on one connection, then it is closed [3]
}

// Config of a Server.
type Config struct {
	Gate     *gate.Gate
	Submit   *submit.Submit
	Hostname string         // how the server names itself
	TLS      *tls.Config    // nil: no STARTTLS
	Implicit bool           // TLS from the start
	Budget   *budget.Budget // of the memory of mails on their way in; nil: one of its own
	Limits   Limits
	Refusals *refusal.Recorder
	Log      *slog.Logger
}

// Server takes mail. Make it with New.
type Server struct {
	c       Config
	places  *connlimit.Limiter
	buffers sync.Pool // of *[]byte, for mails

	mu        sync.Mutex
	conns     map[*conn]struct{}
	listeners map[net.Listener]struct{}
	stopping  atomic.Bool
	open      sync.WaitGroup  // connections
	running   context.Context // until Shutdown's time is over
	cut       func()

	stats counters
}

type counters struct {
	connections, loginsOK, loginsFailed, accepted, sessions atomic.Int64

	mu      sync.Mutex
	replies map[int]int64 // refusals of mail by reply code
}

// Stats are counts since the start, and what is open now.
type Stats struct {
	Connections  int64 // taken
	Refused      int64 // connections over a limit
	LoginsOK     int64
	LoginsFailed int64
	Accepted     int64         // transactions
	Rejected     map[int]int64 // transactions and recipients by reply code
	Connected    int           // connections now
	Open         int           // of these, sessions: those that have said EHLO or HELO
}

// New makes a server; Serve takes connections.
func New(c Config) *Server {
	l := &c.Limits
	orInt(&l.Connections, 1000)
	orInt(&l.PerSource, 100)
	orInt(&l.Line, 12288)
	orInt(&l.Commands, 100)
	orInt(&l.Failures, 3)
	orTime(&l.Idle, 5*time.Minute)
	orTime(&l.Block, 5*time.Minute)
	orTime(&l.Mail, 15*time.Minute)
	orTime(&l.Write, time.Minute)
	orTime(&l.Login, time.Minute)
	if c.Budget == nil {
		c.Budget = budget.New(budget.Size(0), 0)
	}
	s := &Server{c: c, conns: map[*conn]struct{}{}, listeners: map[net.Listener]struct{}{}}
	s.stats.replies = map[int]int64{}
	s.places = connlimit.New(connlimit.Config{All: l.Connections, PerSource: l.PerSource})
	s.running, s.cut = context.WithCancel(context.Background())
	return s
}

func orInt(v *int, def int) {
	if *v == 0 {
		*v = def
	}
}

func orTime(v *time.Duration, def time.Duration) {
	if *v == 0 {
		*v = def
	}
}

// Serve takes connections from l until Shutdown, and returns nil then.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	if s.stopping.Load() {
		return l.Close()
	}
	limited := s.places.Listen(l, s.turnAway)
	var wait time.Duration
	for {
		nc, err := limited.Accept()
		switch {
		case err == nil:
			wait = 0
			s.accept(nc)
		case s.stopping.Load() || errors.Is(err, net.ErrClosed):
			return nil
		case !temporary(err):
			return err
		default: // for example, no file descriptor is free: open connections continue meanwhile
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.c.Log.Warn("SMTP: a connection could not be taken; trying again", "error", err)
			time.Sleep(wait)
		}
	}
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// turnAway answers a connection that is one too many. Over TLS there is no answer without a handshake.
func (s *Server) turnAway(nc net.Conn, by connlimit.Bound) {
	if s.c.Implicit {
		return
	}
	why := reply{421, "4.3.2", s.c.Hostname + " has too many connections; try again later"}
	switch by {
	case connlimit.Source:
		from := origin.Text(connlimit.AddrOf(nc.RemoteAddr()))
		why = reply{421, "4.7.0", s.c.Hostname + " has too many connections from " + from + "; close some and try again"}
	case connlimit.Reserved:
		why.text = s.c.Hostname + " is busy and accepts new connections only from addresses that have few; try again later"
	}
	nc.Write(why.append(nil, false)) //nolint:errcheck,gosec // it is closed next
}

// accept begins a connection.
func (s *Server) accept(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.stopping.Load() {
		s.mu.Unlock()
		nc.Close() //nolint:errcheck,gosec // it was not greeted
		return
	}
	s.conns[c] = struct{}{}
	s.open.Add(1)
	s.mu.Unlock()
	s.stats.connections.Add(1)
	go func() {
		defer func() {
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			s.open.Done()
		}()
		c.serve()
	}()
}

var stopping = reply{421, "4.3.2", "the server is shutting down"}

// Shutdown takes no more connections, closes those that are not inside a mail with 421, lets the others end their mail,
// and returns when all are gone. When ctx ends, what is not complete by then gets 421; a mail whose commit has not come
// back is left without an answer, since none would be true.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.mu.Lock()
	for l := range s.listeners {
		l.Close() //nolint:errcheck,gosec // it may be closed
	}
	open := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.stop()
	}
	gone := make(chan struct{})
	go func() { s.open.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	for _, c := range open {
		c.end(stopping)
	}
	last := time.NewTimer(lastWords)
	defer last.Stop()
	select {
	case <-gone:
	case <-last.C:
		for _, c := range open {
			c.raw.Close() //nolint:errcheck,gosec // its goroutine finds out
		}
	}
	return fmt.Errorf("SMTP sessions were cut off: %w", ctx.Err())
}

// lastWords is how long a stopping server lets sessions say what came of their mail once the time for it has run out.
const lastWords = 5 * time.Second

// Stats reads the counts.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{
		Connections: c.connections.Load(), LoginsOK: c.loginsOK.Load(), LoginsFailed: c.loginsFailed.Load(),
		Accepted: c.accepted.Load(), Open: int(c.sessions.Load()), Rejected: map[int]int64{},
	}
	c.mu.Lock()
	for code, n := range c.replies {
		out.Rejected[code] = n
	}
	c.mu.Unlock()
	for _, n := range s.places.Stats().Refused {
		out.Refused += n
	}
	s.mu.Lock()
	out.Connected = len(s.conns)
	s.mu.Unlock()
	return out
}

// rejected counts a refusal of mail.
func (s *Server) rejected(code int) {
	s.stats.mu.Lock()
	s.stats.replies[code]++
	s.stats.mu.Unlock()
}
