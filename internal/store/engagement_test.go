// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// deliver claims all that is due and says that it was sent.
func deliver(t testing.TB, s *store.Store, at time.Time) {
	t.Helper()
	got, err := s.Claim(t.Context(), store.MainLane, "test", at, at.Add(time.Minute), 100)
	if err != nil {
		t.Fatal(err)
	}
	done := make([]store.Completion, len(got))
	for i, c := range got {
		done[i] = store.Completion{Claimed: c, Owner: "test", Result: store.CompletedSent, At: at, Reply: store.Reply{Code: 250}}
	}
	if err := s.Complete(t.Context(), done); err != nil {
		t.Fatal(err)
	}
}

func engage(t testing.TB, s *store.Store, id int64, typ store.EventType, at time.Time, d store.Doing) {
	t.Helper()
	if err := s.Engage(t.Context(), store.Engagement{MessageID: id, Type: typ, At: at, Doing: d}); err != nil {
		t.Fatal(err)
	}
}

func status(t testing.TB, s *store.Store, id int64) store.Message {
	t.Helper()
	m, err := s.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatRecipientsDo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		x := submission(k, "a@example.net", "b@example.net")
		x.Campaign, x.SenderID = "spring", 77
		accept(t, s, x)
		a, b := x.Recipients[0].ID, x.Recipients[1].ID
		now := time.Now().UTC().Truncate(time.Second)
		// b was quicker than we: its state is the open's once the sending is recorded.
		engage(t, s, b, store.EventOpen, now, store.Doing{IP: "192.0.2.9", Agent: "Mail"})
		if m := status(t, s, b); m.Status != store.StatusQueued || m.Flags != store.FlagOpened {
			t.Errorf("opened before it was recorded as sent: %v, flags %b", m.Status, m.Flags)
		}
		deliver(t, s, now)
		if m := status(t, s, b); m.Status != store.StatusOpened {
			t.Errorf("sent after it was opened: %v", m.Status)
		}
		later := now.Add(90 * time.Second)
		engage(t, s, a, store.EventOpen, later, store.Doing{Agent: "Mozilla/5.0", Machine: true})
		if m := status(t, s, a); m.Status != store.StatusSent || m.Flags != 0 {
			t.Errorf("after a machine's open: %v, flags %b", m.Status, m.Flags)
		}
		for _, typ := range []store.EventType{store.EventOpen, store.EventOpen, store.EventClick, store.EventUnsub, store.EventSpam} {
			engage(t, s, a, typ, later, store.Doing{URL: "https://example.com/", Source: "JMRPP"})
		}
		if m := status(t, s, a); m.Status != store.StatusSpam || m.Flags != store.FlagOpened|store.FlagClicked|store.FlagSpam|store.FlagUnsub {
			t.Errorf("in the end: %v, flags %b", m.Status, m.Flags)
		}
		events, err := s.Events(t.Context(), store.OfKey(k.AccountID, k.ID), a)
		if err != nil || len(events) != 7 || !events[1].Machine || events[1].Agent != "Mozilla/5.0" || events[4].URL != "https://example.com/" || events[6].Source != "JMRPP" {
			t.Errorf("events %+v, %v", events, err)
		}
		want := store.Counts{Total: 2, Sent: 2, Opened: 2, OpenEvents: 3, OpenDelay: 180, Clicked: 1, ClickEvents: 1, ClickDelay: 90, Unsub: 1, UnsubEvents: 1, Spam: 1, SpamEvents: 1, MachineOpens: 1}
		if got, err := s.Counters(t.Context(), store.OfAccount(k.AccountID), store.ByMessage, time.Time{}, time.Time{}); err != nil || got != want {
			t.Errorf("counters %+v, %v\nwant %+v", got, err, want)
		}
		if err := s.Engage(t.Context(), store.Engagement{MessageID: 999_999, Type: store.EventOpen, At: now}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an open of no message: %v", err)
		}
		if err := s.Engage(t.Context(), store.Engagement{MessageID: a, Type: store.EventSent, At: now}); err == nil {
			t.Error("a sending is no recipient's doing, and was taken")
		}
	})
}

func TestSecondMailOfACampaignToAnAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, other := newKey(t, s, "one"), newKey(t, s, "two")
		send := func(k store.Key, campaign string, dedup bool, recipients ...string) (out []store.Message) {
			t.Helper()
			x := submission(k, recipients...)
			x.Campaign, x.Deduplicate = campaign, dedup
			accept(t, s, x)
			for _, r := range x.Recipients {
				out = append(out, status(t, s, r.ID))
			}
			return out
		}
		first := send(k, "spring", false, "a@example.net")[0]
		send(k, "spring", true, "b@example.net", "c@example.net")
		again := send(k, "spring", true, "A@EXAMPLE.net", "b@example.net", "d@example.net")
		for i, want := range []store.Status{store.StatusBlocked, store.StatusBlocked, store.StatusQueued} {
			if again[i].Status != want {
				t.Errorf("%s: %v, want %v", again[i].Recipient, again[i].Status, want)
			}
		}
		if m := again[0]; m.StateID != int(mail.StateDuplicateInCampaign) || m.CampaignID == 0 || m.CampaignID != first.CampaignID || m.DoneAt.IsZero() {
			t.Errorf("the second mail: %+v", m)
		}
		for what, m := range map[string]store.Message{
			"without asking": send(k, "spring", false, "a@example.net")[0], "another campaign": send(k, "summer", true, "a@example.net")[0],
			"another key": send(other, "spring", true, "a@example.net")[0], "no campaign": send(k, "", true, "a@example.net")[0],
		} {
			if m.Status != store.StatusQueued {
				t.Errorf("%s: %v", what, m.Status)
			}
		}
		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Collide(t.Context(), again[2].ID, mail.ContactID("e@example.net"))
		}); err != nil {
			t.Fatal(err)
		}
		if m := send(k, "spring", true, "e@example.net")[0]; m.Status != store.StatusQueued {
			t.Errorf("an address whose number another has: %v", m.Status)
		}
		c, err := s.Campaign(t.Context(), store.OfKey(k.AccountID, k.ID), first.CampaignID)
		if err != nil || c.Name != "spring" || c.FirstMessageID != first.ID {
			t.Errorf("campaign %+v, %v", c, err)
		}
		if _, err := s.Campaign(t.Context(), store.OfKey(other.AccountID, other.ID), first.CampaignID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another key reads the campaign: %v", err)
		}
	})
}

// Of two mails that come at once one is first, whoever wins.
func TestSecondMailAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		const n = 24
		errs := make(chan error, n)
		for range n {
			go func() {
				x := submission(k, "a@example.net")
				x.Campaign, x.Deduplicate = "spring", true
				errs <- s.Accept(t.Context(), x)
			}()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		q, err := s.QueueStats(t.Context())
		if err != nil || q.Waiting != 1 {
			t.Errorf("%d mails of %d wait, %v; want 1", q.Waiting, n, err)
		}
		c, err := s.Counters(t.Context(), store.OfAccount(k.AccountID), store.ByMessage, time.Time{}, time.Time{})
		if err != nil || c.Total != n || c.Blocked != n-1 || c.Queued() != 1 {
			t.Errorf("counters %+v, %v", c, err)
		}
	})
}

func TestRefusedAtAcceptanceIsNeverQueued(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		x := submission(k, "a@example.net", "b@example.net")
		x.Recipients[0].Refused = mail.StatePreblocked
		accept(t, s, x)
		m := status(t, s, x.Recipients[0].ID)
		if m.Status != store.StatusBlocked || m.StateID != int(mail.StatePreblocked) || !m.StatePermanent || m.UUID != x.Recipients[0].UUID {
			t.Errorf("the refused message: %+v", m)
		}
		events, err := s.Events(t.Context(), store.OfKey(k.AccountID, k.ID), m.ID)
		if err != nil || len(events) != 1 || events[0].Type != store.EventBlocked || events[0].Line == "" {
			t.Errorf("its history: %+v, %v", events, err)
		}
		if q, err := s.QueueStats(t.Context()); err != nil || q.Waiting != 1 {
			t.Errorf("%d wait, %v; want the other alone", q.Waiting, err)
		}
	})
}

