// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/store"
)

var (
	operator = change.Actor{Kind: change.Operator, Origin: "command line"}
	from     = gate.Source{Addr: netip.MustParseAddr("127.0.0.1"), Protocol: "http"}
)

// world is a backend with a primary account and one subaccount.
type world struct {
	*backend.Backend
	up    keys.SignedUp
	sub   keys.Issued
	scope store.Scope // of the account
}

func newWorld(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := &world{Backend: backendtest.New(t, backend.Config{Store: s, Gate: gate.Config{Burst: 1 << 20}})}
	var err error
	if w.up, err = w.Keys.SignUp(t.Context(), operator, "Harbour", "owner@example.com"); err != nil {
		t.Fatal(err)
	}
	w.scope = store.OfAccount(w.up.Account.ID)
	if w.sub, err = w.Keys.CreateSubaccount(t.Context(), operator, w.up.Account.ID, keys.NewKey{Name: "Shop"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) opens(x keys.Issued) bool {
	_, err := w.Gate.Verify(from, x.Key.APIKey, x.Secret)
	return err == nil
}

// wants checks that err is a change.Error of a kind about a field.
func wants(t *testing.T, err error, kind change.ErrorKind, field string) {
	t.Helper()
	var e *change.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field {
		t.Errorf("error %v, want kind %d on %q", err, kind, field)
	}
}

// within fails the test when fn takes so long that it waits for something.
func within(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal(what + " waits")
	}
}
