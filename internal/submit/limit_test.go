// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/gate"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// limit changes the desk's key, as accounts and keys do.
func (d *desk) limit(t *testing.T, change func(*store.Key)) {
	t.Helper()
	err := d.store.Update(t.Context(), func(tx *store.Tx) error {
		k, err := tx.Key(t.Context(), store.OfOperator(), store.KeyFilter{ID: d.p.KeyID})
		if err != nil {
			return err
		}
		change(&k)
		return tx.ChangeKey(t.Context(), k)
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Forget(d.p.KeyID)
}

// at makes the desk's clock stand at the middle of an hour, n hours from now, and says which hour that is. The desk
// forgets what it counted, as after a restart.
func (d *desk) at(n int) time.Time {
	if d.hour.IsZero() {
		d.hour = time.Now().UTC().Truncate(time.Hour)
	}
	hour := d.hour.Add(time.Duration(n) * time.Hour)
	d.Submit = submit.NewAt(d.store, func() {}, slog.New(slog.DiscardHandler), func() time.Time { return hour.Add(30 * time.Minute) })
	return hour
}

func recipients(n int) (out []submit.Recipient) {
	for i := range n {
		out = append(out, submit.Recipient{Email: fmt.Sprintf("r%d@example.net", i)})
	}
	return out
}

// refused checks that a limit refused a mail, and says until when.
func refused(t *testing.T, err error, field string, wait time.Duration, words ...string) {
	t.Helper()
	var e *submit.Error
	if !errors.As(err, &e) || e.Code != submit.LimitReached || e.Field != field {
		t.Fatalf("error %v, want %s reached", err, field)
	}
	if e.RetryAfter != wait {
		t.Errorf("room again in %v, want %v", e.RetryAfter, wait)
	}
	for _, w := range words {
		if !strings.Contains(e.Reason, w) {
			t.Errorf("the refusal does not say %q: %s", w, e.Reason)
		}
	}
}

func TestHourlyLimitRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		d.limit(t, func(k *store.Key) { k.HourLimit = 5 })
		d.at(0)
		if _, err := d.send(t, "news@example.org", nil, recipients(4)...); err != nil {
			t.Fatal(err)
		}
		_, err := d.send(t, "news@example.org", nil, recipients(2)...)
		refused(t, err, "HourLimit", 30*time.Minute, "5 messages an hour", "1 of them are left")
		_, err = d.send(t, "news@example.org", nil, recipients(6)...)
		refused(t, err, "HourLimit", 30*time.Minute, "6 recipients")
		// The sandbox takes nothing of a limit, and is refused by it all the same.
		if _, err := d.send(t, "news@example.org", func(m *submit.Message) { m.Sandbox = true }); err != nil {
			t.Error(err)
		}
		d.at(0) // a restart does not forget what was sent
		if _, err := d.send(t, "news@example.org", nil); err != nil {
			t.Fatal(err)
		}
		_, err = d.send(t, "news@example.org", nil)
		refused(t, err, "HourLimit", 30*time.Minute)
		if n := d.count(t); n != 5 {
			t.Errorf("%d messages were kept, want 5", n)
		}
		if st := d.Stats(); st.Limited != 1 {
			t.Errorf("%d submissions counted as limited, want 1 since the restart", st.Limited)
		}
		d.at(1)
		if _, err := d.send(t, "news@example.org", nil, recipients(5)...); err != nil {
			t.Errorf("in the next hour: %v", err)
		}
	})
}

func TestMailOverAnHourlyLimitWaitsByChoice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		d.limit(t, func(k *store.Key) { k.HourLimit, k.OverHourWaits = 3, true })
		hour := d.at(0)
		r, err := d.send(t, "news@example.org", nil, recipients(8)...)
		if err != nil {
			t.Fatal(err)
		}
		due := map[int64]int{}
		for _, m := range r.Messages {
			next, err := s.NextAttempt(t.Context(), store.OfOperator(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			h := int64(0)
			if next.After(time.Now()) {
				h = int64(next.Sub(hour) / time.Hour)
			}
			due[h]++
		}
		if due[0] != 3 || due[1] != 3 || due[2] != 2 {
			t.Errorf("messages by the hour in which they leave: %v, want 3, 3, 2", due)
		}
		if n := d.Stats().Delayed; n != 5 {
			t.Errorf("%d messages are counted as delayed, want 5", n)
		}
		// They are claimed when their hour has turned, and not before.
		for h, want := range []int{3, 3, 2} {
			got, err := s.Claim(t.Context(), store.MainLane, "test", hour.Add(time.Duration(h)*time.Hour).Add(59*time.Minute), hour.Add(100*time.Hour), 100)
			if err != nil || len(got) != want {
				t.Errorf("hour %d: %d claimed, want %d (%v)", h, len(got), want, err)
			}
		}
		// What would have to wait for more than a day is refused.
		_, err = d.send(t, "news@example.org", nil, recipients(100)...)
		refused(t, err, "HourLimit", 30*time.Minute, "fills the next 24 hours")
	})
}

