// SPDX-License-Identifier: Apache-2.0

package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/courier"
	"postern/internal/queue"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// world is a store with one key, and what a scripted other side saw.
type world struct {
	store *store.Store
	key   store.Key
	scope store.Scope

	mu       sync.Mutex
	attempts map[string]int
	jobs     []courier.Job
	answer   func(recipient string, attempt int) courier.Outcome
	block    func(ctx context.Context, job courier.Job)
}

func newWorld(t *testing.T, s *store.Store, answer func(recipient string, attempt int) courier.Outcome) *world {
	t.Helper()
	w := &world{store: s, attempts: map[string]int{}, answer: answer}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		if err != nil {
			return err
		}
		w.key, err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: "0123456789abcdef0123456789abcdef", Name: "one", Master: true, State: store.KeyActive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.scope = store.OfKey(w.key.AccountID, w.key.ID)
	return w
}

// Attempt is the other side: it answers each recipient as the script says.
func (w *world) Attempt(ctx context.Context, job courier.Job) []courier.Outcome {
	if w.block != nil {
		w.block(ctx, job)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, job)
	var out []courier.Outcome
	for _, r := range job.Recipients {
		w.attempts[r.Email]++
		o := w.answer(r.Email, w.attempts[r.Email])
		if o.MessageID = r.MessageID; ctx.Err() != nil {
			o = courier.Outcome{MessageID: r.MessageID, Result: courier.Deferred, Line: "shutting down"}
		}
		out = append(out, o)
	}
	return out
}

func (w *world) submit(t *testing.T, recipients ...string) *store.Submission {
	t.Helper()
	x := &store.Submission{
		AccountID: w.key.AccountID, KeyID: w.key.ID, MailFrom: "a@example.com", HeaderFrom: "a@example.com", Priority: 2,
		Body: store.NewBody([]byte("Subject: Hello\r\n\r\nHello\r\n")), Lifetime: 5 * 24 * time.Hour,
	}
	for _, r := range recipients {
		x.Recipients = append(x.Recipients, store.Recipient{Email: r, Domain: r[len(r)-len("a.example"):]})
	}
	if err := w.store.Accept(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	return x
}

// run starts a queue and returns it with what stops it.
func (w *world) run(t *testing.T, change func(*queue.Config)) (*queue.Queue, func()) {
	t.Helper()
	c := queue.Config{Store: w.store, Courier: w, ExclusiveDB: true, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	q := queue.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	return q, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func (w *world) message(t *testing.T, id int64) (store.Message, []store.Event) {
	t.Helper()
	m, err := w.store.Message(t.Context(), w.scope, store.MessageFilter{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	events, err := w.store.Events(t.Context(), w.scope, id)
	if err != nil {
		t.Fatal(err)
	}
	return m, events
}

func sent(string, int) courier.Outcome {
	return courier.Outcome{Result: courier.Delivered, Code: 250, Line: "250 OK"}
}

func deferred(string, int) courier.Outcome {
	return courier.Outcome{Result: courier.Deferred, Code: 451, Enhanced: "4.7.1", Line: "451 4.7.1 greylisted"}
}

// sqlite opens a store inside a synctest bubble; PostgreSQL's sockets cannot be in one.
func sqlite(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Open(t, filepath.Join(t.TempDir(), "postern.db"))
}

func TestDeliversAndRecords(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s, sent)
		x := w.submit(t, "r@a.example", "s@a.example", "t@b.example")
		done := make(chan struct{})
		q, stop := w.run(t, func(c *queue.Config) { c.PerDomain = true })
		go func() {
			defer close(done)
			for q.Stats().Sent < 3 {
				time.Sleep(time.Millisecond) // until the outcome is recorded, however long that takes
			}
		}()
		<-done
		stop()
		for _, r := range x.Recipients {
			m, events := w.message(t, r.ID)
			if m.Status != store.StatusSent || len(events) != 1 || events[0].Type != store.EventSent || events[0].Line != "250 OK" {
				t.Errorf("%s: %v %+v", r.Email, m.Status, events)
			}
		}
		if len(w.jobs) != 2 {
			t.Errorf("%d jobs, want one for each domain", len(w.jobs))
		}
	})
}

// Five days of a host that always says 451: the attempts spread out, and the message ends as a soft bounce.
func TestFiveDaysOfDeferralsEndInASoftBounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), deferred)
		x := w.submit(t, "r@a.example")
		start := time.Now()
		q, stop := w.run(t, nil)
		time.Sleep(6 * 24 * time.Hour)
		stop()
		m, events := w.message(t, x.Recipients[0].ID)
		last := events[len(events)-1]
		if m.Status != store.StatusSoftBounced || last.Type != store.EventBounce || last.Permanent {
			t.Fatalf("status %v, last event %+v", m.Status, last)
		}
		if took := last.At.Sub(start); took < 5*24*time.Hour || took > 5*24*time.Hour+time.Hour {
			t.Errorf("given up after %v", took)
		}
		if n := len(events); n < 25 || n > 60 {
			t.Errorf("%d attempts in five days", n)
		}
		for i := 1; i < len(events); i++ {
			if gap := events[i].At.Sub(events[i-1].At); gap < 45*time.Second || gap > 5*time.Hour {
				t.Errorf("attempt %d came %v after the one before", i+1, gap)
			}
		}
		if st := q.Stats(); st.Held != 0 || st.Bounced != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestOneRecipientsFailureIsHisOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), func(r string, attempt int) courier.Outcome {
			switch {
			case r == "gone@a.example":
				return courier.Outcome{Result: courier.Bounced, Code: 550, Enhanced: "5.1.1", Line: "550 5.1.1 no such user", State: 1}
			case r == "grey@a.example" && attempt < 3:
				return deferred(r, attempt)
			}
			return sent(r, attempt)
		})
		x := w.submit(t, "here@a.example", "gone@a.example", "grey@a.example")
		_, stop := w.run(t, nil)
		time.Sleep(time.Hour)
		stop()
		for i, want := range []struct {
			status store.Status
			events int
		}{{store.StatusSent, 1}, {store.StatusHardBounced, 1}, {store.StatusSent, 3}} {
			m, events := w.message(t, x.Recipients[i].ID)
			if m.Status != want.status || len(events) != want.events {
				t.Errorf("%s: %v with %d events, want %v with %d", m.Recipient, m.Status, len(events), want.status, want.events)
			}
		}
	})
}

