// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"postern/internal/store"
)

// deliver makes one request with events and says what came of it. Its error is the store's.
func (w *Webhook) deliver(ctx context.Context, l *lane, rows []store.Delivery) (*store.AttemptResult, error) {
	x, events, err := w.attempt(ctx, l, rows)
	if err != nil || len(events) == 0 {
		return x, err
	}
	body, n, err := encode(x.Version, events)
	if err != nil {
		return nil, err
	}
	for _, e := range events[:n] {
		x.EventIDs = append(x.EventIDs, e.ID)
		if !slices.Contains(x.Types, e.Type) {
			x.Types = append(x.Types, e.Type)
		}
	}
	x.Count = n
	switch {
	case events[0].WebhookID != "":
		x.WebhookID = events[0].WebhookID
	case n == 1:
		x.WebhookID = fmt.Sprintf("evt_%s_%d", l.token, events[0].ID)
	default:
		x.WebhookID = fmt.Sprintf("evt_%s_%d_%d", l.token, events[0].ID, n)
	}
	failure := l.broken
	if failure == nil {
		var secrets []string
		if secrets, failure = w.secrets(ctx, l.owner); failure == nil {
			x.Status, failure = w.post(ctx, parcel{to: l.to, id: x.WebhookID, secrets: secrets, body: body})
		}
	}
	now := w.Now()
	x.Took = now.Sub(x.At)
	if failure != nil {
		w.mu.Lock()
		forADay := !l.since.IsZero() && now.Sub(l.since) >= Lifetime
		w.mu.Unlock()
		fail(x, now, why(failure), rows, forADay)
	}
	return x, nil
}

// attempt begins what is to be recorded of a request, with the events that are still kept.
func (w *Webhook) attempt(ctx context.Context, l *lane, rows []store.Delivery) (*store.AttemptResult, []store.EventDetail, error) {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.EventID
	}
	slices.Sort(ids) // as they happened
	events, err := w.eventsOf(ctx, l.owner, ids)
	if err != nil {
		return nil, nil, err
	}
	x := &store.AttemptResult{
		EndpointID: l.id, Attempt: store.Attempt{Owner: l.owner, At: w.Now(), Target: Origin(l.to), Version: rows[0].Version},
	}
	for _, r := range rows {
		if !slices.ContainsFunc(events, func(e store.EventDetail) bool { return e.ID == r.EventID }) {
			x.Gone = append(x.Gone, r.EventID)
		}
		x.Number = max(x.Number, r.Attempts+1)
	}
	if len(events) == 0 {
		x.EndpointID = 0
	}
	return x, events, nil
}

// fail says of a request that it failed: what is to be tried again and what is not. Of an endpoint that has
// failed for a day nothing is given up here: a backup may take it over.
func fail(x *store.AttemptResult, now time.Time, reason string, rows []store.Delivery, failedForADay bool) {
	x.Error, x.Again = reason, now.Add(RetryEvery+jitter())
	if x.Count == 1 || x.Number < togetherUntil {
		x.Batch = x.EventIDs[0]
	} // else one of them may be what is never taken: they go on each alone
	for _, r := range rows {
		if !failedForADay && !r.FailedAt.IsZero() && now.Sub(r.FailedAt) >= Lifetime && slices.Contains(x.EventIDs, r.EventID) {
			x.GivenUp = append(x.GivenUp, r.EventID)
		}
	}
	x.Outcome = store.AttemptFailed
	if len(x.GivenUp) == len(x.EventIDs) {
		x.Outcome, x.Again = store.AttemptDropped, time.Time{}
	}
}

// record writes down what came of a request. While the store fails it tries on: what was taken must not be delivered again
// because our disk was full for a minute.
func (w *Webhook) record(ctx context.Context, l *lane, x *store.AttemptResult) error {
	log := w.logOf(l.owner).With("webhook_id", x.WebhookID, "to", x.Target, "events", x.Count, "attempts", x.Number)
	if l.owner.OfAccount() && x.Count > 0 {
		log = log.With("type", x.Types[0].String())
	}
	for {
		err := w.Store.RecordAttempt(ctx, x)
		if err == nil {
			break
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return err
		}
		log.ErrorContext(ctx, "what came of a webhook could not be recorded; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(recordAgain):
		}
	}
	if x.Count == 0 {
		return nil
	}
	c := w.counters(l.owner)
	c.requests[x.Outcome].Add(1)
	c.dropped.Add(int64(len(x.GivenUp)))
	switch {
	case x.Outcome == store.AttemptDelivered:
		c.events.Add(int64(x.Count))
		log.DebugContext(ctx, "delivered to a webhook")
	case len(x.GivenUp) > 0:
		log.WarnContext(ctx, "gave up delivering events to a webhook after a day", "reason", x.Error, "given_up", len(x.GivenUp))
	default:
		log.InfoContext(ctx, "a webhook did not take what was delivered; it is tried again", "reason", x.Error, "again", x.Again)
	}
	return nil
}

// logOf is the log with an owner.
func (w *Webhook) logOf(o store.Owner) *slog.Logger {
	if o.OfAccount() {
		return w.Log.With("account", o.AccountID)
	}
	return w.Log.With("account", o.AccountID, "key", o.KeyID)
}
