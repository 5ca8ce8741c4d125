// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// How often what comes to its end by itself is looked for.
const (
	tidyEvery   = 30 * time.Second
	forgetEvery = time.Hour
	forgetBatch = 500
	forgetHold  = 20 * time.Millisecond // how long a batch may hold the writer, by which all mail goes
	fineDays    = 92                    // for how long counters of five minutes are kept; hours and days are for good
)

// Tidied are counts since the start.
type Tidied struct {
	Overlaps  int64 // ends of overlaps recorded
	Cancelled int64 // queued messages of deleted subaccounts given up
	Forgotten int64 // messages past their plan's retention deleted
	Fine      int64 // counters of five minutes deleted
	Campaigns int64 // small campaigns deleted, after their last message
	Errors    int64
}

type tidied struct{ overlaps, cancelled, forgotten, fine, campaigns, errors atomic.Int64 }

// Tidied reads the counts.
func (k *Keyring) Tidied() Tidied {
	return Tidied{k.tidied.overlaps.Load(), k.tidied.cancelled.Load(), k.tidied.forgotten.Load(), k.tidied.fine.Load(), k.tidied.campaigns.Load(), k.tidied.errors.Load()}
}

// Run records the ends of overlaps, cancels what deleted subaccounts still had under way, and deletes messages past
// their plan's retention, small campaigns of which none is left, and old counters of five minutes, until ctx ends.
func (k *Keyring) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { // apart, since the first time after years it may take an hour
		every(ctx, forgetEvery, func() {
			k.tidy(ctx, "messages past their retention were not deleted", k.Forget, &k.tidied.forgotten)
			k.tidy(ctx, "campaigns without messages were not deleted", k.ForgetCampaigns, &k.tidied.campaigns)
			k.tidy(ctx, "old counters of five minutes were not deleted", k.ForgetFine, &k.tidied.fine)
		})
	})
	every(ctx, tidyEvery, func() {
		k.tidy(ctx, "overlaps that ended were not recorded", k.EndOverlaps, &k.tidied.overlaps)
		k.tidy(ctx, "queued mail of deleted subaccounts was not cancelled", k.CancelQueued, &k.tidied.cancelled)
	})
	both.Wait()
	return nil
}

// every does something now and again and again until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k *Keyring) tidy(ctx context.Context, failed string, do func(context.Context) (int, error), count *atomic.Int64) {
	n, err := do(ctx)
	count.Add(int64(n))
	if err != nil && ctx.Err() == nil {
		k.tidied.errors.Add(1)
		k.log.WarnContext(ctx, failed+"; it is tried again", "error", err)
	}
}

// Forget deletes the finished messages that are older than their account keeps them, and says how many. Between two batches
// the mail has the writer for as long as the last one had it.
func (k *Keyring) Forget(ctx context.Context) (total int, err error) {
	list, err := k.store.Retentions(ctx, k.retention)
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
		k.log.InfoContext(ctx, "messages past their retention are deleted", slog.Int("messages", total), slog.String("longest", longest.String()))
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
func (k *Keyring) ForgetCampaigns(ctx context.Context) (total int, err error) {
	list, err := k.store.Retentions(ctx, k.retention)
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

// ForgetFine deletes the counters of five minutes of the days that are over for fineDays, and says how many.
func (k *Keyring) ForgetFine(ctx context.Context) (total int, err error) {
	before := time.Now().AddDate(0, 0, -fineDays)
	for more := true; more; {
		var n int
		var held time.Duration
		if n, more, held, err = k.store.ForgetFine(ctx, before, forgetHold); err != nil {
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
