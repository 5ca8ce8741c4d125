// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"slices"
	"time"

	"postern/internal/change"
	"postern/internal/store"
)

// Resolutions beside the steps "hour" and "day".
const (
	Total    = "total"    // none: one row for the whole period
	Suitable = "suitable" // hours up to three days, and else days
)

// ByKey is what statistics are by that stand side by side for each key.
const ByKey By = "key"

// mostRows is how many rows one answer has.
const mostRows = 200_000

// Removed is what a campaign or a sender is called that is not kept any more.
const Removed = "(removed)"

// Statistics are what became of mail in a period.
type Statistics struct {
	From, To   time.Time // To is excluded
	Resolution string    // hour, day or total
	Timing     string    // message or event
	By         string    `json:",omitempty"` // key, domain, campaign or sender
	BySeveral  bool      `json:",omitempty"` // of campaigns and senders: a row for each key that sent
	Rows       []Row
	More       bool // there are more than Rows: smaller ones
	All        Row  // all mail together, not Rows alone
}

// Row is one slot, or one of what statistics are by, or both.
type Row struct {
	At      time.Time `json:",omitzero"`  // when the slot begins
	Name    string    `json:",omitempty"` // of the key, the domain, the campaign or the sender
	KeyName string    `json:",omitempty"` // whose campaign or sender it is, where several keys are counted
	APIKey  string    `json:",omitempty"`
	store.Counts
	Waiting int64 // messages that have not ended yet
}

// Query is what statistics are asked about.
type Query struct {
	Keys       []store.Key // summed, or side by side; none: all of the scope
	Days       *int        // the last days, today included; nil: From and To say it
	From, To   time.Time   // To excluded; without To until today, without From 30 days
	Timing     string      // when an event counts: "message", when its message arrived (also ""), or "event", when it happened
	By         By          // "": over time
	Resolution string      // hour, day, total or suitable; "" is suitable, and total for By
	Limit      int         // of what statistics are by, the largest; of keys at least as many as are named are shown
	Now        time.Time   // what has not begun yet is left out; zero: now
}

// Statistics answers with what became of the mail of the scope's keys. Slots in which nothing happened are there, too.
func (r *Report) Statistics(ctx context.Context, scope store.Scope, q Query) (Statistics, error) {
	a, err := plan(q)
	if err != nil {
		return Statistics{}, err
	}
	sum, err := r.Totals(ctx, scope, a.series())
	if err != nil {
		return Statistics{}, err
	}
	a.All = Row{Counts: sum.Counts, Waiting: sum.Waiting}
	switch a.by {
	case "":
		err = r.overTime(ctx, scope, a)
	case ByKey:
		err = r.byKey(ctx, scope, a)
	case ByDomain, ByCampaign, BySender:
		err = r.by(ctx, scope, a)
	}
	return a.Statistics, err
}

// Largest are the largest recipient domains, campaigns or senders of a period, without the sum of all mail.
func (r *Report) Largest(ctx context.Context, scope store.Scope, q Query) (Statistics, error) {
	a, err := plan(q)
	if err != nil {
		return Statistics{}, err
	}
	err = r.by(ctx, scope, a)
	return a.Statistics, err
}

// asked is a query that was checked, and the answer to it.
type asked struct {
	Statistics
	by     By
	keys   []store.Key
	limit  int
	period Period
	step   Step // not of total
}

// series is the query for the counters of the keys.
func (a *asked) series() store.SeriesQuery {
	out := store.SeriesQuery{Source: store.OfKeyItself, From: a.From, To: a.To, KeyIDs: a.keyIDs()}
	if a.Timing == "event" {
		out.Timing = store.ByEvent
	}
	return out
}

func (a *asked) keyIDs() []int64 {
	var out []int64
	for _, k := range a.keys {
		out = append(out, k.ID)
	}
	return out
}

// overTime has a row for each slot, or none for a total.
func (r *Report) overTime(ctx context.Context, scope store.Scope, a *asked) error {
	if a.Resolution == Total {
		return nil
	}
	sq := a.series()
	sq.Step, sq.Together = a.step.Length(), true
	rows, err := r.store.Series(ctx, scope, sq)
	for _, x := range fill(rows, a.period, a.step) {
		a.Rows = append(a.Rows, Row{At: x.At, Counts: x.Counts, Waiting: x.Waiting})
	}
	return err
}

