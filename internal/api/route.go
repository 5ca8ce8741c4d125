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
	"time"

	"github.com/google/uuid"

	"postern/internal/access"
	"postern/internal/budget"
	"postern/internal/gate"
	"postern/internal/refusal"
)

// call is a request whose caller is known.
type call struct {
	*http.Request
	who  gate.Principal
	addr netip.Addr
	part budget.Share // of the memory that bodies share
	need access.Permission
	// alive says in a fault that the caller's secret has ended meanwhile; nil: the call needs none.
	alive func() error
}

// reply is what a handler answers when all is well.
type reply struct {
	status     int           // 0: 200
	body       any           // to be written as JSON; nil with 204
	retryAfter time.Duration // 0: not said
	replayed   bool          // the first answer of an idempotency key
}

// handler answers a call. Its error is a *fault, or one that faultOf maps to one.
type handler func(c *call) (reply, error)

// route is one operation. The patterns are ServeMux's, in the one spelling that canonical gives a path.
type route struct {
	method, pattern string
	handle          handler
	need            access.Permission // what the calling key must have; 0: what any key may do
	master          bool              // for the account's master key alone
	open            bool              // for anybody: without credentials
}

// marketing are resources that Postern does not have yet, but that integrations read to check their credentials.
var marketing = [...]string{"contact", "contactmetadata", "contactslist", "listrecipient", "newsletter", "template"}

func (a *api) routes() []route {
	const rest = "/v3/REST/"
	const send, manage = access.MaySend, access.MayManage
	all := []route{
		{method: "POST", pattern: "/v3.1/send", handle: a.send, need: send},
		{method: "POST", pattern: "/v3/send", handle: a.sendV3, need: send},
		{method: "POST", pattern: "/v3/send/message", handle: a.sendV3, need: send},

		{method: "GET", pattern: rest + "apikey", handle: a.listKeys},
		{method: "POST", pattern: rest + "apikey", handle: a.createKey, need: manage, master: true},
		{method: "GET", pattern: rest + "apikey/{id}", handle: a.getKey},
		{method: "PUT", pattern: rest + "apikey/{id}", handle: a.changeKey, need: manage},
		{method: "DELETE", pattern: rest + "apikey/{id}", handle: a.deleteKey, need: manage, master: true},
		{method: "POST", pattern: rest + "apikey/{id}/reset", handle: a.resetKey, need: manage},
		{method: "POST", pattern: rest + "apikey/{id}/retire", handle: a.retireSecret, need: manage},
		{method: "GET", pattern: rest + "apikey/{id}/connections", handle: a.listConnections, need: manage},
		{method: "GET", pattern: rest + "apikey/{id}/networks", handle: a.suggestNetworks, need: manage},
		{method: "POST", pattern: rest + "leakedsecret", handle: a.leakedSecret, open: true},

		{method: "GET", pattern: rest + "apikeyaccess", handle: a.listAccesses, need: manage, master: true},
		{method: "POST", pattern: rest + "apikeyaccess", handle: a.createAccess, need: manage, master: true},
		{method: "GET", pattern: rest + "apikeyaccess/{id}", handle: a.getAccess, need: manage, master: true},
		{method: "PUT", pattern: rest + "apikeyaccess/{id}", handle: a.changeAccess, need: manage, master: true},
		{method: "DELETE", pattern: rest + "apikeyaccess/{id}", handle: a.deleteAccess, need: manage, master: true},

		{method: "GET", pattern: rest + "plan", handle: a.getPlan, need: manage, master: true},
		{method: "GET", pattern: rest + "subaccountrequest", handle: a.listRequests, need: manage, master: true},
		{method: "POST", pattern: rest + "subaccountrequest", handle: a.createRequest, need: manage, master: true},
		{method: "GET", pattern: rest + "subaccountrequest/{id}", handle: a.getRequest, need: manage, master: true},
		{method: "GET", pattern: rest + "audit", handle: a.listAudit, need: manage, master: true},
	}
	all = append(all, a.accountRoutes()...)
	all = append(all, a.suppressionRoutes()...)
	all = append(all, a.senderRoutes()...)
	all = append(all, a.reportRoutes()...)
	all = append(all, a.messageRoutes()...)
	all = append(all, a.webhookRoutes()...)
	for _, name := range marketing {
		all = append(all, route{method: "GET", pattern: rest + name, handle: a.emptyList})
	}
	return all
}

