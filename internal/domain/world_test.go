// SPDX-License-Identifier: Apache-2.0

package domain_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/internal/dns"
)

// nameServer is a real name server (Debian's nsd) with the zone test.
type nameServer struct {
	t      *testing.T
	addr   string
	zone   string // file
	serial int
	cmd    *exec.Cmd
	config string
}

// newNameServer starts one on a free port of loopback. Where nsd is missing the test is skipped aloud; CI has it.
func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	path := "/usr/sbin/nsd"
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nsd is missing: scripts/install-test-tools installs it")
		}
		t.Skip("nsd is missing: scripts/install-test-tools installs it")
	}
	dir := t.TempDir()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.LocalAddr().(*net.UDPAddr).Port //nolint:errcheck,forcetypeassert // it is UDP
	l.Close()                                 //nolint:errcheck // only its number was wanted
	s := &nameServer{t: t, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), zone: filepath.Join(dir, "zone"), config: filepath.Join(dir, "nsd.conf")}
	conf := fmt.Sprintf("server:\n  ip-address: 127.0.0.1@%d\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  zonesdir: %q\n  database: \"\"\n  pidfile: %q\n  xfrdfile: %q\n  zonelistfile: %q\n  logfile: %q\n  xfrdir: %q\nremote-control:\n  control-enable: no\nzone:\n  name: test\n  zonefile: %q\n",
		port, dir, filepath.Join(dir, "pid"), filepath.Join(dir, "xfrd"), filepath.Join(dir, "zonelist"), filepath.Join(dir, "log"), dir, s.zone)
	if err := os.WriteFile(s.config, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// publish makes the zone have these records, and nothing else.
func (s *nameServer) publish(records ...string) {
	s.t.Helper()
	s.serial++
	text := fmt.Sprintf("$ORIGIN test.\n$TTL 0\n@ IN SOA ns.test. root.test. %d 60 60 60 0\n@ IN NS ns.test.\nserial IN TXT \"%d\"\n%s\n", s.serial, s.serial, strings.Join(records, "\n"))
	if err := os.WriteFile(s.zone, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if s.cmd != nil {
		s.cmd.Process.Signal(syscall.SIGHUP) //nolint:errcheck,gosec // it reads its zones again
	} else {
		s.start()
	}
	r := dns.New(s.addr).Uncached()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(s.t.Context(), 200*time.Millisecond)
		got, _ := r.TXT(ctx, "serial.test") //nolint:errcheck // it is asked again
		cancel()
		if len(got) == 1 && got[0] == strconv.Itoa(s.serial) {
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(filepath.Dir(s.config), "log")) //nolint:errcheck // for the message
			s.t.Fatalf("nsd does not answer with its zone:\n%s", log)
		}
	}
}

func (s *nameServer) start() {
	s.t.Helper()
	s.cmd = exec.CommandContext(s.t.Context(), "/usr/sbin/nsd", "-d", "-c", s.config) //nolint:gosec // a fixed program
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the server: its names are not answered any more.
func (s *nameServer) stop() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck,gosec // it may have ended
	s.cmd.Wait()                          //nolint:errcheck,gosec // it was told to
	s.cmd = nil
}

// txtRecord is a TXT record as a zone file writes it: in strings of 255 bytes at most.
func txtRecord(name, value string) string {
	var parts []string
	for len(value) > 200 {
		parts = append(parts, strconv.Quote(value[:200]))
		value = value[200:]
	}
	return name + ". IN TXT " + strings.Join(append(parts, strconv.Quote(value)), " ")
}
