// SPDX-License-Identifier: Apache-2.0

// Package domain looks at the domains that mail is sent from: whether their owners have shown that they are theirs (a
// TXT record, or a file on the web server), whether the DKIM record has our key (RFC 6376), whether the SPF record covers
// this server and is one that receivers can use (RFC 7208), and which DMARC record applies (RFC 7489). What is wrong is
// said in words, for the people who can mend it.
//
// [Checker.Validate] and [Checker.Check] look when somebody asks, [Checker.Run] looks in the background: often at first,
// and daily once all is in order, or nobody has mended it for long. When a record that was right is wrong at two looks,
// the account's owners are told, and again when it is
// mended. A DNS that does not answer says nothing: what was known stays.
package domain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"postern/internal/change"

	"golang.org/x/sync/singleflight"

	"postern/internal/dns"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/webhook"
)

// Resolver answers what is in the DNS. Errors are *dns.Error.
type Resolver interface {
	TXT(ctx context.Context, name string) ([]string, error)
	IP(ctx context.Context, host string) ([]netip.Addr, error)
	MX(ctx context.Context, domain string) ([]dns.MX, error)
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Config of a Checker.
type Config struct {
	Store    *store.Store
	Senders  *senders.Senders
	Resolver Resolver
	SPF      []string // mechanisms that a record must have for mail from here; none: nothing is known of it
	Private  bool     // files may be read from private networks
	// NetResolver looks names up for files; nil: the machine's.
	NetResolver *net.Resolver
	// Dial connects to web servers; nil: to public addresses alone, or with Private to all.
	Dial         dialFunc
	FilesBetween time.Duration // between two looks for a domain's file; 0: five seconds
	Log          *slog.Logger
	Now          func() time.Time // nil: time.Now
}

// atOnce is how many looks are under way at a time.
const atOnce = 16

// lookTime bounds a look, with all that a record includes.
const lookTime = time.Minute

// Checker looks at domains. Make it with New.
type Checker struct {
	Config
	spf     []required
	files   *http.Client
	flights singleflight.Group // looks, by domain
	places  chan struct{}

	mu    sync.Mutex
	asked map[int64]time.Time // when a domain's file was looked for last

	ok, wrong, unknown, failed, told atomic.Int64
}

// New makes a checker. The error is about Config.SPF.
func New(c Config) (*Checker, error) {
	spf, err := parseRequired(c.SPF)
	if err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = webhook.Dialer(fileTimeout/2, c.NetResolver, c.Private).DialContext
	}
	if c.FilesBetween == 0 {
		c.FilesBetween = filesBetween
	}
	return &Checker{Config: c, spf: spf, files: newFileClient(c.Dial), places: make(chan struct{}, atOnce), asked: map[int64]time.Time{}},
		nil
}

// Stats are counts since the start.
type Stats struct {
	OK      int64 // looks that found all in order
	Wrong   int64 // looks that found something wrong
	Unknown int64 // looks that the DNS gave no answer to
	Failed  int64 // looks that could not be recorded
	Told    int64 // mails to owners about what broke or was mended
}

// Stats reads the counts.
func (c *Checker) Stats() Stats {
	return Stats{OK: c.ok.Load(), Wrong: c.wrong.Load(), Unknown: c.unknown.Load(), Failed: c.failed.Load(), Told: c.told.Load()}
}

// enter waits for a place among the looks under way; it says no when ctx ends first.
func (c *Checker) enter(ctx context.Context) bool {
	select {
	case c.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Checker) leave() { <-c.places }

// errNoLook says that there was no time to look.
var errNoLook = errors.New("the look at the domain did not come to its end in time")

// Check looks at a domain of the scope now, and returns what is known after it. Who asks at the same time shares one
// look.
func (c *Checker) Check(ctx context.Context, by change.Actor, scope store.Scope, id int64) (store.Domain, error) {
	d, err := c.Store.Domain(ctx, scope, store.DomainFilter{ID: id})
	if err != nil {
		return d, err
	}
	done := c.flights.DoChan(fmt.Sprint(id), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*lookTime)
		defer cancel()
		begin := func(tx *store.Tx) error { return tx.BeginLook(ctx, id, c.Now().Add(lookTime)) }
		if err := c.Store.Update(ctx, begin); err != nil {
			return nil, err
		}
		return nil, c.look(ctx, by, d, false)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return d, r.Err
		}
	case <-ctx.Done():
		return d, ctx.Err()
	}
	return c.Store.Domain(ctx, scope, store.DomainFilter{ID: id})
}

