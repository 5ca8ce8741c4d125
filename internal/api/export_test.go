// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"net/netip"
)

// Canonical is the path of a request in the spelling of the routes.
func Canonical(r *http.Request) (path, rawPath string) {
	out, err := canonical(r)
	if err != nil {
		return r.URL.Path, r.URL.RawPath
	}
	return out.URL.Path, out.URL.RawPath
}

// Routes are the operations of the mux, "GET /path".
func Routes() []string {
	list := []string{"GET /openapi.yaml", "GET /openapi.json"}
	for _, rt := range (&api{}).routes() {
		list = append(list, rt.method+" "+rt.pattern)
	}
	return list
}

// FillLeaks takes all places for reports of leaked secrets of a handler of New, until free is called.
func FillLeaks(h http.Handler) (free func()) {
	a := h.(*api) //nolint:errcheck,forcetypeassert // New made it
	var taken []func()
	for i := range leaksOnce { // from many addresses
		release, _ := a.leaks.Take(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
		taken = append(taken, release)
	}
	return func() {
		for _, release := range taken {
			release()
		}
	}
}
