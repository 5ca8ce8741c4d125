// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/keys"
	"postern/internal/mxtest"
	"postern/internal/refusal"
	"postern/internal/smtpd"
	"postern/internal/store"
)

const smuggled = "MAIL FROM:<a@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nsmuggled\r\n.\r\n"

// A connection that stalls or breaks inside a mail reads no command any more, whatever comes then (RFC 5321 §4.5.3.2.5).
func TestAStallInsideAMailEndsTheConnection(t *testing.T) {
	impatient, patient := start(t, func(c *smtpd.Config) { c.Limits.Block = 100 * time.Millisecond }), start(t, nil)
	for name, begin := range map[string]func(c *client){
		"DATA":              func(c *client) { c.say("DATA", "354"); c.send("From: a@example.com\r\n\r\nhalf\r\n") },
		"DATA, in a line":   func(c *client) { c.say("DATA", "354"); c.send("From: a@example.com\r\n\r\nhalf") },
		"DATA, at its dot":  func(c *client) { c.say("DATA", "354"); c.send("From: a@example.com\r\n\r\nhalf\r\n.\r") },
		"DATA, nothing yet": func(c *client) { c.say("DATA", "354") },
		"DATA, refused":     func(c *client) { c.send("DATA\r\na bare\nLF"); c.expect("354"); c.expect("554 5.6.0") },
		"BDAT":              func(c *client) { c.send("BDAT 200 LAST\r\nFrom: a@example.com\r\n\r\nhalf\r\n") },
		"BDAT, nothing yet": func(c *client) { c.send("BDAT 200 LAST\r\n") },
		"BDAT, too large":   func(c *client) { c.send("BDAT 26214401 LAST\r\nFrom: a@example.com\r\n\r\nhalf\r\n") },
		"BDAT, the second":  func(c *client) { c.send("BDAT 0\r\nBDAT 200 LAST\r\nhalf"); c.expect("250") },
	} {
		t.Run(name, func(t *testing.T) {
			w := impatient
			c := w.login(t)
			c.envelope()
			begin(c)
			c.expect("421 4.4.2")
			c.send(smuggled) // while the server lingers
			c.gone()
			w.want(t, nil, nil)
		})
		t.Run(name+", broken off", func(t *testing.T) {
			w := patient
			c := w.login(t)
			c.envelope()
			begin(c)
			if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			c.expect("421 4.4.2")
			c.gone()
			w.want(t, nil, nil)
		})
	}
}

// A chunk that is out of order is text as well.
func TestAStallInsideASkippedChunk(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.Limits.Block = 100 * time.Millisecond })
	c := w.login(t)
	c.send("BDAT 1000 LAST\r\nhalf")
	c.expect("421 4.4.2")
	c.gone()
}

