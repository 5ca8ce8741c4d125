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
	"fmt"
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

// set gives an account an endpoint, in place of one that it has.
func (p *post) set(accountID int64, url string) (secret string) {
	p.t.Helper()
	u, err := webhook.Check(url, true)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, owner := p.t.Context(), store.Owner{AccountID: accountID}
	p.update(func(tx *store.Tx) error {
		endpoint, err := p.Endpoint(ctx, tx, owner, u)
		if err != nil {
			return err
		}
		there, err := tx.Webhooks(ctx, store.OfAccount(accountID), store.WebhookFilter{Account: true})
		if err != nil {
			return err
		}
		for i, t := range accountTypes {
			h := store.Webhook{Owner: owner, EndpointID: endpoint, Type: t, Version: 1}
			if len(there) == 0 {
				_, err = tx.AddWebhook(ctx, h)
			} else if h.ID = there[i].ID; there[i].EndpointID != endpoint {
				_, _, err = tx.MoveDeliveries(ctx, there[i], h, 0, 0)
			}
			if err == nil && h.ID != 0 {
				err = tx.ChangeWebhook(ctx, h)
			}
			if err != nil {
				return err
			}
		}
		secret, err = p.NewSecret(ctx, tx, owner, 0)
		return err
	})
	return secret
}

var accountTypes = []store.EventType{store.EventCredentialDue, store.EventCredentialOverdue, store.EventCredentialLeaked, store.EventWebhookTest}

// notify queues an event about a key of an account, and says whether a webhook takes it.
func (p *post) notify(accountID, keyID int64, typ store.EventType) (taken bool) {
	p.t.Helper()
	p.update(func(tx *store.Tx) (err error) {
		taken, err = p.Notify(p.t.Context(), tx, store.Owner{AccountID: accountID, KeyID: keyID}, typ, tx.Now, map[string]any{"key_name": "Shop", "key_id": keyID})
		return err
	})
	return taken
}

func (p *post) round() { p.Round(p.t.Context()) }

// state is an account's webhook, the one of the first type, and how many events wait for its endpoint.
func (p *post) state(accountID int64) (h store.Webhook, waiting int) {
	p.t.Helper()
	list, _, err := p.store.Webhooks(p.t.Context(), store.OfAccount(accountID), store.WebhookFilter{Account: true}, store.Page{})
	if err != nil || len(list) == 0 {
		p.t.Fatal(list, err)
	}
	for _, h := range list {
		n, err := p.store.Waiting(p.t.Context(), store.OfAccount(accountID), []int64{h.ID}, 1000)
		if err != nil {
			p.t.Fatal(err)
		}
		waiting += n[h.ID]
	}
	return list[0], waiting
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

func TestAnAccountsEventIsDelivered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(http.StatusAccepted))
		id := p.account("Harbour")
		if p.notify(id, 1, store.EventCredentialDue) {
			t.Error("an account without a webhook has one")
		}
		secret := p.set(id, strings.Replace(r.URL, "http://", "http://user:hunter2@", 1)+"/hook?x=1")
		if !p.notify(id, 1, store.EventCredentialDue) {
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
			Data      map[string]any
		}
		if err := json.Unmarshal([]byte(q.body), &body); err != nil || body.Type != "credential.due" || time.Since(body.Timestamp) > time.Minute || body.Data["key_name"] != "Shop" {
			t.Errorf("%s: %v", q.body, err)
		}
		if w, n := p.state(id); n != 0 || w.LastStatus != http.StatusAccepted || w.LastError != "" || w.LastAt.IsZero() || bytes.Contains(w.URL, []byte("hunter2")) {
			t.Errorf("%d wait, %+v", n, w)
		}
		if p.AccountStats().Delivered != 1 || p.KeyStats().Delivered != 0 || strings.Contains(p.log.String(), "hunter2") {
			t.Errorf("%+v\n%s", p.AccountStats(), p.log)
		}
	})
}

