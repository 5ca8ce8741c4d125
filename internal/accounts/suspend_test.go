// SPDX-License-Identifier: Apache-2.0

package accounts_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/people"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

var (
	operator = change.Actor{Kind: change.Operator, Name: "ops@example.com", Origin: "192.0.2.7"}
	from     = gate.Source{Addr: netip.MustParseAddr("127.0.0.1"), Protocol: "http"}
)

// world is an account with its master key and two more.
type world struct {
	*backend.Backend
	up        keys.SignedUp
	good, bad keys.Issued
}

func newWorld(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := &world{Backend: backendtest.New(t, backend.Config{Store: s})}
	var err error
	if w.up, err = w.Keys.SignUp(t.Context(), operator, "Acme", "owner@example.com"); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]*keys.Issued{"Good": &w.good, "Bad": &w.bad} {
		if *to, err = w.Keys.CreateSubaccount(t.Context(), operator, w.up.Account.ID, keys.NewKey{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) opens(x keys.Issued) bool {
	_, err := w.Gate.Verify(from, x.Key.APIKey, x.Secret)
	return err == nil
}

// TestSuspensionsOfKeyAndAccountAreTwo: in whatever order a key and its account are suspended, the key is again what it was by
// itself when its account is restored.
func TestSuspensionsOfKeyAndAccountAreTwo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		id, bad := w.up.Account.ID, store.KeyFilter{ID: w.bad.Key.ID}
		suspendKey := func() { must(w.Keys.Suspend(t.Context(), operator, bad, "Spam")) }
		suspendAccount := func() { must(w.Accounts.Suspend(t.Context(), operator, id, "Not paid")) }
		for name, order := range map[string][]func(){"key first": {suspendKey, suspendAccount}, "account first": {suspendAccount, suspendKey}} {
			for _, suspend := range order {
				suspend()
			}
			if w.opens(w.up.Issued) || w.opens(w.good) || w.opens(w.bad) {
				t.Errorf("%s: a key of a suspended account opens", name)
			}
			if _, err := w.Keys.Warm(t.Context()); err != nil || w.opens(w.good) {
				t.Errorf("%s: a restart opens a key of a suspended account: %v", name, err)
			}
			good := must(s.Key(t.Context(), store.OfOperator(), store.KeyFilter{ID: w.good.Key.ID}))
			if good.State != store.KeySuspended || good.StateReason != "the account is suspended: Not paid" || good.Own.State != store.KeyActive {
				t.Errorf("%s: %+v", name, good)
			}
			if n := must(w.Accounts.Restore(t.Context(), operator, id)); n != (accounts.KeysChanged{Changed: 2, Left: 1}) {
				t.Errorf("%s: restored %+v", name, n)
			}
			if !w.opens(w.up.Issued) || !w.opens(w.good) || w.opens(w.bad) {
				t.Errorf("%s: not every key is again what it was", name)
			}
			must(w.Keys.Restore(t.Context(), operator, bad))
			if !w.opens(w.bad) {
				t.Errorf("%s: a restored key does not open", name)
			}
		}
	})
}

// A key's restoration does not open it while its account is suspended, and a key that is suspended with its account alone is
// not restored by itself.
func TestAKeyIsNotRestoredPastItsAccount(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	id, bad := w.up.Account.ID, store.KeyFilter{ID: w.bad.Key.ID}
	must(w.Keys.Suspend(t.Context(), operator, bad, "Spam"))
	must(w.Accounts.Suspend(t.Context(), operator, id, "Not paid"))
	if k := must(w.Keys.Restore(t.Context(), operator, bad)); k.State != store.KeySuspended || w.opens(w.bad) {
		t.Errorf("a key of a suspended account was restored: %+v", k)
	}
	var e *change.Error
	if _, err := w.Keys.Restore(t.Context(), operator, bad); !errors.As(err, &e) || e.Kind != change.Conflict {
		t.Errorf("it was restored again: %v", err)
	}
	// Its owner changes nothing about that, and renames it without harm.
	if _, err := w.Keys.Change(t.Context(), operator, store.OfAccount(id), bad, keys.KeyChange{Active: new(true)}, 0); !errors.As(err, &e) || e.Kind != change.NotAllowed {
		t.Errorf("it was activated: %v", err)
	}
	must(w.Keys.Change(t.Context(), operator, store.OfAccount(id), bad, keys.KeyChange{Name: new("Renamed")}, 0))
	must(w.Accounts.Restore(t.Context(), operator, id))
	if !w.opens(w.bad) {
		t.Error("a key that was renamed in a suspended account stays suspended")
	}
}

