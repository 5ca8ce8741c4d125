// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	endEvery  = 30 * time.Second
	readEvery = time.Second // keys that could not be read after a change
)

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

// Run records the ends of overlaps, cancels what deleted subaccounts still had under way, and opens keys again that could
// not be read after a change, until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	tick, read := time.NewTicker(endEvery), time.NewTicker(readEvery)
	defer tick.Stop()
	defer read.Stop()
	tidy := func() {
		k.tidy(ctx, "overlaps that ended were not recorded", k.EndOverlaps, &k.ended.overlaps)
		k.tidy(ctx, "queued mail of deleted subaccounts was not cancelled", k.CancelQueued, &k.ended.cancelled)
	}
	tidy()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			tidy()
		case <-read.C:
			k.refreshClosed(ctx)
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
