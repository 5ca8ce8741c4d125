// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"slices"
	"time"

	"postern/internal/change"
	"postern/internal/store"
)

// Lists is a source of counters that there is not: there are no lists of contacts.
const Lists store.Source = -1

// mostCounters is up to how many counters, or programs of recipients, a question may be about: they are sorted, counted
// and paged in memory. It is as many as 600 keys have by the hour in a month, or one in five years of five minutes.
const mostCounters = 500_000

// CounterQuery says which counters are read.
type CounterQuery struct {
	Source   store.Source
	IDs      []int64 // of keys, campaigns or senders; of keys none is the caller itself
	Timing   store.Timing
	Step     time.Duration // five minutes, an hour or a day; 0: one row for all time
	From, To time.Time     // To excluded; without From it is the day that To is in, or today
}

// Counters reads counters by source and slot, oldest slot first. Keys are those of the scope; itself is the calling key,
// whose campaigns and senders they are. Whoever asks for one row of its own gets one, if need be of zeros.
func (r *Report) Counters(
	ctx context.Context, scope store.Scope, itself store.Key, q CounterQuery, now time.Time,
) ([]store.SeriesRow, error) {
	sq, err := r.counterQuery(q, now)
	if err != nil || q.Source == Lists {
		return nil, err
	}
	if own := store.OfKey(itself.AccountID, itself.ID); q.Source != store.OfKeyItself || len(q.IDs) == 0 {
		scope, sq.SourceIDs = own, q.IDs
	} else {
		sq.KeyIDs = q.IDs
	}
	list, err := r.store.Series(ctx, scope, sq)
	if err != nil {
		return nil, err
	}
	if len(list) > r.most {
		return nil, change.Errorf(change.Invalid, "From",
			"there are more than %d counters in this period: ask for a shorter one, fewer sources, or a longer resolution", r.most)
	}
	if q.Step == 0 && len(list) == 0 {
		return r.zeros(ctx, itself, q)
	}
	return list, nil
}

func (r *Report) counterQuery(q CounterQuery, now time.Time) (store.SeriesQuery, error) {
	sq := store.SeriesQuery{Source: q.Source, Timing: q.Timing, Step: q.Step, From: q.From, To: q.To, Most: r.most + 1}
	if len(q.IDs) == 0 && q.Source != store.OfKeyItself {
		return sq, change.Errorf(change.Invalid, "Source", "say which campaign, list or sender is asked about")
	}
	if q.Step == 0 {
		for _, x := range []struct {
			field string
			at    time.Time
		}{{"From", q.From}, {"To", q.To}} {
			if !x.at.IsZero() {
				return sq, change.Errorf(change.Invalid, x.field, "a Lifetime has no period: leave it out, or ask for days")
			}
		}
		return sq, nil
	}
	if sq.From.IsZero() {
		day := now
		if !sq.To.IsZero() && sq.To.Before(now) {
			day = sq.To.Add(-time.Microsecond)
		}
		sq.From = day.UTC().Truncate(Day)
	}
	if err := checkOrder("To", Period{sq.From, sq.To}); err != nil {
		return sq, err
	}
	toSlots(&sq, now)
	if sq.Step == store.FiveMinutes.Length() && sq.From.Before(r.store.FiveMinutesSince()) {
		sq.From = sq.From.Truncate(store.Hourly.Length()) // there the slots are hours
	}
	return sq, nil
}

// toSlots has a period begin with the slot that its beginning is in. One that ends now, as most that programs ask for, has
// no end: nothing is later, and of whole slots the coarsest counters are read.
func toSlots(sq *store.SeriesQuery, now time.Time) {
	if !sq.From.IsZero() {
		sq.From = sq.From.UTC().Truncate(sq.Step)
	}
	if sq.To.After(now.UTC().Truncate(store.FiveMinutes.Length())) {
		sq.To = time.Time{}
	}
}

// zeros is the row of zeros of a key that has sent nothing, or of a source that is the caller's and has not.
func (r *Report) zeros(ctx context.Context, itself store.Key, q CounterQuery) (list []store.SeriesRow, err error) {
	row := store.SeriesRow{KeyID: itself.ID, SourceID: itself.ID}
	switch {
	case q.Source == store.OfKeyItself && (len(q.IDs) == 0 || slices.Contains(q.IDs, itself.ID)):
		return []store.SeriesRow{row}, nil
	case q.Source == store.OfSender:
		senders, err := r.store.Senders(ctx, store.OfKey(itself.AccountID, itself.ID))
		if err != nil {
			return nil, err
		}
		for _, x := range senders {
			if slices.Contains(q.IDs, x.ID) {
				row.SourceID = x.ID
				list = append(list, row)
			}
		}
	case q.Source == store.OfCampaign: // a campaign is there because of its mail
	}
	return list, nil
}

// Lifetime sums what became of all mail of the scope's keys, and says when something last happened, to the slot.
func (r *Report) Lifetime(ctx context.Context, scope store.Scope) (store.Counts, time.Time, error) {
	return r.store.Totals(ctx, scope)
}
