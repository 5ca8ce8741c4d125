// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"postern/internal/dns"
	"postern/internal/mail"
)

// Resolver is what delivery asks of the DNS: *dns.Resolver, or dns.Table in tests.
type Resolver interface {
	MX(ctx context.Context, domain string) ([]dns.MX, error)
	IP(ctx context.Context, host string) ([]netip.Addr, error)
}

// DirectConfig is how mail goes to the recipients' own servers.
type DirectConfig struct {
	Resolver Resolver
	Hostname string    // how we name ourselves: it should be what our address is called in the DNS
	Signer   Signer    // may be nil
	Port     string    // "" is 25
	Timeouts *Timeouts // nil: those of RFC 5321
	// Dial connects; nil is a plain dialer. A test leads addresses of its world to its servers.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Direct delivers to MX hosts.
type Direct struct {
	c    DirectConfig
	t    Timeouts
	pool pool
}

// NewDirect makes the route to the recipients' own servers.
func NewDirect(c DirectConfig) *Direct {
	if c.Port == "" {
		c.Port = "25"
	}
	if c.Dial == nil {
		var d net.Dialer
		c.Dial = d.DialContext
	}
	d := &Direct{c: c, t: defaultTimeouts()}
	if c.Timeouts != nil {
		d.t = *c.Timeouts
	}
	return d
}

// Close ends the connections that are kept.
func (d *Direct) Close() error {
	d.pool.close()
	return nil
}

// maxHosts is how many addresses an attempt tries at most; RFC 5321 §5.1 asks for two at least.
const maxHosts = 6

// Attempt delivers a job to its domain.
func (d *Direct) Attempt(ctx context.Context, job Job) []Outcome {
	out, job := split(job)
	if len(job.Recipients) == 0 {
		return out
	}
	for _, part := range job.byUTF8() {
		out = append(out, d.attempt(ctx, &part)...)
	}
	return out
}

func (d *Direct) attempt(ctx context.Context, job *Job) []Outcome {
	if job.requireTLS() {
		return job.all(noTLS("", "the identity of the mail servers of "+job.Domain+
			" cannot be verified: neither DANE nor MTA-STS is used here"))
	}
	header, err := sign(ctx, d.c.Signer, job)
	if err != nil {
		return job.all(failure("", err.Error(), mail.StateSystemIssue))
	}
	if c := d.pool.get(ctx, job.Domain); c != nil {
		if out, f := c.attempt(ctx, &d.pool, job.Domain, job, header); f != stale {
			return out
		}
	}
	hosts, done := d.hosts(ctx, job)
	if done != nil && ctx.Err() == nil {
		return done
	}
	c, why := d.reach(ctx, hosts)
	if c == nil {
		return job.all(why)
	}
	out, _ := c.attempt(ctx, &d.pool, job.Domain, job, header)
	return out
}

// reach connects to the first host that lets us in, or says why none did: in the words of the last that was tried, or
// why there was none to try.
func (d *Direct) reach(ctx context.Context, hosts []string) (*conn, Outcome) {
	var why Outcome
	tried := 0
	for _, host := range hosts {
		ips, none := d.addresses(ctx, host)
		if tried == 0 && none.Line != "" && why.Result != Deferred {
			why = none
		}
		for _, ip := range ips {
			if tried++; tried > maxHosts || ctx.Err() != nil {
				break
			}
			c, err := d.connect(ctx, host, ip)
			if err == nil {
				return c, Outcome{}
			}
			why = sessionFailure(ctx, host, err)
		}
		if tried >= maxHosts {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, sessionFailure(ctx, "", ctx.Err())
	}
	return nil, why
}

// addresses returns where a host can be reached, or why nowhere. That is for good when the DNS says so: RFC 5321 §5.1
// asks to report a domain none of whose MX can be used.
func (d *Direct) addresses(ctx context.Context, host string) ([]netip.Addr, Outcome) {
	ips, err := d.c.Resolver.IP(ctx, host)
	var e *dns.Error
	if err != nil {
		o := failure(host, err.Error(), mail.StateNoMailHost)
		o.Enhanced = "4.4.3"
		if errors.As(err, &e) && e.NotFound {
			o.Result, o.Enhanced, o.Line = Bounced, "5.4.4", cleanText("the mail server "+host+" has no address")
		}
		return nil, o
	}
	ips = slices.DeleteFunc(slices.Clone(ips), func(ip netip.Addr) bool {
		ip = ip.Unmap()
		return ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast()
	})
	if len(ips) == 0 { // a stranger's domain must not lead to the servers that trust this machine
		o := failure(host, "the address of the mail server "+host+" is this machine's own, or no address of a server", mail.StateNoMailHost)
		o.Result, o.Enhanced = Bounced, "5.4.6"
		return nil, o
	}
	return ips, Outcome{}
}

// hosts says which hosts take mail for the domain, in the order to try them; or the job's end when there are none.
func (d *Direct) hosts(ctx context.Context, job *Job) ([]string, []Outcome) {
	end := func(result Result, enhanced, line string, state mail.State) []Outcome {
		return job.all(Outcome{Result: result, Enhanced: enhanced, Line: line, State: state})
	}
	list, err := d.c.Resolver.MX(ctx, job.Domain)
	var e *dns.Error
	switch {
	case errors.As(err, &e) && e.NotFound:
		// RFC 5321 §5.1: without MX the domain itself is the host, if it has an address.
		if _, err := d.c.Resolver.IP(ctx, job.Domain); errors.As(err, &e) && e.NotFound {
			return nil, end(Bounced, "5.1.2", "the domain "+job.Domain+" does not exist, or takes no mail", mail.StateInvalidDomain)
		}
		return []string{job.Domain}, nil
	case err != nil:
		line := cleanText("the mail servers of " + job.Domain + " could not be looked up: " + err.Error())
		return nil, end(Deferred, "4.4.3", line, mail.StateInvalidDomain)
	case len(list) == 1 && list[0].Host == "":
		return nil, end(Bounced, "5.1.10", "the domain "+job.Domain+" takes no mail (null MX)", mail.StateNoMailHost) // RFC 7505 §3
	}
	var hosts []string
	for i, m := range list {
		if strings.EqualFold(m.Host, d.c.Hostname) { // RFC 5321 §5.1: ours, and what is worse than ours, would loop
			if hosts = nil; i > 0 {
				hosts = better(list, m.Pref)
			}
			if len(hosts) == 0 {
				return nil, end(Bounced, "5.4.6", "mail for "+job.Domain+" would come back to this server", mail.StateNoMailHost)
			}
			return hosts, nil
		}
		hosts = append(hosts, m.Host)
	}
	return hosts, nil
}

func better(list []dns.MX, than uint16) []string {
	var out []string
	for _, m := range list {
		if m.Pref < than {
			out = append(out, m.Host)
		}
	}
	return out
}

// connect reaches a host by TLS where it offers that: a certificate of any kind is better than none, and in clear is
// better than not at all (RFC 7435). A handshake that fails is followed by a fresh connection in clear.
func (d *Direct) connect(ctx context.Context, host string, ip netip.Addr) (*conn, error) {
	c, err := d.open(ctx, host, ip, true)
	if errors.Is(err, errTLS) && ctx.Err() == nil {
		c, err = d.open(ctx, host, ip, false)
	}
	return c, err
}

func (d *Direct) open(ctx context.Context, host string, ip netip.Addr, secure bool) (*conn, error) {
	c, err := greet(ctx, d.c.Dial, net.JoinHostPort(ip.String(), d.c.Port), host, nil, d.t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ip, err)
	}
	defer c.watch(ctx)()
	err = c.hello(d.c.Hostname)
	if err == nil && secure && c.offers("STARTTLS") {
		//nolint:gosec // opportunistic, see connect
		cfg := &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
		err = c.startTLS(ctx, cfg, d.c.Hostname)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