// A client that sends a byte now and then has a bound for the whole mail, and for a chunk that is skipped.
func TestASlowMailHasAnEnd(t *testing.T) {
	for name, begin := range map[string]func(c *client){
		"DATA":            func(c *client) { c.envelope(); c.say("DATA", "354") },
		"a skipped chunk": func(c *client) { c.send("BDAT 10000 LAST\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, func(c *smtpd.Config) { c.Limits.Mail = 300 * time.Millisecond })
			c := w.login(t)
			begin(c)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() {
				for ctx.Err() == nil {
					if _, err := c.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
			c.expect("421 4.4.2")
		})
	}
}

// A refused mail without an end is read up to a bound. Its refusal is said once, also where it was said before that.
func TestARefusedMailHasAnEnd(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	c.envelope()
	c.send("DATA\r\na bare\nLF\r\n")
	c.expect("354")
	c.expect("554 5.6.0")
	go func() {
		block := bytes.Repeat([]byte("x"), 1<<20)
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}()
	rest, _ := io.ReadAll(c.r) // it may end in a reset
	if len(rest) > 0 {
		t.Errorf("after the refusal: %q", rest)
	}
	w.want(t, nil, nil)
}

// The time for a login counts from the connection, and nothing but the login ends it.
func TestTheTimeForALogin(t *testing.T) {
	const login = 500 * time.Millisecond
	limit := func(c *smtpd.Config) {
		c.TLS = mxtest.Certificate(t)
		c.Limits.Login = login
		c.Limits.Commands = 1 << 20
	}
	implicit := func(c *smtpd.Config) { limit(c); c.Implicit = true }
	inClear, overTLS := start(t, limit), start(t, implicit)
	for name, c := range map[string]struct {
		w   *world
		say func(c *client) // again and again
	}{
		"nothing is said":              {inClear, nil},
		"NOOP without EHLO":            {inClear, func(c *client) { c.say("NOOP", "250") }},
		"EHLO":                         {inClear, func(c *client) { c.say("EHLO x", "250") }},
		"half a command":               {inClear, func(c *client) { c.send("x") }},
		"AUTH without a response":      {inClear, func(c *client) { c.send("EHLO x\r\nAUTH PLAIN\r\n") }},
		"STARTTLS without a handshake": {inClear, once("EHLO x\r\nSTARTTLS\r\n")},
		"a chunk of a stranger":        {inClear, func(c *client) { c.send("EHLO x\r\nBDAT 1000000\r\n") }},
		"TLS without a handshake":      {overTLS, nil},
		"TLS, half a handshake":        {overTLS, func(c *client) { c.send("\x16\x03\x01") }},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			cl := c.w.dialUngreeted(t)
			ended := make(chan string)
			go func() {
				var all strings.Builder
				for {
					line, err := cl.r.ReadString('\n')
					all.WriteString(line)
					if err != nil {
						ended <- all.String()
						return
					}
				}
			}()
			if c.say != nil {
				go func() {
					quiet := &client{t: discard{t}, Conn: cl.Conn, r: nil}
					for range 50 {
						quietly(quiet, c.say)
						time.Sleep(20 * time.Millisecond)
					}
				}()
			}
			<-ended
			if took := time.Since(began); took < login-50*time.Millisecond || took > login+30*time.Second {
				t.Errorf("closed after %v", took)
			}
		})
	}
}

func once(s string) func(*client) {
	var o sync.Once
	return func(c *client) { o.Do(func() { c.send(s) }) }
}

// discard is a test that hears of no failure.
type discard struct{ testing.TB }

func (discard) Helper()               {}
func (discard) Fatal(...any)          { panic("over") }
func (discard) Fatalf(string, ...any) { panic("over") }
func (discard) Errorf(string, ...any) {}

// quietly says something of which only the writing counts.
func quietly(c *client, say func(*client)) {
	defer func() { recover() }() //nolint:errcheck // the connection is over, or there is no reader
	say(c)
}

// lines keeps the lines of a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// Guessing from a throttled source fills no log.
func TestThrottledLoginsAreSummedUp(t *testing.T) {
	var log lines
	w := start(t, func(c *smtpd.Config) {
		c.Refusals = refusal.New(nil, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
		c.Limits.Failures = 1 << 20
		c.Limits.Commands = 10_000
	})
	w.throttle(t)
	c := w.dial(t)
	c.say("EHLO client.example", "250")
	for range 120 {
		c.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret[:39]+"-"), "454 4.7.0")
	}
	if n := log.count("reason=throttled"); n != 10 { // the others are one line with their number a minute later
		t.Errorf("%d lines for 120 logins of a throttled source", n)
	}
	if n := w.server.Stats().LoginsFailed; n < 1120 {
		t.Errorf("%d logins are counted", n)
	}
}

// throttle fails from this machine until the gate refuses to look.
func (w *world) throttle(t testing.TB) {
	t.Helper()
	c := w.dial(t)
	c.say("EHLO client.example", "250")
	for range 2000 {
		c.send("AUTH PLAIN " + plain(w.key.APIKey, "x") + "\r\n")
		if strings.HasPrefix(c.expect(""), "454") {
			return
		}
	}
	t.Fatal("nobody is throttled")
}

