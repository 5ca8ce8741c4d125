// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// HookOutcome is what came of one request to a hook's URL.
type HookOutcome int

// Outcomes.
const (
	HookDelivered HookOutcome = iota
	HookFailed                // tried again
	HookDropped               // the last attempt
)

// String is the outcome in one word.
func (o HookOutcome) String() string {
	return [...]string{"delivered", "failed", "dropped"}[o]
}

// HookTold is what came of one request, to be recorded.
type HookTold struct {
	ReceiverID  int64
	HookAttempt           // EventIDs were in the request
	Gone        []int64   // that need not be told: their messages are forgotten
	Again       time.Time // of a failure: when it is tried again
	Batch       int64     // of a failure: under what it is tried together again; 0: each alone
	GivenUp     []int64   // of a failure: events that are not tried again
}

// RecordHookTold records what came of a request: what was told leaves the outbox, what failed is put off with all that
// comes after it of the same messages. The transaction is shared with all that wait at the same time.
func (s *Store) RecordHookTold(ctx context.Context, x *HookTold) error { return s.tellings.add(ctx, x) }

var (
	deleteHookEvents  = newInList("DELETE FROM hook_event WHERE event_id", 0, "")
	putOffHookEvents  = newInList("UPDATE hook_event SET due_at = $1, failed_at = coalesce(failed_at, $2), attempts = attempts + 1, batch = CASE CAST($3 AS BIGINT) WHEN 0 THEN event_id ELSE CAST($3 AS BIGINT) END WHERE receiver_id = $4 AND event_id", 4, "")
	putOffHookMessage = newInList("UPDATE hook_event SET due_at = $1 WHERE due_at < $1 AND receiver_id = $2 AND message_id IN (SELECT b.message_id FROM hook_event b WHERE b.event_id", 2, ")")
)

func (s *Store) commitHookTold(ctx context.Context, items []*HookTold) error {
	return s.Update(ctx, func(tx *Tx) error {
		var gone, log []any
		receivers := map[int64]*receiverNews{}
		for _, x := range items {
			if x.Count > 0 {
				log = append(log, x.args()...)
			}
			gone = append(gone, anys(x.Gone)...)
			if x.Outcome == HookDelivered {
				gone = append(gone, anys(x.EventIDs)...)
			} else if err := tx.putOff(ctx, x); err != nil {
				return err
			}
			if x.ReceiverID != 0 {
				n := receivers[x.ReceiverID]
				if n == nil {
					n = &receiverNews{}
					receivers[x.ReceiverID] = n
				}
				n.add(x)
			}
		}
		if err := deleteHookEvents.run(ctx, tx, nil, gone); err != nil {
			return err
		}
		for id, n := range receivers {
			if err := tx.noteReceiver(ctx, id, n); err != nil {
				return err
			}
		}
		return tx.logHooks(ctx, items, log)
	})
}

// putOff has what failed tried again, but for what is given up.
func (tx *Tx) putOff(ctx context.Context, x *HookTold) error {
	if err := deleteHookEvents.run(ctx, tx, nil, anys(x.GivenUp)); err != nil {
		return err
	}
	again, all := micros(x.Again), anys(x.EventIDs)
	if x.Again.IsZero() {
		return nil
	}
	if err := putOffHookEvents.run(ctx, tx, []any{again, micros(x.At), x.Batch, x.ReceiverID}, all); err != nil {
		return err
	}
	return putOffHookMessage.run(ctx, tx, []any{again, x.ReceiverID}, all)
}

// receiverNews is what a group of requests says of a receiver.
type receiverNews struct {
	last          *HookTold
	worked        bool
	failing       time.Time // the first failure after the last success
	told, dropped int
}

func (n *receiverNews) add(x *HookTold) {
	n.last = x
	n.dropped += len(x.GivenUp)
	switch {
	case x.Outcome == HookDelivered:
		n.worked, n.failing = true, time.Time{}
		n.told += len(x.EventIDs)
	case n.failing.IsZero():
		n.failing = x.At
	}
}

func (tx *Tx) noteReceiver(ctx context.Context, id int64, n *receiverNews) error {
	since := "coalesce(failing_since, $4)"
	if n.worked {
		since = "$4"
	}
	_, err := tx.exec(ctx, "UPDATE hook_receiver SET last_at = $1, last_status = $2, last_error = $3, failing_since = "+since+", told = told + $5, dropped = dropped + $6 WHERE id = $7",
		micros(n.last.At), n.last.Status, n.last.Error, micros(n.failing), n.told, n.dropped, id)
	return err
}

