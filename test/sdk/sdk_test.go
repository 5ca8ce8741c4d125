// SPDX-License-Identifier: Apache-2.0

// Package sdk_test has Mailjet's own SDKs as judges: the official Go and Node clients drive every resource and both
// Send APIs of a running server, unchanged but for the host. compat.yaml says what is answered; docs/compatibility.md
// is made from it, and every line of it is asked here.
package sdk_test

import "testing"

// TestCompatibility shares one server between its parts: filling it takes the longest.
func TestCompatibility(t *testing.T) {
	w := newWorld(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *world)
	}{
		{"shapes", testShapes},
		{"recorded", testRecorded},
		{"methods", testMethods},
		{"filters", testFilters},
		{"events", testEvents},
		{"send v3.1", testSend31},
		{"errors of v3.1", testErrors31},
		{"send v3", testSend3},
		{"smtp", testHeaders},
		{"go", testGo},
		{"node", testNode},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, w) })
	}
}
