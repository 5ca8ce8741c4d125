// SPDX-License-Identifier: Apache-2.0

package smtpd

// Committing is how many sessions are committing a mail.
func (s *Server) Committing() int { return s.count(func(c *conn) bool { return c.committing }) }

// InMail is how many sessions are inside a mail.
func (s *Server) InMail() int { return s.count(func(c *conn) bool { return c.inMail }) }

func (s *Server) count(is func(*conn) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		if is(c) {
			n++
		}
		c.mu.Unlock()
	}
	return n
}
