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

// ConnectionsEach is connectionsEach.
var ConnectionsEach = connectionsEach
