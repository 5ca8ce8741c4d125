// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"slices"
	"testing"
	"time"

	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// age makes the newest secret of a key older.
func (w *world) age(t *testing.T, keyID int64, by time.Duration) {
	t.Helper()
	key, err := w.Store.Key(t.Context(), w.scope, store.KeyFilter{ID: keyID})
	if err != nil {
		t.Fatal(err)
	}
	x := key.Secrets[0]
	if err := w.Store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.BackdateSecret(t.Context(), x.ID, x.CreatedAt.Add(-by))
	}); err != nil {
		t.Fatal(err)
	}
}

// A secret is due where it authenticates somebody and does not end by itself, and there alone: a key, the listings and the
// count for metrics say the same.
func TestWhoseSecretIsDue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		f := store.KeyFilter{ID: w.sub.Key.ID}
		says := func(when string, due, overdue bool) {
			t.Helper()
			x, err := w.Keys.Key(t.Context(), w.scope, f)
			if err != nil {
				t.Fatal(err)
			}
			isDue := slices.ContainsFunc(x.Secrets, func(x keys.Secret) bool { return x.Due })
			isOverdue := slices.ContainsFunc(x.Secrets, func(x keys.Secret) bool { return x.Overdue })
			now := time.Now()
			listed, err := w.Keys.Count(t.Context(), w.scope, store.KeyFilter{DueAt: now})
			if err != nil {
				t.Fatal(err)
			}
			late, err := w.Keys.Count(t.Context(), store.OfOperator(), store.KeyFilter{OverdueAt: now})
			if err != nil {
				t.Fatal(err)
			}
			n, m, err := s.CountAged(t.Context(), now)
			if err != nil || isDue != due || isOverdue != overdue || (listed == 1) != due || (late == 1) != overdue || (n == 1) != due || (m == 1) != overdue {
				t.Errorf("%s: due %v, overdue %v; listed %d and %d, counted %d and %d; %v", when, isDue, isOverdue, listed, late, n, m, err)
			}
		}
		says("new", false, false)
		w.age(t, w.sub.Key.ID, 80*24*time.Hour)
		says("80 days old", true, false)
		w.age(t, w.sub.Key.ID, 20*24*time.Hour)
		says("100 days old", true, true)
		for _, on := range []bool{false, true} {
			if _, err := w.Keys.Change(t.Context(), operator, w.scope, f, keys.KeyChange{Active: &on}, 0); err != nil {
				t.Fatal(err)
			}
			says("deactivated, and active again", on, on)
		}
		if _, err := w.Keys.Reset(t.Context(), operator, w.scope, f, keys.Reset{Overlap: time.Hour}); err != nil {
			t.Fatal(err)
		}
		says("the old one of an overlap", false, false)
	})
}

// A suggestion holds what used secrets that have ended since; whom networks would shut out are those who use live ones.
func TestNetworksFromUse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		f := store.KeyFilter{ID: w.sub.Key.ID}
		use := func(key store.Key, protocol, address string, ago time.Duration) {
			t.Helper()
			at := time.Now().Add(-ago)
			if err := w.Keys.NoteUses(t.Context(), []gate.Use{{SecretID: key.Secrets[0].ID, Protocol: protocol, Address: address, First: at, Last: at, Count: 1}}); err != nil {
				t.Fatal(err)
			}
		}
		use(w.sub.Key, "http", "192.0.2.7", time.Hour)
		x, err := w.Keys.Reset(t.Context(), operator, w.scope, f, keys.Reset{})
		if err != nil {
			t.Fatal(err)
		}
		use(x.Key, "smtp", "198.51.100.9", 6*24*time.Hour)
		use(x.Key, "http", "", 8*24*time.Hour)
		got, err := w.Keys.Suggest(t.Context(), x.Key)
		if err != nil || got.Addresses != 2 || got.Unknown != 1 || !slices.Equal(got.Networks, []string{"192.0.2.7", "198.51.100.9"}) {
			t.Errorf("suggested %+v, %v", got, err)
		}
		shut, err := w.Keys.ShutOut(t.Context(), x.Key, keys.KeyChange{Networks: new("192.0.2.0/24")})
		if err != nil || len(shut) != 1 || shut[0].Address != "198.51.100.9" {
			t.Errorf("shut out %+v, %v", shut, err)
		}
	})
}

// What people type for a key.
func TestFind(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	mk := func(name, reference string) store.Key {
		x, err := w.Keys.CreateSubaccount(t.Context(), operator, w.up.Account.ID, keys.NewKey{Name: name, Reference: reference})
		if err != nil {
			t.Fatal(err)
		}
		return x.Key
	}
	number, ref := mk("2", "News"), mk("News", "2")
	for text, want := range map[string]int64{
		w.sub.Key.APIKey: w.sub.Key.ID, "Shop": w.sub.Key.ID, "2": number.ID, "ref:2": ref.ID, "News": ref.ID, "ref:News": number.ID, "1": w.up.Key.ID,
	} {
		if got, err := w.Keys.Find(t.Context(), w.scope, text); err != nil || got.ID != want {
			t.Errorf("%q is key %d, %v; want %d", text, got.ID, err, want)
		}
	}
	for text, kind := range map[string]change.ErrorKind{"": change.Invalid, "ref:": change.Invalid, "0": change.NotFound, "99999999999999999999": change.NotFound, "nobody": change.NotFound} {
		_, err := w.Keys.Find(t.Context(), w.scope, text)
		wants(t, err, kind, "Key")
	}
}
