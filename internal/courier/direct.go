// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
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
	header, err := sign(ctx, d.c.Signer, &job)
	if err != nil {
		return job.all(failure("", err.Error(), mail.StateSystemIssue))
	}
	if c := d.pool.get(ctx, job.Domain); c != nil {
		if out, again := d.over(ctx, c, &job, header); !again {
			return out
		}
	}
	hosts, done := d.hosts(ctx, &job)
	if done != nil {
		return done
	}
	last := failure("", "no mail server of the domain could be reached", mail.StateConnectionIssue)
	tried := 0
	for _, host := range hosts {
		ips, err := d.c.Resolver.IP(ctx, host)
		if err != nil {
			last = failure(host, err.Error(), mail.StateNoMailHost)
			continue
		}
		for _, ip := range ips {
			if tried++; tried > maxHosts || ctx.Err() != nil {
				return job.all(last)
			}
			c, err := d.connect(ctx, host, ip)
			if err != nil {
				last = sessionFailure(ctx, host, err)
				continue
			}
			out, _ := d.over(ctx, c, &job, header)
			return out
		}
	}
	return job.all(last)
}

// over delivers on a connection and keeps it. again says that it was dead: nothing was sent.
func (d *Direct) over(ctx context.Context, c *conn, job *Job, header []byte) (out []Outcome, again bool) {
	first := c.sent == 0
	stop := c.watch(ctx)
	out, ok := c.deliver(ctx, job, header)
	stop()
	if ok {
		d.pool.put(job.Domain, c)
		return out, false
	}
	c.Close() //nolint:errcheck,gosec // it failed
	return out, !first && ctx.Err() == nil && out[0].Code == 0 && out[0].State == mail.StateConnectionIssue && !mayHaveArrived(out)
}

func mayHaveArrived(out []Outcome) bool {
	for _, o := range out {
		if strings.Contains(o.Line, "it may have arrived") {
			return true
		}
	}
	return false
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
		return nil, end(Deferred, "4.4.3", cleanText("the mail servers of "+job.Domain+" could not be looked up: "+err.Error()), mail.StateInvalidDomain)
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
		cfg := &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // opportunistic, see connect
		err = c.startTLS(ctx, cfg, d.c.Hostname)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