// A batch is kept together or not at all.
func TestBatchIsOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		good, bad := submission(k, "a@example.net"), submission(k, "b@example.net")
		bad.Priority = 9 // which the schema refuses
		if err := s.AcceptBatch(t.Context(), &store.Batch{Submissions: []*store.Submission{good, bad}}); err == nil {
			t.Fatal("the bad one was kept")
		}
		if n, err := s.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{}); err != nil || n != 0 {
			t.Errorf("%d messages of a batch that failed, %v", n, err)
		}
		bad.Priority = 2
		if err := s.AcceptBatch(t.Context(), &store.Batch{Submissions: []*store.Submission{good, bad}}); err != nil {
			t.Fatal(err)
		}
	})
}

// Old counters of five minutes go, a piece at a time; hours answer for them from then on, of what comes late too, whether
// the store was opened again or not, and a listing that is bounded goes over from the ones to the others.
func TestOldCountersOfFiveMinutesGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k := newKey(t, s, "one")
		x := accept(t, s, submission(k, "a@example.net"))
		day := time.Now().UTC().Truncate(24 * time.Hour)
		engage(t, s, x.Recipients[0].ID, store.EventOpen, day.Add(-2*time.Hour-20*time.Minute), store.Doing{})
		for i := range 600 { // more than a piece
			engage(t, s, x.Recipients[0].ID, store.EventClick, day.Add(-time.Duration(i)*5*time.Minute), store.Doing{})
		}
		read := func(q store.SeriesQuery) (n int, c store.Counts) {
			t.Helper()
			q.Timing, q.Step = store.ByEvent, store.FiveMinutes.Length()
			rows, err := s.Series(t.Context(), store.OfAccount(k.AccountID), q)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range rows {
				if c.Add(r.Counts); i > 0 && !rows[i-1].At.Before(r.At) {
					t.Errorf("slot %v after %v", r.At, rows[i-1].At)
				}
			}
			return len(rows), c
		}
		before, all := read(store.SeriesQuery{})
		gone, pieces := 0, 0
		for more := true; more; pieces++ {
			n, again, _, err := s.ForgetFiveMinutes(t.Context(), day.Add(time.Hour), time.Nanosecond)
			if err != nil {
				t.Fatal(err)
			}
			gone, more = gone+n, again
			if _, c := read(store.SeriesQuery{}); c != all {
				t.Fatalf("after a piece %+v, before %+v", c, all)
			}
		}
		if gone != 599 || pieces != 3 {
			t.Errorf("%d went in %d pieces, of %d slots", gone, pieces, before)
		}
		engage(t, s, x.Recipients[0].ID, store.EventOpen, day.Add(-2*time.Hour), store.Doing{}) // reported late
		if n, _, _, err := s.ForgetFiveMinutes(t.Context(), day.Add(-48*time.Hour), time.Second); n != 0 || err != nil || !s.FiveMinutesSince().Equal(day) {
			t.Errorf("%d more went, %v; there are some since %v", n, err, s.FiveMinutesSince())
		}
		slots, c := read(store.SeriesQuery{})
		if all.OpenEvents++; c != all || slots > 60 {
			t.Errorf("%d slots with %+v, want %+v", slots, c, all)
		}
		for _, q := range []store.SeriesQuery{{To: day}, {From: day.Add(-3 * time.Hour), To: day}, {From: day}, {From: day.Add(-3 * time.Hour)}} {
			if _, c := read(q); q.From.Equal(day) != (c.ClickEvents == 1 && c.OpenEvents == 0) || q.From.IsZero() && c.ClickEvents != 599 {
				t.Errorf("from %v to %v: %+v", q.From, q.To, c)
			}
		}
		for most := 1; most <= slots; most++ {
			if n, _ := read(store.SeriesQuery{Most: most}); n != most {
				t.Errorf("up to %d: %d", most, n)
			}
		}
	})
}

