// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"postern/internal/store"
)

// withKey posts with an idempotency key.
func (w *world) withKey(t testing.TB, path, key, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(w.master.Key.APIKey, w.master.Secret)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Postern-Idempotency-Key", key)
	return w.send(t, r)
}

func (w *world) total(t testing.TB) int {
	t.Helper()
	n, err := w.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v3.1/send", "/v3/send"} {
		body, other := simple, strings.Replace(simple, "example.org", "example.net", 1)
		if path == "/v3/send" {
			body, other = simpleV3, strings.Replace(simpleV3, "example.org", "example.net", 1)
		}
		before := w.total(t)
		first := w.withKey(t, path, "order-7"+path, body)
		if first.status != 200 || first.header.Get("Postern-Idempotent-Replay") != "" {
			t.Fatalf("%s: %d %s", path, first.status, first.body)
		}
		again := w.withKey(t, path, "order-7"+path, body)
		if again.status != 200 || again.body != first.body || again.header.Get("Postern-Idempotent-Replay") != "true" {
			t.Errorf("%s: the repeat got %d %v %s\nthe first %s", path, again.status, again.header, again.body, first.body)
		}
		if a := w.withKey(t, path, "order-7"+path, other); a.status != http.StatusConflict || !strings.Contains(a.body, "another body") {
			t.Errorf("%s: another body got %d %s", path, a.status, a.body)
		}
		if n := w.total(t) - before; n != 1 {
			t.Errorf("%s: %d messages were kept, want 1", path, n)
		}
		if a := w.withKey(t, path, "two words", body); a.status != 400 || !strings.Contains(a.body, "Postern-Idempotency-Key") {
			t.Errorf("%s: a key with a blank got %d %s", path, a.status, a.body)
		}
		// Errors are not remembered: put right, the same key sends.
		if a := w.withKey(t, path, "fixed"+path, `{}`); a.status != 400 {
			t.Errorf("%s: an empty call got %d %s", path, a.status, a.body)
		}
		if a := w.withKey(t, path, "fixed"+path, body); a.status != 200 || a.header.Get("Postern-Idempotent-Replay") != "" {
			t.Errorf("%s: after an error %d %s", path, a.status, a.body)
		}
	}
	// The same body by the other API is another call, and Mailjet's own header drops nothing.
	before := w.total(t)
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v3.1/send", strings.NewReader(simple))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(w.master.Key.APIKey, w.master.Secret)
		r.Header.Set("Idempotency-Key", "of the Python SDK")
		if a := w.send(t, r); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if n := w.total(t) - before; n != 2 {
		t.Errorf("with Mailjet's Idempotency-Key %d messages were kept, want 2", n)
	}
}

// A call by which some mail was sent and some refused is remembered whole: a repeat sends nothing twice.
func TestIdempotencyKeyOfAMixedCall(t *testing.T) {
	w := newWorld(t)
	body := call(with(obj{"CustomID": "good"}), with(obj{"From": obj{"Email": "x@elsewhere.example"}, "CustomID": "bad"}))
	first := w.withKey(t, "/v3.1/send", "mixed", body)
	again := w.withKey(t, "/v3.1/send", "mixed", body)
	if first.status != 403 || again.status != 403 || first.body != again.body || again.header.Get("Postern-Idempotent-Replay") != "true" {
		t.Errorf("%d %s\n%d %s", first.status, first.body, again.status, again.body)
	}
	if n := w.total(t); n != 1 {
		t.Errorf("%d messages were kept, want 1", n)
	}
}

// Twins wait for the first and get its answer.
func TestIdempotencyKeyOfTwins(t *testing.T) {
	w := newWorld(t)
	const n = 8
	answers := make([]answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i] = w.withKey(t, "/v3.1/send", "twins", simple) })
	}
	wg.Wait()
	replays := 0
	for _, a := range answers {
		if a.status != 200 || a.body != answers[0].body {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a.header.Get("Postern-Idempotent-Replay") != "" {
			replays++
		}
	}
	if k := w.total(t); k != 1 || replays != n-1 {
		t.Errorf("%d messages, %d replays; want 1 and %d", k, replays, n-1)
	}
}

// TestLargeCalls: what many mails have in common is kept with each, so a call may not be multiplied without bounds; what
// cannot be held in memory together is handed over in parts.
func TestLargeCalls(t *testing.T) {
	w := newWorld(t)
	mebi := attachment(obj{"Base64Content": big(1 << 20)})
	many := slices.Repeat([]any{with(nil)}, 50)
	var recipients []any
	for i := range 50 {
		recipients = append(recipients, obj{"Email": fmt.Sprintf("b%d@example.org", i)})
	}
	for name, body := range map[string]obj{
		"Globals, an attachment":  {"Globals": obj{"Attachments": []any{mebi}}, "Messages": many},
		"Globals, an inlined one": {"Globals": obj{"InlinedAttachments": []any{mebi}}, "Messages": many},
		"Globals, a text":         {"Globals": obj{"HTMLPart": strings.Repeat("x", 600<<10)}, "Messages": many},
	} {
		for _, sandbox := range []bool{true, false} {
			body["SandboxMode"] = sandbox
			a := w.withKey(t, "/v3.1/send", strings.ReplaceAll(name, " ", "-"), text(body))
			if a.status != 400 || !strings.Contains(a.body, "mj-0011") {
				t.Errorf("%s: %d %.500s", name, a.status, a.body)
			}
		}
	}
	v3 := obj{"FromEmail": "a@example.com", "Subject": "x", "Text-part": "x", "Recipients": recipients, "Attachments": []any{
		obj{"Content-type": "text/plain", "Filename": "a.txt", "content": big(1 << 20)},
	}}
	if a := w.do(t, w.master.Issued, "POST", "/v3/send", text(v3)); a.status != 413 {
		t.Errorf("%d %.500s", a.status, a.body)
	}
	if n := w.total(t); n != 0 {
		t.Errorf("%d messages were kept", n)
	}
	// Twenty times a mebibyte is too much; a handful is nothing that a call could not have had of its own.
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", text(obj{"Globals": obj{"Attachments": []any{mebi}}, "Messages": slices.Repeat([]any{with(nil)}, 15)}))
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", text(obj{"Globals": obj{"Attachments": []any{attachment(obj{"Base64Content": big(9 << 20)})}}, "Messages": slices.Repeat([]any{with(nil)}, 2)}))
}
