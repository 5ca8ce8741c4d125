// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"testing"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// What restricts a master key is lifted neither by itself nor through a subaccount that it makes.
func TestAKeyGrantsNoMoreThanItHas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		master := store.KeyFilter{ID: w.up.Key.ID}
		itself := change.Actor{Kind: change.Key, ID: w.up.Key.ID, Name: w.up.Key.APIKey, Origin: "192.0.2.7"}
		few, all := access.MayManage|access.MayRead, access.AllPermissions
		if _, err := w.Keys.Change(t.Context(), operator, w.scope, master, keys.KeyChange{Permissions: &few, Networks: new("192.0.2.0/24")}, 0); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			c     keys.KeyChange
			field string
		}{
			{keys.KeyChange{Permissions: &all}, "Permissions"},
			{keys.KeyChange{Networks: new("")}, "Networks"},
			{keys.KeyChange{Networks: new("192.0.2.0/24 198.51.100.1")}, "Networks"},
		} {
			_, err := w.Keys.Change(t.Context(), itself, w.scope, master, x.c, w.up.Key.ID)
			wants(t, err, change.NotAllowed, x.field)
			_, err = w.Keys.CreateSubaccount(t.Context(), itself, w.up.Account.ID, keys.NewKey{Name: "Way round", Restrict: x.c})
			wants(t, err, change.NotAllowed, x.field)
		}
		made, err := w.Keys.CreateSubaccount(t.Context(), itself, w.up.Account.ID, keys.NewKey{Name: "Made"})
		if err != nil || made.Key.Permissions != int(few) || made.Key.Networks != "192.0.2.0/24" {
			t.Errorf("made %+v, %v", made.Key.Limits, err)
		}
		// What a subaccount has already stays, and it can be given less.
		if _, err := w.Keys.Change(t.Context(), itself, w.scope, store.KeyFilter{ID: w.sub.Key.ID}, keys.KeyChange{
			Permissions: &all, Networks: new("192.0.2.128/25"), HourLimit: new(int64(5)),
		}, w.up.Key.ID); err != nil {
			t.Error(err)
		}
	})
}

// A key does not shut itself out by a slip.
func TestAKeyDoesNotLockItselfOut(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	master := store.KeyFilter{ID: w.up.Key.ID}
	itself := change.Actor{Kind: change.Key, ID: w.up.Key.ID, Name: w.up.Key.APIKey, Origin: "192.0.2.7"}
	send := access.MaySend
	for field, c := range map[string]keys.KeyChange{"Permissions": {Permissions: &send}, "Networks": {Networks: new("198.51.100.0/24")}} {
		_, err := w.Keys.Change(t.Context(), itself, w.scope, master, c, w.up.Key.ID)
		wants(t, err, change.LockOut, field)
		if key, err := w.Store.Key(t.Context(), w.scope, master); err != nil || key.Permissions != store.AllPermissions || key.Networks != "" {
			t.Errorf("it is %+v after a refusal, %v", key.Limits, err)
		}
	}
	c := keys.KeyChange{Networks: new("198.51.100.0/24"), Confirm: true}
	if _, err := w.Keys.Change(t.Context(), itself, w.scope, master, c, w.up.Key.ID); err != nil {
		t.Error(err)
	}
}

