// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

var (
	deleteEvents      = newInList("DELETE FROM event WHERE message_id", 0, "")
	deleteMessages    = newInList("DELETE FROM message WHERE id", 0, "")
	deleteBodies      = newInList("DELETE FROM body WHERE submission_id", 0, " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = body.submission_id)")
	deleteSubmissions = newInList("DELETE FROM submission WHERE id", 0, " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = submission.id)")
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

// Forget deletes up to limit messages of an account that were finished before a time, with their history and, when the
// last of a submission goes, its source. What is still in the queue is not finished, so it stays. Counters and usage stay.
func (s *Store) Forget(ctx context.Context, accountID int64, before time.Time, limit int) (n int, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		type row struct{ id, submission int64 }
		gone, err := collect(ctx, tx, func(r scanner) (row, error) {
			var x row
			err := r.scan(&x.id, &x.submission)
			return x, err
		}, "SELECT m.id, m.submission_id FROM message m WHERE m.account_id = $1 AND m.done_at < $2 AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.message_id = m.id) ORDER BY m.id LIMIT $3", accountID, micros(before), limit)
		if err != nil {
			return err
		}
		n = len(gone)
		var ids, submissions []any
		for i, x := range gone {
			ids = append(ids, x.id)
			if i == 0 || gone[i-1].submission != x.submission {
				submissions = append(submissions, x.submission)
			}
		}
		for _, step := range []struct {
			b    *bulk
			args []any
		}{{deleteEvents, ids}, {deleteMessages, ids}, {deleteBodies, submissions}, {deleteSubmissions, submissions}} {
			if err := step.b.run(ctx, tx, nil, step.args); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}
