// SPDX-License-Identifier: Apache-2.0

package arrows_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryClaimHasItsTest: the tests that docs/security.md names for its claims are there.
func TestEveryClaimHasItsTest(t *testing.T) {
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "## Claims and their tests")
	table, _, _ = strings.Cut(table, "\n## ")
	names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(table, -1)
	if !found || len(names) < 50 {
		t.Fatalf("%d tests are named", len(names))
	}
	tests, declared := map[string]bool{}, regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range names {
		if !tests[m[1]] {
			t.Errorf("docs/security.md names %s, and there is no such test", m[1])
		}
	}
}
