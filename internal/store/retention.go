// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"time"
)

var (
	deleteDoings   = newInList("DELETE FROM engagement WHERE event_id IN (SELECT id FROM event WHERE message_id", 0, ")")
	deleteEvents   = newInList("DELETE FROM event WHERE message_id", 0, "")
	deleteMessages = newInList("DELETE FROM message WHERE id", 0, "")
	deleteBodies   = newInList("DELETE FROM body WHERE submission_id", 0,
		" AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = body.submission_id)")
	deleteSubmissions = newInList("DELETE FROM submission WHERE id", 0,
		" AND NOT EXISTS (SELECT 1 FROM message m WHERE m.submission_id = submission.id)")

	// What waits for webhooks, or for the sender, is made of the message when it is sent.
	waitingForWebhooks = newInList("SELECT DISTINCT subject_id FROM delivery WHERE subject_id", 0, "")
	waitingNotices     = newInList("SELECT message_id FROM dsn_notice WHERE due_at IS NOT NULL AND message_id", 0, "")
)

// Retention is how long an account's finished messages are kept.
type Retention struct {
	AccountID int64
	Days      int
}

// systemRetention is how many days Postern's own notices are kept: links in them open something for a while.
const systemRetention = 14

// Retentions lists the accounts whose messages are kept for a time: as their plan says, for usual days where it says
// nothing (0: for good), and the system's own.
func (s *Store) Retentions(ctx context.Context, usual int) ([]Retention, error) {
	return collect(ctx, s, func(r scanner) (Retention, error) {
		var x Retention
		err := r.scan(&x.AccountID, &x.Days)
		return x, err
	}, `SELECT id, days FROM (SELECT a.id, CASE WHEN a.is_system THEN CAST($1 AS INTEGER) WHEN p.retention_days > 0 THEN p.retention_days ELSE CAST($2 AS INTEGER) END AS days
 FROM account a LEFT JOIN plan p ON p.id = a.plan_id) x WHERE days > 0 ORDER BY id`, systemRetention, usual)
}

// Bounds of what is deleted at a time. Between two pieces a transaction looks at the clock.
const (
	forgetPiece = 32      // messages
	forgetBytes = 4 << 20 // of source: a large one is many pages to give back
)

// Forgotten is what one batch of Forget did.
type Forgotten struct {
	Messages int           // deleted
	Last     int64         // the message to go on behind, 0 at the end
	Held     time.Duration // how long the writer was held
}

// Forget deletes finished messages of an account that arrived before a time, with their history and, when the last of a
// submission goes, its source; after is the ID to begin behind. It looks at up to limit messages, and holds the writer
// hardly longer than hold: what is left is for the next batch. What is still in the queue is not finished, so it stays,
// and so does a message with events that still wait for webhooks or its sender. Counters and usage stay, and
// campaigns, of which ForgetCampaigns takes small ones.
//
// IDs are in the order of arrival, so the old ones are found without looking at the others; they are looked for beside
// the writer.
func (s *Store) Forget(ctx context.Context, accountID int64, before time.Time, after int64, limit int, hold time.Duration) (Forgotten,
	error,
) {
	seen, err := collect(ctx, s, scanOld, `SELECT m.id, m.submission_id, m.arrived_at, m.done_at, s.size FROM message m JOIN submission s ON s.id = m.submission_id
 WHERE m.account_id = $1 AND m.id > $2 ORDER BY m.id LIMIT $3`, accountID, after, limit)
	if err != nil {
		return Forgotten{}, err
	}
	var out Forgotten
	if len(seen) == limit {
		out.Last = seen[limit-1].id
	}
	var old []oldRow
	for _, x := range seen {
		if !x.arrived.Before(before) {
			out.Last = 0 // all later ones are younger
			break
		}
		if !x.done.IsZero() {
			old = append(old, x)
		}
	}
	if len(old) == 0 {
		return out, nil
	}
	last := out.Last
	err = s.Update(ctx, func(tx *Tx) error {
		out.Messages, out.Last = 0, last
		began := time.Now()
		for rest := old; len(rest) > 0; {
			n := pieceOf(rest)
			gone, err := tx.forget(ctx, rest[:n])
			if err != nil {
				return err
			}
			out.Messages += gone
			if len(rest) > n && time.Since(began) >= hold {
				out.Last = rest[n-1].id
				break
			}
			rest = rest[n:]
		}
		out.Held = time.Since(began)
		return nil
	})
	return out, err
}

// oldRow is a message that may be old enough.
type oldRow struct {
	id, submission int64
	arrived, done  time.Time
	size           int64
}

func scanOld(r scanner) (oldRow, error) {
	var x oldRow
	err := r.scan(&x.id, &x.submission, nullTime{&x.arrived}, nullTime{&x.done}, &x.size)
	return x, err
}

// pieceOf is how many of the messages are deleted before the next look at the clock.
func pieceOf(list []oldRow) int {
	size := int64(0)
	for i, x := range list {
		if size += x.size; i == forgetPiece || i > 0 && size > forgetBytes {
			return i
		}
	}
	return len(list)
}

// forget deletes messages and all that hangs on them, and says how many: what still waits for webhooks stays.
func (tx *Tx) forget(ctx context.Context, list []oldRow) (int, error) {
	var ids, submissions []any
	for _, x := range list {
		ids = append(ids, x.id)
		if k := len(submissions); k == 0 || submissions[k-1] != any(x.submission) {
			submissions = append(submissions, x.submission)
		}
	}
	waiting, err := waitingForWebhooks.ids(ctx, tx, nil, ids)
	if err != nil {
		return 0, err
	}
	noticed, err := waitingNotices.ids(ctx, tx, nil, ids)
	if err != nil {
		return 0, err
	}
	ids = slices.DeleteFunc(ids, func(id any) bool { return waiting[id.(int64)] || noticed[id.(int64)] }) //nolint:forcetypeassert // they are
	for _, step := range []struct {
		b    *bulk
		args []any
	}{
		{deleteNotices, ids},
		{deleteAskedOf, ids},
		{deleteDoings, ids},
		{deleteEvents, ids},
		{deleteTodo, ids},
		{deleteIndexed, ids},
		{deleteMessages, ids},
		{deleteBodies, submissions},
		{deleteAsked, submissions},
		{deleteSubmissions, submissions},
	} {
		if err := step.b.run(ctx, tx, nil, step.args); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}
