// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

func TestSecondFactors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		u, other := twoUsers(t, s)
		do := func(fn func(tx *store.Tx) error) error { return s.Update(t.Context(), fn) }
		if err := do(func(tx *store.Tx) error {
			return errors.Join(tx.AddTOTP(t.Context(), store.TOTP{UserID: u, Secret: []byte{0, 1}, LastStep: 7}),
				tx.PutRecoveryCodes(t.Context(), u, [][]byte{[]byte("a"), []byte("b")}), tx.PutRecoveryCodes(t.Context(), other, [][]byte{[]byte("a")}))
		}); err != nil {
			t.Fatal(err)
		}
		if err := do(func(tx *store.Tx) error { return tx.AddTOTP(t.Context(), store.TOTP{UserID: u, Secret: []byte{1}}) }); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second generator: %v", err)
		}
		for step, want := range map[int64]error{6: store.ErrNotFound, 7: store.ErrNotFound} {
			if err := do(func(tx *store.Tx) error { return tx.UseTOTP(t.Context(), u, step) }); !errors.Is(err, want) {
				t.Errorf("step %d: %v", step, err)
			}
		}
		if err := do(func(tx *store.Tx) error { return tx.UseTOTP(t.Context(), u, 8) }); err != nil {
			t.Error(err)
		}
		if got, err := s.TOTP(t.Context(), u); err != nil || got.LastStep != 8 || got.CreatedAt.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		use := func(user int64, code string) error {
			return do(func(tx *store.Tx) error { return tx.UseRecoveryCode(t.Context(), user, []byte(code)) })
		}
		if err := errors.Join(use(u, "a"), use(other, "a")); err != nil {
			t.Error(err)
		}
		if err := use(u, "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("used twice: %v", err)
		}
		if err := use(other, "b"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another's code: %v", err)
		}
		if n, err := s.RecoveryCodesLeft(t.Context(), u); n != 1 || err != nil {
			t.Error(n, err)
		}
		var any bool
		if err := do(func(tx *store.Tx) (err error) { any, err = tx.ForgetFactors(t.Context(), u); return err }); err != nil || !any {
			t.Error(any, err)
		}
		if err := do(func(tx *store.Tx) (err error) { any, err = tx.ForgetFactors(t.Context(), u); return err }); err != nil || any {
			t.Error(any, err)
		}
	})
}

func TestPasskeysAndIdentities(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		u, other := twoUsers(t, s)
		var p store.Passkey
		err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
			p, err = tx.AddPasskey(t.Context(), store.Passkey{UserID: u, CredentialID: []byte{0, 0xff}, Name: "Laptop", Data: "{}"})
			return errors.Join(err, tx.AddIdentity(t.Context(), store.Identity{Issuer: "https://id.example", Subject: "1", UserID: u}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.AddPasskey(t.Context(), store.Passkey{UserID: other, CredentialID: []byte{0, 0xff}, Name: "Stolen", Data: "{}"})
			return err
		}); !errors.Is(err, store.ErrExists) {
			t.Errorf("one credential of two users: %v", err)
		}
		if got, err := s.PasskeyByCredential(t.Context(), []byte{0, 0xff}); err != nil || got.ID != p.ID || got.UserID != u {
			t.Errorf("%+v, %v", got, err)
		}
		for i, want := range []error{nil, store.ErrNotFound} { // the second comes too late: the record was changed
			if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.UsePasskey(t.Context(), p.ID, "{}", `{"n":1}`) }); !errors.Is(err, want) {
				t.Errorf("use %d: %v", i, err)
			}
		}
		remove := func(user int64) error {
			return s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.RemovePasskey(t.Context(), user, p.ID); return err })
		}
		if err := remove(other); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another's passkey: %v", err)
		}
		if err := remove(u); err != nil {
			t.Error(err)
		}

		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.AddIdentity(t.Context(), store.Identity{Issuer: "https://id.example", Subject: "1", UserID: other})
		}); !errors.Is(err, store.ErrExists) {
			t.Errorf("one identity of two users: %v", err)
		}
		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			got, err := tx.UserByIdentity(t.Context(), "https://id.example", "1")
			if err == nil && got.ID != u {
				t.Errorf("it is user %d", got.ID)
			}
			_, missing := tx.UserByIdentity(t.Context(), "https://other.example", "1")
			if !errors.Is(missing, store.ErrNotFound) {
				t.Errorf("at another issuer: %v", missing)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		for user, want := range map[int64]bool{u: true, other: false} {
			if got, err := s.HasIdentity(t.Context(), user, "https://id.example"); got != want || err != nil {
				t.Errorf("user %d: %v, %v", user, got, err)
			}
		}
	})
}

func TestTokensAreCounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		token := []byte("token")
		use := func(digest []byte, ends time.Time) (n int64, err error) {
			err = s.Update(t.Context(), func(tx *store.Tx) error { n, err = tx.UseToken(t.Context(), digest, ends); return err })
			return n, err
		}
		for want := int64(1); want <= 2; want++ {
			if n, err := use(token, time.Now().Add(time.Hour)); n != want || err != nil {
				t.Errorf("use %d counts as %d, %v", want, n, err)
			}
		}
		for i, want := range []error{nil, store.ErrNotFound} {
			if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SpendToken(t.Context(), token, 5) }); !errors.Is(err, want) {
				t.Errorf("spent %d times: %v", i+1, err)
			}
		}
		if n, err := use([]byte("old"), time.Now().Add(-2*time.Hour)); n != 1 || err != nil {
			t.Error(n, err)
		}
		if n, err := use([]byte("old"), time.Now().Add(-2*time.Hour)); n != 1 || err != nil { // forgotten meanwhile
			t.Error(n, err)
		}
	})
}

// twoUsers makes two users of an account.
func twoUsers(t *testing.T, s *store.Store) (first, second int64) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "Harbour")
		if err != nil {
			return err
		}
		for id, email := range map[*int64]string{&first: "a@example.com", &second: "b@example.com"} {
			u, err := tx.AddUser(t.Context(), store.User{AccountID: a.ID, Email: email})
			if err != nil {
				return err
			}
			*id = u.ID
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return first, second
}
