// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

func (r *ring) master() store.KeyFilter { return store.KeyFilter{ID: r.up.Key.ID} }

func (r *ring) live(t *testing.T) []store.Secret {
	t.Helper()
	key, err := r.store.Key(t.Context(), r.scope, r.master())
	if err != nil {
		t.Fatal(err)
	}
	return key.Secrets
}

// says checks that err names each of the words.
func says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
}

func TestResetWithAnOverlap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		user, first := r.up.Key.APIKey, r.up.Secret
		for _, bad := range []time.Duration{time.Second, 59 * time.Second, 31 * 24 * time.Hour, -time.Hour} {
			_, err := r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{Overlap: bad})
			wants(t, err, change.Invalid, "OverlapSeconds")
		}
		second, err := r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{Overlap: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if !r.opens(user, first) || !r.opens(user, second.Secret) {
			t.Fatal("both secrets must open during the overlap")
		}
		live := r.live(t)
		if len(live) != 2 || live[0].Hint != credential.Hint(second.Secret) || !live[0].ExpiresAt.IsZero() || live[1].ExpiresAt.IsZero() {
			t.Fatalf("live secrets: %+v", live)
		}

		// A third says which of the two would die, and ends what is named.
		_, err = r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{Overlap: time.Hour})
		wants(t, err, change.Conflict, "EndSecretID")
		says(t, err, "…"+live[1].Hint, "would end at once", fmt.Sprint(live[1].ID))
		_, err = r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{Overlap: time.Hour, EndSecretID: 1 << 40})
		wants(t, err, change.Invalid, "EndSecretID")
		third, err := r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{Overlap: 2 * time.Hour, EndSecretID: live[1].ID})
		if err != nil {
			t.Fatal(err)
		}
		if r.opens(user, first) || !r.opens(user, second.Secret) || !r.opens(user, third.Secret) {
			t.Error("after the third reset the first must be dead, and the others live")
		}

		// Retired early, the old one is dead; the only one left is not retired.
		old := r.live(t)[1]
		if _, err := r.Retire(t.Context(), operator, r.scope, r.master(), old.ID); err != nil {
			t.Fatal(err)
		}
		if r.opens(user, second.Secret) || !r.opens(user, third.Secret) {
			t.Error("the retired secret opens, or the other does not")
		}
		_, err = r.Retire(t.Context(), operator, r.scope, r.master(), r.live(t)[0].ID)
		wants(t, err, change.NotAllowed, "SecretID")
		_, err = r.Retire(t.Context(), operator, r.scope, r.master(), old.ID)
		wants(t, err, change.Invalid, "SecretID")
	})
}

// TestAnOverlapIsNotPromisedPastThePolicy: where overdue secrets stop working, the answer and the audit log say the end that
// holds.
func TestAnOverlapIsNotPromisedPastThePolicy(t *testing.T) {
	for left, want := range map[time.Duration]int{45 * time.Second: 2, 48 * time.Hour: 2, -time.Minute: 1} {
		s := storetest.New(t)
		r := newRing(t, s)
		if _, err := r.ChangeAccount(t.Context(), operator, r.up.Account.ID, accounts.AccountChange{StopOverdue: new(true)}); err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(left).UTC().Truncate(time.Microsecond)
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.BackdateSecret(t.Context(), r.live(t)[0].ID, end.Add(-90*24*time.Hour))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{Overlap: 7 * 24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		live := r.live(t)
		if len(live) != want || want == 2 && !live[1].ExpiresAt.Equal(end) {
			t.Errorf("%s before its policy's end: live secrets %+v, the end is %s", left, live, end)
		}
	}
}

func TestOverlapEndsByItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		user, first := r.up.Key.APIKey, r.up.Secret
		second, err := r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{Overlap: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		// As an hour later: the row says so, and a server that starts then knows.
		err = s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.ExpireSecret(t.Context(), r.up.Key.ID, r.up.Key.Secrets[0].ID, tx.Now.Add(-time.Second))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.opens(user, first) || !r.opens(user, second.Secret) {
			t.Error("after the overlap the old secret must be dead, and the new one live")
		}
		if n, err := r.EndOverlaps(t.Context()); n != 1 || err != nil {
			t.Errorf("%d overlaps ended (%v), want 1", n, err)
		}
		if n, _ := r.EndOverlaps(t.Context()); n != 0 {
			t.Error("an overlap ended twice")
		}
		if log := r.actions(t); log[len(log)-1] != "key.overlap.end" {
			t.Errorf("audit log: %v", log)
		}
	})
}

