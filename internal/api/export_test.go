// SPDX-License-Identifier: Apache-2.0

package api

import "net/http"

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
	list := []string{"GET /openapi.yaml"}
	for _, rt := range (&api{}).routes() {
		list = append(list, rt.method+" "+rt.pattern)
	}
	return list
}
