// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Session is a signed-in browser. Its token is in the cookie alone; the store has its digest.
type Session struct {
	Digest      []byte // SHA-256 of the token
	UserID      int64
	CreatedAt   time.Time
	ExpiresAt   time.Time
	LastSeenAt  time.Time
	ConfirmedAt time.Time // when its person last proved to be there
	Address     string
	Client      string
	AccountID   int64 // the account that it works in; 0: not chosen
}

const sessionColumns = "digest, user_id, created_at, expires_at, last_seen_at, confirmed_at, address, client, coalesce(account_id, 0)"

func scanSession(r scanner) (Session, error) {
	var n Session
	err := r.scan(&n.Digest, &n.UserID, nullTime{&n.CreatedAt}, nullTime{&n.ExpiresAt}, nullTime{&n.LastSeenAt}, nullTime{&n.ConfirmedAt},
		&n.Address, &n.Client, &n.AccountID)
	return n, err
}

// AddSession signs a user in.
func (tx *Tx) AddSession(ctx context.Context, n Session) error {
	if n.CreatedAt.IsZero() {
		n.CreatedAt = tx.Now
	}
	if n.ConfirmedAt.IsZero() {
		n.ConfirmedAt = n.CreatedAt
	}
	if _, err := tx.exec(ctx, "INSERT INTO session (digest, user_id, created_at, expires_at, last_seen_at, confirmed_at, address, "+
		"client) VALUES ($1, $2, $3, $4, $3, $5, $6, $7)",
		n.Digest, n.UserID, micros(n.CreatedAt), micros(n.ExpiresAt), micros(n.ConfirmedAt), n.Address, n.Client); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, "DELETE FROM session WHERE expires_at < $1", micros(tx.Now)); err != nil {
		return err
	}
	return tx.one(ctx, "UPDATE users SET last_sign_in_at = $1 WHERE id = $2", micros(tx.Now), n.UserID)
}

// SessionUser reads the session with that digest, unless it has ended by now, and its user.
func (s *Store) SessionUser(ctx context.Context, digest []byte, now time.Time) (Session, User, error) {
	n, err := scanSession(s.row(ctx, "SELECT "+sessionColumns+" FROM session WHERE digest = $1 AND expires_at > $2", digest, micros(now)))
	if err != nil {
		return Session{}, User{}, err
	}
	u, err := s.User(ctx, n.UserID)
	return n, u, err
}

// Sessions lists a user's sessions that have not ended by now, the last seen first.
func (s *Store) Sessions(ctx context.Context, userID int64, now time.Time) ([]Session, error) {
	return collect(ctx, s, scanSession, "SELECT "+sessionColumns+" FROM session WHERE user_id = $1 AND expires_at > $2 ORDER BY "+
		"last_seen_at DESC, digest", userID, micros(now))
}

// TouchSession notes that a session was seen and moves its end.
func (tx *Tx) TouchSession(ctx context.Context, digest []byte, expiresAt time.Time) error {
	return tx.one(ctx, "UPDATE session SET last_seen_at = $1, expires_at = $2 WHERE digest = $3", micros(tx.Now), micros(expiresAt), digest)
}

// ConfirmSession notes that a session's person has proved to be there.
func (tx *Tx) ConfirmSession(ctx context.Context, digest []byte, at time.Time) error {
	return tx.one(ctx, "UPDATE session SET confirmed_at = $1 WHERE digest = $2", micros(at), digest)
}

// SwitchSession makes a session work in another account.
func (tx *Tx) SwitchSession(ctx context.Context, digest []byte, accountID int64) error {
	return tx.one(ctx, "UPDATE session SET account_id = $1 WHERE digest = $2", accountID, digest)
}

// EndSession signs a browser out.
func (tx *Tx) EndSession(ctx context.Context, digest []byte) error {
	return tx.one(ctx, "DELETE FROM session WHERE digest = $1", digest)
}

// EndSessionOf signs a user's browser out.
func (tx *Tx) EndSessionOf(ctx context.Context, userID int64, digest []byte) error {
	return tx.one(ctx, "DELETE FROM session WHERE digest = $1 AND user_id = $2", digest, userID)
}

