// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// SenderLink is a link that was mailed to an address which a key wants to send from. Its token is in the mail alone; the
// store has its digest.
type SenderLink struct {
	ID        int64
	SenderID  int64
	KeyID     int64
	Email     string
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time

	Status      string // of the sender
	APIKey      string
	KeyName     string
	AccountID   int64
	AccountName string
}

// AddSenderLink keeps a link. Those that ended before a time are forgotten.
func (tx *Tx) AddSenderLink(ctx context.Context, l SenderLink, digest []byte, forget time.Time) error {
	if _, err := tx.exec(ctx, "DELETE FROM sender_link WHERE expires_at < $1", micros(forget)); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "INSERT INTO sender_link (sender_id, key_id, email, digest, created_at, expires_at) VALUES ($1, $2, $3, "+
		"$4, $5, $6)",
		l.SenderID, l.KeyID, l.Email, digest, micros(tx.Now), micros(l.ExpiresAt))
	return err
}

const senderLinkSelect = `SELECT l.id, l.sender_id, l.key_id, l.email, l.created_at, l.expires_at, l.used_at, s.status, k.api_key, k.name, a.id, a.name
 FROM sender_link l JOIN sender s ON s.id = l.sender_id JOIN api_key k ON k.id = l.key_id JOIN account a ON a.id = k.account_id WHERE k.deleted_at IS NULL AND l.digest = $1`

func scanSenderLink(r scanner) (SenderLink, error) {
	var l SenderLink
	err := r.scan(&l.ID, &l.SenderID, &l.KeyID, &l.Email, nullTime{&l.CreatedAt}, nullTime{&l.ExpiresAt}, nullTime{&l.UsedAt}, &l.Status,
		&l.APIKey, &l.KeyName, &l.AccountID, &l.AccountName)
	return l, err
}

// SenderLink reads the link with that digest.
func (s *Store) SenderLink(ctx context.Context, digest []byte) (SenderLink, error) {
	return scanSenderLink(s.row(ctx, senderLinkSelect, digest))
}

// UseSenderLink uses the link with that digest up; one that was used, or has ended, is ErrNotFound.
func (tx *Tx) UseSenderLink(ctx context.Context, digest []byte) (SenderLink, error) {
	if err := tx.one(ctx, "UPDATE sender_link SET used_at = $1 WHERE digest = $2 AND used_at IS NULL AND expires_at > $1", micros(tx.Now),
		digest); err != nil {
		return SenderLink{}, err
	}
	return scanSenderLink(tx.row(ctx, senderLinkSelect, digest))
}

// DropSenderLinks ends the links of a sender that nobody has used: it was removed.
func (tx *Tx) DropSenderLinks(ctx context.Context, senderID int64) error {
	_, err := tx.exec(ctx, "UPDATE sender_link SET expires_at = $1 WHERE sender_id = $2 AND used_at IS NULL AND expires_at > $1",
		micros(tx.Now), senderID)
	return err
}
