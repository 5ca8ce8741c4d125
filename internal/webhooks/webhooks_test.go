// SPDX-License-Identifier: Apache-2.0

package webhooks_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/webhooks"
)

var operator = change.Actor{Kind: change.Operator, Origin: "command line"}

// world is webhooks with an account that has one key.
type world struct {
	*webhooks.Webhooks
	store *store.Store
	log   *bytes.Buffer
	key   store.Key
	scope store.Scope
}

func newWorld(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := &world{store: s, log: &bytes.Buffer{}}
	b := backendtest.New(t, backend.Config{Store: s, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	up, err := b.Keys.SignUp(t.Context(), operator, "Harbour", "owner@example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.Webhooks, w.key, w.scope = b.Webhooks, up.Key, store.OfAccount(up.Key.AccountID)
	return w
}

// kept is a webhook as it is stored.
func (w *world) kept(t *testing.T, id int64) store.Webhook {
	t.Helper()
	list, _, err := w.store.Webhooks(t.Context(), w.scope, store.WebhookFilter{ID: id}, store.Page{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

// audited lists action and target of the entries whose action begins with prefix, oldest first.
func (w *world) audited(t *testing.T, prefix string) (out []string) {
	t.Helper()
	entries, err := w.store.Audit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Action, prefix) {
			out = append(out, e.Action+" "+e.Target)
		}
	}
	return out
}

// wants checks that err is a change.Error of a kind about a field.
func wants(t *testing.T, err error, kind change.ErrorKind, field string) {
	t.Helper()
	var e *change.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field {
		t.Errorf("error %v, want kind %d on %q", err, kind, field)
	}
}

func TestWebhookOfAnAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		id := w.key.AccountID
		_, err := w.OfAccount(t.Context(), id)
		wants(t, err, change.NotFound, "")
		wants(t, w.QueueTest(t.Context(), operator, id), change.NotFound, "")
		_, err = w.RemoveOfAccount(t.Context(), operator, id)
		wants(t, err, change.NotFound, "")
		for _, url := range []string{"", "http://hooks.example.com/", "https://127.0.0.1/", "https://user:hunter2@10.0.0.1/", "https://hooks.example.com:25/"} {
			_, err := w.SetOfAccount(t.Context(), operator, id, url)
			wants(t, err, change.Invalid, "URL")
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has the password: %v", err)
			}
		}
		_, err = w.SetOfAccount(t.Context(), operator, id+1000, "https://hooks.example.com/")
		wants(t, err, change.NotFound, "")

		set, err := w.SetOfAccount(t.Context(), operator, id, "https://user:hunter2@hooks.example.com/path-token?key=query-token")
		if err != nil || !strings.HasPrefix(set.Secret, "whsec_") {
			t.Fatalf("%+v, %v", set, err)
		}
		x, err := w.OfAccount(t.Context(), id)
		if err != nil || x.URL != "https://user:xxxxx@hooks.example.com/path-token?key=query-token" || x.CreatedAt.IsZero() || x.Waiting != 0 {
			t.Errorf("%+v, %v", x, err)
		}
		if err := w.QueueTest(t.Context(), operator, id); err != nil {
			t.Fatal(err)
		}
		if x, err = w.OfAccount(t.Context(), id); err != nil || x.Waiting != 1 {
			t.Errorf("%+v, %v", x, err)
		}
		// As it is shown it keeps its password; no other does.
		kept, err := w.SetOfAccount(t.Context(), operator, id, x.URL)
		if err != nil || kept.Secret == set.Secret {
			t.Errorf("%+v, %v", kept, err)
		}
		if now, err := w.OfAccount(t.Context(), id); err != nil || now.URL != x.URL {
			t.Errorf("%+v, %v", now, err)
		}
		_, err = w.SetOfAccount(t.Context(), operator, id, "https://user:xxxxx@other.example.com/")
		wants(t, err, change.Invalid, "URL")
		again, err := w.SetOfAccount(t.Context(), operator, id, "https://other.example.com/")
		if err != nil || again.Secret == set.Secret {
			t.Errorf("%+v, %v", again, err)
		}
		if was, err := w.RemoveOfAccount(t.Context(), operator, id); err != nil || was.URL != "https://other.example.com/" {
			t.Fatal(was, err)
		}
		_, err = w.OfAccount(t.Context(), id)
		wants(t, err, change.NotFound, "")

		log := w.audited(t, "webhook.")
		if strings.Join(log, "; ") != "webhook.set webhook https://hooks.example.com; webhook.set webhook https://hooks.example.com; webhook.set webhook https://other.example.com; webhook.remove webhook https://other.example.com" {
			t.Errorf("the audit log has %v", log)
		}
		for _, text := range append(log, w.log.String()) {
			for _, hidden := range []string{"hunter2", "path-token", "query-token", set.Secret, kept.Secret, again.Secret} {
				if strings.Contains(text, hidden) {
					t.Errorf("%q has %s", text, hidden)
				}
			}
		}
	})
}

// TestALongBacklogGoesToANewURL: in parts, and nothing is left behind. To the URL of the hook's own backup nothing goes.
func TestALongBacklogGoesToANewURL(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const many = 5300
		w := newWorld(t, s)
		ctx, key := t.Context(), w.key
		set := func(url string, backup bool) store.Webhook {
			t.Helper()
			list, err := w.Set(ctx, operator, w.scope, store.KeyFilter{ID: key.ID}, webhooks.Setting{URL: url, Types: []store.EventType{store.EventSent}, Backup: backup})
			if err != nil {
				t.Fatal(err)
			}
			return w.kept(t, list[0].ID)
		}
		h := set("https://old.example.com/", false)
		set("https://backup.example.com/", true)
		x := &store.Submission{AccountID: key.AccountID, KeyID: key.ID, Source: "http", Body: store.NewBody([]byte("Subject: x\r\n\r\nx")), Lifetime: time.Hour}
		for i := range many {
			x.Recipients = append(x.Recipients, store.Recipient{Email: fmt.Sprintf("r%d@example.net", i), Domain: "example.net"})
		}
		if err := s.Accept(ctx, x); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		got, err := s.Claim(ctx, store.MainLane, "test", now, now.Add(time.Minute), many)
		if err != nil || len(got) != many {
			t.Fatal(len(got), err)
		}
		var done []store.Completion
		for _, c := range got {
			done = append(done, store.Completion{Claimed: c, Owner: "test", Result: store.CompletedSent, At: now})
		}
		if err := s.Complete(ctx, done); err != nil {
			t.Fatal(err)
		}
		waits := func(h store.Webhook) int {
			t.Helper()
			due, err := s.DueDeliveries(ctx, h.EndpointID, time.Now().Add(time.Hour), 10*many)
			if err != nil {
				t.Fatal(err)
			}
			return len(due)
		}
		backup := "https://backup.example.com/"
		_, err = w.Change(ctx, operator, w.scope, h.ID, webhooks.Change{URL: &backup})
		wants(t, err, change.Invalid, "URL")
		if n := waits(h); n != many {
			t.Errorf("after a change that was refused %d wait for the old URL, want all %d", n, many)
		}
		fresh := "https://new.example.com/"
		moved, err := w.Change(ctx, operator, w.scope, h.ID, webhooks.Change{URL: &fresh})
		if err != nil {
			t.Fatal(err)
		}
		newest := w.kept(t, moved.ID)
		if before, after := waits(h), waits(newest); before != 0 || after != many || newest.EndpointID == h.EndpointID {
			t.Errorf("%d wait for the old URL, %d for the new one", before, after)
		}
	})
}
