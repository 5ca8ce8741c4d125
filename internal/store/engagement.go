// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"time"

	"postern/internal/mail"
)

// Engagement is something that a recipient did with a message: open, click, spam or unsub.
type Engagement struct {
	MessageID int64
	Type      EventType
	At        time.Time
	Doing

	found bool
}

// flag is the bit of a message that an event of the type sets.
func (t EventType) flag() Flags {
	switch t {
	case EventOpen:
		return FlagOpened
	case EventClick:
		return FlagClicked
	case EventSpam:
		return FlagSpam
	case EventUnsub:
		return FlagUnsub
	case EventDeferred:
		return FlagDeferred
	}
	return 0
}

// Engage records what a recipient did: the event, the counters and the message's state, in one transaction shared with
// all that wait at the same time. A message that is not there any more is ErrNotFound.
func (s *Store) Engage(ctx context.Context, e Engagement) error {
	if !e.Type.engaged() {
		return fmt.Errorf("event type %v is no recipient's doing", e.Type)
	}
	if err := s.engagements.add(ctx, &e); err != nil {
		return err
	}
	if !e.found {
		return ErrNotFound
	}
	return nil
}

// engagedMessage is what the recording of an engagement needs of its message.
type engagedMessage struct {
	id    int64
	flags Flags
	done  time.Time
	counted
	recipient string
}

var selectEngaged = newInList("SELECT m.id, m.key_id, s.campaign_id, s.sender_id, m.recipient, m.arrived_at, m.done_at, m.flags "+
	"FROM message m JOIN submission s ON s.id = m.submission_id WHERE m.id", 0, "")

func (s *Store) commitEngagements(ctx context.Context, items []*Engagement) error {
	first, err := s.ids.take(ctx, s, "event", len(items))
	if err != nil {
		return err
	}
	return s.Update(ctx, func(tx *Tx) error {
		if err := tx.NeedRoom(); err != nil {
			return err
		}
		messages, err := tx.engagedMessages(ctx, items)
		if err != nil {
			return err
		}
		var events []recorded
		for _, x := range items {
			m := messages[x.MessageID]
			if x.found = m != nil; !x.found {
				continue
			}
			r := recorded{
				Event: Event{
					ID: first + int64(len(events)), MessageID: x.MessageID, KeyID: m.key, Type: x.Type, At: x.At, Doing: x.Doing,
				},
				counted: m.counted, recipient: m.recipient, done: m.done,
			}
			if bit := x.Type.flag(); !x.Machine && m.flags&bit == 0 {
				m.flags |= bit
				if r.first, err = tx.setFlag(ctx, m.id, bit); err != nil {
					return err
				}
			}
			events = append(events, r)
		}
		return tx.record(ctx, events, s.newTally())
	})
}

func (tx *Tx) engagedMessages(ctx context.Context, items []*Engagement) (map[int64]*engagedMessage, error) {
	var ids []any
	seen := map[int64]bool{}
	for _, x := range items {
		if !seen[x.MessageID] {
			seen[x.MessageID] = true
			ids = append(ids, x.MessageID)
		}
	}
	out := make(map[int64]*engagedMessage, len(ids))
	err := selectEngaged.each(tx, nil, ids, func(text string, args []any) error {
		list, err := collect(ctx, tx, func(r scanner) (*engagedMessage, error) {
			m := &engagedMessage{}
			err := r.scan(&m.id, &m.key, &m.campaign, &m.sender, &m.recipient, nullTime{&m.arrived}, nullTime{&m.done}, &m.flags)
			m.domain = mail.Domain(m.recipient)
			return m, err
		}, text, args...)
		for _, m := range list {
			out[m.id] = m
		}
		return err
	})
	return out, err
}

// statusByFlags is the state of a message that was delivered, by what its recipient did.
const statusByFlags = "CASE WHEN (flags & 8) <> 0 THEN 6 WHEN (flags & 16) <> 0 THEN 7 WHEN (flags & 4) <> 0 THEN 4 WHEN (flags & " +
	"2) <> 0 THEN 3 ELSE 2 END"

// setFlag notes the first time that a recipient did something, and says whether it was. A message that is not recorded as
// sent yet, since the recipient was quicker than we, gets its state when it is (applySent).
func (tx *Tx) setFlag(ctx context.Context, messageID int64, bit Flags) (bool, error) {
	n, err := tx.exec(ctx, "UPDATE message SET flags = flags | $1 WHERE id = $2 AND (flags & $1) = 0", int(bit), messageID)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.exec(ctx, "UPDATE message SET status = "+statusByFlags+" WHERE id = $1 AND status IN (2, 3, 4, 6, 7)", messageID)
	return true, err
}
