// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Notice is something to tell people by mail, or a webhook. It is written in the transaction of what it tells of, and
// removed once it is handed on, so that none is lost.
type Notice struct {
	ID        int64
	AccountID int64 // 0: the operator's affairs
	Kind      string
	Data      []byte // sealed under the server key
	CreatedAt time.Time
	DueAt     time.Time
	Attempts  int
}

// AddNotice keeps a notice that is due at once.
func (tx *Tx) AddNotice(ctx context.Context, n Notice) error {
	_, err := tx.exec(ctx, "INSERT INTO notice (account_id, kind, data, created_at, due_at) VALUES ($1, $2, $3, $4, $4)", n.AccountID,
		n.Kind, n.Data, micros(tx.Now))
	return err
}

// DueNotices lists notices that are due, oldest first.
func (s *Store) DueNotices(ctx context.Context, now time.Time, limit int) ([]Notice, error) {
	return collect(ctx, s, func(r scanner) (Notice, error) {
		var n Notice
		err := r.scan(&n.ID, &n.AccountID, &n.Kind, &n.Data, nullTime{&n.CreatedAt}, nullTime{&n.DueAt}, &n.Attempts)
		return n, err
	}, "SELECT id, account_id, kind, data, created_at, due_at, attempts FROM notice WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2",
		micros(now), limit)
}

// PutOffNotice makes a notice due again later.
func (tx *Tx) PutOffNotice(ctx context.Context, id int64, due time.Time) error {
	return tx.one(ctx, "UPDATE notice SET due_at = $1, attempts = attempts + 1 WHERE id = $2", micros(due), id)
}

// RemoveNotice forgets a notice.
func (tx *Tx) RemoveNotice(ctx context.Context, id int64) error {
	return tx.one(ctx, "DELETE FROM notice WHERE id = $1", id)
}

// CountNotices says how many notices wait, and since when the oldest does.
func (s *Store) CountNotices(ctx context.Context) (n int64, oldest time.Time, err error) {
	err = s.row(ctx, "SELECT count(*), min(created_at) FROM notice").scan(&n, nullTime{&oldest})
	return n, oldest, err
}
