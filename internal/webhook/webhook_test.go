// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"postern/internal/credential"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhook"
)

// receiver is an account's server. It answers as it is told and keeps what it got.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []request
	answer func(http.ResponseWriter, *http.Request)
}

type request struct {
	header http.Header
	body   string
	user   string
	pass   string
}

func newReceiver(t *testing.T, answer func(http.ResponseWriter, *http.Request)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		x := request{header: q.Header, body: string(body)}
		x.user, x.pass, _ = q.BasicAuth()
		r.mu.Lock()
		r.got = append(r.got, x)
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, q.WithContext(context.WithValue(q.Context(), bodyKey{}, x.body)))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.got...)
}

func (r *receiver) answers(f func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// post is the deliverer, with a clock of its own.
type post struct {
	*webhook.Webhook
	t     *testing.T
	store *store.Store
	log   *safeBuffer
	ahead atomic.Int64 // of the clock, in nanoseconds
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newPost(t *testing.T, s *store.Store, change func(*webhook.Config)) *post {
	t.Helper()
	p := &post{t: t, store: s, log: &safeBuffer{}}
	c := webhook.Config{
		Store: s, ServerKey: credential.NewServerKey(), Private: true, Log: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
	}
	if change != nil {
		change(&c)
	}
	var err error
	if p.Webhook, err = webhook.New(c); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *post) pass(d time.Duration) { p.ahead.Add(int64(d)) }

func (p *post) account(name string) int64 {
	p.t.Helper()
	var id int64
	err := p.store.Update(p.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(p.t.Context(), name)
		id = a.ID
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

func (p *post) set(accountID int64, url string) (secret string) {
	p.t.Helper()
	u, err := webhook.Check(url, true)
	if err != nil {
		p.t.Fatal(err)
	}
	err = p.store.Update(p.t.Context(), func(tx *store.Tx) (err error) {
		secret, err = p.Set(p.t.Context(), tx, accountID, u)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return secret
}

func (p *post) deliver(accountID int64, kind string) bool {
	p.t.Helper()
	var has bool
	err := p.store.Update(p.t.Context(), func(tx *store.Tx) (err error) {
		has, err = p.Deliver(p.t.Context(), tx, accountID, kind, tx.Now, map[string]string{"key_name": "Shop"})
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return has
}

func (p *post) round() {
	p.t.Helper()
	if err := p.Round(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *post) state(accountID int64) store.Webhook {
	p.t.Helper()
	w, err := p.store.Webhook(p.t.Context(), accountID)
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

// TestSign is the example of the Standard Webhooks libraries.
func TestSign(t *testing.T) {
	got, err := webhook.Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"} {
		if _, err := webhook.Sign(bad, "a", "1", nil); err == nil {
			t.Errorf("%q is a secret", bad)
		}
	}
}

func TestDelivery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(http.StatusAccepted))
		id := p.account("Harbour")
		if p.deliver(id, "credential.due") {
			t.Error("an account without a webhook has one")
		}
		secret := p.set(id, strings.Replace(r.URL, "http://", "http://user:hunter2@", 1)+"/hook?x=1")
		if !p.deliver(id, "credential.due") {
			t.Fatal("the webhook is not known")
		}
		p.round()
		p.round()
		got := r.requests()
		if len(got) != 1 {
			t.Fatalf("told %d times", len(got))
		}
		q := got[0]
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) != 24 {
			t.Fatalf("the secret %q: %v", secret, err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(q.header.Get("webhook-id") + "." + q.header.Get("webhook-timestamp") + "." + q.body))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); q.header.Get("webhook-signature") != want || q.header.Get("webhook-id") == "" {
			t.Errorf("signature %s, want %s", q.header.Get("webhook-signature"), want)
		}
		if q.user != "user" || q.pass != "hunter2" || q.header.Get("Content-Type") != "application/json" {
			t.Errorf("%+v", q)
		}
		var body struct {
			Type      string
			Timestamp time.Time
			Data      map[string]string
		}
		if err := json.Unmarshal([]byte(q.body), &body); err != nil || body.Type != "credential.due" || time.Since(body.Timestamp) > time.Minute || body.Data["key_name"] != "Shop" {
			t.Errorf("%s: %v", q.body, err)
		}
		if w := p.state(id); w.Waiting != 0 || w.LastStatus != http.StatusAccepted || w.LastError != "" || w.LastAt.IsZero() || bytes.Contains(w.URL, []byte("hunter2")) || bytes.Contains(w.Secret, key) {
			t.Errorf("%+v", w)
		}
		if p.Stats().Delivered != 1 || strings.Contains(p.log.String(), "hunter2") {
			t.Errorf("%+v\n%s", p.Stats(), p.log)
		}
	})
}

func TestRetries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(http.StatusInternalServerError))
		id := p.account("Harbour")
		p.set(id, strings.Replace(r.URL, "http://", "http://user:hunter2@", 1)+"/secret-path")
		p.deliver(id, "credential.due")
		p.round()
		p.pass(webhook.RetryEvery - 2*time.Second)
		p.round()
		if n := len(r.requests()); n != 1 {
			t.Fatalf("tried %d times within half a minute", n)
		}
		w := p.state(id)
		if w.Waiting != 1 || w.LastStatus != 500 || !strings.Contains(w.LastError, "500") || w.FailingSince.IsZero() || w.Dropped != 0 {
			t.Fatalf("%+v", w)
		}
		p.pass(8 * time.Second) // with the jitter
		p.round()
		got := r.requests()
		if len(got) != 2 || got[0].header.Get("webhook-id") != got[1].header.Get("webhook-id") || got[0].header.Get("webhook-timestamp") == got[1].header.Get("webhook-timestamp") {
			t.Fatalf("the second attempt: %+v", got)
		}
		r.answers(status(http.StatusNoContent))
		p.pass(time.Minute)
		p.round()
		if w = p.state(id); w.Waiting != 0 || !w.FailingSince.IsZero() || w.LastError != "" {
			t.Fatalf("after a success: %+v", w)
		}

		r.answers(status(http.StatusBadGateway))
		p.ahead.Store(0)
		p.deliver(id, "credential.overdue")
		p.pass(webhook.Lifetime - time.Minute)
		p.round()
		if w = p.state(id); w.Waiting != 1 || w.Dropped != 0 {
			t.Fatalf("a minute before its end: %+v", w)
		}
		p.pass(time.Minute)
		p.round()
		if w = p.state(id); w.Waiting != 0 || w.Dropped != 1 || w.FailingSince.IsZero() {
			t.Fatalf("at its end: %+v", w)
		}
		if n := p.Stats(); n != (webhook.Stats{Delivered: 1, Failed: 3, Dropped: 1}) {
			t.Errorf("%+v", n)
		}
		if log := p.log.String(); !strings.Contains(log, "gave up") || strings.Contains(log, "hunter2") || strings.Contains(log, "secret-path") {
			t.Error(log)
		}
	})
}

