// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"postern/internal/store"
	"postern/test/program"
)

// scope lets the fixtures of the tests, which speak to a testing.TB, serve outside of a test. What they would fail
// with becomes a panic that measure turns into an error.
type scope struct {
	testing.TB
	ctx   context.Context
	dir   string
	n     int
	clean []func()
}

type failed string

func (s *scope) Helper()                         {}
func (s *scope) Context() context.Context        { return s.ctx }
func (s *scope) Cleanup(f func())                { s.clean = append(s.clean, f) }
func (s *scope) Fatal(args ...any)               { panic(failed(fmt.Sprint(args...))) }
func (s *scope) Fatalf(f string, args ...any)    { panic(failed(fmt.Sprintf(f, args...))) }
func (s *scope) Errorf(f string, args ...any)    { fmt.Fprintf(os.Stderr, f+"\n", args...) }
func (s *scope) Error(args ...any)               { fmt.Fprintln(os.Stderr, args...) }
func (s *scope) Log(args ...any)                 {}
func (s *scope) Logf(format string, args ...any) {}

func (s *scope) TempDir() string {
	s.n++
	d := filepath.Join(s.dir, fmt.Sprint("t", s.n))
	if err := os.MkdirAll(d, 0o700); err != nil {
		s.Fatal(err)
	}
	return d
}

// within runs fn in a folder of its own on the disk of the current directory, and cleans up after it.
func (b *bench) within(fn func(s *scope) error) (err error) {
	dir, err := os.MkdirTemp(".", ".bench-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	s := &scope{ctx: b.ctx, dir: dir}
	defer func() {
		for i := len(s.clean) - 1; i >= 0; i-- {
			s.clean[i]()
		}
		os.RemoveAll(dir) //nolint:errcheck,gosec // a leftover can be seen
		if r := recover(); r != nil {
			f, ok := r.(failed)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s", string(f))
		}
	}()
	return fn(s)
}

// start serves on an empty store with a sender, and with the given arguments.
func (b *bench) start(s *scope, args ...string) *program.Server {
	return b.startOf(s, "", args...)
}

// startOf is start for another build of the program.
func (b *bench) startOf(s *scope, path string, args ...string) *program.Server {
	if path == "" {
		path = program.Build(s)
	}
	p := program.NewOf(s, path, b.database, args...)
	p.Command(s, "sender", "add", "*@example.com")
	p.Start(s)
	return p
}

// held stops the server and counts the messages that its store holds.
func (b *bench) held(s *scope, p *program.Server) (int, error) {
	if err := p.Stop(s); err != nil {
		return 0, fmt.Errorf("the server ended badly: %w\n%s", err, p.Tail())
	}
	dsn := b.database
	if dsn == "" {
		dsn = filepath.Join(p.Data, "postern.db")
	}
	st, err := store.Open(b.ctx, dsn, store.Options{})
	if err != nil {
		return 0, err
	}
	defer st.Close() //nolint:errcheck // only read
	return st.CountMessages(b.ctx, store.OfOperator(), store.MessageFilter{})
}
