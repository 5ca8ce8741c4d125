// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"postern/internal/cli"
)

// An argument that is not UTF-8 would be kept as something else than was given.
func TestArgumentsAreUTF8(t *testing.T) {
	for _, args := range [][]string{
		{"key", "create", "caf\xe9"}, {"suppression", "add", "a@example.org", "--note", "\xff"}, {"\xc0\xaf"},
	} {
		var out, errs bytes.Buffer
		if code := cli.Main(args, &out, &errs); code == 0 || !strings.Contains(errs.String(), "is not UTF-8") {
			t.Errorf("%q: %d %s", args, code, errs.String())
		}
	}
}
