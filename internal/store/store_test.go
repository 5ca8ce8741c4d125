// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// newKey adds an account with a master key.
func newKey(t testing.TB, s *store.Store, name string) store.Key {
	t.Helper()
	var k store.Key
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), name)
		if err != nil {
			return err
		}
		k, err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: apiKey(name), Name: name, Master: true, State: store.KeyActive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func apiKey(name string) string { return fmt.Sprintf("%032x", name)[:32] }

func submission(k store.Key, recipients ...string) *store.Submission {
	x := &store.Submission{
		AccountID: k.AccountID, KeyID: k.ID, Source: "http", MailFrom: "a@example.com", HeaderFrom: "a@example.com", Subject: "Hello",
		CustomID: "order-1", Priority: 2, Body: store.NewBody([]byte("Subject: Hello\r\n\r\nHello\r\n")), Lifetime: 5 * 24 * time.Hour,
	}
	for _, r := range recipients {
		x.Recipients = append(x.Recipients, store.Recipient{Email: r, Domain: "example.net"})
	}
	return x
}

func accept(t testing.TB, s *store.Store, x *store.Submission) *store.Submission {
	t.Helper()
	if err := s.Accept(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestAcceptIsDurableAndWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		x := accept(t, s, submission(k, "b@example.net", "c@example.net"))
		got, err := s.Messages(t.Context(), store.OfKey(k.AccountID, k.ID), store.MessageFilter{CustomID: "order-1"}, store.Page{})
		if err != nil || len(got) != 2 {
			t.Fatalf("messages: %d, %v; want 2", len(got), err)
		}
		m := got[0]
		if m.ID != x.Recipients[0].ID || m.UUID != x.Recipients[0].UUID || m.Recipient != "b@example.net" || m.Status != store.StatusQueued || m.Subject != "Hello" {
			t.Errorf("message %+v does not say what was accepted", m)
		}
		if !m.ArrivedAt.Equal(x.CreatedAt) {
			t.Errorf("arrived at %v, accepted at %v", m.ArrivedAt, x.CreatedAt)
		}
		raw, err := s.Source(t.Context(), store.OfKey(k.AccountID, k.ID), m.ID)
		if err != nil || string(raw) != "Subject: Hello\r\n\r\nHello\r\n" {
			t.Errorf("source %q, %v", raw, err)
		}
		byUUID, err := s.Message(t.Context(), store.OfAccount(k.AccountID), store.MessageFilter{UUID: m.UUID})
		if err != nil || byUUID.ID != m.ID {
			t.Errorf("by UUID: %v, %v", byUUID.ID, err)
		}
	})
}

// One transaction answers all that wait; each gets IDs of his own, and one bad row is its own caller's error.
func TestGroupCommitKeepsCallersApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		const n = 200
		errs := make([]error, n)
		subs := make([]*store.Submission, n)
		var wg sync.WaitGroup
		for i := range n {
			x := submission(k, fmt.Sprintf("r%d@example.net", i))
			if i%10 == 0 {
				x.KeyID = 999_999 // no such key: the foreign key refuses
			}
			subs[i] = x
			wg.Go(func() { errs[i] = s.Accept(t.Context(), x) })
		}
		wg.Wait()
		seen := map[int64]bool{}
		for i, err := range errs {
			if bad := i%10 == 0; (err != nil) != bad {
				t.Errorf("submission %d: error %v", i, err)
			}
			id := subs[i].Recipients[0].ID
			if seen[id] {
				t.Errorf("ID %d was given out twice", id)
			}
			seen[id] = true
		}
		got, err := s.CountMessages(t.Context(), store.OfAccount(k.AccountID), store.MessageFilter{})
		if err != nil || got != n-n/10 {
			t.Errorf("kept %d, %v; want %d", got, err, n-n/10)
		}
	})
}

func TestScopesKeepKeysApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a, b := newKey(t, s, "one"), newKey(t, s, "two")
		x := accept(t, s, submission(a, "r@example.net"))
		id := x.Recipients[0].ID
		for name, scope := range map[string]store.Scope{"another key": store.OfKey(b.AccountID, b.ID), "another account": store.OfAccount(b.AccountID), "a mixed scope": store.OfKey(b.AccountID, a.ID), "no scope": {}} {
			if _, err := s.Message(t.Context(), scope, store.MessageFilter{ID: id}); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s reads the message: %v", name, err)
			}
			if _, err := s.Source(t.Context(), scope, id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s reads the source: %v", name, err)
			}
			if n, err := s.CountMessages(t.Context(), scope, store.MessageFilter{}); n != 0 || err != nil {
				t.Errorf("%s counts %d, %v", name, n, err)
			}
			if _, err := s.Key(t.Context(), scope, store.KeyFilter{ID: a.ID}); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s reads the key: %v", name, err)
			}
		}
		if _, err := s.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: id}); err != nil {
			t.Errorf("the operator: %v", err)
		}
	})
}

