// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"sync/atomic"
	"time"
)

const endEvery = 30 * time.Second

// Ended are counts since the start.
type Ended struct {
	Overlaps  int64 // ends of overlaps recorded
	Cancelled int64 // queued messages of deleted subaccounts given up
	Errors    int64
}

type ended struct{ overlaps, cancelled, errors atomic.Int64 }

// Ended reads the counts.
func (k *Keys) Ended() Ended {
	return Ended{k.ended.overlaps.Load(), k.ended.cancelled.Load(), k.ended.errors.Load()}
}

// Run records the ends of overlaps and cancels what deleted subaccounts still had under way, until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	tick := time.NewTicker(endEvery)
	defer tick.Stop()
	for {
		k.tidy(ctx, "overlaps that ended were not recorded", k.EndOverlaps, &k.ended.overlaps)
		k.tidy(ctx, "queued mail of deleted subaccounts was not cancelled", k.CancelQueued, &k.ended.cancelled)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (k *Keys) tidy(ctx context.Context, failed string, do func(context.Context) (int, error), count *atomic.Int64) {
	n, err := do(ctx)
	count.Add(int64(n))
	if err != nil && ctx.Err() == nil {
		k.ended.errors.Add(1)
		k.log.WarnContext(ctx, failed+"; it is tried again", "error", err)
	}
}
