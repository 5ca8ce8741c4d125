// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Access is what a user may do: on a whole account, or on one key of it.
type Access struct {
	ID        int64
	UserID    int64
	AccountID int64
	KeyID     int64 // 0: the whole account
	Role      string
	CreatedAt time.Time

	Email        string // the user's
	UserName     string
	LastSignInAt time.Time // the user's
	AccountName  string
	SecondFactor bool   // the account's policy: its people have a second factor
	APIKey       string // of the key, "" for the whole account
	KeyName      string
}

const accessSelect = `SELECT a.id, a.user_id, a.account_id, coalesce(a.key_id, 0), a.role, a.created_at, u.email, u.name, u.last_sign_in_at, n.name, n.second_factor, coalesce(k.api_key, ''), coalesce(k.name, '')
 FROM access a JOIN users u ON u.id = a.user_id JOIN account n ON n.id = a.account_id LEFT JOIN api_key k ON k.id = a.key_id`

func scanAccess(r scanner) (Access, error) {
	var a Access
	err := r.scan(&a.ID, &a.UserID, &a.AccountID, &a.KeyID, &a.Role, nullTime{&a.CreatedAt}, &a.Email, &a.UserName,
		nullTime{&a.LastSignInAt}, &a.AccountName, &a.SecondFactor, &a.APIKey, &a.KeyName)
	return a, err
}

// PutAccess gives a user a role on an account (keyID 0) or a key, or changes the role that he has there.
func (tx *Tx) PutAccess(ctx context.Context, userID, accountID, keyID int64, role string) error {
	if keyID == 0 {
		_, err := tx.exec(ctx, "INSERT INTO access (user_id, account_id, role, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT "+
			"(user_id, account_id) WHERE key_id IS NULL DO UPDATE SET role = excluded.role",
			userID, accountID, role, micros(tx.Now))
		return err
	}
	_, err := tx.exec(ctx, "INSERT INTO access (user_id, account_id, key_id, role, created_at) VALUES ($1, $2, $3, $4, $5) ON "+
		"CONFLICT (user_id, key_id) WHERE key_id IS NOT NULL DO UPDATE SET role = excluded.role",
		userID, accountID, keyID, role, micros(tx.Now))
	return err
}

// RemoveAccess takes an access of an account away.
func (tx *Tx) RemoveAccess(ctx context.Context, accountID, id int64) error {
	return tx.one(ctx, "DELETE FROM access WHERE id = $1 AND account_id = $2", id, accountID)
}

// AccessFilter bounds a listing of accesses. Zero fields do not filter.
type AccessFilter struct {
	ID     int64
	UserID int64
	KeyID  int64
	Whole  bool // only of the whole account
	Email  string
}

func (f AccessFilter) where(w *where) {
	// What was shared of a deleted key is over.
	w.and("k.deleted_at IS NULL")
	if f.ID != 0 {
		w.and("a.id = ?", f.ID)
	}
	if f.UserID != 0 {
		w.and("a.user_id = ?", f.UserID)
	}
	if f.KeyID != 0 {
		w.and("a.key_id = ?", f.KeyID)
	}
	if f.Whole {
		w.and("a.key_id IS NULL")
	}
	if f.Email != "" {
		w.and("u.email = ?", f.Email)
	}
}

// AccessesOf lists what a user may do, everywhere: by account, the whole of it first.
func (s *Store) AccessesOf(ctx context.Context, userID int64) ([]Access, error) {
	return accessesOf(ctx, s, userID)
}

// AccessesOf is the same inside the transaction.
func (tx *Tx) AccessesOf(ctx context.Context, userID int64) ([]Access, error) {
	return accessesOf(ctx, tx, userID)
}

func accessesOf(ctx context.Context, q queryable, userID int64) ([]Access, error) {
	return collect(ctx, q, scanAccess, accessSelect+" WHERE a.user_id = $1 AND k.deleted_at IS NULL ORDER BY a.account_id, "+
		"coalesce(a.key_id, 0)", userID)
}

// Accesses lists who may do what on an account, or on the keys of a narrower scope, by user.
func (s *Store) Accesses(ctx context.Context, scope Scope, f AccessFilter) ([]Access, error) {
	return accesses(ctx, s, scope, f)
}

// Accesses is the same inside the transaction.
func (tx *Tx) Accesses(ctx context.Context, scope Scope, f AccessFilter) ([]Access, error) {
	return accesses(ctx, tx, scope, f)
}

func accesses(ctx context.Context, q queryable, scope Scope, f AccessFilter) ([]Access, error) {
	w := newWhere(accessSelect)
	scope.where(w, "a.account_id", "a.key_id")
	f.where(w)
	w.add(" ORDER BY u.email, coalesce(a.key_id, 0)")
	return collect(ctx, q, scanAccess, w.String(), w.args...)
}

// CountPeople counts the distinct users with access to an account or any of its keys, and its open invitations.
func (tx *Tx) CountPeople(ctx context.Context, accountID int64) (int64, error) {
	return countPeople(ctx, tx, accountID, tx.Now)
}

// CountPeople is the same outside a transaction.
func (s *Store) CountPeople(ctx context.Context, accountID int64) (int64, error) {
	return countPeople(ctx, s, accountID, time.Now())
}

