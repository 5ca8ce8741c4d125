// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strings"

	"postern/internal/config"
	"postern/internal/courier"
	"postern/internal/dkim"
	"postern/internal/dns"
	"postern/internal/queue"
)

// wayOut is a courier that holds connections: capture, a relay, or direct.
type wayOut interface {
	queue.Courier
	Close() error
}

// newCourier makes the way out that --route names, and says of which kind it is. What leaves is signed for its
// sender's domain, where that is the account's.
func newCourier(route, hostname string, keys dkim.Lookup, resolver *dns.Resolver) (w wayOut, kind string, err error) {
	r, err := courier.ParseRoute(strings.TrimSpace(route))
	if err != nil {
		return nil, "", &config.Error{Setting: "route", Reason: routeReason(route, err)}
	}
	signer := dkim.NewSigner(keys)
	switch r.Kind {
	case "capture":
		return courier.NewCapture(), r.Kind, nil
	case "direct":
		return courier.NewDirect(courier.DirectConfig{Resolver: resolver, Hostname: hostname, Signer: signer}), r.Kind, nil
	}
	r.Relay.Hostname, r.Relay.Signer = hostname, signer
	relay, err := courier.NewRelay(r.Relay)
	if err != nil {
		return nil, "", &config.Error{Setting: "route", Reason: routeReason(route, err), Err: err}
	}
	return relay, r.Kind, nil
}

// routeReason says what is wrong with a route without saying a password that is in it.
func routeReason(route string, err error) string {
	reason := err.Error()
	_, rest, _ := strings.Cut(route, "://")
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return reason
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	if password != "" && strings.Contains(reason, password) {
		return "it is not a route: give capture, direct, or smtp://user:password@host:port (with special characters of the password as %XX)"
	}
	return reason
}
