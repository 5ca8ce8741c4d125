// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"postern/internal/config"
)

// listeners are the open ports; one that is off is nil.
type listeners struct {
	http, https, smtp, smtps, control net.Listener
}

func (l *listeners) all() []net.Listener {
	var out []net.Listener
	for _, x := range []net.Listener{l.http, l.https, l.smtp, l.smtps, l.control} {
		if x != nil {
			out = append(out, x)
		}
	}
	return out
}

func (l *listeners) close() error {
	var errs []error
	for _, x := range l.all() {
		if err := x.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// listenAll opens all ports or none.
func listenAll(c *config.Common, s *config.Serve) (*listeners, error) {
	l := &listeners{}
	for _, x := range []struct {
		setting, address string
		to               *net.Listener
	}{{"http", c.HTTP, &l.http}, {"https", c.HTTPS, &l.https}, {"smtp", s.SMTP, &l.smtp}, {"smtps", s.SMTPS, &l.smtps}} {
		if config.Off(x.address) {
			continue
		}
		var err error
		if *x.to, err = listen(x.setting, x.address); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	var err error
	if l.control, err = listenControl(c.Data); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// networkOf is where an address is listened on. An IPv4 address means IPv4 alone: by "tcp", 0.0.0.0 is IPv6 too, past a
// firewall's rules for the one.
func networkOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if ip, bad := netip.ParseAddr(host); err == nil && bad == nil && ip.Is4() {
		return "tcp4"
	}
	return "tcp"
}

func listen(setting, address string) (net.Listener, error) {
	l, err := net.Listen(networkOf(address), address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &config.Error{Setting: setting, Reason: address + " is in use by another program; stop it, or choose another " +
			"address", Err: err}
	case errors.Is(err, syscall.EACCES):
		return nil, &config.Error{Setting: setting, Reason: address + ": this user may not listen on a port below 1024; give the " +
			"program CAP_NET_BIND_SERVICE, or choose another port", Err: err}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, &config.Error{Setting: setting, Reason: address + " is not an address of this machine", Err: err}
	}
	return nil, &config.Error{Setting: setting, Reason: err.Error(), Err: err}
}

// maxSocketPath is what the kernel takes (sun_path of 108 bytes with its zero).
const maxSocketPath = 107

// listenControl opens the control socket. The store's lock is held: a socket that nobody answers on is a dead
// server's and is removed. One that is answered is another store's server with the same data directory.
func listenControl(data string) (net.Listener, error) {
	path := SocketPath(data)
	if len(path) > maxSocketPath {
		return nil, &config.Error{Setting: "data", Reason: fmt.Sprintf("the path of the control socket, %s, has %d bytes, and a "+
			"socket's can have %d; choose a shorter directory, or a relative one", path, len(path), maxSocketPath)}
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close() //nolint:errcheck,gosec // only asked whether it answers
		return nil, &config.Error{Setting: "data", Reason: data + " is in use by a running server with another database"}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, &config.Error{Setting: "data", Reason: err.Error(), Err: err}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, &config.Error{Setting: "data", Reason: err.Error(), Err: err}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(&config.Error{Setting: "data", Reason: err.Error(), Err: err}, l.Close())
	}
	return l, nil
}
