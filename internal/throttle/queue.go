// SPDX-License-Identifier: Apache-2.0

package throttle

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// ErrFull says that too many wait already.
var ErrFull = errors.New("too many wait for it already")

// Queue bounds how many do something slow at a time, and how many wait to: strangers and those who are known apart. Who is
// known goes first, so that strangers, however many, hold one up by no more than what they are doing.
type Queue struct {
	mu      sync.Mutex
	free    int
	most    [2]int
	waiting [2][]chan struct{} // closed when a place is handed over
}

// NewQueue makes a Queue for so many at a time, and so many of each that wait.
func NewQueue(atOnce, strangers, known int) *Queue {
	return &Queue{free: atOnce, most: [2]int{strangers, known}}
}

// Enter waits for a place; leave gives it back, once. Errors: ErrFull at once, or the context's.
func (q *Queue) Enter(ctx context.Context, known bool) (leave func(), err error) {
	lane := 0
	if known {
		lane = 1
	}
	q.mu.Lock()
	if q.free > 0 {
		q.free--
		q.mu.Unlock()
		return q.leave, nil
	}
	if len(q.waiting[lane]) >= q.most[lane] {
		q.mu.Unlock()
		return nil, ErrFull
	}
	turn := make(chan struct{})
	q.waiting[lane] = append(q.waiting[lane], turn)
	q.mu.Unlock()
	select {
	case <-turn:
		return q.leave, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	i := slices.Index(q.waiting[lane], turn)
	if i >= 0 {
		q.waiting[lane] = slices.Delete(q.waiting[lane], i, i+1)
	}
	q.mu.Unlock()
	if i < 0 { // its turn came just now
		q.leave()
	}
	return nil, ctx.Err()
}

// leave hands a place over.
func (q *Queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for lane := len(q.waiting) - 1; lane >= 0; lane-- {
		if w := q.waiting[lane]; len(w) > 0 {
			q.waiting[lane] = w[1:]
			close(w[0])
			return
		}
	}
	q.free++
}