func TestLimitsOfADayAndAMonth(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		now := d.at(0).Add(30 * time.Minute)
		midnight := now.Truncate(24*time.Hour).AddDate(0, 0, 1)
		d.limit(t, func(k *store.Key) { k.DayLimit = 2 })
		if _, err := d.send(t, "news@example.org", nil, recipients(2)...); err != nil {
			t.Fatal(err)
		}
		_, err := d.send(t, "news@example.org", nil)
		refused(t, err, "DayLimit", midnight.Sub(now), "2 messages a day")
		// A key without a limit has its account's.
		d.limit(t, func(k *store.Key) { k.DayLimit = 0 })
		d.account(t, func(a *store.Account) { a.DayLimit = 3 })
		if _, err := d.send(t, "news@example.org", nil); err != nil {
			t.Fatal(err)
		}
		_, err = d.send(t, "news@example.org", nil)
		refused(t, err, "DayLimit", midnight.Sub(now), "3 messages a day")
		d.limit(t, func(k *store.Key) { k.DayLimit, k.MonthLimit = 100, 4 })
		if _, err := d.send(t, "news@example.org", nil); err != nil {
			t.Fatal(err)
		}
		_, err = d.send(t, "news@example.org", nil)
		first := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		refused(t, err, "MonthLimit", first.Sub(now), "4 messages a month")
	})
}

// account changes the desk's account, as accounts and keys do.
func (d *desk) account(t *testing.T, change func(*store.Account)) {
	t.Helper()
	err := d.store.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.Account(t.Context(), d.p.AccountID)
		if err != nil {
			return err
		}
		change(&a)
		return tx.ChangeAccount(t.Context(), a)
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Forget(0)
}

func TestPlanBoundsAllKeysTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		other := d.p
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			id, err := tx.AddPlan(t.Context(), store.Plan{Name: "Small", HourMessages: 4, MonthMessages: 6})
			if err != nil {
				return err
			}
			a, err := tx.Account(t.Context(), d.p.AccountID)
			if err != nil {
				return err
			}
			a.PlanID = id
			if err := tx.ChangeAccount(t.Context(), a); err != nil {
				return err
			}
			k, err := tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: "1123456789abcdef0123456789abcdef", Name: "two", State: store.KeyActive})
			if err != nil {
				return err
			}
			other = gate.Principal{KeyID: k.ID, AccountID: a.ID}
			_, err = tx.PutSender(t.Context(), store.Sender{KeyID: k.ID, Email: "news@example.org", Domain: "example.org", Status: store.SenderActive})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		d.at(0)
		if _, err := d.send(t, "news@example.org", nil, recipients(3)...); err != nil {
			t.Fatal(err)
		}
		first := d.p
		d.p = other
		_, err = d.send(t, "news@example.org", nil, recipients(2)...)
		refused(t, err, "HourMessages", 30*time.Minute, "account's plan", "4 messages an hour")
		// The operator grants more an hour: then the month bounds.
		more := int64(100)
		d.account(t, func(a *store.Account) { a.MaxHour = &more })
		if _, err := d.send(t, "news@example.org", nil, recipients(2)...); err != nil {
			t.Fatal(err)
		}
		d.p = first
		if _, err := d.send(t, "news@example.org", nil); err != nil {
			t.Fatal(err)
		}
		if _, err = d.send(t, "news@example.org", nil); code(err) != submit.LimitReached || !strings.Contains(err.Error(), "6 messages a month") {
			t.Errorf("past the month of the plan: %v", err)
		}
	})
}

func TestLimitIsExactUnderLoad(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		d.limit(t, func(k *store.Key) { k.HourLimit = 50 })
		d.at(0)
		var running sync.WaitGroup
		for range 20 {
			running.Go(func() {
				for range 5 {
					if _, err := d.send(t, "news@example.org", nil); err != nil && code(err) != submit.LimitReached {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		if n := d.count(t); n != 50 {
			t.Errorf("%d messages were accepted, want 50", n)
		}
	})
}

func TestKeyIsRestrictedToSenders(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	d.limit(t, func(k *store.Key) { k.AllowedSenders = "*@xn--bcher-kva.example" })
	if _, err := d.send(t, "a@xn--bcher-kva.example", nil); err != nil {
		t.Error(err)
	}
	if _, err := d.send(t, "news@example.org", nil); code(err) != submit.SenderNotAllowed || !strings.Contains(err.Error(), "restricted to other senders") {
		t.Errorf("another sender of the key: %v", err)
	}
	if _, err := d.send(t, "news@example.com", nil); code(err) != submit.SenderNotAllowed || !strings.Contains(err.Error(), "not an authorized sender") {
		t.Errorf("a stranger: %v", err)
	}
}
