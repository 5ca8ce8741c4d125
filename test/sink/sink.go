// SPDX-License-Identifier: Apache-2.0

// Package sink is a real SMTP server for tests and benchmarks that keeps what it gets.
package sink

import (
	"io"
	"log"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// Mail is one accepted transaction.
type Mail struct {
	From string
	To   []string
	Raw  []byte
}

// Sink is a running server.
type Sink struct {
	Addr string

	mu    sync.Mutex
	mails []Mail
	keep  bool
	count int
	got   chan struct{}
}

// Start listens on a free loopback port until the test ends. With keep false mails are counted only.
func Start(t testing.TB, keep bool) *Sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Sink{Addr: l.Addr().String(), keep: keep, got: make(chan struct{}, 1)}
	srv := smtp.NewServer(s)
	srv.Domain = "sink.example"
	srv.MaxMessageBytes = 64 << 20
	srv.EnableSMTPUTF8 = true
	srv.ErrorLog = log.New(io.Discard, "", 0) // clients that are killed are the point of some tests
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }() //nolint:errcheck // it ends when the test closes it
	t.Cleanup(func() {
		srv.Close() //nolint:errcheck // nothing to do about it
		<-done
	})
	return s
}

// NewSession begins a session.
func (s *Sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{sink: s}, nil }

// Mails is what has arrived.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Count is how many mails have arrived.
func (s *Sink) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Got receives after something has arrived.
func (s *Sink) Got() <-chan struct{} { return s.got }

type session struct {
	sink *Sink
	mail Mail
}

func (n *session) Reset()        { n.mail = Mail{} }
func (n *session) Logout() error { return nil }

func (n *session) Mail(from string, _ *smtp.MailOptions) error {
	n.mail.From = from
	return nil
}

func (n *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	n.mail.To = append(n.mail.To, to)
	return nil
}

func (n *session) Data(r io.Reader) error {
	var err error
	if n.sink.keep {
		n.mail.Raw, err = io.ReadAll(r)
	} else {
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		return err
	}
	n.sink.mu.Lock()
	n.sink.count++
	if n.sink.keep {
		n.sink.mails = append(n.sink.mails, n.mail)
	}
	n.sink.mu.Unlock()
	select {
	case n.sink.got <- struct{}{}:
	default:
	}
	return nil
}
