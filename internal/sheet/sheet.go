// SPDX-License-Identifier: Apache-2.0

// Package sheet makes texts fit for tables that people open with a spreadsheet.
package sheet

import (
	"strings"
	"unicode/utf8"
)

// formula are the characters that a formula begins with, also in the wide forms of East Asian keyboards, and those that
// some spreadsheets skip before they look for one.
const formula = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"

// Cell makes a text that a spreadsheet does not take for a formula: one that begins like a formula gets an apostrophe
// before it (CWE-1236).
func Cell(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune(formula, first) {
		return "'" + s
	}
	return s
}
