// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"maps"

	"postern/internal/mail"
)

const (
	freshBatch  = 512  // new entries looked at in one go
	cancelBatch = 1000 // messages given up in one transaction
)

var (
	selectWaiting = newInList("SELECT m.id, m.key_id, m.recipient FROM message m JOIN queue q ON q.message_id = m.id WHERE m.id >= "+
		"$1 AND m.contact", 1, "")
	cancelWaiting = newInList("DELETE FROM queue WHERE owner = '' AND message_id", 0, " RETURNING "+claimedColumns)
	settleEntries = newInList("UPDATE suppression SET fresh = FALSE WHERE id", 0, "")
)

// addressOf is a canonical address as a key's.
type addressOf struct {
	key   int64
	email string
}

// CancelSuppressed gives up what waits for addresses that came onto their keys' lists, as blocked. It looks at some of
// the new entries, those with IDs above after, and returns how many messages it was and where to go on, 0 at the end.
// What is being tried now is let go, and cancelled should it come back.
func (s *Store) CancelSuppressed(ctx context.Context, after int64) (n int, last int64, err error) {
	// Nearly always there is nothing: that is seen beside the writer, by a small index.
	list, err := collect(ctx, s, scanSuppression, "SELECT "+suppressionColumns+" FROM suppression WHERE fresh AND id > $1 ORDER BY "+
		"id LIMIT $2", after, freshBatch)
	if err != nil || len(list) == 0 {
		return 0, 0, err
	}
	if len(list) == freshBatch {
		last = list[freshBatch-1].ID
	}
	entries := make(map[addressOf]int64, len(list))
	for _, x := range list {
		entries[addressOf{x.KeyID, mail.Canonical(x.Email)}] = x.ID
	}
	waiting, err := s.waitingFor(ctx, entries)
	if err != nil {
		return 0, 0, err
	}
	if len(waiting) == cancelBatch {
		last = after // there may be more for the same
	}
	if n, err = s.cancelFor(ctx, entries, waiting); n == 0 && last == after {
		last = 0 // all of them are being tried
	}
	return n, last, err
}

// waitingFor finds up to cancelBatch messages of the queue for the entries' addresses, and which entry each is against.
// No message of the queue is older than its oldest, so that what an address was sent long ago is not looked at.
func (s *Store) waitingFor(ctx context.Context, entries map[addressOf]int64) (map[int64]int64, error) {
	waiting := map[int64]int64{}
	var oldest int64
	if err := s.row(ctx, "SELECT coalesce(min(message_id), 0) FROM queue").scan(&oldest); err != nil || oldest == 0 {
		return waiting, err
	}
	contacts := make([]any, 0, len(entries))
	for e := range entries {
		contacts = append(contacts, mail.ContactID(e.email))
	}
	return waiting, selectWaiting.each(&Tx{s: s}, []any{oldest}, contacts, func(text string, args []any) error {
		rows, err := s.rows(ctx, text, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() && len(waiting) < cancelBatch {
			var id int64
			var of addressOf
			if err := rows.Scan(&id, &of.key, &of.email); err != nil {
				return err
			}
			of.email = mail.Canonical(of.email) // others may have its number too
			if entry := entries[of]; entry != 0 {
				waiting[id] = entry
			}
		}
		return rows.Err()
	})
}

// cancelFor gives messages up, and settles the entries for which nothing waits any more.
func (s *Store) cancelFor(ctx context.Context, entries map[addressOf]int64, waiting map[int64]int64) (n int, err error) {
	first, err := s.ids.take(ctx, s, "event", max(len(waiting), 1))
	if err != nil {
		return 0, err
	}
	ids := make([]any, 0, len(waiting))
	for id := range waiting {
		ids = append(ids, id)
	}
	err = s.Update(ctx, func(tx *Tx) error {
		var gone []Claimed
		err := cancelWaiting.each(tx, nil, ids, func(text string, args []any) error {
			some, err := collect(ctx, tx, scanClaimed, text, args...)
			gone = append(gone, some...)
			return err
		})
		if err != nil {
			return err
		}
		n = len(gone)
		if err := tx.block(ctx, gone, first,
			"the address came onto the suppression list of this API key while the message waited"); err != nil ||
			len(waiting) == cancelBatch {
			return err
		}
		held := maps.Clone(waiting) // what is being tried now
		for _, c := range gone {
			delete(held, c.MessageID)
		}
		still := map[int64]bool{}
		for _, entry := range held {
			still[entry] = true
		}
		var settled []any
		for _, id := range entries {
			if !still[id] {
				settled = append(settled, id)
			}
		}
		return settleEntries.run(ctx, tx, nil, settled)
	})
	return n, err
}

// block marks messages that were taken out of the queue as blocked before they were sent, with the event that says why.
// Events are numbered from first.
func (tx *Tx) block(ctx context.Context, gone []Claimed, first int64, why string) error {
	var events []recorded
	for i, c := range gone {
		if err := tx.one(ctx, "UPDATE message SET status = $1, state_id = $2, state_permanent = TRUE, done_at = $3 WHERE id = $4",
			int(StatusBlocked), int(mail.StatePreblocked), micros(tx.Now), c.MessageID); err != nil {
			return err
		}
		events = append(events, recorded{
			Event: Event{
				ID: first + int64(i), MessageID: c.MessageID, KeyID: c.KeyID, Type: EventBlocked, At: tx.Now, Attempt: c.Attempt,
				Permanent: true,
				StateID:   int(mail.StatePreblocked), Reply: Reply{Line: why},
			},
			counted: c.counted(), recipient: c.Recipient, done: tx.Now,
		})
	}
	return tx.record(ctx, events, tx.s.newTally())
}
