// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"sort"
	"strings"

	"github.com/google/uuid"

	"postern/internal/gate"
)

// call is a request whose caller is known.
type call struct {
	*http.Request
	who  gate.Principal
	addr netip.Addr
}

// reply is what a handler answers when all is well.
type reply struct {
	status int // 0: 200
	body   any // to be written as JSON
}

// handler answers a call. Its error is a *fault, or one that faultOf maps to one.
type handler func(c *call) (reply, error)

// route is one operation. The patterns are ServeMux's, in the one spelling that canonical gives a path.
type route struct {
	method, pattern string
	handle          handler
}

// marketing are resources that Postern does not have yet, but that integrations read to check their credentials.
var marketing = [...]string{"campaign", "contact", "contactmetadata", "contactslist", "listrecipient", "newsletter", "template"}

func (a *api) routes() []route {
	all := []route{
		{"POST", "/v3.1/send", a.send},
		{"GET", "/v3/REST/apikey", a.listKeys},
		{"POST", "/v3/REST/apikey", a.createKey},
		{"GET", "/v3/REST/apikey/{id}", a.getKey},
		{"PUT", "/v3/REST/apikey/{id}", a.changeKey},
		{"POST", "/v3/REST/apikey/{id}/reset", a.resetKey},
		{"GET", "/v3/REST/message", a.listMessages},
		{"GET", "/v3/REST/message/{id}", a.getMessage},
		{"GET", "/v3/REST/messagehistory/{id}", a.messageHistory},
		{"GET", "/v3/REST/messageinformation/{id}", a.messageInformation},
		{"GET", "/v3/REST/messagestate", a.listStates},
		{"GET", "/v3/REST/messagestate/{id}", a.getState},
		{"GET", "/v3/REST/sender", a.listSenders},
		{"GET", "/v3/REST/sender/{id}", a.getSender},
		{"GET", "/v3/REST/user", a.getUser},
		{"GET", "/v3/REST/myprofile", a.getProfile},
	}
	for _, name := range marketing {
		all = append(all, route{"GET", "/v3/REST/" + name, a.emptyList})
	}
	return all
}

// mount fills the mux: the routes, a 405 for their paths' other methods, and a 404 for the rest.
func (a *api) mount() {
	allowed := map[string][]string{}
	for _, rt := range a.routes() {
		a.mux.Handle(rt.method+" "+rt.pattern, a.operation(rt.handle))
		allowed[rt.pattern] = append(allowed[rt.pattern], rt.method)
	}
	for pattern, methods := range allowed {
		a.mux.Handle(pattern, a.operation(methodNotAllowed(methods)))
	}
	a.mux.HandleFunc("GET /openapi.yaml", describe)
	a.mux.Handle("/openapi.yaml", a.operation(methodNotAllowed([]string{"GET"})))
	a.mux.Handle("/v3/send", a.operation(noSendV3))
	a.mux.Handle("/v3/send/message", a.operation(noSendV3))
	a.mux.Handle("/", a.operation(func(c *call) (reply, error) {
		return reply{}, &fault{status: http.StatusNotFound, message: fmt.Sprintf("There is no resource at %q. GET /openapi.yaml lists what there is.", c.URL.Path)}
	}))
}

func methodNotAllowed(methods []string) handler {
	sort.Strings(methods)
	allow := strings.Join(methods, ", ")
	return func(c *call) (reply, error) {
		message := fmt.Sprintf("%s is not offered here. Offered: %s.", c.Method, allow)
		for _, name := range marketing {
			if strings.HasSuffix(c.URL.Path, "/"+name) {
				message = fmt.Sprintf("This server sends mail and has no %s resource to change: %s answers an empty list.", name, allow)
			}
		}
		return reply{}, &fault{status: http.StatusMethodNotAllowed, message: message, allow: allow}
	}
}

func noSendV3(*call) (reply, error) {
	return reply{}, &fault{status: http.StatusNotFound, message: "Send API v3 is not served here: use Send API v3.1, POST /v3.1/send."}
}

func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(description) //nolint:errcheck,gosec // the client has gone
}

// ServeHTTP answers a request. A panic is answered with 500 and logged.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Mj-Request-Guid", uuid.NewString())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	r, err := canonical(r)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		a.fail(w, r, &fault{status: http.StatusInternalServerError, cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())})
	}()
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// operation is what all routes have in common: the credentials before, the writing after.
func (a *api) operation(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := a.authenticate(r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		out, err := handle(c)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		a.write(w, r, out)
	})
}

// canonical returns the request with its path in the spelling of the routes: names fold case (SDKs send apikey,
// Apikey and APIKEY), IDs do not; empty segments go.
func canonical(r *http.Request) (*http.Request, error) {
	var segments []string
	for s := range strings.SplitSeq(r.URL.EscapedPath(), "/") {
		switch s {
		case "":
			continue
		case ".", "..":
			return r, &fault{status: http.StatusNotFound, message: "A path with . or .. in it names nothing."}
		}
		switch n := len(segments); {
		case n == 1 && strings.EqualFold(s, "rest"):
			s = "REST"
		case n != 3:
			s = strings.ToLower(s)
		}
		segments = append(segments, s)
	}
	escaped := "/" + strings.Join(segments, "/")
	if escaped == r.URL.EscapedPath() {
		return r, nil
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return r, &fault{status: http.StatusBadRequest, message: "The path is not well escaped."}
	}
	out := new(http.Request)
	*out = *r
	out.URL = new(url.URL)
	*out.URL = *r.URL
	out.URL.Path, out.URL.RawPath = path, ""
	if strings.Contains(escaped, "%") {
		out.URL.RawPath = escaped
	}
	return out, nil
}
