// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhook"
)

var yesterday = time.Now().Add(-24 * time.Hour).Truncate(time.Second)

var hookTypes = []store.EventType{store.EventSent, store.EventOpen, store.EventClick, store.EventBounce, store.EventBlocked, store.EventSpam, store.EventUnsub}

// key makes an account with a key.
func (p *post) key(name string) store.Key {
	p.t.Helper()
	id := p.account(name)
	var k store.Key
	p.update(func(tx *store.Tx) (err error) {
		k, err = tx.AddKey(p.t.Context(), store.Key{AccountID: id, APIKey: fmt.Sprintf("%032x", id), Name: name, Master: true, State: store.KeyActive})
		return err
	})
	return k
}

func (p *post) update(fn func(*store.Tx) error) {
	p.t.Helper()
	if err := p.store.Update(p.t.Context(), fn); err != nil {
		p.t.Fatal(err)
	}
}

// hook sets URLs for types of a key's events.
func (p *post) hook(k store.Key, url string, version int, backup bool, types ...store.EventType) {
	p.t.Helper()
	u, err := webhook.Check(url, true)
	if err != nil {
		p.t.Fatal(err)
	}
	p.update(func(tx *store.Tx) error {
		receiver, err := p.Receiver(p.t.Context(), tx, k.AccountID, k.ID, u)
		for _, t := range types {
			if err == nil {
				_, err = tx.AddHook(p.t.Context(), store.Hook{AccountID: k.AccountID, KeyID: k.ID, ReceiverID: receiver, Type: t, Version: version, Backup: backup})
			}
		}
		return err
	})
}

