// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// BenchmarkSessions hands over mail of 4 KB by sessions that stay logged in, with a client that costs little.
func BenchmarkSessions(b *testing.B) {
	mail := []byte("From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: bench\r\nMessage-ID: <bench@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n" +
		strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56) + ".\r\n")
	envelope := []byte("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
	for _, sessions := range []int{1, 20, 64} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			w := start(b, nil)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			began := time.Now()
			b.ResetTimer()
			for range sessions {
				wg.Go(func() {
					nc, err := net.Dial("tcp", w.addr)
					if err != nil {
						b.Error(err)
						return
					}
					defer nc.Close()
					r := bufio.NewReader(nc)
					nc.Write([]byte("EHLO bench.example\r\nAUTH PLAIN " + plain(w.key.APIKey, w.secret) + "\r\n"))
					for line := ""; !strings.HasPrefix(line, "235"); {
						if line, err = r.ReadString('\n'); err != nil {
							b.Error(err)
							return
						}
					}
					for left.Add(-1) >= 0 {
						nc.Write(envelope)
						for range 3 {
							r.ReadSlice('\n')
						}
						nc.Write(mail)
						if line, err := r.ReadSlice('\n'); err != nil || line[0] != '2' {
							b.Errorf("%q %v", line, err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "msg/s")
		})
	}
}

// script is a connection whose client says the same packets again and again, and hears nothing: a conversation without
// the system's part of it.
type script struct {
	next []byte // of the packet that is said now
	mail [][]byte
	left int // mails
	at   int
	done chan struct{}
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.next) == 0 {
		if s.at%len(s.mail) == 0 {
			if s.left--; s.left < 0 {
				return 0, io.EOF
			}
		}
		s.next = s.mail[s.at%len(s.mail)]
		s.at++
	}
	n := copy(b, s.next)
	s.next = s.next[n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error)      { return len(b), nil }
func (s *script) Close() error                     { close(s.done); return nil }
func (s *script) RemoteAddr() net.Addr             { return loopback }
func (s *script) LocalAddr() net.Addr              { return loopback }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkConversation is the cost of the protocol alone, for a mail of 4 KB that is refused for want of a From, beside
// go-smtp throwing it away.
func BenchmarkConversation(b *testing.B) {
	w := start(b, nil)
	text := []byte("To: b@example.net\r\nSubject: bench\r\n\r\n" + strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56) + ".\r\n")
	serve := func(b *testing.B, l func(net.Conn)) {
		s := &script{
			next: []byte("EHLO bench.example\r\nAUTH PLAIN " + plain(w.key.APIKey, w.secret) + "\r\n"),
			mail: [][]byte{[]byte("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"), text},
			left: b.N, done: make(chan struct{}),
		}
		b.ReportAllocs()
		b.ResetTimer()
		l(s)
		<-s.done
	}
	b.Run("ours", func(b *testing.B) {
		p := w.pipes(b)
		serve(b, func(c net.Conn) { p.conns <- c })
	})
	b.Run("go-smtp", func(b *testing.B) {
		theirs := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return thrower{}, nil }))
		theirs.Domain, theirs.AllowInsecureAuth = "throwaway.example", true
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		go theirs.Serve(p)
		defer theirs.Close()
		serve(b, func(c net.Conn) { p.conns <- c })
	})
}

// thrower is a session of go-smtp that throws mail away.
type thrower struct{}

func (thrower) AuthMechanisms() []string { return []string{sasl.Plain} }

func (thrower) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}

func (thrower) Reset()                               {}
func (thrower) Logout() error                        { return nil }
func (thrower) Mail(string, *smtp.MailOptions) error { return nil }
func (thrower) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (thrower) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
