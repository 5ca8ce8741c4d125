// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"
	"time"

	"postern/internal/report"
	"postern/internal/store"
)

// Bounds of statistics.
const (
	statisticsDays   = 30     // when no period is said
	statisticsHourly = 100    // days at the resolution of an hour
	statisticsDaily  = 3660   // days at the resolution of a day
	statisticsRows   = 200000 // in one answer
)

const total = "total" // the resolution that is none

// statisticsQuery is what is asked for.
type statisticsQuery struct {
	Statistics
	scope  store.Scope
	keys   []store.Key // none: all of the scope
	limit  int         // of what the statistics are by
	period report.Period
	step   report.Step // not of total
}

// series is the query for the counters of the keys.
func (q *statisticsQuery) series() store.SeriesQuery {
	out := store.SeriesQuery{Source: store.OfKeyItself, From: q.From, To: q.To, KeyIDs: q.keyIDs()}
	if q.Timing == "event" {
		out.Timing = store.ByEvent
	}
	return out
}

func (q *statisticsQuery) keyIDs() []int64 {
	var out []int64
	for _, k := range q.keys {
		out = append(out, k.ID)
	}
	return out
}

func (o *operator) showStatistics(ctx context.Context, in StatisticsQuery) (Statistics, error) {
	q, err := o.statisticsQuery(ctx, in)
	if err != nil {
		return Statistics{}, err
	}
	sum, err := o.Report.Totals(ctx, q.scope, q.series())
	if err != nil {
		return Statistics{}, err
	}
	q.All = StatisticsRow{Counts: sum.Counts, Waiting: sum.Waiting}
	switch q.By {
	case "":
		err = o.statisticsOverTime(ctx, q)
	case "key":
		err = o.statisticsByKey(ctx, q)
	default:
		err = o.statisticsBy(ctx, q)
	}
	if q.Rows == nil {
		q.Rows = []StatisticsRow{}
	}
	return q.Statistics, err
}

// statisticsQuery reads what is asked for.
func (o *operator) statisticsQuery(ctx context.Context, in StatisticsQuery) (*statisticsQuery, error) {
	now := time.Now()
	q := &statisticsQuery{}
	q.By, q.Timing, q.Resolution = in.By, in.Timing, in.Resolution
	if err := o.statisticsKeys(ctx, q, in); err != nil {
		return nil, err
	}
	var err error
	if q.limit, err = listed(in.Limit, usualRows); err != nil {
		return nil, err
	}
	if err := q.choosePeriod(in, now); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	return q, q.cut(now)
}

// statisticsKeys reads of which keys they are: those that are named, or all of an account.
func (o *operator) statisticsKeys(ctx context.Context, q *statisticsQuery, in StatisticsQuery) error {
	q.scope = store.OfOperator()
	if len(in.Keys) == 0 || in.Account != "" {
		a, err := o.findAccount(ctx, in.Account)
		if err != nil {
			return err
		}
		q.scope = store.OfAccount(a.ID)
	}
	for _, which := range in.Keys {
		k, err := o.keyIn(ctx, q.scope, which)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(q.keys, func(x store.Key) bool { return x.ID == k.ID }) {
			q.keys = append(q.keys, k)
		}
	}
	return nil
}

// choosePeriod reads the last days, or from and to.
func (q *statisticsQuery) choosePeriod(in StatisticsQuery, now time.Time) error {
	if in.Days != nil {
		if *in.Days < 1 || *in.Days > statisticsDaily {
			return misused("days", "%d is not between 1 and %d", *in.Days, statisticsDaily)
		}
		q.period = report.Last(*in.Days, now)
		return nil
	}
	from, to := in.From, in.To
	if to.IsZero() {
		to = report.Last(1, now).To
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, -statisticsDays)
	}
	switch {
	case from.After(now):
		return misused("from", "the period has not begun yet")
	case !from.Before(to):
		return misused("to", "the period ends before it begins")
	}
	q.period = report.Period{From: from.UTC(), To: to.UTC()}
	return nil
}

// check fills in what was not said, and refuses what does not go together.
func (q *statisticsQuery) check() error {
	whole := func(d time.Duration) bool {
		return q.period.From.Equal(q.period.From.Truncate(d)) && q.period.To.Equal(q.period.To.Truncate(d))
	}
	if q.Timing == "" {
		q.Timing = "message"
	}
	if q.Resolution == "" {
		switch {
		case q.By != "":
			q.Resolution = total
		case q.period.Days() <= 3:
			q.Resolution = string(report.Hourly)
		default: // nobody asked for days, so that a period which is not made of them has the days that it begins and ends in
			q.Resolution = string(report.Daily)
			q.period = q.period.WholeDays()
		}
	}
	most := map[string]int{string(report.Hourly): statisticsHourly, string(report.Daily): statisticsDaily}[q.Resolution]
	sources := q.By != "" && q.By != "key"
	switch {
	case !slices.Contains([]string{"", "key", string(report.ByDomain), string(report.ByCampaign), string(report.BySender)}, q.By):
		return misused("by", "%q is none of key, domain, campaign and sender", q.By)
	case q.Timing != "message" && q.Timing != "event":
		return misused("timing", "%q is neither message nor event", q.Timing)
	case most == 0 && q.Resolution != total:
		return misused("resolution", "%q is none of hour, day and total", q.Resolution)
	case sources && q.Resolution != total:
		return misused("resolution", "by %s there is the total alone", q.By)
	case sources && q.Timing == "event":
		return misused("timing", "by %s mail is counted by the time of the message alone", q.By)
	case most != 0 && q.period.Days() > most:
		return misused("from", "the period has %d days, and at the resolution %s at most %d are shown: give a shorter one, or a coarser resolution", q.period.Days(), q.Resolution, most)
	case (sources || q.Resolution == string(report.Daily)) && !whole(report.Day):
		return misused("from", "the period begins or ends within a day: give days, or the resolution hour or total without --by")
	case !whole(time.Hour):
		return misused("from", "the period begins or ends within an hour: give full hours")
	}
	return nil
}

