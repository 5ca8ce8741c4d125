// SPDX-License-Identifier: Apache-2.0

// Package budget bounds the memory of the bodies that are on their way in: mails by SMTP and requests by HTTP, small and
// large, share one number of bytes.
//
// Each body has a Share. It grows with the bytes that came, never with what was announced, and is released when the body
// is dealt with. One key has at most half of the budget, however many connections it uses. The last quarter of the budget,
// and of each key's part, is for small bodies and for the oldest large one: so an ordinary mail passes beside large ones,
// and bodies that each hold a part and wait for more cannot deadlock. When there is room again, the
// key that holds least is served first.
//
// A body that finds no room waits, and is refused after a while. The budget allocates nothing itself: it counts what its
// users do.
package budget

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// Small is the size up to which a body is an ordinary one.
	Small = 64 << 10

	most      = 256 << 20
	least     = 16 << 20
	leastKey  = 64 << 20 // a key's part holds one message of the largest size, where the budget does
	usualWait = 20 * time.Second
)

// ErrBusy is returned when there was no room within the time for it.
var ErrBusy = errors.New("too many large messages are on their way in")

// Size is the budget of a process that may use limit bytes of memory in all; 0 is no limit.
func Size(limit int64) int64 {
	if limit <= 0 {
		return most
	}
	return max(least, min(most, limit/3))
}

// Budget is shared by all that read bodies. Make it with New.
type Budget struct {
	all, each int64 // bytes in all, and of one key
	wait      time.Duration

	mu      sync.Mutex
	used    int64
	keys    map[int64]int64 // bytes by key; none that holds nothing
	large   []*Share        // that are more than small, the oldest first
	waiting []*waiter

	waited, refused int64
}

// Share is one body's part. It must not be copied after Grow.
type Share struct {
	b     *Budget
	key   int64
	held  int64
	large bool
}

// waiter is a Share that waits until it may hold n bytes.
type waiter struct {
	s     *Share
	n     int64
	ready chan struct{} // closed when it holds them
}

// New makes a budget of so many bytes. Whoever waits for room waits for wait at most (0: 20 seconds), and three times as
// long where only the key's own bodies are in its way.
func New(bytes int64, wait time.Duration) *Budget {
	if wait <= 0 {
		wait = usualWait
	}
	return &Budget{all: bytes, each: max(bytes/2, min(bytes, leastKey)), wait: wait, keys: map[int64]int64{}}
}

// Share begins a body of a key. It holds nothing yet, and need not be released before Grow.
func (b *Budget) Share(key int64) Share { return Share{b: b, key: key} }

// Held is how many bytes the share holds.
func (s *Share) Held() int64 { return s.held }

// Grow returns when the share holds at least n bytes, more than a key may have counted as that. It waits for room, and
// returns ErrBusy after the time for that, or the context's error. The share keeps what it held.
func (s *Share) Grow(ctx context.Context, n int64) error {
	b := s.b
	n = min(n, b.each)
	b.mu.Lock()
	if n <= s.held {
		b.mu.Unlock()
		return nil
	}
	if n > Small && !s.large {
		s.large = true
		b.large = append(b.large, s)
	}
	whole, own := b.room(s, n)
	if whole && own && (n <= Small || len(b.waiting) == 0) {
		b.give(s, n)
		b.mu.Unlock()
		return nil
	}
	w := &waiter{s: s, n: n, ready: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.waited++
	b.serve()
	b.mu.Unlock()
	wait := b.wait
	if whole {
		wait *= 3 // a burst of the key's own is in nobody else's way
	}
	return b.await(ctx, w, wait)
}

func (b *Budget) await(ctx context.Context, w *waiter, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	err := ErrBusy
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, w)
	if i < 0 {
		return nil // it was served meanwhile
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.refused++
	b.serve() // a later one may fit
	return err
}

// room says whether s may hold n bytes by the bound of all, and by that of its key.
func (b *Budget) room(s *Share, n int64) (whole, own bool) {
	all, each := b.all, b.each
	if n > Small {
		i := slices.IndexFunc(b.large, func(x *Share) bool { return x.key == s.key })
		if b.large[0] != s {
			all -= all / 4
		}
		if b.large[i] != s {
			each -= each / 4
		}
	}
	more := n - s.held
	return b.used+more <= all, b.keys[s.key]+more <= each
}

func (b *Budget) give(s *Share, n int64) {
	b.used += n - s.held
	b.keys[s.key] += n - s.held
	s.held = n
}

// serve gives room to those who wait and fit, in the order of how little their keys hold.
func (b *Budget) serve() {
	if len(b.waiting) == 0 {
		return
	}
	slices.SortStableFunc(b.waiting, func(x, y *waiter) int { return cmp.Compare(b.keys[x.s.key], b.keys[y.s.key]) })
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		if whole, own := b.room(w.s, w.n); !whole || !own {
			return false
		}
		b.give(w.s, w.n)
		close(w.ready)
		return true
	})
}

// Shrink gives back what the share holds beyond n bytes.
func (s *Share) Shrink(n int64) {
	if s.b == nil || s.held <= n {
		return
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.take(s, n)
	s.b.serve()
}

// Release gives all back. The share may be used anew, and released again.
func (s *Share) Release() {
	if s.b == nil || s.held == 0 && !s.large {
		return
	}
	b := s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.take(s, 0)
	if s.large {
		i := slices.Index(b.large, s)
		b.large = slices.Delete(b.large, i, i+1)
		s.large = false
	}
	b.serve()
}

func (b *Budget) take(s *Share, n int64) {
	less := s.held - n
	b.used -= less
	if b.keys[s.key] -= less; b.keys[s.key] == 0 {
		delete(b.keys, s.key)
	}
	s.held = n
}

// Stats are the numbers of now, and counts since the start.
type Stats struct {
	Bytes   int64 // the bound
	Used    int64
	Large   int // bodies that are more than small
	Waiting int // bodies that wait for room
	Waited  int64
	Refused int64 // of those that waited
}

// Stats reads the numbers.
func (b *Budget) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Bytes: b.all, Used: b.used, Large: len(b.large), Waiting: len(b.waiting), Waited: b.waited, Refused: b.refused}
}
