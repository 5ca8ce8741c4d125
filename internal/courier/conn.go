// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
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
	return Timeouts{Dial: 30 * time.Second, Greeting: 5 * time.Minute, Command: 5 * time.Minute, Data: 2 * time.Minute, Block: 3 * time.Minute, Dot: 10 * time.Minute}
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
	host string // who it is
	tls  string
	ext  map[string]string // what it offers, by keyword
	sent int               // transactions so far
	idle time.Time         // when it was put aside

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
	return c.hello(name)
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
	has := func(m string) bool {
		for _, x := range mechs {
			if x == m {
				return true
			}
		}
		return false
	}
	b := base64.StdEncoding
	var r reply
	var err error
	switch {
	case has("PLAIN"):
		r, err = c.say(c.t.Command, "AUTH PLAIN %s", b.EncodeToString([]byte("\x00"+user+"\x00"+password)))
	case has("LOGIN"):
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

// alive says whether a connection that was put aside still answers.
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

// transaction is one mail for some recipients.
type transaction struct {
	from       string
	recipients []string
	header     []byte // put before the body
	body       []byte
	utf8       bool
}

// answers are a transaction's replies: of MAIL, of each RCPT, of DATA or the final dot. What was not reached has code 0.
type answers struct {
	mail  reply
	rcpt  []reply
	final reply
	dot   bool // the final dot was on its way
}

// send makes a transaction. Its error is the connection's failure; the answers read before it stand.
func (c *conn) send(t *transaction) (answers, error) {
	a := answers{rcpt: make([]reply, len(t.recipients))}
	c.sent++
	dataSent, err := c.envelope(t, &a)
	if err != nil {
		return a, err
	}
	good := false
	for _, r := range a.rcpt {
		good = good || r.code/100 == 2
	}
	if !dataSent {
		if a.mail.code/100 != 2 || !good {
			return a, c.reset()
		}
		if a.final, err = c.say(c.t.Data, "DATA"); err != nil {
			return a, err
		}
	}
	switch {
	case a.final.code == 354 && !good: // pipelined, and nobody to get it (RFC 2920 §3.1)
		c.deadline(c.t.Data)
		_, err := c.say(c.t.Data, ".")
		return a, err
	case a.final.code != 354:
		return a, c.reset()
	}
	a.dot = true // from here on the mail may have been taken
	a.final = reply{}
	if err := c.message(t); err != nil {
		return a, err
	}
	c.deadline(c.t.Dot)
	a.final, err = readReply(c.r)
	return a, err
}

func (c *conn) reset() error {
	r, err := c.say(c.t.Command, "RSET")
	if err == nil && r.code != 250 {
		err = &refused{r, "RSET"}
	}
	return err
}

// envelope sends MAIL and RCPT, in one write with DATA where the server lets us (RFC 2920).
func (c *conn) envelope(t *transaction, a *answers) (dataSent bool, err error) {
	mail := "MAIL FROM:<" + t.from + ">"
	if c.offers("SIZE") {
		mail += " SIZE=" + strconv.Itoa(len(t.header)+len(t.body))
	}
	if c.offers("8BITMIME") && hasHigh(t.body) {
		mail += " BODY=8BITMIME"
	}
	if t.utf8 {
		mail += " SMTPUTF8"
	}
	if !c.offers("PIPELINING") {
		if a.mail, err = c.say(c.t.Command, "%s", mail); err != nil || a.mail.code/100 != 2 {
			return false, err
		}
		for i, to := range t.recipients {
			if a.rcpt[i], err = c.say(c.t.Command, "RCPT TO:<%s>", to); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	c.deadline(c.t.Command)
	c.w.WriteString(mail + "\r\n") //nolint:errcheck,gosec // Flush says
	for _, to := range t.recipients {
		c.w.WriteString("RCPT TO:<" + to + ">\r\n") //nolint:errcheck,gosec // Flush says
	}
	c.w.WriteString("DATA\r\n") //nolint:errcheck,gosec // Flush says
	if err := c.w.Flush(); err != nil {
		return true, err
	}
	if a.mail, err = readReply(c.r); err != nil {
		return true, err
	}
	for i := range t.recipients {
		c.deadline(c.t.Command)
		if a.rcpt[i], err = readReply(c.r); err != nil {
			return true, err
		}
	}
	c.deadline(c.t.Data)
	a.final, err = readReply(c.r)
	return true, err
}

func hasHigh(b []byte) bool {
	for _, x := range b {
		if x >= 0x80 {
			return true
		}
	}
	return false
}

// message writes header and body with their dots doubled (RFC 5321 §4.5.2), and the final dot.
func (c *conn) message(t *transaction) error {
	c.deadline(c.t.Block)
	if _, err := c.w.Write(t.header); err != nil {
		return err
	}
	rest, start := t.body, true
	for len(rest) > 0 {
		if start && rest[0] == '.' {
			c.w.WriteByte('.') //nolint:errcheck,gosec // the next write says
		}
		n := bytes.Index(rest, []byte("\n."))
		if start = n >= 0; !start {
			n = len(rest)
		} else {
			n++
		}
		for part := rest[:n]; len(part) > 0; { // a deadline for each block, however large the mail
			k := min(len(part), 64<<10)
			c.deadline(c.t.Block)
			if _, err := c.w.Write(part[:k]); err != nil {
				return err
			}
			part = part[k:]
		}
		rest = rest[n:]
	}
	if !bytes.HasSuffix(t.body, []byte("\r\n")) {
		c.w.WriteString("\r\n") //nolint:errcheck,gosec // Flush says
	}
	c.w.WriteString(".\r\n") //nolint:errcheck,gosec // Flush says
	return c.w.Flush()
}
