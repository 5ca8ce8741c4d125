// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"postern/internal/report"
	"postern/internal/store"
)

func (o *operator) showStatistics(ctx context.Context, in StatisticsQuery) (report.Statistics, error) {
	scope, keys, err := o.statisticsKeys(ctx, in)
	if err != nil {
		return report.Statistics{}, err
	}
	limit, err := listed(in.Limit, usualRows)
	if err != nil {
		return report.Statistics{}, err
	}
	got, err := o.Report.Statistics(ctx, scope, report.Query{
		Keys: keys, Days: in.Days, From: in.From, To: in.To, Timing: in.Timing, By: report.By(in.By), Resolution: in.Resolution,
		Limit: limit,
	})
	return got, misuse(err)
}

// statisticsKeys reads of which keys they are: those that are named, or, with none, all of an account.
func (o *operator) statisticsKeys(ctx context.Context, in StatisticsQuery) (store.Scope, []store.Key, error) {
	scope := store.OfOperator()
	if len(in.Keys) == 0 || in.Account != "" {
		a, err := o.findAccount(ctx, in.Account)
		if err != nil {
			return scope, nil, err
		}
		scope = store.OfAccount(a.ID)
	}
	var keys []store.Key
	for _, which := range in.Keys {
		k, err := o.Keys.Find(ctx, scope, which)
		if err != nil {
			return scope, nil, err
		}
		if !slices.ContainsFunc(keys, func(x store.Key) bool { return x.ID == k.ID }) {
			keys = append(keys, k)
		}
	}
	return scope, keys, nil
}
