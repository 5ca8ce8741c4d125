// SPDX-License-Identifier: Apache-2.0

package store

import "context"

// Identity is who a user is at an OpenID provider.
type Identity struct {
	Issuer, Subject string
	UserID          int64
}

// AddIdentity binds an identity to a user. One that is bound already is ErrExists.
func (tx *Tx) AddIdentity(ctx context.Context, i Identity) error {
	_, err := tx.exec(ctx, "INSERT INTO user_identity (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)", i.Issuer,
		i.Subject, i.UserID, micros(tx.Now))
	return err
}

// UserByIdentity reads the user that an identity is bound to.
func (tx *Tx) UserByIdentity(ctx context.Context, issuer, subject string) (User, error) {
	return scanUser(tx.row(ctx, "SELECT "+userColumns+" FROM users WHERE id = (SELECT user_id FROM user_identity WHERE issuer = $1 "+
		"AND subject = $2)", issuer, subject))
}

// HasIdentity says whether a user is bound to an identity at an issuer.
func (s *Store) HasIdentity(ctx context.Context, userID int64, issuer string) (bool, error) {
	return hasIdentity(ctx, s, userID, issuer)
}

// HasIdentity says whether a user is bound to an identity at an issuer, inside the transaction.
func (tx *Tx) HasIdentity(ctx context.Context, userID int64, issuer string) (bool, error) {
	return hasIdentity(ctx, tx, userID, issuer)
}

func hasIdentity(ctx context.Context, q queryable, userID int64, issuer string) (bool, error) {
	var n int
	err := q.row(ctx, "SELECT count(*) FROM user_identity WHERE user_id = $1 AND issuer = $2", userID, issuer).scan(&n)
	return n > 0, err
}