// byKey has keys side by side: those that are named, or the largest of all.
func (r *Report) byKey(ctx context.Context, scope store.Scope, a *asked) error {
	sums, err := r.KeyTotals(ctx, scope, a.series())
	if err != nil {
		return err
	}
	for _, k := range a.keys { // also those that sent nothing
		if !slices.ContainsFunc(sums, func(x store.SeriesRow) bool { return x.KeyID == k.ID }) {
			sums = append(sums, store.SeriesRow{KeyID: k.ID})
		}
	}
	if a.More = len(sums) > a.limit; a.More {
		sums = sums[:a.limit]
	}
	ids := make([]int64, len(sums))
	for i, x := range sums {
		ids[i] = x.KeyID
	}
	keys, err := r.store.KeysByID(ctx, scope, ids)
	if err != nil {
		return err
	}
	row := func(x store.SeriesRow, keyID int64) {
		a.Rows = append(a.Rows, Row{At: x.At, Name: keys[keyID].Name, APIKey: keys[keyID].APIKey, Counts: x.Counts, Waiting: x.Waiting})
	}
	if a.Resolution == Total {
		for _, x := range sums {
			row(x, x.KeyID)
		}
		return nil
	}
	slots := len(a.period.Slots(a.step))
	if len(ids)*slots > mostRows {
		return change.Errorf(change.Invalid, "Limit",
			"%d keys in %d slots are more than %d rows: ask for fewer keys, or a shorter period", len(ids), slots, mostRows)
	}
	filled, err := r.sideBySide(ctx, scope, a, ids)
	if err != nil {
		return err
	}
	for slot := range slots {
		for i, id := range ids {
			row(filled[i][slot], id)
		}
	}
	return nil
}

// sideBySide reads the slots of each key.
func (r *Report) sideBySide(ctx context.Context, scope store.Scope, a *asked, ids []int64) ([][]store.SeriesRow, error) {
	if len(ids) == 0 {
		return make([][]store.SeriesRow, 0), nil
	}
	sq := a.series()
	sq.Step, sq.KeyIDs = a.step.Length(), ids
	rows, err := r.store.Series(ctx, scope, sq)
	of := map[int64][]store.SeriesRow{}
	for _, x := range rows {
		of[x.KeyID] = append(of[x.KeyID], x)
	}
	out := make([][]store.SeriesRow, len(ids))
	for i, id := range ids {
		out[i] = fill(of[id], a.period, a.step)
	}
	return out, err
}

// by has the largest recipient domains, campaigns or senders. Campaigns and senders of several keys may have one name:
// then each row says whose mail it was.
func (r *Report) by(ctx context.Context, scope store.Scope, a *asked) error {
	if a.by != ByDomain {
		if a.BySeveral = len(a.keys) > 1; len(a.keys) == 0 {
			_, all, err := r.store.Keys(ctx, scope, store.KeyFilter{}, store.Page{Limit: 1})
			if err != nil {
				return err
			}
			a.BySeveral = all > 1
		}
	}
	rows, err := r.largest(ctx, scope, a.by, store.BreakdownQuery{
		KeyIDs: a.keyIDs(), ByKey: a.BySeveral, From: a.From, To: a.To, Page: store.Page{Limit: a.limit + 1},
	})
	if err != nil {
		return err
	}
	if a.More = len(rows) > a.limit; a.More {
		rows = rows[:a.limit]
	}
	ids := make([]int64, len(rows))
	for i, x := range rows {
		ids[i] = x.KeyID
	}
	keys, err := r.store.KeysByID(ctx, scope, ids)
	for _, x := range rows {
		if x.Name == "" {
			x.Name = Removed
		}
		key := keys[x.KeyID]
		a.Rows = append(a.Rows, Row{Name: x.Name, KeyName: key.Name, APIKey: key.APIKey, Counts: x.Counts, Waiting: x.Queued()})
	}
	return err
}
