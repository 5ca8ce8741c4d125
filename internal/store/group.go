// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync"
	"time"
)

// maxGroup bounds how many callers one group commit answers: past this a transaction gains nothing and its last
// caller waits longer.
const maxGroup = 512

// group makes one transaction of all that wait. While one is on its way to the disk the next gathers, so the group
// grows with the load by itself and a lone caller waits for nobody.
type group[T any] struct {
	calls  chan *call[T]
	max    int
	alone  bool // there is one writer
	commit func(ctx context.Context, items []T) error

	mu   sync.RWMutex // held for reading while a call is handed over, for writing to close
	shut bool
	done sync.WaitGroup
}

type call[T any] struct {
	item T
	err  chan error
}

func newGroup[T any](writers, max int, commit func(context.Context, []T) error) *group[T] {
	g := &group[T]{calls: make(chan *call[T], max), max: max, alone: writers == 1, commit: commit}
	for range writers {
		g.done.Go(g.run)
	}
	return g
}

// add hands item over and waits until it is durable. When ctx ends first the item may still be committed: the caller
// has not been promised either.
func (g *group[T]) add(ctx context.Context, item T) error {
	c := &call[T]{item: item, err: make(chan error, 1)}
	g.mu.RLock()
	if g.shut {
		g.mu.RUnlock()
		return ErrClosed
	}
	select {
	case g.calls <- c:
		g.mu.RUnlock()
	case <-ctx.Done():
		g.mu.RUnlock()
		return ctx.Err()
	}
	select {
	case err := <-c.err:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run gathers calls and commits them, until there are no more.
//
// Those who were answered together come back together, but not at the same instant: a commit that began with the
// first of them would make all the others wait for the next. So a group waits for as many as the last one had, for at
// most half as long as that one's commit took. Where there is one writer it waits for those too who came during that
// commit: else callers fall into two halves, which wait for each other, and each pays for a commit of its own.
func (g *group[T]) run() {
	calls := make([]*call[T], 0, g.max)
	items := make([]T, 0, g.max)
	var enough int         // how many may come
	var took time.Duration // how long its commit took
	patience := time.NewTimer(0)
	defer patience.Stop()
	for first := range g.calls {
		calls = g.gather(append(calls[:0], first), enough, min(took/2, maxPatience), patience)
		items = items[:0]
		for _, c := range calls {
			items = append(items, c.item)
		}
		began := time.Now()
		err := g.commit(context.Background(), items) // the group belongs to no one caller
		took = time.Since(began)
		enough = len(calls)
		if g.alone {
			enough += len(g.calls)
		}
		g.answer(calls, items, err)
		clear(calls)
		clear(items)
	}
}

// maxPatience bounds what a caller waits for others.
const maxPatience = 2 * time.Millisecond

// gather takes what waits now, and until there are enough what comes within the patience.
func (g *group[T]) gather(calls []*call[T], enough int, wait time.Duration, patience *time.Timer) []*call[T] {
	patience.Reset(wait)
	for len(calls) < g.max {
		select {
		case c, ok := <-g.calls:
			if !ok {
				return calls
			}
			calls = append(calls, c)
			continue
		default:
		}
		if len(calls) >= enough {
			return calls
		}
		select {
		case c, ok := <-g.calls:
			if !ok {
				return calls
			}
			calls = append(calls, c)
		case <-patience.C:
			return calls
		}
	}
	return calls
}

// answer tells each caller what came of the group. When it failed each item is tried alone, so that one caller's bad row
// is not everybody's error.
func (g *group[T]) answer(calls []*call[T], items []T, err error) {
	for i, c := range calls {
		if err != nil && len(calls) > 1 {
			c.err <- g.commit(context.Background(), items[i:i+1])
			continue
		}
		c.err <- err
	}
}

// close takes nothing more, ends what was taken and returns. It may be called on nil.
func (g *group[T]) close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	if !g.shut {
		g.shut = true
		close(g.calls)
	}
	g.mu.Unlock()
	g.done.Wait()
}
