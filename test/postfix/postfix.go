// SPDX-License-Identifier: Apache-2.0

// Package postfix runs Debian's Postfix for tests and benchmarks: an instance of its own in a temporary folder, on a
// free loopback port, started without its control scripts and stopped by process id. It needs root, as Postfix does.
package postfix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postern/test/port"
)

const daemons = "/usr/lib/postfix/sbin"

// Available says why Postfix cannot be run here, or nil.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("postfix needs root")
	}
	_, err := os.Stat(filepath.Join(daemons, "master"))
	return err
}

// Config of an instance.
type Config struct {
	Dir string // an empty folder for queue and configuration, on the disk that is meant
	// Relay is where all mail goes, "host:port" with User and Password by SASL; "" keeps all mail in the queue.
	Relay, User, Password string
	// BySender are the credentials of single senders, which come before User's.
	BySender  map[string]Login
	Processes int // smtpd processes at most; 100
	// Main and Master are more lines of main.cf, which come before these, and of master.cf.
	Main, Master []string
}

// Login is what Postfix shows a relay.
type Login struct{ User, Password string }

// Instance is a running Postfix.
type Instance struct {
	Addr string // where it takes mail
	dir  string
	cmd  *exec.Cmd
	done chan error
}

// Start runs an instance until Stop.
func Start(ctx context.Context, c Config) (*Instance, error) {
	addr, err := port.Address()
	if err != nil {
		return nil, err
	}
	if c.Processes == 0 {
		c.Processes = 100
	}
	p := &Instance{Addr: addr, dir: c.Dir, done: make(chan error, 1)}
	if err := p.prepare(ctx, c); err != nil {
		return nil, fmt.Errorf("postfix: %w", err)
	}
	p.cmd = exec.Command(filepath.Join(daemons, "master"), "-c", p.conf(), "-d") //nolint:gosec,noctx // Stop ends it
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	log, err := os.Create(filepath.Join(c.Dir, "master.out"))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, p.wait(ctx)
}

// PID is the process ID of the instance's master, which leads a session of its own with all its processes.
func (p *Instance) PID() int { return p.cmd.Process.Pid }

func (p *Instance) conf() string { return filepath.Join(p.dir, "etc") }

// Log is what the instance logged.
func (p *Instance) Log() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "log", "maillog"))
	out, _ := os.ReadFile(filepath.Join(p.dir, "master.out"))
	return string(out) + string(b)
}

func (p *Instance) prepare(ctx context.Context, c Config) error {
	account, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(account.Uid)
	// Everything above the queue must let the user postfix through.
	for _, d := range []string{c.Dir, p.conf(), filepath.Join(c.Dir, "queue"), filepath.Join(c.Dir, "data"), filepath.Join(c.Dir,
		"log")} {
		if err := os.MkdirAll(d, 0o755); err != nil { //nolint:gosec // see above
			return err
		}
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // see above
			return err
		}
	}
	for _, d := range []string{"data", "log"} {
		if err := os.Chown(filepath.Join(c.Dir, d), uid, -1); err != nil {
			return err
		}
	}
	for dir := filepath.Dir(c.Dir); dir != "/"; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil && st.Mode().Perm()&0o001 == 0 {
			if err := os.Chmod(dir, st.Mode().Perm()|0o011); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(p.conf(), "main.cf"), []byte(p.mainCF(c)),
		0o644); err != nil { //nolint:gosec // Postfix reads it as other users
		return err
	}
	if err := os.WriteFile(filepath.Join(p.conf(), "master.cf"), []byte(p.masterCF(c)), 0o644); err != nil { //nolint:gosec // as above
		return err
	}
	if err := p.writeLogins(c); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(daemons, "post-install"), "create-missing", "config_directory="+p.conf(),
		"daemon_directory="+daemons, "queue_directory="+filepath.Join(c.Dir, "queue"), //nolint:gosec // test fixture
		"command_directory=/usr/sbin", "data_directory="+filepath.Join(c.Dir, "data"), "mail_owner=postfix", "setgid_group=postdrop",
		"sendmail_path=/usr/sbin/sendmail", "mailq_path=/usr/bin/mailq", "newaliases_path=/usr/bin/newaliases",
		"manpage_directory=/usr/share/man", "html_directory=no", "readme_directory=no", "meta_directory=/etc/postfix",
		"shlib_directory=/usr/lib/postfix").CombinedOutput()
	if err != nil {
		return fmt.Errorf("post-install: %w: %s", err, out)
	}
	return nil
}

