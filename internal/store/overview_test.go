// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

func TestAccountsAsTheOperatorListsThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx, now := t.Context(), time.Now().UTC()
		var acme, other store.Account
		var master store.Key
		must(t, s.Update(ctx, func(tx *store.Tx) error {
			plan, err := tx.AddPlan(ctx, store.Plan{Name: "Team"})
			if err != nil {
				return err
			}
			if acme, err = tx.AddAccount(ctx, "Acme 100%"); err != nil {
				return err
			}
			acme.PlanID = plan
			if err := tx.ChangeAccount(ctx, acme); err != nil {
				return err
			}
			if other, err = tx.AddAccount(ctx, "Other"); err != nil {
				return err
			}
			if _, err := tx.AddSystemAccount(ctx, "Acme's system"); err != nil {
				return err
			}
			for i, k := range []store.Key{{Name: "a", Master: true}, {Name: "b"}, {Name: "c", State: store.KeySuspended}, {Name: "gone"}} {
				k.AccountID, k.APIKey = acme.ID, fmt.Sprintf("%032x", 0xabc00+i)
				if k.State == "" {
					k.State = store.KeyActive
				}
				made, err := tx.AddKey(ctx, k)
				if err != nil {
					return err
				}
				if k.Master {
					master = made
				}
				if k.Name == "gone" {
					if err := tx.DeleteKey(ctx, made, false); err != nil {
						return err
					}
				}
			}
			for i, email := range []string{"z@acme.example", "a@acme.example", "reader@acme.example"} {
				u, err := tx.AddUser(ctx, store.User{AccountID: acme.ID, Email: email})
				if err != nil {
					return err
				}
				if err := tx.PutAccess(ctx, u.ID, acme.ID, 0, []string{"owner", "owner", "analyst"}[i]); err != nil {
					return err
				}
			}
			return nil
		}))
		list, total, err := s.AccountOverviews(ctx, "", now, store.Page{})
		must(t, err)
		if total != 2 || len(list) != 2 {
			t.Fatalf("%d accounts, %d in all", len(list), total)
		}
		a, b := list[0], list[1]
		if a.ID != acme.ID || a.PlanName != "Team" || a.Subaccounts != 2 || a.Closed != 1 || a.Month != 0 || strings.Join(a.Owners, " ") != "a@acme.example z@acme.example" {
			t.Errorf("the first is %+v", a)
		}
		if b.ID != other.ID || b.PlanName != "" || b.Subaccounts != 0 || len(b.Owners) != 0 {
			t.Errorf("the second is %+v", b)
		}
		for search, want := range map[string]int{"acme": 1, "100%": 1, "1_0": 0, "Z@ACME": 1, "reader@": 0, fmt.Sprintf("%032x", 0xabc01)[:30]: 1, "bc01": 0, "oth": 1} {
			if _, n, err := s.AccountOverviews(ctx, search, now, store.Page{}); err != nil || n != want {
				t.Errorf("%q finds %d, %v; want %d", search, n, err, want)
			}
		}
		if list, total, err := s.AccountOverviews(ctx, "", now, store.Page{Limit: 1, Offset: 1}); err != nil || total != 2 || len(list) != 1 || list[0].ID != other.ID {
			t.Errorf("the second page is %+v of %d, %v", list, total, err)
		}

		use, err := s.AccountUsage(ctx, acme.ID, now)
		must(t, err)
		if use != (store.AccountUsage{Subaccounts: 2, People: 3}) {
			t.Errorf("it uses %+v", use)
		}
		accept(t, s, submission(master, "b@example.net", "c@example.net"))
		now = time.Now()
		if use, err = s.AccountUsage(ctx, acme.ID, now); err != nil || use.Month != 2 || use.Hour != 2 {
			t.Errorf("it uses %+v, %v", use, err)
		}
		if list, _, err := s.AccountOverviews(ctx, "", now, store.Page{}); err != nil || list[0].Month != 2 || list[1].Month != 0 {
			t.Errorf("this month: %+v, %v", list, err)
		}
		next := now.AddDate(0, 1, 5)
		if list, _, err := s.AccountOverviews(ctx, "", next, store.Page{}); err != nil || list[0].Month != 0 {
			t.Errorf("next month: %+v, %v", list, err)
		}
	})
}

func TestAuditEntriesInBothDirections(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var a store.Account
		must(t, s.Update(ctx, func(tx *store.Tx) (err error) {
			if a, err = tx.AddAccount(ctx, "Acme"); err != nil {
				return err
			}
			for i := range 9 {
				if err := tx.AddAudit(ctx, audit.Entry{AccountID: a.ID, Actor: "x", Action: "key.change", Target: fmt.Sprint("key ", i)}); err != nil {
					return err
				}
			}
			return tx.AddAudit(ctx, audit.Entry{Actor: "operator", Action: "plan.create", Target: "plan x"})
		}))
		ids := func(scope store.Scope, f store.AuditFilter, p store.Page) string {
			t.Helper()
			list, err := s.AuditEntries(ctx, scope, f, p)
			must(t, err)
			var out []string
			for _, e := range list {
				out = append(out, fmt.Sprint(e.ID))
			}
			return strings.Join(out, " ")
		}
		for _, c := range []struct {
			scope store.Scope
			f     store.AuditFilter
			p     store.Page
			want  string
		}{
			{store.OfAccount(a.ID), store.AuditFilter{}, store.Page{Limit: 3, Desc: true}, "9 8 7"},
			{store.OfAccount(a.ID), store.AuditFilter{Below: 7}, store.Page{Limit: 3, Desc: true}, "6 5 4"},
			{store.OfAccount(a.ID), store.AuditFilter{Above: 4}, store.Page{Limit: 3}, "5 6 7"},
			{store.OfAccount(a.ID), store.AuditFilter{Above: 4, Below: 6}, store.Page{}, "5"},
			{store.OfOperator(), store.AuditFilter{Action: "plan."}, store.Page{}, "10"},
			{store.OfKeys(a.ID, []int64{1}), store.AuditFilter{}, store.Page{}, ""},
			{store.Scope{}, store.AuditFilter{}, store.Page{}, ""},
		} {
			if got := ids(c.scope, c.f, c.p); got != c.want {
				t.Errorf("%+v %+v: %s, want %s", c.f, c.p, got, c.want)
			}
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
