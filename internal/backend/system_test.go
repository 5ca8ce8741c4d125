// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// auditOf lists action and target of the entries whose action begins with prefix, oldest first.
func (r *ring) auditOf(t *testing.T, prefix string) []string {
	t.Helper()
	entries, err := r.store.Audit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Action, prefix) {
			out = append(out, e.Action+" "+e.Target)
		}
	}
	return out
}

// TestTheSystemsKey sends Postern's own mail, and nothing opens it.
func TestTheSystemsKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		key, err := r.System(t.Context(), "postern@example.com")
		if err != nil || key.Name != keys.SystemName || key.State != store.KeyActive {
			t.Fatalf("%+v, %v", key, err)
		}
		for _, from := range []string{"postern@example.com", "Postern@EXAMPLE.com", "ops@example.org"} {
			again, err := r.System(t.Context(), from)
			if err != nil || again.ID != key.ID {
				t.Errorf("%+v, %v", again, err)
			}
		}
		senders, err := s.KeySenders(t.Context(), key.ID)
		if err != nil || len(senders) != 1 || senders[0].Email != "ops@example.org" {
			t.Errorf("senders %+v, %v", senders, err)
		}
		_, err = r.System(t.Context(), "nobody")
		wants(t, err, change.Invalid, "Email")

		_, err = r.Reset(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: key.ID}, keys.Reset{})
		wants(t, err, change.NotFound, "")
		digest := make([]byte, 32)
		err = s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.AddSecret(t.Context(), key.ID, digest, "x")
			return err
		})
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the system's key has a secret: %v", err)
		}
		if _, err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"", credential.NewSecret()} {
			if r.opens(key.APIKey, secret) {
				t.Errorf("%q opens the system's key", secret)
			}
		}
		accounts, err := s.Accounts(t.Context())
		if err != nil || len(accounts) != 1 {
			t.Errorf("%+v, %v", accounts, err)
		}
		keys, total, err := s.Keys(t.Context(), store.OfOperator(), store.KeyFilter{}, store.Page{})
		if err != nil || total != 1 || keys[0].ID == key.ID {
			t.Errorf("%+v, %v", keys, err)
		}
		if log := strings.Join(r.auditOf(t, "account.create"), "; "); log != "account.create account Harbour; account.create account Postern" {
			t.Error(log)
		}
		if log := r.auditOf(t, "sender.add"); len(log) != 2 {
			t.Error(log)
		}
	})
}

// TestRemind: each secret is told of once when it is due and once when it is overdue, by its account's own policy.
func TestRemind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		days, before, stop := 30, 7, true
		if _, err := r.ChangeAccount(t.Context(), operator, r.up.Account.ID, accounts.AccountChange{SecretDays: &days, RemindDays: &before, StopOverdue: &stop}); err != nil {
			t.Fatal(err)
		}
		other, err := r.SignUp(t.Context(), operator, "Other", "other@example.com") // 90 days
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			for i := range 120 { // more than are read at a time
				k, err := tx.AddKey(t.Context(), store.Key{AccountID: other.Account.ID, APIKey: credential.NewAPIKey().String(), Name: strings.Repeat("k", 1+i%90) + string(rune('a'+i/90)), State: store.KeyActive})
				if err != nil {
					return err
				}
				digest := sha256.Sum256([]byte(k.APIKey))
				if _, err := tx.AddSecret(t.Context(), k.ID, digest[:], "x"); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		const day = 24 * time.Hour
		made := r.up.Key.Secrets[0].CreatedAt
		for _, x := range []struct {
			after time.Duration
			n     int
		}{
			{23*day - time.Microsecond, 0}, {23 * day, 1}, {23 * day, 0}, {30 * day, 0}, {30*day + time.Microsecond + 500*time.Nanosecond, 1}, {31 * day, 0}, {80 * day, 121}, {81 * day, 0}, {400 * day, 121}, {401 * day, 0},
		} {
			n, err := r.Remind(t.Context(), made.Add(x.after))
			if err != nil || n != x.n {
				t.Fatalf("after %v: %d notices, want %d, %v", x.after, n, x.n, err)
			}
		}
		due, err := s.DueNotices(t.Context(), time.Now().Add(time.Minute), 2)
		if err != nil || len(due) != 2 {
			t.Fatal(due, err)
		}
		first, err := r.notices.Open(due[0])
		if err != nil || first.Kind != notice.CredentialDue || first.Days != 7 || !first.Stops || !first.Until.Equal(made.Add(30*day)) || first.KeyID != r.up.Key.ID || first.AccountName != "Harbour" {
			t.Errorf("%+v, %v", first, err)
		}
		second, err := r.notices.Open(due[1])
		if err != nil || second.Kind != notice.CredentialOverdue || second.Days != 0 || !second.Stops {
			t.Errorf("%+v, %v", second, err)
		}
	})
}
