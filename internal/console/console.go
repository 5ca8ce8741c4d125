// SPDX-License-Identifier: Apache-2.0

// Package console is the door of pages: people sign in, keep their API keys and senders, and look at what was sent.
//
// Pages are made on the server with html/template, and work without a script: what app.js adds (dialogs in place, copy
// buttons, a download of the secret) has a page of its own behind it. There is one stylesheet and no framework.
//
// A request passes, in this order: it is refused when credentials would go in clear, and when another site posts it
// (Fetch Metadata, net/http's CrossOriginProtection); its session cookie is looked up; the handler of its route runs
// with a scope made of the user's account. The policy of each page allows no inline script or style (CSP level 3). A
// secret is written into the one answer that made it, and nowhere else; the form that asked carries a nonce, so that
// a reload does not make another.
//
// Mail is shown in a frame without an origin, without scripts and without remote images.
package console

import (
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"postern/internal/backend"
	"postern/internal/openapi"
	"postern/internal/people"
	"postern/internal/throttle"
)

// ClientFunc tells who a request came from: its address (behind trusted proxies the forwarded one), and whether
// credentials may come this way: over TLS, loopback, or a trusted proxy that says https.
type ClientFunc = func(r *http.Request) (addr netip.Addr, secure bool)

// Config is what the door needs.
type Config struct {
	*backend.Backend
	Client ClientFunc // nil: the connection's own address, secure by TLS or on loopback

	BaseURL   string // where people and programs find this server, such as https://mail.example.com
	SMTPAddr  string // host:port of SMTP submission
	SMTPTLS   bool   // SMTPAddr offers STARTTLS
	SMTPSAddr string // host:port of SMTP with implicit TLS, "" for none
	Hostname  string // the server's name, where an address says none
	Route     string // how mail leaves: "capture", "relay" or "direct"; "" says nothing about it

	OIDC people.OIDCConfig // the OpenID provider whose people may sign in; its RedirectURL is made of BaseURL

	Programs http.Handler // answers programs where there is no page, in JSON; nil: they get a page that says so

	Description []byte // of the API, in OpenAPI 3.1 as YAML; none: there is no page of it

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: none
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// console is the door. Its fields do not change after newConsole but for what they hold.
type console struct {
	Config
	pages  *template.Template
	static map[string]staticFile // by name with hash
	forms  *forms
	mails  *throttle.Throttle // mails that a stranger makes us send
	cross  *http.CrossOriginProtection

	party     *people.RelyingParty // nil where browsers offer no passkeys
	noPasskey string               // why they do not
	oidc      *people.OIDC         // nil without a provider
	described *openapi.Document    // nil without a description
}

// New makes the handler of the pages.
func New(c Config) (http.Handler, error) {
	return newConsole(c, templateFiles, nil)
}

// newConsole makes the door from the given templates, with more template functions.
func newConsole(c Config, templates fs.FS, funcs template.FuncMap) (http.Handler, error) {
	if c.Backend == nil {
		return nil, errors.New("console: it needs a backend")
	}
	if c.Client == nil {
		c.Client = directClient
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	d := &console{Config: c, forms: newForms(c.Now), mails: throttle.New(throttle.Config{
		Source: throttle.Rate{Burst: 10, Refill: 30 * time.Second}, Network: throttle.Rate{Burst: 100, Refill: 3 * time.Second},
		NetworkIPv4: true,
	}), cross: http.NewCrossOriginProtection()}
	d.signInBy()
	if c.BaseURL != "" {
		if err := d.cross.AddTrustedOrigin(c.BaseURL); err != nil {
			return nil, err
		}
	}
	var err error
	if len(c.Description) > 0 {
		if d.described, err = openapi.Parse(c.Description); err != nil {
			return nil, err
		}
	}
	if d.static, err = readStatic(staticFiles); err != nil {
		return nil, err
	}
	if d.pages, err = d.parse(templates, funcs); err != nil {
		return nil, err
	}
	return d.handler(), nil
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
