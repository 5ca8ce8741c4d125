// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/test/corpus"
	testport "postern/test/port"
	"postern/test/postfix"
)

// Mail servers that send all their mail through Postern, with SASL over STARTTLS.
func TestRelays(t *testing.T) {
	m := prepare(t)
	text := strings.Replace(allText(), strings.Repeat("über ", 200), "", 1) // Postfix and Exim have their own minds about longer lines
	if err := os.WriteFile(m.file("relayed.eml"), m.raw(text), 0o600); err != nil {
		t.Fatal(err)
	}
	through := func(t *testing.T, name, addr string, log func() string) {
		t.Helper()
		args := []string{
			"-sS", "--url", "smtp://" + addr + "/client.example", "--mail-from", "a@example.com", "--upload-file",
			m.file("relayed.eml"),
		}
		for i := 2; i <= 4; i++ {
			args = append(args, "--mail-rcpt", fmt.Sprintf("%s-%d@example.net", name, i))
		}
		m.run(t, need(t, "curl"), args...)
		defer func() {
			if t.Failed() {
				t.Log(log())
			}
		}()
		for i := 2; i <= 4; i++ { // each server has its way to put recipients together
			if err := corpus.Same(m.raw(text), m.to(t, fmt.Sprintf("%s-%d", name, i)).Raw); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	t.Run("postfix", func(t *testing.T) {
		t.Parallel()
		if err := postfix.Available(); err != nil {
			missing(t, err.Error())
		}
		p, err := postfix.Start(t.Context(), postfix.Config{
			Dir: filepath.Join(t.TempDir(), "postfix"), Relay: m.SMTP, User: m.APIKey, Password: m.SecretKey,
			Main: []string{"smtp_tls_security_level = encrypt"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Stop() //nolint:errcheck // the test is over
		through(t, "postfix", p.Addr, p.Log)
	})
	t.Run("exim", func(t *testing.T) {
		t.Parallel()
		r := m.relay(t, "exim4-daemon-light", "usr/sbin/exim4")
		r.write(t, "exim.conf", 0o644, `primary_hostname = exim.example
exim_path = PROGRAM
daemon_smtp_ports = PORT
local_interfaces = 127.0.0.1
spool_directory = DIR/spool
log_file_path = DIR/%slog
pid_file_path =
keep_environment =
acl_smtp_rcpt = accept
acl_smtp_data = accept
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
accept_8bitmime = true
begin routers
out:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1::RELAYPORT byname
  self = send
begin transports
out:
  driver = smtp
  hosts_require_auth = *
  hosts_require_tls = *
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^APIKEY^SECRET
`)
		r.start(t, "-C", r.path("exim.conf"), "-bdf", "-q1m")
		through(t, "exim", r.addr, r.log)
	})
	t.Run("opensmtpd", func(t *testing.T) {
		t.Parallel()
		r := m.relay(t, "opensmtpd", "usr/sbin/smtpd")
		r.write(t, "secrets", 0o600, "relay APIKEY:SECRET\n")
		r.write(t, "smtpd.conf", 0o600, `table secrets file:DIR/secrets
listen on 127.0.0.1 port PORT
action out relay host smtp+tls://relay@127.0.0.1:RELAYPORT auth <secrets> tls no-verify
match from any for any action out
`)
		r.start(t, "-d", "-f", r.path("smtpd.conf"))
		through(t, "opensmtpd", r.addr, r.log)
	})
}

// relay is a mail server that Debian does not let stand beside Postfix: it runs out of its unpacked package, in a mount
// namespace of its own, where its user and its queue are.
type relay struct {
	*material
	dir, pkg, program, addr string // program inside the namespace
}

// unpacked is where scripts/install-test-tools puts packages.
func unpacked() string {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "postern-tests")
}

func (m *material) relay(t *testing.T, pkg, program string) *relay {
	t.Helper()
	r := &relay{material: m, dir: t.TempDir(), pkg: filepath.Join(unpacked(), pkg), program: "/run/package/" + program}
	if _, err := os.Stat(filepath.Join(r.pkg, program)); err != nil {
		missing(t, pkg+" is not unpacked: run make test-tools")
	}
	if os.Geteuid() != 0 {
		missing(t, pkg+" needs root")
	}
	var err error
	if r.addr, err = testport.Address(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *relay) path(name string) string { return filepath.Join(r.dir, name) }

func (r *relay) log() string {
	out := ""
	for _, name := range []string{"out", "mainlog", "paniclog"} {
		b, _ := os.ReadFile(r.path(name))
		out += string(b)
	}
	return out
}

// write writes a file of configuration.
func (r *relay) write(t *testing.T, name string, mode os.FileMode, content string) {
	t.Helper()
	content = strings.NewReplacer("PROGRAM", r.program, "RELAYPORT", port(r.SMTP), "PORT", port(r.addr), "DIR", r.dir, "APIKEY", r.APIKey,
		"SECRET", r.SecretKey).Replace(content)
	if err := os.WriteFile(r.path(name), []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// namespace gives the program the users that it was made for, a queue, and a /run with its package, none of them seen
// outside.
const namespace = `set -e
dir=$1 package=$2; shift 2
for kind in passwd group; do cp /etc/$kind "$dir/$kind"; done
id=64901
for name in opensmtpd opensmtpq Debian-exim; do
  echo "$name:x:$id:$id::/nonexistent:/bin/false" >>"$dir/passwd"
  echo "$name:x:$id:" >>"$dir/group"
  id=$((id + 1))
done
mount --bind "$dir/passwd" /etc/passwd
mount --bind "$dir/group" /etc/group
mount -t tmpfs -o mode=755 none /var/spool
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none /var/lib
mkdir -p /var/lib/opensmtpd/empty /run/package "$dir/spool"
mount --bind "$package" /run/package
chown Debian-exim "$dir" "$dir/spool"
exec "$@"
`

func (r *relay) start(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespace can be made here: %s", out)
	}
	for dir := r.dir; dir != "/"; dir = filepath.Dir(dir) { // the server's user has to get there
		if err := os.Chmod(dir, 0o755|os.ModeSticky&mode(dir)|0o022&mode(dir).Perm()); err != nil {
			t.Fatal(err)
		}
	}
	out, err := os.Create(r.path("out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // the child has its own
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "unshare", append([]string{
		"-m", "--kill-child", "-f", "-p", "sh",
		"-c", namespace, "sh", r.dir, r.pkg, r.program,
	}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // with it its namespace of processes ends
		<-ended
	})
	deadline := time.Now().Add(time.Minute)
	for !greets(t.Context(), r.addr) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", r.program, err, r.log())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not greet\n%s", r.program, r.log())
		}
	}
}

func mode(path string) os.FileMode {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Mode()
}

func greets(ctx context.Context, addr string) bool {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()                                    //nolint:errcheck // it has answered
	c.SetReadDeadline(time.Now().Add(5 * time.Second)) //nolint:errcheck,gosec // then the read fails
	b := make([]byte, 3)
	n, err := c.Read(b)
	return (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) && string(b[:n]) == "220"
}
