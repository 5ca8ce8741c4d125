// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// The canonical form is made on both engines; of two entries for one mailbox the stronger stays.
func TestFillCanonical(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var k store.Key
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			a, err := tx.AddAccount(t.Context(), "one")
			if err != nil {
				return err
			}
			if k, err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: "0123456789abcdef0123456789abcdef", Name: "one", Master: true, State: store.KeyActive}); err != nil {
				return err
			}
			for _, email := range []string{`"news"@example.com`, `"*"@freemail.example`, "Plain@example.com"} {
				if _, err := tx.PutSender(t.Context(), store.Sender{KeyID: k.ID, Email: email, Domain: "example.com", Status: store.SenderActive}); err != nil {
					return err
				}
			}
			_, err = tx.AddSuppressions(t.Context(), k, []store.Suppression{
				{Email: `"alone"@example.org`, Reason: store.SuppressedUnsub},
				{Email: "two@example.org", Reason: store.SuppressedBounce},
				{Email: `"two"@example.org`, Reason: store.SuppressedComplaint},
				{Email: "jo\u0308rg@example.org", Reason: store.SuppressedManual},
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			if err := s.FillCanonical(t.Context()); err != nil {
				t.Fatal(err)
			}
			list, err := s.Suppressions(t.Context(), store.OfOperator(), store.SuppressionFilter{}, store.Page{})
			got := map[string]store.SuppressionReason{}
			for _, x := range list {
				got[x.Email] = x.Reason
			}
			want := map[string]store.SuppressionReason{"alone@example.org": store.SuppressedUnsub, "two@example.org": store.SuppressedComplaint, "jörg@example.org": store.SuppressedManual}
			if err != nil || !maps.Equal(got, want) {
				t.Errorf("the list is %v, %v; want %v", got, err, want)
			}
			senders, err := s.KeySenders(t.Context(), k.ID)
			var emails []string
			for _, x := range senders {
				emails = append(emails, x.Email)
			}
			slices.Sort(emails)
			if fmt.Sprint(emails) != `["*"@freemail.example Plain@example.com news@example.com]` {
				t.Errorf("senders %v, %v", emails, err)
			}
		}
		if _, err := s.Suppression(t.Context(), store.OfOperator(), store.SuppressionFilter{Email: `"\two"@EXAMPLE.org`}); err != nil {
			t.Errorf("looked up by another spelling: %v", err)
		}
	})
}