func (p *post) hooksOf(k store.Key) []store.Hook {
	p.t.Helper()
	list, _, err := p.store.Hooks(p.t.Context(), store.OfKey(k.AccountID, k.ID), store.HookFilter{}, store.Page{})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// accept accepts a mail to so many recipients, and returns their messages' IDs.
func (p *post) accept(k store.Key, recipients int, refused mail.State) []int64 {
	p.t.Helper()
	x := &store.Submission{AccountID: k.AccountID, KeyID: k.ID, Source: "http", HeaderFrom: "a@example.com", Body: store.NewBody([]byte("Subject: x\r\n\r\nx")), Lifetime: time.Hour, CustomID: "order 17", EventPayload: `{"a":"<b>"}`, Campaign: "spring"}
	for i := range recipients {
		x.Recipients = append(x.Recipients, store.Recipient{Email: fmt.Sprintf("r%d@example.net", i), Domain: "example.net", Refused: refused})
	}
	if err := p.store.Accept(p.t.Context(), x); err != nil {
		p.t.Fatal(err)
	}
	var ids []int64
	for _, r := range x.Recipients {
		ids = append(ids, r.ID)
	}
	return ids
}

// end ends all that waits to be sent.
func (p *post) end(result store.CompletionResult, reply store.Reply, state mail.State, permanent bool) {
	p.t.Helper()
	now := time.Now()
	got, err := p.store.Claim(p.t.Context(), store.MainLane, "test", now, now.Add(time.Minute), 10000)
	if err != nil {
		p.t.Fatal(err)
	}
	var done []store.Completion
	for _, c := range got {
		done = append(done, store.Completion{Claimed: c, Owner: "test", Result: result, At: now, Due: now, Reply: reply, StateID: int(state), Permanent: permanent})
	}
	if err := p.store.Complete(p.t.Context(), done); err != nil {
		p.t.Fatal(err)
	}
}

func (p *post) sent() {
	p.end(store.CompletedSent, store.Reply{Code: 250, Enhanced: "2.0.0", Line: "OK 4Mu1P"}, 0, false)
}

func (p *post) engage(id int64, typ store.EventType, d store.Doing) {
	p.t.Helper()
	if err := p.store.Engage(p.t.Context(), store.Engagement{MessageID: id, Type: typ, At: time.Now(), Doing: d}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *post) tell() { p.HookRound(p.t.Context()) }

func (p *post) waiting() int64 {
	p.t.Helper()
	x, err := p.store.HookStats(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return x.Waiting
}

// told is one event as a receiver reads it.
type told map[string]any

func (e told) id() string { return fmt.Sprint(e["MessageID"]) }

// events reads what requests told, both versions'.
func events(t *testing.T, list []request) []told {
	t.Helper()
	var out []told
	for _, q := range list {
		var some []told
		if !strings.HasPrefix(q.body, "[") {
			q.body = "[" + q.body + "]"
		}
		dec := json.NewDecoder(strings.NewReader(q.body))
		dec.UseNumber()
		if err := dec.Decode(&some); err != nil {
			t.Fatalf("%s: %v", q.body, err)
		}
		out = append(out, some...)
	}
	return out
}

// shapes are the properties and JSON types of the events, by the wire contract's evidence.
var shapes = map[string]string{
	"sent":    "mj_message_id string, smtp_reply string",
	"open":    "agent string, geo string, ip string",
	"click":   "agent string, geo string, ip string, url string",
	"bounce":  "blocked bool, comment string, error string, error_related_to string, hard_bounce bool",
	"blocked": "error string, error_related_to string",
	"spam":    "source string",
	"unsub":   "agent string, geo string, ip string, mj_list_id number",
}

const commonShape = "CustomID string, MessageID number, Message_GUID string, Payload string, customcampaign string, email string, event string, mj_campaign_id number, mj_contact_id number, time number"

func shape(e told) string {
	var out []string
	for name, v := range e {
		kind := map[string]string{"string": "string", "bool": "bool", "json.Number": "number"}[fmt.Sprintf("%T", v)]
		if !slices.Contains(strings.Split(commonShape, ", "), name+" "+kind) {
			out = append(out, name+" "+kind)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestHooksTellAllSevenTypes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, version := range []int{1, 2} {
			p, r := newPost(t, s, nil), newReceiver(t, status(http.StatusAccepted))
			k := p.key(fmt.Sprintf("Harbour %d", version))
			p.hook(k, strings.Replace(r.URL, "http://", "http://user:hunter2@", 1)+"/in", version, false, hookTypes...)
			var secret string
			p.update(func(tx *store.Tx) (err error) {
				secret, err = p.NewHookSecret(t.Context(), tx, k.ID, 0)
				return err
			})
			first := p.accept(k, 1, 0)[0]
			p.end(store.CompletedDeferred, store.Reply{Code: 450}, mail.StateGreylisted, false) // not told
			p.sent()
			p.engage(first, store.EventOpen, store.Doing{Agent: "Prefetcher", Machine: true}) // not told
			p.engage(first, store.EventOpen, store.Doing{IP: "198.51.100.7", Agent: "Mail/1"})
			p.engage(first, store.EventClick, store.Doing{IP: "198.51.100.7", Agent: "Mail/1", URL: "https://example.com/?a=1&b=2"})
			p.engage(first, store.EventUnsub, store.Doing{Agent: "List-Unsubscribe"})
			p.engage(first, store.EventSpam, store.Doing{Source: "JMRPP"})
			second := p.accept(k, 1, 0)[0]
			p.end(store.CompletedBounced, store.Reply{Code: 550, Enhanced: "5.1.1", Line: "No such user"}, mail.StateUserUnknown, true)
			third := p.accept(k, 1, mail.StatePreblocked)[0]
			p.pass(2 * time.Second)
			p.tell()
			got := events(t, r.requests())
			if n := len(r.requests()); version == 1 && n != 7 || version == 2 && n != 1 {
				t.Errorf("version %d: %d requests", version, n)
			}
			if len(got) != 7 {
				t.Fatalf("told of %d events: %v", len(got), got)
			}
			for _, e := range got {
				name := fmt.Sprint(e["event"])
				if have := shape(e); have != shapes[name] || len(e) != len(strings.Split(commonShape+", "+shapes[name], ", ")) {
					t.Errorf("%s has %v", name, have)
				}
				if e["CustomID"] != "order 17" || e["Payload"] != `{"a":"<b>"}` || e["customcampaign"] != "spring" || e["mj_campaign_id"] == json.Number("0") || e["email"] != "r0@example.net" || e["mj_contact_id"] != json.Number(fmt.Sprint(mail.ContactID("r0@example.net"))) {
					t.Errorf("%v", e)
				}
				m, err := s.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: map[string]int64{"bounce": second, "blocked": third}[name] + map[bool]int64{true: first}[name != "bounce" && name != "blocked"]})
				if err != nil || e["Message_GUID"] != m.UUID.String() || e.id() != fmt.Sprint(m.ID) {
					t.Errorf("%s is of %v, %v", name, e["Message_GUID"], err)
				}
				for property, want := range map[string]map[string]any{
					"sent":    {"smtp_reply": "250 2.0.0 OK 4Mu1P", "mj_message_id": fmt.Sprint(first)},
					"open":    {"ip": "198.51.100.7", "agent": "Mail/1", "geo": ""},
					"click":   {"url": "https://example.com/?a=1&b=2"},
					"bounce":  {"hard_bounce": true, "blocked": true, "error_related_to": "recipient", "error": "user unknown", "comment": "550 5.1.1 No such user"},
					"blocked": {"error_related_to": "mailjet", "error": "preblocked"},
					"spam":    {"source": "JMRPP"},
					"unsub":   {"agent": "List-Unsubscribe", "mj_list_id": json.Number("0")},
				}[name] {
					if e[property] != want {
						t.Errorf("%s: %s is %v, not %v", name, property, e[property], want)
					}
				}
			}
			for _, q := range r.requests() {
				if q.user != "user" || q.pass != "hunter2" || q.header.Get("Content-Type") != "application/json" || !signedBy(secret, q) || signedBy("whsec_AAAA", q) {
					t.Errorf("%+v", q)
				}
			}
			if p.waiting() != 0 || strings.Contains(p.log.String(), "hunter2") {
				t.Errorf("%d wait\n%s", p.waiting(), p.log)
			}
			s.OnHookEvents(func([]int64) {})
		}
	})
}

// signedBy checks a signature as a receiver would, by the specification alone.
func signedBy(secret string, q request) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", q.header.Get("webhook-id"), q.header.Get("webhook-timestamp"), q.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return q.header.Get("webhook-id") != "" && slices.Contains(strings.Fields(q.header.Get("webhook-signature")), want)
}