// TestAnAccountsEventIsRetriedForADay: every half minute, under one webhook-id, signed anew. After a day without a success
// the webhook is disabled, what waits is dropped, and nothing more is queued until it is set again.
func TestAnAccountsEventIsRetriedForADay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(http.StatusInternalServerError))
		var disabled []webhook.Disabled
		p.OnDisabled(func(_ context.Context, _ *store.Tx, d webhook.Disabled) error {
			disabled = append(disabled, d)
			return nil
		})
		id := p.account("Harbour")
		url := strings.Replace(r.URL, "http://", "http://user:hunter2@", 1) + "/secret-path"
		p.set(id, url)
		p.notify(id, 1, store.EventCredentialDue)
		p.round()
		p.pass(webhook.RetryEvery - 2*time.Second)
		p.round()
		if n := len(r.requests()); n != 1 {
			t.Fatalf("tried %d times within half a minute", n)
		}
		if w, n := p.state(id); n != 1 || w.LastStatus != 500 || !strings.Contains(w.LastError, "500") || w.FailingSince.IsZero() || w.Dropped != 0 {
			t.Fatalf("%d wait, %+v", n, w)
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
		if w, n := p.state(id); n != 0 || !w.FailingSince.IsZero() || w.LastError != "" {
			t.Fatalf("after a success: %d wait, %+v", n, w)
		}

		r.answers(status(http.StatusBadGateway))
		p.notify(id, 1, store.EventCredentialOverdue)
		p.round()
		p.pass(webhook.Lifetime - time.Minute)
		p.round()
		if w, n := p.state(id); n != 1 || w.Dropped != 0 || !w.DisabledAt.IsZero() {
			t.Fatalf("a minute before its end: %d wait, %+v", n, w)
		}
		p.pass(time.Minute)
		p.round()
		if w, n := p.state(id); n != 0 || w.Dropped != 1 || w.FailingSince.IsZero() || w.DisabledAt.IsZero() {
			t.Fatalf("at its end: %d wait, %+v", n, w)
		}
		if len(disabled) != 1 || !disabled[0].OfAccount() || disabled[0].Dropped != 1 || len(disabled[0].Types) != len(accountTypes) || strings.Contains(disabled[0].Target, "secret") {
			t.Errorf("%+v", disabled)
		}
		if p.notify(id, 1, store.EventCredentialLeaked) {
			t.Error("an event is queued for a webhook that is disabled")
		}
		if n := p.AccountStats(); n != (webhook.Stats{Delivered: 1, Failed: 5, EventsDelivered: 1, EventsDropped: 1, Disabled: 4}) {
			t.Errorf("%+v", n)
		}
		if log := p.log.String(); !strings.Contains(log, "failed for a day") || strings.Contains(log, "hunter2") || strings.Contains(log, "secret-path") {
			t.Error(log)
		}

		r.answers(nil)
		p.set(id, url)
		if w, n := p.state(id); n != 0 || !w.DisabledAt.IsZero() || !w.LastAt.IsZero() || w.Dropped != 0 {
			t.Errorf("set again: %d wait, %+v", n, w)
		}
		before := len(r.requests())
		p.notify(id, 1, store.EventCredentialLeaked)
		p.round()
		if n := len(r.requests()) - before; n != 1 {
			t.Errorf("set again it was asked %d times", n)
		}
	})
}

// TestASampleIsNoFailureOfADay: what a sample shows of an endpoint is no attempt at what is queued later.
func TestASampleIsNoFailureOfADay(t *testing.T) {
	p, r := newPost(t, storetest.New(t), nil), newReceiver(t, status(500))
	id := p.account("Harbour")
	p.set(id, r.URL)
	h, _ := p.state(id)
	if x, err := p.Test(t.Context(), h, nil); err != nil || x.Status != 500 {
		t.Fatal(x, err)
	}
	p.pass(48 * time.Hour)
	p.notify(id, 1, store.EventCredentialDue)
	p.round()
	if w, n := p.state(id); n != 1 || !w.DisabledAt.IsZero() {
		t.Fatalf("%d wait, %+v", n, w)
	}
	p.pass(webhook.Lifetime + time.Minute)
	p.round()
	if w, n := p.state(id); n != 0 || w.DisabledAt.IsZero() {
		t.Errorf("after a day: %d wait, %+v", n, w)
	}
}

