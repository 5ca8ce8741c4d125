// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// User is a person who signs in to the pages.
type User struct {
	ID           int64
	AccountID    int64  // where he was made: what he may do there and elsewhere are his [Access]es
	Email        string // canonical
	Name         string
	Operator     bool   // sees the operator's pages
	PasswordHash string // PHC string of Argon2id; "" until one is set
	CreatedAt    time.Time
	LastSignInAt time.Time
}

const userColumns = "id, account_id, email, name, is_operator, password_hash, created_at, last_sign_in_at"

func scanUser(r scanner) (User, error) {
	var u User
	err := r.scan(&u.ID, &u.AccountID, &u.Email, &u.Name, &u.Operator, &u.PasswordHash, nullTime{&u.CreatedAt}, nullTime{&u.LastSignInAt})
	return u, err
}

// AddUser adds u and returns it with its ID; what it may do is added by AddAccess. The email is unique over all accounts: ErrExists.
func (tx *Tx) AddUser(ctx context.Context, u User) (User, error) {
	return scanUser(tx.row(ctx, "INSERT INTO users (account_id, email, name, is_operator, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING "+userColumns,
		u.AccountID, u.Email, u.Name, u.Operator, u.PasswordHash, micros(tx.Now)))
}

// SetPassword stores the hash of a user's password and ends all his sessions.
func (tx *Tx) SetPassword(ctx context.Context, userID int64, hash string) error {
	if err := tx.one(ctx, "UPDATE users SET password_hash = $1 WHERE id = $2", hash, userID); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "DELETE FROM session WHERE user_id = $1", userID)
	return err
}

// UserByEmail reads the user with a canonical email.
func (s *Store) UserByEmail(ctx context.Context, email string) (User, error) {
	return scanUser(s.row(ctx, "SELECT "+userColumns+" FROM users WHERE email = $1", email))
}

// User reads one user.
func (s *Store) User(ctx context.Context, id int64) (User, error) {
	return scanUser(s.row(ctx, "SELECT "+userColumns+" FROM users WHERE id = $1", id))
}

// UserByEmail reads the user with a canonical email, inside the transaction.
func (tx *Tx) UserByEmail(ctx context.Context, email string) (User, error) {
	return scanUser(tx.row(ctx, "SELECT "+userColumns+" FROM users WHERE email = $1", email))
}

// Users lists the users who have access to the whole of an account, owners first.
func (s *Store) Users(ctx context.Context, accountID int64) ([]User, error) {
	return collect(ctx, s, scanUser, "SELECT "+userColumns+" FROM users WHERE id IN (SELECT user_id FROM access WHERE account_id = $1 AND key_id IS NULL) "+
		"ORDER BY CASE WHEN id IN (SELECT user_id FROM access WHERE account_id = $1 AND key_id IS NULL AND role = 'owner') THEN 0 ELSE 1 END, id", accountID)
}

// Operators lists the users who see the operator's pages.
func (s *Store) Operators(ctx context.Context) ([]User, error) {
	return collect(ctx, s, scanUser, "SELECT "+userColumns+" FROM users WHERE is_operator ORDER BY id")
}

// SetOperator says whether a user sees the operator's pages.
func (tx *Tx) SetOperator(ctx context.Context, userID int64, is bool) error {
	return tx.one(ctx, "UPDATE users SET is_operator = $1 WHERE id = $2", is, userID)
}

// Session is a signed-in browser. Its token is in the cookie alone; the store has its digest.
type Session struct {
	Digest     []byte // SHA-256 of the token
	UserID     int64
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastSeenAt time.Time
	Address    string
	Client     string
	AccountID  int64 // the account that it works in; 0: not chosen
}

// AddSession signs a user in.
func (tx *Tx) AddSession(ctx context.Context, n Session) error {
	if _, err := tx.exec(ctx, "INSERT INTO session (digest, user_id, created_at, expires_at, last_seen_at, address, client) VALUES ($1, $2, $3, $4, $3, $5, $6)",
		n.Digest, n.UserID, micros(tx.Now), micros(n.ExpiresAt), n.Address, n.Client); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, "DELETE FROM session WHERE expires_at < $1", micros(tx.Now)); err != nil {
		return err
	}
	return tx.one(ctx, "UPDATE users SET last_sign_in_at = $1 WHERE id = $2", micros(tx.Now), n.UserID)
}

// SessionUser reads the session with that digest, unless it has ended by now, and its user.
func (s *Store) SessionUser(ctx context.Context, digest []byte, now time.Time) (Session, User, error) {
	var n Session
	err := s.row(ctx, "SELECT digest, user_id, created_at, expires_at, last_seen_at, address, client, coalesce(account_id, 0) FROM session WHERE digest = $1 AND expires_at > $2", digest, micros(now)).
		scan(&n.Digest, &n.UserID, nullTime{&n.CreatedAt}, nullTime{&n.ExpiresAt}, nullTime{&n.LastSeenAt}, &n.Address, &n.Client, &n.AccountID)
	if err != nil {
		return Session{}, User{}, err
	}
	u, err := s.User(ctx, n.UserID)
	return n, u, err
}

// TouchSession notes that a session was seen and moves its end.
func (tx *Tx) TouchSession(ctx context.Context, digest []byte, expiresAt time.Time) error {
	return tx.one(ctx, "UPDATE session SET last_seen_at = $1, expires_at = $2 WHERE digest = $3", micros(tx.Now), micros(expiresAt), digest)
}

// SwitchSession makes a session work in another account.
func (tx *Tx) SwitchSession(ctx context.Context, digest []byte, accountID int64) error {
	return tx.one(ctx, "UPDATE session SET account_id = $1 WHERE digest = $2", accountID, digest)
}

// EndSession signs a browser out.
func (tx *Tx) EndSession(ctx context.Context, digest []byte) error {
	return tx.one(ctx, "DELETE FROM session WHERE digest = $1", digest)
}

// AddSignInLink keeps the SHA-256 of a one-time link's token.
func (tx *Tx) AddSignInLink(ctx context.Context, digest []byte, userID int64, expiresAt time.Time) error {
	_, err := tx.exec(ctx, "INSERT INTO sign_in_link (digest, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)", digest, userID, micros(tx.Now), micros(expiresAt))
	return err
}

// UseSignInLink uses up a link and returns its user, whose password is forgotten: who needs a link has none, or has
// lost it, and sets a new one. A link that was used, has ended or never was is ErrNotFound.
func (tx *Tx) UseSignInLink(ctx context.Context, digest []byte) (User, error) {
	var id int64
	if err := tx.row(ctx, "UPDATE sign_in_link SET used_at = $1 WHERE digest = $2 AND used_at IS NULL AND expires_at > $1 RETURNING user_id", micros(tx.Now), digest).scan(&id); err != nil {
		return User{}, err
	}
	return scanUser(tx.row(ctx, "UPDATE users SET password_hash = '' WHERE id = $1 RETURNING "+userColumns, id))
}
