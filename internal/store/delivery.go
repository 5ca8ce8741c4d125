// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Webhooks of version 2 get up to a second's events together: theirs are due at the next full second.
var queueMessageEvents = newInList(`INSERT INTO delivery (event_id, webhook_id, endpoint_id, subject_id, due_at)
 SELECT e.id, h.id, h.endpoint_id, e.message_id, CASE h.version WHEN 2 THEN CAST($1 AS BIGINT) ELSE CAST($2 AS BIGINT) END
   FROM event e JOIN webhook h ON h.key_id = e.key_id AND h.event_type = e.type AND h.takes WHERE e.id`, 2, " ON CONFLICT (event_id) DO NOTHING RETURNING endpoint_id")

var queueAccountEvents = newInList(`INSERT INTO delivery (event_id, webhook_id, endpoint_id, subject_id, due_at)
 SELECT e.id, h.id, h.endpoint_id, -e.key_id, $1
   FROM account_event e JOIN webhook h ON h.key_id = 0 AND h.event_type = e.type AND h.account_id = e.account_id AND h.takes WHERE e.id`, 1,
	" ON CONFLICT (event_id) DO NOTHING RETURNING endpoint_id")

// queueWebhooks queues events that were just recorded for the webhooks that take them. Attempts that will be repeated, and
// what machines did, go to none.
func (tx *Tx) queueWebhooks(ctx context.Context, events []recorded) error {
	var ids []any
	for i := range events {
		if e := &events[i]; e.Type != EventDeferred && !e.Machine && tx.s.webhookKeys.has(e.KeyID) {
			ids = append(ids, e.ID)
		}
	}
	_, err := tx.queueEvents(ctx, false, ids)
	return err
}

// queueEvents queues events of messages, or of accounts, and says how many did not wait already.
func (tx *Tx) queueEvents(ctx context.Context, ofAccount bool, ids []any) (n int, err error) {
	query, fixed := queueMessageEvents, []any{micros(tx.Now.Truncate(time.Second).Add(time.Second)), micros(tx.Now)}
	if ofAccount {
		query, fixed = queueAccountEvents, fixed[1:]
	}
	endpoints := map[int64]bool{}
	err = query.each(tx, fixed, ids, func(text string, args []any) error {
		list, err := collect(ctx, tx, scanID, text, args...)
		for _, id := range list {
			endpoints[id] = true
		}
		n += len(list)
		return err
	})
	if n > 0 {
		tx.AfterCommit(func() { tx.s.wakeEndpoints(endpoints) })
	}
	return n, err
}

// AccountEvent is something that happened to an account's credentials.
type AccountEvent struct {
	AccountID int64
	KeyID     int64 // the key that it is about; 0: none
	Type      EventType
	WebhookID string // what it is posted under
	Body      []byte // what is posted
}

// AddAccountEvent keeps an event of an account and queues it, if a webhook of the account takes its type; otherwise it does
// nothing, and says so.
func (tx *Tx) AddAccountEvent(ctx context.Context, e AccountEvent) (taken bool, err error) {
	err = tx.row(ctx, "SELECT EXISTS (SELECT 1 FROM webhook WHERE key_id = 0 AND event_type = $1 AND account_id = $2 AND takes)",
		int(e.Type), e.AccountID).scan(&taken)
	if err != nil || !taken {
		return false, err
	}
	var id int64
	// Not from the blocks of IDs: to reserve one takes a transaction of its own.
	if err := tx.row(ctx, "UPDATE sequence SET next = next + 1 WHERE name = 'event' RETURNING next - 1").scan(&id); err != nil {
		return false, err
	}
	_, err = tx.exec(ctx, "INSERT INTO account_event (id, account_id, key_id, type, at, webhook_id, body) VALUES ($1, $2, $3, $4, "+
		"$5, $6, $7)",
		id, e.AccountID, e.KeyID, int(e.Type), micros(tx.Now), e.WebhookID, e.Body)
	if err != nil {
		return false, err
	}
	_, err = tx.queueEvents(ctx, true, []any{id})
	return err == nil, err
}

