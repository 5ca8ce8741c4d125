// SPDX-License-Identifier: Apache-2.0

package port_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"postern/test/port"
)

const (
	processes = 4
	each      = 1000
	marker    = "POSTERN_TEST_TAKES_PORTS" // in the environment of the processes that take
)

// Processes that take ports at once, and listen on none of them, get different ones.
func TestFree(t *testing.T) {
	if os.Getenv(marker) != "" {
		take(t)
		return
	}
	t.Setenv("TMPDIR", t.TempDir()) // nobody else's
	t.Setenv(marker, "1")
	var outs []*bufio.Scanner
	for range processes {
		outs = append(outs, start(t))
	}
	by := map[string]int{}
	for i, out := range outs {
		for range each {
			if !out.Scan() {
				t.Fatalf("process %d has stopped", i)
			}
			if other, ok := by[out.Text()]; ok {
				t.Errorf("processes %d and %d have %s", other, i, out.Text())
			}
			by[out.Text()] = i
		}
	}
}

// start runs a process that takes ports until the test ends; what it returns has a line for each.
func start(t *testing.T) *bufio.Scanner {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFree$")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()                      //nolint:errcheck // it ends by that
		io.Copy(io.Discard, stdout)        //nolint:errcheck // what is left
		if err := cmd.Wait(); err != nil { // also by the end of the test's context
			t.Log(err)
		}
	})
	return bufio.NewScanner(stdout)
}

func take(t *testing.T) {
	for range each {
		a, err := port.Address()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(a)
	}
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // until it is closed
}
