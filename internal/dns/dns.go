// SPDX-License-Identifier: Apache-2.0

// Package dns answers what delivery asks of the DNS: MX, address and TXT records. [Resolver] asks a real server,
// [Table] is a fixed world for tests. Names are given in A-labels.
package dns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// MX is a mail exchanger of a domain.
type MX struct {
	Host string // without the last dot; "" is the null MX (RFC 7505)
	Pref uint16 // the lowest is tried first
}

// Error is why there is no answer.
type Error struct {
	Name      string
	NotFound  bool // there is no such name, or no such record of it
	Temporary bool // asking again may help
	Err       error
}

func (e *Error) Error() string {
	if e.NotFound {
		return fmt.Sprintf("no such record for %s", e.Name)
	}
	return fmt.Sprintf("look up %s: %v", e.Name, e.Err)
}

// Unwrap gives the resolver's own error.
func (e *Error) Unwrap() error { return e.Err }

// Times of a Resolver.
const (
	timeout   = 15 * time.Second // of one question, with its retries
	cacheLife = time.Minute      // the standard resolver does not tell a record's TTL: a minute is short enough for most
	cacheSize = 50_000
)

// Resolver asks a DNS server. Make it with New.
type Resolver struct {
	r      *net.Resolver
	always bool // asks each time

	mu    sync.Mutex
	cache map[string]cached
}

type cached struct {
	value any
	err   error
	until time.Time
}

// New makes a resolver that asks the server at host:port, or with "" the machine's own.
func New(server string) *Resolver {
	r := &net.Resolver{PreferGo: true}
	if server != "" {
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server)
		}
	}
	return &Resolver{r: r, cache: map[string]cached{}}
}

// Uncached is the same resolver without a memory: for who has just changed a record and wants to see it.
func (r *Resolver) Uncached() *Resolver { return &Resolver{r: r.r, always: true} }

// Net is the standard library's resolver behind it, for a dialer.
func (r *Resolver) Net() *net.Resolver { return r.r }

// MX returns the mail exchangers of a domain in the order to try them: by preference, those of equal preference in
// random order (RFC 5321 §5.1).
func (r *Resolver) MX(ctx context.Context, domain string) ([]MX, error) {
	v, err := r.ask(ctx, "MX "+domain, domain, func(ctx context.Context) (any, error) {
		found, err := r.r.LookupMX(ctx, domain+".")
		if len(found) > 0 {
			err = nil // some were malformed: the others will do
		}
		out := make([]MX, 0, len(found))
		for _, m := range found {
			out = append(out, MX{Host: strings.ToLower(strings.TrimSuffix(m.Host, ".")), Pref: m.Pref})
		}
		return out, err
	})
	list, _ := v.([]MX)
	return order(list), err
}

// order sorts a copy by preference, shuffled among equals.
func order(in []MX) []MX {
	out := slices.Clone(in)
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b MX) int { return int(a.Pref) - int(b.Pref) })
	return out
}

// IP returns the addresses of a host, IPv4 before IPv6.
func (r *Resolver) IP(ctx context.Context, host string) ([]netip.Addr, error) {
	v, err := r.ask(ctx, "IP "+host, host, func(ctx context.Context) (any, error) { return r.addresses(ctx, host+".") })
	list, _ := v.([]netip.Addr)
	return slices.Clone(list), err
}

// addresses asks for IPv4 and IPv6 by themselves: asked for both, the standard resolver says "not found" where one of
// the two is missing and the other could not be asked for, and mail would bounce for good.
func (r *Resolver) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	var found [2][]netip.Addr
	var failed [2]error
	var both sync.WaitGroup
	for i, network := range []string{"ip4", "ip6"} {
		both.Go(func() { found[i], failed[i] = r.r.LookupNetIP(ctx, network, name) })
	}
	both.Wait()
	var out []netip.Addr
	for _, ip := range slices.Concat(found[0], found[1]) {
		out = append(out, ip.Unmap())
	}
	if len(out) > 0 {
		return out, nil
	}
	var d *net.DNSError
	if errors.As(failed[0], &d) && d.IsNotFound {
		return nil, failed[1]
	}
	return nil, failed[0]
}

// TXT returns the texts of a name, each with its strings joined.
func (r *Resolver) TXT(ctx context.Context, name string) ([]string, error) {
	v, err := r.ask(ctx, "TXT "+name, name, func(ctx context.Context) (any, error) { return r.r.LookupTXT(ctx, name+".") })
	list, _ := v.([]string)
	return slices.Clone(list), err
}

// ask answers from the cache, or asks and remembers the answer: also that there is none, but no failure.
func (r *Resolver) ask(ctx context.Context, key, name string, question func(context.Context) (any, error)) (any, error) {
	now := time.Now()
	r.mu.Lock()
	c, ok := r.cache[key]
	r.mu.Unlock()
	if ok && now.Before(c.until) && !r.always {
		return c.value, c.err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	value, err := question(ctx)
	if err != nil {
		err = typed(name, err)
	}
	var e *Error
	if !r.always && (err == nil || errors.As(err, &e) && e.NotFound) {
		r.mu.Lock()
		if len(r.cache) >= cacheSize {
			clear(r.cache)
		}
		r.cache[key] = cached{value, err, now.Add(cacheLife)}
		r.mu.Unlock()
	}
	return value, err
}

func typed(name string, err error) error {
	var d *net.DNSError
	if errors.As(err, &d) {
		return &Error{Name: name, NotFound: d.IsNotFound, Temporary: !d.IsNotFound, Err: err}
	}
	return &Error{Name: name, Temporary: true, Err: err}
}
