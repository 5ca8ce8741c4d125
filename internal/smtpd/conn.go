// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"postern/internal/connlimit"
	"postern/internal/gate"
)

// conn is one connection. All but what stands under mu belongs to its goroutine.
type conn struct {
	s       *Server
	raw     net.Conn // TCP
	net     net.Conn // raw, or TLS over it
	tls     *tls.ConnectionState
	remote  netip.Addr
	private bool // TLS, or loopback: a secret may travel
	born    time.Time

	buf    []byte // what was read and not used yet is buf[r:w]
	r, w   int
	out    []byte // replies that are not sent yet
	broken error  // of sending some: no more are sent, since they would be taken for others
	groups int    // of pipelined commands, since the last message
	taken  bool   // a command, since the last read

	state     state
	helo      string // what the client calls itself
	client    string // that and the AUTH mechanism, for the gate
	failures  int    // of AUTH
	principal gate.Principal
	unbind    func() // from the secret
	tx        transaction
	closing   bool // after what is in out

	mu         sync.Mutex
	ended      *reply // what the session was ended with from outside
	inMail     bool
	committing bool
	settled    chan struct{} // closed when a commit is settled that somebody waits for
	readBy     time.Time     // the deadlines that are set
	writeBy    time.Time
}

const (
	// smallBuffer is what a connection that waits for a command has; a longer batch has more for as long as it lasts.
	smallBuffer = 1 << 10
	// maxHeld is how many bytes of replies may wait: with more they are sent before the batch of commands ends.
	maxHeld = 16 << 10
	// maxSkipped is how much of a line that is too long is read to find its end.
	maxSkipped = 1 << 20
	// maxDrained is how much is read of a client that does not notice that the connection is over.
	maxDrained = 32 << 20
)

func newConn(s *Server, nc net.Conn) *conn {
	remote := connlimit.AddrOf(nc.RemoteAddr())
	return &conn{
		s: s, raw: nc, net: nc, remote: remote, born: time.Now(), buf: make([]byte, smallBuffer),
		private: remote.IsLoopback() && connlimit.AddrOf(nc.LocalAddr()).IsLoopback(),
	}
}

// Why the conversation ends.
var (
	errEnded   = errors.New("ended from outside")
	errTooMany = errors.New("too many commands without a message")
	errTooLong = errors.New("the line is too long")
	errBare    = errors.New("the line does not end with CR LF")
)

// serve runs the conversation. A panic ends this connection only.
func (c *conn) serve() {
	defer c.raw.Close()
	defer func() {
		if p := recover(); p != nil {
			c.s.c.Log.Error("SMTP: a connection was ended by a fault in the server",
				"source", c.remote.String(), "panic", p, "stack", string(debug.Stack()))
		}
		c.reset()
		c.forget()
	}()
	if c.s.c.Implicit && !c.handshake() {
		return
	}
	c.say(reply{220, "", c.s.c.Hostname + " ESMTP Service Ready"})
	for !c.closing {
		line, err := c.line()
		switch {
		case errors.Is(err, errTooLong):
			c.say(reply{500, "5.5.2", "the line is too long"})
		case err != nil:
			c.lost(err)
		default:
			c.command(line)
		}
	}
	c.bye()
}

// lost says what ended the conversation, where somebody may hear it.
func (c *conn) lost(err error) {
	c.closing = true
	ended := c.over()
	switch {
	case ended != nil:
		c.close421(*ended)
	case errors.Is(err, errBare):
		// After it the two sides may see different commands in the same bytes.
		c.say(reply{500, "5.5.2", "a command must end with CRLF"})
	case errors.Is(err, errTooMany):
		c.close421(reply{421, "4.7.0", "too many commands without a message"})
	case errors.Is(err, os.ErrDeadlineExceeded) && c.state < ready:
		c.close421(reply{421, "4.4.2", "the time limit for logging in has passed"})
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.close421(reply{421, "4.4.2", "idle for too long"})
	}
}

// close421 ends the conversation (RFC 5321 §3.8).
func (c *conn) close421(why reply) {
	c.closing = true
	why.text = c.s.c.Hostname + " closing: " + why.text
	c.say(why)
}

