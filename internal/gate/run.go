// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"postern/internal/credential"
)

const (
	flushSize    = 1000            // uses handed out in one call
	lastFlush    = 5 * time.Second // for the flush at the end
	longestSleep = time.Minute     // between looks at the overlaps: a wall clock may jump
)

// Run hands out the last uses of secrets every FlushEvery, and ends overlaps on
// time, closing their sessions. It returns when ctx is done, after one last flush;
// the error is that flush's. The doors are closed before, or uses are lost.
func (g *Gate) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { g.endOverlaps(ctx) })
	defer running.Wait()

	tick := time.NewTicker(g.config.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// The uses are kept; the next tick tries again.
			if err := g.flush(ctx); err != nil && ctx.Err() == nil {
				g.config.Log.Warn("gate: last uses of secrets not written, trying again", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			if err := g.flush(last); err != nil {
				return fmt.Errorf("gate: last uses of secrets: %w", err)
			}
			return nil
		}
	}
}

// flush hands out the uses since the last flush. What fails is put back.
func (g *Gate) flush(ctx context.Context) error {
	used := g.conns.taken()
	var failed []error
	for len(used) > 0 {
		part := used[:min(flushSize, len(used))]
		used = used[len(part):]
		uses := make([]Use, 0, len(part))
		from := make([]*use, 0, len(part))
		for _, u := range part {
			if x, ok := u.take(); ok {
				uses, from = append(uses, x), append(from, u)
			}
		}
		if len(uses) == 0 {
			continue
		}
		if err := g.config.Flush(ctx, uses); err != nil {
			failed = append(failed, err)
			g.conns.putBack(from, uses)
		}
	}
	g.conns.rest(g.config.Now())
	return errors.Join(failed...)
}

// overlap is a secret that has an end.
type overlap struct {
	at       int64 // Unix microseconds
	secretID int64
	key      credential.APIKey
}

// overlaps are the secrets that have an end, the next one first. One that was
// retired or moved since is still in it, and found to be void when its time comes.
type overlaps struct {
	mu   sync.Mutex
	heap overlapHeap
	wake chan struct{} // an earlier end than those before was added
}

func (o *overlaps) add(x overlap) {
	o.mu.Lock()
	heap.Push(&o.heap, x)
	first := o.heap[0] == x
	o.mu.Unlock()
	if first {
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
}

// due takes out an overlap whose end has come. If there is none, it says how long
// to wait for the next.
func (o *overlaps) due(now time.Time) (x overlap, wait time.Duration, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.heap) == 0 {
		return overlap{}, longestSleep, false
	}
	if left := time.UnixMicro(o.heap[0].at).Sub(now); left > 0 {
		return overlap{}, min(left, longestSleep), false
	}
	return heap.Pop(&o.heap).(overlap), 0, true //nolint:forcetypeassert // the heap holds nothing else
}

func (g *Gate) endOverlaps(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-g.overlaps.wake:
		}
		for {
			x, wait, ok := g.overlaps.due(g.config.Now())
			if !ok {
				timer.Reset(wait)
				break
			}
			g.endOverlap(x)
		}
	}
}

// endOverlap drops a secret whose end has come, unless that was moved, and closes
// its sessions.
func (g *Gate) endOverlap(x overlap) {
	sh := g.shard(x.key)
	sh.mu.Lock()
	var dead []*session
	if e, ok := sh.keys[x.key]; ok {
		for i, s := range e.slots {
			if s != nil && s.secretID == x.secretID && s.expires == x.at {
				e.slots[i] = nil
				sh.secrets--
				dead = sh.take(x.secretID, dead)
			}
		}
	}
	sh.mu.Unlock()
	end(dead, "the secret key's overlap ended")
}

// overlapHeap is a container/heap.Interface.
type overlapHeap []overlap

func (h overlapHeap) Len() int           { return len(h) }
func (h overlapHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h overlapHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *overlapHeap) Push(x any)        { *h = append(*h, x.(overlap)) } //nolint:forcetypeassert // only overlaps.add pushes
func (h *overlapHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
