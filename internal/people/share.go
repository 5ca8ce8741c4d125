// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/notice"
	"postern/internal/store"
)

// How long an invitation can be accepted.
const (
	InvitationDays    = 7 // when nothing is said
	MaxInvitationDays = 30
)

// Share is what somebody is to get: a role on an account, or on some keys of it.
type Share struct {
	Email  string
	Role   string
	KeyIDs []int64 // none: the whole account
	Days   int     // until the invitation ends; 0: InvitationDays
}

// check reads a share, and the names of its keys, which must be in the scope.
func (s *Share) check(ctx context.Context, tx *store.Tx, scope store.Scope) (names []string, err error) {
	if s.Email, err = checkEmail(s.Email); err != nil {
		return nil, err
	}
	if !access.IsRole(s.Role) {
		return nil, change.Wrong("Role", fmt.Errorf("%q is not a role: there are %s", access.Short(s.Role),
			strings.Join(access.Roles(), ", ")))
	}
	if s.Days == 0 {
		s.Days = InvitationDays
	}
	if s.Days < 1 || s.Days > MaxInvitationDays {
		return nil, change.Wrong("Days", fmt.Errorf("must be 1 to %d", MaxInvitationDays))
	}
	slices.Sort(s.KeyIDs)
	s.KeyIDs = slices.Compact(s.KeyIDs)
	if len(s.KeyIDs) > 1000 {
		return nil, change.Wrong("Keys", errors.New("more than 1000 keys: share the account"))
	}
	for _, id := range s.KeyIDs {
		key, err := tx.Key(ctx, scope, store.KeyFilter{ID: id})
		if errors.Is(err, store.ErrNotFound) {
			return nil, &change.Error{Kind: change.NotFound, Field: "Keys", Reason: "there is no such key"}
		}
		if err != nil {
			return nil, err
		}
		if key.Master {
			// Its secret opens the whole account by the API: who has it shares more than one key.
			return nil, &change.Error{Kind: change.Invalid, Field: "Keys", Reason: "the primary key is the account's own and is not " +
				"shared by itself: share the whole account"}
		}
		names = append(names, key.Name)
	}
	return names, nil
}

// Invite asks somebody by mail to share an account, or some of its keys. The token is in the mail alone. Errors: *change.Error
// on Email, Role, Keys or Days; LimitReached when the plan allows no more people.
func (k *People) Invite(ctx context.Context, by change.Actor, accountID int64, s Share) (store.Invitation, error) {
	token := credential.NewToken()
	var out store.Invitation
	err := k.update(ctx, "account", func(tx *store.Tx) error {
		a, err := tx.Account(ctx, accountID)
		if err != nil {
			return err
		}
		if err := accounts.CheckOpen(a); err != nil {
			return err
		}
		names, err := s.check(ctx, tx, store.OfAccount(accountID))
		if err != nil {
			return err
		}
		if err := k.roomForPersonUnless(ctx, tx, accountID, s.Email); err != nil {
			return err
		}
		until := tx.Now.AddDate(0, 0, s.Days)
		out, err = tx.AddInvitation(ctx,
			store.Invitation{
				AccountID: accountID, Email: s.Email, Role: s.Role, Digest: credential.TokenDigest(token),
				InvitedBy: by.String(), KeyIDs: s.KeyIDs, ExpiresAt: until,
			})
		if err != nil {
			return err
		}
		n := notice.Notice{
			Kind: notice.Invitation, To: []string{s.Email}, AccountName: a.Name, KeyNames: names, Role: s.Role, By: by.String(),
			Link: "/invitation/" + token, Until: until,
		}
		if err := k.notices.AddAsked(ctx, tx, accountID, accountID, n); err != nil {
			return err
		}
		return tx.AddAudit(ctx,
			by.Entry(accountID, "access.invite", "user "+s.Email, shareDetail(s.Role, names)+"; until "+until.Format(time.DateOnly)))
	})
	return out, err
}

// roomForPersonUnless lets those in who have access, or are invited, already.
func (k *People) roomForPersonUnless(ctx context.Context, tx *store.Tx, accountID int64, email string) error {
	has, err := tx.Accesses(ctx, store.OfAccount(accountID), store.AccessFilter{Email: email})
	if err != nil || len(has) > 0 {
		return err
	}
	return k.accounts.RoomForPerson(ctx, tx, accountID)
}

func shareDetail(role string, keys []string) string {
	if len(keys) == 0 {
		return "role " + role + " on the account"
	}
	return "role " + role + " on " + strings.Join(keys[:min(10, len(keys))], ", ")
}

// Withdraw ends an invitation.
func (k *People) Withdraw(ctx context.Context, by change.Actor, accountID, id int64) error {
	return k.update(ctx, "open invitation", func(tx *store.Tx) error {
		i, err := tx.WithdrawInvitation(ctx, accountID, id)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "access.withdraw", "user "+i.Email, "invitation as "+i.Role))
	})
}