// TestAStaleLookSendsNothingTwice: an attempt may end between the reading of what is due and the beginning of it. What was
// read before is not sent again, whether it was taken or is to be tried later.
func TestAStaleLookSendsNothingTwice(t *testing.T) {
	for _, code := range []int{http.StatusOK, http.StatusInternalServerError} {
		p, r := newPost(t, storetest.New(t), nil), newReceiver(t, status(code))
		id := p.account("Harbour")
		p.set(id, r.URL)
		p.deliver(id, "credential.due")
		p.deliver(id, "credential.overdue")
		if err := p.RoundTwice(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(r.requests()); n != 2 {
			t.Errorf("answered with %d: %d requests for two deliveries", code, n)
		}
		if p.pass(time.Minute); code != http.StatusOK {
			p.round() // what failed is tried one at a time
			p.round()
			if n := len(r.requests()); n != 4 {
				t.Errorf("a minute later: %d requests, 4 are right", n)
			}
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	p, inside := newPost(t, storetest.New(t), nil), newReceiver(t, nil)
	for _, code := range []int{301, 302, 303, 307, 308} {
		r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, inside.URL, code) })
		id := p.account("Harbour")
		p.set(id, r.URL)
		p.deliver(id, "credential.due")
		p.round()
		if w := p.state(id); len(inside.requests()) != 0 || w.LastStatus != code || !strings.Contains(w.LastError, "redirects are not followed") || w.Waiting != 1 {
			t.Errorf("%d: %d requests inside, %+v", code, len(inside.requests()), w)
		}
	}
}

