// SPDX-License-Identifier: Apache-2.0

package domain_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/dns"
	"postern/internal/domain"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

var operator = change.Actor{Kind: change.Operator, Origin: "test"}

// office is an account with a key that wants to send from shop.test, and what looks at that.
type office struct {
	t     *testing.T
	store *store.Store
	*backend.Backend
	checker *domain.Checker
	up      keys.SignedUp
	scope   store.Scope
	now     time.Time
}

func newOffice(t *testing.T, resolver domain.Resolver, change ...func(*domain.Config)) *office {
	t.Helper()
	o := &office{t: t, store: storetest.New(t), now: time.Now()}
	log := slog.New(slog.DiscardHandler)
	o.Backend = backendtest.New(t, backend.Config{Store: o.store, Log: log})
	var err error
	o.up, err = o.Keys.SignUp(t.Context(), operator, "Harbour", "owner@example.com")
	o.ok(err)
	o.scope = store.OfAccount(o.up.Account.ID)
	c := domain.Config{
		Store: o.store, Senders: o.Senders, Resolver: resolver, SPF: []string{"include:spf.mail.test"}, FilesBetween: 1, Log: log, Now: func() time.Time { return o.now },
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
		},
	}
	for _, f := range change {
		f(&c)
	}
	o.checker, err = domain.New(c)
	o.ok(err)
	return o
}

func (o *office) ok(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) propose(email string) store.Sender {
	o.t.Helper()
	x, err := o.Senders.ProposeSender(o.t.Context(), operator, o.scope, store.KeyFilter{ID: o.up.Key.ID}, senders.NewSender{Email: email})
	o.ok(err)
	return x
}

func (o *office) domain() store.Domain {
	o.t.Helper()
	d, err := o.store.Domain(o.t.Context(), o.scope, store.DomainFilter{Domain: "shop.test"})
	o.ok(err)
	return d
}

func (o *office) records() domain.Records {
	o.t.Helper()
	r, err := o.checker.Records(o.t.Context(), o.up.Account.ID, o.domain())
	o.ok(err)
	return r
}

// told are the notices about domains, and removes them.
func (o *office) told() []notice.Notice {
	o.t.Helper()
	kept, err := o.store.DueNotices(o.t.Context(), time.Now().AddDate(1, 0, 0), 1000)
	o.ok(err)
	var out []notice.Notice
	for _, k := range kept {
		n, err := o.Notices.Open(k)
		o.ok(err)
		if strings.HasPrefix(n.Kind, "domain.") {
			out = append(out, n)
		}
		o.ok(o.store.Update(o.t.Context(), func(tx *store.Tx) error { return tx.RemoveNotice(o.t.Context(), k.ID) }))
	}
	return out
}

