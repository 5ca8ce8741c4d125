// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"errors"
	"testing"

	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// TestTrialSaysWhatAnImportWouldAndChangesNothing: of each pair the trial and the import say the same.
func TestTrialSaysWhatAnImportWouldAndChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		account := r.up.Account.ID
		good := keys.NewKey{Name: "Shop", Reference: "c1", APIKey: "00112233445566778899aabbccddeeff", Secret: "f0e1d2c3b4a5968778695a4b3c2d1e0f"}
		if err := r.TrySubaccount(t.Context(), account, good, 0); err != nil {
			t.Fatal(err)
		}
		if _, n, err := s.Keys(t.Context(), r.scope, store.KeyFilter{}, store.Page{}); err != nil || n != 1 {
			t.Fatalf("%d keys after a trial, %v", n, err)
		}
		if r.opens(good.APIKey, good.Secret) {
			t.Fatal("a pair that was only tried opens the gate")
		}
		before, _, err := s.AuditHead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.CreateSubaccount(t.Context(), operator, account, good); err != nil {
			t.Fatal(err)
		}
		if after, _, err := s.AuditHead(t.Context()); err != nil || after != before+1 {
			t.Errorf("the log went from %d to %d, %v", before, after, err)
		}
		for what, spoil := range map[string]func(*keys.NewKey){
			"a name that is taken":         func(n *keys.NewKey) { n.Name = "Shop" },
			"a reference that is taken":    func(n *keys.NewKey) { n.Reference = "c1" },
			"an API key that is taken":     func(n *keys.NewKey) { n.APIKey = good.APIKey },
			"a secret that is taken":       func(n *keys.NewKey) { n.Secret = good.Secret },
			"no name":                      func(n *keys.NewKey) { n.Name = " " },
			"a reference with a slash":     func(n *keys.NewKey) { n.Reference = "a/b" },
			"an API key that is none":      func(n *keys.NewKey) { n.APIKey = "x" },
			"a secret that can be guessed": func(n *keys.NewKey) { n.Secret = "secret" },
		} {
			n := keys.NewKey{Name: "Other", Reference: "c2", APIKey: "ffeeddccbbaa99887766554433221100", Secret: "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
			spoil(&n)
			tried := r.TrySubaccount(t.Context(), account, n, 0)
			_, made := r.CreateSubaccount(t.Context(), operator, account, n)
			var a, b *change.Error
			if !errors.As(tried, &a) || !errors.As(made, &b) || *a != *b {
				t.Errorf("%s: the trial says %v, the import %v", what, tried, made)
			}
		}

		// The plan counts those that are to be made before.
		plan, err := r.PutPlan(t.Context(), operator, store.Plan{Name: "Three", Subaccounts: 3})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.AssignPlan(t.Context(), operator, account, plan.ID); err != nil {
			t.Fatal(err)
		}
		other := keys.NewKey{Name: "Other", APIKey: "ffeeddccbbaa99887766554433221100", Secret: "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
		if err := r.TrySubaccount(t.Context(), account, other, 1); err != nil {
			t.Errorf("the third of three: %v", err)
		}
		wants(t, r.TrySubaccount(t.Context(), account, other, 2), change.LimitReached, "Subaccounts")
	})
}
