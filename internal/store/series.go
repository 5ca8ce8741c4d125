// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"time"
)

// SeriesQuery says which counters are read, and in which pieces.
type SeriesQuery struct {
	KeyIDs    []int64 // of the scope's keys, only these; none: all
	Source    Source
	SourceIDs []int64 // of campaigns and senders, only these
	Timing    Timing
	Step      time.Duration // how long the slots of the answer are: five minutes to a day; 0: one for all time
	From, To  time.Time     // slots that begin from From (included) to To (excluded); zero: no bound
	Together  bool          // the keys and sources summed
	Most      int           // up to so many rows; 0: all
}

// SeriesRow is one slot of one source.
type SeriesRow struct {
	KeyID, SourceID int64     // 0 where all are summed
	At              time.Time // when the slot begins; zero where there is one for all time
	Counts
	Waiting int64 // messages that arrived in the slot and have not ended yet
}

// columns are where a row's counts are scanned to, in the order of seriesSums.
func (r *SeriesRow) columns() []any {
	var out []any
	for _, n := range r.fields() {
		out = append(out, n)
	}
	return append(out, &r.Waiting)
}

// waiting is what of a row's messages has not ended.
const waiting = "c.total - c.sent - c.hard - c.soft - c.blocked"

// seriesSums is the text that sums counters by one timing. What is of acceptance alone, the total and what still waits,
// is kept at the message's timing: there is no other.
func seriesSums(t Timing) string {
	if t == ByMessage {
		return sums("c", counterColumns[:]) + ", coalesce(sum(" + waiting + "), 0)"
	}
	var out []string
	for i, column := range counterColumns {
		timing := "1"
		if i == 0 {
			timing = "0"
		}
		out = append(out, "coalesce(sum(CASE WHEN c.timing = "+timing+" THEN c."+column+" ELSE 0 END), 0)")
	}
	return strings.Join(out, ", ") + ", coalesce(sum(CASE WHEN c.timing = 0 THEN " + waiting + " ELSE 0 END), 0)"
}

// Series reads counters of the scope's keys, oldest slot first. Slots in which nothing happened are left out. It reads a
// range of the counters' own key for each key and source, whatever the number of messages. Where there are no counters of
// five minutes any more, the slots are hours.
func (s *Store) Series(ctx context.Context, scope Scope, q SeriesQuery) ([]SeriesRow, error) {
	for {
		since := s.FiveMinutesSince()
		rows, err := s.seriesSince(ctx, scope, q, since)
		if err != nil || s.FiveMinutesSince().Equal(since) { // else some of what was to be read was deleted meanwhile
			return rows, err
		}
	}
}

// seriesSince is Series where there are counters of five minutes since a time.
func (s *Store) seriesSince(ctx context.Context, scope Scope, q SeriesQuery, since time.Time) ([]SeriesRow, error) {
	grain := q.grain()
	if grain != FiveMinutes || since.IsZero() || !q.From.IsZero() && !q.From.Before(since) {
		return s.series(ctx, scope, q, grain)
	}
	old, rest := q, q
	if q.To.IsZero() || q.To.After(since) {
		old.To = since
	}
	rows, err := s.series(ctx, scope, old, Hourly)
	if rest.From = since; err != nil || old.To.Equal(q.To) || q.Most > 0 && len(rows) == q.Most {
		return rows, err
	}
	if q.Most > 0 {
		rest.Most -= len(rows)
	}
	young, err := s.series(ctx, scope, rest, FiveMinutes)
	return append(rows, young...), err
}

func (s *Store) series(ctx context.Context, scope Scope, q SeriesQuery, grain Grain) ([]SeriesRow, error) {
	group := []string{"c.key_id", "c.source_id"}
	if q.Together {
		group = []string{"0", "0"}
	}
	w := newWhere("SELECT " + strings.Join(group, ", "))
	if q.Step == 0 {
		w.add(", 0")
	} else {
		step := int64(q.Step / time.Second)
		w.add(", c.slot / ? * ?", step, step)
	}
	w.add(", " + seriesSums(q.Timing) + " FROM api_key k JOIN counter c ON c.key_id = k.id")
	scope.where(w, "k.account_id", "k.id")
	q.where(w, grain)
	w.add(" GROUP BY 1, 2, 3 ORDER BY 3, 1, 2")
	if q.Most > 0 {
		w.add(" LIMIT ?", q.Most)
	}
	return collect(ctx, s, func(r scanner) (SeriesRow, error) {
		var row SeriesRow
		var slot int64
		err := r.scan(append([]any{&row.KeyID, &row.SourceID, &slot}, row.columns()...)...)
		if slot != 0 {
			row.At = time.Unix(slot, 0).UTC()
		}
		return row, err
	}, w.String(), w.args...)
}

// grain is the coarsest that answers the query: that of hours only where the period is one of whole hours.
func (q SeriesQuery) grain() Grain {
	const hour = time.Hour
	switch whole := q.From.Equal(q.From.Truncate(hour)) && q.To.Equal(q.To.Truncate(hour)); {
	case q.Step == 0 || q.Step >= Daily.Length():
		return Daily
	case q.Step%hour == 0 && whole:
		return Hourly
	}
	return FiveMinutes
}

func (q SeriesQuery) where(w *where, grain Grain) {
	w.in("k.id", q.KeyIDs)
	w.and("c.source = ?", int(q.Source))
	if q.Source == OfKeyItself {
		w.and("c.source_id = k.id")
	} else {
		w.in("c.source_id", q.SourceIDs)
	}
	if q.Timing == ByMessage {
		w.and("c.timing = 0")
	} else {
		w.and("c.timing IN (0, 1)")
	}
	w.and("c.grain = ?", int(grain))
	if !q.From.IsZero() {
		w.and("c.slot >= ?", q.From.Unix())
	}
	if !q.To.IsZero() {
		w.and("c.slot < ?", q.To.Unix())
	}
}

// in adds the condition that a column has one of the values, where there are any.
func (w *where) in(column string, ids []int64) {
	if len(ids) > 0 {
		w.and(column+" IN (?"+strings.Repeat(", ?", len(ids)-1)+")", anys(ids)...)
	}
}