// cut leaves out what has not come yet.
func (q *statisticsQuery) cut(now time.Time) error {
	q.step = report.Daily
	if q.Resolution == string(report.Hourly) || !q.period.From.Equal(report.Daily.Of(q.period.From)) || !q.period.To.Equal(report.Daily.Of(q.period.To)) {
		q.step = report.Hourly
	}
	var begun bool
	if q.period, begun = q.period.Until(now, q.step); !begun {
		return misused("from", "the period has not begun yet")
	}
	q.From, q.To = q.period.From, q.period.To
	return nil
}

// statisticsOverTime has a row for each slot, or none for a total.
func (o *operator) statisticsOverTime(ctx context.Context, q *statisticsQuery) error {
	if q.Resolution == total {
		return nil
	}
	sq := q.series()
	sq.Step, sq.Together = q.step.Length(), true
	rows, err := o.Store.Series(ctx, q.scope, sq)
	for _, x := range report.Fill(rows, q.period, q.step) {
		q.Rows = append(q.Rows, StatisticsRow{At: x.At, Counts: x.Counts, Waiting: x.Waiting})
	}
	return err
}

// statisticsByKey has the keys side by side: those that are named, or the largest of all.
func (o *operator) statisticsByKey(ctx context.Context, q *statisticsQuery) error {
	sums, err := o.Report.KeyTotals(ctx, q.scope, q.series())
	if err != nil {
		return err
	}
	for _, k := range q.keys { // also those that sent nothing
		if !slices.ContainsFunc(sums, func(x store.SeriesRow) bool { return x.KeyID == k.ID }) {
			sums = append(sums, store.SeriesRow{KeyID: k.ID})
		}
	}
	if q.More = len(sums) > q.limit; q.More {
		sums = sums[:q.limit]
	}
	ids := make([]int64, len(sums))
	for i, x := range sums {
		ids[i] = x.KeyID
	}
	keys, err := o.Store.KeysByID(ctx, store.OfOperator(), ids)
	if err != nil {
		return err
	}
	row := func(x store.SeriesRow, keyID int64) {
		q.Rows = append(q.Rows, StatisticsRow{At: x.At, Name: keys[keyID].Name, APIKey: keys[keyID].APIKey, Counts: x.Counts, Waiting: x.Waiting})
	}
	if q.Resolution == total {
		for _, x := range sums {
			row(x, x.KeyID)
		}
		return nil
	}
	slots := len(q.period.Slots(q.step))
	if len(ids)*slots > statisticsRows {
		return misused("limit", "%d keys in %d slots are more than %d rows: ask for fewer keys, or a shorter period", len(ids), slots, statisticsRows)
	}
	if len(ids) == 0 {
		return nil
	}
	sq := q.series()
	sq.Step, sq.KeyIDs = q.step.Length(), ids
	read, err := o.Store.Series(ctx, q.scope, sq)
	if err != nil {
		return err
	}
	filled := sideBySide(read, ids, q)
	for slot := range slots {
		for i, id := range ids {
			row(filled[i][slot], id)
		}
	}
	return nil
}

// sideBySide fills the slots of each key.
func sideBySide(rows []store.SeriesRow, ids []int64, q *statisticsQuery) [][]store.SeriesRow {
	of := map[int64][]store.SeriesRow{}
	for _, x := range rows {
		of[x.KeyID] = append(of[x.KeyID], x)
	}
	out := make([][]store.SeriesRow, len(ids))
	for i, id := range ids {
		out[i] = report.Fill(of[id], q.period, q.step)
	}
	return out
}

// statisticsBy has the largest recipient domains, campaigns or senders. Campaigns and senders of several keys may have one
// name: then each row says whose mail it was.
func (o *operator) statisticsBy(ctx context.Context, q *statisticsQuery) error {
	if q.By != string(report.ByDomain) {
		if q.BySeveral = len(q.keys) > 1; len(q.keys) == 0 {
			_, all, err := o.Store.Keys(ctx, q.scope, store.KeyFilter{}, store.Page{Limit: 1})
			if err != nil {
				return err
			}
			q.BySeveral = all > 1
		}
	}
	rows, err := o.Report.Top(ctx, q.scope, report.By(q.By), store.BreakdownQuery{
		KeyIDs: q.keyIDs(), ByKey: q.BySeveral, From: q.From, To: q.To, Page: store.Page{Limit: q.limit + 1},
	})
	if err != nil {
		return err
	}
	if q.More = len(rows) > q.limit; q.More {
		rows = rows[:q.limit]
	}
	ids := make([]int64, len(rows))
	for i, x := range rows {
		ids[i] = x.KeyID
	}
	keys, err := o.Store.KeysByID(ctx, q.scope, ids)
	for _, x := range rows {
		if x.Name == "" {
			x.Name = "(removed)"
		}
		key := keys[x.KeyID]
		q.Rows = append(q.Rows, StatisticsRow{Name: x.Name, KeyName: key.Name, APIKey: key.APIKey, Counts: x.Counts, Waiting: x.Queued()})
	}
	return err
}
