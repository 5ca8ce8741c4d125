// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// bounce claims what is due and says that it was refused for good.
func bounce(t testing.TB, s *store.Store, state mail.State, permanent bool) {
	t.Helper()
	now := time.Now()
	got, err := s.Claim(t.Context(), store.MainLane, "test", now, now.Add(time.Minute), 100)
	if err != nil {
		t.Fatal(err)
	}
	done := make([]store.Completion, len(got))
	for i, c := range got {
		done[i] = store.Completion{
			Claimed: c, Owner: "test", Result: store.CompletedBounced, At: now, StateID: int(state), Permanent: permanent,
			Reply: store.Reply{Code: 550, Enhanced: "5.1.1", Line: "no such user here"},
		}
	}
	if err := s.Complete(t.Context(), done); err != nil {
		t.Fatal(err)
	}
}

func suppressed(t testing.TB, s *store.Store, k store.Key, emails ...string) (out []bool) {
	t.Helper()
	list := make([]store.Recipient, len(emails))
	for i, e := range emails {
		list[i].Email = e
	}
	off, err := s.Suppressed(t.Context(), k.ID, list)
	if err != nil {
		t.Fatal(err)
	}
	out = make([]bool, len(emails))
	for _, i := range off {
		out[i] = true
	}
	return out
}

func addSuppressions(t testing.TB, s *store.Store, k store.Key, list ...store.Suppression) (n int) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
		n, err = tx.AddSuppressions(t.Context(), k, list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sweep cancels until there is nothing left, and says how many messages it was.
func sweep(t testing.TB, s *store.Store) (total int) {
	t.Helper()
	for after := int64(0); ; {
		n, last, err := s.CancelSuppressed(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n == 0 && last == 0 {
			return total
		}
		after = last
	}
}

func entry(t testing.TB, s *store.Store, k store.Key, email string) store.Suppression {
	t.Helper()
	x, err := s.Suppression(t.Context(), store.OfKey(k.AccountID, k.ID), store.SuppressionFilter{Email: email})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return x
}

func TestEventsThatSuppress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, other := newKey(t, s, "one"), newKey(t, s, "two")
		for i, c := range []struct {
			state     mail.State
			permanent bool
			want      store.SuppressionReason
		}{
			{mail.StateUserUnknown, true, store.SuppressedBounce},
			{mail.StateMailboxInactive, true, store.SuppressedBounce},
			{mail.StateUserUnknown, false, 0},
			{mail.StateQuotaExceeded, true, 0},
			{mail.StateInvalidDomain, true, 0},
			{mail.StateNoMailHost, true, 0},
			{mail.StatePolicyIssue, true, 0},
			{mail.StateContentBlocked, true, 0},
		} {
			email := fmt.Sprintf("r%d@example.net", i)
			x := accept(t, s, submission(k, email))
			bounce(t, s, c.state, c.permanent)
			e := entry(t, s, k, email)
			if e.Reason != c.want {
				t.Errorf("%v, permanent %v: reason %v, want %v", c.state, c.permanent, e.Reason, c.want)
			}
			if c.want != 0 && (e.MessageID != x.Recipients[0].ID || e.Note != "no such user here" || e.AccountID != k.AccountID) {
				t.Errorf("entry %+v", e)
			}
		}
		if got := suppressed(t, s, k, "x@example.net", "R0@Example.NET"); got[0] || !got[1] {
			t.Errorf("however it is written: %v", got)
		}
		if suppressed(t, s, other, "r0@example.net")[0] {
			t.Error("another key's bounce suppresses")
		}

		// A recipient's wish outranks a bounce, and a complaint an unsubscribe; never the other way.
		x := accept(t, s, submission(k, "a@example.net", "r0@example.net"))
		deliver(t, s, time.Now())
		a, r0 := x.Recipients[0].ID, x.Recipients[1].ID
		engage(t, s, a, store.EventUnsub, time.Now(), store.Doing{Source: "link", Machine: true})
		if e := entry(t, s, k, "a@example.net"); e.ID != 0 {
			t.Errorf("a machine unsubscribed: %+v", e)
		}
		for _, step := range []struct {
			id   int64
			typ  store.EventType
			want store.SuppressionReason
		}{
			{a, store.EventUnsub, store.SuppressedUnsub},
			{a, store.EventSpam, store.SuppressedComplaint},
			{a, store.EventUnsub, store.SuppressedComplaint},
			{r0, store.EventUnsub, store.SuppressedUnsub},
			{r0, store.EventOpen, store.SuppressedUnsub},
		} {
			engage(t, s, step.id, step.typ, time.Now(), store.Doing{Source: "JMRPP"})
			m := status(t, s, step.id)
			if e := entry(t, s, k, m.Recipient); e.Reason != step.want || e.MessageID != step.id {
				t.Errorf("%s after %v: %+v", m.Recipient, step.typ, e)
			}
		}
	})
}

