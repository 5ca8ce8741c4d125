// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"postern/internal/change"
	"postern/internal/store"
)

// FreshFor is how long after a proof a session may do what matters most.
const FreshFor = 15 * time.Minute

// Proof is one thing by which a person shows that it is him; the other fields are empty.
type Proof struct {
	Password string
	Code     string        // of the authenticator app, or a recovery code
	Passkey  PasskeyAnswer // to BeginPasskey
}

// checkProof checks a proof of a user and returns what notes in the store that it was used, and what it is in words.
// Errors: *change.Error on Password, Code or Passkey.
func (k *People) checkProof(ctx context.Context, rp *RelyingParty, user store.User, p Proof) (use func(*store.Tx) error, how string,
	err error,
) {
	switch {
	case p.Password != "":
		ok, err := k.passwordIs(ctx, user, p.Password, true)
		if err == nil && !ok {
			err = &change.Error{Kind: change.Invalid, Field: "Password", Reason: "this is not your password"}
		}
		return func(*store.Tx) error { return nil }, "password", err
	case p.Passkey.Response != "":
		use, err := k.checkPasskey(ctx, rp, user, p.Passkey)
		return use, "passkey", err
	}
	return k.checkCode(ctx, user, p.Code)
}

// Confirm notes that the person of a session has just proved to be there. Errors: *change.Error on Password, Code or Passkey.
func (k *People) Confirm(ctx context.Context, rp *RelyingParty, in SignedIn, proof Proof, from netip.Addr) error {
	use, how, err := k.checkProof(ctx, rp, in.User, proof)
	if err != nil {
		return err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if err := use(tx); err != nil {
			return err
		}
		if err := tx.ConfirmSession(ctx, in.Session.Digest, k.now()); err != nil {
			return err
		}
		return tx.AddAudit(ctx, person(in.User, from).Entry(in.User.AccountID, "user.confirm", "user "+in.User.Email, "by "+how))
	})
	if errors.Is(err, store.ErrNotFound) {
		return &change.Error{Kind: change.NotFound, Reason: "you are not signed in"}
	}
	return err
}
