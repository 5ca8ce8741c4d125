// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"time"

	"postern/internal/store"
)

// Period is a time from From (included) to To (excluded), in UTC.
type Period struct{ From, To time.Time }

// Day is the length of a day of UTC.
const Day = 24 * time.Hour

// Current is the calendar's day, week (from Monday), month or year that now is in.
func Current(word string, now time.Time) (p Period, ok bool) {
	day := now.UTC().Truncate(Day)
	switch strings.ToLower(word) {
	case "day":
		return Period{day, day.AddDate(0, 0, 1)}, true
	case "week":
		monday := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
		return Period{monday, monday.AddDate(0, 0, 7)}, true
	case "month":
		first := day.AddDate(0, 0, 1-day.Day())
		return Period{first, first.AddDate(0, 1, 0)}, true
	case "year":
		first := time.Date(day.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
		return Period{first, first.AddDate(1, 0, 0)}, true
	}
	return Period{}, false
}

// Last are the last days, today included.
func Last(days int, now time.Time) Period {
	end := now.UTC().Truncate(Day).AddDate(0, 0, 1)
	return Period{end.AddDate(0, 0, -days), end}
}

// Days is how many days the period has.
func (p Period) Days() int { return int((p.To.Sub(p.From) + Day - 1) / Day) }

// WholeDays is the period with the days of UTC that it begins and ends in counted whole.
func (p Period) WholeDays() Period {
	to := p.To.UTC().Truncate(Day)
	if to.Before(p.To) {
		to = to.Add(Day)
	}
	return Period{p.From.UTC().Truncate(Day), to}
}

// Before is the period of the same length that ends where this one begins.
func (p Period) Before() Period { return Period{p.From.Add(-p.To.Sub(p.From)), p.From} }

// Until leaves out of the period the slots of a step that have not begun yet. begun is false when none has.
func (p Period) Until(now time.Time, s Step) (out Period, begun bool) {
	if end := s.Next(s.Of(now)); p.To.After(end) {
		p.To = end
	}
	return p, p.From.Before(p.To)
}

// Step is how a period is cut into slots.
type Step string

// The steps.
const (
	Hourly  Step = "hour"
	Daily   Step = "day"
	Weekly  Step = "week"
	Monthly Step = "month"
)

// Step is the step that gives a period some dozens of slots.
func (p Period) Step() Step {
	switch n := p.Days(); {
	case n <= 3:
		return Hourly
	case n <= 100:
		return Daily
	case n <= 400:
		return Weekly
	}
	return Monthly
}

// Length is how long the slots are that a step is summed from.
func (s Step) Length() time.Duration {
	if s == Hourly {
		return time.Hour
	}
	return Day
}

// Of is the slot of a time.
func (s Step) Of(t time.Time) time.Time {
	t = t.UTC()
	switch s {
	case Hourly:
		return t.Truncate(time.Hour)
	case Weekly:
		p, _ := Current("week", t)
		return p.From
	case Monthly:
		p, _ := Current("month", t)
		return p.From
	case Daily:
	}
	return t.Truncate(Day)
}

// Next is the slot after the one that begins at t.
func (s Step) Next(t time.Time) time.Time {
	switch s {
	case Hourly:
		return t.Add(time.Hour)
	case Weekly:
		return t.AddDate(0, 0, 7)
	case Monthly:
		return t.AddDate(0, 1, 0)
	case Daily:
	}
	return t.AddDate(0, 0, 1)
}

// Slots are when the slots of the period begin.
func (p Period) Slots(s Step) []time.Time {
	var out []time.Time
	for t := s.Of(p.From); t.Before(p.To); t = s.Next(t) {
		out = append(out, t)
	}
	return out
}

// fill puts the rows of one source into the slots of a period: one for each slot, also where nothing happened.
func fill(rows []store.SeriesRow, p Period, s Step) []store.SeriesRow {
	slots := p.Slots(s)
	at := make(map[time.Time]int, len(slots))
	out := make([]store.SeriesRow, len(slots))
	for i, t := range slots {
		at[t], out[i].At = i, t
	}
	for _, r := range rows {
		if i, ok := at[s.Of(r.At)]; ok {
			add(&out[i], r)
		}
	}
	return out
}

// fold sums rows, oldest first, in the slots of a step in which something happened.
func fold(rows []store.SeriesRow, s Step) []store.SeriesRow {
	var out []store.SeriesRow
	for _, r := range rows {
		at := s.Of(r.At)
		if n := len(out); n == 0 || !out[n-1].At.Equal(at) {
			out = append(out, store.SeriesRow{At: at})
		}
		add(&out[len(out)-1], r)
	}
	return out
}

// add adds what was counted in one row to another.
func add(to *store.SeriesRow, r store.SeriesRow) {
	to.Add(r.Counts)
	to.Waiting += r.Waiting
}
