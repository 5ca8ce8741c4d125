// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"strings"
	"testing"
)

// TestVariablesAreBoundedInMemory: what Globals gives is copied for each of 50 messages, so a call of 25 MB with millions
// of names would take gigabytes.
func TestVariablesAreBoundedInMemory(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"Globals": {"Variables": {"a": 1`)
	for i := range 5 * maxVariables {
		fmt.Fprintf(&b, `, "v%d": 1`, i)
	}
	b.WriteString(`}}, "Messages": [` + strings.Repeat(`{"Variables": {"x": 1}}, `, maxMessages-1) + `{}]}`)
	got, fault := parseSend([]byte(b.String()))
	if fault != nil || len(got.items) != maxMessages {
		t.Fatal(len(got.items), fault)
	}
	for i := range got.items {
		if n := len(got.items[i].variables); n <= maxVariables || n > maxVariables+2 {
			t.Fatalf("message %d keeps %d names", i, n)
		}
		if f := got.items[i].check(); !strings.Contains(fmt.Sprint(f[len(f)-1].message), "Too many elements") {
			t.Fatalf("message %d: %v", i, f)
		}
	}
}
