// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"postern/internal/config"
	"postern/internal/dns"
)

func TestControlSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := listenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	info, err := os.Stat(SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v: others could change keys", info.Mode().Perm())
	}
	var e *config.Error
	if _, err := listenControl(dir); !errors.As(err, &e) || e.Setting != "data" {
		t.Errorf("a second server took the socket of the first: %v", err)
	}
	if _, err := listenControl(strings.Repeat("a", 100)); !errors.As(err, &e) || !strings.Contains(e.Reason, "107") {
		t.Errorf("a path that is too long: %v", err)
	}
}

func TestRouteReasonHasNoPassword(t *testing.T) {
	for _, route := range []string{"smtp://user:hunter2@", "smtp://user:hun ter2@host", "smtp://user:hunter2%zz@host", "smtps://u:hunter2@host/x", "imap://u:hunter2@host", "smtp://u:hunter2@host:587?tls=perhaps"} {
		_, _, err := newCourier(route, "h", nil, dns.New(""))
		var e *config.Error
		if !errors.As(err, &e) || e.Setting != "route" {
			t.Errorf("%s: %v", route, err)
			continue
		}
		if strings.Contains(err.Error(), "ter2") {
			t.Errorf("%v says the password", err)
		}
	}
}

// An IPv4 address is IPv4 alone, at each of the four doors: whoever wrote it has rules for no other.
func TestListensWhereItIsSaid(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("there is no IPv6 here: ", err)
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listenAll(&config.Common{Data: t.TempDir(), HTTP: "0.0.0.0:0", HTTPS: "0.0.0.0:0"}, &config.Serve{SMTP: "0.0.0.0:0", SMTPS: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close() //nolint:errcheck // the test is over
	both, err := listen("http", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close() //nolint:errcheck // the test is over
	for name, x := range map[string]struct {
		net.Listener
		six bool
	}{"http": {l.http, false}, "https": {l.https, false}, "smtp": {l.smtp, false}, "smtps": {l.smtps, false}, "no host": {both, true}} {
		_, port, err := net.SplitHostPort(x.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range map[string]bool{"127.0.0.1": true, "::1": x.six} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if (err == nil) != want {
				t.Errorf("%s: %s answers: %v, want %v", name, host, err == nil, want)
			}
			if err == nil {
				c.Close() //nolint:errcheck // only asked whether it answers
			}
		}
	}
}