// Postern's own notices must reach who resets a secret, whatever he pressed once.
func TestOwnNoticesAreNeverSuppressed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var k store.Key
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			a, err := tx.AddSystemAccount(t.Context(), "Postern")
			if err != nil {
				return err
			}
			k, err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: apiKey("system"), Name: "Postern", Master: true, State: store.KeyActive})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		x := accept(t, s, submission(k, "a@example.net"))
		bounce(t, s, mail.StateUserUnknown, true)
		engage(t, s, x.Recipients[0].ID, store.EventSpam, time.Now(), store.Doing{})
		if suppressed(t, s, k, "a@example.net")[0] {
			t.Error("a notice's address is suppressed")
		}
	})
}

func TestWhatWaitsIsCancelled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, other := newKey(t, s, "one"), newKey(t, s, "two")
		first := accept(t, s, submission(k, "a@example.net"))
		deliver(t, s, time.Now())
		waits, elses := accept(t, s, submission(k, "A@example.net", "b@example.net")), accept(t, s, submission(other, "a@example.net"))
		if n := sweep(t, s); n != 0 {
			t.Fatalf("%d cancelled of nothing", n)
		}
		engage(t, s, first.Recipients[0].ID, store.EventUnsub, time.Now(), store.Doing{Source: "link"})
		if n := sweep(t, s); n != 1 {
			t.Errorf("%d cancelled, want one", n)
		}
		m := status(t, s, waits.Recipients[0].ID)
		if m.Status != store.StatusBlocked || m.StateID != int(mail.StatePreblocked) || m.DoneAt.IsZero() {
			t.Errorf("what waited: %+v", m)
		}
		for _, id := range []int64{waits.Recipients[1].ID, elses.Recipients[0].ID} {
			if m := status(t, s, id); m.Status != store.StatusQueued {
				t.Errorf("%s of key %d: %v", m.Recipient, m.KeyID, m.Status)
			}
		}
		c, err := s.Counters(t.Context(), store.OfAccount(k.AccountID), store.ByMessage, time.Time{}, time.Time{})
		if err != nil || c.Total != 3 || c.Blocked != 1 || c.Sent != 1 || c.Queued() != 1 {
			t.Errorf("counters %+v, %v", c, err)
		}

		// What is being tried is let go, and cancelled when it comes back.
		now := time.Now()
		got, err := s.Claim(t.Context(), store.MainLane, "w", now, now.Add(time.Minute), 10)
		if err != nil || len(got) != 2 {
			t.Fatalf("claimed %v, %v", got, err)
		}
		addSuppressions(t, s, k, store.Suppression{Email: "b@example.net", Reason: store.SuppressedManual})
		if n := sweep(t, s); n != 0 {
			t.Errorf("%d cancelled while it was tried", n)
		}
		for i := range got {
			if err := s.Complete(t.Context(), []store.Completion{{Claimed: got[i], Owner: "w", Result: store.CompletedDeferred, At: now, Due: now.Add(time.Hour)}}); err != nil {
				t.Fatal(err)
			}
		}
		if n := sweep(t, s); n != 1 {
			t.Errorf("%d cancelled after it came back, want one", n)
		}
		if m := status(t, s, elses.Recipients[0].ID); m.Status != store.StatusDeferred {
			t.Errorf("the other key's: %v", m.Status)
		}
	})
}

