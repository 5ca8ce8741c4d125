// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"postern/internal/access"
	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/control"
	"postern/internal/people"
	"postern/internal/store"
)

// TestALinkForWhoHasLostEverything: the plain link stands for the password alone and asks for the second factor, the
// other forgets it. Both are made for who has but a single key shared with him.
func TestALinkForWhoHasLostEverything(t *testing.T) {
	b := backendtest.New(t, backend.Config{})
	d := control.Local(control.New(control.Config{Backend: b, SignInURL: func(token string) string { return "http://x/" + token }}), slog.New(slog.DiscardHandler))
	up, err := b.Keys.SignUp(t.Context(), change.Actor{Kind: change.Operator}, "Acme", "owner@example.com")
	if err != nil {
		t.Fatal(err)
	}
	err = b.Store.Update(t.Context(), func(tx *store.Tx) error {
		u, err := tx.AddUser(t.Context(), store.User{AccountID: up.Account.ID, Email: "guest@example.com"})
		return errors.Join(err, tx.PutAccess(t.Context(), u.ID, up.Account.ID, up.Key.ID, access.Sender),
			tx.AddTOTP(t.Context(), store.TOTP{UserID: u.ID, Secret: []byte("sealed")}))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, forget := range []bool{false, true} {
		l := ok(d.CreateSignInLink(t.Context(), "Guest@example.com", forget))
		session, _, err := b.People.UseSignInLink(t.Context(), strings.TrimPrefix(l.SignInURL, "http://x/"), people.Browser{})
		var step *people.SecondStep
		if forget && (err != nil || session == "") || !forget && !errors.As(err, &step) {
			t.Errorf("forgets the second factor: %v; session %q, %v", forget, session, err)
		}
	}
}
