// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Secret is what the store knows of a secret key: not the secret.
type Secret struct {
	ID         int64
	KeyID      int64
	Digest     []byte
	Hint       string // its last four characters
	CreatedAt  time.Time
	ExpiresAt  time.Time // the end of an overlap; zero: none
	EndedAt    time.Time // zero: live
	LastUsedAt time.Time // zero: never
}

const secretColumns = "id, key_id, digest, hint, created_at, expires_at, ended_at, last_used_at"

func scanSecret(r scanner) (Secret, error) {
	var x Secret
	err := r.scan(&x.ID, &x.KeyID, &x.Digest, &x.Hint, nullTime{&x.CreatedAt}, nullTime{&x.ExpiresAt}, nullTime{&x.EndedAt},
		nullTime{&x.LastUsedAt})
	return x, err
}

// AddSecret gives a key a live secret, known by its digest. A secret that is or was somebody's is ErrExists. Nothing
// opens the system account's key: for it there is ErrNotFound.
func (tx *Tx) AddSecret(ctx context.Context, keyID int64, digest []byte, hint string) (Secret, error) {
	return scanSecret(tx.row(ctx, "INSERT INTO secret (key_id, digest, hint, created_at) SELECT k.id, $1, $2, CAST($3 AS BIGINT) "+
		"FROM api_key k JOIN account a ON a.id = k.account_id WHERE k.id = $4 AND NOT a.is_system RETURNING "+secretColumns, digest, hint,
		micros(tx.Now), keyID))
}

// BackdateSecret sets when a secret was made: one that is brought in from elsewhere may be old.
func (tx *Tx) BackdateSecret(ctx context.Context, secretID int64, at time.Time) error {
	return tx.one(ctx, "UPDATE secret SET created_at = $1 WHERE id = $2", micros(at), secretID)
}

// EndSecrets ends all live secrets of a key and says how many there were.
func (tx *Tx) EndSecrets(ctx context.Context, keyID int64) (int64, error) {
	return tx.exec(ctx, "UPDATE secret SET ended_at = $1 WHERE key_id = $2 AND ended_at IS NULL", micros(tx.Now), keyID)
}

// EndSecret ends one live secret of a key.
func (tx *Tx) EndSecret(ctx context.Context, keyID, secretID int64) error {
	return tx.one(ctx, "UPDATE secret SET ended_at = $1 WHERE id = $2 AND key_id = $3 AND ended_at IS NULL", micros(tx.Now), secretID,
		keyID)
}

// ExpireSecret gives a live secret of a key an end.
func (tx *Tx) ExpireSecret(ctx context.Context, keyID, secretID int64, at time.Time) error {
	return tx.one(ctx, "UPDATE secret SET expires_at = $1 WHERE id = $2 AND key_id = $3 AND ended_at IS NULL", micros(at), secretID, keyID)
}

// EndExpiredSecrets ends the secrets whose overlap is over, and returns them.
func (tx *Tx) EndExpiredSecrets(ctx context.Context) ([]Secret, error) {
	return collect(ctx, tx, scanSecret, "UPDATE secret SET ended_at = expires_at WHERE ended_at IS NULL AND expires_at <= $1 "+
		"RETURNING "+secretColumns, micros(tx.Now))
}

// SecretByDigest reads the live secret with that digest.
func (s *Store) SecretByDigest(ctx context.Context, digest []byte) (Secret, error) {
	return scanSecret(s.row(ctx, "SELECT "+secretColumns+" FROM secret WHERE digest = $1 AND ended_at IS NULL", digest))
}

// SecretByDigest is the same inside the transaction.
func (tx *Tx) SecretByDigest(ctx context.Context, digest []byte) (Secret, error) {
	return scanSecret(tx.row(ctx, "SELECT "+secretColumns+" FROM secret WHERE digest = $1 AND ended_at IS NULL", digest))
}

// AgedSecret is a secret that its account's policy says something about.
type AgedSecret struct {
	SecretID, KeyID, AccountID int64
	APIKey, KeyName            string
	CreatedAt                  time.Time
	SecretDays                 int
	DueTold, OverdueTold       bool // its owners know
}

// aged are the live secrets of active keys, but those that are to end by themselves, that are due for a reset at $1 by
// their accounts' policies. A day is $2.
const aged = ` FROM secret x JOIN api_key k ON k.id = x.key_id JOIN account a ON a.id = k.account_id
 WHERE x.ended_at IS NULL AND x.expires_at IS NULL AND k.deleted_at IS NULL AND k.state = 'active' AND a.suspended_at IS NULL AND x.created_at <= $1 - (a.secret_days - a.remind_days) * CAST($2 AS BIGINT)`

const overdueNow = "x.created_at < $1 - a.secret_days * CAST($2 AS BIGINT)"

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// UntoldSecrets lists secrets that are due, or overdue, of which their owners were not told yet.
func (s *Store) UntoldSecrets(ctx context.Context, now time.Time, limit int) ([]AgedSecret, error) {
	return collect(ctx, s, func(r scanner) (AgedSecret, error) {
		var a AgedSecret
		var due, overdue time.Time
		err := r.scan(&a.SecretID, &a.KeyID, &a.AccountID, &a.APIKey, &a.KeyName, nullTime{&a.CreatedAt}, &a.SecretDays, nullTime{&due},
			nullTime{&overdue})
		a.DueTold, a.OverdueTold = !due.IsZero(), !overdue.IsZero()
		return a, err
	}, "SELECT x.id, k.id, k.account_id, k.api_key, k.name, x.created_at, a.secret_days, x.due_told_at, x.overdue_told_at"+aged+
		" AND (x.due_told_at IS NULL OR x.overdue_told_at IS NULL AND "+overdueNow+") ORDER BY x.id LIMIT $3", micros(now), dayMicros,
		limit)
}

// MarkTold notes that the owners of a secret are told that it is due, or overdue.
func (tx *Tx) MarkTold(ctx context.Context, secretID int64, overdue bool) error {
	query := "UPDATE secret SET due_told_at = coalesce(due_told_at, $1) WHERE id = $2"
	if overdue {
		query = "UPDATE secret SET due_told_at = coalesce(due_told_at, $1), overdue_told_at = $1 WHERE id = $2"
	}
	return tx.one(ctx, query, micros(tx.Now), secretID)
}

// CountAged counts the secrets that are due for a reset, and how many of them are overdue.
func (s *Store) CountAged(ctx context.Context, now time.Time) (due, overdue int64, err error) {
	err = s.row(ctx, "SELECT count(*), coalesce(sum(CASE WHEN "+overdueNow+" THEN 1 ELSE 0 END), 0)"+aged, micros(now),
		dayMicros).scan(&due, &overdue)
	return due, overdue, err
}
