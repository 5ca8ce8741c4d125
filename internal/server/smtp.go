// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"net"
	"time"

	"postern/internal/smtpd"
)

// smtpDoor is one SMTP port.
type smtpDoor struct {
	name     string
	server   *smtpd.Server
	listener net.Listener
}

// smtpDoors makes the SMTP servers of the ports that are open, each with so many connections at most.
func (s *Server) smtpDoors(connections int) []smtpDoor {
	var out []smtpDoor
	add := func(name string, l net.Listener, implicit bool) {
		if l == nil {
			return
		}
		out = append(out, smtpDoor{name, smtpd.New(smtpd.Config{
			Gate: s.core.Gate, Submit: s.core.Submit, Hostname: s.hostname, TLS: s.cert.config(), Implicit: implicit,
			Limits: smtpd.Limits{Connections: connections}, Budget: s.budget, Refusals: s.core.Refusals, Log: s.log.With("part", name),
		}), l})
	}
	add("smtp", s.listeners.smtp, false)
	add("smtps", s.listeners.smtps, true)
	return out
}

// serve takes mail until ctx ends, then lets the transactions under way end within grace.
func (d smtpDoor) serve(ctx context.Context, grace time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- d.server.Serve(d.listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := d.server.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // broken off: what was not answered was not promised
	}
	d.listener.Close() //nolint:errcheck,gosec // closed already, but where Shutdown came before Serve had begun
	<-ended            //nolint:errcheck // it was made to end
	return err
}
