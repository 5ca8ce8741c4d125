// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// child is this program, started again as a server, so that its processor time and memory are its own.
type child struct {
	addr string
	cmd  *exec.Cmd
	in   io.Closer
}

// startChild starts a server by its flag; it ends when it is stopped, or with this process.
func startChild(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &child{cmd: exec.Command(self, args...)} //nolint:gosec,noctx // this program; stop ends it
	t.cmd.Stderr = os.Stderr
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	t.addr = strings.TrimSpace(line)
	return t, err
}

func (t *child) stop() error {
	t.in.Close() //nolint:errcheck,gosec // the server waits for it
	return t.cmd.Wait()
}

// serveThrowaway is a server of github.com/emersion/go-smtp that takes any login and any mail, and throws the mail away:
// what SMTP alone costs with a library that many programs use. It prints its address and serves until its standard input
// ends.
func serveThrowaway() error {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
	if err != nil {
		return err
	}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return thrower{}, nil }))
	s.Domain, s.AllowInsecureAuth = "throwaway.example", true
	s.ReadTimeout, s.WriteTimeout = 5*time.Minute, 5*time.Minute
	s.ErrorLog = log.New(io.Discard, "", 0)
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck,gosec // its end is what is waited for
		s.Close()                     //nolint:errcheck,gosec // the process ends
	}()
	fmt.Println(l.Addr())
	if err := s.Serve(l); err != nil && err != smtp.ErrServerClosed { //nolint:errorlint // as the library returns it
		return err
	}
	return nil
}

// thrower is a session.
type thrower struct{}

func (thrower) AuthMechanisms() []string { return []string{sasl.Plain} }
func (thrower) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}
func (thrower) Mail(string, *smtp.MailOptions) error { return nil }
func (thrower) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (thrower) Reset()                               {}
func (thrower) Logout() error                        { return nil }
func (thrower) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