// actions are the actions of the audit log, in order.
func (r *ring) actions(t *testing.T) (out []string) {
	t.Helper()
	log, err := r.store.Audit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		out = append(out, e.Action)
	}
	return out
}

func TestLeakedSecretDiesAndItsOwnersAreTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		stranger := change.Actor{Kind: change.Stranger, Name: "stranger", Origin: "192.0.2.66"}
		if live, err := r.Leaked(t.Context(), stranger, credential.NewSecret(), ""); live || err != nil {
			t.Errorf("a secret of nobody's: %v, %v", live, err)
		}
		if live, err := r.Leaked(t.Context(), stranger, r.up.Secret, ""); !live || err != nil {
			t.Fatalf("a live secret: %v, %v", live, err)
		}
		if r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Error("the leaked secret opens")
		}
		if live, _ := r.Leaked(t.Context(), stranger, r.up.Secret, ""); live {
			t.Error("a dead secret is reported as live")
		}
		n := r.lastNotice(t)
		if n.Kind != notice.CredentialLeaked || n.APIKey != r.up.Key.APIKey || n.Hint != credential.Hint(r.up.Secret) || n.Address != "192.0.2.66" {
			t.Errorf("the owners are told %+v", n)
		}
		if log := r.actions(t); log[len(log)-1] != "key.leaked" {
			t.Errorf("audit log: %v", log)
		}
	})
}

func (r *ring) lastNotice(t *testing.T) notice.Notice {
	t.Helper()
	kept, err := r.store.DueNotices(t.Context(), time.Now().Add(time.Hour), 1000)
	if err != nil || len(kept) == 0 {
		t.Fatalf("no notices (%v)", err)
	}
	n, err := r.notices.Open(kept[len(kept)-1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPairOfAnotherServiceIsImported(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		pair := keys.NewKey{Name: "Old shop", APIKey: "00112233445566778899aabbccddeeff", Secret: "ffeeddccbbaa99887766554433221100"}
		made, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, pair)
		if err != nil {
			t.Fatal(err)
		}
		if made.Secret != "" {
			t.Error("an imported secret is answered")
		}
		if !r.opens(pair.APIKey, pair.Secret) {
			t.Error("the imported pair does not open")
		}
		for field, bad := range map[string]keys.NewKey{
			"APIKey":    {Name: "x", APIKey: "key-of-mailgun", Secret: pair.Secret},
			"SecretKey": {Name: "x", APIKey: "10112233445566778899aabbccddeeff", Secret: "password"},
		} {
			_, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, bad)
			wants(t, err, change.Invalid, field)
		}
		_, err = r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "x", APIKey: pair.APIKey, Secret: "0feeddccbbaa99887766554433221100"})
		wants(t, err, change.Conflict, "APIKey")
		_, err = r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "x", APIKey: "20112233445566778899aabbccddeeff", Secret: pair.Secret})
		wants(t, err, change.Conflict, "SecretKey")
		if strings.Contains(r.log.String(), pair.Secret) {
			t.Error("the imported secret is in the log")
		}
	})
}

func TestReferenceIsUniqueInItsAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		sub := func(name, reference string) error {
			_, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: name, Reference: reference})
			return err
		}
		if err := sub("One", " 42 "); err != nil {
			t.Fatal(err)
		}
		wants(t, sub("Two", "42"), change.Conflict, "Reference")
		wants(t, sub("One", "43"), change.Conflict, "Name")
		wants(t, sub("Three", "a/b"), change.Invalid, "Reference")
		if err := sub("Four", ""); err != nil {
			t.Error(err)
		}
		if err := sub("Five", ""); err != nil {
			t.Error(err)
		}
		other, err := r.SignUp(t.Context(), operator, "Other", "other@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.CreateSubaccount(t.Context(), operator, other.Account.ID, keys.NewKey{Name: "One", Reference: "42"}); err != nil {
			t.Errorf("another account's reference: %v", err)
		}
	})
}

func TestRestrictionsAreCheckedAndLogged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		sub, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		f := store.KeyFilter{ID: sub.Key.ID}
		for field, bad := range map[string]keys.KeyChange{
			"Permissions":    {Permissions: new(access.Permission(8))},
			"Networks":       {Networks: new("192.0.2.1/24")},
			"AllowedSenders": {AllowedSenders: new("not an address @")},
			"HourLimit":      {HourLimit: new(int64(-1))},
			"MonthLimit":     {MonthLimit: new(int64(1 << 60))},
		} {
			_, err := r.Change(t.Context(), operator, r.scope, f, bad, 0)
			wants(t, err, change.Invalid, field)
		}
		bounds := keys.KeyChange{Permissions: new(access.MaySend), Networks: new("127.0.0.0/8, ::1"), AllowedSenders: new("Shop.example, a@B.example"), HourLimit: new(int64(100)), OverHourWaits: new(true)}
		_, err = r.Change(t.Context(), operator, store.OfKey(r.up.Account.ID, sub.Key.ID), f, bounds, sub.Key.ID)
		wants(t, err, change.NotAllowed, "Permissions") // a subaccount's key does not lift its own bounds
		key, err := r.Change(t.Context(), operator, r.scope, f, bounds, r.up.Key.ID)
		if err != nil {
			t.Fatal(err)
		}
		if key.Networks != "127.0.0.0/8 ::1" || key.AllowedSenders != "*@shop.example a@b.example" {
			t.Errorf("stored as %+v", key.Limits)
		}
		log, err := s.AuditEntries(t.Context(), r.scope, store.AuditFilter{Action: "key.change"}, store.Page{Desc: true})
		want := "permissions: send,statistics,manage → send; networks: none → 127.0.0.0/8 ::1; allowed senders: none → *@shop.example a@b.example; messages an hour: no limit → 100; mail over the hourly limit: is refused → waits"
		if err != nil || len(log) != 1 || log[0].Detail != want {
			t.Errorf("audit log: %+v, %v", log, err)
		}
		p, err := r.gate.Verify(from, sub.Key.APIKey, sub.Secret)
		if err != nil || p.May(access.MayRead) {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := r.gate.Verify(gate.Source{}, sub.Key.APIKey, sub.Secret); err == nil {
			t.Error("it opens from outside its networks")
		}
	})
}

func TestSuspendedKeyIsTheOperatorsToRestore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		_, err := r.Keys.Suspend(t.Context(), operator, r.master(), " ")
		wants(t, err, change.Invalid, "Reason")
		if _, err := r.Keys.Suspend(t.Context(), operator, r.master(), "spam reports"); err != nil {
			t.Fatal(err)
		}
		if r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Error("a suspended key opens")
		}
		if n := r.lastNotice(t); n.Kind != notice.KeySuspended || n.Reason != "spam reports" {
			t.Errorf("the owners are told %+v", n)
		}
		_, err = r.Change(t.Context(), operator, r.scope, r.master(), keys.KeyChange{Active: new(true)}, 0)
		wants(t, err, change.NotAllowed, "IsActive")
		_, err = r.Keys.Suspend(t.Context(), operator, r.master(), "again")
		wants(t, err, change.Conflict, "State")
		if _, err := r.Warm(t.Context()); err != nil || r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Error("a restart opens a suspended key")
		}
		if _, err := r.Keys.Restore(t.Context(), operator, r.master()); err != nil {
			t.Fatal(err)
		}
		if !r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Error("a restored key does not open")
		}
	})
}

