// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/smtpd"
	"postern/internal/store"
	"postern/internal/submit"
)

// world is a door with all that is behind it, and one account that may send from example.com.
type world struct {
	store *store.Store
	gate  *gate.Gate
	*backend.Backend
	server *smtpd.Server
	addr   string
	key    store.Key
	secret string

	digester *credential.Digester
	submit   *submit.Submit
}

var operator = change.Actor{Kind: change.Operator, Origin: "test"}

func start(t testing.TB, change func(*smtpd.Config)) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	serverKey := credential.NewServerKey()
	digester, err := credential.NewDigester(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{digester: digester, Backend: backendtest.New(t, backend.Config{ServerKey: serverKey, Gate: gate.Config{Burst: 1000}, Log: log})}
	w.store, w.gate, w.submit = w.Store, w.Gate, w.Submit
	up, err := w.Keys.SignUp(t.Context(), operator, "One", "owner@example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.key, w.secret = up.Key, up.Secret
	if _, err := w.Senders.AddSender(t.Context(), operator, store.OfAccount(w.key.AccountID), store.KeyFilter{ID: w.key.ID}, "example.com", ""); err != nil {
		t.Fatal(err)
	}
	c := smtpd.Config{Gate: w.gate, Submit: w.submit, Hostname: "mail.postern.example", Refusals: w.Refusals, Log: log}
	if change != nil {
		change(&c)
	}
	w.server = smtpd.New(c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return w
}

// reset gives the key a new secret.
func (w *world) reset(t testing.TB) {
	t.Helper()
	got, err := w.Keys.Reset(t.Context(), operator, store.OfAccount(w.key.AccountID), store.KeyFilter{ID: w.key.ID}, keys.Reset{})
	if err != nil {
		t.Fatal(err)
	}
	w.secret = got.Secret
}

// secretID is the ID of the live secret.
func (w *world) secretID(t testing.TB) int64 {
	t.Helper()
	p, err := w.gate.Verify(gate.Source{}, w.key.APIKey, w.secret)
	if err != nil {
		t.Fatal(err)
	}
	return p.SecretID
}

func (w *world) count(t testing.TB) int {
	t.Helper()
	n, err := w.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// client speaks SMTP line by line.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (w *world) dial(t testing.TB) *client {
	t.Helper()
	c := w.dialUngreeted(t)
	c.expect("220")
	return c
}

func (w *world) dialUngreeted(t testing.TB) *client {
	t.Helper()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, Conn: nc, r: bufio.NewReader(nc)}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// expect reads a reply and wants it to start so.
func (c *client) expect(want string) string {
	c.t.Helper()
	var all strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			c.t.Fatalf("want %q, got %q and %v", want, all.String(), err)
		}
		if !enhanced(line) {
			c.t.Errorf("the reply %q has no enhanced code", line)
		}
		if len(line) > 3 && line[3] == ' ' {
			if !strings.HasPrefix(line, want) {
				c.t.Fatalf("want %q, got %q", want, all.String())
			}
			return all.String()
		}
	}
}

// bareReply matches the replies that have no enhanced code (RFC 2034 §4): the greeting, the answer to EHLO, and what asks
// for more.
var bareReply = regexp.MustCompile(`^(220 mail\.postern\.example ESMTP|250[- ](mail\.postern\.example|PIPELINING|8BITMIME|SMTPUTF8|ENHANCEDSTATUSCODES|CHUNKING|STARTTLS|AUTH|LIMITS|SIZE|DSN|REQUIRETLS)|334 |354 )`)

var codedReply = regexp.MustCompile(`^[245][0-9]{2}[- ][245]\.[0-9]{1,3}\.[0-9]{1,3} [^ ].*\r\n$`)

// enhanced says whether a line of a reply has an enhanced code of its class, or is one of those that have none.
func enhanced(line string) bool {
	return bareReply.MatchString(line) || codedReply.MatchString(line) && line[0] == line[4]
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) say(line, want string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.expect(want)
}

// gone wants the connection to be closed, perhaps after a 421.
func (c *client) gone() {
	c.t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		if !strings.HasPrefix(line, "421") {
			c.t.Errorf("instead of a closed connection: %q", line)
		}
	}
}

func (c *client) startTLS() {
	c.t.Helper()
	c.say("STARTTLS", "220")
	tc := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	c.Conn, c.r = tc, bufio.NewReader(tc)
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

func (w *world) login(t testing.TB) *client {
	t.Helper()
	c := w.dial(t)
	c.say("EHLO client.example", "250")
	c.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "235 2")
	return c
}

func (c *client) envelope() {
	c.t.Helper()
	c.say("MAIL FROM:<a@example.com>", "250")
	c.say("RCPT TO:<b@example.net>", "250")
}

func (c *client) data(want string, text string) string {
	c.t.Helper()
	c.say("DATA", "354")
	c.send(text)
	return c.expect(want)
}

func mailOf(body string) string {
	return fmt.Sprintf("From: a@example.com\r\nSubject: x\r\n\r\n%s\r\n.\r\n", body)
}
