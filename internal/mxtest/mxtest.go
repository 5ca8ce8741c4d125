// SPDX-License-Identifier: Apache-2.0

// Package mxtest is a world of fake domains and scripted mail servers for tests: each server is a real listener on
// loopback that speaks SMTP as its script says, badly where that is the point, and records exactly what it got. The
// domains are a [dns.Table], and [World.Dial] leads the addresses that the table gives to the servers.
package mxtest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/dns"
)

// World is the DNS and the servers of one test.
type World struct {
	t     testing.TB
	Table dns.Table

	mu    sync.Mutex
	addrs map[netip.Addr]string // fake address → where its server listens
}

// New makes an empty world.
func New(t testing.TB) *World {
	return &World{t: t, Table: dns.Table{}, addrs: map[netip.Addr]string{}}
}

// Host gives a server a name and an address of its own in the world.
func (w *World) Host(name string, s *Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(len(w.addrs) + 1)}) // TEST-NET-1, RFC 5737
	if s != nil {
		w.addrs[ip] = s.Addr
	} else {
		w.addrs[ip] = "" // a host where nothing listens
	}
	r := w.Table[name]
	r.IP = append(r.IP, ip)
	w.Table[name] = r
}

// MX adds a mail exchanger to a domain.
func (w *World) MX(domain, host string, pref uint16) {
	r := w.Table[domain]
	r.MX = append(r.MX, dns.MX{Host: host, Pref: pref})
	w.Table[domain] = r
}

// Dial connects to the server behind a fake address.
func (w *World) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	to := w.addrs[ap.Addr()]
	w.mu.Unlock()
	if to == "" {
		return nil, fmt.Errorf("dial %s: connection refused", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, to)
}

// Mail is one transaction that a server took.
type Mail struct {
	From string // with its parameters
	To   []string
	Data []byte // dots undone
	TLS  bool
	User string
}

// Script says how a server behaves. The zero Script takes everything.
type Script struct {
	Greeting string                      // "" is 220
	Offers   []string                    // EHLO keywords; nil is PIPELINING, 8BITMIME, SMTPUTF8, SIZE
	NoEHLO   bool                        // knows HELO alone
	OnEHLO   string                      // reply to EHLO; "" is 250 with what it offers
	STARTTLS bool                        // offered, with a certificate of its own making
	BadTLS   bool                        // STARTTLS is offered, and the handshake fails
	Implicit bool                        // TLS from the start
	User     string                      // AUTH is offered and asked for
	Password string                      //
	Auth     string                      // mechanisms offered with User; "" is PLAIN LOGIN
	OnMail   string                      // reply to MAIL; "" is 250
	OnRcpt   func(address string) string // reply to RCPT; nil or "" is 250
	MaxRcpts int                         // of a transaction: to more the reply is 452 4.5.3; 0 is no limit
	OnData   string                      // reply to DATA; "" is 354
	CutAt    int                         // a message with so many bytes is refused in its middle, and the connection closed; 0 is never
	// reply to the nth message, from 1; "" is 250, "drop" closes without one, "hang" waits for the client to go
	OnDot    func(n int) string
	MaxMails int                  // after so many on one connection it is closed
	Farewell string               // before that the next command is answered with this; "" is without a word
	Count    bool                 // mails are counted and not kept
	Pause    func(command string) // called before each reply
}

// Server is a scripted mail server.
type Server struct {
	Addr   string
	script Script
	tls    *tls.Config

	mu    sync.Mutex
	mails []Mail
	count int
	conns int
	lines []string
	open  map[net.Conn]bool
}

// Server starts a server until the test ends.
func (w *World) Server(script Script) *Server { return NewServer(w.t, script) }

// NewServer starts a server until the test ends.
func NewServer(t testing.TB, script Script) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), script: script, tls: Certificate(t), open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			s.open[c] = true
			s.mu.Unlock()
			running.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close() //nolint:errcheck,gosec // it was listening
		s.mu.Lock()
		for c := range s.open {
			c.Close() //nolint:errcheck,gosec // the client may be gone
		}
		s.mu.Unlock()
		running.Wait()
	})
	return s
}

// Roots trusts the server's certificate.
func (s *Server) Roots() *tls.Config {
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(s.tls.Certificates[0].Certificate[0])
	if err == nil {
		pool.AddCert(leaf)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// Mails is what the server took.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Count is how many mails the server took.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Connections is how many there were.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Lines is every command line that the server got.
func (s *Server) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

// Drop closes all connections that are open now.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.Close() //nolint:errcheck,gosec // that is the point
	}
}

// peer is one connection to a server.
type peer struct {
	s    *Server
	c    net.Conn
	r    *bufio.Reader
	mail Mail
	tls  bool
	user string
	n    int
}

func (s *Server) serve(raw net.Conn) {
	p := &peer{s: s, c: raw}
	defer func() {
		p.c.Close() //nolint:errcheck,gosec // it is over
		s.mu.Lock()
		delete(s.open, raw)
		s.mu.Unlock()
	}()
	if s.script.Implicit {
		p.c, p.tls = tls.Server(raw, s.tls), true
	}
	p.r = bufio.NewReader(p.c)
	p.reply(or(s.script.Greeting, "220 fake.example ESMTP"))
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if !s.script.Count {
			s.mu.Lock()
			s.lines = append(s.lines, line)
			s.mu.Unlock()
		}
		verb, arg, _ := strings.Cut(line, " ")
		if s.script.Pause != nil {
			s.script.Pause(strings.ToUpper(verb))
		}
		if s.script.MaxMails > 0 && p.n >= s.script.MaxMails {
			p.reply(s.script.Farewell)
			return
		}
		if !p.obey(strings.ToUpper(verb), arg) {
			return
		}
	}
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (p *peer) reply(s string) {
	p.c.Write([]byte(s + "\r\n")) //nolint:errcheck,gosec // the client may be gone
}

