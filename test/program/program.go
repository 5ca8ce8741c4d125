// SPDX-License-Identifier: Apache-2.0

// Package program runs the real postern for end-to-end tests: built once per test process, started on free ports and
// an empty data directory, stopped by process id.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/test/port"
)

var build struct {
	once sync.Once
	path string
	err  error
}

// Build compiles the program and returns its path. POSTERN_PROGRAM names one that is built already.
func Build(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		if build.path = os.Getenv("POSTERN_PROGRAM"); build.path != "" {
			return
		}
		dir, err := os.MkdirTemp("", "postern-test-")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "postern")
		out, err := exec.Command("go", "build", "-o", build.path, "postern").CombinedOutput()
		if err != nil {
			build.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// Server is one data directory and the program serving it.
type Server struct {
	Data, Database string
	HTTP, SMTP     string // addresses
	Email          string
	APIKey         string
	SecretKey      string
	SignInURL      string
	Args           []string // more arguments of serve
	Log            string   // path of the log
	Files          int      // that the process may open; 0: as many as this one

	program string
	cmd     *exec.Cmd
	done    chan error
}

// New prepares a data directory with `postern init`. database is "" for SQLite in it, or a PostgreSQL URL.
func New(t testing.TB, database string, args ...string) *Server {
	t.Helper()
	return NewOf(t, Build(t), database, args...)
}

// NewOf is New for the program at path, which may be another build.
func NewOf(t testing.TB, path, database string, args ...string) *Server {
	t.Helper()
	s := &Server{Data: t.TempDir(), Database: database, HTTP: FreeAddress(t), SMTP: FreeAddress(t), Args: args, program: path}
	s.Log = filepath.Join(s.Data, "serve.log")
	out := s.Command(t, "init", "--json", "--base-url", "http://"+s.HTTP)
	var printed struct{ Email, APIKey, SecretKey, SignInURL string }
	if err := json.Unmarshal(out, &printed); err != nil {
		t.Fatalf("init --json printed %q: %v", out, err)
	}
	s.Email, s.APIKey, s.SecretKey, s.SignInURL = printed.Email, printed.APIKey, printed.SecretKey, printed.SignInURL
	return s
}

// FreeAddress is a loopback address with a port on which nothing listens, and which no other test gets.
func FreeAddress(t testing.TB) string {
	t.Helper()
	a, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Command runs another command of the program on the data directory and returns what it printed.
func (s *Server) Command(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.program, args...)
	cmd.Env = s.env()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("postern %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return out
}

func (s *Server) env() []string {
	env := append(os.Environ(), "POSTERN_DATA="+s.Data)
	if s.Database != "" {
		env = append(env, "POSTERN_DATABASE="+s.Database)
	}
	return env
}

// Start serves, and returns when every part is ready. The server is killed when the test ends.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the child has its own
	args := append([]string{"serve", "--http", s.HTTP, "--smtp", s.SMTP, "--log-format", "json"}, s.Args...)
	if s.cmd = exec.Command(s.program, args...); s.Files > 0 {
		s.cmd = exec.Command("/bin/sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, s.Files), s.program}, args...)...)
	}
	s.cmd.Env = s.env()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(s.cmd, s.done)
	t.Cleanup(s.Kill)
	if err := s.ready(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, s.Tail())
	}
}

// PID is the process ID of the running server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// ready waits until /healthz says that every part is.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.HTTP+"/healthz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close() //nolint:errcheck // the status is all
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.done:
			s.done <- err
			return fmt.Errorf("the server ended before it was ready: %w", err)
		case <-ctx.Done():
			return errors.New("the server was not ready in a minute")
		case <-tick.C:
		}
	}
}

// Kill ends the server with SIGKILL, as a crash would.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill() //nolint:errcheck // it may have ended by itself
	<-s.done
	s.cmd = nil
}

// Stop ends the server with SIGTERM and returns what it exited with.
func (s *Server) Stop(t testing.TB) error {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := <-s.done
	s.cmd = nil
	return err
}

// Tail is the end of the server's log.
func (s *Server) Tail() string {
	b, err := os.ReadFile(s.Log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}

// Answer is an API answer.
type Answer struct {
	Status int
	Body   []byte
}

// Call makes an API request with the server's key.
func (s *Server) Call(ctx context.Context, method, path string, body any) (Answer, error) {
	return s.CallAs(ctx, s.APIKey, s.SecretKey, method, path, body)
}

// CallAs makes an API request with the given key and secret.
func (s *Server) CallAs(ctx context.Context, key, secret, method, path string, body any) (Answer, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.HTTP+path, r)
	if err != nil {
		return Answer{}, err
	}
	req.SetBasicAuth(key, secret)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	b, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, b}, err
}
