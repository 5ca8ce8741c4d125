// SPDX-License-Identifier: Apache-2.0

// Package retention deletes what is past the time for which it is kept: finished messages, by the plans of their accounts,
// campaigns of which no message is left, and counters of five minutes.
package retention

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"postern/internal/store"
)

const (
	forgetEvery     = time.Hour
	forgetBatch     = 500
	forgetHold      = 20 * time.Millisecond // how long a batch may hold the writer, by which all mail goes
	fiveMinutesDays = 92                    // for how long counters of five minutes are kept; hours and days are for good
)

// Retention deletes. Make it with New.
type Retention struct {
	store *store.Store
	days  int
	log   *slog.Logger

	messages, fiveMinutes, campaigns, errors atomic.Int64
}

// New makes Retention. days is how long messages of accounts are kept whose plans say nothing; 0: for good.
func New(s *store.Store, days int, log *slog.Logger) *Retention {
	return &Retention{store: s, days: days, log: log}
}

// Stats are counts since the start.
type Stats struct {
	Messages  int64 // past their plan's retention, deleted
	Counters  int64 // of five minutes, deleted
	Campaigns int64 // small ones, deleted after their last message
	Errors    int64
}

// Stats reads the counts.
func (k *Retention) Stats() Stats {
	return Stats{k.messages.Load(), k.fiveMinutes.Load(), k.campaigns.Load(), k.errors.Load()}
}

// Run deletes once an hour until ctx ends. The first time after years it may take an hour.
func (k *Retention) Run(ctx context.Context) error {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		k.tidy(ctx, "messages past their retention were not deleted", k.Forget, &k.messages)
		k.tidy(ctx, "campaigns without messages were not deleted", k.ForgetCampaigns, &k.campaigns)
		k.tidy(ctx, "old counters of five minutes were not deleted", k.ForgetFiveMinutes, &k.fiveMinutes)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (k *Retention) tidy(ctx context.Context, failed string, do func(context.Context) (int, error), count *atomic.Int64) {
	n, err := do(ctx)
	count.Add(int64(n))
	if err != nil && ctx.Err() == nil {
		k.errors.Add(1)
		k.log.WarnContext(ctx, failed+"; it is tried again", "error", err)
	}
}

// Forget deletes the finished messages that are older than their account keeps them, and says how many. Between two batches
// the mail has the writer for as long as the last one had it.
func (k *Retention) Forget(ctx context.Context) (total int, err error) {
	list, err := k.store.Retentions(ctx, k.days)
	if err != nil {
		return 0, err
	}
	var longest time.Duration
	for _, r := range list {
		before := time.Now().AddDate(0, 0, -r.Days)
		for after, more := int64(0), true; more; more = after != 0 {
			batch, err := k.store.Forget(ctx, r.AccountID, before, after, forgetBatch, forgetHold)
			if err != nil {
				return total, err
			}
			total, after, longest = total+batch.Messages, batch.Last, max(longest, batch.Held)
			if err := pause(ctx, batch.Held); err != nil {
				return total, err
			}
		}
	}
	if total > 0 {
		k.log.InfoContext(ctx, "messages past their retention are deleted", slog.Int("messages", total),
			slog.String("longest", longest.String()))
	}
	for n := forgetBatch; n == forgetBatch; {
		if n, err = k.store.ForgetArrivals(ctx, forgetBatch); err != nil {
			return total, err
		}
	}
	return total, nil
}

// ForgetCampaigns deletes small campaigns that had their last mail longer ago than their account keeps messages, and have
// none left, and says how many.
func (k *Retention) ForgetCampaigns(ctx context.Context) (total int, err error) {
	list, err := k.store.Retentions(ctx, k.days)
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		before := time.Now().AddDate(0, 0, -r.Days)
		for after, more := int64(0), true; more; more = after != 0 {
			piece, err := k.store.ForgetCampaigns(ctx, r.AccountID, before, after, forgetBatch)
			if err != nil {
				return total, err
			}
			total, after = total+piece.Campaigns, piece.Last
			if err := pause(ctx, piece.Held); err != nil {
				return total, err
			}
		}
	}
	if total > 0 {
		k.log.InfoContext(ctx, "small campaigns without messages are deleted", slog.Int("campaigns", total))
	}
	return total, nil
}

// ForgetFiveMinutes deletes the counters of five minutes of the days that are over for fiveMinutesDays, and says how many.
func (k *Retention) ForgetFiveMinutes(ctx context.Context) (total int, err error) {
	before := time.Now().AddDate(0, 0, -fiveMinutesDays)
	for more := true; more; {
		var n int
		var held time.Duration
		if n, more, held, err = k.store.ForgetFiveMinutes(ctx, before, forgetHold); err != nil {
			return total, err
		}
		total += n
		if err := pause(ctx, held); err != nil {
			return total, err
		}
	}
	if total > 0 {
		k.log.InfoContext(ctx, "old counters of five minutes are deleted", slog.Int("counters", total))
	}
	return total, nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
