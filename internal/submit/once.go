// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"errors"
	"sync"
	"time"

	"postern/internal/gate"
	"postern/internal/store"
)

// MaxKey is the length of the longest idempotency key.
const MaxKey = 255

// twinWait is how long a call waits for another with the same idempotency key that is under way.
const twinWait = 30 * time.Second

// Sweeping of answers past their time.
const (
	sweepEvery = 10 * time.Minute
	sweepBatch = 500
)

// Once is the idempotency key of a call, and what the call will be answered with.
type Once struct {
	Key  string
	Hash [32]byte // of what is asked: a repeat has the same
	// Answer makes the answer of the outcomes of all items. It is asked for before they are durable, and kept with them.
	Answer func([]Outcome) []byte
}

var (
	errBusy   = &Error{Code: KeyBusy, Reason: "Another call with this idempotency key is under way; try again.", RetryAfter: time.Second}
	errReused = &Error{Code: KeyReused, Reason: "This idempotency key was used within the last 24 hours for another body. " +
		"A repeat has to be the same; what is new needs a new key."}
)

// CheckKey says what is wrong with an idempotency key, "" when nothing is.
func CheckKey(key string) string {
	if key == "" || len(key) > MaxKey {
		return "an idempotency key has 1 to 255 characters"
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "an idempotency key has visible ASCII characters alone, without blanks"
		}
	}
	return ""
}

// Begin begins a call that has an idempotency key. When the key was answered before, that answer is returned. Otherwise
// the call is the key's until end is called: a twin waits. Its error is an *Error with KeyReused, KeyBusy or Unavailable.
func (s *Submit) Begin(ctx context.Context, p gate.Principal, key string, hash [32]byte) (answer []byte, end func(), err error) {
	end, err = s.twins.enter(ctx, twin{p.KeyID, key})
	if err != nil {
		return nil, nil, err
	}
	got, err := s.store.Answered(ctx, store.OfKey(p.AccountID, p.KeyID), key, hash, s.now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, end, nil
	case err != nil:
		end()
		return nil, nil, s.failed(ctx, err)
	}
	end()
	if !got.Same {
		return nil, nil, errReused
	}
	s.repeated.Add(1)
	return got.Answer, nil, nil
}

// twin is an idempotency key of an API key.
type twin struct {
	key  int64
	name string
}

// twins are the calls with idempotency keys that are under way. One server has the store, so there are no others; the
// store refuses a second record all the same.
type twins struct {
	mu   sync.Mutex
	open map[twin]chan struct{} // closed when the call has ended
}

// enter waits until no other call has the key.
func (t *twins) enter(ctx context.Context, k twin) (leave func(), err error) {
	patience := time.NewTimer(twinWait)
	defer patience.Stop()
	for {
		t.mu.Lock()
		other, busy := t.open[k]
		if !busy {
			mine := make(chan struct{})
			if t.open == nil {
				t.open = map[twin]chan struct{}{}
			}
			t.open[k] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.open, k)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-patience.C:
			return nil, errBusy
		case <-ctx.Done():
			return nil, &Error{Code: Unavailable, Reason: "The request ended before the message was kept.", Cause: ctx.Err()}
		}
	}
}

// Run deletes the answers of idempotency keys past their time, until ctx ends.
func (s *Submit) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "answers of idempotency keys past their time were not deleted; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep deletes in batches, so that the writer is never held up for long.
func (s *Submit) sweep(ctx context.Context) error {
	for {
		n, err := s.store.ForgetAnswers(ctx, s.now(), sweepBatch)
		s.forgotten.Add(int64(n))
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