// TestRealNameServer goes the whole way with a real name server: nothing there, everything there, no answer.
func TestRealNameServer(t *testing.T) {
	ns := newNameServer(t)
	ns.publish()
	o := newOffice(t, dns.New(ns.addr).Uncached())
	x := o.propose("shop.test")
	v, err := o.checker.Validate(t.Context(), operator, o.scope, x)
	o.ok(err)
	r := o.records()
	if v.Method != "" || v.DNSError != "There is no TXT record at "+r.Ownership.Name+"." || v.Problem == "" {
		t.Errorf("%+v", v)
	}
	d, err := o.checker.Check(t.Context(), operator, o.scope, o.domain().ID)
	o.ok(err)
	if d.DKIM.Status != store.RecordError || d.SPF.Status != store.RecordError || d.DKIM.Errors[0] != "There is no TXT record at "+r.DKIM.Name+"." || d.SPF.Errors[0] != "shop.test has no SPF record." || d.DMARC != "" || d.DMARCAdvice == "" || d.CheckedAt.IsZero() {
		t.Errorf("%+v", d)
	}
	all := []string{
		txtRecord(r.Ownership.Name, r.Ownership.Value), txtRecord(r.DKIM.Name, r.DKIM.Value), txtRecord("shop.test", r.SPF.Value),
		txtRecord("spf.mail.test", "v=spf1 ip4:192.0.2.25 -all"), txtRecord("_dmarc.shop.test", "v=DMARC1; p=reject"),
	}
	ns.publish(append([]string{txtRecord(r.Ownership.Name, "wrong")}, all[1:]...)...)
	v, err = o.checker.Validate(t.Context(), operator, o.scope, x)
	o.ok(err)
	if v.Method != "" || !strings.Contains(v.DNSError, `says "wrong", and not`) {
		t.Errorf("%+v", v)
	}
	ns.publish(all...)
	v, err = o.checker.Validate(t.Context(), operator, o.scope, x)
	o.ok(err)
	if v.Method != domain.MethodDNS || !o.domain().Proved() || o.domain().Proof != store.ProofDNS {
		t.Errorf("%+v", v)
	}
	d, err = o.checker.Check(t.Context(), operator, o.scope, o.domain().ID)
	o.ok(err)
	if d.DKIM.Status != store.RecordOK || d.SPF.Status != store.RecordOK || d.DMARC != "v=DMARC1; p=reject" || d.DMARCAdvice != "" || d.DKIM.Current[0] != r.DKIM.Value {
		t.Errorf("%+v", d)
	}
	// A name that leads into the server's own network is not followed for a file.
	ns.publish(append(all, "shop IN A 127.0.0.1")...)
	inside := newOffice(t, dns.Table{}, func(c *domain.Config) { c.Dial, c.NetResolver = nil, dns.New(ns.addr).Net() })
	v, err = inside.checker.Validate(t.Context(), operator, inside.scope, inside.propose("shop.test"))
	o.ok(err)
	if v.Method != "" || !strings.Contains(v.FileError, "not a public one") {
		t.Errorf("%+v", v)
	}
	// A name server that does not answer says nothing about what is there.
	ns.stop()
	d, err = o.checker.Check(t.Context(), operator, o.scope, o.domain().ID)
	o.ok(err)
	if d.DKIM.Status != store.RecordOK || d.SPF.Status != store.RecordOK || d.DMARC == "" {
		t.Errorf("%+v", d)
	}
	if s := o.checker.Stats(); s.OK != 1 || s.Wrong != 1 || s.Unknown != 1 {
		t.Errorf("%+v", s)
	}
}

// TestInTheBackground: a domain is found proved by itself; what breaks is told once, when it was seen twice, and again
// when it is mended.
func TestInTheBackground(t *testing.T) {
	table := dns.Table{"spf.mail.test": txt("v=spf1 ip4:192.0.2.25 -all")}
	o := newOffice(t, table)
	o.propose("shop.test")
	o.propose("late.example") // is nobody's, and not asked for
	round := func(after time.Duration) store.Domain {
		t.Helper()
		o.now = o.now.Add(after)
		o.ok(o.checker.Round(t.Context()))
		return o.domain()
	}
	if d := round(time.Second); d.Proved() || d.DKIM.Status != store.RecordError || d.DueAt.Sub(o.now) < 13*time.Minute || d.DueAt.Sub(o.now) > 17*time.Minute {
		t.Errorf("%+v", d)
	}
	r := o.records()
	table[r.Ownership.Name], table[r.DKIM.Name], table["shop.test"] = txt(r.Ownership.Value), txt(r.DKIM.Value), txt(r.SPF.Value)
	if d := round(time.Minute); d.Proved() {
		t.Error("it was looked at too early")
	}
	d := round(17 * time.Minute)
	if !d.Proved() || d.DKIM.Status != store.RecordOK || d.SPF.Status != store.RecordOK || d.DueAt.Sub(o.now) < 21*time.Hour || d.DueAt.Sub(o.now) > 27*time.Hour {
		t.Errorf("%+v", d)
	}
	if told := o.told(); len(told) != 0 {
		t.Errorf("told of what was never right: %+v", told)
	}

	table["shop.test"] = txt("v=spf1 -all")
	if d := round(27 * time.Hour); d.SPF.Status != store.RecordError || d.DueAt.Sub(o.now) > 67*time.Minute || len(o.told()) != 0 {
		t.Errorf("told at the first sight: %+v", d)
	}
	// Who mends it looks himself: that is no second sight.
	_, err := o.checker.Check(t.Context(), operator, o.scope, d.ID)
	o.ok(err)
	if len(o.told()) != 0 {
		t.Error("told of one's own look")
	}
	round(67 * time.Minute)
	told := o.told()
	if len(told) != 1 || told[0].Kind != notice.DomainBroken || told[0].What != "shop.test" || !strings.Contains(told[0].Reason, "SPF: Mail from this server is not covered") || len(told[0].To) != 0 {
		t.Fatalf("%+v", told)
	}
	if n, err := o.store.CountDomains(t.Context()); err != nil || n != (store.DomainCounts{All: 2, Proved: 1, Broken: 1}) {
		t.Errorf("%+v, %v", n, err)
	}
	round(67 * time.Minute)
	table["shop.test"] = dns.Records{Fail: true} // no answer mends nothing
	round(67 * time.Minute)
	if told := o.told(); len(told) != 0 {
		t.Errorf("told twice: %+v", told)
	}
	table["shop.test"] = txt(r.SPF.Value)
	round(67 * time.Minute)
	if told := o.told(); len(told) != 1 || told[0].Kind != notice.DomainMended || told[0].Reason != "SPF" {
		t.Errorf("%+v", told)
	}
	// A domain without a sender is left alone.
	o.ok(o.Senders.RemoveSender(t.Context(), operator, o.scope, store.KeyFilter{ID: o.up.Key.ID}, "shop.test"))
	before := o.checker.Stats()
	o.now = o.now.Add(48 * time.Hour)
	o.ok(o.checker.Round(t.Context()))
	if after := o.checker.Stats(); after != before {
		t.Errorf("%+v, was %+v", after, before)
	}
}

