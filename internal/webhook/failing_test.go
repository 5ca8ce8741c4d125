// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhook"
)

// TestADeadURL: after a day of failures the backup takes over what waits and what comes; without one it is dropped.
func TestADeadURL(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, got := newPost(t, s, nil), &ledger{}
		var died []webhook.Disabled
		p.OnDisabled(func(_ context.Context, _ *store.Tx, d webhook.Disabled) error {
			died = append(died, d)
			return nil
		})
		r, backup := newReceiver(t, status(http.StatusNotFound)), newReceiver(t, got.wrap(status(http.StatusOK)))
		k := p.key("Harbour")
		p.hook(k, r.URL, 1, false, store.EventSent, store.EventOpen)
		p.hook(k, backup.URL, 2, true, store.EventSent)
		ids := p.accept(k, 20, 0)
		p.sent()
		p.engage(ids[0], store.EventOpen, store.Doing{})
		for range 25 {
			p.tell()
			p.pass(57 * time.Minute)
		}
		if len(backup.requests()) != 0 || len(died) != 0 {
			t.Fatalf("the backup is used before a day is over: %d", len(backup.requests()))
		}
		p.pass(time.Hour)
		p.tell()
		p.pass(2 * time.Second)
		p.tell()
		if len(died) != 1 || died[0].Dropped != 1 || len(died[0].Types) != 2 || !slices.Equal(died[0].TakenOver, []store.EventType{store.EventSent}) || strings.Contains(died[0].Target, "/in") {
			t.Fatalf("told of its death: %+v", died)
		}
		p.accept(k, 5, 0)
		p.sent()
		p.engage(ids[0], store.EventOpen, store.Doing{}) // nobody is told
		p.pass(2 * time.Second)
		p.tell()
		got.check(t, s, k, 25)
		if n := p.waiting(); n != 0 {
			t.Errorf("%d wait", n)
		}
		for _, h := range p.hooksOf(k) {
			if h.Backup == h.DisabledAt.IsZero() != true || h.Takes != h.Backup {
				t.Errorf("%+v", h)
			}
		}
		// Set anew, it takes the events back.
		h := p.hooksOf(k)[0]
		r.answers(nil)
		before := len(r.requests())
		p.update(func(tx *store.Tx) (err error) {
			u, _ := url.Parse(r.URL)
			if h.EndpointID, err = p.Endpoint(t.Context(), tx, store.Owner{AccountID: k.AccountID, KeyID: k.ID}, u); err == nil {
				err = tx.ChangeWebhook(t.Context(), h)
			}
			return err
		})
		p.accept(k, 1, 0)
		p.sent()
		p.tell()
		if len(r.requests()) != before+1 {
			t.Error("a URL that was set anew is told nothing")
		}
		if x := p.KeyStats(); x.Disabled != 2 || x.EventsDropped != 1 || x.EventsDelivered != 26 {
			t.Errorf("%+v", x)
		}
	})
}

// TestOneBadEventIsNotTheOthersEnd: what a receiver never takes is given up after a day; the rest of its batch is told, and
// the URL lives.
func TestOneBadEventIsNotTheOthersEnd(t *testing.T) {
	p, got := newPost(t, storetest.New(t), nil), &ledger{}
	k := p.key("Harbour")
	ids := p.accept(k, 5, 0)
	poison := fmt.Sprintf(`"MessageID":%d,`, ids[2])
	r := newReceiver(t, got.wrap(func(w http.ResponseWriter, q *http.Request) {
		if body, _ := q.Context().Value(bodyKey{}).(string); strings.Contains(body, poison) {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	p.hook(k, r.URL, 2, false, store.EventSent)
	p.sent()
	p.pass(2 * time.Second)
	for range 14 {
		p.tell()
		p.pass(36 * time.Second)
	}
	if got.events != 4 || p.waiting() != 1 {
		t.Errorf("%d were told, %d wait", got.events, p.waiting())
	}
	for range 26 {
		p.accept(k, 1, 0)
		p.sent()
		p.pass(time.Hour)
		p.tell()
	}
	if h := p.hooksOf(k)[0]; p.waiting() != 0 || h.Dropped != 1 || !h.DisabledAt.IsZero() || h.Delivered != 30 {
		t.Errorf("%d wait, %+v", p.waiting(), h)
	}
}

// TestWhatAReceiverMakesUsSayIsKept: a receiver's own bytes come into the words of what went wrong. They are no more than a
// line of text, whatever they are.
func TestWhatAReceiverMakesUsSayIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPost(t, s, nil)
		k := p.key("one")
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
			c, b, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			b.WriteString("HTTP/1.1 200 OK\r\nno\x00 field\xff\x1b[31m" + strings.Repeat("x", 20_000) + "\r\n\r\n")
			b.Flush()
		})
		p.hook(k, r.URL, 1, false, store.EventSent)
		p.accept(k, 1, 0)
		p.sent()
		p.tell()
		got := p.hooksOf(k)[0].LastError
		if got == "" || len(got) > 500 || strings.ContainsAny(got, "\x00\x1b") || !utf8.ValidString(got) {
			t.Errorf("kept is %d bytes: %.100q", len(got), got)
		}
	})
}

func TestHooksThatHangHoldUpNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPost(t, s, func(c *webhook.Config) { c.Grace = 10 * time.Millisecond })
		release := make(chan struct{})
		slow := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
			select {
			case <-release:
			case <-q.Context().Done():
			}
		})
		defer close(release)
		heard := make(chan struct{}, 1000)
		quick := newReceiver(t, func(http.ResponseWriter, *http.Request) { heard <- struct{}{} })
		a, b := p.key("Slow"), p.key("Quick")
		p.hook(a, slow.URL, 1, false, store.EventSent)
		p.hook(b, quick.URL, 1, false, store.EventSent)
		p.accept(a, 3*webhook.PerEndpoint, 0)
		p.accept(b, 3*webhook.PerEndpoint, 0)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		p.sent() // Run is woken by the commit
		for range 3 * webhook.PerEndpoint {
			<-heard
		}
		for end := time.Now().Add(2 * time.Minute); p.waiting() > 3*webhook.PerEndpoint && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // until it is recorded
		}
		if n := len(slow.requests()); n > webhook.PerEndpoint {
			t.Errorf("%d requests at a time to one receiver", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := p.waiting(); n != 3*webhook.PerEndpoint {
			t.Errorf("of what was broken off %d are left", n)
		}
	})
}

// TestABrokenOffRequestIsKnownAgain: after a crash in mid-request the same events go under the same ID.
func TestABrokenOffRequestIsKnownAgain(t *testing.T) {
	s := storetest.New(t)
	p := newPost(t, s, nil)
	ctx, crash := context.WithCancel(t.Context())
	r := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
		crash()
		<-q.Context().Done()
	})
	k := p.key("Harbour")
	p.hook(k, r.URL, 2, false, store.EventSent)
	p.accept(k, 3, 0)
	p.sent()
	p.pass(2 * time.Second)
	p.Round(ctx)
	r.answers(nil)
	again, err := webhook.New(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	again.Round(t.Context())
	if got := r.requests(); len(got) != 2 || got[0].header.Get("webhook-id") != got[1].header.Get("webhook-id") || got[0].body != got[1].body || p.waiting() != 0 {
		t.Errorf("%d requests, %d wait", len(got), p.waiting())
	}
}

func TestHooksDoNotGoIntoPrivateNetworks(t *testing.T) {
	s := storetest.New(t)
	inside := newReceiver(t, nil)
	redirect := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
	})
	p := newPost(t, s, nil)
	k := p.key("Harbour")
	p.hook(k, redirect.URL, 1, false, store.EventSent)
	p.accept(k, 1, 0)
	p.sent()
	p.tell()
	if h := p.hooksOf(k)[0]; h.LastStatus != 307 || !strings.Contains(h.LastError, "redirects are not followed") || len(redirect.requests()) != 1 {
		t.Errorf("%+v", h)
	}
	// A name that had a public address when it was looked at, and has another when it is connected to.
	port := inside.URL[strings.LastIndex(inside.URL, ":")+1:]
	p = newPost(t, s, func(c *webhook.Config) { c.Private, c.Resolver = false, nameServer(t, [4]byte{127, 0, 0, 1}) })
	k = p.key("Rebound")
	p.hook(k, "https://hooks.example.com:"+port+"/", 1, false, store.EventSent)
	p.accept(k, 1, 0)
	p.sent()
	p.tell()
	if h := p.hooksOf(k)[0]; len(inside.requests()) != 0 || !strings.Contains(h.LastError, "not a public one") {
		t.Errorf("%+v", h)
	}
	if _, err := p.Test(t.Context(), p.hooksOf(k)[0], nil); err != nil || len(inside.requests()) != 0 {
		t.Errorf("a test goes inside: %v", err)
	}
}