func TestDeletedSubaccountOpensNothingAndIsNeverGivenOutAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		sub, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop", Reference: "7"})
		if err != nil {
			t.Fatal(err)
		}
		f := store.KeyFilter{ID: sub.Key.ID}
		wants(t, r.Delete(t.Context(), operator, r.scope, r.master(), false), change.NotAllowed, "ID")
		message := r.accepted(t, sub.Key)
		if err := r.Delete(t.Context(), operator, r.scope, f, false); err != nil {
			t.Fatal(err)
		}
		if r.opens(sub.Key.APIKey, sub.Secret) {
			t.Error("a deleted key opens")
		}
		wants(t, r.Delete(t.Context(), operator, r.scope, f, false), change.NotFound, "")
		// Its mail is still sent, its history is there, its name and reference are free, its API key is not.
		if _, err := s.NextAttempt(t.Context(), r.scope, message); err != nil {
			t.Errorf("its queued mail: %v", err)
		}
		if _, err := s.Message(t.Context(), r.scope, store.MessageFilter{ID: message}); err != nil {
			t.Errorf("its history: %v", err)
		}
		if _, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop", Reference: "7"}); err != nil {
			t.Errorf("its name and reference: %v", err)
		}
		_, err = r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Again", APIKey: sub.Key.APIKey, Secret: "ffeeddccbbaa99887766554433221100"})
		wants(t, err, change.Conflict, "APIKey")
		if _, err := r.Warm(t.Context()); err != nil || r.opens(sub.Key.APIKey, sub.Secret) {
			t.Error("a restart brings a deleted key back")
		}
	})
}

// accepted puts a mail of a key into the queue.
func (r *ring) accepted(t *testing.T, key store.Key) int64 {
	t.Helper()
	if _, err := r.AddSender(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: key.ID}, "a@example.com", ""); err != nil {
		t.Fatal(err)
	}
	way := submit.New(r.store, func() {}, slog.New(slog.DiscardHandler))
	receipt, err := way.Accept(context.Background(), gate.Principal{KeyID: key.ID, AccountID: key.AccountID}, submit.Envelope{From: "a@example.com", Recipients: []submit.Recipient{{Email: "b@example.net"}}},
		submit.Message{Raw: []byte("From: a@example.com\r\n\r\nx\r\n"), From: mail.Address{Email: "a@example.com"}, Source: "http", Priority: 2})
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Messages[0].ID
}

func TestDeletionCancelsQueuedMailWhenAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		sub, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		waiting, tried := r.accepted(t, sub.Key), r.accepted(t, sub.Key)
		others := r.accepted(t, r.up.Key)
		// One is being tried while the subaccount is deleted.
		now := time.Now()
		got, err := s.Claim(t.Context(), store.MainLane, "me", now, now.Add(time.Minute), 100)
		if err != nil || len(got) != 3 {
			t.Fatalf("%d claimed, %v", len(got), err)
		}
		var back []store.Completion
		for _, c := range got {
			if c.MessageID != tried {
				back = append(back, store.Completion{Claimed: c, Owner: "me", At: now, Result: store.CompletedReturned, Due: now})
			}
		}
		if err := s.Complete(t.Context(), back); err != nil {
			t.Fatal(err)
		}
		if err := r.Delete(t.Context(), operator, r.scope, store.KeyFilter{ID: sub.Key.ID}, true); err != nil {
			t.Fatal(err)
		}
		status := func(id int64) store.Status {
			m, err := s.Message(t.Context(), r.scope, store.MessageFilter{ID: id})
			if err != nil {
				t.Fatal(err)
			}
			return m.Status
		}
		if status(waiting) != store.StatusBlocked || status(tried) != store.StatusQueued || status(others) != store.StatusQueued {
			t.Errorf("after the deletion: waiting %v, being tried %v, of another key %v", status(waiting), status(tried), status(others))
		}
		// It comes back unsent, and is cancelled.
		for _, c := range got {
			if c.MessageID == tried {
				if err := s.Complete(t.Context(), []store.Completion{{Claimed: c, Owner: "me", At: now, Result: store.CompletedDeferred, Due: now.Add(time.Hour)}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n, err := r.CancelQueued(t.Context()); n != 1 || err != nil || status(tried) != store.StatusBlocked {
			t.Errorf("%d cancelled (%v), it is %v", n, err, status(tried))
		}
		events, err := s.Events(t.Context(), r.scope, waiting)
		if err != nil || len(events) != 1 || events[0].Type != store.EventBlocked || !strings.Contains(events[0].Line, "subaccount was deleted") {
			t.Errorf("its history: %+v, %v", events, err)
		}
		c, err := s.Counters(t.Context(), store.OfKey(sub.Key.AccountID, sub.Key.ID), store.ByEvent, time.Time{}, time.Time{})
		if err != nil || c.Blocked != 2 {
			t.Errorf("counters %+v, %v", c, err)
		}
	})
}

func TestPolicyStopsOverdueSecrets(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		id := r.up.Account.ID
		for field, bad := range map[string]accounts.AccountChange{
			"SecretDays": {SecretDays: new(0)}, "RemindDays": {RemindDays: new(90)}, "DayLimit": {DayLimit: new(int64(-5))}, "Name": {Name: new("")},
		} {
			_, err := r.ChangeAccount(t.Context(), operator, id, bad)
			wants(t, err, change.Invalid, field)
		}
		r.age(t, r.up.Key.Secrets[0].ID, 50*24*time.Hour)
		if _, err := r.ChangeAccount(t.Context(), operator, id, accounts.AccountChange{SecretDays: new(30), RemindDays: new(7)}); err != nil {
			t.Fatal(err)
		}
		if !r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Error("an overdue secret stops though the policy lets it")
		}
		if _, err := r.ChangeAccount(t.Context(), operator, id, accounts.AccountChange{StopOverdue: new(true)}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.gate.Verify(from, r.up.Key.APIKey, r.up.Secret); err == nil || !strings.Contains(err.Error(), "overdue") {
			t.Errorf("an overdue secret: %v", err)
		}
		if _, err := r.Warm(t.Context()); err != nil || r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Error("a restart lets an overdue secret in")
		}
		fresh, err := r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{})
		if err != nil || !r.opens(r.up.Key.APIKey, fresh.Secret) {
			t.Errorf("a reset secret does not open: %v", err)
		}
	})
}

// age makes a secret older.
func (r *ring) age(t *testing.T, secretID int64, by time.Duration) {
	t.Helper()
	err := r.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.BackdateSecret(t.Context(), secretID, tx.Now.Add(-by))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Warm(t.Context()); err != nil { // the gate knows when a secret was made
		t.Fatal(err)
	}
}

