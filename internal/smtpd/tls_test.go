// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"postern/internal/mail"
	"postern/internal/mxtest"
	"postern/internal/smtpd"
	"postern/internal/store"
)

func TestSTARTTLS(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.TLS = mxtest.Certificate(t) })
	c := w.dial(t)
	if ehlo := c.say("EHLO client.example", "250"); !strings.Contains(ehlo, "STARTTLS") {
		t.Fatalf("not offered in\n%s", ehlo)
	}
	c.startTLS()
	if got := c.say("MAIL FROM:<a@example.com>", "50"); !strings.Contains(got, "EHLO") { // what was said in clear counts for nothing
		t.Errorf("before EHLO: %q", got)
	}
	if ehlo := c.say("EHLO client.example", "250"); strings.Contains(ehlo, "STARTTLS") || !strings.Contains(ehlo, "AUTH PLAIN LOGIN") {
		t.Errorf("over TLS:\n%s", ehlo)
	}
	c.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "235")
	c.envelope()
	c.data("250 2.0.0", mailOf("x"))
	if n := w.count(t); n != 1 {
		t.Errorf("%d messages", n)
	}
	w.reset(t) // a session over TLS ends as any other
	c.expect("421")
	c.gone()
}

// What follows STARTTLS in the same packet was not said over TLS (CVE-2011-0411).
func TestNothingIsInjectedBeforeTLS(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.TLS = mxtest.Certificate(t) })
	c := w.dial(t)
	c.say("EHLO client.example", "250")
	c.send("STARTTLS\r\nRSET\r\nEHLO injected.example\r\n")
	c.expect("220")
	tc := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := tc.Handshake(); err != nil {
		return // the server took the rest for a handshake, and gave up: nothing was obeyed
	}
	c.Conn, c.r = tc, bufio.NewReader(tc)
	c.send("NOOP\r\n")
	if line, err := c.r.ReadString('\n'); err == nil && (strings.Contains(line, "injected") || strings.Contains(line, "reset")) {
		t.Errorf("an injected command was answered: %q", line)
	}
}

func TestImplicitTLS(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.TLS, c.Implicit = mxtest.Certificate(t), true })
	nc, err := tls.Dial("tcp", w.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &client{t: t, Conn: nc, r: bufio.NewReader(nc)}
	c.expect("220")
	if ehlo := c.say("EHLO client.example", "250"); strings.Contains(ehlo, "STARTTLS") {
		t.Error("STARTTLS is offered over TLS")
	}
	c.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "235")
	c.envelope()
	c.data("250 2.0.0", mailOf("x"))
}

// elsewhere makes a listener's connections seem to come from another machine.
type elsewhere struct{ net.Listener }

func (l elsewhere) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return far{c}, nil
}

type far struct{ net.Conn }

func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 40000} }

// Off loopback no secret travels in clear.
func TestNoAUTHInClearOffLoopback(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.TLS = mxtest.Certificate(t) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go w.server.Serve(elsewhere{l})
	w.addr = l.Addr().String()
	c := w.dial(t)
	if ehlo := c.say("EHLO client.example", "250"); strings.Contains(ehlo, "AUTH") {
		t.Errorf("AUTH is offered in clear:\n%s", ehlo)
	}
	c.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "538 5.7.11")
	c.say("AUTH LOGIN", "538 5.7.11")
	c.say("MAIL FROM:<a@example.com>", "530 5.7.0")
	c.startTLS()
	c.say("EHLO client.example", "250")
	c.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "235")
}

func TestInternationalAddresses(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	c.say("MAIL FROM:<a@example.com> SMTPUTF8", "250")
	c.say("RCPT TO:<jürgen@bücher.example>", "250")
	c.data("250", mailOf("Grüße"))
	c.say("MAIL FROM:<a@example.com> SIZE=100 BODY=8BITMIME AUTH=<>", "250") // as Postfix sends it
	c.say("RCPT TO:<b@example.net>", "250")
	c.data("250", mailOf("x"))
}

// REQUIRETLS is offered where there is TLS (RFC 8689 §2), and what a sender asks for is kept with the mail (RFC 3461).
func TestWhatASenderAsksForIsKept(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.TLS = mxtest.Certificate(t) })
	c := w.dial(t)
	if ehlo := c.say("EHLO client.example", "250"); strings.Contains(ehlo, "REQUIRETLS") || !strings.Contains(ehlo, "250-DSN\r\n") {
		t.Errorf("in clear:\n%s", ehlo)
	}
	c.startTLS()
	if ehlo := c.say("EHLO client.example", "250"); !strings.Contains(ehlo, "250-REQUIRETLS\r\n") {
		t.Errorf("over TLS:\n%s", ehlo)
	}
	c.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "235")
	c.say("MAIL FROM:<a@example.com> REQUIRETLS=1", "501 5.5.4")
	c.say("MAIL FROM:<a@example.com> REQUIRETLS REQUIRETLS", "501 5.5.4")
	c.say("MAIL FROM:<a@example.com> REQUIRETLS RET=HDRS ENVID=QQ+2B314159", "250")
	c.say("RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@example.net", "250")
	c.data("250 2.0.0", mailOf("x"))
	got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
	if err != nil || len(got) != 1 {
		t.Fatal(len(got), err)
	}
	asked, err := w.store.AskedOf(t.Context(), store.OfOperator(), got[0].ID)
	if err != nil || asked.Notify != mail.NotifySuccess|mail.NotifyDelay || asked.ORcpt != (mail.ORcpt{Type: "rfc822", Address: "c+d@example.net"}) {
		t.Errorf("kept %+v, %v", asked, err)
	}
}
