// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/server"
	"postern/internal/store"
)

// show makes a call and prints what it answers: as JSON, or by text.
func show[T any](
	c *config.Common, s *streams, asJSON bool, call func(context.Context, control.Calls) (T, error), text func(T) error,
) error {
	return operate(c, s, func(ctx context.Context, calls control.Calls) error {
		x, err := call(ctx, calls)
		switch {
		case err != nil:
			return err
		case asJSON:
			return s.printJSON(x)
		}
		return text(x)
	})
}

// operate gives fn the calls of the running server, or, when no server runs, those of the data directory, opened for the
// time of fn. A server that is starting or stopping is waited for.
func operate(c *config.Common, s *streams, fn func(context.Context, control.Calls) error) error {
	ctx := context.Background()
	log := quiet(c, s.err)
	deadline := time.Now().Add(5 * time.Second)
	for {
		path := server.SocketPath(c.Data)
		if answers(path) {
			return fn(ctx, control.Dial(path))
		}
		if c.Database == "" {
			if _, err := os.Stat(c.DSN()); errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("there is no Postern in %s: run postern init or postern serve there first, or name its directory "+
					"with --data", c.Data)
			}
		}
		core, err := server.Open(ctx, c, log)
		if errors.Is(err, store.ErrBusy) && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if errors.Is(err, store.ErrBusy) {
			return fmt.Errorf("%w; but it does not answer on %s: it is starting or stopping, or runs on another machine or in another "+
				"data directory, where this command has to be run", err, path)
		}
		if err != nil {
			return err
		}
		return errors.Join(fn(ctx, control.Local(server.Offline(c, core), log)), core.Close())
	}
}

// answers says whether a server listens on the socket.
func answers(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	conn.Close() //nolint:errcheck,gosec // only asked whether it answers
	return true
}

// quiet is a log of warnings: a command's own output says what it did.
func quiet(c *config.Common, w io.Writer) *slog.Logger {
	own := *c
	if own.LogLevel == "info" {
		own.LogLevel = "warn"
	}
	return logger(&own, w)
}
