// SPDX-License-Identifier: Apache-2.0

package server

import "net"

// Listening are the addresses of a server's ports.
func Listening(s *Server) (http, https, smtps string) {
	at := func(l net.Listener) string {
		if l == nil {
			return ""
		}
		return l.Addr().String()
	}
	return at(s.listeners.http), at(s.listeners.https), at(s.listeners.smtps)
}

// CloseUnused closes what New opened, of a server that is not run.
func (s *Server) CloseUnused() error { return s.close() }

// Shares are how many connections each port may have, the command line, mail on its way out and webhooks.
func Shares(descriptors uint64, ports int) [4]int {
	s := sharesOf(descriptors, ports)
	return [4]int{s.each, s.control, s.attempts, s.calls}
}
