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

	Locale, Timezone, ACL string // what he says of himself; nothing depends on it
}

const userColumns = "id, account_id, email, name, is_operator, password_hash, created_at, last_sign_in_at, locale, timezone, acl"

func scanUser(r scanner) (User, error) {
	var u User
	err := r.scan(&u.ID, &u.AccountID, &u.Email, &u.Name, &u.Operator, &u.PasswordHash, nullTime{&u.CreatedAt}, nullTime{&u.LastSignInAt},
		&u.Locale, &u.Timezone, &u.ACL)
	return u, err
}

// AddUser adds u and returns it with its ID; what it may do is added by AddAccess. The email is unique over all accounts: ErrExists.
func (tx *Tx) AddUser(ctx context.Context, u User) (User, error) {
	return scanUser(tx.row(ctx, "INSERT INTO users (account_id, email, name, is_operator, password_hash, created_at) VALUES ($1, "+
		"$2, $3, $4, $5, $6) RETURNING "+userColumns,
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

// SetUserSettings keeps a user's locale, time zone and ACL.
func (tx *Tx) SetUserSettings(ctx context.Context, u User) error {
	return tx.one(ctx, "UPDATE users SET locale = $1, timezone = $2, acl = $3 WHERE id = $4", u.Locale, u.Timezone, u.ACL, u.ID)
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
	return collect(ctx, s, scanUser, "SELECT "+userColumns+" FROM users WHERE id IN (SELECT user_id FROM access WHERE account_id = "+
		"$1 AND key_id IS NULL) "+
		"ORDER BY CASE WHEN id IN (SELECT user_id FROM access WHERE account_id = $1 AND key_id IS NULL AND role = 'owner') THEN 0 "+
		"ELSE 1 END, id", accountID)
}

// Operators lists the users who see the operator's pages.
func (s *Store) Operators(ctx context.Context) ([]User, error) {
	return collect(ctx, s, scanUser, "SELECT "+userColumns+" FROM users WHERE is_operator ORDER BY id")
}

// SetOperator says whether a user sees the operator's pages.
func (tx *Tx) SetOperator(ctx context.Context, userID int64, is bool) error {
	return tx.one(ctx, "UPDATE users SET is_operator = $1 WHERE id = $2", is, userID)
}
