// SPDX-License-Identifier: Apache-2.0

// Package queue takes accepted mail to the courier: it claims what is due in batches, makes jobs of it, and records
// what came of each.
//
// A claim is a lease with an owner: when this process dies, what it held becomes due again by itself, and at the next
// start at once. The claim is durable before anything is sent and the outcome is recorded right after the answer; the
// time between the two ends, in which a crash makes a duplicate, is measured ([Stats].Window). No transaction is open
// while a remote server talks.
//
// A message whose process died twice while it was being sent may be what ended the process. It goes on in a lane of its
// own, the careful lane: one such message at a time, beside the others. After [MaxLost] such deaths it is given up, so
// that one message never holds up the rest.
package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/store"
)

// Times and limits.
const (
	// Lease is how long a claim is held before it has to be renewed. Leases of what is under way are renewed at a
	// third of it, so an attempt may take as long as RFC 5321 §4.5.3.2 lets it.
	Lease = 3 * time.Minute
	// MaxLost is how often a process may end with a message in its hands before the message is given up.
	MaxLost = 8
	// suspect is how often a process may end with a message in its hands before the message goes in the careful lane, as
	// store.Claim has it.
	suspect = 2
	// poll is how long the queue waits at most before it looks by itself: waking is a hint, the table is the truth.
	poll = 30 * time.Second
	// claimPause is the least time between two claims, so that under load a claim finds many messages.
	claimPause = 10 * time.Millisecond
	// crowded is how long a message waits whose destination has all its connections in use.
	crowded = 5 * time.Second
)

// Config of a Queue. Zero numbers are defaults.
type Config struct {
	Store   *store.Store
	Courier Courier
	// Personalise makes a submission's source the recipient's own, in the ways (track.Ways) that were decided at its
	// acceptance. Such messages go one by one. nil: all get the source as it is.
	Personalise func(out store.Outgoing, c store.Claimed) []byte
	// Open opens the source of a submission that was sealed by its submitter. nil: there is none.
	Open        func(sealed []byte) ([]byte, error)
	PerDomain   bool          // a job is one domain's recipients of a submission, not all of them: the route is direct
	Workers     int           // attempts at a time; 64
	MaxPerHost  int           // attempts at a time for one domain, where PerDomain; 10
	Batch       int           // messages held at most; 512
	Grace       time.Duration // how long attempts under way may go on at the end; 20 s
	Hold        bool          // accept and keep, but deliver nothing
	Log         *slog.Logger
	ExclusiveDB bool // no other process claims from this store: leases found at the start are a dead process's
}

// Queue delivers. Make it with New and run it once.
type Queue struct {
	c     Config
	owner string
	wake  chan struct{}
	jobs  chan job

	mu      sync.Mutex
	held    map[int64]bool // messages claimed and not recorded yet
	domains map[string]int // jobs under way by domain
	freed   chan struct{}  // something was recorded

	stats counters
}

// New makes a queue.
func New(c Config) *Queue {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Workers, 64)
	def(&c.MaxPerHost, 10)
	def(&c.Batch, 512)
	if c.Grace == 0 {
		c.Grace = 20 * time.Second
	}
	return &Queue{
		c: c, owner: rand.Text(), wake: make(chan struct{}, 1), freed: make(chan struct{}, 1),
		jobs: make(chan job, c.Batch), held: map[int64]bool{}, domains: map[string]int{},
	}
}

// Wake says that there may be something to do. It never blocks.
func (q *Queue) Wake() { signal(q.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends; then it claims nothing more, lets attempts under way end within the grace, hands back
// what was not begun, and returns nil.
func (q *Queue) Run(ctx context.Context) error {
	if q.c.Hold {
		q.c.Log.WarnContext(ctx, "the queue is on hold: mail is accepted and kept, nothing is delivered")
		<-ctx.Done()
		return nil
	}
	if q.c.ExclusiveDB {
		n, err := q.c.Store.Recover(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			q.c.Log.WarnContext(ctx, "took up messages that an earlier process left under way; some may arrive twice", "messages", n)
		}
	}
	// Attempts outlive ctx by the grace; what records them outlives both.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var workers sync.WaitGroup
	for range q.c.Workers {
		workers.Go(func() { q.worker(ctx, work) })
	}
	renewed := make(chan struct{})
	go func() { defer close(renewed); q.renew(work) }()

	q.claimLoop(ctx)

	close(q.jobs)
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(q.c.Grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-work.Done():
		}
	})
	defer stop()
	workers.Wait()
	cancel()
	<-renewed
	return nil
}

