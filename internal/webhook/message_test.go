// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
		receiver, err := p.Endpoint(p.t.Context(), tx, store.Owner{AccountID: k.AccountID, KeyID: k.ID}, u)
		for _, t := range types {
			if err == nil {
				_, err = tx.AddWebhook(p.t.Context(), store.Webhook{Owner: store.Owner{AccountID: k.AccountID, KeyID: k.ID}, EndpointID: receiver, Type: t, Version: version, Backup: backup})
			}
		}
		return err
	})
}

func (p *post) hooksOf(k store.Key) []store.Webhook {
	p.t.Helper()
	list, _, err := p.store.Webhooks(p.t.Context(), store.OfKey(k.AccountID, k.ID), store.WebhookFilter{}, store.Page{})
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
	p.end(store.CompletedSent, store.Reply{Code: 250, Enhanced: "2.0.0", Line: "250 2.0.0 OK 4Mu1P"}, 0, false)
}

func (p *post) engage(id int64, typ store.EventType, d store.Doing) {
	p.t.Helper()
	if err := p.store.Engage(p.t.Context(), store.Engagement{MessageID: id, Type: typ, At: time.Now(), Doing: d}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *post) tell() { p.Round(p.t.Context()) }

func (p *post) waiting() int64 {
	p.t.Helper()
	x, err := p.store.WebhookStats(p.t.Context())
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
				secret, err = p.NewSecret(t.Context(), tx, store.Owner{AccountID: k.AccountID, KeyID: k.ID}, 0)
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
			p.end(store.CompletedBounced, store.Reply{Code: 550, Enhanced: "5.1.1", Line: "550 5.1.1 No such user"}, mail.StateUserUnknown, true)
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
			s.OnDeliveries(func([]int64) {})
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
			secret, err = p.NewSecret(t.Context(), tx, store.Owner{AccountID: k.AccountID, KeyID: k.ID}, overlap)
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
