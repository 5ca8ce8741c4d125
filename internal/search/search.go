// SPDX-License-Identifier: Apache-2.0

// Package search keeps the index of words up to date, by which messages are found.
//
// Acceptance only notes which messages are new; here they are indexed, in small batches beside the mail. While mail comes
// in faster than usual the index gives way to it and follows later: a search looks at what is not indexed yet by itself.
package search

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"postern/internal/store"
)

const (
	// batch is how many messages are indexed at a time: it holds the writer for some milliseconds.
	batch = 200
	// idle is how long nothing is looked for after nothing was found: a message is findable by the index about as soon.
	idle = 500 * time.Millisecond
	// rest is how many times as long as a batch took the next waits.
	rest = 3
	// busyRest is rest while more mail came in than busyRate messages a second: the index takes a thirtieth of the time.
	busyRest = 30
	busyRate = 1000
)

// Search fills the index. Make it with New.
type Search struct {
	store    *store.Store
	accepted func() int64 // messages accepted since the start
	log      *slog.Logger

	indexed, errors atomic.Int64
}

// New makes the part. accepted counts what came in since the start, by which it sees how busy the server is.
func New(st *store.Store, accepted func() int64, log *slog.Logger) *Search {
	return &Search{store: st, accepted: accepted, log: log}
}

// Stats are counts since the start.
type Stats struct {
	Indexed int64 // messages
	Errors  int64
}

// Stats reads the counts.
func (s *Search) Stats() Stats { return Stats{s.indexed.Load(), s.errors.Load()} }

// Run indexes what is accepted until ctx ends.
func (s *Search) Run(ctx context.Context) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	seen, at := s.accepted(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		began := time.Now()
		n, err := s.store.IndexMessages(ctx, batch)
		s.indexed.Add(int64(n))
		if err != nil && ctx.Err() == nil {
			s.errors.Add(1)
			s.log.WarnContext(ctx, "messages were not indexed; it is tried again", "error", err)
		}
		next := idle
		if n == batch {
			next = rest * time.Since(began)
			if s.busy(seen, began.Sub(at)) {
				next = busyRest * time.Since(began)
			}
		}
		seen, at = s.accepted(), began
		wait.Reset(next)
	}
}

// busy says whether mail came in fast, since there were seen messages.
func (s *Search) busy(seen int64, since time.Duration) bool {
	return float64(s.accepted()-seen) > busyRate*since.Seconds()
}
