// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"net/netip"

	"postern/internal/store"
)

// Round tries all that is due once and waits for what comes of it.
func (w *Webhook) Round(ctx context.Context) error {
	_, err := w.round(ctx, ctx)
	w.work.running.Wait()
	return err
}

// Public says whether an address may be connected to.
func Public(a netip.Addr) bool { return public(a) }

// Control refuses what may not be connected to.
func Control(address string) error { return control("tcp", address, nil) }

// PerWebhook is how many deliveries of a webhook are under way at a time.
const PerWebhook = perWebhook

// HookRound tells keys' hooks all that is due and waits for what comes of it.
func (w *Webhook) HookRound(ctx context.Context) {
	count := func() (n int64) {
		for i := range w.hooks.requests {
			n += w.hooks.requests[i].Load()
		}
		return n
	}
	for {
		before := count()
		w.findLanes(ctx)
		w.serveLanes(ctx, ctx)
		w.work.running.Wait()
		if count() == before {
			return
		}
	}
}

// Sweep removes what is left over.
func (w *Webhook) Sweep(ctx context.Context) { w.sweepHooks(ctx) }

// PerReceiver is how many requests to one URL of a key are under way at a time.
const PerReceiver = perReceiver

// Encode writes the body of a request.
func Encode(version int, events []store.ToldEvent) ([]byte, int, error) {
	return encode(version, events)
}

// FillHost has as many requests to a host under way as there may be.
func (w *Webhook) FillHost(host string) {
	for w.work.enter(host) { //nolint:revive // until there is no place
	}
}

// RoundTwice begins all that is due, waits for what comes of it, and begins what it had read once more, as happens when
// an attempt ends between the reading and the beginning.
func (w *Webhook) RoundTwice(ctx context.Context) error {
	due, err := w.Store.DueWebhookDeliveries(ctx, w.Now(), 2*perWebhook, 2*inAll)
	if err != nil {
		return err
	}
	err = w.Round(ctx)
	for _, d := range due {
		w.begin(ctx, d)
	}
	w.work.running.Wait()
	return err
}
