// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"time"
)

var (
	deleteDoings      = newInList("DELETE FROM engagement WHERE event_id IN (SELECT id FROM event WHERE message_id", 0, ")")
	deleteEvents      = newInList("DELETE FROM event WHERE message_id", 0, "")
	deleteMessages    = newInList("DELETE FROM message WHERE id", 0, "")
	deleteBodies      = newInList("DELETE FROM body WHERE submission_id", 0, " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = body.submission_id)")
	deleteSubmissions = newInList("DELETE FROM submission WHERE id", 0, " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = submission.id)")

	// What waits to be told to webhooks is made of the message when it is told.
	waitingHookMessages = newInList("SELECT DISTINCT message_id FROM hook_event WHERE message_id", 0, "")
)

// Retention is how long an account's finished messages are kept.
type Retention struct {
	AccountID int64
	Days      int
}

// systemRetention is how many days Postern's own notices are kept: links in them open something for a while.
const systemRetention = 14

// Retentions lists the accounts whose plans bound how long messages are kept, and the system's own.
func (s *Store) Retentions(ctx context.Context) ([]Retention, error) {
	return collect(ctx, s, func(r scanner) (Retention, error) {
		var x Retention
		err := r.scan(&x.AccountID, &x.Days)
		return x, err
	}, "SELECT a.id, p.retention_days FROM account a JOIN plan p ON p.id = a.plan_id WHERE p.retention_days > 0 UNION ALL SELECT id, $1 FROM account WHERE is_system", systemRetention)
}

// Forget deletes finished messages of an account that arrived before a time, with their history and, when the last of a
// submission goes, its source; after is the ID to begin behind. It looks at up to limit messages, and returns how many it
// deleted and the last that it looked at, 0 at the end. What is still in the queue is not finished, so it stays, and so
// does a message with events that are still to be told to webhooks. Counters and usage stay.
//
// IDs are in the order of arrival, so the old ones are found without looking at the others; they are looked for beside
// the writer.
func (s *Store) Forget(ctx context.Context, accountID int64, before time.Time, after int64, limit int) (n int, last int64, err error) {
	type row struct {
		id, submission int64
		arrived, done  time.Time
	}
	seen, err := collect(ctx, s, func(r scanner) (row, error) {
		var x row
		err := r.scan(&x.id, &x.submission, nullTime{&x.arrived}, nullTime{&x.done})
		return x, err
	}, "SELECT id, submission_id, arrived_at, done_at FROM message WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3", accountID, after, limit)
	if err != nil {
		return 0, 0, err
	}
	var ids, submissions []any
	for _, x := range seen {
		if !x.arrived.Before(before) {
			seen = nil // all later ones are younger
			break
		}
		if x.done.IsZero() {
			continue
		}
		ids = append(ids, x.id)
		if k := len(submissions); k == 0 || submissions[k-1] != any(x.submission) {
			submissions = append(submissions, x.submission)
		}
	}
	if len(seen) == limit {
		last = seen[len(seen)-1].id
	}
	if len(ids) == 0 {
		return 0, last, nil
	}
	err = s.Update(ctx, func(tx *Tx) error {
		told, err := waitingHookMessages.ids(ctx, tx, nil, ids)
		if err != nil {
			return err
		}
		ids := slices.DeleteFunc(slices.Clone(ids), func(id any) bool { return told[id.(int64)] }) //nolint:forcetypeassert // they are
		n = len(ids)
		for _, step := range []struct {
			b    *bulk
			args []any
		}{{deleteDoings, ids}, {deleteEvents, ids}, {deleteMessages, ids}, {deleteBodies, submissions}, {deleteSubmissions, submissions}} {
			if err := step.b.run(ctx, tx, nil, step.args); err != nil {
				return err
			}
		}
		return nil
	})
	return n, last, err
}
