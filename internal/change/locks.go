// SPDX-License-Identifier: Apache-2.0

package change

import "sync"

// Locks has a lock for each thing of a kind that is being changed, by ID, and none for all. The zero value is ready.
type Locks struct {
	mu   sync.Mutex
	held map[int64]*lock
}

type lock struct {
	sync.Mutex
	users int // that hold it or wait for it
}

// Lock waits for the lock of a thing and returns how to give it back.
func (l *Locks) Lock(id int64) (unlock func()) {
	l.mu.Lock()
	x := l.held[id]
	if x == nil {
		if l.held == nil {
			l.held = map[int64]*lock{}
		}
		x = &lock{}
		l.held[id] = x
	}
	x.users++
	l.mu.Unlock()
	x.Lock()
	return func() {
		x.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if x.users--; x.users == 0 {
			delete(l.held, id)
		}
	}
}
