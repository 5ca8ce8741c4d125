// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"postern/internal/budget"
	"postern/internal/connlimit"
	"postern/internal/origin"
)

// newBudget is the memory of the bodies on their way in, by HTTP and by SMTP. It follows GOMEMLIMIT, which was set at the
// start where the environment does not say it.
func newBudget() *budget.Budget {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		limit = 0
	}
	return budget.New(budget.Size(limit), 0)
}

// newConnections is the limit of all HTTP ports together. One source has half of them: clients that open a connection for
// each call under way, as Node's do, need hundreds, and the last quarter is for sources that hold few. Behind a reverse
// proxy many clients are one source, so trusted proxies count in all alone; loopback addresses are sources like others.
func (p proxies) newConnections(all int) *connlimit.Limiter {
	return connlimit.New(connlimit.Config{All: all, PerSource: all / 2, Proxy: p.trust})
}

// limited bounds the connections of an HTTP port, or of the control socket. In clear text a client that is one too many
// reads why; over TLS it
// would have to shake hands first, and is closed.
func limited(l net.Listener, by *connlimit.Limiter, clear bool, log *slog.Logger) net.Listener {
	var last atomic.Int64
	return by.Listen(l, func(c net.Conn, bound connlimit.Bound) {
		if now := time.Now().Unix(); now-last.Load() >= 60 {
			last.Store(now)
			log.Warn("HTTP connections are refused: there are too many. "+
				"A reverse proxy that trusted-proxy names is exempt from the bounds of one source.",
				"bound", bound.String(), "source", origin.Text(connlimit.AddrOf(c.RemoteAddr())), "open", by.Stats().Open)
		}
		if clear {
			c.Write(tooManyConnections(bound)) //nolint:errcheck,gosec // a courtesy
		}
	})
}

// tooManyConnections is the answer to a connection that is one too many.
func tooManyConnections(by connlimit.Bound) []byte {
	reason := "This server has as many connections as it can take; try again later."
	if by != connlimit.Total {
		reason = "There are too many connections from your address; close some, or use those that are open for several requests."
	}
	body := fmt.Sprintf(`{"ErrorInfo":"","ErrorMessage":%q,"StatusCode":%d}`, reason, http.StatusServiceUnavailable)
	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Retry-After: 5\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s", len(body), body)
}

// limits are the numbers of connections by HTTP, and of the memory of bodies.
func (c *collector) limits(e emitter) {
	n := c.s.connections.Stats()
	e.gauge("http_connections", "Open connections, all HTTP ports together.", float64(n.Open))
	e.gauge("http_connections_limit", "Limit of HTTP connections.", float64(n.All))
	e.gauge("http_sources", "Sources (an IPv4 address or an IPv6 /64) that hold open HTTP connections.", float64(n.Sources))
	for _, by := range connlimit.Refusals() {
		e.count("http_connections_refused_total", "Refused HTTP connections, by limit.", float64(n.Refused[by]), "bound", by.String())
	}
	b := c.s.budget.Stats()
	e.gauge("bodies_bytes", "Memory reserved for incoming mails and requests, HTTP and SMTP together.", float64(b.Used))
	e.gauge("bodies_limit_bytes", "Limit of bodies_bytes.", float64(b.Bytes))
	e.gauge("bodies_waiting", "Incoming bodies that are waiting for memory.", float64(b.Waiting))
	e.count("bodies_waited_total", "Incoming bodies that had to wait for memory.", float64(b.Waited))
	e.count("bodies_refused_total", "Incoming bodies that were refused because no memory became free in time.", float64(b.Refused))
}