// line reads a command without its CRLF. It is good until the next read.
func (c *conn) line() ([]byte, error) {
	skipped, seen := 0, 0
	for {
		if i := bytes.IndexByte(c.buf[c.r+seen:c.w], '\n'); i >= 0 {
			line := c.buf[c.r : c.r+seen+i]
			c.r += len(line) + 1
			c.taken = true
			switch n := len(line); {
			case skipped > 0 || n > c.s.c.Limits.Line+1:
				return nil, errTooLong
			case n == 0 || line[n-1] != '\r': // RFC 5321 §2.3.8
				return nil, errBare
			default:
				return line[:n-1], nil
			}
		}
		if seen = c.w - c.r; seen > c.s.c.Limits.Line+1 {
			if skipped += seen; skipped > maxSkipped {
				return nil, errBare
			}
			c.r, c.w, seen = 0, 0, 0
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more, after what is to be said has been said. A buffer that is full grows, and one that is empty is small.
func (c *conn) fill() error {
	if c.taken || c.r == c.w { // the first letter of the next command makes no group of them all
		if c.groups++; c.groups > c.s.c.Limits.Commands && (c.state < ready || c.groups > 30*c.s.c.Limits.Commands) {
			return errTooMany
		}
	}
	if c.taken = false; c.r == c.w {
		c.r, c.w = 0, 0
	}
	switch n := c.w - c.r; {
	case n < smallBuffer && len(c.buf) > smallBuffer:
		c.move(smallBuffer)
	case c.w < len(c.buf):
	case c.r > 0:
		c.move(len(c.buf))
	default:
		c.move(4 * len(c.buf))
	}
	until := time.Now().Add(c.s.c.Limits.Idle)
	if last := c.born.Add(c.s.c.Limits.Login); c.state < ready && last.Before(until) {
		until = last
	}
	n, err := c.read(c.buf[c.w:], until)
	c.w += n
	return err
}

// move puts what is not used yet at the beginning of a buffer of this size.
func (c *conn) move(size int) {
	to := c.buf
	if size != len(to) {
		to = make([]byte, size)
	}
	c.r, c.w, c.buf = 0, copy(to, c.buf[c.r:c.w]), to
}

// unread puts back what was read behind a mail: it begins the next commands.
func (c *conn) unread(b []byte) {
	if len(b) > len(c.buf) {
		c.buf = make([]byte, len(b))
	}
	c.r, c.w = 0, copy(c.buf, b)
}

// read sends the replies that wait and reads what there is.
func (c *conn) read(b []byte, until time.Time) (int, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	if !c.arm(until) {
		return 0, errEnded
	}
	n, err := c.net.Read(b)
	if n > 0 {
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return 0, err
}

// arm sets the time by which something must have come, unless the session has ended. A deadline that would move by
// little stays.
func (c *conn) arm(until time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return false
	}
	if d := until.Sub(c.readBy); d < 0 || d > min(5*time.Second, time.Until(until)/16) {
		c.raw.SetReadDeadline(until) //nolint:errcheck,gosec // the read fails then
		c.readBy = until
	}
	return true
}

// say appends a reply to those that wait.
func (c *conn) say(r reply) {
	c.out = r.append(c.out, c.tx.utf8)
	if len(c.out) > maxHeld {
		c.flush() //nolint:errcheck,gosec // the conversation is over then
	}
}

// flush sends the replies that wait. Where some were not taken in time the conversation is over: nobody could tell which
// commands those that came later would answer.
func (c *conn) flush() error {
	if c.broken != nil || len(c.out) == 0 {
		return c.broken
	}
	c.mu.Lock()
	if now := time.Now(); c.ended == nil && c.writeBy.Sub(now) < c.s.c.Limits.Write/2 {
		c.writeBy = now.Add(c.s.c.Limits.Write)
		c.raw.SetWriteDeadline(c.writeBy) //nolint:errcheck,gosec // the write fails then
	}
	c.mu.Unlock()
	_, err := c.net.Write(c.out)
	if err != nil {
		c.broken, c.closing = err, true
	}
	if c.out = c.out[:0]; cap(c.out) > smallBuffer {
		c.out = nil
	}
	return c.broken
}

// handshake begins TLS (RFC 3207 §4.2): what was said in clear counts for nothing, and what was read and not used is
// thrown away, since it was not said over TLS (CVE-2011-0411).
func (c *conn) handshake() bool {
	if !c.arm(c.born.Add(c.s.c.Limits.Login)) {
		return false
	}
	tc := tls.Server(c.raw, c.s.c.TLS)
	if err := tc.Handshake(); err != nil {
		return false
	}
	st := tc.ConnectionState()
	c.net, c.tls, c.private = tc, &st, true
	c.r, c.w = 0, 0
	c.enter(fresh)
	c.helo = ""
	return true
}

// bye sends what is left to say and closes. It goes on reading for a moment, since what comes in after a close would have
// the other side's system throw the answer away unread.
func (c *conn) bye() {
	c.mu.Lock()
	inMail, now := c.inMail, time.Now()
	c.raw.SetWriteDeadline(now.Add(endWrite)) //nolint:errcheck,gosec // the write fails then
	c.mu.Unlock()
	c.reset()
	c.forget()
	if len(c.out) > 0 && c.broken == nil {
		if _, err := c.net.Write(c.out); err != nil {
			return
		}
	}
	if tc, ok := c.net.(*tls.Conn); ok {
		tc.CloseWrite() //nolint:errcheck,gosec // as below
	}
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	wait := time.Second
	if inMail { // the client is sending
		wait = 5 * time.Second
	}
	if c.s.stopping.Load() {
		wait /= 4
	}
	c.raw.SetReadDeadline(now.Add(wait))                   //nolint:errcheck,gosec // the read fails then
	io.Copy(io.Discard, io.LimitReader(c.raw, maxDrained)) //nolint:errcheck,gosec // however it ends
}

// forget ends what the connection is counted for and bound to.
func (c *conn) forget() {
	if c.unbind != nil {
		c.unbind()
		c.unbind = nil
	}
	c.enter(fresh)
}

// enter changes the state.
func (c *conn) enter(next state) {
	switch {
	case c.state == fresh && next != fresh:
		c.s.stats.sessions.Add(1)
	case c.state != fresh && next == fresh:
		c.s.stats.sessions.Add(-1)
	}
	c.state = next
}