// Replay queues events of an owner anew for the webhooks that take them now, and says how many. What waits already is left
// as it is, and so is what no webhook takes.
func (tx *Tx) Replay(ctx context.Context, o Owner, eventIDs []int64) (n int, err error) {
	own, owner := selectKeyEvents, o.KeyID
	if o.OfAccount() {
		own, owner = selectAccountEvents, o.AccountID
	}
	mine, err := own.ids(ctx, tx, []any{owner}, anys(eventIDs))
	if err != nil {
		return 0, err
	}
	return tx.queueEvents(ctx, o.OfAccount(), anys(slices.Sorted(maps.Keys(mine))))
}

var (
	selectKeyEvents     = newInList("SELECT id FROM event WHERE key_id = $1 AND id", 1, "")
	selectAccountEvents = newInList("SELECT id FROM account_event WHERE account_id = $1 AND id", 1, "")
)

// OnDeliveries has fn called with the endpoints that something was queued for, after the commit. fn must not block.
func (s *Store) OnDeliveries(fn func(endpointIDs []int64)) { s.onDeliveries.Store(&fn) }

func (s *Store) wakeEndpoints(endpoints map[int64]bool) {
	if fn := s.onDeliveries.Load(); fn != nil {
		(*fn)(slices.Collect(maps.Keys(endpoints)))
	}
}

// Delivery is an event that waits for an endpoint.
type Delivery struct {
	EventID  int64
	Version  int
	FailedAt time.Time // the first failure; zero: none
	Attempts int
	Batch    int64 // of what was sent together before, its first event; 0: never sent
	Before   int64 // the event of the same subject that goes to the endpoint before it; 0: none
}

// Events of a subject (a message, or a key that an account is notified about) wait for each other: a failed one puts off all
// that come after it, so what stands first decides.
const dueDeliveries = `SELECT d.event_id, h.version, d.failed_at, d.attempts, d.batch,
 coalesce((SELECT max(b.event_id) FROM delivery b WHERE b.subject_id = d.subject_id AND b.endpoint_id = d.endpoint_id
 AND b.event_id < d.event_id), 0)
 FROM delivery d JOIN webhook h ON h.id = d.webhook_id
 WHERE d.endpoint_id = $1 AND d.due_at <= $2
   AND (SELECT f.due_at FROM delivery f WHERE f.subject_id = d.subject_id
 AND f.endpoint_id = d.endpoint_id ORDER BY f.event_id LIMIT 1) <= $2
   AND (h.version = 2 OR NOT EXISTS (SELECT 1 FROM delivery b WHERE b.subject_id = d.subject_id AND b.endpoint_id = d.endpoint_id
 AND b.event_id < d.event_id))
 ORDER BY d.due_at, d.event_id LIMIT $3`

// DueDeliveries lists what is due for an endpoint, what is under way among it: oldest first, of a subject what comes first,
// and what may go with it in one request.
func (s *Store) DueDeliveries(ctx context.Context, endpointID int64, now time.Time, limit int) ([]Delivery, error) {
	return collect(ctx, s, func(r scanner) (Delivery, error) {
		var e Delivery
		err := r.scan(&e.EventID, &e.Version, nullTime{&e.FailedAt}, &e.Attempts, &e.Batch, &e.Before)
		return e, err
	}, dueDeliveries, endpointID, micros(now), limit)
}

// NextDelivery says when the next event becomes due for an endpoint after now; zero: none waits.
func (s *Store) NextDelivery(ctx context.Context, endpointID int64, now time.Time) (due time.Time, err error) {
	err = s.row(ctx, "SELECT min(due_at) FROM delivery WHERE endpoint_id = $1 AND due_at > $2", endpointID,
		micros(now)).scan(nullTime{&due})
	return due, err
}

