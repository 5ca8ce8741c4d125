// SPDX-License-Identifier: Apache-2.0

// Package smtpd is the door for SMTP submission (RFC 6409): a client logs in with an API key and its secret
// (AUTH PLAIN or LOGIN, RFC 4954) and hands over mail.
//
// AUTH is offered over TLS, and in clear on loopback alone. A session is bound to the secret that opened it: when the
// secret dies the session is closed, and each MAIL FROM and each final dot ask the gate again. RSET clears the
// envelope and keeps the login.
//
// The From header must be an active sender of the key. The envelope sender may be empty, or in the domain of the From
// header, or below or above it, or itself an active sender: that is where bounces go, and it must not be a stranger's.
//
// A message ends with CRLF.CRLF and nothing else; bare CR and LF in it are refused, so that no message can hide
// another (SMTP smuggling). The protocol itself is github.com/emersion/go-smtp's; what it lets in, and in which
// words it is refused, is decided here.
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

	"github.com/emersion/go-smtp"

	"postern/internal/gate"
	"postern/internal/submit"
)

// Limits of the door. Zero is the default, in brackets.
type Limits struct {
	Connections int           // at a time, in all [1000]
	PerSource   int           // at a time, from one address [100]
	Line        int           // bytes of a line, of a command or of text [65536; RFC 5321 asks for 512 and 1000, RFC 4954 for 12288]
	Idle        time.Duration // between commands [5 min: RFC 5321 §4.5.3.2.7]
	Block       time.Duration // between blocks of text [3 min: §4.5.3.2.5]
	Login       time.Duration // from the connection to a login [1 min]
	Commands    int           // without a login, and 30 times as many after it without a message [100]; in packets, so a pipelined group is one
	Failures    int           // of AUTH on one connection, then it is closed [3]
	Memory      int64         // bytes that mails of more than a megabyte share, half of them at most one key's [256 MiB]
	Wait        time.Duration // for that memory [20 s], and three times as long for the key's own part
}

// Config of a Server.
type Config struct {
	Gate     *gate.Gate
	Submit   *submit.Submit
	Hostname string      // how the server names itself
	TLS      *tls.Config // nil: no STARTTLS
	Implicit bool        // TLS from the start
	Limits   Limits
	Log      *slog.Logger
}

// Server is the door. Make it with New.
type Server struct {
	c      Config
	smtp   *smtp.Server
	places places
	memory *memory

	mu       sync.Mutex
	sessions map[*session]bool
	stopping bool

	stats counters
}

type counters struct {
	connections, refused, loginsOK, loginsFailed, accepted atomic.Int64

	mu      sync.Mutex
	replies map[int]int64 // refusals of mail by reply code
}

// Stats are counts since the start, and the sessions open now.
type Stats struct {
	Connections  int64 // taken
	Refused      int64 // connections over a limit
	LoginsOK     int64
	LoginsFailed int64
	Accepted     int64         // transactions
	Rejected     map[int]int64 // transactions and recipients by reply code
	Open         int           // sessions now
}

// New makes a server; Serve takes connections.
func New(c Config) *Server {
	l := &c.Limits
	orInt(&l.Connections, 1000)
	orInt(&l.PerSource, 100)
	orInt(&l.Line, 65536)
	orInt(&l.Commands, 100)
	orInt(&l.Failures, 3)
	orTime(&l.Idle, 5*time.Minute)
	orTime(&l.Block, 3*time.Minute)
	orTime(&l.Login, time.Minute)
	orTime(&l.Wait, 20*time.Second)
	if l.Memory == 0 {
		l.Memory = 256 << 20
	}
	s := &Server{c: c, sessions: map[*session]bool{}, memory: newMemory(l.Memory)}
	s.stats.replies = map[int]int64{}
	s.places = places{all: l.Connections, each: l.PerSource, taken: map[string]int{}}
	s.smtp = smtp.NewServer(s)
	s.smtp.Domain = c.Hostname
	s.smtp.MaxRecipients = submit.MaxRecipients
	s.smtp.MaxMessageBytes = submit.MaxSize
	s.smtp.MaxLineLength = l.Line
	s.smtp.ReadTimeout, s.smtp.WriteTimeout = l.Idle, l.Idle
	s.smtp.EnableSMTPUTF8 = true
	s.smtp.AllowInsecureAuth = true // decided for each connection, in session.Auth
	s.smtp.ErrorLog = slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn)
	if !c.Implicit {
		s.smtp.TLSConfig = c.TLS
	}
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
	l = &listener{Listener: l, s: s}
	if s.c.Implicit {
		l = tls.NewListener(l, s.c.TLS)
	}
	err := s.smtp.Serve(l)
	if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Shutdown takes no more connections, closes the sessions that wait for a command with 421, lets those that are
// handing over a message finish, and returns when all are gone, or closes them when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	var idle []*session
	for n := range s.sessions {
		idle = append(idle, n)
	}
	s.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- s.smtp.Shutdown(ctx) }()
	for _, n := range idle {
		n.end(false, "4.3.2", "the server is shutting down")
	}
	err := <-done
	if errors.Is(err, smtp.ErrServerClosed) {
		err = nil // it was called before
	}
	if ctx.Err() != nil {
		return errors.Join(fmt.Errorf("SMTP sessions were cut off: %w", ctx.Err()), s.smtp.Close())
	}
	return err
}

// Stats reads the counts.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{
		Connections: c.connections.Load(), Refused: c.refused.Load(), LoginsOK: c.loginsOK.Load(), LoginsFailed: c.loginsFailed.Load(),
		Accepted: c.accepted.Load(), Rejected: map[int]int64{},
	}
	c.mu.Lock()
	for code, n := range c.replies {
		out.Rejected[code] = n
	}
	c.mu.Unlock()
	s.mu.Lock()
	out.Open = len(s.sessions)
	s.mu.Unlock()
	return out
}

// reject counts a refusal and returns it.
func (s *Server) reject(e *smtp.SMTPError) error {
	s.stats.mu.Lock()
	s.stats.replies[e.Code]++
	s.stats.mu.Unlock()
	return e
}

func (s *Server) enter(n *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[n] = true
	return !s.stopping
}

func (s *Server) leave(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n)
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}
