// SPDX-License-Identifier: Apache-2.0

package courier_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postern/internal/courier"
	"postern/internal/dns"
	"postern/internal/mail"
	"postern/internal/mxtest"
)

const text = "From: a@example.com\r\nSubject: x\r\n\r\nHello\r\n.\r\n..two\r\n.dot\r\n\r\nGr\xc3\xbc\xc3\x9fe \r\n"

func job(to ...string) courier.Job {
	j := courier.Job{SubmissionID: 1, From: "a@example.com", SenderDomain: "example.com", Body: []byte(text), Domain: "b.example"}
	for i, r := range to {
		j.Recipients = append(j.Recipients, courier.Recipient{MessageID: int64(i + 1), Email: r})
	}
	return j
}

// quick are time-outs that a test can wait for.
func quick() *courier.Timeouts {
	return &courier.Timeouts{Dial: time.Second, Greeting: time.Second, Command: time.Second, Data: time.Second, Block: time.Second, Dot: time.Second}
}

type attempter interface {
	Attempt(context.Context, courier.Job) []courier.Outcome
	Close() error
}

func relay(t *testing.T, s *mxtest.Server, change func(*courier.RelayConfig)) attempter {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := courier.RelayConfig{Host: host, Port: port, TLS: courier.TLSOpportunistic, Hostname: "us.example", Timeouts: quick()}
	if change != nil {
		change(&c)
	}
	r, err := courier.NewRelay(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func direct(t *testing.T, w *mxtest.World) attempter {
	t.Helper()
	d := courier.NewDirect(courier.DirectConfig{Resolver: w.Table, Hostname: "us.example", Dial: w.Dial, Timeouts: quick()})
	t.Cleanup(func() { d.Close() })
	return d
}

// one attempts a job for one recipient.
func one(t *testing.T, a attempter) courier.Outcome {
	t.Helper()
	out := a.Attempt(t.Context(), job("r@b.example"))
	if len(out) != 1 || out[0].MessageID != 1 {
		t.Fatalf("outcomes %+v", out)
	}
	return out[0]
}

type signer struct{ header string }

func (s signer) Sign(context.Context, int64, int64, string, []byte) ([]byte, error) {
	return []byte(s.header), nil
}

func TestRelayIsByteForByte(t *testing.T) {
	for _, offers := range [][]string{nil, {}, {"PIPELINING"}} {
		s := mxtest.NewServer(t, mxtest.Script{Offers: offers})
		r := relay(t, s, func(c *courier.RelayConfig) { c.Signer = signer{"DKIM-Signature: v=1\r\n"} })
		out := r.Attempt(t.Context(), job("r@b.example", "s@c.example"))
		for _, o := range out {
			if o.Result != courier.Delivered || o.Code != 250 || o.Enhanced != "2.0.0" || o.Line != "250 2.0.0 OK" || o.Host != "127.0.0.1" {
				t.Errorf("outcome %+v", o)
			}
		}
		got := s.Mails()
		if len(got) != 1 || len(got[0].To) != 2 || string(got[0].Data) != "DKIM-Signature: v=1\r\n"+text {
			t.Fatalf("one transaction with the bytes as they were: %+v", got)
		}
		if offers == nil && !strings.HasPrefix(got[0].From, "<a@example.com> SIZE=") || offers == nil && !strings.Contains(got[0].From, "BODY=8BITMIME") {
			t.Errorf("MAIL %q", got[0].From)
		}
	}
}

func TestEachRecipientHasItsOutcome(t *testing.T) {
	for _, offers := range [][]string{nil, {}} {
		s := mxtest.NewServer(t, mxtest.Script{Offers: offers, OnRcpt: func(a string) string {
			return map[string]string{"gone@b.example": "550 5.1.1 no such user here", "later@b.example": "451 4.7.1 greylisted, come back", "many@b.example": "552 too many recipients"}[a]
		}})
		out := relay(t, s, nil).Attempt(t.Context(), job("here@b.example", "gone@b.example", "later@b.example", "many@b.example"))
		want := []struct {
			result courier.Result
			code   int
			state  mail.State
		}{{courier.Delivered, 250, 0}, {courier.Bounced, 550, mail.StateUserUnknown}, {courier.Deferred, 451, mail.StateGreylisted}, {courier.Deferred, 552, mail.StatePolicyIssue}}
		for i, w := range want {
			if o := out[i]; o.Result != w.result || o.Code != w.code || o.State != w.state {
				t.Errorf("recipient %d: %+v, want %+v", i, o, w)
			}
		}
		if got := s.Mails(); len(got) != 1 || len(got[0].To) != 1 {
			t.Errorf("mails %+v", got)
		}
	}
}

func TestNobodyIsTaken(t *testing.T) {
	for _, offers := range [][]string{nil, {}} {
		s := mxtest.NewServer(t, mxtest.Script{Offers: offers, OnRcpt: func(a string) string {
			if a == "gone@b.example" {
				return "550 5.1.1 no"
			}
			return ""
		}})
		r := relay(t, s, nil)
		if out := r.Attempt(t.Context(), job("gone@b.example")); out[0].Result != courier.Bounced {
			t.Errorf("%+v", out)
		}
		if out := r.Attempt(t.Context(), job("r@b.example")); out[0].Result != courier.Delivered { // the connection is still good
			t.Errorf("%+v", out)
		}
		if n := s.Connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
	}
}

func TestRepliesToTheMessage(t *testing.T) {
	for name, c := range map[string]struct {
		script mxtest.Script
		result courier.Result
		code   int
		line   string
	}{
		"MAIL refused":       {mxtest.Script{OnMail: "550 5.7.1 your address is on a blocklist"}, courier.Bounced, 550, "blocklist"},
		"MAIL not now":       {mxtest.Script{OnMail: "421 4.3.2 later"}, courier.Deferred, 421, "later"},
		"DATA refused":       {mxtest.Script{OnData: "554 5.7.1 no"}, courier.Bounced, 554, "no"},
		"dot refused":        {mxtest.Script{OnDot: func(int) string { return "554 5.7.1 this is spam" }}, courier.Bounced, 554, "spam"},
		"dot not now":        {mxtest.Script{OnDot: func(int) string { return "452 4.3.1 disk full" }}, courier.Deferred, 452, "disk full"},
		"lost after the dot": {mxtest.Script{OnDot: func(int) string { return "drop" }}, courier.Deferred, 0, "it may have arrived"},
		"silent after dot":   {mxtest.Script{OnDot: func(int) string { return "hang" }}, courier.Deferred, 0, "it may have arrived"},
		"many lines":         {mxtest.Script{OnDot: func(int) string { return "550-5.7.1 one\r\n550 5.7.1 two\x1b[2J" }}, courier.Bounced, 550, "550 5.7.1 one two [2J"},
		"greeted with 554":   {mxtest.Script{Greeting: "554 go away"}, courier.Deferred, 554, "go away"},
		"no SMTP at all":     {mxtest.Script{Greeting: "SSH-2.0-OpenSSH"}, courier.Deferred, 0, "not an SMTP reply"},
		"HELO alone":         {mxtest.Script{NoEHLO: true}, courier.Delivered, 250, "OK"},
		"too small for us":   {mxtest.Script{Offers: []string{"SIZE 10"}}, courier.Bounced, 0, "takes messages of 10 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := mxtest.New(t)
			s := w.Server(c.script)
			w.Host("mx.b.example", s)
			w.MX("b.example", "mx.b.example", 10)
			for route, a := range map[string]attempter{"relay": relay(t, s, nil), "direct": direct(t, w)} {
				o := one(t, a)
				if o.Result != c.result || o.Code != c.code || !strings.Contains(o.Line, c.line) {
					t.Errorf("%s: %+v, want %v %d with %q", route, o, c.result, c.code, c.line)
				}
			}
		})
	}
}

func TestRelayReusesAndRenewsConnections(t *testing.T) {
	s := mxtest.NewServer(t, mxtest.Script{MaxMails: 3})
	r := relay(t, s, nil)
	for i := range 7 {
		if o := one(t, r); o.Result != courier.Delivered {
			t.Fatalf("mail %d: %+v", i, o)
		}
	}
	if n := s.Connections(); n != 3 || len(s.Mails()) != 7 {
		t.Errorf("%d mails over %d connections", len(s.Mails()), n)
	}
	s.Drop() // a kept connection that died costs a new one, not an attempt
	if o := one(t, r); o.Result != courier.Delivered {
		t.Errorf("after a dropped connection: %+v", o)
	}
}

func TestRelayTLSAndLogin(t *testing.T) {
	login := func(c *courier.RelayConfig) { c.User, c.Password = "me", "secret" }
	for name, c := range map[string]struct {
		script mxtest.Script
		change func(*courier.RelayConfig, *mxtest.Server)
		ok     bool
		line   string
	}{
		"STARTTLS and AUTH": {mxtest.Script{STARTTLS: true, User: "me", Password: "secret"}, func(c *courier.RelayConfig, s *mxtest.Server) {
			login(c)
			c.TLS, c.TLSRoots = courier.TLSRequired, s.Roots()
		}, true, ""},
		"an unknown signer":     {mxtest.Script{STARTTLS: true}, func(c *courier.RelayConfig, _ *mxtest.Server) { c.TLS = courier.TLSRequired }, false, "certificate"},
		"required, not offered": {mxtest.Script{}, func(c *courier.RelayConfig, _ *mxtest.Server) { c.TLS = courier.TLSRequired }, false, "does not offer STARTTLS"},
		"opportunistic":         {mxtest.Script{STARTTLS: true}, nil, true, ""},
		"never":                 {mxtest.Script{STARTTLS: true}, func(c *courier.RelayConfig, _ *mxtest.Server) { c.TLS = courier.TLSNever }, true, ""},
		"implicit":              {mxtest.Script{Implicit: true}, func(c *courier.RelayConfig, s *mxtest.Server) { c.Implicit, c.TLSRoots = true, s.Roots() }, true, ""},
		"a wrong password":      {mxtest.Script{User: "me", Password: "other"}, func(c *courier.RelayConfig, _ *mxtest.Server) { login(c) }, false, "535 5.7.8"},
		"no AUTH there":         {mxtest.Script{}, func(c *courier.RelayConfig, _ *mxtest.Server) { login(c) }, false, "neither AUTH PLAIN nor LOGIN"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mxtest.NewServer(t, c.script)
			r := relay(t, s, func(rc *courier.RelayConfig) {
				if c.change != nil {
					c.change(rc, s)
				}
			})
			o := one(t, r)
			if c.ok != (o.Result == courier.Delivered) || !c.ok && o.Result != courier.Deferred {
				t.Fatalf("%+v", o)
			}
			if !strings.Contains(o.Line, c.line) {
				t.Errorf("line %q, want %q: it is our own setting that is wrong, never the recipient", o.Line, c.line)
			}
			if c.ok {
				m := s.Mails()[0]
				if wantTLS := name != "never"; m.TLS != wantTLS || (o.TLS != "") != wantTLS || m.User != c.script.User {
					t.Errorf("TLS %v (%q), user %q", m.TLS, o.TLS, m.User)
				}
			}
		})
	}
}

