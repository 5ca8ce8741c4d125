// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// AttemptOutcome is what came of one request to a hook's URL.
type AttemptOutcome int

// Outcomes.
const (
	AttemptDelivered AttemptOutcome = iota
	AttemptFailed                   // tried again
	AttemptDropped                  // the last attempt
)

// String is the outcome in one word.
func (o AttemptOutcome) String() string {
	return [...]string{"delivered", "failed", "dropped"}[o]
}

// AttemptResult is what came of one request, to be recorded.
type AttemptResult struct {
	EndpointID int64     // 0: what came of it says nothing of the endpoint
	Attempt              // EventIDs were in the request
	Gone       []int64   // that need not be delivered: their messages are forgotten
	Again      time.Time // of a failure: when it is tried again
	Batch      int64     // of a failure: under what it is tried together again; 0: each alone
	GivenUp    []int64   // of a failure: events that are not tried again
}

// RecordAttempt records what came of a request: what was taken waits no more, what failed is put off with all that comes
// after it of the same subjects. The transaction is shared with all that wait at the same time.
func (s *Store) RecordAttempt(ctx context.Context, x *AttemptResult) error {
	return s.attempts.add(ctx, x)
}

var (
	deleteDeliveries = newInList("DELETE FROM delivery WHERE event_id", 0, "")
	putOffDeliveries = newInList(`UPDATE delivery SET due_at = $1, failed_at = coalesce(failed_at, $2), attempts = attempts + 1,
 batch = CASE CAST($3 AS BIGINT) WHEN 0 THEN event_id ELSE CAST($3 AS BIGINT) END WHERE endpoint_id = $4 AND event_id`, 4, "")
	putOffSubjects = newInList(`UPDATE delivery SET due_at = $1 WHERE due_at < $1 AND endpoint_id = $2
 AND subject_id IN (SELECT b.subject_id FROM delivery b WHERE b.event_id`, 2, ")")
)

func (s *Store) commitAttempts(ctx context.Context, items []*AttemptResult) error {
	return s.Update(ctx, func(tx *Tx) error {
		var gone, log []any
		endpoints := map[int64]*endpointNews{}
		for _, x := range items {
			if x.Count > 0 {
				log = append(log, x.args()...)
			}
			gone = append(gone, anys(x.Gone)...)
			if x.Outcome == AttemptDelivered {
				gone = append(gone, anys(x.EventIDs)...)
			} else if err := tx.putOff(ctx, x); err != nil {
				return err
			}
			if x.EndpointID != 0 {
				n := endpoints[x.EndpointID]
				if n == nil {
					n = &endpointNews{}
					endpoints[x.EndpointID] = n
				}
				n.add(x)
			}
		}
		if err := deleteDeliveries.run(ctx, tx, nil, gone); err != nil {
			return err
		}
		for id, n := range endpoints {
			if err := tx.noteEndpoint(ctx, id, n); err != nil {
				return err
			}
		}
		return tx.logAttempts(ctx, items, log)
	})
}

// putOff has what failed tried again, but for what is given up.
func (tx *Tx) putOff(ctx context.Context, x *AttemptResult) error {
	if err := deleteDeliveries.run(ctx, tx, nil, anys(x.GivenUp)); err != nil {
		return err
	}
	again, all := micros(x.Again), anys(x.EventIDs)
	if x.Again.IsZero() {
		return nil
	}
	if err := putOffDeliveries.run(ctx, tx, []any{again, micros(x.At), x.Batch, x.EndpointID}, all); err != nil {
		return err
	}
	return putOffSubjects.run(ctx, tx, []any{again, x.EndpointID}, all)
}

// endpointNews is what a group of requests says of an endpoint.
type endpointNews struct {
	last               *AttemptResult
	worked             bool
	failing            time.Time // the first failure after the last success
	delivered, dropped int
}

func (n *endpointNews) add(x *AttemptResult) {
	n.last = x
	n.dropped += len(x.GivenUp)
	switch {
	case x.Outcome == AttemptDelivered:
		n.worked, n.failing = true, time.Time{}
		n.delivered += len(x.EventIDs)
	case n.failing.IsZero():
		n.failing = x.At
	}
}

