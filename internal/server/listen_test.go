// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
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