func TestDirectFindsTheHosts(t *testing.T) {
	w := mxtest.New(t)
	good, down := w.Server(mxtest.Script{}), w.Server(mxtest.Script{Greeting: "421 4.3.2 overloaded"})
	w.Host("good.example", good)
	w.Host("down.example", down)
	w.Host("nothing.example", nil)
	w.MX("b.example", "nothing.example", 5)
	w.MX("b.example", "down.example", 10)
	w.MX("b.example", "good.example", 20)
	w.Host("noMX.example", good)
	w.MX("null.example", "", 0)
	w.MX("self.example", "us.example", 10)
	w.MX("self.example", "good.example", 20)
	w.MX("backup.example", "good.example", 5)
	w.MX("backup.example", "us.example", 10)
	w.Table["broken.example"] = dns.Records{Fail: true}
	w.MX("nohost.example", "unknown.example", 10)
	for domain, want := range map[string]struct {
		result courier.Result
		line   string
		state  mail.State
	}{
		"b.example":      {courier.Delivered, "250", 0},
		"noMX.example":   {courier.Delivered, "250", 0},
		"null.example":   {courier.Bounced, "null MX", mail.StateNoMailHost},
		"absent.example": {courier.Bounced, "does not exist", mail.StateInvalidDomain},
		"self.example":   {courier.Bounced, "come back to this server", mail.StateNoMailHost},
		"backup.example": {courier.Delivered, "250", 0},
		"broken.example": {courier.Deferred, "could not be looked up", mail.StateInvalidDomain},
		"nohost.example": {courier.Bounced, "has no address", mail.StateNoMailHost},
	} {
		t.Run(domain, func(t *testing.T) {
			j := job("r@" + domain)
			j.Domain = domain
			o := direct(t, w).Attempt(t.Context(), j)[0]
			if o.Result != want.result || !strings.Contains(o.Line, want.line) || o.State != want.state {
				t.Errorf("%+v, want %+v", o, want)
			}
		})
	}
}