// mount fills the mux: the routes, a 405 for their paths' other methods, and a 404 for the rest.
func (a *api) mount() {
	allowed, open := map[string][]string{}, map[string]bool{}
	for _, rt := range a.routes() {
		a.mux.Handle(rt.method+" "+rt.pattern, a.operation(rt))
		allowed[rt.pattern] = append(allowed[rt.pattern], rt.method)
		open[rt.pattern] = rt.open
	}
	for pattern, methods := range allowed {
		a.mux.Handle(pattern, a.operation(route{handle: methodNotAllowed(methods), open: open[pattern]}))
	}
	a.mux.HandleFunc("GET /openapi.yaml", describe)
	a.mux.HandleFunc("GET /openapi.json", a.describeJSON)
	a.mux.Handle("/openapi.yaml", a.operation(route{handle: methodNotAllowed([]string{"GET"})}))
	a.mux.Handle("/openapi.json", a.operation(route{handle: methodNotAllowed([]string{"GET"})}))
	a.mux.Handle("/", a.operation(route{handle: func(c *call) (reply, error) {
		return reply{}, &fault{status: http.StatusNotFound, message: fmt.Sprintf("There is no resource at %q. GET /openapi lists "+
			"what there is.", cut(c.URL.Path))}
	}}))
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

// ServeHTTP answers a request. A panic is answered with 500 and logged.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Mj-Request-Guid", uuid.NewString())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
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

// operation is what all routes have in common: the credentials and what they allow before, the writing after.
func (a *api) operation(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = newPaced(w, r)
		out, err := a.perform(rt, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		a.write(w, r, out)
	})
}

// perform lets a request in and handles it.
func (a *api) perform(rt route, r *http.Request) (reply, error) {
	// A browser may keep credentials and send them with whatever a page of another site posts, also without a preflight.
	if a.cross.Check(r) != nil {
		addr, _ := a.Client(r)
		x := refusal.Refusal{Reason: refusal.CrossSite, From: addr, Route: r.Pattern}
		if user, _, ok := r.BasicAuth(); ok {
			x.UserName = a.Gate.Shown(user)
		}
		a.Refusals.Note(r.Context(), x)
		return reply{}, &fault{status: http.StatusForbidden, message: "A page of another site made the browser send this: requests " +
			"that change something are refused then."}
	}
	if rt.open {
		addr, err := a.secured(r)
		if err != nil {
			return reply{}, err
		}
		return a.handle(rt, &call{Request: r, addr: addr})
	}
	c, err := a.authenticate(r)
	switch {
	case err != nil:
		return reply{}, err
	case !c.who.May(rt.need):
		err := a.Gate.RefuseNotPermitted(c.who, rt.need)
		a.noteRefused(r, c.addr, c.who.APIKey, err)
		return reply{}, err
	case rt.master && !c.who.Master:
		return reply{}, notAllowed("This is for the master key of the account alone.")
	}
	c.need = rt.need
	return a.handle(rt, c)
}

// handle runs the handler of a call that is let in. What it takes of the memory of bodies it has until its answer is made.
func (a *api) handle(rt route, c *call) (reply, error) {
	if err := checkCoding(c.Request); err != nil {
		return reply{}, err
	}
	c.part = a.Budget.Share(c.who.KeyID)
	defer c.part.Release()
	return rt.handle(c)
}

// canonical returns the request with its path in the spelling of the routes: names fold case (SDKs send apikey,
// Apikey and APIKEY), IDs do not; empty segments go.
func canonical(r *http.Request) (*http.Request, error) {
	if !storable(r.URL.Path) {
		return r, &fault{status: http.StatusNotFound, message: "A path with a NUL character, or bytes that are not UTF-8, names nothing."}
	}
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
		case n != 3, segments[2] == "statistics": // statistics/link-click is a name of two segments
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
