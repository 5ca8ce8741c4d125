// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Hooks of version 2 are told of up to a second's events together: theirs are due at the next full second.
var queueHookEvents = newInList(`INSERT INTO hook_event (event_id, hook_id, receiver_id, message_id, due_at)
 SELECT e.id, h.id, h.receiver_id, e.message_id, CASE h.version WHEN 2 THEN CAST($1 AS BIGINT) ELSE CAST($2 AS BIGINT) END
   FROM event e JOIN hook h ON h.key_id = e.key_id AND h.event_type = e.type AND h.takes WHERE e.id`, 2, " ON CONFLICT (event_id) DO NOTHING RETURNING receiver_id")

// queueHooks queues what hooks are to be told of events that were just recorded. Attempts that will be repeated, and what
// machines did, are told to nobody.
func (tx *Tx) queueHooks(ctx context.Context, events []recorded) error {
	var ids []any
	for i := range events {
		if e := &events[i]; e.Type != EventDeferred && !e.Machine && tx.s.hooked.has(e.KeyID) {
			ids = append(ids, e.ID)
		}
	}
	_, err := tx.queueHookIDs(ctx, ids)
	return err
}

// queueHookIDs queues what hooks are to be told of events, and says how many it is that did not wait already.
func (tx *Tx) queueHookIDs(ctx context.Context, ids []any) (n int, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	second := tx.Now.Truncate(time.Second).Add(time.Second)
	receivers := map[int64]bool{}
	err = queueHookEvents.each(tx, []any{micros(second), micros(tx.Now)}, ids, func(text string, args []any) error {
		list, err := collect(ctx, tx, scanID, text, args...)
		for _, id := range list {
			receivers[id] = true
		}
		n += len(list)
		return err
	})
	if n > 0 {
		tx.AfterCommit(func() { tx.s.toldHooks(receivers) })
	}
	return n, err
}

// OnHookEvents has fn called with the receivers that something was queued for, after the commit. fn must not block.
func (s *Store) OnHookEvents(fn func(receiverIDs []int64)) { s.onHooks.Store(&fn) }

func (s *Store) toldHooks(receivers map[int64]bool) {
	fn := s.onHooks.Load()
	if fn == nil {
		return
	}
	ids := make([]int64, 0, len(receivers))
	for id := range receivers {
		ids = append(ids, id)
	}
	(*fn)(ids)
}

// WaitingReceivers lists the receivers that something waits for.
func (s *Store) WaitingReceivers(ctx context.Context) ([]int64, error) {
	return collect(ctx, s, scanID, "SELECT r.id FROM hook_receiver r WHERE EXISTS (SELECT 1 FROM hook_event e WHERE e.receiver_id = r.id)")
}

// HookEvent is an event that is still to be told.
type HookEvent struct {
	EventID   int64
	MessageID int64
	Version   int
	FailedAt  time.Time // the first failure; zero: none
	Attempts  int
	Batch     int64 // of what was sent together before, its first event; 0: never sent
	Before    int64 // the event of the message that goes to the receiver before it; 0: none
}

// Events of a message wait for each other: a failed one puts off all that come after it, so what stands first decides.
const dueHookEvents = `SELECT e.event_id, e.message_id, h.version, e.failed_at, e.attempts, e.batch,
 coalesce((SELECT max(b.event_id) FROM hook_event b WHERE b.message_id = e.message_id AND b.receiver_id = e.receiver_id AND b.event_id < e.event_id), 0)
 FROM hook_event e JOIN hook h ON h.id = e.hook_id
 WHERE e.receiver_id = $1 AND e.due_at <= $2 AND (SELECT f.due_at FROM hook_event f WHERE f.message_id = e.message_id AND f.receiver_id = e.receiver_id ORDER BY f.event_id LIMIT 1) <= $2
   AND (h.version = 2 OR NOT EXISTS (SELECT 1 FROM hook_event b WHERE b.message_id = e.message_id AND b.receiver_id = e.receiver_id AND b.event_id < e.event_id))
 ORDER BY e.due_at, e.event_id LIMIT $3`

// DueHookEvents lists what is due to be told to a receiver, those that are under way among it: oldest first, of a message
// what comes first, and what may go with it in one request.
func (s *Store) DueHookEvents(ctx context.Context, receiverID int64, now time.Time, limit int) ([]HookEvent, error) {
	return collect(ctx, s, func(r scanner) (HookEvent, error) {
		var e HookEvent
		err := r.scan(&e.EventID, &e.MessageID, &e.Version, nullTime{&e.FailedAt}, &e.Attempts, &e.Batch, &e.Before)
		return e, err
	}, dueHookEvents, receiverID, micros(now), limit)
}

