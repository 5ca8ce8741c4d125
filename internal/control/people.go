// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"
	"time"

	"postern/internal/mail"
	"postern/internal/people"
	"postern/internal/store"
)

func (o *operator) listPeople(ctx context.Context, account string) ([]Person, error) {
	var accounts []store.Account
	var err error
	if account == "" {
		accounts, err = o.Store.Accounts(ctx)
	} else {
		accounts = make([]store.Account, 1)
		accounts[0], err = o.findAccount(ctx, account)
	}
	if err != nil {
		return nil, err
	}
	out := []Person{}
	for _, a := range accounts {
		people, err := o.people(ctx, a)
		if err != nil {
			return nil, err
		}
		out = append(out, people...)
	}
	if account != "" {
		return out, nil
	}
	// An operator may have no account at all.
	operators, err := o.Store.Operators(ctx)
	for _, u := range operators {
		if !slices.ContainsFunc(out, func(p Person) bool { return p.Email == u.Email && !p.Invited }) {
			out = append(out, Person{Email: u.Email, Operator: true, Since: u.CreatedAt, LastSignInAt: u.LastSignInAt})
		}
	}
	return out, err
}

// people are who may do something on an account, and who is invited to.
func (o *operator) people(ctx context.Context, a store.Account) ([]Person, error) {
	operators, err := o.Store.Operators(ctx)
	if err != nil {
		return nil, err
	}
	list, err := o.Store.Accesses(ctx, store.OfAccount(a.ID), store.AccessFilter{})
	if err != nil {
		return nil, err
	}
	out := []Person{}
	for _, x := range list {
		out = append(out, Person{
			Email: x.Email, AccountID: a.ID, AccountName: a.Name, Role: x.Role, APIKey: x.APIKey, KeyName: x.KeyName, Since: x.CreatedAt,
			LastSignInAt: x.LastSignInAt,
			Operator:     slices.ContainsFunc(operators, func(u store.User) bool { return u.ID == x.UserID }),
		})
	}
	invited, err := o.Store.Invitations(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	for _, i := range invited {
		if !i.Open(time.Now()) {
			continue
		}
		keys, err := o.Store.KeysByID(ctx, store.OfAccount(a.ID), i.KeyIDs)
		if err != nil {
			return nil, err
		}
		p := Person{
			Email: i.Email, AccountID: a.ID, AccountName: a.Name, Role: i.Role, Invited: true, Since: i.CreatedAt, Until: i.ExpiresAt,
		}
		if len(i.KeyIDs) == 0 {
			out = append(out, p)
		}
		for _, id := range i.KeyIDs {
			if k, ok := keys[id]; ok {
				p.APIKey, p.KeyName = k.APIKey, k.Name
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// readShare reads whom a request is about: the account and its keys that it names.
func (o *operator) readShare(ctx context.Context, in Share) (_ Share, a store.Account, keys []store.Key, err error) {
	if err := mail.CheckEmail(in.Email); err != nil {
		return in, a, nil, invalid("Email", "%v", err)
	}
	in.Email = mail.Canonical(in.Email)
	if a, err = o.findAccount(ctx, in.Account); err != nil {
		return in, a, nil, err
	}
	for _, which := range in.Keys {
		key, err := o.findKeyOf(ctx, a, which)
		if err != nil {
			return in, a, nil, err
		}
		keys = append(keys, key)
	}
	return in, a, keys, nil
}

func (o *operator) invite(ctx context.Context, in Share) (Person, error) {
	in, a, keys, err := o.readShare(ctx, in)
	if err != nil {
		return Person{}, err
	}
	s := people.Share{Email: in.Email, Role: in.Role, Days: in.Days}
	for _, k := range keys {
		s.KeyIDs = append(s.KeyIDs, k.ID)
	}
	i, err := o.People.Invite(ctx, actor(), a.ID, s)
	if err != nil {
		return Person{}, err
	}
	return Person{
		Email: i.Email, AccountID: a.ID, AccountName: a.Name, Role: i.Role, Invited: true, Since: i.CreatedAt, Until: i.ExpiresAt,
	}, nil
}

// accesses are what a person may do of what a request names: on the whole account where it names no key.
func (o *operator) accesses(ctx context.Context, in Share, a store.Account, keys []store.Key) ([]store.Access, error) {
	list, err := o.Store.Accesses(ctx, store.OfAccount(a.ID), store.AccessFilter{Email: in.Email})
	if err != nil || len(keys) == 0 {
		return list, err
	}
	return slices.DeleteFunc(list, func(x store.Access) bool {
		return !slices.ContainsFunc(keys, func(k store.Key) bool { return k.ID == x.KeyID })
	}), nil
}

func (o *operator) changeAccess(ctx context.Context, in Share) ([]Person, error) {
	in, a, keys, err := o.readShare(ctx, in)
	if err != nil {
		return nil, err
	}
	list, err := o.accesses(ctx, in, a, keys)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, notFound("Email", "%s has no access to that: invite them", in.Email)
	}
	for _, x := range list {
		if _, err := o.People.ChangeAccess(ctx, actor(), a.ID, x.ID, in.Role); err != nil {
			return nil, err
		}
	}
	return o.people(ctx, a)
}

func (o *operator) removePerson(ctx context.Context, in Share) (Shared, error) {
	in, a, keys, err := o.readShare(ctx, in)
	if err != nil {
		return Shared{}, err
	}
	list, err := o.accesses(ctx, in, a, keys)
	if err != nil {
		return Shared{}, err
	}
	var out Shared
	for _, x := range list { // that of the whole account is first: an only owner keeps all
		if err := o.People.RemoveAccess(ctx, actor(), a.ID, x.ID); err != nil {
			return Shared{}, err
		}
		out.Accesses++
	}
	if len(keys) == 0 {
		invited, err := o.Store.Invitations(ctx, a.ID)
		if err != nil {
			return Shared{}, err
		}
		for _, i := range invited {
			if i.Email != in.Email || !i.Open(time.Now()) {
				continue
			}
			if err := o.People.Withdraw(ctx, actor(), a.ID, i.ID); err != nil {
				return Shared{}, err
			}
			out.Invitations++
		}
	}
	if out == (Shared{}) {
		return Shared{}, notFound("Email", "%s has no access to that, and is not invited", in.Email)
	}
	return out, nil
}

func (o *operator) setOperator(ctx context.Context, email string, on bool) (OperatorOf, error) {
	user, err := o.findUser(ctx, email)
	if err != nil {
		return OperatorOf{}, err
	}
	return OperatorOf{user.Email, on}, o.People.SetOperator(ctx, actor(), user.Email, on)
}
