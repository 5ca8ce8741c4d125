// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bufio"
	"errors"
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

// duplex is an end of a connection in memory that can be closed in one direction.
type duplex struct{ in, out net.Conn }

func (d duplex) Read(b []byte) (int, error)         { return d.in.Read(b) }
func (d duplex) Write(b []byte) (int, error)        { return d.out.Write(b) }
func (d duplex) CloseWrite() error                  { return d.out.Close() }
func (d duplex) RemoteAddr() net.Addr               { return loopback }
func (d duplex) LocalAddr() net.Addr                { return loopback }
func (d duplex) SetReadDeadline(t time.Time) error  { return d.in.SetReadDeadline(t) }
func (d duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }

func (d duplex) Close() error { return errors.Join(d.in.Close(), d.out.Close()) }

func (d duplex) SetDeadline(t time.Time) error {
	return errors.Join(d.SetReadDeadline(t), d.SetWriteDeadline(t))
}

// pipes has the server take connections in memory too.
func (w *world) pipes(t testing.TB) *pipes {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	go w.server.Serve(p)
	t.Cleanup(func() { p.Close() })
	return p
}

// dial opens a connection in memory: what is written in one piece is read in one piece at most.
func (p *pipes) dial(t testing.TB) *client {
	ours, theirs := duplex{}, duplex{}
	ours.in, theirs.out = net.Pipe()
	theirs.in, ours.out = net.Pipe()
	p.conns <- theirs
	t.Cleanup(func() { ours.Close() })
	ours.SetDeadline(time.Now().Add(2 * time.Minute))
	return &client{t: t, Conn: ours, r: bufio.NewReader(ours)}
}
