// SPDX-License-Identifier: Apache-2.0

package smtpd

// Large is how many keys have large mails on their way in.
func (s *Server) Large() int {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return len(s.memory.byKey)
}
