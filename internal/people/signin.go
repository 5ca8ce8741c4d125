// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/notice"
	"postern/internal/store"
)

// How long what a person signs in with is good for.
const (
	LinkLifetime  = 24 * time.Hour // a one-time sign-in link
	ResetLifetime = time.Hour      // a mailed link that sets a new password
	resetsAnHour  = 3              // mails with such a link to one user
)

// NewSignInLink makes the token of a link that signs a user in once. It is part of a URL: letters and digits.
func (k *People) NewSignInLink(ctx context.Context, by change.Actor, user store.User) (token string, err error) {
	return k.newLink(ctx, by, store.SignInLink{UserID: user.ID}, user)
}

// NewRescueLink is NewSignInLink for who has lost everything: using it forgets his second factors and passkeys too.
func (k *People) NewRescueLink(ctx context.Context, by change.Actor, user store.User) (token string, err error) {
	return k.newLink(ctx, by, store.SignInLink{UserID: user.ID, ForgetsFactors: true}, user)
}

func (k *People) newLink(ctx context.Context, by change.Actor, link store.SignInLink, user store.User) (token string, err error) {
	token = credential.NewToken() // 260 bits
	link.Digest, link.Kind, link.ExpiresAt = credential.TokenDigest(token), store.LinkOperator, k.now().Add(LinkLifetime)
	detail := "one-time sign-in link"
	if link.ForgetsFactors {
		detail += " that forgets the second factor"
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.AddSignInLink(ctx, link); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(user.AccountID, "user.link", "user "+user.Email, detail))
	})
	return token, err
}

// person is a user as the actor of what he does to himself.
func person(user store.User, from netip.Addr) change.Actor {
	by := change.Actor{Kind: change.User, ID: user.ID, Name: user.Email}
	if from.IsValid() {
		by.Origin = from.String()
	}
	return by
}

// tellChanged tells a user that what he signs in with was changed: it may not have been him.
func (k *People) tellChanged(ctx context.Context, tx *store.Tx, user store.User, what string, from netip.Addr) error {
	return k.notices.Add(ctx, tx, user.AccountID,
		notice.Notice{Kind: notice.SignInChanged, To: []string{user.Email}, What: what, Address: person(user, from).Origin})
}

// UseSignInLink signs a user in by the operator's link, once, and returns the token of his session. His password is
// forgotten: the operator makes a link for who has none or has lost it, and a new one is set without it. Who has a
// second factor is asked for it all the same, unless the link forgets it. Errors: *change.Error NotFound, or *SecondStep.
func (k *People) UseSignInLink(ctx context.Context, token string, at Browser) (session string, user store.User, err error) {
	second := false
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		link, err := tx.UseSignInLink(ctx, store.LinkOperator, credential.TokenDigest(token), k.now())
		if err != nil {
			return err
		}
		was, err := tx.User(ctx, link.UserID)
		if err != nil {
			return err
		}
		if user, err = tx.ForgetPassword(ctx, link.UserID); err != nil {
			return err
		}
		// Who needs a link may have lost a browser with it.
		if _, err := tx.EndOtherSessions(ctx, user.ID, []byte{}); err != nil {
			return err
		}
		if was.PasswordHash != "" {
			if err := k.tellChanged(ctx, tx, user, "password removed by a one-time link of the operator", at.Address); err != nil {
				return err
			}
		}
		if link.ForgetsFactors {
			if err := k.forgetFactors(ctx, tx, user, at.Address); err != nil {
				return err
			}
		}
		if second, err = hasFactor(ctx, tx, user.ID); err != nil || second {
			return err
		}
		session, err = k.startSession(ctx, tx, user, "link", at)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = &change.Error{Kind: change.NotFound, Reason: "this link was used already, or has ended"}
	case err == nil && second:
		err = k.secondStep(user, "link")
	}
	return session, user, err
}

func (k *People) forgetFactors(ctx context.Context, tx *store.Tx, user store.User, from netip.Addr) error {
	any, err := tx.ForgetFactors(ctx, user.ID)
	if err != nil || !any {
		return err
	}
	if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.factor.remove", "user "+user.Email,
		"all, with the passkeys, by the operator's link")); err != nil {
		return err
	}
	return k.tellChanged(ctx, tx, user, "second factor and passkeys removed by a one-time link of the operator", from)
}

// SignIn checks an email address and password and returns the token of a new session. It takes as long when there is
// no such user. Errors: *change.Error NotAllowed, the same for both; *SecondStep when the password is right and a second
// factor is on; throttle.ErrFull when too many passwords are being checked. user is who has the address, whatever the error.
func (k *People) SignIn(ctx context.Context, email, password string, at Browser) (session string, user store.User, err error) {
	user, err = k.store.UserByEmail(ctx, mail.Canonical(email))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", store.User{}, err
	}
	ok, err := k.passwordIs(ctx, user, password, k.knows(at.Address))
	if err != nil {
		return "", user, err
	}
	if !ok {
		return "", user, &change.Error{Kind: change.NotAllowed, Reason: "the email address or the password is wrong"}
	}
	second := false
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		var err error
		if second, err = hasFactor(ctx, tx, user.ID); err != nil || second {
			return err
		}
		session, err = k.startSession(ctx, tx, user, "password", at)
		return err
	})
	if err == nil && second {
		err = k.secondStep(user, "password")
	}
	return session, user, err
}

// passwordIs says whether a password is a user's, to somebody who is known (signed in, or from where somebody signed in
// lately) or a stranger. Error: throttle.ErrFull.
func (k *People) passwordIs(ctx context.Context, user store.User, password string, known bool) (ok bool, err error) {
	err = k.whileHashing(ctx, known, func() error {
		ok = access.VerifyPassword(user.PasswordHash, password)
		return nil
	})
	return ok, err
}