// TestASuspendedAccountSendsNothingAndGrowsNot: whoever sends is refused in submit, and no keys are made.
func TestASuspendedAccountSendsNothingAndGrowsNot(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	id := w.up.Account.ID
	if err := w.Submit.MaySend(t.Context(), w.good.Key.ID); err != nil {
		t.Fatal(err)
	}
	must(w.Accounts.Suspend(t.Context(), operator, id, "Not paid"))
	var not *submit.Error
	if err := w.Submit.MaySend(t.Context(), w.good.Key.ID); !errors.As(err, &not) || not.Code != submit.KeyMayNotSend {
		t.Errorf("a key of a suspended account sends: %v", err)
	}
	var e *change.Error
	if _, err := w.Keys.CreateSubaccount(t.Context(), operator, id, keys.NewKey{Name: "New"}); !errors.As(err, &e) || e.Kind != change.NotAllowed {
		t.Errorf("a key is made in a suspended account: %v", err)
	}
	invite := people.Share{Email: "new@example.org", Role: access.Analyst, Days: 7}
	if _, err := w.People.Invite(t.Context(), operator, id, invite); !errors.As(err, &e) || e.Kind != change.NotAllowed {
		t.Errorf("a suspended account invites: %v", err)
	}
}

// Each suspension is in the audit log and told to the owners once, with its reason.
func TestASuspensionIsLoggedAndTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		id := w.up.Account.ID
		for _, reason := range []string{"", " ", strings.Repeat("x", 1001)} {
			var e *change.Error
			if _, err := w.Accounts.Suspend(t.Context(), operator, id, reason); !errors.As(err, &e) || e.Field != "Reason" {
				t.Errorf("a reason of %d bytes: %v", len(reason), err)
			}
		}
		for range 2 { // the second time nothing is different
			must(w.Accounts.Suspend(t.Context(), operator, id, "Not paid"))
		}
		must(w.Accounts.Suspend(t.Context(), operator, id, "Still not paid"))
		for range 2 {
			must(w.Accounts.Restore(t.Context(), operator, id))
		}
		var got []string
		for _, e := range must(s.AuditEntries(t.Context(), store.OfAccount(id), store.AuditFilter{}, store.Page{Limit: 100})) {
			got = append(got, e.Action+" "+e.Actor+" "+e.Detail)
		}
		if n := strings.Count(strings.Join(got, "\n"), "account.suspend operator ops@example.com with all its keys; reason: "); n != 2 {
			t.Errorf("%d suspensions in the log, want 2: %q", n, got)
		}
		if n := strings.Count(strings.Join(got, "\n"), "account.restore"); n != 1 {
			t.Errorf("%d restorations in the log, want 1: %q", n, got)
		}
		told := map[string]int{}
		for _, kept := range must(s.DueNotices(t.Context(), time.Now().Add(time.Hour), 100)) {
			n := must(w.Notices.Open(kept))
			told[n.Kind+": "+n.Reason]++
		}
		want := map[string]int{"account.suspended: Not paid": 1, "account.suspended: Still not paid": 1, "account.restored: ": 1}
		for what, n := range want {
			if told[what] != n {
				t.Errorf("told %v, want %v", told, want)
			}
		}
	})
}

// must is what came of a call that cannot fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
