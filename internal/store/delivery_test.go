// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// webhookOf gives a key a hook for what was sent, or a backup of it.
func webhookOf(t *testing.T, s *store.Store, k store.Key, backup bool) (id int64) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		url := fmt.Sprintf("%d %v", k.ID, backup)
		receiver, err := tx.PutEndpoint(t.Context(), store.Owner{AccountID: k.AccountID, KeyID: k.ID}, []byte(url), []byte(url), "token")
		if err != nil {
			return err
		}
		id, err = tx.AddWebhook(t.Context(), store.Webhook{Owner: store.Owner{AccountID: k.AccountID, KeyID: k.ID}, EndpointID: receiver, Type: store.EventSent, Backup: backup, Version: 1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sends sends n messages of a key.
func sends(t *testing.T, s *store.Store, k store.Key, n int) {
	t.Helper()
	x := &store.Submission{AccountID: k.AccountID, KeyID: k.ID, Source: "http", Body: store.NewBody([]byte("Subject: x\r\n\r\nx")), Lifetime: time.Hour}
	for i := range n {
		x.Recipients = append(x.Recipients, store.Recipient{Email: fmt.Sprintf("r%d@example.net", i), Domain: "example.net"})
	}
	if err := s.Accept(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	got, err := s.Claim(t.Context(), store.MainLane, "test", now, now.Add(time.Minute), n)
	if err != nil || len(got) != n {
		t.Fatal(len(got), err)
	}
	var done []store.Completion
	for _, c := range got {
		done = append(done, store.Completion{Claimed: c, Owner: "test", Result: store.CompletedSent, At: now})
	}
	if err := s.Complete(t.Context(), done); err != nil {
		t.Fatal(err)
	}
}

// TestWaiting: of each hook what waits for it, up to the limit; of another account's nothing; for more IDs than a
// statement has parameters.
func TestWaiting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		one, two := newKey(t, s, "one"), newKey(t, s, "two")
		sub := subaccountOf(t, s, one, "sub")
		mine, backup, subs, theirs := webhookOf(t, s, one, false), webhookOf(t, s, one, true), webhookOf(t, s, sub, false), webhookOf(t, s, two, false)
		sends(t, s, one, 5)
		sends(t, s, sub, 2)
		sends(t, s, two, 3)
		ids := []int64{theirs, subs, mine, subs}
		for n := range int64(70_000) {
			ids = append(ids, 1_000_000+n)
		}
		ids = append(ids, backup)
		for _, c := range []struct {
			scope store.Scope
			want  string
		}{
			{store.OfOperator(), fmt.Sprint(map[int64]int{mine: 4, subs: 2, theirs: 3})},
			{store.OfAccount(one.AccountID), fmt.Sprint(map[int64]int{mine: 4, subs: 2})},
			{store.OfKey(one.AccountID, sub.ID), fmt.Sprint(map[int64]int{subs: 2})},
		} {
			got, err := s.Waiting(t.Context(), c.scope, ids, 4)
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("%v, %v, want %s", got, err, c.want)
			}
		}
		if got, err := s.Waiting(t.Context(), store.OfOperator(), nil, 4); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	})
}
