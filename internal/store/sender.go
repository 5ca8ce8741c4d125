// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// States of a sender.
const (
	SenderActive   = "active"
	SenderInactive = "inactive"
	SenderDeleted  = "deleted"
)

// Sender is an address, or a whole domain as *@domain, that a key may send from.
type Sender struct {
	ID        int64
	KeyID     int64
	Email     string // canonical: an address, or *@domain
	Domain    string
	Name      string
	Status    string
	CreatedAt time.Time
}

const senderColumns = "id, key_id, email, domain, name, status, created_at"

func scanSender(r scanner) (Sender, error) {
	var x Sender
	err := r.scan(&x.ID, &x.KeyID, &x.Email, &x.Domain, &x.Name, &x.Status, nullTime{&x.CreatedAt})
	return x, err
}

// PutSender adds a sender, or sets the name and status of the one the key has: a deleted one is revived.
func (tx *Tx) PutSender(ctx context.Context, x Sender) (Sender, error) {
	return scanSender(tx.row(ctx, "INSERT INTO sender (key_id, email, domain, name, status, created_at) VALUES ($1, $2, $3, $4, $5, $6) "+
		"ON CONFLICT (key_id, email) DO UPDATE SET name = excluded.name, status = excluded.status RETURNING "+senderColumns,
		x.KeyID, x.Email, x.Domain, x.Name, x.Status, micros(tx.Now)))
}

// RenameSender sets the name of a key's sender, whatever its status, and returns it.
func (tx *Tx) RenameSender(ctx context.Context, keyID, id int64, name string) (Sender, error) {
	return scanSender(tx.row(ctx, "UPDATE sender SET name = $1 WHERE id = $2 AND key_id = $3 AND status <> $4 RETURNING "+senderColumns, name, id, keyID, SenderDeleted))
}

// DeleteSender marks a key's sender deleted: history keeps pointing at it.
func (tx *Tx) DeleteSender(ctx context.Context, keyID int64, email string) error {
	return tx.one(ctx, "UPDATE sender SET status = $1 WHERE key_id = $2 AND email = $3 AND status <> $1", SenderDeleted, keyID, email)
}

// Senders lists the senders of the scope's keys that are not deleted.
func (s *Store) Senders(ctx context.Context, scope Scope) ([]Sender, error) {
	w := newWhere("SELECT s.id, s.key_id, s.email, s.domain, s.name, s.status, s.created_at FROM sender s JOIN api_key k ON k.id = s.key_id")
	scope.where(w, "k.account_id", "k.id")
	w.and("s.status <> ?", SenderDeleted)
	w.add(" ORDER BY s.key_id, s.email")
	return collect(ctx, s, scanSender, w.String(), w.args...)
}

// SenderFilter bounds a listing of senders within a scope. Zero fields do not filter.
type SenderFilter struct {
	ID     int64
	KeyID  int64
	Search string // part of the address or domain
}

func (f SenderFilter) where(w *where) {
	w.and("s.status <> ?", SenderDeleted)
	if f.ID != 0 {
		w.and("s.id = ?", f.ID)
	}
	if f.KeyID != 0 {
		w.and("s.key_id = ?", f.KeyID)
	}
	if f.Search != "" {
		w.and("s.email LIKE ? ESCAPE '!'", "%"+escapeLike(f.Search)+"%")
	}
}

// FindSenders lists senders of the scope's keys that match and are not deleted, by key and address, and says how many
// there are in all.
func (s *Store) FindSenders(ctx context.Context, scope Scope, f SenderFilter, p Page) ([]Sender, int, error) {
	const from = " FROM sender s JOIN api_key k ON k.id = s.key_id"
	n := newWhere("SELECT count(*)" + from)
	scope.where(n, "k.account_id", "k.id")
	f.where(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere("SELECT s.id, s.key_id, s.email, s.domain, s.name, s.status, s.created_at" + from)
	scope.where(w, "k.account_id", "k.id")
	f.where(w)
	w.page(p, "s.key_id, s.domain, s.email")
	out, err := collect(ctx, s, scanSender, w.String(), w.args...)
	return out, total, err
}

// KeySenders lists the active senders of one key, for the check of every mail.
func (s *Store) KeySenders(ctx context.Context, keyID int64) ([]Sender, error) {
	return collect(ctx, s, scanSender, "SELECT "+senderColumns+" FROM sender WHERE key_id = $1 AND status = $2", keyID, SenderActive)
}

// DKIMKey is a domain's signing key. PrivateKey is PKCS #8, sealed under the server key.
type DKIMKey struct {
	Domain     string
	Selector   string
	PrivateKey []byte
	CreatedAt  time.Time
}

// AddDKIMKey keeps a signing key unless the domain has one, and says whether it was kept.
func (tx *Tx) AddDKIMKey(ctx context.Context, k DKIMKey) (bool, error) {
	n, err := tx.exec(ctx, "INSERT INTO dkim_key (domain, selector, private_key, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (domain) DO NOTHING", k.Domain, k.Selector, k.PrivateKey, micros(tx.Now))
	return n == 1, err
}

// DKIMKey reads a domain's signing key.
func (s *Store) DKIMKey(ctx context.Context, domain string) (DKIMKey, error) {
	var k DKIMKey
	err := s.row(ctx, "SELECT domain, selector, private_key, created_at FROM dkim_key WHERE domain = $1", domain).
		scan(&k.Domain, &k.Selector, &k.PrivateKey, nullTime{&k.CreatedAt})
	return k, err
}