// EndOtherSessions signs all of a user's browsers out but one, and says how many those were.
func (tx *Tx) EndOtherSessions(ctx context.Context, userID int64, but []byte) (int64, error) {
	return tx.exec(ctx, "DELETE FROM session WHERE user_id = $1 AND digest <> $2", userID, but)
}

// Kinds of sign-in links.
const (
	LinkOperator = "operator" // made by the operator: signs in and forgets the password
	LinkReset    = "reset"    // mailed: sets a new password
)

// SignInLink is a link that works once. Its token is in the link alone; the store has its digest.
type SignInLink struct {
	Digest         []byte // SHA-256 of the token
	UserID         int64
	Kind           string
	ForgetsFactors bool // using it removes the second factors and passkeys too
	ExpiresAt      time.Time
}

// AddSignInLink keeps a link, and forgets those that ended a week ago.
func (tx *Tx) AddSignInLink(ctx context.Context, l SignInLink) error {
	if _, err := tx.exec(ctx, "DELETE FROM sign_in_link WHERE expires_at < $1", micros(tx.Now.AddDate(0, 0, -7))); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "INSERT INTO sign_in_link (digest, user_id, kind, forgets_factors, created_at, expires_at) VALUES ($1, "+
		"$2, $3, $4, $5, $6)",
		l.Digest, l.UserID, l.Kind, l.ForgetsFactors, micros(tx.Now), micros(l.ExpiresAt))
	return err
}

// UseSignInLink uses up a link of a kind and returns it. A link that was used, has ended by now or never was is
// ErrNotFound.
func (tx *Tx) UseSignInLink(ctx context.Context, kind string, digest []byte, now time.Time) (SignInLink, error) {
	l := SignInLink{Digest: digest, Kind: kind}
	err := tx.row(ctx, "UPDATE sign_in_link SET used_at = $1 WHERE digest = $2 AND kind = $3 AND used_at IS NULL AND expires_at > "+
		"$4 RETURNING user_id, forgets_factors, expires_at",
		micros(tx.Now), digest, kind, micros(now)).scan(&l.UserID, &l.ForgetsFactors, nullTime{&l.ExpiresAt})
	return l, err
}

// SignInLink reads a link of a kind that was not used and has not ended by now.
func (s *Store) SignInLink(ctx context.Context, kind string, digest []byte, now time.Time) (SignInLink, error) {
	l := SignInLink{Digest: digest, Kind: kind}
	err := s.row(ctx, "SELECT user_id, forgets_factors, expires_at FROM sign_in_link WHERE digest = $1 AND kind = $2 AND used_at IS "+
		"NULL AND expires_at > $3", digest, kind, micros(now)).
		scan(&l.UserID, &l.ForgetsFactors, nullTime{&l.ExpiresAt})
	return l, err
}

// CountSignInLinks says how many links of a kind were made for a user since a time.
func (tx *Tx) CountSignInLinks(ctx context.Context, kind string, userID int64, since time.Time) (n int, err error) {
	err = tx.row(ctx, "SELECT count(*) FROM sign_in_link WHERE user_id = $1 AND kind = $2 AND created_at > $3", userID, kind,
		micros(since)).scan(&n)
	return n, err
}

// EndSignInLinks makes all links of a kind that were made for a user useless.
func (tx *Tx) EndSignInLinks(ctx context.Context, kind string, userID int64) error {
	_, err := tx.exec(ctx, "UPDATE sign_in_link SET used_at = $1 WHERE user_id = $2 AND kind = $3 AND used_at IS NULL", micros(tx.Now),
		userID, kind)
	return err
}

// ForgetPassword makes a user have none, and returns him as he then is. His sessions go on.
func (tx *Tx) ForgetPassword(ctx context.Context, userID int64) (User, error) {
	return scanUser(tx.row(ctx, "UPDATE users SET password_hash = '' WHERE id = $1 RETURNING "+userColumns, userID))
}

// User reads one user, inside the transaction.
func (tx *Tx) User(ctx context.Context, id int64) (User, error) {
	return scanUser(tx.row(ctx, "SELECT "+userColumns+" FROM users WHERE id = $1", id))
}
