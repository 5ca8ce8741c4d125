// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"net/netip"
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
