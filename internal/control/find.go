// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// findUser finds a user by email address, or the only one there is.
func (o *operator) findUser(ctx context.Context, email string) (store.User, error) {
	if email != "" {
		// Also who has but a single key shared with him.
		u, err := o.Store.UserByEmail(ctx, mail.Canonical(email))
		if !errors.Is(err, store.ErrNotFound) {
			return u, err
		}
	}
	accounts, err := o.Store.Accounts(ctx)
	if err != nil {
		return store.User{}, err
	}
	var all []store.User
	var emails []string
	for _, a := range accounts {
		users, err := o.Store.Users(ctx, a.ID)
		if err != nil {
			return store.User{}, err
		}
		for _, u := range users {
			all, emails = append(all, u), append(emails, u.Email)
		}
	}
	switch {
	case len(all) == 0:
		return store.User{}, notFound("Email", "there are no users yet")
	case email != "":
		return store.User{}, notFound("Email", "there is no user %s", email)
	case len(all) > 1:
		return store.User{}, invalid("Email", "there are %d users: say which (%s)", len(all),
			strings.Join(emails[:min(5, len(emails))], ", "))
	}
	return all[0], nil
}

// findAccount finds an account by number or name, or the only one there is.
func (o *operator) findAccount(ctx context.Context, which string) (store.Account, error) {
	accounts, err := o.Store.Accounts(ctx)
	if err != nil {
		return store.Account{}, err
	}
	var found []store.Account
	for _, a := range accounts {
		if which == "" || a.Name == which || strconv.FormatInt(a.ID, 10) == which {
			found = append(found, a)
		}
	}
	switch {
	case len(accounts) == 0:
		return store.Account{}, notFound("Account", "there are no accounts yet: run postern init, or start the server once")
	case len(found) == 0:
		return store.Account{}, notFound("Account", "there is no account %q", which)
	case len(found) > 1 && which == "":
		return store.Account{}, invalid("Account", "there are %d accounts: say which, by number or name", len(found))
	case len(found) > 1:
		return store.Account{}, invalid("Account", "%d accounts are called %q: say which by number", len(found), which)
	}
	return found[0], nil
}

// findKey finds a key by API key, name, number or reference (with "ref:" before it by that alone), or the only account's master key.
func (o *operator) findKey(ctx context.Context, which string) (store.Key, error) {
	if which == "" {
		a, err := o.findAccount(ctx, "")
		if err != nil {
			return store.Key{}, o.askForKey(err)
		}
		master := true
		return o.Store.Key(ctx, store.OfAccount(a.ID), store.KeyFilter{Master: &master})
	}
	return o.Keys.Find(ctx, store.OfOperator(), which)
}

// findKeyOf finds a key of an account.
func (o *operator) findKeyOf(ctx context.Context, a store.Account, which string) (store.Key, error) {
	return o.Keys.Find(ctx, store.OfAccount(a.ID), which)
}

// askForKey turns "say which account" into what can be said where a key is wanted.
func (o *operator) askForKey(err error) error {
	if failureOf(err).Kind == change.Invalid {
		return invalid("Key", "there are several accounts: say which key, by API key, number or name")
	}
	return err
}

// findPlan finds a plan by name or number.
func (o *operator) findPlan(ctx context.Context, which string) (store.Plan, error) {
	plans, err := o.Store.Plans(ctx)
	if err != nil {
		return store.Plan{}, err
	}
	for _, p := range plans {
		if p.Name == which {
			return p, nil
		}
	}
	for _, p := range plans {
		if strconv.FormatInt(p.ID, 10) == which {
			return p, nil
		}
	}
	return store.Plan{}, notFound("Plan", "there is no plan %q", which)
}