func TestClaimIsALease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		accept(t, s, submission(k, "a@example.net", "b@example.net", "c@example.net"))
		now := time.Now()
		until := now.Add(time.Minute)
		claim := func(lane store.Lane, owner string, at time.Time) []store.Claimed {
			t.Helper()
			got, err := s.Claim(t.Context(), lane, owner, at, at.Add(time.Minute), 10)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := claim(store.MainLane, "first", now); len(got) != 3 || got[0].Attempt != 1 || got[0].Lost != 0 {
			t.Fatalf("first claim: %+v", got)
		}
		if got := claim(store.MainLane, "second", now); len(got) != 0 {
			t.Fatalf("a held message was claimed: %+v", got)
		}
		after := until.Add(time.Second)
		if got := claim(store.MainLane, "second", after); len(got) != 3 || got[0].Attempt != 2 || got[0].Lost != 1 {
			t.Fatalf("after the lease: %+v", got)
		}
		// Lost twice: no longer in the main lane, but in the careful one.
		after = after.Add(2 * time.Minute)
		lost := claim(store.MainLane, "third", after)
		if len(lost) != 3 || lost[0].Lost != 2 {
			t.Fatalf("third claim: %+v", lost)
		}
		after = after.Add(2 * time.Minute)
		if got := claim(store.MainLane, "fourth", after); len(got) != 0 {
			t.Errorf("the main lane has what was lost twice: %+v", got)
		}
		if got := claim(store.CarefulLane, "fourth", after); len(got) != 3 {
			t.Errorf("the careful lane: %+v", got)
		}
	})
}

func TestTwoClaimersNeverTakeOneRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		var to []string
		for i := range 500 {
			to = append(to, fmt.Sprintf("r%d@example.net", i))
		}
		accept(t, s, submission(k, to...))
		var mu sync.Mutex
		owners := map[int64]string{}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				owner := fmt.Sprint("worker ", w)
				for {
					got, err := s.Claim(t.Context(), store.MainLane, owner, time.Now(), time.Now().Add(time.Hour), 7)
					if err != nil {
						t.Error(err)
						return
					}
					if len(got) == 0 {
						return
					}
					mu.Lock()
					for _, c := range got {
						if was, twice := owners[c.MessageID]; twice {
							t.Errorf("message %d was claimed by %s and %s", c.MessageID, was, owner)
						}
						owners[c.MessageID] = owner
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(owners) != 500 {
			t.Errorf("%d of 500 were claimed", len(owners))
		}
	})
}

