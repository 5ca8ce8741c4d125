// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/store"
)

// How long a session is good for.
const (
	SessionIdle  = 7 * 24 * time.Hour  // from when it was last seen
	SessionMost  = 30 * 24 * time.Hour // from signing in
	sessionTouch = 5 * time.Minute     // how often its end is moved
)

// Browser is where a person signs in.
type Browser struct {
	Address netip.Addr
	Client  string // what it says of itself
	Session string // the token of the session that it has: a new one ends it
}

func (k *People) startSession(ctx context.Context, tx *store.Tx, user store.User, how string, at Browser) (string, error) {
	return k.startSessionAt(ctx, tx, user, how, at, k.now())
}

// startSessionAt is startSession of a person who last proved to be there at a time.
func (k *People) startSessionAt(ctx context.Context, tx *store.Tx, user store.User, how string, at Browser, proved time.Time) (string,
	error,
) {
	if at.Session != "" {
		if err := tx.EndSession(ctx, credential.TokenDigest(at.Session)); err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
	}
	token := credential.NewToken()
	by := person(user, at.Address)
	err := tx.AddSession(ctx, store.Session{
		Digest: credential.TokenDigest(token), UserID: user.ID, CreatedAt: k.now(), ExpiresAt: k.now().Add(SessionIdle),
		ConfirmedAt: proved, Address: by.Origin, Client: cleanClient(at.Client),
	})
	if err != nil {
		return "", err
	}
	k.signedInFrom(at.Address)
	return token, tx.AddAudit(ctx, by.Entry(user.AccountID, "user.sign_in", "user "+user.Email, "by "+how))
}

// SignedIn is a session with its user, the account that it works in, and what the user may do there.
type SignedIn struct {
	User    store.User
	Session store.Session
	Account store.Account  // that the session works in; none when nothing is shared with the user
	Access  []store.Access // to the account or to some of its keys
	Others  []OtherAccount // that the user can switch to

	// MustAddFactor says that the user can do nothing before a second factor is set up: they have none, and it is required
	// of them.
	MustAddFactor bool
}

// OtherAccount is an account that a user can switch to.
type OtherAccount struct {
	ID   int64
	Name string
}

func errNotSignedIn() error {
	return &change.Error{Kind: change.NotFound, Reason: "you are not signed in"}
}

// Session finds the user of a session's token, and what they may do, and keeps the session alive. Error: *change.Error
// NotFound when it has ended.
func (k *People) Session(ctx context.Context, token string) (SignedIn, error) {
	now := k.now()
	n, user, err := k.store.SessionUser(ctx, credential.TokenDigest(token), now)
	most := n.CreatedAt.Add(SessionMost)
	if errors.Is(err, store.ErrNotFound) || err == nil && !now.Before(most) {
		return SignedIn{}, errNotSignedIn()
	}
	if err != nil {
		return SignedIn{}, err
	}
	in := SignedIn{User: user, Session: n}
	if now.Sub(n.LastSeenAt) > sessionTouch {
		end := now.Add(SessionIdle)
		if end.After(most) {
			end = most
		}
		if err := k.store.Update(ctx, func(tx *store.Tx) error { return tx.TouchSession(ctx, n.Digest, end) }); err != nil {
			return in, notFoundIs(err, errNotSignedIn())
		}
	}
	return in, k.enter(ctx, &in)
}

// enter chooses the account that a session works in: the one that its user chose, or their own, or the first that is
// shared with them.
func (k *People) enter(ctx context.Context, in *SignedIn) error {
	all, err := k.store.AccessesOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	at := int64(0)
	for _, want := range []int64{in.Session.AccountID, in.User.AccountID} {
		if at == 0 && slices.ContainsFunc(all, func(x store.Access) bool { return x.AccountID == want }) {
			at = want
		}
	}
	if at == 0 && len(all) > 0 {
		at = all[0].AccountID
	}
	for _, x := range all {
		switch {
		case x.AccountID == at:
			in.Access = append(in.Access, x)
		case !slices.ContainsFunc(in.Others, func(o OtherAccount) bool { return o.ID == x.AccountID }):
			in.Others = append(in.Others, OtherAccount{x.AccountID, x.AccountName})
		}
	}
	if factorRequired(in.User, all) {
		f, err := k.Factors(ctx, in.User.ID)
		if err != nil {
			return err
		}
		in.MustAddFactor = !f.Any()
	}
	if at == 0 {
		return nil // nothing is shared with the user: no role allows anything
	}
	in.Account, err = k.store.Account(ctx, at)
	return err
}