// MoveHookEvents hands up to limit events that wait for a hook, those after an event first, to another hook, due at once as
// if they had never been tried. It returns how many it was and the last; limit 0 is all that there are.
func (tx *Tx) MoveHookEvents(ctx context.Context, from, to Hook, after int64, limit int) (n int, last int64, err error) {
	const set = "UPDATE hook_event SET hook_id = $1, receiver_id = $2, due_at = $3, failed_at = NULL, attempts = 0, batch = 0 WHERE "
	args := []any{to.ID, to.ReceiverID, micros(tx.Now), from.ReceiverID, from.ID}
	which := "receiver_id = $4 AND hook_id = $5"
	if limit > 0 {
		which = "event_id IN (SELECT event_id FROM hook_event WHERE receiver_id = $4 AND hook_id = $5 AND event_id > $6 ORDER BY event_id LIMIT $7)"
		args = append(args, after, limit)
	}
	moved, err := collect(ctx, tx, scanID, set+which+" RETURNING event_id", args...)
	for _, id := range moved {
		last = max(last, id)
	}
	if len(moved) > 0 {
		tx.AfterCommit(func() { tx.s.toldHooks(map[int64]bool{to.ReceiverID: true}) })
	}
	return len(moved), last, err
}

// DropHookEvents deletes up to limit events that wait for a hook, and says how many it were.
func (tx *Tx) DropHookEvents(ctx context.Context, h Hook, limit int) (int, error) {
	n, err := tx.exec(ctx, "DELETE FROM hook_event WHERE event_id IN (SELECT event_id FROM hook_event WHERE receiver_id = $1 AND hook_id = $2 LIMIT $3)", h.ReceiverID, h.ID, limit)
	if err == nil && n > 0 {
		_, err = tx.exec(ctx, "UPDATE hook_receiver SET dropped = dropped + $1 WHERE id = $2", n, h.ReceiverID)
	}
	return int(n), err
}

// HooksOfReceiver lists the hooks that lead to a receiver and are alive, and the backups that would take over from them.
func (tx *Tx) HooksOfReceiver(ctx context.Context, receiverID int64) (list []Hook, backups map[int64]Hook, err error) {
	w := newWhere(hookSelect)
	w.and("h.receiver_id = ?", receiverID)
	w.and("h.dead_at IS NULL")
	w.add(" ORDER BY h.id")
	if list, err = collect(ctx, tx, scanHook, w.String(), w.args...); err != nil {
		return nil, nil, err
	}
	backups = map[int64]Hook{}
	yes, no := true, false
	for _, h := range list {
		if h.Backup {
			continue
		}
		other, err := hooks(ctx, tx, OfKey(h.AccountID, h.KeyID), HookFilter{KeyID: h.KeyID, Type: h.Type, Backup: &yes, Dead: &no}, Page{Limit: 1})
		if err != nil {
			return nil, nil, err
		}
		if len(other) == 1 && other[0].ReceiverID != receiverID {
			backups[h.ID] = other[0]
		}
	}
	return list, backups, nil
}

// BuryHook marks a hook's URL as dead: nothing new is queued for it.
func (tx *Tx) BuryHook(ctx context.Context, h Hook) error {
	if err := tx.one(ctx, "UPDATE hook SET dead_at = $1 WHERE id = $2 AND receiver_id = $3", micros(tx.Now), h.ID, h.ReceiverID); err != nil {
		return err
	}
	return tx.settleHooks(ctx, h.KeyID)
}

var deleteOrphans = newInList("DELETE FROM hook_event WHERE NOT EXISTS (SELECT 1 FROM hook h WHERE h.id = hook_event.hook_id) AND event_id", 0, "")

// SweepHooks deletes, a bounded part at a time, what is left over: events of hooks that are gone, receivers that nothing
// leads to, attempts that are older than a time. It says whether there may be more.
func (s *Store) SweepHooks(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	// All that waits is looked through, which may be much: that is done beside the writer.
	orphans, err := collect(ctx, s, scanID, "SELECT e.event_id FROM hook_event e WHERE NOT EXISTS (SELECT 1 FROM hook h WHERE h.id = e.hook_id) ORDER BY e.event_id LIMIT $1", limit)
	if err != nil {
		return false, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		more = len(orphans) == limit
		if err := deleteOrphans.run(ctx, tx, nil, anys(orphans)); err != nil {
			return err
		}
		for _, x := range []struct {
			text string
			args []any
		}{
			{"DELETE FROM hook_attempt WHERE id IN (SELECT x.id FROM (SELECT id, at FROM hook_attempt ORDER BY id LIMIT $1) x WHERE x.at < $2)", []any{limit, micros(before)}},
			{"DELETE FROM hook_receiver WHERE NOT EXISTS (SELECT 1 FROM hook h WHERE h.receiver_id = hook_receiver.id) AND NOT EXISTS (SELECT 1 FROM hook_event e WHERE e.receiver_id = hook_receiver.id)", nil},
		} {
			n, err := tx.exec(ctx, x.text, x.args...)
			if err != nil {
				return err
			}
			more = more || len(x.args) > 0 && n == int64(limit)
		}
		return nil
	})
	return more, err
}
