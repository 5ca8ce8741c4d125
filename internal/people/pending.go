// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/store"
)

// A sign-in that waits for its second step.
const (
	PendingLifetime = 5 * time.Minute
	PendingTries    = 5
)

// SecondStep is the error that says: so far it is right, and a second factor is needed. Pending is the token of the
// half-finished sign-in. It is no session and opens nothing but FinishSignIn.
type SecondStep struct {
	Pending string
	User    store.User
}

func (s *SecondStep) Error() string { return "a second factor is needed" }

// A pending token is when it ends, whose it is and 16 random bytes, how the first step was done, and a MAC over these
// and the user's password hash: a new password ends it. The store has nothing of it before it is used.
const (
	pendingHead = 8 + 8 + 16
	pendingMAC  = sha256.Size
)

// secondStep makes the error with a fresh token.
func (k *People) secondStep(user store.User, how string) error {
	b := make([]byte, pendingHead, pendingHead+len(how)+pendingMAC)
	binary.BigEndian.PutUint64(b, uint64(k.now().Add(PendingLifetime).Unix())) //nolint:gosec // after 1970
	binary.BigEndian.PutUint64(b[8:], uint64(user.ID))                         //nolint:gosec // any bits do
	rand.Read(b[16:])                                                          //nolint:errcheck,gosec // never fails (crypto/rand)
	b = append(b, how...)
	return &SecondStep{Pending: base64.RawURLEncoding.EncodeToString(append(b, k.pendingSum(b, user)...)), User: user}
}

func (k *People) pendingSum(b []byte, user store.User) []byte {
	h := hmac.New(sha256.New, k.pendingKey)
	h.Write(b) //nolint:errcheck,gosec // never fails (hash.Hash)
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(b)))
	h.Write(length[:])                 //nolint:errcheck,gosec // never fails
	h.Write([]byte(user.PasswordHash)) //nolint:errcheck,gosec // never fails
	return h.Sum(nil)
}

// pending is a token that was read.
type pending struct {
	user   store.User
	how    string
	digest []byte
	ends   time.Time
}

func errPending() error {
	return &change.Error{Kind: change.NotFound, Reason: "this sign-in took too long, or was tried too often; begin again"}
}

func (k *People) openPending(ctx context.Context, token string) (pending, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < pendingHead+pendingMAC {
		return pending{}, errPending()
	}
	head, sum := b[:len(b)-pendingMAC], b[len(b)-pendingMAC:]
	p := pending{how: string(head[pendingHead:]), digest: credential.TokenDigest(token), ends: time.Unix(int64(binary.BigEndian.Uint64(head)), 0)} //nolint:gosec // signed by us
	p.user, err = k.store.User(ctx, int64(binary.BigEndian.Uint64(head[8:])))                                                                      //nolint:gosec // signed by us
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return pending{}, err
	}
	if err != nil || !hmac.Equal(sum, k.pendingSum(head, p.user)) || !k.now().Before(p.ends) {
		return pending{}, errPending()
	}
	return p, nil
}

// PendingUser says whose half-finished sign-in a token is. It counts as no try. Error: *change.Error NotFound.
func (k *People) PendingUser(ctx context.Context, token string) (store.User, error) {
	p, err := k.openPending(ctx, token)
	return p.user, err
}

// FinishSignIn finishes a half-finished sign-in with a second factor, and returns the token of a new session. Errors:
// *change.Error NotFound when the token has ended, was used or was tried five times; on Code or Passkey when that is wrong.
func (k *People) FinishSignIn(ctx context.Context, rp *RelyingParty, token string, proof Proof, at Browser) (session string,
	user store.User, err error,
) {
	p, err := k.openPending(ctx, token)
	if err != nil {
		return "", p.user, err
	}
	var uses int64
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		uses, err = tx.UseToken(ctx, p.digest, p.ends)
		return err
	})
	if err != nil {
		return "", p.user, err
	}
	if uses > PendingTries {
		return "", p.user, errPending()
	}
	proof.Password = "" // it was the first
	use, how, err := k.checkProof(ctx, rp, p.user, proof)
	if err != nil {
		return "", p.user, err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		err := tx.SpendToken(ctx, p.digest, PendingTries)
		if errors.Is(err, store.ErrNotFound) {
			return errPending()
		}
		if err != nil {
			return err
		}
		if err := use(tx); err != nil {
			return err
		}
		session, err = k.startSession(ctx, tx, p.user, p.how+" and "+how, at)
		return err
	})
	return session, p.user, err
}