// obey does one command, and says whether the connection goes on.
func (p *peer) obey(verb, arg string) bool {
	sc := &p.s.script
	switch verb {
	case "EHLO":
		p.ehlo()
	case "HELO", "NOOP":
		p.reply("250 OK")
	case "RSET":
		p.mail = Mail{}
		p.reply("250 OK")
	case "STARTTLS":
		p.reply("220 go ahead")
		if sc.BadTLS {
			p.c.Write([]byte("this is no handshake\r\n")) //nolint:errcheck,gosec // as scripted
			return false
		}
		p.c, p.tls = tls.Server(p.c, p.s.tls), true
		p.r = bufio.NewReader(p.c)
	case "AUTH":
		p.auth(arg)
	case "MAIL":
		p.mail = Mail{From: strings.TrimPrefix(arg, "FROM:"), TLS: p.tls, User: p.user}
		if sc.User != "" && p.user == "" {
			p.reply("530 5.7.0 log in first")
			break
		}
		p.reply(or(sc.OnMail, "250 2.1.0 OK"))
	case "RCPT":
		p.rcpt(strings.TrimPrefix(arg, "TO:"))
	case "DATA":
		return p.data()
	case "QUIT":
		p.reply("221 bye")
		return false
	default:
		p.reply("500 5.5.2 what?")
	}
	return true
}

func (p *peer) ehlo() {
	sc := &p.s.script
	switch {
	case sc.NoEHLO:
		p.reply("502 5.5.1 what is EHLO?")
		return
	case sc.OnEHLO != "":
		p.reply(sc.OnEHLO)
		return
	}
	offers := sc.Offers
	if offers == nil {
		offers = []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 52428800"}
	}
	if (sc.STARTTLS || sc.BadTLS) && !p.tls {
		offers = append(offers[:len(offers):len(offers)], "STARTTLS")
	}
	if sc.User != "" {
		offers = append(offers[:len(offers):len(offers)], "AUTH "+or(sc.Auth, "PLAIN LOGIN"))
	}
	lines := append([]string{"fake.example"}, offers...)
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		p.reply("250" + sep + l)
	}
}

func (p *peer) auth(arg string) {
	mech, token, _ := strings.Cut(arg, " ")
	var user, password string
	switch {
	case !strings.Contains(or(p.s.script.Auth, "PLAIN LOGIN"), mech):
		p.reply("504 5.5.4 no such mechanism")
		return
	case mech == "PLAIN":
		b, _ := base64.StdEncoding.DecodeString(token)
		if parts := strings.Split(string(b), "\x00"); len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case mech == "LOGIN":
		user, password = p.ask("Username:"), p.ask("Password:")
	}
	if user == p.s.script.User && password == p.s.script.Password {
		p.user = user
		p.reply("235 2.7.0 OK")
		return
	}
	p.reply("535 5.7.8 wrong")
}

// ask is a step of AUTH LOGIN.
func (p *peer) ask(prompt string) string {
	p.reply("334 " + base64.StdEncoding.EncodeToString([]byte(prompt)))
	line, _ := p.r.ReadString('\n')
	b, _ := base64.StdEncoding.DecodeString(strings.TrimRight(line, "\r\n"))
	return string(b)
}

func (p *peer) rcpt(to string) {
	answer := ""
	address := strings.Trim(to, "<>")
	if p.s.script.OnRcpt != nil {
		answer = p.s.script.OnRcpt(address)
	}
	if sc := &p.s.script; sc.MaxRcpts > 0 && len(p.mail.To) >= sc.MaxRcpts {
		answer = "452 4.5.3 Error: too many recipients"
	}
	answer = or(answer, "250 2.1.5 OK")
	if answer[0] == '2' {
		p.mail.To = append(p.mail.To, address)
	}
	p.reply(answer)
}

// data takes a message, and says whether the connection goes on.
func (p *peer) data() bool {
	sc := &p.s.script
	if sc.OnData != "" || len(p.mail.To) == 0 {
		p.reply(or(sc.OnData, "503 5.5.1 no recipients"))
		return true
	}
	p.reply("354 go ahead")
	var text []byte
	for {
		line, err := p.r.ReadBytes('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		if line[0] == '.' {
			line = line[1:]
		}
		text = append(text, line...)
		if sc.CutAt > 0 && len(text) >= sc.CutAt {
			p.reply("552 5.3.4 message too big")
			io.Copy(io.Discard, io.LimitReader(p.r, 64<<10)) //nolint:errcheck,gosec // so that the reply is not lost to a reset
			return false
		}
	}
	p.n++
	answer := ""
	if sc.OnDot != nil {
		answer = sc.OnDot(p.n)
	}
	switch answer = or(answer, "250 2.0.0 OK"); answer {
	case "drop":
		return false
	case "hang":
		p.r.ReadByte() //nolint:errcheck,gosec // until the client goes
		return false
	}
	if answer[0] == '2' {
		p.mail.Data = text
		p.s.mu.Lock()
		if p.s.count++; !sc.Count {
			p.s.mails = append(p.s.mails, p.mail)
		}
		p.s.mu.Unlock()
	}
	p.mail = Mail{}
	p.reply(answer)
	return sc.MaxMails == 0 || p.n < sc.MaxMails || sc.Farewell != ""
}

// Certificate makes a certificate for 127.0.0.1 and localhost that nobody has signed.
func Certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake.example"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}