// What a dead process held goes out again; what was lost twice goes alone; what keeps ending us is given up.
func TestWhatEndsTheProcessGoesAloneAndIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), sent)
		deadly := w.submit(t, "deadly@a.example", "other@a.example").Recipients[0].ID
		for range queue.MaxLost {
			for _, lane := range []store.Lane{store.MainLane, store.CarefulLane} {
				if _, err := w.store.Claim(t.Context(), lane, "a process that dies", time.Now(), time.Now().Add(time.Hour), 10); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.store.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		behind := w.submit(t, "behind@a.example").Recipients[0].ID
		_, stop := w.run(t, nil)
		time.Sleep(time.Minute)
		stop()
		if m, events := w.message(t, deadly); m.Status != store.StatusHardBounced || len(events) != 1 {
			t.Errorf("the one that ended processes: %v %+v", m.Status, events)
		}
		if m, _ := w.message(t, behind); m.Status != store.StatusSent {
			t.Errorf("the message behind it: %v", m.Status)
		}
		if w.attempts["deadly@a.example"] != 0 {
			t.Error("it was tried again")
		}
	})
}

func TestAPanicIsOneJobsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), sent)
		first := true
		w.block = func(_ context.Context, job courier.Job) {
			if job.Recipients[0].Email == "bad@a.example" && first {
				first = false
				panic("a bug")
			}
		}
		bad, good := w.submit(t, "bad@a.example").Recipients[0].ID, w.submit(t, "good@a.example").Recipients[0].ID
		_, stop := w.run(t, nil)
		time.Sleep(10 * time.Minute)
		stop()
		if m, events := w.message(t, bad); m.Status != store.StatusSent || len(events) != 2 {
			t.Errorf("the one that panicked once: %v %+v", m.Status, events)
		}
		if m, _ := w.message(t, good); m.Status != store.StatusSent {
			t.Errorf("the other: %v", m.Status)
		}
	})
}

