// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Timeouts of a client, RFC 5321 §4.5.3.2.
type Timeouts struct {
	Dial     time.Duration // ours
	Greeting time.Duration // §4.5.3.2.1
	Command  time.Duration // MAIL, RCPT: §4.5.3.2.2 and .3
	Data     time.Duration // DATA: §4.5.3.2.4
	Block    time.Duration // each write of the message: §4.5.3.2.5
	Dot      time.Duration // the answer to the final dot: §4.5.3.2.6. A shorter one sends mail twice.
}

func defaultTimeouts() Timeouts {
	return Timeouts{
		Dial: 30 * time.Second, Greeting: 5 * time.Minute, Command: 5 * time.Minute, Data: 2 * time.Minute,
		Block: 3 * time.Minute, Dot: 10 * time.Minute,
	}
}

// refused is a server's reply that ends what we wanted.
type refused struct {
	reply
	step string
}

func (r *refused) Error() string { return r.step + ": " + r.line() }

// errTLS is a handshake that failed: in the direct route the same server is tried again in clear.
var errTLS = errors.New("TLS could not be begun")

// conn is a connection to a mail server.
type conn struct {
	net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	t    Timeouts
	host string // the server's name
	tls  string
	ext  map[string]string // what it offers, by keyword
	sent int               // transactions so far
	kept bool              // it was in the pool after an earlier mail
	idle time.Time         // since when

	mu        sync.Mutex
	cancelled bool
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// greet dials a server and reads its greeting.
func greet(ctx context.Context, dial dialFunc, addr, host string, implicit *tls.Config, t Timeouts) (*conn, error) {
	dctx, cancel := context.WithTimeout(ctx, t.Dial)
	defer cancel()
	nc, err := dial(dctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{host: host, t: t}
	c.over(nc)
	defer c.watch(ctx)()
	if implicit != nil {
		if err := c.begin(ctx, implicit); err != nil {
			return nil, errors.Join(err, nc.Close())
		}
	}
	c.deadline(t.Greeting)
	g, err := readReply(c.r)
	if err == nil && g.code != 220 {
		err = &refused{g, "greeting"}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *conn) over(nc net.Conn) {
	c.mu.Lock() // watch may cut it off now
	defer c.mu.Unlock()
	c.Conn, c.r, c.w = nc, bufio.NewReader(nc), bufio.NewWriterSize(nc, 32<<10)
}

// watch cuts the connection off when ctx ends, until the returned function is called.
func (c *conn) watch(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cancelled = true
		c.SetDeadline(time.Unix(1, 0)) //nolint:errcheck,gosec // a connection that cannot take a deadline is broken anyway
	})
}

func (c *conn) deadline(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cancelled {
		c.SetDeadline(time.Now().Add(d)) //nolint:errcheck,gosec // the read or write fails then
	}
}

// say sends a command and reads its reply.
func (c *conn) say(wait time.Duration, format string, args ...any) (reply, error) {
	c.deadline(wait)
	if _, err := fmt.Fprintf(c.w, format+"\r\n", args...); err != nil {
		return reply{}, err
	}
	if err := c.w.Flush(); err != nil {
		return reply{}, err
	}
	return readReply(c.r)
}

// hello says EHLO, or HELO to a server that does not know it (RFC 5321 §3.2).
func (c *conn) hello(name string) error {
	r, err := c.say(c.t.Command, "EHLO %s", name)
	if err != nil {
		return err
	}
	c.ext = map[string]string{}
	if r.code == 250 {
		for _, l := range r.lines[min(1, len(r.lines)):] {
			word, rest, _ := strings.Cut(l, " ")
			c.ext[strings.ToUpper(word)] = rest
		}
		return nil
	}
	if r.code/100 == 4 {
		return &refused{r, "EHLO"} // not now: HELO would be answered no better
	}
	if r, err = c.say(c.t.Command, "HELO %s", name); err != nil {
		return err
	}
	if r.code != 250 {
		return &refused{r, "HELO"}
	}
	return nil
}

func (c *conn) offers(ext string) bool { _, ok := c.ext[ext]; return ok }

// startTLS begins TLS and says EHLO again: what was offered in clear counts for nothing (RFC 3207 §4.2).
func (c *conn) startTLS(ctx context.Context, cfg *tls.Config, name string) error {
	r, err := c.say(c.t.Command, "STARTTLS")
	if err != nil {
		return err
	}
	if r.code != 220 {
		return fmt.Errorf("%w: %w", errTLS, &refused{r, "STARTTLS"})
	}
	if c.r.Buffered() > 0 {
		return fmt.Errorf("%w: the server spoke before the handshake", errTLS) // an injection (CVE-2021-38371 and its kin)
	}
	if err := c.begin(ctx, cfg); err != nil {
		return err
	}
	err = c.hello(name)
	var refusal *refused
	if err != nil && !errors.As(err, &refusal) {
		err = fmt.Errorf("%w: %w", errTLS, err) // with TLS 1.3 the server's last word on the handshake comes here
	}
	return err
}

func (c *conn) begin(ctx context.Context, cfg *tls.Config) error {
	c.deadline(c.t.Command)
	tc := tls.Client(c.Conn, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", errTLS, err)
	}
	st := tc.ConnectionState()
	c.over(tc)
	c.tls = tls.VersionName(st.Version) + " " + tls.CipherSuiteName(st.CipherSuite)
	return nil
}

// auth logs in by PLAIN, or by LOGIN where that is all there is (RFC 4954).
func (c *conn) auth(user, password string) error {
	mechs := strings.Fields(strings.ToUpper(c.ext["AUTH"]))
	b := base64.StdEncoding
	var r reply
	var err error
	switch {
	case slices.Contains(mechs, "PLAIN"):
		r, err = c.say(c.t.Command, "AUTH PLAIN %s", b.EncodeToString([]byte("\x00"+user+"\x00"+password)))
	case slices.Contains(mechs, "LOGIN"):
		for _, s := range []string{"AUTH LOGIN", b.EncodeToString([]byte(user)), b.EncodeToString([]byte(password))} {
			if r, err = c.say(c.t.Command, "%s", s); err != nil || r.code != 334 {
				break
			}
		}
	default:
		return fmt.Errorf("the relay offers neither AUTH PLAIN nor LOGIN, but %q", c.ext["AUTH"])
	}
	if err == nil && r.code != 235 {
		err = &refused{r, "AUTH"}
	}
	return err
}

// alive says whether a connection that was kept still answers.
func (c *conn) alive() bool {
	r, err := c.say(10*time.Second, "RSET")
	return err == nil && r.code == 250
}

// quit ends a connection politely, without waiting for the answer.
func (c *conn) quit() {
	c.deadline(time.Second)
	c.w.WriteString("QUIT\r\n") //nolint:errcheck,gosec // it is closed next
	c.w.Flush()                 //nolint:errcheck,gosec // as above
	c.Close()                   //nolint:errcheck,gosec // as above
}
