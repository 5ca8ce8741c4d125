// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhook"
)

// TestNothingIsLostAndNothingOutOfOrder: a receiver that fails at random, of both versions and with the types divided over
// two URLs, is told everything, of each message in order; another key's is told at once.
func TestNothingIsLostAndNothingOutOfOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPost(t, s, nil)
		var mu sync.Mutex
		n := 0
		flaky := func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			n++
			bad := n%3 != 0
			mu.Unlock()
			if bad {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
		for _, version := range []int{1, 2} {
			k, other := p.key(fmt.Sprintf("Flaky %d", version)), p.key(fmt.Sprintf("Other %d", version))
			got := &ledger{}
			a, b := newReceiver(t, got.wrap(flaky)), newReceiver(t, got.wrap(flaky))
			calm := newReceiver(t, nil)
			p.hook(k, a.URL, version, false, store.EventSent, store.EventOpen, store.EventClick)
			p.hook(k, b.URL, 3-version, false, store.EventUnsub, store.EventSpam)
			p.hook(other, calm.URL, 1, false, hookTypes...)
			ids := p.accept(k, 40, 0)
			p.accept(other, 3, 0)
			p.sent()
			want := len(ids)
			for i, id := range ids {
				for range i % 4 {
					p.engage(id, store.EventOpen, store.Doing{})
					p.engage(id, store.EventClick, store.Doing{URL: "https://example.com/"})
					want += 2
				}
				p.engage(id, store.EventUnsub, store.Doing{})
				p.engage(id, store.EventSpam, store.Doing{Source: "x"})
				want += 2
			}
			p.pass(time.Second)
			p.tell()
			if len(calm.requests()) != 3 {
				t.Errorf("the other receiver was told %d times in the first round", len(calm.requests()))
			}
			for i := 0; p.waiting() > 0; i++ {
				if i == 2000 {
					t.Fatalf("%d still wait", p.waiting())
				}
				p.pass(webhook.RetryEvery + 5*time.Second)
				p.tell()
			}
			got.check(t, s, k, want)
		}
	})
}

// ledger keeps what receivers took, in order.
type ledger struct {
	mu     sync.Mutex
	taken  map[string][]told // by receiver and message
	ids    map[string]bool
	events int
}

// wrap has what answer takes noted.
func (l *ledger) wrap(answer func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, q *http.Request) {
		rec := &statusOf{ResponseWriter: w, status: 200}
		answer(rec, q)
		if rec.status/100 != 2 {
			return
		}
		l.note(q)
	}
}

type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(code int) {
	s.status = code
	s.ResponseWriter.WriteHeader(code)
}

type bodyKey struct{}

func (l *ledger) note(q *http.Request) {
	body, ok := q.Context().Value(bodyKey{}).(string)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken == nil {
		l.taken, l.ids = map[string][]told{}, map[string]bool{}
	}
	if id := q.Header.Get("webhook-id"); l.ids[id] {
		return // told again: a receiver knows it by this
	} else {
		l.ids[id] = true
	}
	var list []told
	if !strings.HasPrefix(body, "[") {
		body = "[" + body + "]"
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&list) != nil {
		return
	}
	for _, e := range list {
		place := q.Host + " " + e.id()
		l.taken[place] = append(l.taken[place], e)
		l.events++
	}
}

// check compares what was taken with the history in the store.
func (l *ledger) check(t *testing.T, s *store.Store, k store.Key, want int) {
	t.Helper()
	if l.events != want {
		t.Errorf("%d events were taken, %d happened", l.events, want)
	}
	for place, list := range l.taken {
		_, text, _ := strings.Cut(place, " ")
		var id int64
		fmt.Sscan(text, &id)
		history, err := s.Events(t.Context(), store.OfKey(k.AccountID, k.ID), id)
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, e := range list {
			for at < len(history) && history[at].Type.String() != e["event"] {
				at++
			}
			if at == len(history) {
				t.Fatalf("message %d at %s: %v is out of order", id, place, names(list))
			}
			at++
		}
	}
}

func names(list []told) (out []string) {
	for _, e := range list {
		out = append(out, fmt.Sprint(e["event"]))
	}
	return out
}

// TestAReceiverIsGoneForAnHour: it is probed, not hammered, and then told everything that had happened.
func TestAReceiverIsGoneForAnHour(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, got := newPost(t, s, nil), &ledger{}
		r := newReceiver(t, status(http.StatusServiceUnavailable))
		k := p.key("Harbour")
		p.hook(k, r.URL, 1, false, store.EventSent, store.EventOpen)
		ids := p.accept(k, 150, 0)
		p.sent()
		for _, id := range ids {
			p.engage(id, store.EventOpen, store.Doing{})
		}
		for range 120 {
			p.tell()
			p.pass(30 * time.Second)
		}
		if n := len(r.requests()); n < 50 || n > 125 {
			t.Errorf("it was asked %d times in an hour", n)
		}
		if h := p.hooksOf(k)[0]; h.FailingSince.IsZero() || !h.DisabledAt.IsZero() || h.LastStatus != 503 || h.LastError == "" {
			t.Errorf("%+v", h)
		}
		r.answers(got.wrap(status(http.StatusOK)))
		for range 3 {
			p.pass(40 * time.Second)
			p.tell()
		}
		if p.waiting() != 0 {
			t.Errorf("%d still wait", p.waiting())
		}
		got.check(t, s, k, 300)
		if h := p.hooksOf(k)[0]; !h.FailingSince.IsZero() || h.Delivered != 300 {
			t.Errorf("%+v", h)
		}
	})
}

// TestEachIsToldOnce: events that come while requests end, as they do all the time, are told once by a receiver that takes
// everything: a look that begins before a request's end, and ends after it, still reads what that told.
func TestEachIsToldOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPost(t, s, nil)
		told := make(chan int64, 1<<16)
		r := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
			var events []struct {
				MessageID int64 `json:"MessageID"`
			}
			body := q.Context().Value(bodyKey{}).(string) //nolint:forcetypeassert // the receiver put it there
			if body[0] == '{' {
				body = "[" + body + "]"
			}
			if err := json.Unmarshal([]byte(body), &events); err != nil {
				t.Error(err)
			}
			for _, e := range events {
				told <- e.MessageID
			}
		})
		one, two := p.key("One"), p.key("Two")
		p.hook(one, r.URL+"/1", 1, false, store.EventSent)
		p.hook(two, r.URL+"/2", 2, false, store.EventSent)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		all := 0
		for range 150 {
			all += len(p.accept(one, 5, 0)) + len(p.accept(two, 5, 0))
			p.sent()
		}
		times := map[int64]int{}
		for len(times) < all {
			select {
			case id := <-told:
				times[id]++
			case <-time.After(20 * time.Second):
				t.Fatalf("%d of %d were told", len(times), all)
			}
		}
		for end := time.Now().Add(2 * time.Minute); p.waiting() > 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // until it is recorded
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for close(told); len(told) > 0; {
			times[<-told]++
		}
		for id, n := range times {
			if n != 1 {
				t.Errorf("message %d was told %d times", id, n)
			}
		}
	})
}
