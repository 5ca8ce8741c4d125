// SPDX-License-Identifier: Apache-2.0

package tracking

import (
	"net/netip"
	"sync"
	"time"

	"postern/internal/track"
)

// hit is what may be repeated: what was done with which link of a message, and from where.
type hit struct {
	kind    track.Kind
	message int64
	link    int64
	source  netip.Prefix
}

// maxRecent bounds the hits that are remembered. Past it, those that are over go, and if none is, all do.
const maxRecent = 100_000

// recent remembers hits for a while, so that a picture that is drawn twice, or somebody who holds a key down, counts
// once.
type recent struct {
	mu    sync.Mutex
	until map[hit]time.Time
}

func newRecent() *recent { return &recent{until: map[hit]time.Time{}} }

// seen says whether there was the same hit within the last while, and remembers it if not.
func (r *recent) seen(x hit, now time.Time, while time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.until[x]) {
		return true
	}
	if len(r.until) >= maxRecent {
		for k, until := range r.until {
			if !now.Before(until) {
				delete(r.until, k)
			}
		}
		if len(r.until) >= maxRecent/2 {
			clear(r.until)
		}
	}
	r.until[x] = now.Add(while)
	return false
}

// known says whether a hit is remembered.
func (r *recent) known(x hit, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until[x])
}
