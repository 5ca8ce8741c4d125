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
