// SPDX-License-Identifier: Apache-2.0

package console

import "net/http"

// describedAPI is the page of the API's description.
type describedAPI struct {
	URL string // of the server, for the examples
	Doc any
}

// showDescription shows the description of the API to anybody, as /openapi.yaml does: in a signed-in user's frame if
// there is one.
func (c *console) showDescription(w http.ResponseWriter, r *http.Request) {
	if c.described == nil {
		c.fail(w, r, notFound("This server does not describe its API."))
		return
	}
	body := describedAPI{URL: c.BaseURL, Doc: c.described}
	p := page{Title: "HTTP API", Wide: true, Body: body}
	if v, err := c.visit(w, r); err == nil {
		p = pageOf(v, p.Title, "openapi", body)
	}
	c.render(w, r, http.StatusOK, "openapi", p)
}
