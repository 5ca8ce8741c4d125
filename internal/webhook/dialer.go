// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// errNotPublic is what is told of a host that leads into a network that is not public. The address is not named.
var errNotPublic = errors.New("the host's address is not a public one, and this server does not go into private networks")

// Dialer connects to what somebody else has named: to public addresses and the ports of web servers alone, whatever the
// name leads to at that moment, unless private allows all. A nil resolver is the machine's.
func Dialer(timeout time.Duration, resolver *net.Resolver, private bool) *net.Dialer {
	d := &net.Dialer{Timeout: timeout, Resolver: resolver}
	if !private {
		d.Control = func(network, address string, c syscall.RawConn) error {
			if control(network, address, c) != nil {
				return errNotPublic
			}
			return nil
		}
	}
	return d
}

// Why says in words for an account's people what went wrong with a request, without what only an operator should see.
func Why(err error) string { return why(err) }
