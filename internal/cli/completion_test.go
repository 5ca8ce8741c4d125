// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestCompletionKnowsAll: each command is offered after the words before it, each of its flags after the command, and
// the values of a flag that takes one of a few.
func TestCompletionKnowsAll(t *testing.T) {
	all := map[string]completion{}
	for _, c := range completions(model(t).Node) {
		all[c.command] = c
	}
	for _, leaf := range model(t).Leaves(true) {
		words := strings.Fields(leaf.Path())
		for i, w := range words {
			if !slices.Contains(all[strings.Join(words[:i], " ")].words, w) {
				t.Errorf("%q is not offered after %q", w, strings.Join(words[:i], " "))
			}
		}
		c := all[leaf.Path()]
		for _, f := range leaf.Flags {
			if !f.Hidden && !slices.Contains(c.words, "--"+f.Name) {
				t.Errorf("--%s is not offered after %q", f.Name, leaf.Path())
			}
		}
	}
	for command, want := range map[string]string{"key delete --queued": "send cancel", "user invite --role": "owner manager sender analyst", "key list --state": "active deactivated suspended"} {
		i := strings.LastIndex(command, " ")
		if got := strings.Join(all[command[:i]].values[command[i+1:]], " "); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// TestEveryCommandTeaches: a command that takes more than nothing says what, and each that shows something can print JSON.
func TestEveryCommandTeaches(t *testing.T) {
	silent := []string{"serve", "completion", "version", "sender remove"} // print a log, a script, a line, nothing
	app := model(t)
	all := completions(app.Node)
	for _, leaf := range app.Leaves(true) {
		if leaf.Help == "" {
			t.Errorf("%s has no help", leaf.Path())
		}
		asJSON := false
		for _, f := range leaf.Flags {
			asJSON = asJSON || f.Name == "json"
			if f.Help == "" {
				t.Errorf("%s --%s has no help", leaf.Path(), f.Name)
			}
		}
		if !asJSON && !slices.Contains(silent, leaf.Path()) {
			t.Errorf("%s has no --json", leaf.Path())
		}
		for _, line := range strings.Split(leaf.Detail, "\n") {
			example, ok := strings.CutPrefix(line, "  postern ")
			if ok && !strings.HasPrefix(example, "serve") && !known(all, app.Leaves(true), example) {
				t.Errorf("%s: the example %q is of no command", leaf.Path(), line)
			}
		}
	}
}

// known says whether an example is of a command that there is, with options that it has.
func known(all []completion, leaves []*kong.Node, example string) bool {
	for _, leaf := range leaves {
		rest, ok := strings.CutPrefix(example+" ", leaf.Path()+" ")
		if !ok {
			continue
		}
		at := slices.IndexFunc(all, func(c completion) bool { return c.command == leaf.Path() })
		rest, _, _ = strings.Cut(rest, "|")
		for _, w := range strings.Fields(rest) {
			if !strings.HasPrefix(w, "--") {
				continue
			}
			name, _, _ := strings.Cut(w, "=")
			if !slices.Contains(all[at].words, name) {
				return false
			}
		}
		return true
	}
	return false
}
