// SPDX-License-Identifier: Apache-2.0

package outcome_test

import (
	"testing"
	"time"

	"postern/internal/courier"
	"postern/internal/mail"
	"postern/internal/outcome"
	"postern/internal/store"
)

func TestDelayDoublesToFourHours(t *testing.T) {
	for attempt, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 5: 16 * time.Minute, 8: 128 * time.Minute, 9: 4 * time.Hour, 1000: 4 * time.Hour} {
		for range 100 {
			if d := outcome.Delay(attempt); d < want*8/10 || d > want*12/10 {
				t.Fatalf("attempt %d: %v, want %v give or take a fifth", attempt, d, want)
			}
		}
	}
}

func TestOf(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	c := store.Claimed{MessageID: 1, Attempt: 2, ExpiresAt: now.Add(time.Hour)}
	for name, x := range map[string]struct {
		outcome courier.Outcome
		at      time.Time
		want    store.Completion
	}{
		"sent":      {courier.Outcome{Result: courier.Delivered, State: mail.StateUserUnknown}, now, store.Completion{Result: store.CompletedSent}},
		"refused":   {courier.Outcome{Result: courier.Bounced, State: mail.StateUserUnknown}, now, store.Completion{Result: store.CompletedBounced, StateID: 1, Permanent: true}},
		"full":      {courier.Outcome{Result: courier.Bounced, State: mail.StateQuotaExceeded}, now, store.Completion{Result: store.CompletedBounced, StateID: 3}}, // soft: the address is good
		"blocked":   {courier.Outcome{Result: courier.Bounced, State: mail.StateContentBlocked}, now, store.Completion{Result: store.CompletedBounced, StateID: 8, Permanent: true, Blocked: true}},
		"put off":   {courier.Outcome{Result: courier.Deferred, State: mail.StateGreylisted}, now, store.Completion{Result: store.CompletedDeferred, StateID: 13}},
		"given up":  {courier.Outcome{Result: courier.Deferred, State: mail.StateGreylisted}, now.Add(time.Hour), store.Completion{Result: store.CompletedBounced, StateID: 13}},
		"last try":  {courier.Outcome{Result: courier.Deferred}, now.Add(59*time.Minute + 50*time.Second), store.Completion{Result: store.CompletedDeferred}},
		"no result": {courier.Outcome{}, now, store.Completion{Result: store.CompletedDeferred}},
	} {
		got := outcome.Of(c, "me", x.outcome, x.at)
		if got.Result != x.want.Result || got.StateID != x.want.StateID || got.Permanent != x.want.Permanent || got.Blocked != x.want.Blocked || got.Owner != "me" || got.MessageID != 1 {
			t.Errorf("%s: %+v", name, got)
		}
		if deferred := got.Result == store.CompletedDeferred; deferred == got.Due.IsZero() || got.Due.After(c.ExpiresAt) {
			t.Errorf("%s: due %v", name, got.Due)
		}
	}
}
