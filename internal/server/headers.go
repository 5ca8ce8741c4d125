// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"strings"
)

// strictTransport makes a browser reach this host by https alone for a year (HSTS, RFC 6797). Other names below it, and other
// hosts of its domain, are not ours to speak for.
const strictTransport = "max-age=31536000"

// unsniffed keeps browsers from reading an answer of any handler as another type than it says.
func unsniffed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// strict says strictTransport to those who came by https. On this machine's own name it would shut out whatever else is
// served there.
func (p proxies) strict(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.overTLS(r) && !loopbackName(r.Host) {
			w.Header().Set("Strict-Transport-Security", strictTransport)
		}
		next.ServeHTTP(w, r)
	})
}

// overTLS says whether a request came by https, to this server or to a trusted proxy before it.
func (p proxies) overTLS(r *http.Request) bool {
	if p.trust(parseHop(r.RemoteAddr)) {
		if proto := lastOf(r.Header.Values("X-Forwarded-Proto")); proto != "" {
			return strings.EqualFold(proto, "https")
		}
	}
	return r.TLS != nil
}