// At the end nothing is left in our hands: what is under way may end, the rest is handed back and due at once.
func TestShutdownHandsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), sent)
		started := make(chan struct{}, 100)
		w.block = func(ctx context.Context, job courier.Job) {
			started <- struct{}{}
			if job.Recipients[0].Email == "slow@a.example" {
				<-ctx.Done() // longer than the grace
				return
			}
			select {
			case <-time.After(5 * time.Second): // within the grace
			case <-ctx.Done():
			}
		}
		slow := w.submit(t, "slow@a.example").Recipients[0].ID
		var rest []int64
		for i := range 5 {
			rest = append(rest, w.submit(t, fmt.Sprintf("r%d@a.example", i)).Recipients[0].ID)
		}
		q, stop := w.run(t, func(c *queue.Config) { c.Workers, c.Grace = 2, 20*time.Second })
		<-started
		<-started
		stop()
		if st := q.Stats(); st.Held != 0 || st.Sent != 1 || st.Returned != 5 {
			t.Errorf("stats %+v: want one sent within the grace and five handed back", st)
		}
		due, err := w.store.NextDue(t.Context())
		if err != nil || due.After(time.Now()) {
			t.Errorf("next due %v, %v: what was handed back is due at once", due, err)
		}
		if m, events := w.message(t, slow); m.Status != store.StatusQueued || len(events) != 0 {
			t.Errorf("the one cut off: %v %+v; our end is not its failure", m.Status, events)
		}
		_ = rest
	})
}

func TestLeasesAreRenewedWhileAnAttemptGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), sent)
		w.block = func(context.Context, courier.Job) { time.Sleep(15 * time.Minute) } // RFC 5321: ten minutes after the dot
		id := w.submit(t, "r@a.example").Recipients[0].ID
		_, stop := w.run(t, nil)
		time.Sleep(14 * time.Minute)
		got, err := w.store.Claim(t.Context(), store.MainLane, "another", time.Now(), time.Now().Add(time.Minute), 10)
		if err != nil || len(got) != 0 {
			t.Errorf("another process took it: %+v, %v", got, err)
		}
		time.Sleep(2 * time.Minute)
		stop()
		if m, _ := w.message(t, id); m.Status != store.StatusSent || w.attempts["r@a.example"] != 1 {
			t.Errorf("%v after %d attempts", m.Status, w.attempts["r@a.example"])
		}
	})
}

func TestACrowdedDomainWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), sent)
		var mu sync.Mutex
		now, most := 0, 0
		w.block = func(_ context.Context, job courier.Job) {
			if job.Domain != "a.example" {
				return
			}
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(10 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
		}
		for i := range 30 {
			w.submit(t, fmt.Sprintf("r%d@a.example", i))
		}
		other := w.submit(t, "r@b.example").Recipients[0].ID
		q, stop := w.run(t, func(c *queue.Config) { c.PerDomain, c.MaxPerHost = true, 3 })
		time.Sleep(2 * time.Second)
		if m, _ := w.message(t, other); m.Status != store.StatusSent {
			t.Errorf("another domain's message waits behind the crowd: %v", m.Status)
		}
		time.Sleep(10 * time.Minute)
		stop()
		if st := q.Stats(); st.Sent != 31 || most != 3 {
			t.Errorf("sent %d of 31, %d at a time of at most 3", st.Sent, most)
		}
	})
}

func TestHoldDeliversNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sqlite(t), sent)
		id := w.submit(t, "r@a.example").Recipients[0].ID
		_, stop := w.run(t, func(c *queue.Config) { c.Hold = true })
		time.Sleep(time.Hour)
		stop()
		if m, _ := w.message(t, id); m.Status != store.StatusQueued || len(w.jobs) != 0 {
			t.Errorf("%v after %d jobs", m.Status, len(w.jobs))
		}
	})
}