// The minutes of arrival go once no message from them, or from the hour after, is left.
func TestOldArrivalsGo(t *testing.T) {
	dsn := storetest.DSN(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, err := store.Open(t.Context(), dsn, store.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k := newKey(t, s, "one")
	want := func(n int) {
		t.Helper()
		if got, err := s.ForgetArrivals(t.Context(), 10); got != n || err != nil {
			t.Errorf("at %v: %d went, %v; want %d", now, got, err, n)
		}
	}
	for range 3 { // 12:00, 12:45 and 13:30
		accept(t, s, submission(k, "a@example.net"))
		deliver(t, s, now)
		now = now.Add(45 * time.Minute)
	}
	want(0)
	if f, err := s.Forget(t.Context(), k.AccountID, now.Add(-80*time.Minute), 0, 10, time.Minute); err != nil || f.Messages != 2 {
		t.Fatalf("%d messages went, %v", f.Messages, err)
	}
	want(1)
	found, err := s.Messages(t.Context(), store.OfAccount(k.AccountID), store.MessageFilter{From: now.Add(-time.Hour)}, store.Page{})
	if err != nil || len(found) != 1 {
		t.Errorf("found %d of the last hour, %v", len(found), err)
	}
	if _, err := s.Forget(t.Context(), k.AccountID, now, 0, 10, time.Minute); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	want(2)
	// A clock that was years ahead for a moment does not take the minutes of what came after.
	back := now
	now = now.AddDate(4, 0, 0)
	accept(t, s, submission(k, "b@example.net"))
	now = back
	accept(t, s, submission(k, "c@example.net"))
	want(0)
	if found, err := s.Messages(t.Context(), store.OfAccount(k.AccountID), store.MessageFilter{From: now.Add(-time.Hour)}, store.Page{}); err != nil || len(found) != 2 {
		t.Errorf("found %d since an hour, %v", len(found), err)
	}
}

// TestFiveMinutesSinceAClockThatWasAhead: from the next day on there are counters of five minutes again.
func TestFiveMinutesSinceAClockThatWasAhead(t *testing.T) {
	now := time.Date(2046, 3, 1, 12, 0, 0, 0, time.UTC)
	s, err := store.Open(t.Context(), storetest.DSN(t), store.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is written any more
	k := newKey(t, s, "one")
	forget := func(want time.Time) {
		t.Helper()
		if _, _, _, err := s.ForgetFiveMinutes(t.Context(), now.AddDate(0, 0, -92), time.Second); err != nil || !s.FiveMinutesSince().Equal(want) {
			t.Errorf("there are counters since %v, %v; want %v", s.FiveMinutesSince(), err, want)
		}
	}
	slots := func() []store.SeriesRow {
		t.Helper()
		rows, err := s.Series(t.Context(), store.OfAccount(k.AccountID), store.SeriesQuery{Step: store.FiveMinutes.Length()})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	forget(time.Date(2045, 11, 29, 0, 0, 0, 0, time.UTC))
	now = time.Date(2026, 3, 1, 12, 20, 0, 0, time.UTC)
	accept(t, s, submission(k, "a@example.net"))
	tomorrow := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	forget(tomorrow)
	if rows := slots(); len(rows) != 1 || !rows[0].At.Equal(now.Truncate(time.Hour)) {
		t.Errorf("today: %+v", rows)
	}
	now = tomorrow.Add(20 * time.Minute)
	accept(t, s, submission(k, "a@example.net"))
	forget(tomorrow)
	if rows := slots(); len(rows) != 2 || !rows[1].At.Equal(now) {
		t.Errorf("the day after: %+v", rows)
	}
}