// untilNext goes on to the next look in the background, and returns how long that was.
func (o *office) untilNext() time.Duration {
	o.t.Helper()
	before := o.now
	if due := o.domain().DueAt; due.After(o.now) {
		o.now = due
	}
	o.ok(o.checker.Round(o.t.Context()))
	if d := o.domain(); !d.CheckedAt.Equal(o.now.Truncate(time.Microsecond)) {
		o.t.Fatalf("it was not looked at: %+v at %v", d, o.now)
	}
	return o.now.Sub(before)
}

// pauses looks at a domain for so long, and returns the shortest and the longest pause.
func (o *office) pauses(during time.Duration) (least, most time.Duration) {
	o.t.Helper()
	least = during
	for end := o.now.Add(during); o.now.Before(end); {
		p := o.untilNext()
		least, most = min(least, p), max(most, p)
	}
	return least, most
}

func (o *office) pausesAre(when string, during, least, most time.Duration) {
	o.t.Helper()
	if a, b := o.pauses(during); a < least*9/10-time.Second || b > most*11/10+time.Second {
		o.t.Errorf("%s: looks are %v to %v apart, want %v to %v", when, a, b, least, most)
	}
}

// TestLooksGrowRarer: what is never in order is looked at often for two days, and in the end once a day, whether the DNS
// answers or not.
func TestLooksGrowRarer(t *testing.T) {
	for name, table := range map[string]dns.Table{"no answer": {"shop.test": dns.Records{Fail: true}}, "never right": {}} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, table)
			o.now = o.now.Add(time.Second)
			o.propose("shop.test")
			o.untilNext()
			o.pausesAre("for two days", 47*time.Hour, 15*time.Minute, 15*time.Minute)
			o.pausesAre("on the third day", 24*time.Hour, 15*time.Minute, 7*time.Hour)
			o.pausesAre("in the first week", 4*24*time.Hour, 5*time.Hour, domain.Daily)
			o.pausesAre("then", 14*24*time.Hour, domain.Daily, domain.Daily)

			// Who looks himself learns what is so now, and changes nothing of that.
			before := o.domain()
			o.now = o.now.Add(time.Hour)
			d, err := o.checker.Check(t.Context(), operator, o.scope, before.ID)
			o.ok(err)
			if !d.CheckedAt.After(before.CheckedAt) || !d.DueAt.Equal(before.DueAt) || !d.OffSince.Equal(before.OffSince) {
				t.Errorf("a look that somebody asked for: %+v, was %+v", d, before)
			}
			o.pausesAre("after it", 4*24*time.Hour, domain.Daily-time.Hour*3, domain.Daily)

			// One that is removed and added anew is new.
			o.ok(o.Senders.RemoveSender(t.Context(), operator, o.scope, store.KeyFilter{ID: o.up.Key.ID}, "shop.test"))
			o.propose("shop.test")
			if p := o.untilNext(); p != 0 {
				t.Errorf("what is added anew waits for %v", p)
			}
			o.pausesAre("added anew", 47*time.Hour, 15*time.Minute, 15*time.Minute)
			// A second sender of it is no new domain.
			o.pauses(10 * 24 * time.Hour)
			o.propose("ann@shop.test")
			o.pausesAre("with a second sender", 4*24*time.Hour, domain.Daily, domain.Daily)
		})
	}
}

