// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"postern/internal/api"
	"postern/internal/budget"
	"postern/internal/config"
	"postern/internal/connlimit"
	"postern/internal/console"
	"postern/internal/control"
	"postern/internal/dns"
	"postern/internal/dsn"
	"postern/internal/notify"
	"postern/internal/people"
	"postern/internal/queue"
	"postern/internal/search"
	"postern/internal/tracking"
)

// Server is a Postern that is built and not yet serving. Make it with New and run it once.
type Server struct {
	core      *Core
	queue     *queue.Queue
	notify    *notify.Notify
	dsn       *dsn.DSN
	tracking  *tracking.Server
	search    *search.Search
	courier   wayOut
	listeners *listeners
	mail      []smtpDoor
	pages     http.Handler // the API and the pages
	control   http.Handler
	cert      *certificate // nil without one
	proxies   proxies
	budget    *budget.Budget // of bodies on their way in, for all entry points

	connections *connlimit.Limiter // of all HTTP ports
	commands    *connlimit.Limiter // of the control socket

	health *health
	setUp  *SetUp // what the first start made; nil on a later one

	baseURL  string
	route    string
	drain    time.Duration
	out      io.Writer
	log      *slog.Logger
	engine   string
	hostname string
}

// New builds all parts and opens all ports; nothing is served before Run. What a first start makes is printed to out.
// Errors about settings are *config.Error.
func New(ctx context.Context, c *config.Common, s *config.Serve, out io.Writer, log *slog.Logger) (_ *Server, err error) {
	networks, err := s.Proxies()
	if err != nil {
		return nil, err
	}
	cert, err := newCertificate(s, log)
	if err != nil {
		return nil, err
	}
	hostname := hostname(s.Hostname)
	from, err := s.Notifier(hostname)
	if err != nil {
		return nil, err
	}
	resolver := dns.New(s.DNSServer)
	core, err := open(ctx, c, serving{
		private: s.WebhookPrivate, grace: max(s.Drain/2, time.Millisecond), resolver: resolver, spf: s.SPFMechanisms(hostname), on: true,
		retention: s.Retention, tlsKey: s.TLSKey,
	}, log)
	if err != nil {
		return nil, err
	}
	srv := &Server{
		core: core, proxies: networks, cert: cert, hostname: hostname, drain: s.Drain, out: out, log: log, engine: core.Store.Engine(),
		health: newHealth(core.Store),
	}
	srv.budget = newBudget()
	defer func() {
		if err != nil {
			err = errors.Join(err, srv.close())
		}
	}()
	if srv.courier, srv.route, err = newCourier(s.Route, hostname, core.Senders.DKIMKey, resolver); err != nil {
		return nil, err
	}
	if srv.listeners, err = listenAll(c, s); err != nil {
		return nil, err
	}
	srv.baseURL = baseURL(c, srv.listeners, hostname)
	core.baseURL = srv.baseURL
	srv.queue = queue.New(queue.Config{
		Store: core.Store, Courier: srv.courier, PerDomain: srv.route == "direct", Grace: max(s.Drain/2, time.Millisecond),
		Workers: sharesOf(descriptors(), 1).attempts, Hold: s.Hold, Log: log.With("part", "queue"), ExclusiveDB: true,
		Personalise: srv.personalise, Open: core.Notices.OpenBody,
	})
	core.arrived = srv.queue.Wake
	srv.tracking = tracking.New(tracking.Config{
		Store: core.Store, Suppress: core.Suppress, Signer: core.Links, Client: srv.proxies.client, Log: log.With("part", "tracking"),
	})
	core.hosts = srv.tracking.HostsChanged
	srv.search = search.New(core.Store, func() int64 { return core.Submit.Stats().Accepted }, log.With("part", "search"))
	srv.notify = notify.New(notify.Config{
		Store: core.Store, Keys: core.Keys, Notices: core.Notices, Submit: core.Submit, Webhook: core.Webhook, From: from,
		BaseURL: srv.baseURL, Log: log.With("part", "notify"),
	})
	core.noticed = srv.notify.Wake
	srv.dsn = dsn.New(dsn.Config{
		Store: core.Store, Keys: core.Keys, Submit: core.Submit, From: from, Hostname: hostname, Default: s.FailureNotices != "asked",
		Log: log.With("part", "dsn"),
	})
	if err := srv.doors(s); err != nil {
		return nil, err
	}
	if srv.setUp, err = core.SetUp(ctx, s.Owner.Owner); err != nil || srv.setUp == nil {
		return srv, err
	}
	if srv.route == "capture" {
		if err := core.addTrySender(ctx, srv.setUp); err != nil {
			log.Error("the first sender was not added", "sender", trySender, "error", err) // what was made is printed all the same
		}
	}
	return srv, nil
}

