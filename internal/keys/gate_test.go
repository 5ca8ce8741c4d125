// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"context"
	"sync"
	"testing"

	"postern/internal/keys"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// A reset waits for the sessions of its own key alone: not for one of another key that commits a mail.
func TestAResetDoesNotWaitForAnotherKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		p, err := w.Gate.Verify(from, w.sub.Key.APIKey, w.sub.Secret)
		if err != nil {
			t.Fatal(err)
		}
		closing, committed := make(chan struct{}), make(chan struct{})
		if _, err := w.Gate.Bind(p, func(string) func() { close(closing); return func() { <-committed } }); err != nil {
			t.Fatal(err)
		}
		var slow sync.WaitGroup
		slow.Go(func() {
			if _, err := w.Keys.Reset(t.Context(), operator, w.scope, store.KeyFilter{ID: w.sub.Key.ID}, keys.Reset{}); err != nil {
				t.Error(err)
			}
		})
		<-closing
		within(t, "a reset of another key", func() {
			if _, err := w.Keys.Reset(t.Context(), operator, w.scope, store.KeyFilter{ID: w.up.Key.ID}, keys.Reset{}); err != nil {
				t.Error(err)
			}
		})
		if w.opens(w.up.Issued) {
			t.Error("the old secret opens after the reset")
		}
		close(committed)
		slow.Wait()
	})
}

// Many changes of one key at once: the gate ends up with the last that was committed, and each call's own old secret is
// dead when it returns.
func TestTheGateHasTheLastCommit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		f := store.KeyFilter{ID: w.sub.Key.ID}
		var mu sync.Mutex
		made := []keys.Issued{w.sub}
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				if i%4 == 3 {
					on := i%8 == 3
					if _, err := w.Keys.Change(t.Context(), operator, w.scope, f, keys.KeyChange{OverHourWaits: &on}, 0); err != nil {
						t.Error(err)
					}
					return
				}
				x, err := w.Keys.Reset(t.Context(), operator, w.scope, f, keys.Reset{})
				if err != nil || w.opens(w.sub) {
					t.Errorf("the old secret opens after a reset: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				made = append(made, x)
			})
		}
		all.Wait()
		key, err := s.Key(t.Context(), w.scope, f)
		if err != nil || len(key.Secrets) != 1 {
			t.Fatalf("%+v, %v", key.Secrets, err)
		}
		for _, x := range made {
			if live := x.Key.Secrets[0].ID == key.Secrets[0].ID; w.opens(x) != live {
				t.Errorf("secret %d opens: %v, and is live in the store: %v", x.Key.Secrets[0].ID, !live, live)
			}
		}
	})
}

// What a commit ended opens nothing, also when the store cannot be read after it: the key is closed until it can.
func TestAKeyThatCannotBeReadIsClosed(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	broken, cancel := context.WithCancel(t.Context())
	cancel()
	keys.Refresh(w.Keys, broken, w.sub.Key.ID, w.sub.Key.APIKey)
	if w.opens(w.sub) {
		t.Fatal("a key that cannot be read is open")
	}
	keys.RefreshClosed(w.Keys, t.Context())
	if !w.opens(w.sub) {
		t.Error("it stays closed though it can be read again")
	}
}
