// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"net/netip"

	"postern/internal/store"
)

// Public says whether an address may be connected to.
func Public(a netip.Addr) bool { return public(a) }

// Control refuses what may not be connected to.
func Control(address string) error { return control("tcp", address, nil) }

// PerEndpoint is how many requests to one endpoint are under way at a time.
const PerEndpoint = perEndpoint

// Round delivers all that is due and waits for what comes of it.
func (w *Webhook) Round(ctx context.Context) {
	count := func() (n int64) {
		for _, c := range []*counters{&w.ofKeys, &w.ofAccounts} {
			for i := range c.requests {
				n += c.requests[i].Load()
			}
		}
		return n
	}
	for {
		before := count()
		w.findLanes(ctx)
		w.serveLanes(ctx, ctx)
		w.running.Wait()
		if count() == before {
			return
		}
	}
}

// Sweep removes what is left over.
func (w *Webhook) Sweep(ctx context.Context) { w.sweep(ctx) }

// Encode writes the body of a request.
func Encode(version int, events []store.EventDetail) ([]byte, int, error) {
	return encode(version, events)
}

// FillHost has as many requests to a host under way as there may be.
func (w *Webhook) FillHost(host string) {
	for w.slots.enter(host) { //nolint:revive // until there is no place
	}
}
