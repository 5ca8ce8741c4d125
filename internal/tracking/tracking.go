// SPDX-License-Identifier: Apache-2.0

// Package tracking is the HTTP entry point that answers the links that tracked mail has in it: the pixel of an open, the
// redirect of a click, the page and the button that unsubscribe (RFC 8058). The link's own signature is what admits a
// request, and nothing else.
//
// A pixel and a redirect wait for nothing: what happened is put into a bounded queue and written down beside; when more
// comes than can be written, it is let go and counted ([Stats]). An unsubscription is answered when it is durable.
package tracking

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/origin"
	"postern/internal/store"
	"postern/internal/suppress"
	"postern/internal/track"
)

// Limits.
const (
	waiting   = 8192             // hits that wait to be written down
	writers   = 64               // at a time: they share commits
	drain     = 5 * time.Second  // for what waits at the end
	again     = 10 * time.Second // in which a repetition of a hit from one address says nothing new
	againGone = time.Hour        // in which a second unsubscription from one message does not
	reload    = time.Minute      // how long the host names are believed
	maxAgent  = 500              // bytes of User-Agent that are kept
)

// Config of a Server.
type Config struct {
	Store    *store.Store
	Suppress *suppress.List
	Signer   *track.Signer
	// Client tells who a request came from.
	Client func(*http.Request) (addr netip.Addr, secure bool)
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger
}

// Server answers tracked links. Make it with New; Run writes down what came.
type Server struct {
	c       Config
	mux     *http.ServeMux
	page    *template.Template
	hosts   atomic.Pointer[map[string]bool] // accounts' own host names
	changed chan struct{}
	queue   chan store.Engagement
	recent  *recent
	stats   counters
}

// New makes the door.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Server{c: c, mux: http.NewServeMux(), changed: make(chan struct{}, 1), queue: make(chan store.Engagement,
		waiting), recent: newRecent()}
	h.page = template.Must(template.ParseFS(files, "page.html")) // it is in the program
	h.hosts.Store(&map[string]bool{})
	h.mux.HandleFunc("GET /o/{token}", h.open)
	h.mux.HandleFunc("GET /c/{token}/{target}", h.click)
	h.mux.HandleFunc("GET /u/{token}/{address}", h.ask)
	h.mux.HandleFunc("POST /u/{token}/{address}", h.leave)
	h.mux.HandleFunc("GET /u/page.css", style)
	h.mux.HandleFunc("/", h.notFound)
	return h
}

// ServeHTTP answers a link.
func (h *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer") // where a link leads to does not learn of it: it is the recipient's own
	w.Header().Set("X-Robots-Tag", "noindex")
	h.mux.ServeHTTP(w, r)
}

// Beside lets requests to accounts' own host names meet this door alone, and all others next.
func (h *Server) Beside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (*h.hosts.Load())[hostOf(r)] {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is the name that a request was sent to.
func hostOf(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// HostsChanged makes the door read the accounts' host names anew. It does not block.
func (h *Server) HostsChanged() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// Run writes down what happens until ctx ends, and then what still waits.
func (h *Server) Run(ctx context.Context) error {
	if err := h.load(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() { h.write(ctx, work) })
	}
	h.watch(ctx)
	last := time.AfterFunc(drain, cancel)
	defer last.Stop()
	all.Wait()
	return nil
}

// watch keeps the host names fresh until ctx ends.
func (h *Server) watch(ctx context.Context) {
	tick := time.NewTicker(reload)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-h.changed:
		}
		if err := h.load(ctx); err != nil && ctx.Err() == nil {
			h.c.Log.ErrorContext(ctx, "the host names of tracking links could not be read; the ones known stay", "error", err)
		}
	}
}

func (h *Server) load(ctx context.Context) error {
	list, err := h.c.Store.TrackHosts(ctx)
	if err != nil {
		return err
	}
	hosts := make(map[string]bool, len(list))
	for _, name := range list {
		hosts[name] = true
	}
	h.hosts.Store(&hosts)
	return nil
}