func TestTheOldSigningSecretSignsBesideTheNewOne(t *testing.T) {
	p, r := newPost(t, storetest.New(t), nil), newReceiver(t, nil)
	k := p.key("Harbour")
	p.hook(k, r.URL, 1, false, store.EventSent)
	send := func() request {
		p.accept(k, 1, 0)
		p.sent()
		p.tell()
		got := r.requests()
		return got[len(got)-1]
	}
	if q := send(); q.header.Get("webhook-signature") != "" || q.header.Get("webhook-id") == "" {
		t.Errorf("without a secret: %v", q.header)
	}
	next := func(overlap time.Duration) (secret string) {
		p.update(func(tx *store.Tx) (err error) {
			secret, err = p.NewHookSecret(t.Context(), tx, k.ID, overlap)
			return err
		})
		return secret
	}
	one := next(time.Hour)
	two := next(time.Hour)
	if q := send(); !signedBy(one, q) || !signedBy(two, q) {
		t.Errorf("with an overlap: %v", q.header)
	}
	p.pass(2 * time.Hour)
	if q := send(); signedBy(one, q) || !signedBy(two, q) {
		t.Errorf("after the overlap: %v", q.header)
	}
	three := next(0)
	if q := send(); signedBy(two, q) || !signedBy(three, q) {
		t.Errorf("without an overlap: %v", q.header)
	}
}

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
		if h := p.hooksOf(k)[0]; h.FailingSince.IsZero() || !h.DeadAt.IsZero() || h.LastStatus != 503 || h.LastError == "" {
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
		if h := p.hooksOf(k)[0]; !h.FailingSince.IsZero() || h.Told != 300 {
			t.Errorf("%+v", h)
		}
	})
}

