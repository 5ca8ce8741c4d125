// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrUnwritable says that the database took no write of late, for a reason that lies with its disk or its server and
// not with what was written.
var ErrUnwritable = errors.New("the database cannot be written")

// unwritableFor is how long a failed write counts. Success ends it no sooner: on a full disk a small write may find room
// between two large ones that do not.
const unwritableFor = time.Minute

type failedWrite struct {
	at  time.Time
	err error
}

// noteWrite remembers the end of a write transaction where the database is to blame.
func (s *Store) noteWrite(err error) {
	if err == nil || !(s.d.full(err) || s.d.unwritable(err) || errors.Is(err, ErrLost)) {
		return
	}
	if s.d.full(err) {
		s.reserve.failed()
	}
	s.writesFailed.Add(1)
	s.lastFailed.Store(&failedWrite{s.now(), err})
}

// WritesFailed counts the write transactions since Open that failed by the database's fault.
func (s *Store) WritesFailed() int64 { return s.writesFailed.Load() }

// Health returns an error when the database cannot be read, and ErrUnwritable, with the reason, when a write failed in
// the last minute by the database's fault, or mail is refused for want of room; NoRoom tells whether that was it.
func (s *Store) Health(ctx context.Context) error {
	if err := s.r.PingContext(ctx); err != nil {
		return err
	}
	if s.there != nil {
		if err := s.there(); err != nil {
			return fmt.Errorf("%w: %w", ErrUnwritable, err)
		}
	}
	if err := s.reserve.forMail(ctx, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	if f := s.lastFailed.Load(); f != nil && s.now().Sub(f.at) < unwritableFor {
		return fmt.Errorf("%w: %w", ErrUnwritable, f.err)
	}
	return nil
}
