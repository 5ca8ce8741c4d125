// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// fiveMinutesSetting is since when, in Unix seconds, there are counters of five minutes.
const fiveMinutesSetting = "counters.fiveMinutesSince"

// forgetBatch is how many counters are deleted before the next look at the clock.
const forgetBatch = 256

// loadFiveMinutes reads since when there are counters of five minutes.
func (s *Store) loadFiveMinutes(ctx context.Context) error {
	text, err := s.Setting(ctx, fiveMinutesSetting)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	since, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("setting %s: %w", fiveMinutesSetting, err)
	}
	s.fiveMinutesSince.Store(since)
	return nil
}

// FiveMinutesSince is since when there are counters of five minutes, the zero time where none was deleted. What came before is
// read from those of an hour.
func (s *Store) FiveMinutesSince() time.Time {
	if since := s.fiveMinutesSince.Load(); since != 0 {
		return time.Unix(since, 0).UTC()
	}
	return time.Time{}
}

// ForgetFiveMinutes has no counters of five minutes for the days before a time from now on, and deletes those that are there. It
// holds the writer hardly longer than hold, and says for how long it did, how many went, and whether there may be more.
// Hours and days stay, so no sum changes but that of an old period which does not begin and end on the hour.
func (s *Store) ForgetFiveMinutes(
	ctx context.Context, before time.Time, hold time.Duration,
) (n int, more bool, held time.Duration, err error) {
	if err := s.setFiveMinutes(ctx, before); err != nil { // before the first goes: nobody sums up what is half there
		return 0, false, 0, err
	}
	since, at := s.fiveMinutesSince.Load(), s.forgotTo.Load()
	if at > since {
		at = 0
	}
	err = s.Update(ctx, func(tx *Tx) error {
		n, more = 0, true
		began := time.Now()
		for ok := true; ok; ok = more && time.Since(began) < hold {
			gone, err := tx.forgetFiveMinutes(ctx, at, since)
			if err != nil {
				return err
			}
			for _, slot := range gone {
				at = max(at, slot)
			}
			n, more = n+len(gone), len(gone) == forgetBatch
		}
		held = time.Since(began)
		return nil
	})
	if err == nil {
		s.forgotTo.Store(at)
	}
	return n, more, held, err
}

// setFiveMinutes says that counters of five minutes are there since the day of a time. That goes forward, but for what a clock
// that was ahead had said: then it is from tomorrow on that all of them are there.
func (s *Store) setFiveMinutes(ctx context.Context, before time.Time) error {
	was, tomorrow := s.fiveMinutesSince.Load(), dayOf(s.now())+int64(Daily.Length()/time.Second)
	since := min(max(was, dayOf(before)), tomorrow)
	if since == was {
		return nil
	}
	if err := s.Update(ctx, func(tx *Tx) error { return tx.Set(ctx, fiveMinutesSetting, strconv.FormatInt(since, 10)) }); err != nil {
		return err
	}
	s.fiveMinutesSince.Store(since)
	return nil
}

// forgetFiveMinutes deletes some counters of five minutes, the oldest first, and returns their slots. It begins where the last
// call ended: what was deleted lies in PostgreSQL's index until all have forgotten it.
func (tx *Tx) forgetFiveMinutes(ctx context.Context, from, before int64) ([]int64, error) {
	slot := func(r scanner) (slot int64, err error) { return slot, r.scan(&slot) }
	return collect(ctx, tx, slot, `DELETE FROM counter WHERE (key_id, source, source_id, timing, grain, slot) IN
 (SELECT key_id, source, source_id, timing, grain, slot FROM counter
  WHERE grain = 0 AND slot >= $1 AND slot < $2 ORDER BY slot LIMIT $3) RETURNING slot`, from, before, forgetBatch)
}