// writeLogins writes the maps of credentials and, for senders with their own, of relays.
func (p *Instance) writeLogins(c Config) error {
	relay := "[" + host(c.Relay) + "]:" + portOf(c.Relay)
	logins, relays := "", ""
	for sender, l := range c.BySender {
		logins += sender + " " + l.User + ":" + l.Password + "\n"
		relays += sender + " " + relay + "\n"
	}
	if c.User != "" {
		logins += relay + " " + c.User + ":" + c.Password + "\n"
	}
	if err := os.WriteFile(filepath.Join(p.conf(), "sasl_passwd"), []byte(logins), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.conf(), "sender_relay"), []byte(relays), 0o644) //nolint:gosec // Postfix reads it as other users
}

func host(addr string) string   { h, _, _ := net.SplitHostPort(addr); return h }
func portOf(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }

func (p *Instance) mainCF(c Config) string {
	lines := []string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(c.Dir, "queue"),
		"data_directory = " + filepath.Join(c.Dir, "data"),
		"daemon_directory = " + daemons,
		"maillog_file = " + filepath.Join(c.Dir, "log", "maillog"),
		"maillog_file_prefixes = /",
		"myhostname = postfix.example",
		"mydestination =",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"mynetworks = 127.0.0.0/8",
		"smtpd_relay_restrictions = permit_mynetworks, reject",
		"smtpd_client_connection_rate_limit = 0",
		"smtpd_client_connection_count_limit = 0",
		"smtpd_client_message_rate_limit = 0",
		"smtpd_error_sleep_time = 0",
		"default_process_limit = " + strconv.Itoa(c.Processes),
		"alias_maps =",
		"alias_database =",
		"local_recipient_maps =",
		"biff = no",
		"smtpd_peername_lookup = no",
		"smtp_host_lookup = native",
		"message_size_limit = 0",
		"mailbox_size_limit = 0",
	}
	if c.Relay == "" {
		lines = append(lines, "smtpd_recipient_restrictions = static:HOLD, permit_mynetworks", "relayhost =")
	} else {
		lines = append(lines, "relayhost = ["+host(c.Relay)+"]:"+portOf(c.Relay))
	}
	if len(c.BySender) > 0 {
		lines = append(lines, "smtp_sender_dependent_authentication = yes",
			"sender_dependent_relayhost_maps = texthash:"+filepath.Join(p.conf(), "sender_relay"))
	}
	if c.User != "" || len(c.BySender) > 0 {
		lines = append(lines, "smtp_sasl_auth_enable = yes", "smtp_sasl_password_maps = texthash:"+filepath.Join(p.conf(), "sasl_passwd"),
			"smtp_sasl_security_options = noanonymous", "smtp_tls_security_level = may")
	}
	return strings.Join(append(lines, c.Main...), "\n") + "\n"
}

func (p *Instance) masterCF(c Config) string {
	return fmt.Sprintf(`%s inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`, p.Addr) + strings.Join(append(c.Master, ""), "\n")
}

// wait returns when the instance greets.
func (p *Instance) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if p.greets(ctx) {
			return nil
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("postfix ended: %w\n%s", err, p.Log())
		case <-ctx.Done():
			return fmt.Errorf("postfix does not greet\n%s", p.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *Instance) greets(ctx context.Context) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.Addr)
	if err != nil {
		return false
	}
	defer c.Close()                                    //nolint:errcheck // it has answered
	c.SetReadDeadline(time.Now().Add(2 * time.Second)) //nolint:errcheck,gosec // then the read fails
	b := make([]byte, 3)
	n, _ := c.Read(b)
	return string(b[:n]) == "220"
}

// Queued counts the messages in the queue's folders.
func (p *Instance) Queued() (int, error) {
	n := 0
	for _, q := range []string{"incoming", "active", "deferred", "hold"} {
		err := filepath.WalkDir(filepath.Join(p.dir, "queue", q), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
			}
			if errors.Is(err, os.ErrNotExist) {
				return nil // moved on meanwhile
			}
			return err
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Stop ends the instance and all its processes.
func (p *Instance) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it is what there is
		<-p.done
	}
	return nil
}