func TestPlanLimitsAndRequests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		id := r.up.Account.ID
		owner := change.Actor{Kind: change.User, Name: "owner@example.com", Origin: "192.0.2.1"}
		plan, err := r.PutPlan(t.Context(), operator, store.Plan{Name: "Starter", Subaccounts: 1, Users: 2})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.PutPlan(t.Context(), operator, store.Plan{Name: "Starter"}); err == nil {
			t.Error("two plans of one name")
		}
		if err := r.AssignPlan(t.Context(), operator, id, plan.ID); err != nil {
			t.Fatal(err)
		}
		wants(t, r.RemovePlan(t.Context(), operator, plan.ID), change.Conflict, "ID")
		sub := func(name string) error {
			_, err := r.CreateSubaccount(t.Context(), owner, id, keys.NewKey{Name: name})
			return err
		}
		if err := sub("One"); err != nil {
			t.Fatal(err)
		}
		err = sub("Two")
		wants(t, err, change.LimitReached, "Subaccounts")
		says(t, err, "Starter allows 1", "ask the operator")

		_, err = r.Ask(t.Context(), owner, id, "", "subaccounts", 1, "we grow")
		wants(t, err, change.Invalid, "Wanted")
		_, err = r.Ask(t.Context(), owner, id, "", "subaccounts", 5, "")
		wants(t, err, change.Invalid, "Reason")
		_, err = r.Ask(t.Context(), owner, id, "", "month", 5, "we grow")
		wants(t, err, change.Conflict, "Kind")
		q, err := r.Ask(t.Context(), owner, id, "owner@example.com", "subaccounts", 5, "we grow")
		if err != nil || q.State != store.RequestOpen {
			t.Fatalf("%+v, %v", q, err)
		}
		if n := r.lastNotice(t); n.Kind != notice.RequestMade || n.Wanted != 5 || n.Reason != "we grow" || n.AccountName != "Harbour" {
			t.Errorf("the operators are told %+v", n)
		}
		_, err = r.Ask(t.Context(), owner, id, "", "subaccounts", 6, "again")
		wants(t, err, change.Conflict, "Kind")

		_, err = r.Answer(t.Context(), operator, q.ID, false, 0, "")
		wants(t, err, change.Invalid, "Reason")
		if q, err = r.Answer(t.Context(), operator, q.ID, true, 2, "two for now"); err != nil || q.State != store.RequestGranted {
			t.Fatalf("%+v, %v", q, err)
		}
		if n := r.lastNotice(t); n.Kind != notice.RequestGranted || n.Wanted != 2 || len(n.To) != 1 || n.To[0] != "owner@example.com" {
			t.Errorf("who asked is told %+v", n)
		}
		_, err = r.Answer(t.Context(), operator, q.ID, false, 0, "too late")
		wants(t, err, change.Conflict, "ID")
		if err := sub("Two"); err != nil {
			t.Errorf("after the grant: %v", err)
		}
		wants(t, sub("Three"), change.LimitReached, "Subaccounts")

		// A deleted one makes room; the users' limit counts open invitations.
		if err := r.Delete(t.Context(), owner, r.scope, store.KeyFilter{Name: "Two"}, false); err != nil {
			t.Fatal(err)
		}
		if err := sub("Three"); err != nil {
			t.Error(err)
		}
		if _, err := r.Invite(t.Context(), owner, id, people.Share{Email: "a@example.com", Role: access.Analyst}); err != nil {
			t.Fatal(err)
		}
		_, err = r.Invite(t.Context(), owner, id, people.Share{Email: "b@example.com", Role: access.Analyst})
		wants(t, err, change.LimitReached, "Users")
	})
}

func TestMessagesPastTheirRetentionAreDeleted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		plan, err := r.PutPlan(t.Context(), operator, store.Plan{Name: "Short", RetentionDays: 7})
		if err != nil {
			t.Fatal(err)
		}
		sent, waiting := r.accepted(t, r.up.Key), r.accepted(t, r.up.Key)
		now := time.Now()
		got, err := s.Claim(t.Context(), store.MainLane, "me", now, now.Add(time.Minute), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got {
			done := store.Completion{Claimed: c, Owner: "me", At: now.AddDate(0, 0, -8), Result: store.CompletedSent}
			if c.MessageID == waiting {
				done.Result, done.Due = store.CompletedDeferred, now
			}
			if err := s.Complete(t.Context(), []store.Completion{done}); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := r.Forget(t.Context()); n != 0 || err != nil {
			t.Errorf("%d deleted of an account without a plan (%v)", n, err)
		}
		if err := r.AssignPlan(t.Context(), operator, r.up.Account.ID, plan.ID); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Forget(t.Context()); n != 0 || err != nil {
			t.Errorf("%d deleted before their time (%v)", n, err)
		}
		// As eight days later, a message at a time.
		deleted, after := 0, int64(0)
		for {
			batch, err := s.Forget(t.Context(), r.up.Account.ID, now.Add(time.Hour), after, 1, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			deleted += batch.Messages
			if after = batch.Last; after == 0 {
				break
			}
		}
		if deleted != 1 {
			t.Errorf("%d deleted, want the finished one", deleted)
		}
		if _, err := s.Message(t.Context(), r.scope, store.MessageFilter{ID: sent}); err == nil {
			t.Error("the finished message is still there")
		}
		if _, err := s.Source(t.Context(), r.scope, waiting); err != nil {
			t.Errorf("a message that waits lost its source: %v", err)
		}
		c, err := s.Counters(t.Context(), r.scope, store.ByEvent, time.Time{}, time.Time{})
		if err != nil || c.Sent != 1 {
			t.Errorf("counters %+v, %v", c, err)
		}
	})
}

