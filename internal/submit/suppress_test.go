// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// suppress puts an address on the list of the desk's key.
func (d *desk) suppress(t *testing.T, email string) {
	t.Helper()
	err := d.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddSuppressions(t.Context(), store.Key{ID: d.p.KeyID, AccountID: d.p.AccountID}, []store.Suppression{{Email: email, Reason: store.SuppressedManual}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) message(t *testing.T, id int64) store.Message {
	t.Helper()
	m, err := d.store.Message(t.Context(), store.OfKey(d.p.AccountID, d.p.KeyID), store.MessageFilter{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSuppressedIsAcceptedAndBlocked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		d.suppress(t, "b@example.net")
		to := []submit.Recipient{{Email: "a@example.net"}, {Email: "B@example.NET"}, {Email: "c@example.net"}}
		if _, err := d.send(t, "news@example.org", func(m *submit.Message) { m.Sandbox = true }, to...); err != nil || d.Stats().Suppressed != 0 {
			t.Errorf("in the sandbox: %v, %+v", err, d.Stats())
		}
		r, err := d.send(t, "news@example.org", nil, to...)
		if err != nil || len(r.Messages) != 3 {
			t.Fatalf("%+v, %v", r, err)
		}
		for i, want := range []store.Status{store.StatusQueued, store.StatusBlocked, store.StatusQueued} {
			if m := d.message(t, r.Messages[i].ID); m.Status != want || m.UUID.String() != r.Messages[i].UUID {
				t.Errorf("%s: %v, want %v", m.Recipient, m.Status, want)
			}
		}
		if m := d.message(t, r.Messages[1].ID); m.StateID != int(mail.StatePreblocked) || d.Stats().Suppressed != 1 {
			t.Errorf("state %d, %+v", m.StateID, d.Stats())
		}
	})
}

// What is not sent uses up no limit.
func TestSuppressedCountsAgainstNoLimit(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	d.suppress(t, "b@example.net")
	d.limit(t, func(k *store.Key) { k.HourLimit = 2 })
	for range 3 {
		if _, err := d.send(t, "news@example.org", nil, submit.Recipient{Email: "b@example.net"}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := d.send(t, "news@example.org", nil, submit.Recipient{Email: "b@example.net"}, submit.Recipient{Email: "a@example.net"}, submit.Recipient{Email: "c@example.net"})
	if err != nil {
		t.Fatal(err)
	}
	if m := d.message(t, r.Messages[2].ID); m.Status != store.StatusQueued {
		t.Errorf("%+v", m)
	}
	if _, err := d.send(t, "news@example.org", nil, submit.Recipient{Email: "a@example.net"}); code(err) != submit.LimitReached {
		t.Errorf("over the limit: %v", err)
	}
}

// Mails come while the address bounces: each is either queued or blocked, and what comes once the bounce is recorded is
// blocked.
func TestMailWhileItsAddressBounces(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		d.Submit = submit.New(s, func() {}, slog.New(slog.DiscardHandler))
		first, err := d.send(t, "news@example.org", nil)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		got, err := s.Claim(t.Context(), store.MainLane, "w", now, now.Add(time.Minute), 10)
		if err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
		var all sync.WaitGroup
		ids := make([]int64, 8)
		for i := range ids {
			all.Go(func() {
				r, err := d.Accept(t.Context(), d.p, submit.Envelope{From: "news@example.org", Recipients: []submit.Recipient{{Email: "r@example.net"}}},
					submit.Message{Raw: []byte("From: news@example.org\r\n\r\nx\r\n"), From: mail.Address{Email: "news@example.org"}, Source: "http"})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = r.Messages[0].ID
			})
		}
		err = s.Complete(t.Context(), []store.Completion{{Claimed: got[0], Owner: "w", Result: store.CompletedBounced, At: now, Permanent: true, StateID: int(mail.StateUserUnknown)}})
		if err != nil {
			t.Fatal(err)
		}
		last, err := d.send(t, "news@example.org", nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if m := d.message(t, first.Messages[0].ID); m.Status != store.StatusHardBounced {
			t.Errorf("the first: %v", m.Status)
		}
		if m := d.message(t, last.Messages[0].ID); m.Status != store.StatusBlocked || m.StateID != int(mail.StatePreblocked) {
			t.Errorf("after the bounce: %v", m.Status)
		}
		for after := int64(0); ; {
			n, next, err := s.CancelSuppressed(t.Context(), after)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 && next == 0 {
				break
			}
			after = next
		}
		for _, id := range ids {
			if m := d.message(t, id); m.Status != store.StatusBlocked {
				t.Errorf("what came meanwhile and waited: %v", m.Status)
			}
		}
		if q, err := s.QueueStats(t.Context()); err != nil || q.Waiting != 0 {
			t.Errorf("%d wait, %v", q.Waiting, err)
		}
	})
}