// TestWhatBreaksIsLookedAtOften: a domain that was in order, and is not, is looked at each hour for two days, however old it
// is, and each quarter of an hour while the DNS does not answer; then rarer, and often again when it breaks again.
func TestWhatBreaksIsLookedAtOften(t *testing.T) {
	table := dns.Table{"spf.mail.test": txt("v=spf1 ip4:192.0.2.25 -all")}
	o := newOffice(t, table)
	o.now = o.now.Add(time.Second)
	o.propose("shop.test")
	r := o.records()
	table[r.Ownership.Name], table[r.DKIM.Name], table["shop.test"] = txt(r.Ownership.Value), txt(r.DKIM.Value), txt(r.SPF.Value)
	o.untilNext()
	o.pausesAre("all in order", 30*24*time.Hour, domain.Daily, domain.Daily)

	table["shop.test"] = dns.Records{Fail: true}
	o.untilNext()
	o.pausesAre("no answer", 24*time.Hour, 15*time.Minute, 15*time.Minute)
	table["shop.test"] = txt(r.SPF.Value)
	o.untilNext()
	o.pausesAre("an answer again", 7*24*time.Hour, domain.Daily, domain.Daily)

	for range 2 {
		table[r.DKIM.Name] = txt("v=DKIM1; p=")
		o.untilNext()
		o.pausesAre("broken", 47*time.Hour, time.Hour, time.Hour)
		if told := o.told(); len(told) != 1 || told[0].Kind != notice.DomainBroken {
			t.Errorf("%+v", told)
		}
		o.pauses(8 * 24 * time.Hour)
		o.pausesAre("broken for long", 7*24*time.Hour, domain.Daily, domain.Daily)
		table[r.DKIM.Name] = txt(r.DKIM.Value)
		o.untilNext()
		if told := o.told(); len(told) != 1 || told[0].Kind != notice.DomainMended {
			t.Errorf("%+v", told)
		}
	}

	// Of a domain that was never all in order what was right, and breaks, is looked at often, too.
	table["shop.test"] = txt("v=spf1 -all")
	o.untilNext()
	o.pauses(10 * 24 * time.Hour)
	o.told()
	table[r.DKIM.Name] = txt("v=DKIM1; p=")
	o.untilNext()
	o.pausesAre("the other record breaks", 47*time.Hour, time.Hour, time.Hour)
	if told := o.told(); len(told) != 1 || told[0].Kind != notice.DomainBroken {
		t.Errorf("%+v", told)
	}
}

// TestAskingAgainPutsNothingOff: who looks at a domain every five minutes still has it looked at in the background, which
// alone tells the owners of what breaks; and what somebody sees broken is looked at soon.
func TestAskingAgainPutsNothingOff(t *testing.T) {
	table := dns.Table{"spf.mail.test": txt("v=spf1 ip4:192.0.2.25 -all")}
	o := newOffice(t, table)
	o.now = o.now.Add(time.Second)
	o.propose("shop.test")
	r := o.records()
	table[r.Ownership.Name], table[r.DKIM.Name], table["shop.test"] = txt(r.Ownership.Value), txt(r.DKIM.Value), txt(r.SPF.Value)
	o.untilNext()
	due := o.domain().DueAt
	table["shop.test"] = txt("v=spf1 -all")
	d, err := o.checker.Check(t.Context(), operator, o.scope, o.domain().ID)
	o.ok(err)
	if !d.DueAt.Before(due) || d.DueAt.Sub(o.now) > 67*time.Minute {
		t.Errorf("what was seen broken is looked at in %v", d.DueAt.Sub(o.now))
	}
	for end := o.now.Add(3 * time.Hour); o.now.Before(end); o.now = o.now.Add(5 * time.Minute) {
		_, err := o.checker.Check(t.Context(), operator, o.scope, d.ID)
		o.ok(err)
		o.ok(o.checker.Round(t.Context()))
	}
	if told := o.told(); len(told) != 1 || told[0].Kind != notice.DomainBroken {
		t.Errorf("%+v", told)
	}
}

// held answers from a table, when it may.
type held struct {
	dns.Table
	wait func(ctx context.Context, name string)
}

func (h held) TXT(ctx context.Context, name string) ([]string, error) {
	h.wait(ctx, name)
	return h.Table.TXT(ctx, name)
}

