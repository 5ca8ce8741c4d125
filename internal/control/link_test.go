// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"postern/internal/change"

	"postern/internal/access"
	"postern/internal/control"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/keyring"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// TestALinkForWhoHasLostEverything: the plain link stands for the password alone and asks for the second factor, the
// other forgets it. Both are made for who has but a single key shared with him.
func TestALinkForWhoHasLostEverything(t *testing.T) {
	key := credential.NewServerKey()
	digester, err := credential.NewDigester(key)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	st := storetest.New(t)
	ring, err := keyring.New(keyring.Config{Store: st, Gate: gate.New(gate.Config{Digester: digester}), Digester: digester, ServerKey: key, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	d := control.Local(control.New(control.Config{
		Store: st, Keyring: ring, Submit: submit.New(st, func() {}, log), SignInURL: func(token string) string { return "http://x/" + token }, Log: log,
	}))
	up, err := ring.SignUp(t.Context(), change.Actor{Kind: change.Operator}, "Acme", "owner@example.com")
	if err != nil {
		t.Fatal(err)
	}
	err = st.Update(t.Context(), func(tx *store.Tx) error {
		u, err := tx.AddUser(t.Context(), store.User{AccountID: up.Account.ID, Email: "guest@example.com"})
		return errors.Join(err, tx.PutAccess(t.Context(), u.ID, up.Account.ID, up.Key.ID, access.Sender),
			tx.AddTOTP(t.Context(), store.TOTP{UserID: u.ID, Secret: []byte("sealed")}))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, forget := range []bool{false, true} {
		var l control.Link
		if err := d.Post(t.Context(), "/sign-in-links", control.NewLink{Email: "Guest@example.com", ForgetsSecondFactor: forget}, &l); err != nil {
			t.Fatal(err)
		}
		session, _, err := ring.UseSignInLink(t.Context(), strings.TrimPrefix(l.SignInURL, "http://x/"), netip.Addr{}, "")
		var step *keyring.SecondStep
		if forget && (err != nil || session == "") || !forget && !errors.As(err, &step) {
			t.Errorf("forgets the second factor: %v; session %q, %v", forget, session, err)
		}
	}
}
