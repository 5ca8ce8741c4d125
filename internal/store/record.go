// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// recorded is an event with what it counts under and what its recording needs to know.
type recorded struct {
	Event
	counted
	recipient string
	done      time.Time  // when its message ended, zero while it is queued
	first     bool       // of a deferral and of what a recipient did: the message's first
	notice    NoticeKind // of what was sent: NoticeRelayed or NoticeDelivered
}

// engaged says whether an event is a recipient's doing, which has a row of its own beside the event's.
func (t EventType) engaged() bool { return t >= EventOpen && t <= EventUnsub }

var insertDoings = newInsert("engagement", "event_id", "ip", "agent", "url", "source", "machine")

// record writes events and all that must happen with them in their transaction. Every event of a message passes here,
// once; what was counted before, such as acceptances, comes in counts.
func (tx *Tx) record(ctx context.Context, events []recorded, counts *tally) error {
	var rows, doings []any
	for i := range events {
		e := &events[i]
		rows = append(rows, e.args()...)
		if e.Type.engaged() {
			doings = append(doings, e.ID, e.IP, e.Agent, e.URL, e.Source, e.Machine)
		}
		counts.event(e)
	}
	if err := insertEvents.run(ctx, tx, nil, rows); err != nil {
		return err
	}
	if err := insertDoings.run(ctx, tx, nil, doings); err != nil {
		return err
	}
	if err := tx.noteSenders(ctx, events); err != nil {
		return err
	}
	if err := tx.suppress(ctx, events); err != nil {
		return err
	}
	if err := tx.queueWebhooks(ctx, events); err != nil {
		return err
	}
	return counts.write(ctx, tx)
}