// NextHookEvent says when the next event becomes due for a receiver after now; zero: none waits.
func (s *Store) NextHookEvent(ctx context.Context, receiverID int64, now time.Time) (due time.Time, err error) {
	err = s.row(ctx, "SELECT min(due_at) FROM hook_event WHERE receiver_id = $1 AND due_at > $2", receiverID, micros(now)).scan(nullTime{&due})
	return due, err
}

// HooksWaiting counts what waits for each of the hooks of the scope with these IDs, up to a limit. Those that nothing waits
// for, or that are not there, are left out.
func (s *Store) HooksWaiting(ctx context.Context, scope Scope, ids []int64, limit int) (map[int64]int, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	out := map[int64]int{}
	for some := range slices.Chunk(ids, 500) { // a statement has 32,766 parameters at most on SQLite
		w := newWhere("SELECT h.id, (SELECT count(*) FROM (SELECT 1 AS one FROM hook_event e WHERE e.receiver_id = h.receiver_id AND e.hook_id = h.id LIMIT ?) x) FROM hook h", limit)
		scope.where(w, "h.account_id", "h.key_id")
		w.and("h.id IN (?"+strings.Repeat(", ?", len(some)-1)+")", anys(some)...)
		err := each(ctx, s, func(r scanner) (x [2]int64, err error) {
			err = r.scan(&x[0], &x[1])
			return x, err
		}, func(x [2]int64) error {
			if x[1] > 0 {
				out[x[0]] = int(x[1])
			}
			return nil
		}, w.String(), w.args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// HookStats is the outbox of hooks at a glance.
type HookStats struct {
	Waiting int64     // events that wait
	Oldest  time.Time // when the oldest of them happened; zero: none waits
	Failing int64     // URLs that fail
	Dead    int64     // hooks whose URL is dead
}

// HookStats counts the outbox of hooks.
func (s *Store) HookStats(ctx context.Context) (x HookStats, err error) {
	err = s.row(ctx, `SELECT (SELECT count(*) FROM hook_event), (SELECT e.at FROM event e WHERE e.id = (SELECT min(event_id) FROM hook_event)),
 (SELECT count(*) FROM hook_receiver r WHERE r.failing_since IS NOT NULL AND EXISTS (SELECT 1 FROM hook h WHERE h.receiver_id = r.id AND h.dead_at IS NULL)),
 (SELECT count(*) FROM hook WHERE dead_at IS NOT NULL)`).scan(&x.Waiting, nullTime{&x.Oldest}, &x.Failing, &x.Dead)
	return x, err
}

// ToldEvent is an event with what a webhook says of it.
type ToldEvent struct {
	Event
	UUID         uuid.UUID
	Recipient    string
	Contact      int64
	CampaignID   int64 // 0: none
	Campaign     string
	CustomID     string
	EventPayload string
}

var selectTold = newInList(`SELECT e.id, e.message_id, e.key_id, e.type, e.at, e.attempt, e.code, e.enhanced, e.line, e.host, e.tls, e.state_id, e.permanent, g.ip, g.agent, g.url, g.source, g.machine,
 m.uuid, m.recipient, m.contact, s.campaign_id, s.campaign, s.custom_id, s.event_payload
 FROM event e JOIN message m ON m.id = e.message_id JOIN submission s ON s.id = m.submission_id LEFT JOIN engagement g ON g.event_id = e.id WHERE e.id`, 0, "")

// ToldEvents reads events of a key with what is told of them. Those of forgotten messages are left out.
func (s *Store) ToldEvents(ctx context.Context, keyID int64, ids []int64) (map[int64]ToldEvent, error) {
	out := make(map[int64]ToldEvent, len(ids))
	err := selectTold.chunked(s.d.numbered, nil, anys(ids), func(text string, args []any) error {
		list, err := collect(ctx, s, scanToldEvent, text, args...)
		for i := range list {
			if list[i].KeyID == keyID {
				out[list[i].ID] = list[i]
			}
		}
		return err
	})
	return out, err
}

func scanToldEvent(r scanner) (ToldEvent, error) {
	var x ToldEvent
	e := &x.Event
	var ip, agent, url, source sql.NullString
	var machine sql.NullBool
	err := r.scan(&e.ID, &e.MessageID, &e.KeyID, &e.Type, nullTime{&e.At}, &e.Attempt, &e.Code, &e.Enhanced, &e.Line, &e.Host, &e.TLS, &e.StateID, &e.Permanent, &ip, &agent, &url, &source, &machine,
		uuidBytes{&x.UUID}, &x.Recipient, &x.Contact, &x.CampaignID, &x.Campaign, &x.CustomID, &x.EventPayload)
	e.Doing = Doing{IP: ip.String, Agent: agent.String, URL: url.String, Source: source.String, Machine: machine.Bool}
	return x, err
}
