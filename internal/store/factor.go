// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// TOTP is a user's generator of codes by time.
type TOTP struct {
	UserID    int64
	Secret    []byte // sealed
	LastStep  int64  // the time step of the last code that was taken
	CreatedAt time.Time
}

// TOTP reads a user's generator.
func (s *Store) TOTP(ctx context.Context, userID int64) (TOTP, error) {
	return readTOTP(ctx, s, userID)
}

// TOTP reads a user's generator, inside the transaction.
func (tx *Tx) TOTP(ctx context.Context, userID int64) (TOTP, error) { return readTOTP(ctx, tx, userID) }

func readTOTP(ctx context.Context, q queryable, userID int64) (TOTP, error) {
	var t TOTP
	err := q.row(ctx, "SELECT user_id, secret, last_step, created_at FROM totp WHERE user_id = $1", userID).
		scan(&t.UserID, &t.Secret, &t.LastStep, nullTime{&t.CreatedAt})
	return t, err
}

// AddTOTP keeps a user's generator; who has one already is ErrExists.
func (tx *Tx) AddTOTP(ctx context.Context, t TOTP) error {
	_, err := tx.exec(ctx, "INSERT INTO totp (user_id, secret, last_step, created_at) VALUES ($1, $2, $3, $4)", t.UserID, t.Secret,
		t.LastStep, micros(tx.Now))
	return err
}

// UseTOTP takes a time step; one that is not after the last is ErrNotFound.
func (tx *Tx) UseTOTP(ctx context.Context, userID, step int64) error {
	return tx.one(ctx, "UPDATE totp SET last_step = $1 WHERE user_id = $2 AND last_step < $1", step, userID)
}

// RemoveTOTP forgets a user's generator.
func (tx *Tx) RemoveTOTP(ctx context.Context, userID int64) error {
	return tx.one(ctx, "DELETE FROM totp WHERE user_id = $1", userID)
}

// PutRecoveryCodes replaces a user's recovery codes by new ones, given by their digests; none removes them.
func (tx *Tx) PutRecoveryCodes(ctx context.Context, userID int64, digests [][]byte) error {
	if _, err := tx.exec(ctx, "DELETE FROM recovery_code WHERE user_id = $1", userID); err != nil {
		return err
	}
	for _, d := range digests {
		if _, err := tx.exec(ctx, "INSERT INTO recovery_code (user_id, digest, created_at) VALUES ($1, $2, $3)", userID, d,
			micros(tx.Now)); err != nil {
			return err
		}
	}
	return nil
}

// UseRecoveryCode uses up a recovery code; one that was used or never was is ErrNotFound.
func (tx *Tx) UseRecoveryCode(ctx context.Context, userID int64, digest []byte) error {
	return tx.one(ctx, "UPDATE recovery_code SET used_at = $1 WHERE user_id = $2 AND digest = $3 AND used_at IS NULL", micros(tx.Now),
		userID, digest)
}

// RecoveryCodesLeft says how many recovery codes a user has not used.
func (s *Store) RecoveryCodesLeft(ctx context.Context, userID int64) (int, error) {
	return recoveryCodesLeft(ctx, s, userID)
}

// RecoveryCodesLeft says how many recovery codes a user has not used, inside the transaction.
func (tx *Tx) RecoveryCodesLeft(ctx context.Context, userID int64) (int, error) {
	return recoveryCodesLeft(ctx, tx, userID)
}

func recoveryCodesLeft(ctx context.Context, q queryable, userID int64) (n int, err error) {
	err = q.row(ctx, "SELECT count(*) FROM recovery_code WHERE user_id = $1 AND used_at IS NULL", userID).scan(&n)
	return n, err
}

// Passkey is a public key credential of a user (WebAuthn).
type Passkey struct {
	ID           int64
	UserID       int64
	CredentialID []byte
	Name         string
	Data         string // the credential record, JSON
	CreatedAt    time.Time
	LastUsedAt   time.Time
}

const passkeyColumns = "id, user_id, credential_id, name, data, created_at, last_used_at"

