// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"path"
	"strings"

	"postern/internal/console"
)

// front gives a request to the API or to the rest of the server, by the first segment of its path. The API reads a path
// in any spelling (//v3.1/send, /V3.1/Send, /v3/REST/apikey/); a ServeMux would answer these with a redirect, which a
// client that posts does not follow, or follows without its body. A path of a version that there is not (/v4/…) is the
// API's, too, which says so in JSON.
func front(wire, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
		switch first = strings.ToLower(first); {
		case isVersion(first), first == "rest", first == "openapi.yaml", first == "openapi.json":
			wire.ServeHTTP(w, r)
		case unclean(r.URL.Path) && !console.WantsPage(r):
			wire.ServeHTTP(w, r) // the rest would redirect it
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// isVersion says whether a path's first segment is that of an API: v1, v3.1.
func isVersion(s string) bool {
	v, ok := strings.CutPrefix(s, "v")
	return ok && v != "" && v[0] >= '0' && v[0] <= '9' && strings.Trim(v, "0123456789.") == ""
}

// unclean says whether a path is one that a ServeMux redirects.
func unclean(p string) bool {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean != p
}