// Invited is an invitation as who was invited sees it.
type Invited struct {
	store.Invitation
	AccountName string
	Known       bool // there is a user with its address: he signs in to accept
}

// Invitation reads the open invitation of a link's token. Error: *change.Error NotFound when it is not open any more.
func (k *People) Invitation(ctx context.Context, token string) (Invited, error) {
	i, err := k.store.InvitationByToken(ctx, credential.TokenDigest(token))
	if err == nil && !i.Open(time.Now()) {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return Invited{}, &change.Error{Kind: change.NotFound, Reason: "this invitation was accepted or withdrawn already, or has ended"}
	}
	if err != nil {
		return Invited{}, err
	}
	out := Invited{Invitation: i}
	a, err := k.store.Account(ctx, i.AccountID)
	if err != nil {
		return out, err
	}
	out.AccountName = a.Name
	_, err = k.store.UserByEmail(ctx, i.Email)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	out.Known = err == nil
	return out, err
}

// Accept accepts an invitation. user is who is signed in, whose session then works in the account that they were invited
// to; nil for nobody: then a new user with the invitation's address is made and signed in, unless there is one, who has to
// sign in first. Errors: *change.Error NotFound, or NotAllowed when it is
// for another address.
func (k *People) Accept(ctx context.Context, token string, user *store.User, at Browser) (session string, err error) {
	err = k.update(ctx, "open invitation", func(tx *store.Tx) error {
		i, err := tx.InvitationByToken(ctx, credential.TokenDigest(token))
		if err != nil {
			return err
		}
		known, err := tx.UserByEmail(ctx, i.Email)
		made := errors.Is(err, store.ErrNotFound)
		switch {
		case err != nil && !made:
			return err
		case user != nil && user.Email != i.Email:
			return change.Forbidden("Email", "the invitation is for "+i.Email+", and you are signed in as "+user.Email+": sign out first")
		case user == nil && !made:
			return change.Forbidden("Email", "there is a user "+i.Email+": sign in to accept the invitation")
		case made:
			if known, err = tx.AddUser(ctx, store.User{AccountID: i.AccountID, Email: i.Email}); err != nil {
				return err
			}
		}
		if err := tx.AcceptInvitation(ctx, i.ID); err != nil {
			return err
		}
		by := change.Actor{Kind: change.User, Name: i.Email}
		if at.Address.IsValid() {
			by.Origin = at.Address.String()
		}
		if err := k.give(ctx, tx, by, "access.accept", known, i.AccountID, i.Role, i.KeyIDs); err != nil {
			return err
		}
		if made {
			session, err = k.startSession(ctx, tx, known, "invitation", at)
			return err
		}
		return notFoundIs(tx.SwitchSession(ctx, credential.TokenDigest(at.Session), i.AccountID), nil) // it may have ended meanwhile
	})
	return session, err
}

// give gives a user a role. A key that was deleted since the invitation is left out.
func (k *People) give(ctx context.Context, tx *store.Tx, by change.Actor, action string, user store.User, accountID int64, role string,
	keyIDs []int64,
) error {
	var names []string
	for _, id := range keyIDs {
		key, err := tx.Key(ctx, store.OfAccount(accountID), store.KeyFilter{ID: id})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := tx.PutAccess(ctx, user.ID, accountID, id, role); err != nil {
			return err
		}
		names = append(names, key.Name)
	}
	if len(keyIDs) > 0 && len(names) == 0 {
		return &change.Error{Kind: change.NotFound, Reason: "the subaccounts of this invitation are deleted"}
	}
	if len(keyIDs) == 0 {
		if err := k.keepsAnOwner(ctx, tx, accountID, user.ID, role); err != nil {
			return err
		}
		if err := tx.PutAccess(ctx, user.ID, accountID, 0, role); err != nil {
			return err
		}
	}
	return tx.AddAudit(ctx, by.Entry(accountID, action, "user "+user.Email, shareDetail(role, names)))
}

// keepsAnOwner says no when a user is an account's last owner and is to have another role, or none ("").
func (k *People) keepsAnOwner(ctx context.Context, tx *store.Tx, accountID, userID int64, role string) error {
	if role == access.Owner {
		return nil
	}
	if err := tx.LockAccount(ctx, accountID); err != nil {
		return err
	}
	has, err := tx.Accesses(ctx, store.OfAccount(accountID), store.AccessFilter{UserID: userID})
	if err != nil || !slices.ContainsFunc(has, func(x store.Access) bool { return x.KeyID == 0 && x.Role == access.Owner }) {
		return err
	}
	n, err := tx.CountOwners(ctx, accountID)
	if err != nil || n > 1 {
		return err
	}
	return change.Forbidden("Role", "the account would be left without an owner: make somebody else one first")
}

