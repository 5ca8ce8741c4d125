// SPDX-License-Identifier: Apache-2.0

// Command cluster runs a command with a temporary PostgreSQL server for its tests: one server for all the processes
// of a `go test ./...`.
//
//	go run ./internal/store/storetest/cluster go test ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"postern/internal/store/storetest"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: cluster COMMAND [ARGUMENT ...]")
		return 2
	}
	c, err := storetest.StartCluster(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		return 1
	}
	defer c.Stop()                            //nolint:errcheck // it ends with us anyway
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // it is what we are for
	cmd.Env = append(os.Environ(), storetest.ClusterURL+"="+c.URL)
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