// Waiting counts what waits for each of the webhooks of the scope with these IDs, up to a limit. Those that nothing waits
// for, or that are not there, are left out.
func (s *Store) Waiting(ctx context.Context, scope Scope, ids []int64, limit int) (map[int64]int, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	out := map[int64]int{}
	for some := range slices.Chunk(ids, 500) { // a statement has 32,766 parameters at most on SQLite
		w := newWhere("SELECT h.id, (SELECT count(*) FROM (SELECT 1 AS one FROM delivery d WHERE d.endpoint_id = h.endpoint_id AND "+
			"d.webhook_id = h.id LIMIT ?) x) FROM webhook h", limit)
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

// WebhookStats is what waits for webhooks at a glance.
type WebhookStats struct {
	AccountWaiting int64     // events that wait for accounts' endpoints
	Waiting        int64     // events that wait for keys' endpoints
	Oldest         time.Time // when the oldest of them happened; zero: none waits
	Failing        int64     // keys' endpoints that fail
	Disabled       int64     // keys' webhooks that are disabled
}

// WebhookStats counts what waits for webhooks.
func (s *Store) WebhookStats(ctx context.Context) (x WebhookStats, err error) {
	var all int64
	err = s.row(ctx, `SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM delivery WHERE endpoint_id IN (SELECT id FROM endpoint WHERE key_id = 0)),
 (SELECT e.at FROM delivery d CROSS JOIN event e WHERE e.id = d.event_id ORDER BY d.event_id LIMIT 1),
 (SELECT count(*) FROM endpoint e WHERE e.key_id <> 0 AND e.failing_since IS NOT NULL AND EXISTS (SELECT 1 FROM webhook h
 WHERE h.endpoint_id = e.id AND h.disabled_at IS NULL)),
 (SELECT count(*) FROM webhook WHERE key_id <> 0 AND disabled_at IS NOT NULL)`).scan(&all, &x.AccountWaiting, nullTime{&x.Oldest}, &x.Failing, &x.Disabled)
	x.Waiting = all - x.AccountWaiting
	return x, err
}

// EventDetail is an event with what a webhook says of it.
type EventDetail struct {
	Event
	UUID         uuid.UUID
	Recipient    string
	Contact      int64
	CampaignID   int64 // 0: none
	Campaign     string
	CustomID     string
	EventPayload string

	WebhookID string // of an account's event: what it is posted under
	Body      []byte // of an account's event: what is posted
}

var selectDetails = newInList(`SELECT e.id, e.message_id, e.key_id, e.type, e.at, e.attempt, e.code, e.enhanced, e.line, e.host, e.tls, e.state_id, e.permanent,
 g.ip, g.agent, g.url, g.source, g.machine, m.uuid, m.recipient, m.contact, s.campaign_id, s.campaign, s.custom_id, s.event_payload
 FROM event e JOIN message m ON m.id = e.message_id JOIN submission s ON s.id = m.submission_id LEFT JOIN engagement g ON g.event_id = e.id
 WHERE e.key_id = $1 AND e.id`, 1, "")

var selectAccountDetails = newInList("SELECT id, type, webhook_id, body FROM account_event WHERE account_id = $1 AND id", 1, "")

// EventDetails reads events of an owner with what is said of them. Those of forgotten messages are left out.
func (s *Store) EventDetails(ctx context.Context, o Owner, ids []int64) (map[int64]EventDetail, error) {
	query, owner, scan := selectDetails, o.KeyID, scanEventDetail
	if o.OfAccount() {
		query, owner, scan = selectAccountDetails, o.AccountID, func(r scanner) (x EventDetail, err error) {
			err = r.scan(&x.ID, &x.Type, &x.WebhookID, &x.Body)
			return x, err
		}
	}
	out := make(map[int64]EventDetail, len(ids))
	err := query.chunked(s.d.numbered, []any{owner}, anys(ids), func(text string, args []any) error {
		list, err := collect(ctx, s, scan, text, args...)
		for i := range list {
			out[list[i].ID] = list[i]
		}
		return err
	})
	return out, err
}

func scanEventDetail(r scanner) (EventDetail, error) {
	var x EventDetail
	e := &x.Event
	var ip, agent, url, source sql.NullString
	var machine sql.NullBool
	err := r.scan(&e.ID, &e.MessageID, &e.KeyID, &e.Type, nullTime{&e.At}, &e.Attempt, &e.Code, &e.Enhanced, &e.Line, &e.Host, &e.TLS,
		&e.StateID, &e.Permanent,
		&ip, &agent, &url, &source, &machine, uuidBytes{&x.UUID}, &x.Recipient, &x.Contact, &x.CampaignID, &x.Campaign, &x.CustomID,
		&x.EventPayload)
	e.Doing = Doing{IP: ip.String, Agent: agent.String, URL: url.String, Source: source.String, Machine: machine.Bool}
	return x, err
}
