// SPDX-License-Identifier: Apache-2.0

// Package api is the HTTP door, in Mailjet's wire format: POST /v3.1/send, the resources below /v3/REST, and its own
// description at /openapi.yaml and /openapi.json (OpenAPI 3.1).
//
// A request passes, in this order: the path is brought into one spelling, what a page of another site makes a browser send
// is refused unless it only reads, credentials are refused in clear text and checked by the gate, the handler of its route
// runs, and what it returns is written as JSON: an object, or the one error type of this package (fault), to which the
// errors of gate, submit and change are mapped in one place.
//
// What a caller may see is bounded by a store.Scope made of the key that calls: its own key, or for /apikey and a
// master key its account. Nothing is sent from here: what parses goes to submit.
package api

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"postern/internal/backend"
	"postern/internal/budget"
	"postern/internal/connlimit"
)

// ClientFunc tells who a request came from: its address (behind trusted proxies the forwarded one), and whether
// credentials may come this way: over TLS, loopback, or a trusted proxy that says https.
type ClientFunc = func(r *http.Request) (addr netip.Addr, secure bool)

// Config is what the door needs.
type Config struct {
	*backend.Backend
	Client  ClientFunc     // nil: the connection's own address, secure by TLS or on loopback
	BaseURL string         // what MessageHref begins with, such as https://mail.example.com; no slash at its end
	Budget  *budget.Budget // the memory of bodies on their way in; nil: 256 MiB of its own
	Log     *slog.Logger
	// LeakTime is how long a report of a leaked secret takes, whatever it was; 0: 300 ms.
	LeakTime time.Duration
}

// api is the door. Its fields do not change after New.
type api struct {
	Config
	mux   *http.ServeMux
	leaks *connlimit.Limiter // reports of leaked secrets under way
	cross *http.CrossOriginProtection
}

// New makes the handler of /v3/, /v3.1/, /openapi.yaml and /openapi.json.
func New(c Config) http.Handler {
	if c.Client == nil {
		c.Client = directClient
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Budget == nil {
		c.Budget = budget.New(budget.Size(0), 0)
	}
	if c.LeakTime <= 0 {
		c.LeakTime = leakTime
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	a := &api{
		Config: c, mux: http.NewServeMux(), cross: http.NewCrossOriginProtection(),
		leaks: connlimit.New(connlimit.Config{All: leaksOnce, PerSource: leaksOfSource}),
	}
	if err := a.cross.AddTrustedOrigin(c.BaseURL); c.BaseURL != "" && err != nil {
		c.Log.Warn("requests whose origin is the base URL are told from those of other sites by their host name alone", "url", c.BaseURL,
			"error", err)
	}
	a.mount()
	return a
}

// directClient is the Client of a server without proxies.
func directClient(r *http.Request) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, r.TLS != nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, r.TLS != nil
	}
	return addr, r.TLS != nil || addr.Unmap().IsLoopback()
}