// TestNotIntoPrivateNetworks: a public name that leads to an inside address is found out when it is connected to.
func TestNotIntoPrivateNetworks(t *testing.T) {
	inside := newReceiver(t, nil)
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resolver := nameServer(t, [4]byte{127, 0, 0, 1})
	for _, private := range []bool{true, false} {
		p := newPost(t, storetest.New(t), func(c *webhook.Config) { c.Private, c.Resolver = private, resolver })
		id := p.account("Harbour")
		scheme := map[bool]string{true: "http", false: "https"}[private]
		p.set(id, scheme+"://hooks.example.com:"+port+"/")
		p.deliver(id, "credential.due")
		before := len(inside.requests())
		p.round()
		w := p.state(id)
		if private {
			if len(inside.requests()) != before+1 || w.Waiting != 0 {
				t.Fatalf("where private networks are allowed: %+v", w)
			}
			continue
		}
		if len(inside.requests()) != before || w.Waiting != 1 || !strings.Contains(w.LastError, "not a public one") || strings.Contains(w.LastError, "127.0") {
			t.Errorf("%d requests inside, %+v", len(inside.requests())-before, w)
		}
	}
	// A URL that was set while the setting allowed it.
	p := newPost(t, storetest.New(t), func(c *webhook.Config) { c.Private = false })
	id := p.account("Harbour")
	p.set(id, inside.URL)
	p.deliver(id, "credential.due")
	before := len(inside.requests())
	p.round()
	if w := p.state(id); len(inside.requests()) != before || w.LastError == "" || w.Waiting != 1 {
		t.Errorf("%+v", w)
	}
}

// nameServer answers every question with an address.
func nameServer(t *testing.T, a [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: a}}}
			}
			if out, err := m.Pack(); err == nil {
				conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestSlowReceivers: one that does not answer has a bounded part of what is under way, holds up nobody else, and does
// not hold up the end.
func TestSlowReceivers(t *testing.T) {
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
		told := make(chan struct{}, 100)
		quick := newReceiver(t, func(http.ResponseWriter, *http.Request) { told <- struct{}{} })
		a, b := p.account("Slow"), p.account("Quick")
		p.set(a, slow.URL)
		p.set(b, quick.URL)
		for range 5 * webhook.PerWebhook {
			p.deliver(a, "credential.due")
		}
		for range 3 * webhook.PerWebhook {
			p.deliver(b, "credential.due")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		for range 3 * webhook.PerWebhook {
			<-told
		}
		p.deliver(b, "credential.overdue") // Run is woken by the commit
		<-told
		if n := len(slow.requests()); n > webhook.PerWebhook {
			t.Errorf("%d requests at a time to one webhook", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if w := p.state(a); w.Waiting != 5*webhook.PerWebhook {
			t.Errorf("of what was broken off %d are left: %+v", w.Waiting, w)
		}
	})
}

func TestAnswersAreBounded(t *testing.T) {
	p := newPost(t, storetest.New(t), nil)
	var sent atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		for q.Context().Err() == nil && sent.Load() < 1<<30 {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	id := p.account("Harbour")
	p.set(id, r.URL)
	p.deliver(id, "credential.due")
	p.round()
	if w := p.state(id); w.Waiting != 0 || w.LastStatus != 200 {
		t.Errorf("%+v", w)
	}
	r.Close()
	if sent.Load() >= 1<<30 {
		t.Error("all of the answer was taken")
	}
}

func TestRemovedAndChangedWebhooks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, old, r := newPost(t, s, nil), newReceiver(t, status(500)), newReceiver(t, nil)
		id, other := p.account("Harbour"), p.account("Other")
		first := p.set(id, old.URL)
		p.set(other, old.URL)
		p.deliver(id, "credential.due")
		p.deliver(other, "credential.due")
		p.round()
		if second := p.set(id, r.URL); second == first {
			t.Error("a new URL has the old secret")
		}
		if w := p.state(id); w.Waiting != 1 || !w.FailingSince.IsZero() || w.LastError != "" {
			t.Errorf("a new URL has the old one's failures: %+v", w)
		}
		p.pass(time.Minute)
		p.round()
		if n := len(r.requests()); n != 1 {
			t.Errorf("the new URL was told %d times", n)
		}
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.RemoveWebhook(t.Context(), other)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.CountWebhookDeliveries(t.Context()); err != nil || n != 0 {
			t.Errorf("%d wait for a webhook that was removed, %v", n, err)
		}
	})
}

// TestSampleOfOurOwnMaking: what was not posted, or broken off by who asked for it, says nothing of the webhook.
func TestSampleOfOurOwnMaking(t *testing.T) {
	p := newPost(t, storetest.New(t), nil)
	id := p.account("a")
	asked, release := make(chan struct{}), make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	})
	defer close(release)
	p.set(id, r.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if x, err := p.Sample(ctx, p.state(id), "webhook.test", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %+v, %v", x, err)
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	p.FillHost(u.Host)
	if x, err := p.Sample(t.Context(), p.state(id), "webhook.test", nil); err != nil || x.Error == "" {
		t.Errorf("too busy: %+v, %v", x, err)
	}
	if w := p.state(id); !w.FailingSince.IsZero() || w.LastError != "" {
		t.Errorf("the webhook fails since %v: %s", w.FailingSince, w.LastError)
	}
}
