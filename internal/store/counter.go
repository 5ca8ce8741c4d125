// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Timing says which hour an event counts in.
type Timing int

// Timings of the counters.
const (
	ByMessage Timing = 0 // the hour its message arrived
	ByEvent   Timing = 1 // its own hour
)

// Counts are numbers of events.
type Counts struct{ Sent, Deferred, Hard, Soft, Blocked int64 }

// add counts one event.
func (c *Counts) add(t EventType, permanent bool) {
	switch {
	case t == EventSent:
		c.Sent++
	case t == EventDeferred:
		c.Deferred++
	case t == EventBlocked:
		c.Blocked++
	case t == EventBounce && permanent:
		c.Hard++
	case t == EventBounce:
		c.Soft++
	}
}

type slot struct {
	key    int64
	timing Timing
	hour   int64
}

// tally gathers the counts of a group of events, so that a group costs a few upserts.
type tally map[slot]*Counts

func (t tally) add(e *Event, arrived time.Time) {
	for timing, at := range map[Timing]time.Time{ByMessage: arrived, ByEvent: e.At} {
		k := slot{e.KeyID, timing, at.Truncate(time.Hour).Unix()}
		if t[k] == nil {
			t[k] = &Counts{}
		}
		t[k].add(e.Type, e.Permanent)
	}
}

func (t tally) write(ctx context.Context, tx *Tx) error {
	for k, c := range t {
		_, err := tx.exec(ctx, `INSERT INTO counter (key_id, timing, hour, sent, deferred, hard, soft, blocked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
 ON CONFLICT (key_id, timing, hour) DO UPDATE SET sent = counter.sent + excluded.sent, deferred = counter.deferred + excluded.deferred,
 hard = counter.hard + excluded.hard, soft = counter.soft + excluded.soft, blocked = counter.blocked + excluded.blocked`,
			k.key, int(k.timing), k.hour, c.Sent, c.Deferred, c.Hard, c.Soft, c.Blocked)
		if err != nil {
			return err
		}
	}
	return nil
}

// Counters sums the counters of a scope's keys over the hours from (included) to to (excluded).
func (s *Store) Counters(ctx context.Context, scope Scope, timing Timing, from, to time.Time) (Counts, error) {
	w := newWhere("SELECT coalesce(sum(c.sent), 0), coalesce(sum(c.deferred), 0), coalesce(sum(c.hard), 0), coalesce(sum(c.soft), 0), coalesce(sum(c.blocked), 0) FROM counter c JOIN api_key k ON k.id = c.key_id")
	scope.where(w, "k.account_id", "k.id")
	w.and("c.timing = ?", int(timing))
	if !from.IsZero() {
		w.and("c.hour >= ?", from.Unix())
	}
	if !to.IsZero() {
		w.and("c.hour < ?", to.Unix())
	}
	var c Counts
	err := s.row(ctx, w.String(), w.args...).scan(&c.Sent, &c.Deferred, &c.Hard, &c.Soft, &c.Blocked)
	return c, err
}