func countPeople(ctx context.Context, q queryable, accountID int64, now time.Time) (n int64, err error) {
	err = q.row(ctx, `SELECT (SELECT count(DISTINCT user_id) FROM access WHERE account_id = $1)
 + (SELECT count(DISTINCT email) FROM invitation WHERE account_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2
  AND email NOT IN (SELECT u.email FROM access a JOIN users u ON u.id = a.user_id WHERE a.account_id = $1))`, accountID, micros(now)).scan(&n)
	return n, err
}

// CountOwners counts the owners of the whole of an account.
func (tx *Tx) CountOwners(ctx context.Context, accountID int64) (n int64, err error) {
	err = tx.row(ctx, "SELECT count(*) FROM access WHERE account_id = $1 AND key_id IS NULL AND role = 'owner'", accountID).scan(&n)
	return n, err
}

// Invitation asks somebody to share an account, or some of its keys.
type Invitation struct {
	ID          int64
	AccountID   int64
	Email       string
	Role        string
	Digest      []byte // SHA-256 of the link's token
	InvitedBy   string
	KeyIDs      []int64 // empty: the whole account
	CreatedAt   time.Time
	ExpiresAt   time.Time
	AcceptedAt  time.Time
	WithdrawnAt time.Time
}

// Open says whether the invitation can be accepted at now.
func (i *Invitation) Open(now time.Time) bool {
	return i.AcceptedAt.IsZero() && i.WithdrawnAt.IsZero() && now.Before(i.ExpiresAt)
}

const invitationColumns = "id, account_id, email, role, digest, invited_by, created_at, expires_at, accepted_at, withdrawn_at"

func scanInvitation(r scanner) (Invitation, error) {
	var i Invitation
	err := r.scan(&i.ID, &i.AccountID, &i.Email, &i.Role, &i.Digest, &i.InvitedBy, nullTime{&i.CreatedAt}, nullTime{&i.ExpiresAt},
		nullTime{&i.AcceptedAt}, nullTime{&i.WithdrawnAt})
	return i, err
}

// AddInvitation keeps an invitation.
func (tx *Tx) AddInvitation(ctx context.Context, i Invitation) (Invitation, error) {
	out, err := scanInvitation(tx.row(ctx, "INSERT INTO invitation (account_id, email, role, digest, invited_by, created_at, "+
		"expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING "+invitationColumns,
		i.AccountID, i.Email, i.Role, i.Digest, i.InvitedBy, micros(tx.Now), micros(i.ExpiresAt)))
	if err != nil {
		return out, err
	}
	for _, id := range i.KeyIDs {
		if _, err := tx.exec(ctx, "INSERT INTO invitation_key (invitation_id, key_id) VALUES ($1, $2)", out.ID, id); err != nil {
			return out, err
		}
	}
	out.KeyIDs = i.KeyIDs
	return out, nil
}

// Invitations lists the invitations of an account that are not accepted, newest first.
func (s *Store) Invitations(ctx context.Context, accountID int64) ([]Invitation, error) {
	list, err := collect(ctx, s, scanInvitation, "SELECT "+invitationColumns+" FROM invitation WHERE account_id = $1 AND "+
		"accepted_at IS NULL ORDER BY id DESC LIMIT 1000", accountID)
	for i := range list {
		if err == nil {
			list[i].KeyIDs, err = invitedKeys(ctx, s, list[i].ID)
		}
	}
	return list, err
}

func invitedKeys(ctx context.Context, q queryable, id int64) ([]int64, error) {
	return collect(ctx, q, func(r scanner) (int64, error) {
		var id int64
		err := r.scan(&id)
		return id, err
	}, "SELECT key_id FROM invitation_key WHERE invitation_id = $1 ORDER BY key_id", id)
}

// InvitationByToken reads the invitation whose token has this digest.
func (s *Store) InvitationByToken(ctx context.Context, digest []byte) (Invitation, error) {
	return invitationByToken(ctx, s, digest)
}

// InvitationByToken is the same inside the transaction.
func (tx *Tx) InvitationByToken(ctx context.Context, digest []byte) (Invitation, error) {
	return invitationByToken(ctx, tx, digest)
}

func invitationByToken(ctx context.Context, q queryable, digest []byte) (Invitation, error) {
	i, err := scanInvitation(q.row(ctx, "SELECT "+invitationColumns+" FROM invitation WHERE digest = $1", digest))
	if err == nil {
		i.KeyIDs, err = invitedKeys(ctx, q, i.ID)
	}
	return i, err
}

// AcceptInvitation marks an open invitation accepted. One that is not open any more is ErrNotFound.
func (tx *Tx) AcceptInvitation(ctx context.Context, id int64) error {
	return tx.one(ctx, "UPDATE invitation SET accepted_at = $1 WHERE id = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL AND "+
		"expires_at > $1", micros(tx.Now), id)
}

// WithdrawInvitation ends an invitation of an account, and returns it.
func (tx *Tx) WithdrawInvitation(ctx context.Context, accountID, id int64) (Invitation, error) {
	return scanInvitation(tx.row(ctx, "UPDATE invitation SET withdrawn_at = $1 WHERE id = $2 AND account_id = $3 AND accepted_at IS "+
		"NULL AND withdrawn_at IS NULL RETURNING "+invitationColumns, micros(tx.Now), id, accountID))
}
