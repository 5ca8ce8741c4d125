// SPDX-License-Identifier: Apache-2.0

// Command cluster runs a command with a temporary PostgreSQL server for its tests: one server for all the processes
// of a `go test ./...`. Where PostgreSQL is not installed the command runs without it, and its tests skip aloud; in CI
// that is an error.
//
//	go run ./internal/store/storetest/cluster go test ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"postern/internal/store/storetest"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: cluster COMMAND [ARGUMENT ...]")
		return 2
	}
	// An interrupted run goes on to Stop, which removes the files.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // it is what we are for
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	c, err := storetest.StartCluster(ctx)
	switch {
	case errors.Is(err, storetest.ErrNotInstalled) && os.Getenv("CI") != "true":
		fmt.Fprintln(os.Stderr, "cluster: PostgreSQL:", err, "- its tests are skipped")
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		return 1
	default:
		defer c.Stop() //nolint:errcheck // it ends with us anyway
		cmd.Env = append(os.Environ(), storetest.ClusterURL+"="+c.URL)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		return 1
	}
	return 0
}
