// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/netip"
	"sync"
	"time"
)

// Attempts to give a password, by where they come from: ten at once, then one every half minute. Nothing is counted by
// user, so that nobody can lock out another.
const (
	attemptBurst  = 10
	attemptRefill = 30 * time.Second
	attemptRoom   = (attemptBurst - 1) * attemptRefill // what a source may owe and still try
	maxSources    = 65_536
)

// throttle counts attempts by source. An attempt is counted before the password is hashed, which is slow, and given
// back when the password was right.
type throttle struct {
	now func() time.Time

	mu   sync.Mutex
	free map[netip.Prefix]time.Time // when all that a source owes is paid
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, free: map[netip.Prefix]time.Time{}}
}

// sourceOf is an IPv4 address, or the /64 of an IPv6 address: a subscriber has one at least (RFC 6177).
func sourceOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // without an address all are one source
	}
	return p
}

// take counts an attempt, or says how long to wait for the next.
func (t *throttle) take(a netip.Addr) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, src := t.now(), sourceOf(a)
	free := t.free[src]
	if free.Before(now) {
		free = now
	}
	if wait := free.Sub(now) - attemptRoom; wait > 0 {
		return wait
	}
	if len(t.free) >= maxSources {
		t.forget(now)
	}
	t.free[src] = free.Add(attemptRefill)
	return 0
}

// giveBack undoes a take.
func (t *throttle) giveBack(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	src := sourceOf(a)
	if free, ok := t.free[src]; ok {
		t.free[src] = free.Add(-attemptRefill)
	}
}

// forget drops who owes nothing, and when that is nobody, everybody: memory is bounded.
func (t *throttle) forget(now time.Time) {
	for src, free := range t.free {
		if !free.After(now) {
			delete(t.free, src)
		}
	}
	if len(t.free) >= maxSources {
		clear(t.free)
	}
}