func TestDirectPrefersTLSAndDoesWithout(t *testing.T) {
	for name, script := range map[string]mxtest.Script{"TLS": {STARTTLS: true}, "bad TLS": {BadTLS: true}, "none": {}} {
		w := mxtest.New(t)
		s := w.Server(script)
		w.Host("mx.b.example", s)
		w.MX("b.example", "mx.b.example", 10)
		o := one(t, direct(t, w))
		if o.Result != courier.Delivered || (o.TLS != "") != script.STARTTLS || s.Mails()[0].TLS != script.STARTTLS {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestInternationalAddresses(t *testing.T) {
	for _, able := range []bool{true, false} {
		script := mxtest.Script{}
		if !able {
			script.Offers = []string{"8BITMIME"}
		}
		s := mxtest.NewServer(t, script)
		r := relay(t, s, nil)
		j := job("r@bücher.example")
		if o := r.Attempt(t.Context(), j)[0]; o.Result != courier.Delivered || s.Mails()[0].To[0] != "r@xn--bcher-kva.example" {
			t.Errorf("an IDN domain goes in A-labels: %+v", o)
		}
		j = job("jürgen@bücher.example")
		j.UTF8 = true
		o := r.Attempt(t.Context(), j)[0]
		if able && (o.Result != courier.Delivered || !strings.HasSuffix(s.Mails()[1].From, " SMTPUTF8")) || !able && (o.Result != courier.Bounced || o.Enhanced != "5.6.7") {
			t.Errorf("able %v: %+v", able, o)
		}
	}
}

// Our own end is nobody's failure: the attempt is cut off, says so, and has no code.
func TestCutOff(t *testing.T) {
	for at, line := range map[string]string{"RCPT": "shutting down", "dot": "shutting down after the message was sent, before it was answered; it may have arrived"} {
		reached, gone := make(chan struct{}), make(chan struct{})
		s := mxtest.NewServer(t, mxtest.Script{
			OnRcpt: func(string) string {
				if at == "RCPT" {
					close(reached)
					<-gone
				}
				return ""
			},
			OnDot: func(int) string { close(reached); return "hang" },
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-reached; cancel() }()
		r := relay(t, s, func(c *courier.RelayConfig) { c.Timeouts = nil })
		o := r.Attempt(ctx, job("r@b.example"))[0]
		close(gone)
		if o.Result != courier.Deferred || o.Code != 0 || o.Line != line {
			t.Errorf("%s: %+v", at, o)
		}
	}
}

func TestParseRoute(t *testing.T) {
	for s, want := range map[string]string{
		"capture": "capture", "direct": "direct",
		"smtp://u:p@mail.example:587":             "relay mail.example 587 u required",
		"smtp://mail.example":                     "relay mail.example 587  opportunistic",
		"smtps://u:p@mail.example":                "relay mail.example 465 u required implicit",
		"smtp://u:p@127.0.0.1:25":                 "relay 127.0.0.1 25 u opportunistic",
		"smtp://mail.example?tls=required":        "relay mail.example 587  required",
		"smtp://u:p@mail.example?tls=never":       "! in clear",
		"smtp://mail.example?tls=perhaps":         "! tls=perhaps",
		"":                                        "! not a route",
		"mail.example":                            "! not a route",
		"http://mail.example":                     "! not a route",
		"http://user:secretpassword@mail.example": "! not a route",
		"smtp://u:secretpassword/1@mail.example":  "! not a route",
		"smtp://u:12#secretpassword@mail.example": "! not a route",
		"smtp://u:12?secretpassword@mail.example": "! an option that is not known",
		"smtp://u:secretpassword%zz@mail.example": "! not a route",
		"smtp://:587":                             "! not a route",
		"smtp://u@mail.example":                   "! a user without a password",
		"smtps://mail.example?tls=never":          "! does not go with smtps",
		"smtps://mail.example":                    "relay mail.example 465  required implicit",
		"smtp://mail.example?connections=0":       "! a number from 1 to 1000",
		"smtp://mail.example?connections=7":       "relay mail.example 587  opportunistic",
	} {
		r, err := courier.ParseRoute(s)
		got := r.Kind
		if r.Kind == "relay" {
			got = strings.TrimSpace(fmt.Sprintf("relay %s %s %s %s", r.Relay.Host, r.Relay.Port, r.Relay.User, r.Relay.TLS))
			if r.Relay.Implicit {
				got += " implicit"
			}
		}
		if reason, bad := strings.CutPrefix(want, "! "); bad {
			if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "secretpassword") {
				t.Errorf("%q: %v, want %q and no password", s, err, reason)
			}
		} else if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
}

func BenchmarkRelay(b *testing.B) {
	s := mxtest.NewServer(b, mxtest.Script{Count: true})
	host, port, _ := net.SplitHostPort(s.Addr)
	j := job("r@b.example")
	j.Body = append([]byte("From: a@example.com\r\n\r\n"), bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, again and again and again.\r\n"), 56)...)
	for _, connections := range []int{1, 16} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			r, err := courier.NewRelay(courier.RelayConfig{Host: host, Port: port, TLS: courier.TLSNever, Hostname: "us.example", Connections: connections})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if o := r.Attempt(b.Context(), j); o[0].Result != courier.Delivered {
						b.Errorf("%+v", o)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}