// TestAnAccountsEventsAreInOrder: those about one key are, whatever fails; keys do not wait for each other, and each event is
// taken once.
func TestAnAccountsEventsAreInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPost(t, s, nil)
		var mu sync.Mutex
		asked, taken := 0, map[string][]string{}
		r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
			var e struct {
				Type string
				Data struct {
					KeyID int64 `json:"key_id"`
				}
			}
			body, _ := q.Context().Value(bodyKey{}).(string)
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if asked++; asked%3 != 0 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			key := fmt.Sprint(e.Data.KeyID)
			taken[key] = append(taken[key], e.Type)
		})
		id := p.account("Harbour")
		p.set(id, r.URL)
		for _, typ := range accountTypes {
			for key := range int64(20) {
				p.notify(id, key, typ)
			}
		}
		for range 300 {
			p.round()
			p.pass(36 * time.Second)
		}
		if _, n := p.state(id); n != 0 || len(taken) != 20 {
			t.Fatalf("%d wait, %d keys", n, len(taken))
		}
		for key, types := range taken {
			if got := strings.Join(types, " "); got != "credential.due credential.overdue credential.leaked webhook.test" {
				t.Errorf("key %s: %s", key, got)
			}
		}
	})
}

// TestAKilledServerDeliversTheRest: what was under way when a server was killed is delivered by the next one, under the same
// webhook-id, and what was taken and recorded is not delivered again.
func TestAKilledServerDeliversTheRest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		serverKey := credential.NewServerKey()
		with := func(c *webhook.Config) { c.ServerKey, c.Grace = serverKey, time.Millisecond }
		p := newPost(t, s, with)
		release := make(chan struct{})
		asked := make(chan struct{}, 1000)
		r := newReceiver(t, nil)
		id := p.account("Harbour")
		p.set(id, r.URL)
		p.notify(id, 1, store.EventCredentialDue)
		p.round()
		r.answers(func(w http.ResponseWriter, q *http.Request) {
			asked <- struct{}{}
			select {
			case <-release:
			case <-q.Context().Done():
			}
			w.WriteHeader(http.StatusInternalServerError)
		})
		p.notify(id, 1, store.EventCredentialOverdue)
		p.notify(id, 2, store.EventCredentialLeaked)
		ctx, kill := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		<-asked
		<-asked
		kill()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		close(release)
		r.answers(nil)
		next := newPost(t, s, with)
		next.round()
		next.round()
		times := map[string]int{}
		for _, q := range r.requests() {
			times[q.header.Get("webhook-id")]++
		}
		if _, n := next.state(id); n != 0 || len(times) != 3 || len(r.requests()) != 5 {
			t.Errorf("%d wait, asked %v", n, times)
		}
	})
}

