// SPDX-License-Identifier: Apache-2.0

package server

import (
	"log/slog"
	"net"
	"syscall"
)

const (
	// mostConnections is how many connections there are at a time, at each SMTP port and at the HTTP ports together.
	mostConnections = 1000
	mostControl     = 64  // connections of the command line
	mostAttempts    = 64  // of mail on its way out, at a time
	mostCalls       = 512 // of webhooks, at a time

	// leastKept are descriptors that no connection from outside has: for the database, the listeners, the log, and what
	// goes out.
	leastKept = 40
	// ownFiles of these are for the database, the listeners and the log.
	ownFiles = 28
)

// shares are how many connections of each kind there may be at a time, so that none takes the file descriptors that others
// need: not one entry point those of another, nor all together those of the database.
type shares struct {
	each     int // port, both HTTP ports being one
	control  int
	attempts int
	calls    int
}

// sharesOf shares out the descriptors that the process may open: a quarter is kept from connections that others make.
func sharesOf(descriptors uint64, ports int) shares {
	n := int(min(descriptors, 1<<20))
	kept := max(leastKept, n/4)
	s := shares{control: within(4, (n-kept)/20, mostControl)}
	s.each = within(4, (n-kept-s.control)/ports, mostConnections)
	s.attempts = within(2, (kept-ownFiles)/2, mostAttempts)
	s.calls = within(2, kept-ownFiles-s.attempts, mostCalls)
	return s
}

func within(least, n, most int) int { return max(least, min(n, most)) }

// tell logs that there is less than there could be.
func (s shares) tell(descriptors uint64, log *slog.Logger) {
	if s.each < mostConnections || s.attempts < mostAttempts || s.calls < mostCalls {
		log.Warn("there are fewer connections than there could be: this process may open few files; raise their limit (LimitNOFILE)",
			"files", descriptors, "connections_of_each_port", s.each, "of_the_command_line", s.control, "attempts", s.attempts,
			"webhooks", s.calls)
	}
}

// ports is how many there are that have connections of their own: both HTTP ports are one.
func (l *listeners) ports() int {
	n := 1
	for _, x := range []net.Listener{l.smtp, l.smtps} {
		if x != nil {
			n++
		}
	}
	return n
}

// descriptors is how many files and sockets the process may have open. Go has raised the soft limit at the start.
func descriptors() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	return l.Cur
}
