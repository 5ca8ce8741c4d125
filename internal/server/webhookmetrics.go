// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"
)

// webhooks are the numbers of what was delivered to the endpoints of keys and of accounts.
func (c *collector) webhooks(e emitter) {
	h, a := c.s.core.Webhook.KeyStats(), c.s.core.Webhook.AccountStats()
	const help = "Requests to the URLs of keys' webhooks, by what came of them: failed ones are tried again, dropped ones were the last."
	e.count("hook_requests_total", help, float64(h.Delivered), "result", "delivered")
	e.count("hook_requests_total", help, float64(h.Failed), "result", "failed")
	e.count("hook_requests_total", help, float64(h.Dropped), "result", "dropped")
	const events = "Events of messages that keys' webhooks were told of, or that were dropped after a day of failures."
	e.count("hook_events_total", events, float64(h.EventsDelivered), "result", "told")
	e.count("hook_events_total", events, float64(h.EventsDropped), "result", "dropped")
	e.count("hook_deaths_total", "Webhooks of keys whose URL failed for a day and is dead.", float64(h.Disabled))
	const ofAccounts = "Requests to accounts' webhooks, by what came of them: failed ones are tried again. Dropped are events, " +
		"after a day of failures."
	e.count("webhook_deliveries_total", ofAccounts, float64(a.Delivered), "result", "delivered")
	e.count("webhook_deliveries_total", ofAccounts, float64(a.Failed), "result", "failed")
	e.count("webhook_deliveries_total", ofAccounts, float64(a.EventsDropped), "result", "dropped")
}

// webhooksWaiting counts what waits for webhooks, and says whether it could be read.
func (c *collector) webhooksWaiting(ctx context.Context, e emitter) bool {
	h, err := c.s.core.Store.WebhookStats(ctx)
	if err != nil {
		c.log.Warn("webhooks could not be counted for metrics", "error", err)
		return false
	}
	age := 0.0
	if !h.Oldest.IsZero() {
		age = time.Since(h.Oldest).Seconds()
	}
	e.gauge("hook_waiting", "Events that still wait for keys' webhooks.", float64(h.Waiting))
	e.gauge("hook_oldest_seconds", "Age of the oldest of them; 0 when there is none.", age)
	e.gauge("hook_failing", "URLs of keys' webhooks whose last attempts failed.", float64(h.Failing))
	e.gauge("hook_dead", "Keys' webhooks whose URL is dead.", float64(h.Disabled))
	e.gauge("webhook_waiting", "Events that still wait for accounts' webhooks.", float64(h.AccountWaiting))
	return true
}