// claimLoop claims until ctx ends.
func (q *Queue) claimLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		case <-q.freed:
		case <-timer.C:
		}
		n, err := q.claim(ctx)
		if err != nil && ctx.Err() == nil {
			q.stats.errors.Add(1)
			q.c.Log.ErrorContext(ctx, "the queue could not be read; trying again", "error", err)
		}
		pause := claimPause
		if n == 0 {
			pause = 0
		}
		if !sleep(ctx, pause) {
			return
		}
		timer.Reset(q.untilDue(ctx, err))
	}
}

// untilDue is how long the queue may sleep if nobody wakes it.
func (q *Queue) untilDue(ctx context.Context, failed error) time.Duration {
	if failed != nil {
		return time.Second
	}
	due, err := q.c.Store.NextDue(ctx)
	if err != nil || due.IsZero() {
		return poll
	}
	if q.free() == 0 {
		return poll // what is recorded next wakes us
	}
	return min(max(time.Until(due), claimPause), poll)
}

// free is how many more messages may be held. Small gaps are left to grow, so that a claim is worth its transaction.
func (q *Queue) free() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := q.c.Batch - len(q.held)
	if len(q.held) > 0 && free < q.c.Batch/4 {
		return 0
	}
	return free
}

// claim takes what is due, as much as may be held, and hands it to the workers.
func (q *Queue) claim(ctx context.Context) (int, error) {
	free := q.free()
	if free == 0 {
		return 0, nil
	}
	now := time.Now()
	got, err := q.c.Store.Claim(ctx, store.MainLane, q.owner, now, now.Add(Lease), free)
	if err != nil {
		return 0, err
	}
	suspects, err := q.claimSuspect(ctx, now)
	if err != nil && ctx.Err() == nil {
		q.stats.errors.Add(1)
		q.c.Log.ErrorContext(ctx, "the careful lane could not be read", "error", err)
	}
	got = append(got, suspects...)
	if len(got) == 0 {
		return 0, nil
	}
	q.hold(got)
	for _, j := range makeJobs(got, q.c.PerDomain) {
		q.jobs <- j // free bounds what is in it: never full
	}
	return len(got), nil
}

// claimSuspect takes one message of the careful lane, if none is under way. The store puts a message there by its count of
// lost leases, so that a message which ends the process (a bug of ours that it alone brings out) takes no other message
// with it more than twice.
func (q *Queue) claimSuspect(ctx context.Context, now time.Time) ([]store.Claimed, error) {
	if q.stats.suspects.Load() > 0 {
		return nil, nil
	}
	return q.c.Store.Claim(ctx, store.CarefulLane, q.owner, now, now.Add(Lease), 1)
}

// hold notes what was claimed, so that its leases are renewed until its outcome is recorded.
func (q *Queue) hold(got []store.Claimed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range got {
		q.held[c.MessageID] = true
		if c.Lost >= suspect {
			q.stats.suspects.Add(1)
		}
	}
}

// renew keeps the leases of what is under way until ctx ends.
func (q *Queue) renew(ctx context.Context) {
	tick := time.NewTicker(Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		q.mu.Lock()
		ids := make([]int64, 0, len(q.held))
		for id := range q.held {
			ids = append(ids, id)
		}
		q.mu.Unlock()
		if err := q.c.Store.Renew(ctx, q.owner, time.Now().Add(Lease), ids); err != nil && !errors.Is(err, context.Canceled) {
			q.stats.errors.Add(1)
			q.c.Log.ErrorContext(ctx, "leases could not be renewed", "error", err, "messages", len(ids))
		}
	}
}

// sleep waits, and says whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

type counters struct {
	attempts, sent, deferred, bounced, returned, errors, suspects atomic.Int64
	windowMicros, windowCount, windowMax                          atomic.Int64
}

// Stats are counts since the start, and what is under way.
type Stats struct {
	Attempts, Sent, Deferred, Bounced, Returned int64 // messages
	Errors                                      int64 // of the queue's own: claims, leases, records that had to be tried again
	Held                                        int   // messages claimed now
	Window                                      time.Duration
	WindowMax                                   time.Duration // the longest time between an answer and its record
	Windows                                     int64         // how many were measured; Window is their sum
}

// Stats reads the counts.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	held := len(q.held)
	q.mu.Unlock()
	s := &q.stats
	return Stats{
		Attempts: s.attempts.Load(), Sent: s.sent.Load(), Deferred: s.deferred.Load(), Bounced: s.bounced.Load(),
		Returned: s.returned.Load(), Errors: s.errors.Load(), Held: held, Windows: s.windowCount.Load(),
		Window:    time.Duration(s.windowMicros.Load()) * time.Microsecond,
		WindowMax: time.Duration(s.windowMax.Load()) * time.Microsecond,
	}
}
