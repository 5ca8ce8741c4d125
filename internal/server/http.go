// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"postern/internal/store"
)

// Limits of the HTTP server. A send may carry 15 MB of attachments over a slow line.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 5 * time.Minute
	writeTimeout  = 6 * time.Minute // from the end of the header: longer than the body's reading
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	maxStreams    = 50 // requests at a time on one HTTP/2 connection
)

// newHTTPServer speaks TLS when there is a certificate.
func newHTTPServer(h http.Handler, cert *tls.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, TLSConfig: cert, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // failed handshakes and the like: strangers' noise
	}
}

// serveHTTP serves until ctx ends, then lets the requests under way end within grace.
func serveHTTP(ctx context.Context, srv *http.Server, l net.Listener, grace time.Duration) error {
	ended := make(chan error, 1)
	go func() {
		if srv.TLSConfig != nil {
			ended <- srv.ServeTLS(l, "", "")
			return
		}
		ended <- srv.Serve(l)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close() // broken off: what was not answered was not promised
	}
	<-ended //nolint:errcheck // http.ErrServerClosed
	return err
}

// States of the server and its parts.
const (
	starting = "starting"
	ready    = "ready"
	draining = "draining"
	stopped  = "stopped"
)

// health is what GET /healthz tells.
type health struct {
	mu     sync.Mutex
	status string
	parts  map[string]string

	store *store.Store
}

func newHealth(s *store.Store) *health {
	return &health{status: starting, parts: map[string]string{}, store: s}
}

func (h *health) set(status string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *health) setPart(name, status string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[name] = status
}

// report is the answer's body.
type report struct {
	Status string            `json:"status"`
	Parts  map[string]string `json:"parts"`
}

// ofStore is the store's state.
func (h *health) ofStore(ctx context.Context) string {
	switch err := h.store.Health(ctx); {
	case err == nil:
		return ready
	case h.store.NoRoom(err):
		return "full"
	case errors.Is(err, store.ErrUnwritable):
		return "unwritable"
	}
	return "unreachable"
}

// ServeHTTP answers 200 when every part is ready and the store can be read, and took what was written within the last
// minute; 503 otherwise.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	ofStore := h.ofStore(ctx)
	h.mu.Lock()
	out := report{Status: h.status, Parts: maps.Clone(h.parts)}
	h.mu.Unlock()
	if ofStore != ready || out.Parts["store"] == "" { // else what watches its lock is the part
		out.Parts["store"] = ofStore
	}
	for _, status := range out.Parts {
		if status != ready && out.Status == ready {
			out.Status = "failing"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if out.Status != ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(out) //nolint:errcheck,gosec // who asked has gone
}