// doors makes what takes requests.
func (s *Server) doors(settings *config.Serve) error {
	files := descriptors()
	most := sharesOf(files, s.listeners.ports())
	most.tell(files, s.log)
	s.connections = s.proxies.newConnections(most.each)
	// on a socket all are one source
	s.commands = connlimit.New(connlimit.Config{All: most.control, PerSource: most.control, Few: most.control})
	s.mail = s.smtpDoors(most.each)
	wire := api.New(api.Config{
		Backend: s.core.Backend, Client: s.proxies.client,
		BaseURL: s.baseURL, Budget: s.budget, Log: s.log.With("part", "api"),
	})
	pages, err := console.New(console.Config{
		Backend: s.core.Backend, Client: s.proxies.client,
		BaseURL: s.baseURL, SMTPAddr: s.reachable(s.listeners.smtp), SMTPTLS: s.cert != nil, SMTPSAddr: s.reachable(s.listeners.smtps),
		Hostname: s.hostname, Route: s.route, Log: s.log.With("part", "console"), Description: api.Description(), Programs: wire,
		OIDC: people.OIDCConfig{
			Issuer: settings.OIDCIssuer, ClientID: settings.OIDCClientID, ClientSecret: settings.OIDCSecret, Name: settings.OIDCName,
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	for _, path := range []string{"/o/", "/c/", "/u/"} {
		mux.Handle(path, s.tracking)
	}
	mux.Handle("GET /healthz", s.health)
	mux.Handle("GET /metrics", s.metricsHandler(settings.MetricsToken))
	s.pages = unsniffed(s.tracking.Beside(s.proxies.strict(front(wire, mux)))) // accounts' own host names are theirs to bind to https
	s.control = control.Handler(control.New(control.Config{
		Backend: s.core.Backend, QueueStats: s.queue.Stats,
		SignInURL: func(token string) string { return LinkURL(s.baseURL, token) },
	}), s.log.With("part", "control"))
	return nil
}

// part runs until its context ends.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// parts are the stages in the order in which they start; they stop in the other.
func (s *Server) parts() [][]part {
	grace := s.drain / 2
	web := func(name string, h http.Handler, l net.Listener, cert *tls.Config) part {
		srv := newHTTPServer(h, cert, s.log.With("part", name))
		return part{name, func(ctx context.Context) error { return serveHTTP(ctx, srv, l, grace) }}
	}
	doors := []part{web("control", s.control, limited(s.listeners.control, s.commands, true, s.log), nil)}
	if s.listeners.http != nil {
		doors = append(doors, web("http", s.pages, limited(s.listeners.http, s.connections, true, s.log), nil))
	}
	if s.listeners.https != nil {
		doors = append(doors, web("https", s.pages, limited(s.listeners.https, s.connections, false, s.log), s.cert.config()))
	}
	for _, d := range s.mail {
		doors = append(doors, part{d.name, func(ctx context.Context) error { return d.serve(ctx, grace) }})
	}
	// Notices are mail: what sends them ends before the queue does.
	return [][]part{
		{
			{"store", s.core.Store.Watch},
			{"room", s.watchRoom},
			{"gate", s.core.Gate.Run},
			{"refusal", s.core.Refusals.Run},
			{"keys", s.core.Keys.Run},
			{"retention", s.core.Retention.Run},
			{"submit", s.core.Submit.Run},
			{"search", s.search.Run},
		},
		{{"queue", s.queue.Run}},
		{
			{"notify", s.notify.Run},
			{"dsn", s.dsn.Run},
			{"webhook", s.core.Webhook.Run},
			{"tracking", s.tracking.Run},
			{"suppress", s.core.Suppress.Run},
			{"domain", s.core.Domains.Run},
		},
		doors,
	}
}

// Run serves until ctx ends or a part fails, and then stops everything in order: the doors stop taking and what is in
// flight ends, the queue hands back its leases, the gate writes down its last uses, the store closes. The error is
// what a part failed with.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 16)
	var stages []*stage
	for _, parts := range s.parts() {
		stages = append(stages, s.begin(ctx, parts, failed))
	}
	s.health.set(ready)
	s.announce()
	if s.setUp != nil {
		if err := s.setUp.print(s.out, s.baseURL, s.reachable(s.listeners.smtp), s.route == "capture"); err != nil {
			failed <- fmt.Errorf("print what the first start made: %w", err)
		}
		s.setUp = nil // the secret is not kept
	}
	var errs []error
	select {
	case <-ctx.Done():
	case err := <-failed:
		errs = append(errs, err)
	}
	s.health.set(draining)
	s.log.Info("stopping: no new work is taken, what is under way ends", "drain", s.drain.String())
	for i := len(stages) - 1; i >= 0; i-- {
		stages[i].end()
	}
	errs = append(errs, s.close())
	for len(failed) > 0 {
		errs = append(errs, <-failed)
	}
	err := errors.Join(errs...)
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

// stage is parts that stop together.
type stage struct {
	cancel context.CancelFunc
	parts  sync.WaitGroup
}

// begin starts the parts of a stage. They outlive ctx: the stages end one after the other.
func (s *Server) begin(ctx context.Context, parts []part, failed chan<- error) *stage {
	g := &stage{}
	ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, p := range parts {
		s.health.setPart(p.name, ready)
		g.parts.Go(func() {
			err := p.run(ctx)
			s.health.setPart(p.name, stopped)
			switch {
			case err == nil && ctx.Err() == nil:
				err = errors.New("it ended by itself")
			case ctx.Err() != nil && errors.Is(err, context.Canceled):
				err = nil // told to stop while it was starting
			}
			if err != nil {
				failed <- fmt.Errorf("%s: %w", p.name, err)
			}
		})
	}
	return g
}

func (g *stage) end() {
	g.cancel()
	g.parts.Wait()
}

// close closes what New opened.
func (s *Server) close() error {
	var errs []error
	if s.listeners != nil {
		errs = append(errs, s.listeners.close())
	}
	if s.courier != nil {
		errs = append(errs, s.courier.Close())
	}
	return errors.Join(append(errs, s.core.Close())...)
}

// announce logs where everything is.
func (s *Server) announce() {
	at := func(l net.Listener) string {
		if l == nil {
			return "off"
		}
		return l.Addr().String()
	}
	l := s.listeners
	s.log.Info("ready", "url", s.baseURL, "http", at(l.http), "https", at(l.https), "smtp", at(l.smtp), "smtps", at(l.smtps),
		"route", s.route, "store", s.engine, "keys", s.core.Gate.Stats().Keys, "control", at(l.control))
}

// BaseURL is what links begin with.
func (s *Server) BaseURL() string { return s.baseURL }

// SMTPAddr is where mail is taken by SMTP, nil for nowhere.
func (s *Server) SMTPAddr() net.Addr {
	if s.listeners.smtp == nil {
		return nil
	}
	return s.listeners.smtp.Addr()
}

// hostname is the setting, or the machine's name.
func hostname(setting string) string {
	if setting != "" {
		return setting
	}
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsAny(name, " \t@/") {
		return "localhost"
	}
	return name
}

// baseURL is the setting, or made of the address of the page's listener.
func baseURL(c *config.Common, l *listeners, hostname string) string {
	switch {
	case c.BaseURL != "":
		return c.BaseURL
	case l.https != nil:
		return "https://" + reach(l.https.Addr().String(), hostname)
	case l.http != nil:
		return "http://" + reach(l.http.Addr().String(), hostname)
	}
	return "http://" + hostname
}

// OfflineURL is what links begin with when no server runs that would know its port.
func OfflineURL(c *config.Common) string {
	name := hostname("")
	switch {
	case c.BaseURL != "":
		return c.BaseURL
	case !config.Off(c.HTTPS):
		return "https://" + reach(c.HTTPS, name)
	case !config.Off(c.HTTP):
		return "http://" + reach(c.HTTP, name)
	}
	return "http://" + name
}

// Offline are the operator's calls on an opened data directory, for the command line when no server runs.
func Offline(c *config.Common, core *Core) control.Calls {
	base := OfflineURL(c)
	return control.New(control.Config{
		Backend:   core.Backend,
		SignInURL: func(token string) string { return LinkURL(base, token) },
	})
}

// reachable is a listener's address as a client would dial it, "" for none.
func (s *Server) reachable(l net.Listener) string {
	if l == nil {
		return ""
	}
	return reach(l.Addr().String(), s.hostname)
}

// reach puts the server's name for an address that stands for all of the machine's.
func reach(address, hostname string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = hostname
	}
	return net.JoinHostPort(host, port)
}
