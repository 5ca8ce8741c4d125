// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// OnceLifetime is how long the answer to a call with an idempotency key is kept.
const OnceLifetime = 24 * time.Hour

// Once is the idempotency key of a call. Its record is committed with the call's submissions, so that there are both or
// neither.
type Once struct {
	KeyID  int64
	Key    string        // 1 to 255 visible ASCII characters
	Hash   [32]byte      // of what was asked
	Answer func() []byte // what the call is answered with; asked for when all submissions of the batch have their IDs

	answer Body
}

// writeOnce keeps the records of a group of batches. A key that has a live record is ErrExists, for the whole group: it is
// then committed one by one.
func (tx *Tx) writeOnce(ctx context.Context, batches []*Batch) error {
	var list []*Once
	for _, b := range batches {
		if b.Once != nil {
			list = append(list, b.Once)
		}
	}
	// In one order for all, so that two writers never wait for each other.
	slices.SortFunc(list, func(a, b *Once) int { return cmp.Or(cmp.Compare(a.KeyID, b.KeyID), strings.Compare(a.Key, b.Key)) })
	for _, o := range list {
		n, err := tx.exec(ctx, `INSERT INTO idempotency (key_id, name, digest, codec, answer, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
 ON CONFLICT (key_id, name) DO UPDATE SET digest = excluded.digest, codec = excluded.codec, answer = excluded.answer,
 created_at = excluded.created_at, expires_at = excluded.expires_at
 WHERE idempotency.expires_at <= excluded.created_at`,
			o.KeyID, o.Key, o.Hash[:], o.answer.codec, o.answer.data, micros(tx.Now), micros(tx.Now.Add(OnceLifetime)))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("idempotency key: %w", ErrExists)
		}
	}
	return nil
}

// Answered is what the first call with an idempotency key was answered.
type Answered struct {
	Same   bool // the hash is that of the first call
	Answer []byte
}

// Answered finds the record of an idempotency key that is live at a time, or says ErrNotFound.
func (s *Store) Answered(ctx context.Context, scope Scope, key string, hash [32]byte, now time.Time) (Answered, error) {
	w := newWhere("SELECT i.digest, i.codec, i.answer FROM idempotency i JOIN api_key k ON k.id = i.key_id")
	scope.where(w, "k.account_id", "i.key_id")
	w.and("i.name = ?", key)
	w.and("i.expires_at > ?", micros(now))
	var digest []byte
	var b Body
	if err := s.row(ctx, w.String(), w.args...).scan(&digest, &b.codec, &b.data); err != nil {
		return Answered{}, err
	}
	answer, err := b.Bytes()
	return Answered{Same: bytes.Equal(digest, hash[:]), Answer: answer}, err
}

// ForgetAnswers deletes up to limit records that have ended at a time, and says how many.
func (s *Store) ForgetAnswers(ctx context.Context, now time.Time, limit int) (n int, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		k, err := tx.exec(ctx, "DELETE FROM idempotency WHERE (key_id, name) IN (SELECT key_id, name FROM idempotency WHERE "+
			"expires_at <= $1 ORDER BY expires_at LIMIT $2)", micros(now), limit)
		n = int(k)
		return err
	})
	return n, err
}