// TestADeadURL: after a day of failures the backup takes over what waits and what comes; without one it is dropped.
func TestADeadURL(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, got := newPost(t, s, nil), &ledger{}
		var died []webhook.Dead
		p.OnDead(func(_ context.Context, _ *store.Tx, d webhook.Dead) error {
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
			if h.Backup == h.DeadAt.IsZero() != true || h.Takes != h.Backup {
				t.Errorf("%+v", h)
			}
		}
		// Set anew, it takes the events back.
		h := p.hooksOf(k)[0]
		r.answers(nil)
		before := len(r.requests())
		p.update(func(tx *store.Tx) (err error) {
			u, _ := url.Parse(r.URL)
			if h.ReceiverID, err = p.Receiver(t.Context(), tx, k.AccountID, k.ID, u); err == nil {
				err = tx.ChangeHook(t.Context(), h)
			}
			return err
		})
		p.accept(k, 1, 0)
		p.sent()
		p.tell()
		if len(r.requests()) != before+1 {
			t.Error("a URL that was set anew is told nothing")
		}
		if x := p.HookStats(); x.Buried != 2 || x.EventsDropped != 1 || x.EventsTold != 26 {
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
	if h := p.hooksOf(k)[0]; p.waiting() != 0 || h.Dropped != 1 || !h.DeadAt.IsZero() || h.Told != 30 {
		t.Errorf("%d wait, %+v", p.waiting(), h)
	}
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
		p.accept(a, 3*webhook.PerReceiver, 0)
		p.accept(b, 3*webhook.PerReceiver, 0)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		p.sent() // Run is woken by the commit
		for range 3 * webhook.PerReceiver {
			<-heard
		}
		for end := time.Now().Add(10 * time.Second); p.waiting() > 3*webhook.PerReceiver && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // until it is recorded
		}
		if n := len(slow.requests()); n > webhook.PerReceiver {
			t.Errorf("%d requests at a time to one receiver", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := p.waiting(); n != 3*webhook.PerReceiver {
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
	p.HookRound(ctx)
	r.answers(nil)
	again, err := webhook.New(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	again.HookRound(t.Context())
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
	if _, err := p.TestHook(t.Context(), p.hooksOf(k)[0]); err != nil || len(inside.requests()) != 0 {
		t.Errorf("a test goes inside: %v", err)
	}
}

func TestTheLogOfAttempts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, r := newPost(t, s, nil), newReceiver(t, status(500))
		k, other := p.key("Harbour"), p.key("Other")
		p.hook(k, strings.Replace(r.URL, "http://", "http://user:hunter2@", 1)+"/hidden", 2, false, hookTypes...)
		p.accept(k, 3, 0)
		p.sent()
		p.pass(2 * time.Second)
		p.tell()
		list := func(f store.AttemptFilter) []store.HookAttempt {
			t.Helper()
			got, err := s.HookAttempts(t.Context(), store.OfKey(k.AccountID, k.ID), f, 0)
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
		if a.Outcome != store.HookFailed || a.Status != 500 || a.Count != 3 || len(a.EventIDs) != 3 || a.Attempt != 1 || a.Version != 2 || !slices.Equal(a.Types, []store.EventType{store.EventSent}) || !strings.HasPrefix(a.Target, "http://127.0.0.1") || strings.Contains(a.Target, "hidden") {
			t.Errorf("%+v", a)
		}
		if body, n, err := p.HookBody(t.Context(), a); err != nil || n != 3 || string(body) != r.requests()[0].body {
			t.Errorf("made again: %s, %d, %v\nsent: %s", body, n, err, r.requests()[0].body)
		}
		r.answers(nil)
		p.pass(time.Minute)
		p.tell()
		failed, worked := true, false
		if list(store.AttemptFilter{})[0].Outcome != store.HookDelivered || len(list(store.AttemptFilter{Failed: &failed})) != 1 || len(list(store.AttemptFilter{Failed: &worked, Type: store.EventSent})) != 1 || len(list(store.AttemptFilter{Type: store.EventOpen})) != 0 {
			t.Error("filters of the log")
		}
		if foreign, err := s.HookAttempts(t.Context(), store.OfKey(other.AccountID, other.ID), store.AttemptFilter{}, 0); err != nil || len(foreign) != 0 {
			t.Errorf("another key sees %v, %v", foreign, err)
		}
		// Replayed, it is told once more; another key's events are not.
		var n, foreign int
		p.update(func(tx *store.Tx) (err error) {
			if foreign, err = tx.ReplayHookEvents(t.Context(), other.ID, a.EventIDs); err == nil {
				n, err = tx.ReplayHookEvents(t.Context(), k.ID, a.EventIDs)
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
	p.update(func(tx *store.Tx) error { return tx.RemoveHook(t.Context(), p.hooksOf(k)[0]) })
	if n := p.waiting(); n != 1 {
		t.Errorf("%d wait for a hook that was removed", n-1)
	}
	p.update(func(tx *store.Tx) error { return tx.RemoveHooksOf(t.Context(), k.ID) })
	p.tell()
	p.Sweep(t.Context())
	if n := p.waiting(); n != 0 || len(r.requests()) != 0 {
		t.Errorf("%d wait, %d requests", n, len(r.requests()))
	}
}

func FuzzHookBodies(f *testing.F) {
	f.Add(1, "a@example.com", "id", "{}", "https://example.com/", "agent", 550, "line", 1)
	f.Fuzz(func(t *testing.T, typ int, email, customID, payload, link, agent string, code int, line string, state int) {
		e := store.ToldEvent{Event: store.Event{Type: store.EventType(typ), At: yesterday, StateID: state, Reply: store.Reply{Code: code, Line: line}, Doing: store.Doing{URL: link, Agent: agent}}, Recipient: email, CustomID: customID, EventPayload: payload}
		for version := 1; version <= 2; version++ {
			body, n, err := webhook.Encode(version, []store.ToldEvent{e})
			if err != nil || n != 1 || !json.Valid(body) || strings.ContainsAny(string(body), "\n\r") {
				t.Fatalf("%q: %v", body, err)
			}
		}
	})
}
