// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"
	"time"

	"postern/internal/account"
	"postern/internal/mail"
	"postern/internal/store"
)

// How long what a person signs in with is good for.
const (
	LinkLifetime    = 24 * time.Hour     // a one-time sign-in link
	SessionLifetime = 7 * 24 * time.Hour // a session, from when it was last seen
	sessionTouch    = 5 * time.Minute    // how often its end is moved
)

// NewSignInLink makes the token of a link that signs a user in once. It is part of a URL: letters and digits.
func (k *Keyring) NewSignInLink(ctx context.Context, by Actor, user store.User) (token string, err error) {
	token = rand.Text() + rand.Text() // 260 bits
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.AddSignInLink(ctx, tokenDigest(token), user.ID, tx.Now.Add(LinkLifetime)); err != nil {
			return err
		}
		return tx.AddAudit(ctx, entry(by, user.AccountID, "user.link", "user "+user.Email, "one-time sign-in link"))
	})
	return token, err
}

// tokenDigest is how links and sessions are stored. Tokens have 260 random bits: they need no slow hash.
func tokenDigest(token string) []byte {
	d := sha256.Sum256([]byte(token))
	return d[:]
}

// UseSignInLink signs a user in by a link, once, and returns the token of his session. His password is forgotten: the
// operator makes a link for who has none or has lost it, and a new one is set without it. Error: *Error NotFound.
func (k *Keyring) UseSignInLink(ctx context.Context, token string, from netip.Addr, client string) (session string, user store.User, err error) {
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		var err error
		if user, err = tx.UseSignInLink(ctx, tokenDigest(token)); err != nil {
			return err
		}
		session, err = startSession(ctx, tx, user, "link", from, client)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = &Error{Kind: NotFound, Reason: "this link was used already, or has ended"}
	}
	return session, user, err
}

// SignIn checks an email address and password and returns the token of a new session. It takes as long when there is
// no such user. Error: *Error NotAllowed, the same for both.
func (k *Keyring) SignIn(ctx context.Context, email, password string, from netip.Addr, client string) (session string, user store.User, err error) {
	user, err = k.store.UserByEmail(ctx, mail.Canonical(email))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", store.User{}, err
	}
	ok, err := k.passwordIs(ctx, user, password)
	if err != nil {
		return "", store.User{}, err
	}
	if !ok {
		return "", store.User{}, &Error{Kind: NotAllowed, Reason: "the email address or the password is wrong"}
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		var err error
		session, err = startSession(ctx, tx, user, "password", from, client)
		return err
	})
	return session, user, err
}

func (k *Keyring) passwordIs(ctx context.Context, user store.User, password string) (bool, error) {
	select {
	case k.hashing <- struct{}{}:
		defer func() { <-k.hashing }()
		return account.VerifyPassword(user.PasswordHash, password), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func startSession(ctx context.Context, tx *store.Tx, user store.User, how string, from netip.Addr, client string) (string, error) {
	token := rand.Text() + rand.Text()
	if len(client) > 200 {
		client = client[:200]
	}
	address := ""
	if from.IsValid() {
		address = from.String()
	}
	err := tx.AddSession(ctx, store.Session{Digest: tokenDigest(token), UserID: user.ID, ExpiresAt: tx.Now.Add(SessionLifetime), Address: address, Client: client})
	if err != nil {
		return "", err
	}
	by := Actor{Name: "user " + user.Email, Origin: address}
	return token, tx.AddAudit(ctx, entry(by, user.AccountID, "user.sign_in", "user "+user.Email, "by "+how))
}

// SignedIn is a session and its user.
type SignedIn struct {
	User    store.User
	Session store.Session
}

// Session finds the user of a session's token and keeps the session alive. Error: *Error NotFound when it has ended.
func (k *Keyring) Session(ctx context.Context, token string) (SignedIn, error) {
	now := time.Now()
	n, user, err := k.store.SessionUser(ctx, tokenDigest(token), now)
	if errors.Is(err, store.ErrNotFound) {
		return SignedIn{}, &Error{Kind: NotFound, Reason: "you are not signed in"}
	}
	if err == nil && now.Sub(n.LastSeenAt) > sessionTouch {
		err = k.store.Update(ctx, func(tx *store.Tx) error {
			return tx.TouchSession(ctx, n.Digest, tx.Now.Add(SessionLifetime))
		})
	}
	return SignedIn{user, n}, err
}

// SignOut ends a session. One that has ended already is no error.
func (k *Keyring) SignOut(ctx context.Context, token string) error {
	err := k.store.Update(ctx, func(tx *store.Tx) error { return tx.EndSession(ctx, tokenDigest(token)) })
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// SetPassword gives a user a password, ends all his sessions and returns the token of a new one. A user who has a
// password already must give it. Errors: *Error on Password or OldPassword.
func (k *Keyring) SetPassword(ctx context.Context, user store.User, old, password string, from netip.Addr, client string) (session string, err error) {
	if user.PasswordHash != "" {
		ok, err := k.passwordIs(ctx, user, old)
		if err != nil {
			return "", err
		}
		if !ok {
			return "", &Error{Kind: Invalid, Field: "OldPassword", Reason: "this is not your password"}
		}
	}
	hash, err := account.HashPassword(password)
	if err != nil {
		return "", invalid("Password", err)
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.SetPassword(ctx, user.ID, hash); err != nil {
			return err
		}
		by := Actor{Name: "user " + user.Email, Origin: from.String()}
		if err := tx.AddAudit(ctx, entry(by, user.AccountID, "user.password", "user "+user.Email, "set; all sessions ended")); err != nil {
			return err
		}
		session, err = startSession(ctx, tx, user, "new password", from, client)
		return err
	})
	return session, err
}