func scanPasskey(r scanner) (Passkey, error) {
	var p Passkey
	err := r.scan(&p.ID, &p.UserID, &p.CredentialID, &p.Name, &p.Data, nullTime{&p.CreatedAt}, nullTime{&p.LastUsedAt})
	return p, err
}

// AddPasskey keeps a passkey. One that is kept already, for whomever, is ErrExists.
func (tx *Tx) AddPasskey(ctx context.Context, p Passkey) (Passkey, error) {
	return scanPasskey(tx.row(ctx, "INSERT INTO passkey (user_id, credential_id, name, data, created_at) VALUES ($1, $2, $3, $4, "+
		"$5) RETURNING "+passkeyColumns,
		p.UserID, p.CredentialID, p.Name, p.Data, micros(tx.Now)))
}

// Passkeys lists a user's passkeys, oldest first.
func (s *Store) Passkeys(ctx context.Context, userID int64) ([]Passkey, error) {
	return passkeys(ctx, s, userID)
}

// Passkeys lists a user's passkeys, inside the transaction.
func (tx *Tx) Passkeys(ctx context.Context, userID int64) ([]Passkey, error) {
	return passkeys(ctx, tx, userID)
}

func passkeys(ctx context.Context, q queryable, userID int64) ([]Passkey, error) {
	return collect(ctx, q, scanPasskey, "SELECT "+passkeyColumns+" FROM passkey WHERE user_id = $1 ORDER BY id", userID)
}

// PasskeyByCredential finds a passkey by the ID that its authenticator gave it.
func (s *Store) PasskeyByCredential(ctx context.Context, credentialID []byte) (Passkey, error) {
	return scanPasskey(s.row(ctx, "SELECT "+passkeyColumns+" FROM passkey WHERE credential_id = $1", credentialID))
}

// UsePasskey notes that a passkey was used, with its record as it now stands. It is ErrNotFound when the record is no
// longer the one that was checked.
func (tx *Tx) UsePasskey(ctx context.Context, id int64, was, data string) error {
	return tx.one(ctx, "UPDATE passkey SET data = $1, last_used_at = $2 WHERE id = $3 AND data = $4", data, micros(tx.Now), id, was)
}

// RemovePasskey forgets a passkey of a user.
func (tx *Tx) RemovePasskey(ctx context.Context, userID, id int64) (Passkey, error) {
	return scanPasskey(tx.row(ctx, "DELETE FROM passkey WHERE id = $1 AND user_id = $2 RETURNING "+passkeyColumns, id, userID))
}

// ForgetFactors removes all that a user proves himself with beside his password: whether there was any.
func (tx *Tx) ForgetFactors(ctx context.Context, userID int64) (bool, error) {
	any := false
	for _, query := range []string{
		"DELETE FROM totp WHERE user_id = $1", "DELETE FROM passkey WHERE user_id = $1", "DELETE FROM recovery_code WHERE user_id = $1",
	} {
		n, err := tx.exec(ctx, query, userID)
		if err != nil {
			return false, err
		}
		any = any || n > 0
	}
	return any, nil
}

// UseToken counts a use of a token that is good until expiresAt, and says how many there have been.
func (tx *Tx) UseToken(ctx context.Context, digest []byte, expiresAt time.Time) (uses int64, err error) {
	if _, err := tx.exec(ctx, "DELETE FROM token_use WHERE expires_at < $1", micros(tx.Now.Add(-time.Hour))); err != nil {
		return 0, err
	}
	err = tx.row(ctx, "INSERT INTO token_use (digest, uses, expires_at) VALUES ($1, 1, $2) ON CONFLICT (digest) DO UPDATE SET uses "+
		"= token_use.uses + 1 RETURNING uses", digest, micros(expiresAt)).scan(&uses)
	return uses, err
}

// SpendToken makes a token that was used no more than limit times useless, once: the second time is ErrNotFound.
func (tx *Tx) SpendToken(ctx context.Context, digest []byte, limit int64) error {
	return tx.one(ctx, "UPDATE token_use SET uses = uses + $1 WHERE digest = $2 AND uses <= $1", limit, digest)
}
