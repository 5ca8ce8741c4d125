// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"
)

var (
	insertTodo    = newInsert("search_todo", "message_id")
	takeTodo      = newInList("DELETE FROM search_todo WHERE message_id", 0, " RETURNING message_id")
	insertSearch  = newInsert("search", "rowid", "doc")
	deleteTodo    = newInList("DELETE FROM search_todo WHERE message_id", 0, "")
	deleteIndexed = newInList("DELETE FROM search WHERE rowid", 0, "")
)

// IndexMessages puts up to limit accepted messages into the index of words, oldest first, and says how many. They are read,
// and cut into words, beside the writer.
func (s *Store) IndexMessages(ctx context.Context, limit int) (n int, err error) {
	todo, err := collect(ctx, s, scanDocument,
		"SELECT "+documentColumns+" FROM search_todo t CROSS JOIN message m CROSS JOIN submission s WHERE m.id = t.message_id AND "+
			"s.id = m.submission_id ORDER BY t.message_id LIMIT $1", limit)
	if err != nil || len(todo) == 0 {
		return 0, err
	}
	ids := make([]any, len(todo))
	texts := make([]string, len(todo))
	for i := range todo {
		ids[i], texts[i] = todo[i].id, strings.Join(todo[i].words(), " ")
	}
	err = s.Update(ctx, func(tx *Tx) error {
		if err := tx.NeedRoom(); err != nil {
			return err
		}
		n = 0
		mine, err := takeTodo.ids(ctx, tx, nil, ids) // what was deleted meanwhile, or another took, is none of it
		if err != nil {
			return err
		}
		var rows []any
		for i := range todo {
			if mine[todo[i].id] {
				rows = append(rows, todo[i].id, texts[i])
				n++
			}
		}
		return insertSearch.run(ctx, tx, nil, rows)
	})
	return n, err
}

// Unindexed counts the messages that are not in the index of words yet.
func (s *Store) Unindexed(ctx context.Context) (n int64, err error) {
	err = s.row(ctx, "SELECT count(*) FROM search_todo").scan(&n)
	return n, err
}

// arrivalSlot is the minute of a time, as arrival has it: Unix seconds of its start.
func arrivalSlot(t time.Time) int64 { return t.Truncate(time.Minute).Unix() }

// putArrival notes the range of IDs that a group of submissions has, in the slot of the time at which they arrived.
func (tx *Tx) putArrival(ctx context.Context, subs []*Submission) error {
	first, last := int64(0), int64(0)
	for _, x := range subs {
		if n := len(x.Recipients); n > 0 {
			if first == 0 || x.Recipients[0].ID < first {
				first = x.Recipients[0].ID
			}
			last = max(last, x.Recipients[n-1].ID)
		}
	}
	if first == 0 {
		return nil
	}
	_, err := tx.exec(ctx, `INSERT INTO arrival (slot, first_id, last_id) VALUES ($1, $2, $3) ON CONFLICT (slot) DO UPDATE SET
 first_id = CASE WHEN excluded.first_id < arrival.first_id THEN excluded.first_id ELSE arrival.first_id END, last_id = CASE WHEN excluded.last_id > arrival.last_id THEN excluded.last_id ELSE arrival.last_id END`,
		arrivalSlot(tx.Now), first, last)
	return err
}

// arrivalMargin is how far the order of IDs may be from that of arrival, generously: they are handed out just before.
const arrivalMargin = time.Hour

// ForgetArrivals deletes, up to limit, the minutes of arrival from before the oldest message that is left, and says how
// many. A message whose time is wrong, as the clock was, keeps those of messages after it.
func (s *Store) ForgetArrivals(ctx context.Context, limit int) (n int, err error) {
	oldest, first := s.now(), int64(math.MaxInt64)
	err = s.row(ctx, "SELECT arrived_at, id FROM message ORDER BY id LIMIT 1").scan(nullTime{&oldest}, &first)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	before := arrivalSlot(oldest.Add(-arrivalMargin))
	err = s.Update(ctx, func(tx *Tx) error {
		gone, err := tx.exec(ctx, "DELETE FROM arrival WHERE slot IN (SELECT slot FROM arrival WHERE slot < $1 AND last_id < $2 "+
			"ORDER BY slot LIMIT $3)", before, first, limit)
		n = int(gone)
		return err
	})
	return n, err
}
