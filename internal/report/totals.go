// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"context"
	"slices"

	"postern/internal/store"
)

// Totals sums what became of mail in a period: of keys, campaigns or senders together.
func (r *Report) Totals(ctx context.Context, scope store.Scope, q store.SeriesQuery) (store.SeriesRow, error) {
	q.Together = true
	rows, err := r.read(ctx, scope, q)
	var sum store.SeriesRow
	for _, x := range rows {
		add(&sum, x)
	}
	return sum, err
}

// KeyTotals sums what became of mail in a period for each key that had any, the largest first.
func (r *Report) KeyTotals(ctx context.Context, scope store.Scope, q store.SeriesQuery) ([]store.SeriesRow, error) {
	q.Together = false
	rows, err := r.read(ctx, scope, q)
	at := map[int64]int{}
	var out []store.SeriesRow
	for _, x := range rows {
		i, known := at[x.KeyID]
		if !known {
			i = len(out)
			at[x.KeyID] = i
			out = append(out, store.SeriesRow{KeyID: x.KeyID})
		}
		add(&out[i], x)
	}
	slices.SortFunc(out, func(a, b store.SeriesRow) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.KeyID, b.KeyID))
	})
	return out, err
}

// read reads the counters of a period in as few rows as there are: days, and at its ends hours and pieces of five minutes.
func (r *Report) read(ctx context.Context, scope store.Scope, q store.SeriesQuery) (out []store.SeriesRow, err error) {
	for _, p := range pieces(Period{q.From, q.To}) {
		if q.From, q.To, q.Step = p.From, p.To, p.grain.Length(); p.grain == store.Daily {
			q.Step = 0 // in one row
		}
		rows, err := r.store.Series(ctx, scope, q)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// piece is a period of whole slots of a grain.
type piece struct {
	Period
	grain store.Grain
}

// pieces cuts a period, whose bounds may be zero for none, into whole days and what is left at its ends.
func pieces(p Period) (out []piece) {
	for _, g := range [...]struct{ small, large store.Grain }{{store.FiveMinutes, store.Hourly}, {store.Hourly, store.Daily}} {
		length := g.large.Length()
		if first := p.From.Add(length - 1).Truncate(length); !p.From.IsZero() && !first.Equal(p.From) {
			if !p.To.IsZero() && first.After(p.To) {
				return append(out, piece{p, g.small}) // all of it lies within one of the larger slots
			}
			out = append(out, piece{Period{p.From, first}, g.small})
			p.From = first
		}
		if last := p.To.Truncate(length); !p.To.IsZero() && !last.Equal(p.To) {
			out = append(out, piece{Period{last, p.To}, g.small})
			p.To = last
		}
	}
	if p.To.IsZero() || p.From.Before(p.To) {
		out = append(out, piece{p, store.Daily})
	}
	return out
}
