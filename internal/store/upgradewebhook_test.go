// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhook"
)

// TestUpgradeFromTwoKindsOfWebhooks: an account's webhook of before keeps its URL, its signing secret and its state, and what
// waits for it is delivered as it would have been, once; a key's webhook keeps its number, its URL, its secrets, its log and
// what waits for it.
func TestUpgradeFromTwoKindsOfWebhooks(t *testing.T) {
	for engine, dsn := range map[string]func() string{
		"sqlite":   func() string { return filepath.Join(t.TempDir(), "postern.db") },
		"postgres": func() string { return storetest.Database(t) },
	} {
		dsn := dsn()
		t.Run(engine, func(t *testing.T) { upgradeWebhooks(t, dsn) })
	}
}

// posted is what an endpoint got.
type posted struct{ path, user, password, id, timestamp, signature, body string }

func upgradeWebhooks(t *testing.T, dsn string) {
	var mu sync.Mutex
	var got []posted
	r := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		x := posted{path: q.URL.Path, id: q.Header.Get("webhook-id"), timestamp: q.Header.Get("webhook-timestamp"), signature: q.Header.Get("webhook-signature"), body: string(body)}
		x.user, x.password, _ = q.BasicAuth()
		mu.Lock()
		defer mu.Unlock()
		got = append(got, x)
	}))
	defer r.Close()
	const accountSecret, keySecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_BBBB9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	serverKey := credential.NewServerKey()
	seal, err := credential.NewSealer(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	micros := func(ago time.Duration) int64 { return now.Add(-ago).UnixMicro() }
	account := strings.Replace(r.URL, "http://", "http://user:hunter2@", 1) + "/account"
	err = store.Old(t.Context(), dsn, 19, func(exec func(string, ...any)) {
		exec("INSERT INTO account (id, name, created_at) VALUES (1, 'Other', 1), (2, 'Harbour', 1)")
		exec(`INSERT INTO api_key (id, account_id, api_key, name, is_master, state, created_at) VALUES (5, 2, '0123456789abcdef0123456789abcdef', 'Harbour', TRUE, 'active', 1)`)
		exec("INSERT INTO webhook (id, account_id, url, secret, created_at, last_at, last_status, last_error, failing_since, dropped) VALUES (7, 2, $1, $2, $3, $4, 500, 'the answer was 500', $5, 3)",
			seal.Seal("webhook URL 2", []byte(account)), seal.Seal("webhook 2", []byte(accountSecret)), micros(240*time.Hour), micros(time.Minute), micros(100*time.Hour))
		for i, kind := range []string{"credential.due", "credential.overdue", "credential.leaked", "webhook.test"} {
			exec("INSERT INTO webhook_delivery (id, webhook_id, message_id, type, body, created_at, due_at, expires_at, attempts) VALUES ($1, 7, $2, $3, $4, $5, $6, $7, $8)",
				11+i, fmt.Sprint("msg_", i), kind, []byte(`{"type":"`+kind+`","data":{}}`), micros(2*time.Hour), micros(time.Second), micros(-22*time.Hour), i)
		}
		exec("INSERT INTO hook_receiver (id, account_id, key_id, digest, url, token, created_at, told) VALUES (40, 2, 5, $1, $2, 'TOKEN', 1, 12)",
			[]byte("digest"), seal.Seal("hook URL 5", []byte(r.URL+"/key")))
		exec("INSERT INTO hook (id, account_id, key_id, event_type, is_backup, version, receiver_id, takes, created_at) VALUES (41, 2, 5, 1, FALSE, 1, 40, TRUE, 1)")
		exec("INSERT INTO hook_secret (key_id, secret, created_at) VALUES (5, $1, 1)", seal.Seal("hook secret 5", []byte(keySecret)))
		exec("INSERT INTO hook_attempt (account_id, key_id, at, target, webhook_id, version, types, events, told, attempt, outcome, status, error, took) VALUES (2, 5, $1, 'http://x', 'evt_1', 1, 2, '9', 1, 1, 0, 200, '', 5)", micros(time.Hour))
		exec("INSERT INTO hook_event (event_id, hook_id, receiver_id, message_id, due_at) VALUES (8, 41, 40, 6, $1), (9, 999, 40, 6, 1)", micros(time.Second))
		exec(`INSERT INTO submission (id, account_id, key_id, sender_id, source, client, mail_from, header_from, from_name, subject, rfc_message_id, custom_id, event_payload, campaign, monitoring_category, url_tags, priority, track_opens, track_clicks, size, attachments, has_text, has_html, utf8, created_at)
 VALUES (1, 2, 5, 7, 'http', '', 'a@example.com', 'a@example.com', '', 'S', 'm', '', '', '', '', '', 2, 0, 0, 10, 0, TRUE, FALSE, FALSE, 1)`)
		exec("INSERT INTO message (id, uuid, submission_id, account_id, key_id, recipient, kind, status, attempts, arrived_at, done_at) VALUES (6, $1, 1, 2, 5, 'b@example.net', 0, 2, 1, 1, 1)", make([]byte, 16))
		exec("INSERT INTO event (id, message_id, key_id, type, at, attempt, code, enhanced, line, host, tls, state_id, permanent) VALUES (8, 6, 5, 1, 1, 1, 250, '', '', '', '', 0, FALSE)")
		exec("UPDATE sequence SET next = 10 WHERE name = 'event'")
	})
	if err != nil {
		t.Fatal(err)
	}

	for range 2 { // a second start changes nothing
		s, err := store.Open(t.Context(), dsn, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := storetest.Open(t, dsn)
	b := backendtest.New(t, backend.Config{Store: s, ServerKey: serverKey, Webhook: webhook.Config{Private: true}})
	w, err := b.Webhooks.OfAccount(t.Context(), 2)
	if err != nil || w.State != "fails" || w.Waiting != 4 || w.Dropped != 3 || w.LastStatus != 500 || !w.CreatedAt.Equal(now.Add(-240*time.Hour)) || !strings.HasSuffix(w.URL, "/account") || strings.Contains(w.URL, "hunter2") {
		t.Errorf("%+v, %v", w, err)
	}
	list, _, err := b.Webhooks.List(t.Context(), store.OfKey(2, 5), store.WebhookFilter{}, store.Page{})
	if err != nil || len(list) != 1 || list[0].ID != 41 || list[0].URL != r.URL+"/key" || list[0].Delivered != 12 || list[0].Waiting != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	log, err := b.Webhooks.Deliveries(t.Context(), store.OfKey(2, 5), store.AttemptFilter{}, 0)
	if err != nil || len(log) != 1 || log[0].WebhookID != "evt_1" || log[0].Count != 1 {
		t.Errorf("%+v, %v", log, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Webhook.Run(ctx) }()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		x, err := s.WebhookStats(t.Context())
		if err != nil || time.Now().After(end) {
			t.Fatal(x, err)
		}
		if x.Waiting+x.AccountWaiting == 0 {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	taken := map[string]posted{}
	for _, x := range got {
		taken[x.id] = x
	}
	if len(got) != 5 || len(taken) != 5 {
		t.Fatalf("%d requests: %+v", len(got), got)
	}
	for i, kind := range []string{"credential.due", "credential.overdue", "credential.leaked", "webhook.test"} {
		x := taken[fmt.Sprint("msg_", i)]
		signature, err := webhook.Sign(accountSecret, x.id, x.timestamp, []byte(x.body))
		if err != nil || x.signature != signature || x.path != "/account" || x.user != "user" || x.password != "hunter2" || x.body != `{"type":"`+kind+`","data":{}}` {
			t.Errorf("%+v, %v", x, err)
		}
	}
	x := taken["evt_TOKEN_8"]
	if signature, err := webhook.Sign(keySecret, x.id, x.timestamp, []byte(x.body)); err != nil || x.signature != signature || !strings.Contains(x.body, `"event":"sent"`) {
		t.Errorf("%+v, %v", x, err)
	}

	// New rows do not meet the numbers of old ones.
	if _, err := b.Webhooks.SetOfAccount(t.Context(), change.Actor{Kind: change.Operator}, 1, "https://other.example.com/"); err != nil {
		t.Error(err)
	}
}
