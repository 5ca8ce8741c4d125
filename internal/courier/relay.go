// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"postern/internal/mail"
)

// RelayConfig is another server that takes all mail.
type RelayConfig struct {
	Host, Port     string
	User, Password string // "": without logging in
	Implicit       bool   // TLS from the start
	TLS            string // TLSRequired, TLSOpportunistic or TLSNever
	Connections    int    // at a time; 0 is 20, since many servers take no more than 50 from one address

	Hostname string      // how we name ourselves
	Signer   Signer      // may be nil
	Timeouts *Timeouts   // nil: those of RFC 5321
	TLSRoots *tls.Config // nil: the machine's roots; for tests
}

// Relay hands mail to another server.
type Relay struct {
	c    RelayConfig
	t    Timeouts
	pool pool
	turn chan struct{} // one for each connection in use
}

// NewRelay makes the route to another server.
func NewRelay(c RelayConfig) (*Relay, error) {
	if c.Host == "" || c.Port == "" {
		return nil, errors.New("a relay needs a host and a port")
	}
	if c.Connections <= 0 {
		c.Connections = 20
	}
	r := &Relay{c: c, t: defaultTimeouts(), turn: make(chan struct{}, c.Connections)}
	if c.Timeouts != nil {
		r.t = *c.Timeouts
	}
	return r, nil
}

// Close ends the connections that are kept.
func (r *Relay) Close() error {
	r.pool.close()
	return nil
}

// Attempt hands a job's mail over, in one transaction for all its recipients where the relay takes as many.
func (r *Relay) Attempt(ctx context.Context, job Job) []Outcome {
	out, job := split(job)
	if len(job.Recipients) == 0 {
		return out
	}
	for _, part := range job.byUTF8() {
		out = append(out, r.attempt(ctx, &part)...)
	}
	return out
}

func (r *Relay) attempt(ctx context.Context, job *Job) []Outcome {
	if job.requireTLS() && !r.c.Implicit && r.c.TLS != TLSRequired {
		return job.all(noTLS(r.c.Host, "the route to it does not ask for TLS with a certificate that is verified"))
	}
	header, err := sign(ctx, r.c.Signer, job)
	if err != nil {
		return job.all(failure("", err.Error(), mail.StateSystemIssue))
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return job.all(sessionFailure(ctx, r.c.Host, ctx.Err()))
	}
	c := r.pool.get(ctx, "")
	for {
		if c == nil {
			if c, err = r.connect(ctx); err != nil {
				return job.all(sessionFailure(ctx, r.c.Host, err))
			}
		}
		out, f := c.attempt(ctx, &r.pool, "", job, header)
		if f != stale {
			return out
		}
		c = nil
	}
}

func (r *Relay) tlsConfig() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.c.TLSRoots != nil {
		cfg = r.c.TLSRoots.Clone()
	}
	cfg.ServerName = r.c.Host
	if r.c.TLS == TLSOpportunistic && !r.c.Implicit {
		cfg.InsecureSkipVerify = true // by the setting: better than in clear
	}
	return cfg
}

// connect dials, begins TLS as the policy says, and logs in.
func (r *Relay) connect(ctx context.Context) (*conn, error) {
	var implicit *tls.Config
	if r.c.Implicit {
		implicit = r.tlsConfig()
	}
	var d net.Dialer
	c, err := greet(ctx, d.DialContext, net.JoinHostPort(r.c.Host, r.c.Port), r.c.Host, implicit, r.t)
	if err != nil {
		return nil, err
	}
	defer c.watch(ctx)()
	if err := r.open(ctx, c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (r *Relay) open(ctx context.Context, c *conn) error {
	if err := c.hello(r.c.Hostname); err != nil {
		return err
	}
	if !r.c.Implicit && r.c.TLS != TLSNever {
		switch {
		case c.offers("STARTTLS"):
			if err := c.startTLS(ctx, r.tlsConfig(), r.c.Hostname); err != nil {
				return err
			}
		case r.c.TLS == TLSRequired:
			return fmt.Errorf("%s does not offer STARTTLS, which the route asks for (tls=required)", r.c.Host)
		}
	}
	switch {
	case r.c.User == "":
		return nil
	case c.tls == "" && !isLoopback(r.c.Host):
		return fmt.Errorf("%s does not offer STARTTLS: the password is not sent in clear", r.c.Host)
	}
	return c.auth(r.c.User, r.c.Password)
}
