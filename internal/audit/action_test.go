// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postern/internal/audit"
)

func TestFilter(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "key": "key.", "KEY": "key.", "key.": "key.", " Key. ": "key.", "key.reset": "key.reset", "Key.Reset": "key.reset", "user.factor.add": "user.factor.add",
	} {
		if got, err := audit.Filter(text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"foo", "foo.", "foo.reset", ".", ".reset", "reset", strings.Repeat("x", 5000)} {
		if got, err := audit.Filter(text); err == nil || len(err.Error()) > 400 {
			t.Errorf("%.20q: %q, %.500v", text, got, err)
		}
	}
}

// Every action that is written is of a known group, or a filter could not ask for it.
func TestGroupsAreThoseThatAreWritten(t *testing.T) {
	written := regexp.MustCompile(`(?:\b[eE]ntry\([^"\n]*|Action: *|action = )"([a-z_]+)\.`)
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // our own sources
		for _, m := range written.FindAllStringSubmatch(string(text), -1) {
			seen[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for group := range seen {
		if !slices.Contains(audit.Groups(), group) {
			t.Errorf("there are actions of the group %s, which is not in Groups", group)
		}
	}
	for _, group := range audit.Groups() {
		if !seen[group] {
			t.Errorf("no action of the group %s is written", group)
		}
	}
}