// Promise 7 in its first form: the counters are the sum of the events, whatever is said twice or too late.
func TestCountersAreTheSumOfTheEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		x := accept(t, s, submission(k, "sent@example.net", "hard@example.net", "soft@example.net", "later@example.net", "blocked@example.net", "back@example.net"))
		got, err := s.Claim(t.Context(), store.MainLane, "me", time.Now(), time.Now().Add(time.Hour), 10)
		if err != nil || len(got) != 6 {
			t.Fatalf("claimed %d, %v", len(got), err)
		}
		now := time.Now().UTC()
		var done []store.Completion
		for _, c := range got {
			d := store.Completion{Claimed: c, Owner: "me", At: now, Reply: store.Reply{Code: 550, Enhanced: "5.1.1", Line: "no such user", Host: "mx.example.net"}}
			switch c.Recipient {
			case "sent@example.net":
				d.Result = store.CompletedSent
			case "hard@example.net":
				d.Result, d.Permanent, d.StateID = store.CompletedBounced, true, 1
			case "soft@example.net":
				d.Result = store.CompletedBounced
			case "later@example.net":
				d.Result, d.Due = store.CompletedDeferred, now.Add(time.Hour)
			case "blocked@example.net":
				d.Result, d.Blocked, d.Permanent = store.CompletedBounced, true, true
			case "back@example.net":
				d.Result, d.Due = store.CompletedReturned, now
			}
			done = append(done, d)
		}
		for range 3 { // said three times, counted once
			if err := s.Complete(t.Context(), done); err != nil {
				t.Fatal(err)
			}
		}
		scope := store.OfKey(k.AccountID, k.ID)
		want := map[string]struct {
			status store.Status
			events int
		}{
			"sent@example.net": {store.StatusSent, 1}, "hard@example.net": {store.StatusHardBounced, 1}, "soft@example.net": {store.StatusSoftBounced, 1},
			"later@example.net": {store.StatusDeferred, 1}, "blocked@example.net": {store.StatusBlocked, 1}, "back@example.net": {store.StatusQueued, 0},
		}
		var sum store.Counts
		for _, r := range x.Recipients {
			m, err := s.Message(t.Context(), scope, store.MessageFilter{ID: r.ID})
			if err != nil {
				t.Fatal(err)
			}
			events, err := s.Events(t.Context(), scope, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			w := want[r.Email]
			if m.Status != w.status || len(events) != w.events {
				t.Errorf("%s: status %v with %d events, want %v with %d", r.Email, m.Status, len(events), w.status, w.events)
			}
			for _, e := range events {
				switch {
				case e.Type == store.EventSent:
					sum.Sent++
				case e.Type == store.EventDeferred:
					sum.Deferred++
				case e.Type == store.EventBlocked:
					sum.Blocked++
				case e.Permanent:
					sum.Hard++
				default:
					sum.Soft++
				}
			}
		}
		for _, timing := range []store.Timing{store.ByMessage, store.ByEvent} {
			c, err := s.Counters(t.Context(), scope, timing, time.Time{}, time.Time{})
			want := sum
			if timing == store.ByMessage {
				want.Total = int64(len(x.Recipients))
			}
			if err != nil || c != want {
				t.Errorf("timing %d: counters %+v, events %+v, %v", timing, c, sum, err)
			}
		}
		q, err := s.QueueStats(t.Context())
		if err != nil || q.Waiting != 2 || q.Held != 0 {
			t.Errorf("queue %+v, %v: want the deferred one and the one handed back", q, err)
		}
	})
}

// What another owner has taken meanwhile is not ours to defer; but what was sent was sent.
func TestLateOutcomes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		accept(t, s, submission(k, "a@example.net", "b@example.net"))
		now := time.Now()
		late, err := s.Claim(t.Context(), store.MainLane, "late", now, now.Add(time.Second), 10)
		if err != nil || len(late) != 2 {
			t.Fatal(late, err)
		}
		fresh, err := s.Claim(t.Context(), store.MainLane, "fresh", now.Add(2*time.Second), now.Add(time.Hour), 10)
		if err != nil || len(fresh) != 2 {
			t.Fatal(fresh, err)
		}
		err = s.Complete(t.Context(), []store.Completion{
			{Claimed: late[0], Owner: "late", Result: store.CompletedSent, At: now},
			{Claimed: late[1], Owner: "late", Result: store.CompletedBounced, Permanent: true, At: now},
		})
		if err != nil {
			t.Fatal(err)
		}
		q, err := s.QueueStats(t.Context())
		if err != nil || q.Waiting != 1 || q.Held != 1 {
			t.Errorf("queue %+v, %v: the sent one is out, the other is still the fresh owner's", q, err)
		}
	})
}

func TestRecoverTakesUpADeadProcessesWork(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		accept(t, s, submission(k, "a@example.net"))
		if _, err := s.Claim(t.Context(), store.MainLane, "dead", time.Now(), time.Now().Add(time.Hour), 10); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Recover(t.Context()); n != 1 || err != nil {
			t.Fatalf("recovered %d, %v", n, err)
		}
		got, err := s.Claim(t.Context(), store.MainLane, "new", time.Now(), time.Now().Add(time.Hour), 10)
		if err != nil || len(got) != 1 || got[0].Lost != 1 {
			t.Errorf("claimed %+v, %v", got, err)
		}
	})
}

func TestUniqueNamesAndMasters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		add := func(x store.Key) error {
			return s.Update(t.Context(), func(tx *store.Tx) error {
				_, err := tx.AddKey(t.Context(), x)
				return err
			})
		}
		sub := store.Key{AccountID: k.AccountID, APIKey: apiKey("sub"), Name: "shop", State: store.KeyActive}
		if err := add(sub); err != nil {
			t.Fatal(err)
		}
		sub.APIKey = apiKey("sub2")
		if err := add(sub); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second key named shop: %v", err)
		}
		if err := add(store.Key{AccountID: k.AccountID, APIKey: apiKey("m2"), Name: "second master", Master: true, State: store.KeyActive}); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second master key: %v", err)
		}
		keys, total, err := s.Keys(t.Context(), store.OfAccount(k.AccountID), store.KeyFilter{Sort: "Name"}, store.Page{Limit: 1, Desc: true})
		if err != nil || total != 2 || len(keys) != 1 || keys[0].Name != "shop" {
			t.Errorf("keys %+v, total %d, %v", keys, total, err)
		}
	})
}

func TestSecretsLiveAndEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.AddSecret(t.Context(), k.ID, []byte("digest 1"), "abcd"); err != nil {
				return err
			}
			if n, err := tx.EndSecrets(t.Context(), k.ID); n != 1 || err != nil {
				return fmt.Errorf("ended %d: %w", n, err)
			}
			x, err := tx.AddSecret(t.Context(), k.ID, []byte("digest 2"), "wxyz")
			if err != nil {
				return err
			}
			return tx.NoteUses(t.Context(), []store.Connection{{SecretID: x.ID, Protocol: "smtp", FirstSeenAt: tx.Now, LastSeenAt: tx.Now, Count: 1}})
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Key(t.Context(), store.OfAccount(k.AccountID), store.KeyFilter{ID: k.ID})
		if err != nil || len(got.Secrets) != 1 || got.Secrets[0].Hint != "wxyz" || got.Secrets[0].LastUsedAt.IsZero() {
			t.Errorf("key %+v, %v", got, err)
		}
		seen := 0
		if err := s.EachCredential(t.Context(), func(x store.Key) error { seen += len(x.Secrets); return nil }); err != nil || seen != 1 {
			t.Errorf("EachCredential saw %d live secrets, %v", seen, err)
		}
	})
}

func TestAuditChainFindsChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a := newKey(t, s, "one")
		for i := range 5 {
			err := s.Update(t.Context(), func(tx *store.Tx) error {
				return tx.AddAudit(t.Context(), audit.Entry{AccountID: a.AccountID, Actor: "operator", Origin: "command line", Action: "key.reset", Target: fmt.Sprint("key ", i)})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		entries, err := s.Audit(t.Context(), 0, 100)
		if err != nil || len(entries) != 5 {
			t.Fatal(len(entries), err)
		}
		if _, _, err := audit.Verify(0, nil, entries); err != nil {
			t.Errorf("the untouched chain: %v", err)
		}
		changed := append([]audit.Entry(nil), entries...)
		changed[2].Target = "key 7"
		if _, _, err := audit.Verify(0, nil, changed); err == nil {
			t.Error("a changed entry was not found")
		}
		if _, _, err := audit.Verify(0, nil, append(entries[:2:2], entries[3:]...)); err == nil {
			t.Error("a missing entry was not found")
		}
	})
}

func TestOneServerAStore(t *testing.T) {
	for engine, dsn := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "postern.db") },
		"postgres": func(t *testing.T) string { return storetest.Database(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			d := dsn(t)
			first, err := store.Open(t.Context(), d, store.Options{Exclusive: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Open(t.Context(), d, store.Options{Exclusive: true}); !errors.Is(err, store.ErrBusy) {
				t.Errorf("a second server: %v", err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := store.Open(t.Context(), d, store.Options{Exclusive: true})
			if err != nil {
				t.Fatalf("after the first has ended: %v", err)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSessionsAndLinks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		now := time.Now()
		var u store.User
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			var err error
			if u, err = tx.AddUser(t.Context(), store.User{AccountID: k.AccountID, Email: "a@example.com"}); err != nil {
				return err
			}
			if err := tx.AddSignInLink(t.Context(), store.SignInLink{Digest: []byte("link"), UserID: u.ID, Kind: store.LinkOperator, ExpiresAt: now.Add(time.Hour)}); err != nil {
				return err
			}
			return tx.AddSession(t.Context(), store.Session{Digest: []byte("session"), UserID: u.ID, ExpiresAt: now.Add(time.Hour)})
		})
		if err != nil {
			t.Fatal(err)
		}
		use := func() error {
			return s.Update(t.Context(), func(tx *store.Tx) error {
				_, err := tx.UseSignInLink(t.Context(), store.LinkOperator, []byte("link"), now)
				return err
			})
		}
		if err := use(); err != nil {
			t.Errorf("first use: %v", err)
		}
		if err := use(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("second use: %v", err)
		}
		if _, got, err := s.SessionUser(t.Context(), []byte("session"), now); err != nil || got.ID != u.ID {
			t.Errorf("session: %v, %v", got, err)
		}
		if _, _, err := s.SessionUser(t.Context(), []byte("session"), now.Add(2*time.Hour)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an ended session: %v", err)
		}
		err = s.Update(t.Context(), func(tx *store.Tx) error { return tx.SetPassword(t.Context(), u.ID, "hash") })
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.SessionUser(t.Context(), []byte("session"), now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a session from before the new password: %v", err)
		}
	})
}
