// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"fmt"
	"testing"
	"time"

	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhooks"
)

// TestALongBacklogGoesToANewURL: in parts, and nothing is left behind. To the URL of the hook's own backup nothing goes.
func TestALongBacklogGoesToANewURL(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const many = 5300
		r := newRing(t, s)
		ctx, key := t.Context(), r.up.Key
		set := func(url string, backup bool) store.Hook {
			t.Helper()
			list, err := r.SetHooks(ctx, operator, r.scope, store.KeyFilter{ID: key.ID}, webhooks.HookSet{URL: url, Types: []store.EventType{store.EventSent}, Backup: backup})
			if err != nil {
				t.Fatal(err)
			}
			return list[0].Hook
		}
		h := set("https://old.example.com/", false)
		set("https://backup.example.com/", true)
		x := &store.Submission{AccountID: key.AccountID, KeyID: key.ID, Source: "http", Body: store.NewBody([]byte("Subject: x\r\n\r\nx")), Lifetime: time.Hour}
		for i := range many {
			x.Recipients = append(x.Recipients, store.Recipient{Email: fmt.Sprintf("r%d@example.net", i), Domain: "example.net"})
		}
		if err := s.Accept(ctx, x); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		got, err := s.Claim(ctx, store.MainLane, "test", now, now.Add(time.Minute), many)
		if err != nil || len(got) != many {
			t.Fatal(len(got), err)
		}
		var done []store.Completion
		for _, c := range got {
			done = append(done, store.Completion{Claimed: c, Owner: "test", Result: store.CompletedSent, At: now})
		}
		if err := s.Complete(ctx, done); err != nil {
			t.Fatal(err)
		}
		waits := func(h store.Hook) int {
			t.Helper()
			due, err := s.DueHookEvents(ctx, h.ReceiverID, time.Now().Add(time.Hour), 10*many)
			if err != nil {
				t.Fatal(err)
			}
			return len(due)
		}
		backup := "https://backup.example.com/"
		_, err = r.ChangeHook(ctx, operator, r.scope, h.ID, webhooks.HookChange{URL: &backup})
		wants(t, err, change.Invalid, "Url")
		if n := waits(h); n != many {
			t.Errorf("after a change that was refused %d wait for the old URL, want all %d", n, many)
		}
		fresh := "https://new.example.com/"
		moved, err := r.ChangeHook(ctx, operator, r.scope, h.ID, webhooks.HookChange{URL: &fresh})
		if err != nil {
			t.Fatal(err)
		}
		if before, after := waits(h), waits(moved.Hook); before != 0 || after != many || moved.ReceiverID == h.ReceiverID {
			t.Errorf("%d wait for the old URL, %d for the new one", before, after)
		}
	})
}
