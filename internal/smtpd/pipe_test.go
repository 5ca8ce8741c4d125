// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bufio"
	"net"
	"sync"
	"testing"
	"time"
)

// pipes is a listener of connections in memory, which seem to come from this machine.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return loopback }

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2525}

type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return loopback }
func (local) LocalAddr() net.Addr  { return loopback }

// pipes has the server take connections in memory too.
func (w *world) pipes(t testing.TB) *pipes {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	go w.server.Serve(p)
	t.Cleanup(func() { p.Close() })
	return p
}

// dial opens a connection in memory: what is written in one piece is read in one piece at most.
func (p *pipes) dial(t testing.TB) *client {
	ours, theirs := net.Pipe()
	p.conns <- local{theirs}
	t.Cleanup(func() { ours.Close() })
	ours.SetDeadline(time.Now().Add(time.Minute))
	return &client{t: t, Conn: ours, r: bufio.NewReader(ours)}
}
