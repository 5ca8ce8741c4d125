// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"strings"
	"testing"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

var owner = change.Actor{Kind: change.User, Name: "owner@example.com", Origin: "192.0.2.1"}

// invite invites and returns the token of the mailed link.
func (r *ring) invite(t *testing.T, s people.Share) (store.Invitation, string) {
	t.Helper()
	i, err := r.Invite(t.Context(), owner, r.up.Account.ID, s)
	if err != nil {
		t.Fatal(err)
	}
	n := r.lastNotice(t)
	if n.Kind != notice.Invitation || n.To[0] != i.Email {
		t.Fatalf("the notice is %+v", n)
	}
	return i, strings.TrimPrefix(n.Link, "/invitation/")
}

// roles are a user's roles in the ring's account, by name of the key, "" for the whole account.
func (r *ring) roles(t *testing.T, email string) map[string]string {
	t.Helper()
	list, err := r.store.Accesses(t.Context(), r.scope, store.AccessFilter{Email: email})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, x := range list {
		out[x.KeyName] = x.Role
	}
	return out
}

func TestInvitationGivesARoleOnChosenSubaccounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		sub, err := r.Keys.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		for field, bad := range map[string]people.Share{
			"Email": {Email: "nobody", Role: access.Sender}, "Role": {Email: "a@example.com", Role: "king"}, "Days": {Email: "a@example.com", Role: access.Sender, Days: 99},
		} {
			_, err := r.Invite(t.Context(), owner, r.up.Account.ID, bad)
			wants(t, err, change.Invalid, field)
		}
		_, err = r.Invite(t.Context(), owner, r.up.Account.ID, people.Share{Email: "a@example.com", Role: access.Sender, KeyIDs: []int64{1 << 40}})
		wants(t, err, change.NotFound, "Keys")

		_, token := r.invite(t, people.Share{Email: "Ann@Example.net", Role: access.Sender, KeyIDs: []int64{sub.Key.ID}})
		seen, err := r.Invitation(t.Context(), token)
		if err != nil || seen.AccountName != "Harbour" || seen.Known || seen.Email != "ann@example.net" {
			t.Fatalf("%+v, %v", seen, err)
		}
		_, err = r.Accept(t.Context(), token, &r.up.User, browser)
		wants(t, err, change.NotAllowed, "Email")
		session, err := r.Accept(t.Context(), token, nil, browser)
		if err != nil {
			t.Fatal(err)
		}
		in, err := r.Session(t.Context(), session)
		if err != nil || in.User.Email != "ann@example.net" {
			t.Fatalf("%+v, %v", in, err)
		}
		if got := r.roles(t, "ann@example.net"); len(got) != 1 || got["Shop"] != access.Sender {
			t.Errorf("roles %v", got)
		}
		_, err = r.Accept(t.Context(), token, nil, browser)
		if err == nil {
			t.Error("an invitation is accepted twice")
		}
		_, err = r.Invitation(t.Context(), token)
		wants(t, err, change.NotFound, "")

		// Who is a user already signs in first.
		_, token = r.invite(t, people.Share{Email: "ann@example.net", Role: access.Manager})
		_, err = r.Accept(t.Context(), token, nil, browser)
		wants(t, err, change.NotAllowed, "Email")
		if _, err := r.Accept(t.Context(), token, &in.User, browser); err != nil {
			t.Fatal(err)
		}
		if got := r.roles(t, "ann@example.net"); got[""] != access.Manager || got["Shop"] != access.Sender {
			t.Errorf("roles %v", got)
		}
		// A deleted subaccount is shared no more.
		if err := r.Keys.Delete(t.Context(), owner, r.scope, store.KeyFilter{ID: sub.Key.ID}, false); err != nil {
			t.Fatal(err)
		}
		if got := r.roles(t, "ann@example.net"); len(got) != 1 {
			t.Errorf("roles after the deletion %v", got)
		}
	})
}

func TestInvitationIsWithdrawn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		i, token := r.invite(t, people.Share{Email: "ann@example.net", Role: access.Analyst})
		other, err := r.Keys.SignUp(t.Context(), operator, "Other", "other@example.com")
		if err != nil {
			t.Fatal(err)
		}
		wants(t, r.Withdraw(t.Context(), owner, other.Account.ID, i.ID), change.NotFound, "")
		if err := r.Withdraw(t.Context(), owner, r.up.Account.ID, i.ID); err != nil {
			t.Fatal(err)
		}
		_, err = r.Accept(t.Context(), token, nil, browser)
		wants(t, err, change.NotFound, "")
		if _, err := s.UserByEmail(t.Context(), "ann@example.net"); err == nil {
			t.Error("a withdrawn invitation made a user")
		}
		wants(t, r.Withdraw(t.Context(), owner, r.up.Account.ID, i.ID), change.NotFound, "")
	})
}

func TestAccountKeepsAnOwner(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		list, err := s.Accesses(t.Context(), r.scope, store.AccessFilter{})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		mine := list[0].ID
		_, err = r.ChangeAccess(t.Context(), owner, r.up.Account.ID, mine, access.Analyst)
		wants(t, err, change.NotAllowed, "Role")
		wants(t, r.RemoveAccess(t.Context(), owner, r.up.Account.ID, mine), change.NotAllowed, "Role")
		_, _, err = r.Give(t.Context(), owner, r.up.Account.ID, people.Share{Email: "owner@example.com", Role: access.Sender})
		wants(t, err, change.NotAllowed, "Role")

		other, err := r.Keys.SignUp(t.Context(), operator, "Other", "other@example.com")
		if err != nil {
			t.Fatal(err)
		}
		wants(t, r.RemoveAccess(t.Context(), owner, other.Account.ID, mine), change.NotFound, "")
		_, token := r.invite(t, people.Share{Email: "other@example.com", Role: access.Sender})
		if _, err := r.Accept(t.Context(), token, &other.User, browser); err != nil {
			t.Fatal(err)
		}
		given, invited, err := r.Give(t.Context(), owner, r.up.Account.ID, people.Share{Email: "other@example.com", Role: access.Owner})
		if err != nil || invited != nil || len(given) != 1 || given[0].Role != access.Owner {
			t.Fatalf("%v, %v, %v", given, invited, err)
		}
		if n := r.lastNotice(t); n.Kind != notice.AccessGiven || n.To[0] != "other@example.com" {
			t.Errorf("they are notified of %+v", n)
		}
		if err := r.RemoveAccess(t.Context(), owner, r.up.Account.ID, mine); err != nil {
			t.Errorf("with another owner: %v", err)
		}
		_, invited, err = r.Give(t.Context(), owner, r.up.Account.ID, people.Share{Email: "new@example.com", Role: access.Sender})
		if err != nil || invited == nil {
			t.Errorf("an unknown address is invited: %v, %v", invited, err)
		}
	})
}

func TestThePrimaryKeyIsNotSharedByItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		_, err := r.Invite(t.Context(), owner, r.up.Account.ID, people.Share{Email: "a@example.com", Role: access.Manager, KeyIDs: []int64{r.up.Key.ID}})
		wants(t, err, change.Invalid, "Keys")
	})
}
