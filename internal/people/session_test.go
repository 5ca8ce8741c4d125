// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"errors"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// TestSessionsEnd: a session ends 7 days after it was last seen and 30 days after signing in, when its browser signs in
// anew, and when the operator says so.
func TestSessionsEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		signIn := func(at people.Browser) string {
			t.Helper()
			session, _, err := r.SignIn(t.Context(), u.Email, password, at)
			if err != nil {
				t.Fatal(err)
			}
			return session
		}
		began := r.now
		used, idle := signIn(browser), signIn(browser)
		for day := 1; day < 30; day++ {
			r.now = began.Add(time.Duration(day) * 24 * time.Hour)
			if !r.signedIn(t, used) {
				t.Fatalf("a session that is used ends on day %d", day)
			}
		}
		if r.signedIn(t, idle) {
			t.Error("a session that nobody used goes on")
		}
		r.now = began.Add(people.SessionMost)
		if r.signedIn(t, used) {
			t.Error("a session goes on for more than 30 days")
		}

		first := signIn(browser)
		second := signIn(people.Browser{Address: here, Session: first})
		if r.signedIn(t, first) || !r.signedIn(t, second) {
			t.Error("the session that a browser had lives beside its new one")
		}

		third := signIn(browser)
		out, err := r.SignOutUser(t.Context(), operator, "OWNER@example.com")
		if err != nil || out.Email != u.Email || out.Sessions < 2 || r.signedIn(t, second) || r.signedIn(t, third) {
			t.Errorf("%+v, %v", out, err)
		}
		if log := r.audited(t); log[len(log)-1] != "user.session.end" {
			t.Errorf("audit log: %v", log)
		}
		_, err = r.SignOutUser(t.Context(), operator, "nobody@example.com")
		wants(t, err, change.NotFound, "Email")
	})
}

// TestASecondFactorIsRequired of operators, and of who may do something in an account whose policy says so.
func TestASecondFactorIsRequired(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		u := r.owner(t)
		session, _, err := r.SignIn(t.Context(), u.Email, password, browser)
		if err != nil {
			t.Fatal(err)
		}
		must := func() bool {
			t.Helper()
			in, err := r.Session(t.Context(), session)
			if err != nil {
				t.Fatal(err)
			}
			return in.MustAddFactor
		}
		require := func(on bool) {
			t.Helper()
			if _, err := r.Accounts.ChangeAccount(t.Context(), owner, r.up.Account.ID, accounts.AccountChange{SecondFactor: &on}); err != nil {
				t.Fatal(err)
			}
		}
		if must() {
			t.Error("required of everybody")
		}
		require(true)
		if !must() {
			t.Error("not required by the policy")
		}
		secret, _ := r.addApp(t, u)
		if must() {
			t.Error("who has one must set up another")
		}
		// The last is kept.
		err = r.RemoveTOTP(t.Context(), u, r.code(t, secret, 30*time.Second), here)
		wants(t, err, change.NotAllowed, "")
		require(false)
		r.now = r.now.Add(2 * time.Minute)
		if err := r.RemoveTOTP(t.Context(), u, r.code(t, secret, 0), here); err != nil || must() {
			t.Errorf("not required any more: %v", err)
		}
		if err := r.SetOperator(t.Context(), operator, u.Email, true); err != nil || !must() {
			t.Errorf("of operators it is always required: %v", err)
		}
	})
}

// TestInvitationsAreBounded by address, whoever invites, and by account.
func TestInvitationsAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		other, err := r.Keys.SignUp(t.Context(), operator, "Other", "other@example.com")
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		for i := range 30 {
			account := r.up.Account.ID
			if i%2 == 1 {
				account = other.Account.ID
			}
			_, _, err := r.Give(t.Context(), owner, account, people.Share{Email: "Victim@example.org", Role: access.Sender})
			var e *change.Error
			switch {
			case err == nil:
				sent++
			case !errors.As(err, &e) || e.Kind != change.TooOften || e.Field != "Email":
				t.Fatal(err)
			}
		}
		if sent != 5 {
			t.Errorf("%d invitations were mailed to one address within a day", sent)
		}
		if _, err := r.Invite(t.Context(), owner, r.up.Account.ID, people.Share{Email: "another@example.org", Role: access.Sender}); err != nil {
			t.Errorf("to another address: %v", err)
		}
	})
}

// TestPasswordsOfTheAccountAndTheServer are refused.
func TestPasswordsOfTheAccountAndTheServer(t *testing.T) {
	r := newRing(t, storetest.New(t))
	for _, bad := range []string{"Harbour12345", "Lighthouse2026!", "Postern12345", "admin12345!"} {
		_, err := r.SetPassword(t.Context(), r.up.User, "", bad, browser)
		wants(t, err, change.Invalid, "Password")
	}
}