func (tx *Tx) noteEndpoint(ctx context.Context, id int64, n *endpointNews) error {
	since := "coalesce(failing_since, $4)"
	if n.worked {
		since = "$4"
	}
	_, err := tx.exec(ctx,
		"UPDATE endpoint SET last_at = $1, last_status = $2, last_error = $3, failing_since = "+since+", delivered = delivered + "+
			"$5, dropped = dropped + $6 WHERE id = $7",
		micros(n.last.At), n.last.Status, n.last.Error, micros(n.failing), n.delivered, n.dropped, id)
	return err
}

// MoveDeliveries hands up to limit events that wait for a webhook, those after an event first, to another webhook, due at once as
// if they had never been tried. It returns how many it was and the last; limit 0 is all that there are.
func (tx *Tx) MoveDeliveries(ctx context.Context, from, to Webhook, after int64, limit int) (n int, last int64, err error) {
	const set = "UPDATE delivery SET webhook_id = $1, endpoint_id = $2, due_at = $3, failed_at = NULL, attempts = 0, batch = 0 WHERE "
	args := []any{to.ID, to.EndpointID, micros(tx.Now), from.EndpointID, from.ID}
	which := "endpoint_id = $4 AND webhook_id = $5"
	if limit > 0 {
		which = "event_id IN (SELECT event_id FROM delivery WHERE endpoint_id = $4 AND webhook_id = $5 AND event_id > $6 ORDER BY " +
			"event_id LIMIT $7)"
		args = append(args, after, limit)
	}
	moved, err := collect(ctx, tx, scanID, set+which+" RETURNING event_id", args...)
	for _, id := range moved {
		last = max(last, id)
	}
	if len(moved) > 0 {
		tx.AfterCommit(func() { tx.s.wakeEndpoints(map[int64]bool{to.EndpointID: true}) })
	}
	return len(moved), last, err
}

// DropDeliveries deletes up to limit events that wait for a webhook, and says how many it were.
func (tx *Tx) DropDeliveries(ctx context.Context, h Webhook, limit int) (int, error) {
	n, err := tx.exec(ctx, "DELETE FROM delivery WHERE event_id IN (SELECT event_id FROM delivery WHERE endpoint_id = $1 AND "+
		"webhook_id = $2 LIMIT $3)", h.EndpointID, h.ID, limit)
	if err == nil && n > 0 {
		_, err = tx.exec(ctx, "UPDATE endpoint SET dropped = dropped + $1 WHERE id = $2", n, h.EndpointID)
	}
	return int(n), err
}

var deleteOrphans = newInList("DELETE FROM delivery WHERE NOT EXISTS (SELECT 1 FROM webhook h WHERE h.id = delivery.webhook_id) AND "+
	"event_id", 0, "")

// SweepWebhooks deletes, a bounded part at a time, what is left over: deliveries of webhooks that are gone, endpoints that
// nothing leads to, attempts and accounts' events that are older than a time. It says whether there may be more.
func (s *Store) SweepWebhooks(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	// All that waits is looked through, which may be much: that is done beside the writer.
	orphans, err := collect(ctx, s, scanID, "SELECT d.event_id FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM webhook h WHERE h.id "+
		"= d.webhook_id) ORDER BY d.event_id LIMIT $1", limit)
	if err != nil {
		return false, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		more = len(orphans) == limit
		if err := deleteOrphans.run(ctx, tx, nil, anys(orphans)); err != nil {
			return err
		}
		for _, old := range []string{
			"DELETE FROM attempt WHERE id IN (SELECT x.id FROM (SELECT id, at FROM attempt ORDER BY id LIMIT $1) x WHERE x.at < $2)",
			"DELETE FROM account_event WHERE id IN (SELECT x.id FROM (SELECT id, at FROM account_event ORDER BY id LIMIT $1) x " +
				"WHERE x.at < $2 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = x.id))",
		} {
			n, err := tx.exec(ctx, old, limit, micros(before))
			if err != nil {
				return err
			}
			more = more || n == int64(limit)
		}
		_, err := tx.exec(ctx, "DELETE FROM endpoint WHERE NOT EXISTS (SELECT 1 FROM webhook h WHERE h.endpoint_id = endpoint.id) "+
			"AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint_id = endpoint.id)")
		return err
	})
	return more, err
}