type asked struct{}

// TestAskingMeanwhilePutsNothingOff: a look that somebody asks for while one in the background is under way, and that ends
// later, leaves what that one wrote down.
func TestAskingMeanwhilePutsNothingOff(t *testing.T) {
	table, wait := dns.Table{"spf.mail.test": txt("v=spf1 ip4:192.0.2.25 -all")}, func(context.Context, string) {}
	o := newOffice(t, held{table, func(ctx context.Context, name string) { wait(ctx, name) }})
	o.now = o.now.Add(time.Second)
	o.propose("shop.test")
	r := o.records()
	table[r.Ownership.Name], table[r.DKIM.Name], table["shop.test"] = txt(r.Ownership.Value), txt(r.DKIM.Value), txt(r.SPF.Value)
	o.untilNext()
	id, begun, over, end := o.domain().ID, make(chan struct{}), make(chan struct{}), make(chan error)
	var once sync.Once
	wait = func(ctx context.Context, name string) {
		switch {
		case name != r.DKIM.Name:
		case ctx.Value(asked{}) != nil:
			close(begun)
			<-over
		default:
			once.Do(func() {
				go func() {
					_, err := o.checker.Check(context.WithValue(t.Context(), asked{}, true), operator, o.scope, id)
					end <- err
				}()
				<-begun
			})
		}
	}
	o.now = o.domain().DueAt
	o.ok(o.checker.Round(t.Context()))
	due := o.domain().DueAt
	close(over)
	o.ok(<-end)
	if d := o.domain(); !d.DueAt.Equal(due) || due.Sub(o.now) < time.Hour {
		t.Errorf("the look in the background had the next in %v, the other in %v", due.Sub(o.now), d.DueAt.Sub(o.now))
	}
}

// TestProofByFile asks a real web server, which stands in for that of the domain.
func TestProofByFile(t *testing.T) {
	var files http.Handler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { files.ServeHTTP(w, r) }))
	defer web.Close()
	var asked []string
	o := newOffice(t, dns.Table{}, func(c *domain.Config) {
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = append(asked, address)
			var d net.Dialer
			return d.DialContext(ctx, network, web.Listener.Addr().String())
		}
	})
	x := o.propose("shop.test")
	d := o.domain()
	answer := func(path string, status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				http.NotFound(w, r)
				return
			}
			w.WriteHeader(status)
			w.Write([]byte(body)) //nolint:errcheck,gosec // a test's
		})
	}
	for name, c := range map[string]struct {
		files http.Handler
		wrong string
	}{
		"nothing":    {http.NotFoundHandler(), "was answered with 404 Not Found"},
		"not empty":  {answer("/"+d.Filename, 200, "<html>"), "is not empty"},
		"everything": {http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), "answers every name with an empty file"},
		"elsewhere":  {http.RedirectHandler("http://evil.test/"+d.Filename, http.StatusFound), "was answered with 302"},
		"a login":    {http.RedirectHandler("/login", http.StatusFound), "was answered with 302"},
		"round":      {http.RedirectHandler("/"+d.Filename, http.StatusFound), "was answered with 302"},
	} {
		files = c.files
		o.now = o.now.Add(time.Second)
		v, err := o.checker.Validate(t.Context(), operator, o.scope, x)
		o.ok(err)
		if v.Method != "" || !strings.Contains(v.FileError, c.wrong) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for _, address := range asked {
		if address != "shop.test:80" {
			t.Errorf("%s was asked", address)
		}
	}
	// www, as many redirect.
	files = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "shop.test" {
			http.Redirect(w, r, "http://www.shop.test"+r.URL.Path, http.StatusMovedPermanently)
			return
		}
		answer("/"+d.Filename, 200, "\n").ServeHTTP(w, r)
	})
	o.now = o.now.Add(time.Second)
	v, err := o.checker.Validate(t.Context(), operator, o.scope, x)
	o.ok(err)
	if v.Method != domain.MethodFile || o.domain().Proof != store.ProofFile {
		t.Errorf("%+v", v)
	}
}

func TestReserved(t *testing.T) {
	for name, want := range map[string]bool{"example.com": true, "a.example": true, "postern.localhost": true, "x.invalid": true, "example": true, "myexample.com": false, "shop.test": false, "example.de": false} {
		if domain.Reserved(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
