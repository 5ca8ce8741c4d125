// SPDX-License-Identifier: Apache-2.0

package sheet_test

import (
	"testing"

	"postern/internal/sheet"
)

// TestCellsAreNoFormulas: a spreadsheet computes nothing from what a customer has named.
func TestCellsAreNoFormulas(t *testing.T) {
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+49": "'+49", "-x": "'-x", "@a": "'@a", "\tx": "'\tx", "\r=1": "'\r=1", "\n=1": "'\n=1", "＝1+1": "'＝1+1", "＠a": "'＠a",
		"Shop": "Shop", "": "", "a=b": "a=b", "\xff=1": "\xff=1",
	} {
		if got := sheet.Cell(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