// A key that may not send learns it when it logs in.
func TestAKeyThatMayNotSend(t *testing.T) {
	for _, may := range []access.Permission{access.MayRead, access.MayManage, access.MayRead | access.MayManage} {
		w := start(t, nil)
		w.restrict(t, may)
		c := w.dial(t)
		c.say("EHLO client.example", "250")
		for _, lines := range [][][2]string{
			{{"AUTH PLAIN " + plain(w.key.APIKey, w.secret), "535 5.7.8 authentication failed: This API key lacks the permission send"}},
			{{"AUTH PLAIN", "334"}, {plain(w.key.APIKey, w.secret), "535 5.7.8 authentication failed: This API key lacks the permission send"}},
		} {
			for _, l := range lines {
				c.say(l[0], l[1])
			}
		}
		c.say("MAIL FROM:<a@example.com>", "530 5.7.0")
	}
	w := start(t, nil) // one that loses the permission while it is logged in
	c := w.login(t)
	c.envelope()
	c.say("DATA", "354")
	w.restrict(t, access.MayRead)
	c.send("From: a@example.com\r\n\r\nx\r\n.\r\n")
	c.expect("550 5.7.1")
	c.say("MAIL FROM:<a@example.com>", "550 5.7.1")
	w.want(t, nil, nil)
}

func (w *world) restrict(t testing.TB, may access.Permission) {
	t.Helper()
	if _, err := w.Keys.Change(t.Context(), operator, store.OfAccount(w.key.AccountID), store.KeyFilter{ID: w.key.ID}, keys.KeyChange{Permissions: &may}, 0); err != nil {
		t.Fatal(err)
	}
}

// The third wrong login is answered, and then the connection is over, even with more behind it.
func TestTheThirdWrongLogin(t *testing.T) {
	w := start(t, nil)
	wrong := "AUTH PLAIN " + plain(w.key.APIKey, w.secret[:39]+"-") + "\r\n"
	c := w.dial(t)
	c.say("EHLO client.example", "250")
	c.send(strings.Repeat(wrong, 3) + "AUTH PLAIN " + plain(w.key.APIKey, w.secret) + "\r\nNOOP\r\n")
	for range 3 {
		c.expect("535 5.7.8")
	}
	if line, err := c.r.ReadString('\n'); err == nil {
		t.Errorf("after the third: %q", line)
	}
	again := w.dial(t) // over two kinds of AUTH
	again.say("EHLO client.example", "250")
	for range 3 {
		again.say("AUTH LOGIN "+"dXNlcg==", "334")
		again.say("cGFzcw==", "535 5.7.8")
	}
	if line, err := again.r.ReadString('\n'); err == nil {
		t.Errorf("after the third: %q", line)
	}
}

// A fault in the server ends the connection in which it comes up, and no other.
func TestAFaultEndsOneConnection(t *testing.T) {
	var log lines
	w := start(t, func(c *smtpd.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)); c.Submit = nil })
	other, c := w.login(t), w.login(t)
	c.envelope()
	c.say("DATA", "354")
	c.send(mailOf("x"))
	c.gone()
	other.say("NOOP", "250")
	until(t, "it is logged", func() bool { return log.count("fault in the server") == 1 })
	until(t, "the session is gone", func() bool { return w.server.Stats().Open == 1 && w.gate.Stats().Sessions == 1 })
	w.reset(t) // waits for nobody
}

// Replies that a client does not take in time are the last ones: it would take later ones for answers to other commands.
func TestRepliesThatAreNotTakenEndTheConnection(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.Limits.Write = 100 * time.Millisecond })
	c := w.login(t)
	c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	batch := []byte(strings.Repeat("HELP\r\n", 1000))
	n := 0 // bytes sent: until no buffer in between takes more
	for range 400 {
		k, err := c.Write(batch[n%6:])
		if n += k; err != nil {
			break
		}
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	}
	until(t, "the connection is ended, though nothing was read of its replies", func() bool { return w.server.Stats().Connected == 0 })
	all, _ := io.ReadAll(c.Conn) // it may end in a reset
	replies := strings.SplitAfter(string(all), "\r\n")
	for i, r := range replies[:len(replies)-1] {
		if r != replies[0] {
			t.Fatalf("reply %d of %d is %q: some before it are lost, or a part of one", i, len(replies), r)
		}
	}
	if len(replies) > n/6 {
		t.Errorf("%d replies to %d commands", len(replies), n/6)
	}
}

// Commands count one by one also where the next one's first letter comes with each.
func TestCommandsThatOverlapAreCounted(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.Limits.Commands = 10 })
	c := w.dial(t)
	c.send("NOOP\r\nN")
	for range 8 {
		c.expect("250")
		c.send("OOP\r\nN")
	}
	c.expect("250")
	c.send("OOP\r\nN")
	c.expect("250")
	c.expect("421 4.7.0")
	c.gone()
}