// What a caller who hangs up began is whole or not at all: what is committed, the gate knows.
func TestAChangeIsWholeWhenItsCallerHangsUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		if _, err := r.Reset(gone, operator, r.scope, r.master(), keys.Reset{}); err == nil || !r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Errorf("a reset that was never begun: %v", err)
		}
		for range 20 { // hanging up at some moment of the reset
			ctx, cancel := context.WithCancel(t.Context())
			old := r.live(t)[0].ID
			done := make(chan struct{})
			go func() { defer close(done); r.Reset(ctx, operator, r.scope, r.master(), keys.Reset{}) }() //nolint:errcheck // either way
			cancel()
			<-done
			r.up.Secret = r.agree(t, old, r.up.Secret)
		}
		r.age(t, r.live(t)[0].ID, 100*24*time.Hour)
		if _, err := r.ChangeAccount(gone, operator, r.up.Account.ID, accounts.AccountChange{StopOverdue: new(true)}); err != nil {
			t.Fatal(err)
		}
		if r.opens(r.up.Key.APIKey, r.up.Secret) {
			t.Error("an overdue secret opens after a change of policy whose caller was gone")
		}
	})
}

// agree checks that gate and store agree on whether a secret is still live, and gives the key a known one if it is not.
func (r *ring) agree(t *testing.T, old int64, secret string) string {
	t.Helper()
	live := r.live(t)[0].ID == old
	if r.opens(r.up.Key.APIKey, secret) != live {
		t.Fatalf("the store says that the secret is live: %v, and the gate the opposite", live)
	}
	if live {
		return secret
	}
	fresh, err := r.Reset(t.Context(), operator, r.scope, r.master(), keys.Reset{})
	if err != nil {
		t.Fatal(err)
	}
	return fresh.Secret
}

func TestASuspendedAccountMakesNoNewKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		user := change.Actor{Kind: change.User, Name: "owner@example.com"}
		sub, err := r.CreateSubaccount(t.Context(), user, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: sub.Key.ID}, "spam"); err != nil {
			t.Fatal(err)
		}
		wants(t, r.Delete(t.Context(), user, r.scope, store.KeyFilter{ID: sub.Key.ID}, true), change.NotAllowed, "ID")
		if _, err := r.Keys.Suspend(t.Context(), operator, r.master(), "spam"); err != nil {
			t.Fatal(err)
		}
		_, err = r.CreateSubaccount(t.Context(), user, r.up.Account.ID, keys.NewKey{Name: "Another"})
		wants(t, err, change.NotAllowed, "Name")
		if err := r.Delete(t.Context(), operator, r.scope, store.KeyFilter{ID: sub.Key.ID}, true); err != nil {
			t.Errorf("the operator deletes: %v", err)
		}
	})
}

func TestASubaccountsKeyDoesNotRenameItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := newRing(t, s)
		sub, err := r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []keys.KeyChange{{Name: new("Other")}, {Reference: new("cust-9")}} {
			_, err := r.Change(t.Context(), operator, store.OfKey(r.up.Account.ID, sub.Key.ID), store.KeyFilter{ID: sub.Key.ID}, c, sub.Key.ID)
			wants(t, err, change.NotAllowed, "Name")
		}
		_, err = r.CreateSubaccount(t.Context(), operator, r.up.Account.ID, keys.NewKey{Name: "Shop (deleted 2)"})
		wants(t, err, change.Invalid, "Name")
	})
}
