// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Endpoint is a URL of an owner's webhooks, and how it fares.
type Endpoint struct {
	URL          []byte    // sealed under the server key: it may have a password in it
	Token        string    // what the IDs of its requests begin with
	SetAt        time.Time // when the URL was set first; of an account's, when it was set last
	LastAt       time.Time
	LastStatus   int    // of the answer; 0: there was none
	LastError    string // "" when the last attempt was a success
	FailingSince time.Time
	Delivered    int64 // events, in all
	Dropped      int64 // events given up, in all
}

const endpointColumns = "e.url, e.token, e.created_at, e.last_at, e.last_status, e.last_error, e.failing_since, e.delivered, e.dropped"

func (x *Endpoint) fields() []any {
	return []any{
		&x.URL, &x.Token,
		nullTime{&x.SetAt},
		nullTime{&x.LastAt},
		&x.LastStatus, &x.LastError,
		nullTime{&x.FailingSince},
		&x.Delivered,
		&x.Dropped,
	}
}

// PutEndpoint finds or makes the endpoint of an owner with a URL, by its digest, and has it begin anew: what failed before
// is forgotten, and of an account's, which has one purpose, all that is counted.
func (tx *Tx) PutEndpoint(ctx context.Context, o Owner, digest, url []byte, token string) (id int64, err error) {
	err = tx.row(ctx, `INSERT INTO endpoint (account_id, key_id, digest, url, token, created_at) VALUES ($1, $2, $3, $4, $5, $6)
 ON CONFLICT (key_id, account_id, digest) DO UPDATE SET url = excluded.url, last_error = '', failing_since = NULL RETURNING id`,
		o.AccountID, o.KeyID, digest, url, token, micros(tx.Now)).scan(&id)
	if err == nil && o.OfAccount() {
		_, err = tx.exec(ctx, "UPDATE endpoint SET created_at = $1, last_at = NULL, last_status = 0, delivered = 0, dropped = 0 "+
			"WHERE id = $2", micros(tx.Now), id)
	}
	return id, err
}

// Endpoint reads an endpoint with its owner. An endpoint fails since its first failure after the last success; attempted is
// the first failure of what waits for it now, zero where none of that has failed.
func (s *Store) Endpoint(ctx context.Context, id int64) (o Owner, x Endpoint, attempted time.Time, err error) {
	err = s.row(ctx, "SELECT e.account_id, e.key_id, "+endpointColumns+" FROM endpoint e WHERE e.id = $1",
		id).scan(append([]any{&o.AccountID, &o.KeyID}, x.fields()...)...)
	if err == nil && !x.FailingSince.IsZero() {
		err = s.row(ctx, "SELECT min(failed_at) FROM delivery WHERE endpoint_id = $1", id).scan(nullTime{&attempted})
	}
	return o, x, attempted, err
}

// WaitingEndpoints lists the endpoints that something waits for.
func (s *Store) WaitingEndpoints(ctx context.Context) ([]int64, error) {
	return collect(ctx, s, scanID, "SELECT e.id FROM endpoint e WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint_id = e.id)")
}

// WebhookSecret is what an owner's requests are signed with.
type WebhookSecret struct {
	Secret    []byte // sealed
	CreatedAt time.Time
	ExpiresAt time.Time // of an old one; zero: the present one
}

// WebhookSecrets lists what an owner's requests are signed with now, newest first.
func (s *Store) WebhookSecrets(ctx context.Context, o Owner, now time.Time) ([]WebhookSecret, error) {
	return collect(ctx, s, func(r scanner) (WebhookSecret, error) {
		var x WebhookSecret
		err := r.scan(&x.Secret, nullTime{&x.CreatedAt}, nullTime{&x.ExpiresAt})
		return x, err
	}, `SELECT secret, created_at, expires_at FROM webhook_secret
 WHERE key_id = $1 AND account_id = $2 AND (expires_at IS NULL OR expires_at > $3) ORDER BY id DESC`, o.KeyID, o.AccountID, micros(now))
}

// PutWebhookSecret gives an owner a new signing secret. The one before goes on signing beside it for the overlap; older ones
// end.
func (tx *Tx) PutWebhookSecret(ctx context.Context, o Owner, secret []byte, overlap time.Duration) error {
	_, err := tx.exec(ctx, "DELETE FROM webhook_secret WHERE key_id = $1 AND account_id = $2 AND (expires_at IS NOT NULL OR $3)", o.KeyID,
		o.AccountID, overlap <= 0)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "UPDATE webhook_secret SET expires_at = $1 WHERE key_id = $2 AND account_id = $3", micros(tx.Now.Add(overlap)),
		o.KeyID, o.AccountID)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "INSERT INTO webhook_secret (account_id, key_id, secret, created_at) VALUES ($1, $2, $3, $4)", o.AccountID,
		o.KeyID, secret, micros(tx.Now))
	return err
}

// RemoveWebhookSecrets ends what an owner's requests are signed with.
func (tx *Tx) RemoveWebhookSecrets(ctx context.Context, o Owner) error {
	_, err := tx.exec(ctx, "DELETE FROM webhook_secret WHERE key_id = $1 AND account_id = $2", o.KeyID, o.AccountID)
	return err
}
