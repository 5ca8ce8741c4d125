// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"context"
	"testing"
	"time"

	"postern/internal/submit"
)

// One key has half of the memory at most, waits for its own to come back, and leaves nothing behind.
func TestMemoryOfAKey(t *testing.T) {
	const mail = 2 * submit.MaxSize
	m := newMemory(4 * mail)
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for range 2 {
		if !m.take(t.Context(), 1, mail) {
			t.Fatal("no memory for two")
		}
	}
	if m.take(soon, 1, mail) {
		t.Error("one key has more than half")
	}
	if !m.take(t.Context(), 2, mail) {
		t.Error("another has none")
	}
	got := make(chan bool)
	go func() { got <- m.take(t.Context(), 1, mail) }()
	m.give(1, mail)
	if !<-got {
		t.Error("what was given back is not taken")
	}
	m.give(1, mail)
	m.give(1, mail)
	m.give(2, mail)
	if len(m.byKey) != 0 || !m.all.TryAcquire(4*mail) {
		t.Errorf("left is %v", m.byKey)
	}
}
