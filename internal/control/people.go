// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/http"
	"slices"
	"time"

	"postern/internal/mail"
	"postern/internal/people"
	"postern/internal/store"
)

func (d *door) listPeople(r *http.Request) (any, error) {
	which := r.URL.Query().Get("account")
	var accounts []store.Account
	var err error
	if which == "" {
		accounts, err = d.Store.Accounts(r.Context())
	} else {
		accounts = make([]store.Account, 1)
		accounts[0], err = d.findAccount(r.Context(), which)
	}
	if err != nil {
		return nil, err
	}
	out := []Person{}
	for _, a := range accounts {
		people, err := d.people(r.Context(), a)
		if err != nil {
			return nil, err
		}
		out = append(out, people...)
	}
	if which != "" {
		return out, nil
	}
	// An operator may have no account at all.
	operators, err := d.Store.Operators(r.Context())
	for _, u := range operators {
		if !slices.ContainsFunc(out, func(p Person) bool { return p.Email == u.Email && !p.Invited }) {
			out = append(out, Person{Email: u.Email, Operator: true, Since: u.CreatedAt, LastSignInAt: u.LastSignInAt})
		}
	}
	return out, err
}

// people are who may do something on an account, and who is invited to.
func (d *door) people(ctx context.Context, a store.Account) ([]Person, error) {
	operators, err := d.Store.Operators(ctx)
	if err != nil {
		return nil, err
	}
	list, err := d.Store.Accesses(ctx, store.OfAccount(a.ID), store.AccessFilter{})
	if err != nil {
		return nil, err
	}
	out := []Person{}
	for _, x := range list {
		out = append(out, Person{
			Email: x.Email, AccountID: a.ID, AccountName: a.Name, Role: x.Role, APIKey: x.APIKey, KeyName: x.KeyName, Since: x.CreatedAt, LastSignInAt: x.LastSignInAt,
			Operator: slices.ContainsFunc(operators, func(u store.User) bool { return u.ID == x.UserID }),
		})
	}
	invited, err := d.Store.Invitations(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	for _, i := range invited {
		if !i.Open(time.Now()) {
			continue
		}
		keys, err := d.Store.KeysByID(ctx, store.OfAccount(a.ID), i.KeyIDs)
		if err != nil {
			return nil, err
		}
		p := Person{Email: i.Email, AccountID: a.ID, AccountName: a.Name, Role: i.Role, Invited: true, Since: i.CreatedAt, Until: i.ExpiresAt}
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
func (d *door) readShare(r *http.Request) (in Share, a store.Account, keys []store.Key, err error) {
	if err = read(r, &in); err != nil {
		return in, a, nil, err
	}
	if err := mail.CheckEmail(in.Email); err != nil {
		return in, a, nil, invalid("Email", "%v", err)
	}
	in.Email = mail.Canonical(in.Email)
	if a, err = d.findAccount(r.Context(), in.Account); err != nil {
		return in, a, nil, err
	}
	for _, which := range in.Keys {
		key, err := d.findKeyOf(r.Context(), a, which)
		if err != nil {
			return in, a, nil, err
		}
		keys = append(keys, key)
	}
	return in, a, keys, nil
}

func (d *door) invite(r *http.Request) (any, error) {
	in, a, keys, err := d.readShare(r)
	if err != nil {
		return nil, err
	}
	s := people.Share{Email: in.Email, Role: in.Role, Days: in.Days}
	for _, k := range keys {
		s.KeyIDs = append(s.KeyIDs, k.ID)
	}
	i, err := d.People.Invite(r.Context(), operator(), a.ID, s)
	if err != nil {
		return nil, err
	}
	return Person{Email: i.Email, AccountID: a.ID, AccountName: a.Name, Role: i.Role, Invited: true, Since: i.CreatedAt, Until: i.ExpiresAt}, nil
}

// accesses are what a person may do of what a request names: on the whole account where it names no key.
func (d *door) accesses(r *http.Request, in Share, a store.Account, keys []store.Key) ([]store.Access, error) {
	list, err := d.Store.Accesses(r.Context(), store.OfAccount(a.ID), store.AccessFilter{Email: in.Email})
	if err != nil || len(keys) == 0 {
		return list, err
	}
	return slices.DeleteFunc(list, func(x store.Access) bool {
		return !slices.ContainsFunc(keys, func(k store.Key) bool { return k.ID == x.KeyID })
	}), nil
}

func (d *door) changeAccess(r *http.Request) (any, error) {
	in, a, keys, err := d.readShare(r)
	if err != nil {
		return nil, err
	}
	list, err := d.accesses(r, in, a, keys)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, notFound("Email", "%s has no access to that: invite them", in.Email)
	}
	for _, x := range list {
		if _, err := d.People.ChangeAccess(r.Context(), operator(), a.ID, x.ID, in.Role); err != nil {
			return nil, err
		}
	}
	return d.people(r.Context(), a)
}

func (d *door) removePerson(r *http.Request) (any, error) {
	in, a, keys, err := d.readShare(r)
	if err != nil {
		return nil, err
	}
	list, err := d.accesses(r, in, a, keys)
	if err != nil {
		return nil, err
	}
	var out Shared
	for _, x := range list { // that of the whole account is first: an only owner keeps all
		if err := d.People.RemoveAccess(r.Context(), operator(), a.ID, x.ID); err != nil {
			return nil, err
		}
		out.Accesses++
	}
	if len(keys) == 0 {
		invited, err := d.Store.Invitations(r.Context(), a.ID)
		if err != nil {
			return nil, err
		}
		for _, i := range invited {
			if i.Email != in.Email || !i.Open(time.Now()) {
				continue
			}
			if err := d.People.Withdraw(r.Context(), operator(), a.ID, i.ID); err != nil {
				return nil, err
			}
			out.Invitations++
		}
	}
	if out == (Shared{}) {
		return nil, notFound("Email", "%s has no access to that, and is not invited", in.Email)
	}
	return out, nil
}

func (d *door) setOperator(r *http.Request) (any, error) {
	var in OperatorOf
	if err := read(r, &in); err != nil {
		return nil, err
	}
	user, err := d.findUser(r.Context(), in.Email)
	if err != nil {
		return nil, err
	}
	return OperatorOf{user.Email, in.Operator}, d.People.SetOperator(r.Context(), operator(), user.Email, in.Operator)
}