func (k *People) hashPassword(ctx context.Context, user store.User, password string) (hash string, err error) {
	names := slices.Clone(k.hosts)
	all, err := k.store.AccessesOf(ctx, user.ID)
	if err != nil {
		return "", err
	}
	for _, x := range all {
		names = append(names, x.AccountName)
	}
	err = k.whileHashing(ctx, true, func() error { // who may set one is known
		if hash, err = access.HashPassword(password, user.Email, names...); err != nil {
			return change.Wrong("Password", err)
		}
		return nil
	})
	return hash, err
}

// SetPassword gives a user a password, ends all his sessions and returns the token of a new one. A user who has a
// password already must give it. Errors: *change.Error on Password or OldPassword.
func (k *People) SetPassword(ctx context.Context, user store.User, old, password string, at Browser) (session string, err error) {
	what := "password set"
	if user.PasswordHash != "" {
		what = "password changed"
		ok, err := k.passwordIs(ctx, user, old, true)
		if err != nil {
			return "", err
		}
		if !ok {
			return "", &change.Error{Kind: change.Invalid, Field: "OldPassword", Reason: "this is not your password"}
		}
	}
	hash, err := k.hashPassword(ctx, user, password)
	if err != nil {
		return "", err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if err := k.putPassword(ctx, tx, user, hash, what, at.Address); err != nil {
			return err
		}
		session, err = k.startSession(ctx, tx, user, "new password", at)
		return err
	})
	return session, err
}

// putPassword stores a new password; all sessions end, and mailed links that would set another.
func (k *People) putPassword(ctx context.Context, tx *store.Tx, user store.User, hash, what string, from netip.Addr) error {
	if err := tx.SetPassword(ctx, user.ID, hash); err != nil {
		return err
	}
	if err := tx.EndSignInLinks(ctx, store.LinkReset, user.ID); err != nil {
		return err
	}
	if err := tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.password", "user "+user.Email,
		"set; all sessions ended")); err != nil {
		return err
	}
	return k.tellChanged(ctx, tx, user, what, from)
}

// MailPasswordReset mails a link that sets a new password to the user with an email address, if there is one, and at
// most three times an hour and ten a day. What the caller answers must not depend on it.
func (k *People) MailPasswordReset(ctx context.Context, email string, from netip.Addr) error {
	user, err := k.store.UserByEmail(ctx, mail.Canonical(email))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	err = k.mailReset(ctx, user, from)
	if e, ok := errors.AsType[*change.Error](err); ok && e.Kind == change.TooOften {
		return nil
	}
	return err
}

func (k *People) mailReset(ctx context.Context, user store.User, from netip.Addr) error {
	token := credential.NewToken()
	return k.store.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.CountSignInLinks(ctx, store.LinkReset, user.ID, tx.Now.Add(-time.Hour))
		if err != nil || n >= resetsAnHour {
			return err
		}
		until := k.now().Add(ResetLifetime)
		if err := tx.AddSignInLink(ctx,
			store.SignInLink{Digest: credential.TokenDigest(token), UserID: user.ID, Kind: store.LinkReset, ExpiresAt: until}); err != nil {
			return err
		}
		by := change.Actor{Kind: change.Stranger, Name: "somebody not signed in", Origin: person(user, from).Origin}
		if err := tx.AddAudit(ctx, by.Entry(user.AccountID, "user.link", "user "+user.Email, "mailed, to set a new password")); err != nil {
			return err
		}
		return k.notices.AddAsked(ctx, tx, 0, user.AccountID,
			notice.Notice{Kind: notice.PasswordReset, To: []string{user.Email}, Link: "/reset/" + token, Until: until, Address: by.Origin})
	})
}

// ResetLinkUser finds the user of a mailed link without using it up. Error: *change.Error NotFound.
func (k *People) ResetLinkUser(ctx context.Context, token string) (store.User, error) {
	link, err := k.store.SignInLink(ctx, store.LinkReset, credential.TokenDigest(token), k.now())
	if errors.Is(err, store.ErrNotFound) {
		return store.User{}, &change.Error{Kind: change.NotFound, Reason: "this link was used already, or has ended"}
	}
	if err != nil {
		return store.User{}, err
	}
	return k.store.User(ctx, link.UserID)
}

// ResetPassword sets a new password by a mailed link, ends all sessions and returns the token of a new one. A password
// that is refused uses nothing up. Errors: *change.Error NotFound or on Password, or *SecondStep.
func (k *People) ResetPassword(ctx context.Context, token, password string, at Browser) (session string, user store.User, err error) {
	if user, err = k.ResetLinkUser(ctx, token); err != nil {
		return "", user, err
	}
	hash, err := k.hashPassword(ctx, user, password)
	if err != nil {
		return "", user, err
	}
	second := false
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.UseSignInLink(ctx, store.LinkReset, credential.TokenDigest(token), k.now()); err != nil {
			return err
		}
		if err := k.putPassword(ctx, tx, user, hash, "password set by a mailed link", at.Address); err != nil {
			return err
		}
		user.PasswordHash = hash
		if second, err = hasFactor(ctx, tx, user.ID); err != nil || second {
			return err
		}
		session, err = k.startSession(ctx, tx, user, "mailed link", at)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = &change.Error{Kind: change.NotFound, Reason: "this link was used already, or has ended"}
	case err == nil && second:
		err = k.secondStep(user, "mailed link")
	}
	return session, user, err
}