// What the operator restricts of a key is loosened by nobody else: not by its account's people, not by the master key, not by
// the key itself. They make it tighter, and loosen that again.
func TestOnlyTheOperatorLoosensWhatTheyRestrict(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		sub, master := store.KeyFilter{ID: w.sub.Key.ID}, store.KeyFilter{ID: w.up.Key.ID}
		byMaster := change.Actor{Kind: change.Key, ID: w.up.Key.ID, Name: w.up.Key.APIKey, Origin: "192.0.2.7"}
		person := change.Actor{Kind: change.User, ID: w.up.User.ID, Name: w.up.User.Email, Origin: "192.0.2.7"}
		may, all := access.MayManage|access.MaySend, access.AllPermissions
		bound := keys.KeyChange{
			Permissions: &may, Networks: new("192.0.2.0/24"), AllowedSenders: new("shop.example a@b.example"),
			HourLimit: new(int64(10)), DayLimit: new(int64(20)), MonthLimit: new(int64(30)),
		}
		looser := []struct {
			field string
			c     keys.KeyChange
		}{
			{"Permissions", keys.KeyChange{Permissions: &all}},
			{"Networks", keys.KeyChange{Networks: new("")}},
			{"Networks", keys.KeyChange{Networks: new("192.0.2.0/23")}},
			{"AllowedSenders", keys.KeyChange{AllowedSenders: new("")}},
			{"AllowedSenders", keys.KeyChange{AllowedSenders: new("b.example")}},
			{"HourLimit", keys.KeyChange{HourLimit: new(int64(0))}},
			{"HourLimit", keys.KeyChange{HourLimit: new(int64(11))}},
			{"DayLimit", keys.KeyChange{DayLimit: new(int64(21))}},
			{"MonthLimit", keys.KeyChange{MonthLimit: new(int64(0))}},
		}
		alter := func(by change.Actor, f store.KeyFilter, c keys.KeyChange) error {
			self := int64(0)
			if by.Kind == change.Key {
				self = by.ID
			}
			_, err := w.Keys.Change(t.Context(), by, w.scope, f, c, self)
			return err
		}
		for _, f := range []store.KeyFilter{sub, master} {
			if err := alter(operator, f, bound); err != nil {
				t.Fatal(err)
			}
			key, err := w.Store.Key(t.Context(), w.scope, f)
			if err != nil || len(keys.Restricting(key.Bound)) != 6 {
				t.Fatalf("%+v, %v", key.Bound, err)
			}
			for _, by := range []change.Actor{person, byMaster} {
				for _, x := range looser {
					wants(t, alter(by, f, x.c), change.NotAllowed, x.field)
				}
			}
			// Tighter, and back.
			for _, c := range []keys.KeyChange{
				{HourLimit: new(int64(5)), Networks: new("192.0.2.7"), AllowedSenders: new("x@shop.example")},
				{HourLimit: new(int64(10)), Networks: new("192.0.2.0/24"), AllowedSenders: new("shop.example a@b.example"), Name: new("Renamed " + key.Name)},
			} {
				if err := alter(person, f, c); err != nil {
					t.Error(err)
				}
			}
			// The operator lifts one, and the others stay.
			if err := alter(operator, f, keys.KeyChange{HourLimit: new(int64(0))}); err != nil {
				t.Error(err)
			}
			if err := alter(person, f, keys.KeyChange{HourLimit: new(int64(1000))}); err != nil {
				t.Error(err)
			}
			wants(t, alter(person, f, keys.KeyChange{DayLimit: new(int64(0))}), change.NotAllowed, "DayLimit")
		}
	})
}

// A restriction of the account's becomes the operator's when they say the same.
func TestTheOperatorTakesOverARestriction(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	person := change.Actor{Kind: change.User, ID: w.up.User.ID, Name: w.up.User.Email}
	sub := store.KeyFilter{ID: w.sub.Key.ID}
	for _, by := range []change.Actor{person, operator} {
		if _, err := w.Keys.Change(t.Context(), by, w.scope, sub, keys.KeyChange{HourLimit: new(int64(10))}, 0); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Keys.Change(t.Context(), person, w.scope, sub, keys.KeyChange{HourLimit: new(int64(0))}, 0)
	wants(t, err, change.NotAllowed, "HourLimit")
}

// A subaccount that a key makes has the senders and limits of its maker at most.
func TestASubaccountHasNoMoreThanItsMaker(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	itself := change.Actor{Kind: change.Key, ID: w.up.Key.ID, Name: w.up.Key.APIKey, Origin: "192.0.2.7"}
	bound := keys.KeyChange{AllowedSenders: new("shop.example"), HourLimit: new(int64(10)), DayLimit: new(int64(20)), MonthLimit: new(int64(30))}
	if _, err := w.Keys.Change(t.Context(), operator, w.scope, store.KeyFilter{ID: w.up.Key.ID}, bound, 0); err != nil {
		t.Fatal(err)
	}
	for field, c := range map[string]keys.KeyChange{
		"AllowedSenders": {AllowedSenders: new("other.example")}, "HourLimit": {HourLimit: new(int64(0))},
		"DayLimit": {DayLimit: new(int64(21))}, "MonthLimit": {MonthLimit: new(int64(31))},
	} {
		_, err := w.Keys.CreateSubaccount(t.Context(), itself, w.up.Account.ID, keys.NewKey{Name: "Way round", Restrict: c})
		wants(t, err, change.NotAllowed, field)
	}
	made, err := w.Keys.CreateSubaccount(t.Context(), itself, w.up.Account.ID, keys.NewKey{Name: "Made", Restrict: keys.KeyChange{HourLimit: new(int64(5))}})
	if l := made.Key.Limits; err != nil || l.AllowedSenders != "*@shop.example" || l.HourLimit != 5 || l.DayLimit != 20 || l.MonthLimit != 30 {
		t.Errorf("made %+v, %v", l, err)
	}
}
