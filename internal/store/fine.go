// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// fineSetting is since when, in Unix seconds, there are counters of five minutes.
const fineSetting = "counters.fine"

// finePiece is how many counters are deleted before the next look at the clock.
const finePiece = 256

// loadFine reads since when there are counters of five minutes.
func (s *Store) loadFine(ctx context.Context) error {
	text, err := s.Setting(ctx, fineSetting)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	since, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("setting %s: %w", fineSetting, err)
	}
	s.fine.Store(since)
	return nil
}

// FineSince is since when there are counters of five minutes, the zero time where none was deleted. What came before is
// read from those of an hour.
func (s *Store) FineSince() time.Time {
	if since := s.fine.Load(); since != 0 {
		return time.Unix(since, 0).UTC()
	}
	return time.Time{}
}

// ForgetFine has no counters of five minutes for the days before a time from now on, and deletes those that are there. It
// holds the writer hardly longer than hold, and says for how long it did, how many went, and whether there may be more.
// Hours and days stay, so no sum changes but that of an old period which does not begin and end on the hour.
func (s *Store) ForgetFine(ctx context.Context, before time.Time, hold time.Duration) (n int, more bool, held time.Duration, err error) {
	since := dayOf(before)
	if since > s.fine.Load() {
		if err := s.Update(ctx, func(tx *Tx) error { return tx.Set(ctx, fineSetting, strconv.FormatInt(since, 10)) }); err != nil {
			return 0, false, 0, err
		}
		s.fine.Store(since) // before the first goes: nobody sums up what is half there
	}
	err = s.Update(ctx, func(tx *Tx) error {
		n, more = 0, true
		began := time.Now()
		for ok := true; ok; ok = more && time.Since(began) < hold {
			gone, err := tx.exec(ctx, `DELETE FROM counter WHERE (key_id, source, source_id, timing, grain, slot) IN
 (SELECT key_id, source, source_id, timing, grain, slot FROM counter WHERE grain = 0 AND slot < $1 ORDER BY slot LIMIT $2)`, s.fine.Load(), finePiece)
			if err != nil {
				return err
			}
			n, more = n+int(gone), gone == finePiece
		}
		held = time.Since(began)
		return nil
	})
	return n, more, held, err
}
