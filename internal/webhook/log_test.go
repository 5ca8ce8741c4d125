// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhook"
)

func TestTheLogOfAttempts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(500))
		k, other := p.key("Harbour"), p.key("Other")
		p.hook(k, strings.Replace(r.URL, "http://", "http://user:hunter2@", 1)+"/hidden", 2, false, hookTypes...)
		p.accept(k, 3, 0)
		p.sent()
		p.pass(2 * time.Second)
		p.tell()
		list := func(f store.AttemptFilter) []store.Attempt {
			t.Helper()
			got, err := s.Attempts(t.Context(), store.OfKey(k.AccountID, k.ID), f, 0)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		got := list(store.AttemptFilter{})
		if len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		a := got[0]
		if a.Outcome != store.AttemptFailed || a.Status != 500 || a.Count != 3 || len(a.EventIDs) != 3 || a.Number != 1 || a.Version != 2 || !slices.Equal(a.Types, []store.EventType{store.EventSent}) || !strings.HasPrefix(a.Target, "http://127.0.0.1") || strings.Contains(a.Target, "hidden") {
			t.Errorf("%+v", a)
		}
		if body, n, err := p.Body(t.Context(), a); err != nil || n != 3 || string(body) != r.requests()[0].body {
			t.Errorf("made again: %s, %d, %v\nsent: %s", body, n, err, r.requests()[0].body)
		}
		r.answers(nil)
		p.pass(time.Minute)
		p.tell()
		failed, worked := true, false
		if list(store.AttemptFilter{})[0].Outcome != store.AttemptDelivered || len(list(store.AttemptFilter{Failed: &failed})) != 1 || len(list(store.AttemptFilter{Failed: &worked, Type: store.EventSent})) != 1 || len(list(store.AttemptFilter{Type: store.EventOpen})) != 0 {
			t.Error("filters of the log")
		}
		if foreign, err := s.Attempts(t.Context(), store.OfKey(other.AccountID, other.ID), store.AttemptFilter{}, 0); err != nil || len(foreign) != 0 {
			t.Errorf("another key sees %v, %v", foreign, err)
		}
		// Replayed, it is told once more; another key's events are not.
		var n, foreign int
		p.update(func(tx *store.Tx) (err error) {
			if foreign, err = tx.Replay(t.Context(), store.Owner{AccountID: other.AccountID, KeyID: other.ID}, a.EventIDs); err == nil {
				n, err = tx.Replay(t.Context(), store.Owner{AccountID: k.AccountID, KeyID: k.ID}, a.EventIDs)
			}
			return err
		})
		p.pass(2 * time.Second)
		p.tell()
		if n != 3 || foreign != 0 || len(events(t, r.requests())) != 9 {
			t.Errorf("replayed %d and %d, told %d", n, foreign, len(events(t, r.requests())))
		}
		p.pass(8 * 24 * time.Hour)
		p.Sweep(t.Context())
		if left := list(store.AttemptFilter{}); len(left) != 0 {
			t.Errorf("%d attempts are older than a week", len(left))
		}
	})
}

// TestAForgottenMessageWasTold: what waits to be told is kept past its time.
func TestAForgottenMessageWasTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(500))
		k := p.key("Harbour")
		p.hook(k, r.URL, 1, false, store.EventSent)
		p.accept(k, 2, 0)
		p.sent()
		p.tell()
		future := time.Now().Add(time.Hour)
		if f, err := s.Forget(t.Context(), k.AccountID, future, 0, 100, time.Second); err != nil || f.Messages != 0 {
			t.Errorf("%d were forgotten, %v", f.Messages, err)
		}
		r.answers(nil)
		p.pass(time.Minute)
		p.tell()
		if f, err := s.Forget(t.Context(), k.AccountID, future, 0, 100, time.Second); err != nil || f.Messages != 2 || p.waiting() != 0 {
			t.Errorf("%d were forgotten, %v, %d wait", f.Messages, err, p.waiting())
		}
	})
}

func TestRemovedHooksAndKeysLeaveNothing(t *testing.T) {
	p, r := newPost(t, storetest.New(t), nil), newReceiver(t, status(500))
	k := p.key("Harbour")
	p.hook(k, r.URL, 1, false, store.EventSent, store.EventOpen)
	ids := p.accept(k, 2, 0)
	p.sent()
	p.engage(ids[0], store.EventOpen, store.Doing{})
	p.update(func(tx *store.Tx) error { return tx.RemoveWebhook(t.Context(), p.hooksOf(k)[0]) })
	if n := p.waiting(); n != 1 {
		t.Errorf("%d wait for a hook that was removed", n-1)
	}
	p.update(func(tx *store.Tx) error { return tx.RemoveWebhooksOf(t.Context(), k.ID) })
	p.tell()
	p.Sweep(t.Context())
	if n := p.waiting(); n != 0 || len(r.requests()) != 0 {
		t.Errorf("%d wait, %d requests", n, len(r.requests()))
	}
}

func FuzzHookBodies(f *testing.F) {
	f.Add(1, "a@example.com", "id", "{}", "https://example.com/", "agent", 550, "line", 1)
	f.Fuzz(func(t *testing.T, typ int, email, customID, payload, link, agent string, code int, line string, state int) {
		e := store.EventDetail{Event: store.Event{Type: store.EventType(typ), At: yesterday, StateID: state, Reply: store.Reply{Code: code, Line: line}, Doing: store.Doing{URL: link, Agent: agent}}, Recipient: email, CustomID: customID, EventPayload: payload}
		for version := 1; version <= 2; version++ {
			body, n, err := webhook.Encode(version, []store.EventDetail{e})
			if err != nil || n != 1 || !json.Valid(body) || strings.ContainsAny(string(body), "\n\r") {
				t.Fatalf("%q: %v", body, err)
			}
		}
	})
}
