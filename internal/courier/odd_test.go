// SPDX-License-Identifier: Apache-2.0

package courier_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"postern/internal/courier"
	"postern/internal/dns"
	"postern/internal/mail"
	"postern/internal/mxtest"
)

// A server that has had enough mails on a connection says 421 to the next: that is no attempt of the next.
func TestEnoughOnOneConnection(t *testing.T) {
	for _, offers := range [][]string{nil, {}} {
		w := mxtest.New(t)
		s := w.Server(mxtest.Script{Offers: offers, MaxMails: 2, Farewell: "421 4.7.0 too many messages on this connection"})
		w.Host("mx.b.example", s)
		w.MX("b.example", "mx.b.example", 10)
		for route, a := range map[string]attempter{"relay": relay(t, s, nil), "direct": direct(t, w)} {
			for i := range 5 {
				if o := one(t, a); o.Result != courier.Delivered {
					t.Errorf("%s: mail %d: %+v", route, i, o)
				}
			}
		}
		if n := s.Connections(); n != 6 || s.Count() != 10 {
			t.Errorf("%d mails on %d connections", s.Count(), n)
		}
	}
}

// A server that says 250 to DATA has taken nothing.
func TestAcceptedTooEarly(t *testing.T) {
	for _, offers := range [][]string{nil, {}} {
		s := mxtest.NewServer(t, mxtest.Script{Offers: offers, OnData: "250 2.0.0 fine"})
		if o := one(t, relay(t, s, nil)); o.Result != courier.Deferred || o.State != mail.StateProtocolIssue {
			t.Errorf("%+v", o)
		}
	}
}

// A mail refused in its middle is refused in the server's words, not "connection lost, it may have arrived".
func TestRefusedInTheMiddle(t *testing.T) {
	s := mxtest.NewServer(t, mxtest.Script{CutAt: 4 << 10})
	j := job("r@b.example")
	j.Body = append(j.Body, bytes.Repeat([]byte(strings.Repeat("x", 70)+"\r\n"), 300_000)...)
	o := relay(t, s, nil).Attempt(t.Context(), j)[0]
	if strings.Contains(o.Line, "may have arrived") || strings.Contains(o.Line, "127.0.0.1") {
		t.Errorf("%+v", o)
	}
	if o.Code != 0 && (o.Code != 552 || o.Result != courier.Bounced) {
		t.Errorf("%+v", o)
	}
}

func TestManyRecipients(t *testing.T) {
	const n = 250
	for limit, transactions := range map[int]int{0: 3, 30: 9} {
		s := mxtest.NewServer(t, mxtest.Script{MaxRcpts: limit, OnRcpt: func(a string) string {
			if a == "r7@b.example" || a == "r249@b.example" {
				return "550 5.1.1 no such user"
			}
			return ""
		}})
		var to []string
		for i := range n {
			to = append(to, fmt.Sprintf("r%d@b.example", i))
		}
		got := map[string]int{}
		out := relay(t, s, nil).Attempt(t.Context(), job(to...))
		if len(out) != n {
			t.Fatalf("%d outcomes", len(out))
		}
		for i, o := range out {
			want := courier.Delivered
			if i == 7 || i == 249 {
				want = courier.Bounced
			}
			if o.MessageID != int64(i+1) || o.Result != want {
				t.Errorf("limit %d: recipient %d: %+v", limit, i, o)
			}
		}
		for _, m := range s.Mails() {
			for _, a := range m.To {
				got[a]++
			}
			if len(m.To) > 100 {
				t.Errorf("%d recipients in one transaction", len(m.To))
			}
		}
		if len(got) != n-2 || len(s.Mails()) != transactions || s.Connections() != 1 {
			t.Errorf("limit %d: %d recipients in %d transactions on %d connections", limit, len(got), len(s.Mails()), s.Connections())
		}
		for a, times := range got {
			if times != 1 {
				t.Errorf("%s got it %d times", a, times)
			}
		}
	}
}

// A server that takes nobody more is not asked for ever.
func TestTooManyFromTheStart(t *testing.T) {
	s := mxtest.NewServer(t, mxtest.Script{OnRcpt: func(string) string { return "452 4.5.3 too many recipients" }})
	out := relay(t, s, nil).Attempt(t.Context(), job("r@b.example", "s@b.example"))
	if out[0].Result != courier.Deferred || out[1].Result != courier.Deferred || out[1].Code != 452 {
		t.Errorf("%+v", out)
	}
}

// One MAIL refused stands for all of a large job.
func TestManyRecipientsRefusedSender(t *testing.T) {
	s := mxtest.NewServer(t, mxtest.Script{OnMail: "550 5.7.1 not you"})
	var to []string
	for i := range 150 {
		to = append(to, fmt.Sprintf("r%d@b.example", i))
	}
	for i, o := range relay(t, s, nil).Attempt(t.Context(), job(to...)) {
		if o.Result != courier.Bounced || o.Code != 550 || o.MessageID != int64(i+1) {
			t.Errorf("recipient %d: %+v", i, o)
		}
	}
	var mails int
	for _, l := range s.Lines() {
		if strings.HasPrefix(l, "MAIL") {
			mails++
		}
	}
	if mails != 1 {
		t.Errorf("MAIL %d times", mails)
	}
}

func TestSessionRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		script mxtest.Script
		line   string
		code   int
	}{
		"EHLO not now":           {mxtest.Script{OnEHLO: "421 4.7.0 come back later"}, "421 4.7.0 come back later", 421},
		"a login is asked for":   {mxtest.Script{OnMail: "530 5.7.0 Authentication required"}, "530 5.7.0 Authentication required", 530},
		"hangs up without words": {mxtest.Script{OnDot: func(int) string { return "drop" }}, "the connection was lost after the message was sent, before it was answered; it may have arrived: the server closed the connection", 0},
		"silent":                 {mxtest.Script{OnDot: func(int) string { return "hang" }}, "the connection was lost after the message was sent, before it was answered; it may have arrived: no answer in time", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := mxtest.NewServer(t, c.script)
			if o := one(t, relay(t, s, nil)); o.Result != courier.Deferred || o.Code != c.code || o.Line != c.line {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestLoginByLOGIN(t *testing.T) {
	s := mxtest.NewServer(t, mxtest.Script{User: "me", Password: "p ä:ss", Auth: "CRAM-MD5 LOGIN"})
	o := one(t, relay(t, s, func(c *courier.RelayConfig) { c.User, c.Password = "me", "p ä:ss" }))
	if o.Result != courier.Delivered || s.Mails()[0].User != "me" {
		t.Errorf("%+v", o)
	}
}

// A domain whose mail servers are this machine leads nowhere, least of all to servers that trust this machine.
func TestDirectNeverComesHome(t *testing.T) {
	w := mxtest.New(t)
	w.Host("good.example", w.Server(mxtest.Script{}))
	for i, ip := range []string{"127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.9", "169.254.169.254", "224.0.0.1"} {
		host := fmt.Sprintf("h%d.example", i)
		w.Table[host] = dns.Records{IP: []netip.Addr{netip.MustParseAddr(ip)}}
		w.MX("b.example", host, 10)
	}
	if o := one(t, direct(t, w)); o.Result != courier.Bounced || o.Enhanced != "5.4.6" {
		t.Errorf("%+v", o)
	}
	w.MX("b.example", "good.example", 20)
	if o := one(t, direct(t, w)); o.Result != courier.Delivered {
		t.Errorf("the one that is a server: %+v", o)
	}
}

// That one of the servers cannot be looked up now is worth another attempt, whatever the others are.
func TestDirectUnknownHosts(t *testing.T) {
	w := mxtest.New(t)
	w.MX("b.example", "gone.example", 10)
	w.MX("b.example", "broken.example", 20)
	w.MX("b.example", "gone2.example", 30)
	w.Table["broken.example"] = dns.Records{Fail: true}
	if o := one(t, direct(t, w)); o.Result != courier.Deferred || o.Host != "broken.example" {
		t.Errorf("%+v", o)
	}
	w.Host("down.example", nil)
	w.MX("b.example", "down.example", 5)
	if o := one(t, direct(t, w)); o.Result != courier.Deferred || o.Host != "down.example" || !strings.Contains(o.Line, "connection refused") {
		t.Errorf("%+v", o)
	}
}

func TestRelayConnectionLimit(t *testing.T) {
	s := mxtest.NewServer(t, mxtest.Script{})
	r := relay(t, s, func(c *courier.RelayConfig) { c.Connections = 2 })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				if o := r.Attempt(t.Context(), job("r@b.example")); o[0].Result != courier.Delivered {
					t.Errorf("%+v", o)
				}
			}
		})
	}
	wg.Wait()
	if n := s.Connections(); n > 2 || s.Count() != 80 {
		t.Errorf("%d mails on %d connections", s.Count(), n)
	}
}

// What stands in an address between two commands is not sent, even if a door let it in.
func TestNoCommandInAnAddress(t *testing.T) {
	s := mxtest.NewServer(t, mxtest.Script{})
	r := relay(t, s, nil)
	out := r.Attempt(t.Context(), job("x@b.example>\r\nRCPT TO:<evil@b.example", "r@b.example"))
	if len(out) != 2 || out[0].MessageID != 1 || out[0].Result != courier.Bounced || out[1].Result != courier.Delivered || len(s.Mails()[0].To) != 1 {
		t.Errorf("%+v", out)
	}
	j := job("r@b.example")
	j.From = "a@example.com>\r\nRCPT TO:<evil@b.example"
	if out = r.Attempt(t.Context(), j); len(out) != 1 || out[0].Result != courier.Bounced {
		t.Errorf("%+v", out)
	}
	if out = r.Attempt(t.Context(), job()); len(out) != 0 {
		t.Errorf("nobody to send to: %+v", out)
	}
}

func TestCapture(t *testing.T) {
	out := courier.NewCapture().Attempt(t.Context(), job("r@b.example", "s@b.example"))
	if len(out) != 2 || out[1].MessageID != 2 || out[1].Result != courier.Delivered || !out[1].Captured || out[1].Code != 250 {
		t.Errorf("%+v", out)
	}
}