// write writes down hits until ctx has ended and nothing waits.
func (h *Server) write(ctx, work context.Context) {
	for {
		select {
		case e := <-h.queue:
			h.keep(work, e)
			continue
		default:
		}
		select {
		case e := <-h.queue:
			h.keep(work, e)
		case <-ctx.Done():
			select {
			case e := <-h.queue:
				h.keep(work, e)
			default:
				return
			}
		}
	}
}

// keep writes down one hit. When the store fails it tries a few times more.
func (h *Server) keep(ctx context.Context, e store.Engagement) {
	n := &h.stats.open
	if e.Type == store.EventClick {
		n = &h.stats.click
	}
	for wait := 200 * time.Millisecond; ; wait *= 4 {
		err := h.c.Store.Engage(ctx, e)
		switch {
		case err == nil && e.Machine:
			n.machine.Add(1)
			return
		case err == nil:
			n.person.Add(1)
			return
		case errors.Is(err, store.ErrNotFound): // forgotten with its plan's retention
			n.unknown.Add(1)
			return
		case wait > 4*time.Second || ctx.Err() != nil:
			n.failed.Add(1)
			h.c.Log.ErrorContext(ctx, "what a recipient did was not written down", "message", e.MessageID, "type", e.Type.String(),
				"error", err)
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// check reads the token of a link. What was signed for an account's own host name holds under that alone, and what was
// signed for the server's name under every name that is no account's.
func (h *Server) check(r *http.Request, kind track.Kind, token, target string) (track.Token, bool) {
	host := hostOf(r)
	if t, ok := h.c.Signer.Check(kind, token, host, target); ok {
		return t, true
	}
	if (*h.hosts.Load())[host] {
		return track.Token{}, false
	}
	return h.c.Signer.Check(kind, token, "", target)
}

// doing is what is kept of who asked.
func (h *Server) doing(r *http.Request, after time.Duration) store.Doing {
	addr, _ := h.c.Client(r)
	agent := r.UserAgent()
	if len(agent) > maxAgent {
		agent = agent[:maxAgent]
	}
	d := store.Doing{Agent: strings.ToValidUTF8(strings.ReplaceAll(agent, "\x00", ""), ""), Machine: isMachine(r.Header, after)}
	if addr.IsValid() {
		d.IP = addr.String()
	}
	return d
}

// note puts a hit into the queue, unless it says nothing new.
func (h *Server) note(r *http.Request, t track.Token, typ store.EventType, n *kind, url string) {
	if r.Method != http.MethodGet { // HEAD only looks
		return
	}
	now := h.c.Now()
	e := store.Engagement{MessageID: t.MessageID, Type: typ, At: now, Doing: h.doing(r, now.Sub(t.At))}
	e.URL = url
	addr, _ := h.c.Client(r)
	if h.recent.seen(hit{t.Kind, t.MessageID, t.Link, origin.Of(addr)}, now, again) {
		n.repeated.Add(1)
		return
	}
	select {
	case h.queue <- e:
	default:
		n.shed.Add(1)
	}
}

func (h *Server) open(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutSuffix(r.PathValue("token"), ".gif")
	t, signed := h.check(r, track.Open, token, "")
	if !ok || !signed {
		h.stats.open.refused.Add(1)
		h.notFound(w, r)
		return
	}
	h.note(r, t, store.EventOpen, &h.stats.open, "")
	w.Header().Set("Content-Type", "image/gif")
	w.Write(pixel()) //nolint:errcheck,gosec // who asked has gone
}

// pixel is the smallest GIF: one transparent dot.
func pixel() []byte {
	return []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;")
}

func (h *Server) click(w http.ResponseWriter, r *http.Request) {
	target, ok := track.DecodeTarget(r.PathValue("target"))
	t, signed := h.check(r, track.Click, r.PathValue("token"), target)
	if !ok || !signed || !track.Safe(target) {
		h.stats.click.refused.Add(1)
		h.notFound(w, r)
		return
	}
	h.note(r, t, store.EventClick, &h.stats.click, target)
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusFound)
}