// look looks at a domain and writes down what it found.
func (c *Checker) look(ctx context.Context, by change.Actor, d store.Domain, background bool) error {
	if !c.enter(ctx) {
		return errNoLook
	}
	defer c.leave()
	key, err := c.Store.Key(ctx, store.OfOperator(), store.KeyFilter{ID: d.KeyID})
	if err != nil {
		return err
	}
	want, err := c.records(ctx, key.AccountID, d)
	if err != nil {
		return err
	}
	var dkim, spf finding
	var owns, knowsDMARC bool
	var dmarc, advice string
	var looks sync.WaitGroup
	in, cancel := context.WithTimeout(ctx, lookTime) // what comes later is no answer
	defer cancel()
	looks.Go(func() { dkim = c.checkDKIM(in, want.DKIM) })
	looks.Go(func() { spf = c.checkSPF(in, d.Domain) })
	looks.Go(func() { dmarc, advice, knowsDMARC = c.checkDMARC(in, d.Domain) })
	if !d.Proved() {
		looks.Go(func() { owns, _ = c.ownsByDNS(in, d) })
	}
	looks.Wait()
	if ctx.Err() != nil {
		return errNoLook
	}
	if owns {
		if err := c.Senders.ProveDomain(ctx, by, store.OfKey(key.AccountID, key.ID), d.ID, store.ProofDNS); err != nil {
			return err
		}
	}
	return c.record(ctx, d, background, dkim, spf, func(d *store.Domain) {
		if knowsDMARC {
			d.DMARC, d.DMARCAdvice = clean(dmarc), clean(advice)
		}
	})
}

// record writes down what was found, and counts it.
func (c *Checker) record(ctx context.Context, d store.Domain, background bool, dkim, spf finding, more func(*store.Domain)) error {
	var broken, mended []string
	err := c.Senders.RecordLook(ctx, d.ID, func(d *store.Domain) ([]string, []string) {
		more(d)
		broken, mended = c.found(d, dkim, spf, background)
		return broken, mended
	})
	if err != nil {
		c.failed.Add(1)
		return err
	}
	switch {
	case dkim.unknown || spf.unknown:
		c.unknown.Add(1)
	case len(dkim.errors)+len(spf.errors) > 0:
		c.wrong.Add(1)
	default:
		c.ok.Add(1)
	}
	if len(broken)+len(mended) > 0 {
		c.told.Add(1)
		c.Log.WarnContext(ctx, "records of a domain broke or were mended; the account's owners are told", "domain", d.Domain, "key",
			d.KeyID, "broken", broken, "mended", mended)
	}
	return nil
}

// found brings a domain up to what was found, and says what its owners are to be told of.
func (c *Checker) found(d *store.Domain, dkim, spf finding, background bool) (broken, mended []string) {
	dkimWas, spfWas := d.DKIM.Status, d.SPF.Status
	for _, x := range []struct {
		name string
		of   *store.Record
		is   finding
	}{{"DKIM", &d.DKIM, dkim}, {"SPF", &d.SPF, spf}} {
		switch news := update(x.of, x.is, background); news {
		case store.HealthBroken:
			for _, e := range x.is.errors {
				broken = append(broken, x.name+": "+e)
			}
		case store.HealthGood:
			mended = append(mended, x.name)
		}
	}
	broke := dkimWas == store.RecordOK && d.DKIM.Status == store.RecordError || spfWas == store.RecordOK &&
		d.SPF.Status == store.RecordError
	c.schedule(d, dkim.unknown || spf.unknown, broke, background)
	return broken, mended
}

// schedule notes when a look was, and when the next one in the background is to be. A look that somebody asks for brings
// that nearer where it finds something broken, and never puts it off: who asks again and again would not be told of what
// breaks.
func (c *Checker) schedule(d *store.Domain, unknown, broke, background bool) {
	now, was := c.Now(), d.OffSince
	switch {
	case !unknown && d.Proved() && d.DKIM.Status == store.RecordOK && d.SPF.Status == store.RecordOK:
		d.OffSince = time.Time{}
	case d.OffSince.IsZero() || broke:
		d.OffSince = now
	}
	d.CheckedAt = now
	if next := now.Add(c.pause(*d, unknown)); background || !d.OffSince.Equal(was) && next.Before(d.DueAt) {
		d.DueAt = next
	}
}

// sentences makes sentences of what is wrong: a capital, but not where a name begins it, and a full stop.
func sentences(list []string) []string {
	for i, s := range list {
		list[i] = sentence(s)
	}
	return list
}

// oneLine bounds records of strangers, and takes out what would not stand in one line.
func oneLine(list []string) []string {
	var out []string
	for _, s := range list[:min(len(list), 10)] {
		out = append(out, clean(s))
	}
	return out
}

func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	return strings.ToValidUTF8(s[:min(len(s), 2000)], "")
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, ".:") {
		r, n := utf8.DecodeRuneInString(s)
		s = string(unicode.ToUpper(r)) + s[n:]
	}
	return clean(strings.TrimRight(s, ".")) + "."
}

// update brings a record up to what was found. It returns HealthBroken when its owners are to be told that it is broken,
// HealthGood when that it is mended, and otherwise "". Looks that people ask for tell nobody that something is broken:
// who mends a record looks again and again.
func update(r *store.Record, is finding, background bool) string {
	if is.unknown {
		return ""
	}
	r.Current, r.Errors = oneLine(is.current), sentences(is.errors)
	if len(is.errors) == 0 {
		was := r.Health
		r.Status, r.Health = store.RecordOK, store.HealthGood
		if was == store.HealthBroken {
			return store.HealthGood
		}
		return ""
	}
	r.Status = store.RecordError
	switch {
	case background && r.Health == store.HealthGood:
		r.Health = store.HealthMissed
	case background && r.Health == store.HealthMissed:
		r.Health = store.HealthBroken
		return store.HealthBroken
	}
	return ""
}
