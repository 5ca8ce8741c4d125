// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/internal/store"
)

// tell makes one request with events and says what came of it. Its error is the store's.
func (w *Webhook) tell(ctx context.Context, l *lane, rows []store.HookEvent) (*store.HookTold, error) {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.EventID
	}
	slices.Sort(ids) // as they happened
	events, err := w.eventsOf(ctx, l.keyID, ids)
	if err != nil {
		return nil, err
	}
	told := &store.HookTold{ReceiverID: l.id, HookAttempt: store.HookAttempt{AccountID: l.accountID, KeyID: l.keyID, At: w.Now(), Target: Origin(l.to), Version: rows[0].Version}}
	for _, r := range rows {
		if !slices.ContainsFunc(events, func(e store.ToldEvent) bool { return e.ID == r.EventID }) {
			told.Gone = append(told.Gone, r.EventID)
		}
		told.Attempt = max(told.Attempt, r.Attempts+1)
	}
	if len(events) == 0 {
		told.ReceiverID = 0
		return told, nil
	}
	body, n, err := encode(told.Version, events)
	if err != nil {
		return nil, err
	}
	for _, e := range events[:n] {
		told.EventIDs = append(told.EventIDs, e.ID)
		if !slices.Contains(told.Types, e.Type) {
			told.Types = append(told.Types, e.Type)
		}
	}
	told.Count = n
	told.WebhookID = fmt.Sprintf("evt_%s_%d", l.token, told.EventIDs[0])
	if n > 1 {
		told.WebhookID += fmt.Sprintf("_%d", n)
	}
	failure := l.broken
	if failure == nil {
		var secrets []string
		if secrets, failure = w.hookSecrets(ctx, l.accountID, l.keyID); failure == nil {
			told.Status, failure = w.post(ctx, parcel{to: l.to, id: told.WebhookID, secrets: secrets, body: body})
		}
	}
	now := w.Now()
	told.Took = now.Sub(told.At)
	if failure != nil {
		w.hooks.mu.Lock()
		dying := !l.since.IsZero() && now.Sub(l.since) >= Lifetime
		w.hooks.mu.Unlock()
		fail(told, now, why(failure), rows, dying)
	}
	return told, nil
}

// fail says of a request that it failed: what is to be tried again and what is not. Of a URL that is dying nothing is given
// up here: a backup may take it over.
func fail(told *store.HookTold, now time.Time, reason string, rows []store.HookEvent, dying bool) {
	told.Error, told.Again = reason, now.Add(RetryEvery+jitter())
	if told.Count == 1 || told.Attempt < togetherUntil {
		told.Batch = told.EventIDs[0]
	} // else one of them may be what is not taken: they go on each alone
	for _, r := range rows {
		if !dying && !r.FailedAt.IsZero() && now.Sub(r.FailedAt) >= Lifetime && slices.Contains(told.EventIDs, r.EventID) {
			told.GivenUp = append(told.GivenUp, r.EventID)
		}
	}
	told.Outcome = store.HookFailed
	if len(told.GivenUp) == len(told.EventIDs) {
		told.Outcome, told.Again = store.HookDropped, time.Time{}
	}
}

// recordHook writes down what came of a request. While the store fails it tries on: what was taken must not be told again
// because our disk was full for a minute.
func (w *Webhook) recordHook(ctx context.Context, l *lane, told *store.HookTold) error {
	log := w.Log.With("account", l.accountID, "key", l.keyID, "webhook_id", told.WebhookID, "to", told.Target, "events", told.Count, "attempts", told.Attempt)
	for {
		err := w.Store.RecordHookTold(ctx, told)
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
	if told.Count == 0 {
		return nil
	}
	w.hooks.requests[told.Outcome].Add(1)
	w.hooks.dropped.Add(int64(len(told.GivenUp)))
	switch {
	case told.Outcome == store.HookDelivered:
		w.hooks.told.Add(int64(told.Count))
		log.DebugContext(ctx, "told a webhook")
	case len(told.GivenUp) > 0:
		log.WarnContext(ctx, "gave up telling a webhook of events after a day", "reason", told.Error, "given_up", len(told.GivenUp))
	default:
		log.InfoContext(ctx, "a webhook did not take what it was told; it is tried again", "reason", told.Error, "again", told.Again)
	}
	return nil
}

// bury ends hooks whose URL has failed for a day: a backup takes over what waits and what comes, where there is one that
// is alive; elsewhere what waits is dropped. It goes in parts, so that a long backlog does not hold up who sends mail, and
// until the last part new events queue up behind the old ones, so that each message's stay in order.
func (w *Webhook) bury(ctx context.Context, l *lane, since time.Time, reason string) {
	d := Dead{AccountID: l.accountID, KeyID: l.keyID, Target: Origin(l.to), Since: since, Error: reason}
	log := w.Log.With("account", l.accountID, "key", l.keyID, "to", d.Target)
	after := int64(0)
	for more := true; more && ctx.Err() == nil; {
		part := d
		err := w.Store.Update(ctx, func(tx *store.Tx) (err error) {
			part = d
			more, after, err = w.buryPart(ctx, tx, l.id, after, &part)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				log.ErrorContext(ctx, "a dead webhook could not be ended; it is tried again", "error", err)
			}
			return
		}
		w.hooks.dropped.Add(int64(part.Dropped - d.Dropped))
		w.hooks.buried.Add(int64(len(part.Types) - len(d.Types)))
		d = part
	}
	if len(d.Types) > 0 {
		log.WarnContext(ctx, "a webhook failed for a day and is dead: it is told nothing more until its URL is set again", "reason", reason, "hooks", len(d.Types), "taken_over", len(d.TakenOver), "dropped", d.Dropped)
	}
}

// buryPart hands over or drops a part of what waits for the first hook of a receiver that is alive, and says whether there
// is more to do.
func (w *Webhook) buryPart(ctx context.Context, tx *store.Tx, receiverID, after int64, d *Dead) (more bool, last int64, err error) {
	list, backups, err := tx.HooksOfReceiver(ctx, receiverID)
	if err != nil || len(list) == 0 {
		return false, 0, err
	}
	h := list[0]
	backup, has := backups[h.ID]
	var n int
	if has {
		if n, last, err = tx.MoveHookEvents(ctx, h, backup, after, moveAtOnce); err == nil && n < moveAtOnce {
			_, _, err = tx.MoveHookEvents(ctx, h, backup, 0, 0)
		}
	} else {
		n, err = tx.DropHookEvents(ctx, h, moveAtOnce)
		d.Dropped += n
	}
	if err != nil || n == moveAtOnce {
		return true, last, err
	}
	d.Types = append(slices.Clone(d.Types), h.Type)
	if has {
		d.TakenOver = append(slices.Clone(d.TakenOver), h.Type)
	}
	if err := tx.BuryHook(ctx, h); err != nil {
		return false, 0, err
	}
	if len(list) == 1 && w.hooks.dead != nil {
		err = w.hooks.dead(ctx, tx, *d)
	}
	return len(list) > 1, 0, err
}

// sweepHooks removes what is left over.
func (w *Webhook) sweepHooks(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = w.Store.SweepHooks(ctx, w.Now().Add(-attemptsFor), sweepAtOnce); err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "what is left over of webhooks could not be removed; it is tried again in ten minutes", "error", err)
		}
	}
}
