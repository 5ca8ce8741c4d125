// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"
)

// hooks are the numbers of what keys' URLs are told of messages.
func (c *collector) hooks(e emitter) {
	h := c.s.core.Webhook.HookStats()
	const help = "Requests to the URLs of keys' webhooks, by what came of them: failed ones are tried again, dropped ones were the last."
	e.count("hook_requests_total", help, float64(h.Delivered), "result", "delivered")
	e.count("hook_requests_total", help, float64(h.Failed), "result", "failed")
	e.count("hook_requests_total", help, float64(h.Dropped), "result", "dropped")
	const events = "Events of messages that keys' webhooks were told of, or that were dropped after a day of failures."
	e.count("hook_events_total", events, float64(h.EventsTold), "result", "told")
	e.count("hook_events_total", events, float64(h.EventsDropped), "result", "dropped")
	e.count("hook_deaths_total", "Webhooks of keys whose URL failed for a day and is dead.", float64(h.Buried))
}

// hooksWaiting counts the outbox of keys' webhooks, and says whether it could be read.
func (c *collector) hooksWaiting(ctx context.Context, e emitter) bool {
	h, err := c.s.core.Store.HookStats(ctx)
	if err != nil {
		c.log.Warn("webhooks could not be counted for metrics", "error", err)
		return false
	}
	age := 0.0
	if !h.Oldest.IsZero() {
		age = time.Since(h.Oldest).Seconds()
	}
	e.gauge("hook_waiting", "Events that are still to be told to keys' webhooks.", float64(h.Waiting))
	e.gauge("hook_oldest_seconds", "Age of the oldest of them; 0 when there is none.", age)
	e.gauge("hook_failing", "URLs of keys' webhooks whose last attempts failed.", float64(h.Failing))
	e.gauge("hook_dead", "Keys' webhooks whose URL is dead.", float64(h.Dead))
	return true
}