func TestSuppressionListing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, other := newKey(t, s, "one"), newKey(t, s, "two")
		var all []store.Suppression
		for i := range 25 {
			all = append(all, store.Suppression{Email: fmt.Sprintf("r%02d@example.net", i), Reason: store.SuppressionReasons()[i%4], Note: "n"})
		}
		if n := addSuppressions(t, s, k, all...); n != 25 {
			t.Errorf("%d new", n)
		}
		if n := addSuppressions(t, s, k, store.Suppression{Email: "r01@example.net", Reason: store.SuppressedManual}, store.Suppression{Email: "z@example.org", Reason: store.SuppressedManual}, store.Suppression{Email: "z@example.org", Reason: store.SuppressedManual}); n != 1 {
			t.Errorf("%d new of one that is there, one new and its double", n)
		}
		addSuppressions(t, s, other, store.Suppression{Email: "other@example.net", Reason: store.SuppressedManual})

		own := store.OfKey(k.AccountID, k.ID)
		for name, c := range map[string]struct {
			scope store.Scope
			f     store.SuppressionFilter
			p     store.Page
			n     int
			first string
		}{
			"all":             {own, store.SuppressionFilter{}, store.Page{Desc: true}, 26, "z@example.org"},
			"a page":          {own, store.SuppressionFilter{}, store.Page{Limit: 3, Offset: 3, Desc: true}, 3, "r22@example.net"},
			"of the account":  {store.OfAccount(k.AccountID), store.SuppressionFilter{}, store.Page{}, 26, "r00@example.net"},
			"of shared keys":  {store.OfKeys(k.AccountID, []int64{k.ID}), store.SuppressionFilter{}, store.Page{}, 26, "r00@example.net"},
			"of no key":       {store.OfKeys(k.AccountID, nil), store.SuppressionFilter{}, store.Page{}, 0, ""},
			"of two keys":     {store.OfKeys(k.AccountID, []int64{k.ID, other.ID}), store.SuppressionFilter{}, store.Page{}, 26, "r00@example.net"},
			"another's key":   {own, store.SuppressionFilter{KeyID: other.ID}, store.Page{}, 0, ""},
			"another account": {store.OfAccount(other.AccountID), store.SuppressionFilter{KeyID: k.ID}, store.Page{}, 0, ""},
			"of a complaint":  {own, store.SuppressionFilter{Reason: store.SuppressedComplaint}, store.Page{}, 6, "r01@example.net"},
			"beginning":       {own, store.SuppressionFilter{Search: "R1"}, store.Page{}, 10, "r10@example.net"},
			"its beginning":   {store.OfAccount(k.AccountID), store.SuppressionFilter{Search: "r1"}, store.Page{}, 10, "r10@example.net"},
			"domain":          {own, store.SuppressionFilter{Search: "@example.org"}, store.Page{}, 1, "z@example.org"},
			"address":         {own, store.SuppressionFilter{Email: "R07@EXAMPLE.net"}, store.Page{}, 1, "r07@example.net"},
			"wild cards":      {own, store.SuppressionFilter{Search: "@%"}, store.Page{}, 0, ""},
			"later":           {own, store.SuppressionFilter{From: time.Now().Add(time.Hour)}, store.Page{}, 0, ""},
			"earlier":         {own, store.SuppressionFilter{To: time.Now().Add(time.Hour)}, store.Page{Limit: 1}, 1, "r00@example.net"},
		} {
			list, err := s.Suppressions(t.Context(), c.scope, c.f, c.p)
			if err != nil || len(list) != c.n || len(list) > 0 && list[0].Email != c.first {
				t.Errorf("%s: %d entries, %v; want %d from %s: %+v", name, len(list), err, c.n, c.first, list)
			}
			if counts, err := s.CountSuppressions(t.Context(), c.scope, c.f); err != nil || c.p.Limit == 0 && counts.Total() != c.n {
				t.Errorf("%s: counted %v, %v", name, counts, err)
			}
		}
		// By IDs, as pages are turned: none is left out and none is twice.
		var walked []string
		for below := int64(0); ; {
			list, err := s.Suppressions(t.Context(), own, store.SuppressionFilter{Below: below}, store.Page{Limit: 7, Desc: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, x := range list {
				walked, below = append(walked, x.Email), x.ID
			}
		}
		if len(walked) != 26 || walked[25] != "r00@example.net" {
			t.Errorf("walked %d: %v", len(walked), walked)
		}
		changeSuppression(t, s, k, other)
	})
}

// changeSuppression changes and removes an entry, which another key cannot.
func changeSuppression(t *testing.T, s *store.Store, k, other store.Key) {
	x := entry(t, s, k, "r03@example.net")
	for _, by := range []store.Key{other, k} {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.ChangeSuppression(t.Context(), store.Suppression{ID: x.ID, KeyID: by.ID, Reason: store.SuppressedBounce, Note: "mended"}); err != nil {
				return err
			}
			_, err := tx.RemoveSuppression(t.Context(), by.ID, x.ID)
			return err
		})
		if (by.ID == k.ID) != (err == nil) {
			t.Errorf("by key %d: %v", by.ID, err)
		}
	}
	if suppressed(t, s, k, "r03@example.net")[0] {
		t.Error("it is still suppressed")
	}
}