// TestAnAccountsLogAndReplay: each request is in the account's log with what was posted, and can be posted once more; another
// account's is not, and keys do not see it. After a week nothing of it is left.
func TestAnAccountsLogAndReplay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(500))
		k, other := p.key("Harbour"), p.account("Other")
		id := k.AccountID
		p.set(id, r.URL+"/hidden")
		p.notify(id, k.ID, store.EventCredentialDue)
		p.round()
		list := func(scope store.Scope, f store.AttemptFilter) []store.Attempt {
			t.Helper()
			got, err := s.Attempts(t.Context(), scope, f, 0)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		got := list(store.OfAccount(id), store.AttemptFilter{Account: new(true)})
		if len(got) != 1 || len(got[0].EventIDs) != 1 || got[0].Outcome != store.AttemptFailed || got[0].Status != 500 || got[0].Types[0] != store.EventCredentialDue || strings.Contains(got[0].Target, "hidden") {
			t.Fatalf("%+v", got)
		}
		if body, n, err := p.Body(t.Context(), got[0]); err != nil || n != 1 || string(body) != r.requests()[0].body {
			t.Errorf("made again: %s, %d, %v", body, n, err)
		}
		for _, scope := range []store.Scope{store.OfKey(id, k.ID), store.OfAccount(other)} {
			if list := list(scope, store.AttemptFilter{}); len(list) != 0 {
				t.Errorf("others see %+v", list)
			}
		}
		if list := list(store.OfAccount(id), store.AttemptFilter{Account: new(false)}); len(list) != 0 {
			t.Errorf("it is a key's: %+v", list)
		}
		replay := func(o store.Owner) (n int) {
			p.update(func(tx *store.Tx) (err error) {
				n, err = tx.Replay(t.Context(), o, got[0].EventIDs)
				return err
			})
			return n
		}
		if n := replay(store.Owner{AccountID: id}); n != 0 {
			t.Errorf("what waits was queued anew: %d", n)
		}
		r.answers(nil)
		p.pass(time.Minute)
		p.round()
		if foreign, own := replay(store.Owner{AccountID: other}), replay(store.Owner{AccountID: id}); foreign != 0 || own != 1 {
			t.Errorf("replayed %d of another's, %d", foreign, own)
		}
		p.round()
		all := r.requests()
		if len(all) != 3 || all[2].body != all[0].body || all[2].header.Get("webhook-id") != all[0].header.Get("webhook-id") {
			t.Errorf("%d requests: %+v", len(all), all)
		}
		p.pass(8 * 24 * time.Hour)
		p.Sweep(t.Context())
		if left := list(store.OfAccount(id), store.AttemptFilter{}); len(left) != 0 || replay(store.Owner{AccountID: id}) != 0 {
			t.Errorf("after a week there are %+v", left)
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	p, inside := newPost(t, storetest.New(t), nil), newReceiver(t, nil)
	for _, code := range []int{301, 302, 303, 307, 308} {
		r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, inside.URL, code) })
		id := p.account("Harbour")
		p.set(id, r.URL)
		p.notify(id, 1, store.EventCredentialDue)
		p.round()
		if w, n := p.state(id); len(inside.requests()) != 0 || w.LastStatus != code || !strings.Contains(w.LastError, "redirects are not followed") || n != 1 {
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
		p.notify(id, 1, store.EventCredentialDue)
		before := len(inside.requests())
		p.round()
		w, n := p.state(id)
		if private {
			if len(inside.requests()) != before+1 || n != 0 {
				t.Fatalf("where private networks are allowed: %+v", w)
			}
			continue
		}
		if len(inside.requests()) != before || n != 1 || !strings.Contains(w.LastError, "not a public one") || strings.Contains(w.LastError, "127.0") {
			t.Errorf("%d requests inside, %+v", len(inside.requests())-before, w)
		}
	}
	// A URL that was set while the setting allowed it.
	p := newPost(t, storetest.New(t), func(c *webhook.Config) { c.Private = false })
	id := p.account("Harbour")
	p.set(id, inside.URL)
	p.notify(id, 1, store.EventCredentialDue)
	before := len(inside.requests())
	p.round()
	if w, n := p.state(id); len(inside.requests()) != before || w.LastError == "" || n != 1 {
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
		for key := range int64(5 * webhook.PerEndpoint) {
			p.notify(a, key, store.EventCredentialDue)
		}
		for key := range int64(3 * webhook.PerEndpoint) {
			p.notify(b, key, store.EventCredentialDue)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		for range 3 * webhook.PerEndpoint {
			<-told
		}
		p.notify(b, 1, store.EventCredentialOverdue) // Run is woken by the commit
		<-told
		if n := len(slow.requests()); n > webhook.PerEndpoint {
			t.Errorf("%d requests at a time to one endpoint", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if w, n := p.state(a); n != 5*webhook.PerEndpoint {
			t.Errorf("of what was broken off %d are left: %+v", n, w)
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
	p.notify(id, 1, store.EventCredentialDue)
	p.round()
	if w, n := p.state(id); n != 0 || w.LastStatus != 200 {
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
		p.notify(id, 1, store.EventCredentialDue)
		p.notify(other, 1, store.EventCredentialDue)
		p.round()
		if second := p.set(id, r.URL); second == first {
			t.Error("a new URL has the old secret")
		}
		if w, n := p.state(id); n != 1 || !w.FailingSince.IsZero() || w.LastError != "" {
			t.Errorf("a new URL has the old one's failures: %+v", w)
		}
		p.pass(time.Minute)
		p.round()
		if n := len(r.requests()); n != 1 {
			t.Errorf("the new URL was told %d times", n)
		}
		p.update(func(tx *store.Tx) error {
			list, err := tx.Webhooks(t.Context(), store.OfAccount(other), store.WebhookFilter{Account: true})
			for _, h := range list {
				err = errors.Join(err, tx.RemoveWebhook(t.Context(), h))
			}
			return err
		})
		if x, err := s.WebhookStats(t.Context()); err != nil || x.AccountWaiting != 0 {
			t.Errorf("%d wait for a webhook that was removed, %v", x.AccountWaiting, err)
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
	h, _ := p.state(id)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if x, err := p.Test(ctx, h, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %+v, %v", x, err)
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	p.FillHost(u.Host)
	if x, err := p.Test(t.Context(), h, nil); err != nil || x.Error == "" {
		t.Errorf("too busy: %+v, %v", x, err)
	}
	if w, _ := p.state(id); !w.FailingSince.IsZero() || w.LastError != "" {
		t.Errorf("the webhook fails since %v: %s", w.FailingSince, w.LastError)
	}
}
