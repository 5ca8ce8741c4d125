// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// MaxConnections is how many connections are kept for a secret; past it the longest unseen go.
const MaxConnections = 256

// Connection is a way in which a secret is used: by whom, from where, since when and how often.
type Connection struct {
	SecretID    int64
	Protocol    string // "http", "smtp"
	Address     string // "" where there is none, as on a unix socket
	Client      string // User-Agent, or EHLO name and AUTH mechanism
	FirstSeenAt time.Time
	LastSeenAt  time.Time
	Count       int64 // requests, or logins and transactions
}

const connectionColumns = "c.secret_id, c.protocol, c.address, c.client, c.first_seen_at, c.last_seen_at, c.count"

func scanConnection(r scanner) (Connection, error) {
	var c Connection
	err := r.scan(&c.SecretID, &c.Protocol, &c.Address, &c.Client, nullTime{&c.FirstSeenAt}, nullTime{&c.LastSeenAt}, &c.Count)
	return c, err
}

// NoteUses adds to the connections of secrets and moves their last use forward.
func (tx *Tx) NoteUses(ctx context.Context, uses []Connection) error {
	touched := map[int64]bool{}
	for _, u := range uses {
		if _, err := tx.exec(ctx, "UPDATE secret SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)",
			micros(u.LastSeenAt), u.SecretID); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `INSERT INTO connection (secret_id, protocol, address, client, first_seen_at, last_seen_at, count) VALUES ($1, $2, $3, $4, $5, $6, $7)
 ON CONFLICT (secret_id, protocol, address,
 client) DO UPDATE SET last_seen_at = CASE WHEN excluded.last_seen_at > connection.last_seen_at
 THEN excluded.last_seen_at ELSE connection.last_seen_at END,
 count = connection.count + excluded.count`, u.SecretID, u.Protocol, u.Address, u.Client, micros(u.FirstSeenAt), micros(u.LastSeenAt), u.Count); err != nil {
			return err
		}
		touched[u.SecretID] = true
	}
	for id := range touched {
		if err := tx.trimConnections(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// trimConnections drops what was unseen longest past the bound.
func (tx *Tx) trimConnections(ctx context.Context, secretID int64) error {
	var n int
	if err := tx.row(ctx, "SELECT count(*) FROM connection WHERE secret_id = $1", secretID).scan(&n); err != nil || n <= MaxConnections {
		return err
	}
	var oldest time.Time // of those that stay
	if err := tx.row(ctx, "SELECT last_seen_at FROM connection WHERE secret_id = $1 ORDER BY last_seen_at DESC, address, client "+
		"LIMIT 1 OFFSET $2", secretID, MaxConnections-1).scan(nullTime{&oldest}); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, "DELETE FROM connection WHERE secret_id = $1 AND last_seen_at < $2", secretID, micros(oldest)); err != nil {
		return err
	}
	// Many may have been seen at one time.
	_, err := tx.exec(ctx, `DELETE FROM connection WHERE secret_id = $1 AND (protocol, address, client) IN
 (SELECT protocol, address, client FROM connection WHERE secret_id = $1 ORDER BY last_seen_at DESC, address, client, protocol LIMIT 1000000 OFFSET $2)`, secretID, MaxConnections)
	return err
}

// ConnectionFilter bounds a listing of connections. Zero fields do not filter.
type ConnectionFilter struct {
	KeyID    int64
	SecretID int64
	Since    time.Time // seen then or later
	Ended    bool      // also of secrets that have ended
}

// Connections lists who uses the live secrets of the scope's keys, by secret, the latest seen first.
func (s *Store) Connections(ctx context.Context, scope Scope, f ConnectionFilter) ([]Connection, error) {
	w := newWhere("SELECT " + connectionColumns + " FROM connection c JOIN secret x ON x.id = c.secret_id JOIN api_key k ON k.id = " +
		"x.key_id")
	scope.where(w, "k.account_id", "k.id")
	if !f.Ended {
		w.and("x.ended_at IS NULL")
	}
	if f.KeyID != 0 {
		w.and("k.id = ?", f.KeyID)
	}
	if f.SecretID != 0 {
		w.and("x.id = ?", f.SecretID)
	}
	if !f.Since.IsZero() {
		w.and("c.last_seen_at >= ?", micros(f.Since))
	}
	w.add(" ORDER BY c.secret_id DESC, c.last_seen_at DESC, c.address, c.client LIMIT 1000")
	return collect(ctx, s, scanConnection, w.String(), w.args...)
}
