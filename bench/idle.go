// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"postern/internal/config"
	"postern/internal/server"
	"postern/internal/smtpd"
	"postern/test/program"
)

// idleSessions is how many sessions log in and then say nothing.
const idleSessions = 10_000

// idle measures what a session costs in memory that has logged in and waits. The program itself bounds the connections of
// one server below that, so the bench starts itself again with the same parts and other bounds.
func (b *bench) idle() error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	n := min(idleSessions, int(files.Max)-200) //nolint:gosec // some thousands
	return b.within(func(s *scope) error {
		p := program.New(s, b.database)
		c, err := startChild("-serve-idle", p.Data)
		if err != nil {
			return err
		}
		defer c.stop() //nolint:errcheck // it was measured
		warm, err := logins(c.addr, p, 0, 100)
		defer closeAll(warm)
		if err != nil {
			return err
		}
		before := residentOf(c.cmd.Process.Pid)
		open, err := logins(c.addr, p, len(warm), n)
		defer closeAll(open)
		if err != nil {
			return err
		}
		after := residentOf(c.cmd.Process.Pid)
		fmt.Println("SMTP sessions that have logged in and wait")
		each := float64(after-before) / float64(n) / 1024
		table("sessions|resident before|resident with them|a session", [][]string{{
			fmt.Sprint(n), fmt.Sprintf("%d MiB", before>>20), fmt.Sprintf("%d MiB", after>>20), fmt.Sprintf("%.1f KiB", each),
		}})
		return nil
	})
}

// serveIdle serves SMTP from a data directory with room for all the sessions, and prints its address.
func serveIdle(data string) error {
	defer server.TuneMemory(os.Getenv)()
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	core, err := server.Open(ctx, &config.Common{Data: data}, log)
	if err != nil {
		return err
	}
	defer core.Close() //nolint:errcheck // nothing was written
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	limits := smtpd.Limits{Connections: 4 * idleSessions}
	s := smtpd.New(smtpd.Config{Gate: core.Gate, Submit: core.Submit, Hostname: "bench.example", Log: log, Limits: limits, Refusals: core.Refusals})
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck,gosec // its end is what is waited for
		os.Exit(0)
	}()
	fmt.Println(l.Addr())
	return s.Serve(l)
}

// logins opens n sessions and logs them in, some at a time.
func logins(addr string, p *program.Server, first, n int) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				c, err := login(addr, p, first+i)
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				conns[i] = c
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return conns, *err
	}
	return conns, nil
}

func login(addr string, p *program.Server, number int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: source(number)}
	c, err := d.Dial("tcp", addr) //nolint:noctx // loopback
	if err != nil {
		return nil, err
	}
	token := base64.StdEncoding.EncodeToString([]byte("\x00" + p.APIKey + "\x00" + p.SecretKey))
	r := bufio.NewReaderSize(c, 1024)
	err = expect(r, "220")
	for _, step := range [][2]string{{"EHLO bench.example", "250"}, {"AUTH PLAIN " + token, "235"}} {
		if err == nil {
			_, err = io.Copy(c, strings.NewReader(step[0]+"\r\n"))
		}
		if err == nil {
			err = expect(r, step[1])
		}
	}
	if err != nil {
		c.Close() //nolint:errcheck,gosec // it is of no use
		return nil, err
	}
	return c, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		if c != nil {
			c.Close() //nolint:errcheck,gosec // it was measured
		}
	}
}
