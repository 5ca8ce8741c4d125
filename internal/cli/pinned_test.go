// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestOutputForScriptsIsPinned: what a command prints with --json is a contract, so that a script of test/cli pins it.
func TestOutputForScriptsIsPinned(t *testing.T) {
	files, err := filepath.Glob("../../test/cli/json-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var pins []string
	for _, name := range files {
		text, err := os.ReadFile(name) //nolint:gosec // our own scripts
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "pin ") && strings.Contains(line, " --json") {
				pins = append(pins, line)
			}
		}
	}
	parser, err := newParser(&root{})
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, n := range parser.Model.Leaves(true) {
		if !hasFlag(n, "json") {
			continue
		}
		commands++
		pinned := false
		for _, p := range pins {
			pinned = pinned || strings.Contains(p, " "+n.FullPath()+" ")
		}
		if !pinned {
			t.Errorf("no script pins what %s --json prints", n.FullPath())
		}
	}
	if commands < 60 {
		t.Errorf("only %d commands have --json", commands)
	}
}

func hasFlag(n *kong.Node, name string) bool {
	for _, f := range n.Flags {
		if f.Name == name {
			return true
		}
	}
	return false
}