// Give shares at once with who has access to something of the account already, and invites everybody else: whether an
// address is a user's of other accounts, the caller does not learn. Errors as of Invite.
func (k *People) Give(ctx context.Context, by change.Actor, accountID int64, s Share) (given []store.Access, invited *store.Invitation,
	err error,
) {
	email, err := checkEmail(s.Email)
	if err != nil {
		return nil, nil, err
	}
	has, err := k.store.Accesses(ctx, store.OfAccount(accountID), store.AccessFilter{Email: email})
	if err != nil {
		return nil, nil, err
	}
	if len(has) == 0 {
		i, err := k.Invite(ctx, by, accountID, s)
		return nil, &i, err
	}
	err = k.update(ctx, "account", func(tx *store.Tx) error {
		names, err := s.check(ctx, tx, store.OfAccount(accountID))
		if err != nil {
			return err
		}
		a, err := tx.Account(ctx, accountID)
		if err != nil {
			return err
		}
		user := store.User{ID: has[0].UserID, Email: email}
		if err := k.give(ctx, tx, by, "access.give", user, accountID, s.Role, s.KeyIDs); err != nil {
			return err
		}
		n := notice.Notice{
			Kind: notice.AccessGiven, To: []string{email}, AccountName: a.Name, KeyNames: names, Role: s.Role, By: by.String(),
			Link: "/keys",
		}
		if err := k.notices.Add(ctx, tx, accountID, n); err != nil {
			return err
		}
		given, err = tx.Accesses(ctx, store.OfAccount(accountID), store.AccessFilter{UserID: user.ID})
		return err
	})
	return given, nil, err
}

// ChangeAccess changes the role of an access of the account. Errors: *change.Error on Role.
func (k *People) ChangeAccess(ctx context.Context, by change.Actor, accountID, id int64, role string) (store.Access, error) {
	if !access.IsRole(role) {
		return store.Access{},
			change.Wrong("Role", fmt.Errorf("%q is not a role: there are %s", access.Short(role), strings.Join(access.Roles(), ", ")))
	}
	var out store.Access
	err := k.update(ctx, "access", func(tx *store.Tx) error {
		x, err := accessOf(ctx, tx, accountID, id)
		if err != nil {
			return err
		}
		if x.KeyID == 0 {
			if err := k.keepsAnOwner(ctx, tx, accountID, x.UserID, role); err != nil {
				return err
			}
		}
		out, out.Role = x, role
		if role == x.Role {
			return nil
		}
		if err := tx.PutAccess(ctx, x.UserID, accountID, x.KeyID, role); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "access.change", "user "+x.Email, "role on "+where(x)+": "+x.Role+" → "+role))
	})
	return out, err
}

// RemoveAccess takes an access of the account away; what the user has open ends with his next click.
func (k *People) RemoveAccess(ctx context.Context, by change.Actor, accountID, id int64) error {
	return k.update(ctx, "access", func(tx *store.Tx) error {
		x, err := accessOf(ctx, tx, accountID, id)
		if err != nil {
			return err
		}
		if x.KeyID == 0 {
			if err := k.keepsAnOwner(ctx, tx, accountID, x.UserID, ""); err != nil {
				return err
			}
		}
		if err := tx.RemoveAccess(ctx, accountID, id); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "access.remove", "user "+x.Email, "role on "+where(x)+": "+x.Role+" → none"))
	})
}

func accessOf(ctx context.Context, tx *store.Tx, accountID, id int64) (store.Access, error) {
	list, err := tx.Accesses(ctx, store.OfAccount(accountID), store.AccessFilter{ID: id})
	if err != nil {
		return store.Access{}, err
	}
	if len(list) != 1 {
		return store.Access{}, store.ErrNotFound
	}
	return list[0], nil
}

func where(x store.Access) string {
	if x.KeyID == 0 {
		return "the account"
	}
	return x.KeyName
}

// SetOperator says whether a user sees the operator's pages.
func (k *People) SetOperator(ctx context.Context, by change.Actor, email string, is bool) error {
	email, err := checkEmail(email)
	if err != nil {
		return err
	}
	return k.update(ctx, "user", func(tx *store.Tx) error {
		u, err := tx.UserByEmail(ctx, email)
		if err != nil || u.Operator == is {
			return err
		}
		if err := tx.SetOperator(ctx, u.ID, is); err != nil {
			return err
		}
		say := map[bool]string{true: "operator", false: "not an operator"}
		return tx.AddAudit(ctx, by.Entry(0, "user.operator", "user "+email, say[u.Operator]+" → "+say[is]))
	})
}

// checkEmail is the canonical form of an email address, or what is wrong with it.
func checkEmail(email string) (string, error) {
	email = strings.TrimSpace(email)
	if err := mail.CheckEmail(email); err != nil {
		return "", change.Wrong("Email", err)
	}
	return mail.Canonical(email), nil
}
