// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"postern/internal/submit"
)

// Large mails share memory; what is smaller is let through, so that they hold up no ordinary mail.
const largeMail = 1 << 20

// memory is what large mails take. One takes twice its size: as it is read, and as it is kept.
type memory struct {
	all  *semaphore.Weighted
	each int64 // that one key may have

	mu    sync.Mutex
	byKey map[int64]int64
	freed chan struct{} // closed when some is given back
}

func newMemory(bytes int64) *memory {
	return &memory{all: semaphore.NewWeighted(bytes), each: max(bytes/2, 2*submit.MaxSize), byKey: map[int64]int64{}, freed: make(chan struct{})}
}

// take waits for memory, and says whether there was any: for the key's own three times as long as for that of all, since a
// burst of its own is in nobody's way. It is given back with give.
func (m *memory) take(key, n int64, wait time.Duration) bool {
	own, cancel := context.WithTimeout(context.Background(), 3*wait)
	defer cancel()
	for {
		m.mu.Lock()
		freed := m.freed
		if m.byKey[key]+n <= m.each {
			m.byKey[key] += n
			m.mu.Unlock()
			break
		}
		m.mu.Unlock()
		select {
		case <-own.Done():
			return false
		case <-freed:
		}
	}
	all, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if m.all.Acquire(all, n) != nil {
		m.leave(key, n)
		return false
	}
	return true
}

func (m *memory) give(key, n int64) {
	m.all.Release(n)
	m.leave(key, n)
}

func (m *memory) leave(key, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey[key] -= n; m.byKey[key] == 0 {
		delete(m.byKey, key)
	}
	close(m.freed)
	m.freed = make(chan struct{})
}

// share is what one mail has of it.
type share struct {
	m        *memory
	key      int64
	declared int64 // the size that MAIL named (RFC 1870), 0 for none
	wait     time.Duration
	size     int64 // that there is memory for; 0 for a small mail
}

// grow sees that there is memory for so much text, and says whether there is.
func (s *share) grow(n int64) bool {
	if n <= max(largeMail, s.size) {
		return true
	}
	size := int64(submit.MaxSize)
	if n <= s.declared && s.declared < size {
		size = s.declared
	}
	if size <= s.size { // longer than any may be: who reads it refuses it
		return true
	}
	there := s.m.take(s.key, 2*(size-s.size), s.wait)
	if !there {
		return false
	}
	s.size = size
	return true
}

func (s *share) end() {
	if s.size > 0 {
		s.m.give(s.key, 2*s.size)
	}
}