// factorRequired says whether a user has to have a second factor: operators have, and who may do something in an account
// whose policy asks for it.
func factorRequired(user store.User, all []store.Access) bool {
	return user.Operator || slices.ContainsFunc(all, func(x store.Access) bool { return x.SecondFactor })
}

// Switch makes a session work in another account of its user. Error: *change.Error NotFound.
func (k *People) Switch(ctx context.Context, in SignedIn, accountID int64) error {
	if accountID != in.Account.ID && !slices.ContainsFunc(in.Others, func(o OtherAccount) bool { return o.ID == accountID }) {
		return change.Missing("account that is shared with you")
	}
	return k.update(ctx, "session", func(tx *store.Tx) error { return tx.SwitchSession(ctx, in.Session.Digest, accountID) })
}

// Sessions lists a user's live sessions, the last seen first.
func (k *People) Sessions(ctx context.Context, user store.User) ([]store.Session, error) {
	now := k.now()
	list, err := k.store.Sessions(ctx, user.ID, now)
	return slices.DeleteFunc(list, func(n store.Session) bool { return !now.Before(n.CreatedAt.Add(SessionMost)) }), err
}

// SignOut ends a session. One that has ended already is no error.
func (k *People) SignOut(ctx context.Context, token string) error {
	err := k.store.Update(ctx, func(tx *store.Tx) error { return tx.EndSession(ctx, credential.TokenDigest(token)) })
	return notFoundIs(err, nil)
}

// EndSession ends one of a user's sessions, by its digest. Error: *change.Error NotFound.
func (k *People) EndSession(ctx context.Context, user store.User, digest []byte, from netip.Addr) error {
	err := k.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.EndSessionOf(ctx, user.ID, digest); err != nil {
			return err
		}
		return tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.session.end", "user "+user.Email, "one session"))
	})
	return notFoundIs(err, &change.Error{Kind: change.NotFound, Reason: "this session has ended already"})
}

// EndOtherSessions ends all of a user's sessions but one, and says how many those were.
func (k *People) EndOtherSessions(ctx context.Context, user store.User, but []byte, from netip.Addr) (n int64, err error) {
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		if n, err = tx.EndOtherSessions(ctx, user.ID, but); err != nil || n == 0 {
			return err
		}
		return tx.AddAudit(ctx, person(user, from).Entry(user.AccountID, "user.session.end", "user "+user.Email, "all others"))
	})
	return n, err
}

// SignedOut is a user whose sessions were ended.
type SignedOut struct {
	Email    string
	Sessions int64 // how many there were
}

// SignOutUser ends all sessions of the user with an email address. Errors: *change.Error on Email.
func (k *People) SignOutUser(ctx context.Context, by change.Actor, email string) (SignedOut, error) {
	email, err := checkEmail(email)
	out := SignedOut{Email: email}
	if err != nil {
		return out, err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		user, err := tx.UserByEmail(ctx, email)
		if err != nil {
			return err
		}
		if out.Sessions, err = tx.EndOtherSessions(ctx, user.ID, []byte{}); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(user.AccountID, "user.session.end", "user "+email, "all"))
	})
	return out, notFoundIs(err, change.Errorf(change.NotFound, "Email", "there is no user %s", email))
}

// cleanClient is what a browser says of itself, as the store can keep it.
func cleanClient(client string) string {
	out := make([]rune, 0, 200)
	for _, r := range client {
		if len(out) == cap(out) {
			break
		}
		if r >= ' ' && r != 0x7f && r != '\uFFFD' {
			out = append(out, r)
		}
	}
	return string(out)
}
