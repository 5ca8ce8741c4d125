// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"testing"
	"time"

	"postern/internal/submit"
)

// One key has half of the memory at most, waits for its own to come back, and leaves nothing behind.
func TestMemoryOfAKey(t *testing.T) {
	const mail = 2 * submit.MaxSize
	m := newMemory(4 * mail)
	for range 2 {
		if !m.take(1, mail, time.Minute) {
			t.Fatal("no memory for two")
		}
	}
	if m.take(1, mail, time.Millisecond) {
		t.Error("one key has more than half")
	}
	if !m.take(2, mail, time.Minute) {
		t.Error("another has none")
	}
	got := make(chan bool)
	go func() { got <- m.take(1, mail, time.Minute) }()
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
