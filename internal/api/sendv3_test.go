// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/mailjet/mailjet-apiv3-go/v4"

	"postern/internal/mail"
	"postern/internal/store"
)

const simpleV3 = `{"FromEmail": "a@example.com", "Recipients": [{"Email": "b@example.org"}], "Subject": "S", "Text-part": "T"}`

// sentV3 is an answer of Send API v3.
type sentV3 struct {
	Sent []struct {
		Email, MessageUUID string
		MessageID          int64
	}
}

// source reads a message as it was accepted.
func (w *world) source(t testing.TB, id int64) (store.Message, *mail.View) {
	t.Helper()
	m, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := w.store.Source(t.Context(), store.OfOperator(), id)
	if err != nil {
		t.Fatal(err)
	}
	v, err := mail.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m, v
}

func TestSendV3RecipientsAreAlone(t *testing.T) {
	w := newWorld(t)
	var got sentV3
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3/send", `{"FromEmail": "a@example.com", "FromName": "A", "Sender": true, "Subject": "S", "Text-part": "T", "Html-part": "<b>H</b>",
 "Recipients": [{"Email": "b@example.org", "Name": "B", "Vars": {"x": 1}}, {"Email": "c@example.org"}, {"Email": "B@example.org", "Vars": {"x": 1}}],
 "Attachments": [{"Content-type": "text/plain", "Filename": "a.txt", "content": "SGVs\nbG8=\n"}], "Inline_attachments": [{"Content-Type": "image/gif", "Filename": "dot.gif", "Content": "R0lGODlh"}],
 "Mj-prio": "3", "Mj-campaign": "spring", "Mj-deduplicatecampaign": 1, "Mj-trackopen": 2, "Mj-trackclick": "1", "Mj-CustomID": "order-7", "Mj-EventPayLoad": "p", "Headers": {"X-Order": "7", "Reply-To": "r@example.com"}, "Vars": {"y": 2}}`).decode(t, &got)
	if len(got.Sent) != 3 || got.Sent[0].MessageID == 0 || got.Sent[0].MessageUUID == "" || got.Sent[1].MessageID == got.Sent[0].MessageID || got.Sent[2].MessageID != got.Sent[0].MessageID {
		t.Fatalf("%+v: each of the list is answered, and the same address with the same Vars gets one mail", got)
	}
	for _, s := range got.Sent[:2] {
		m, v := w.source(t, s.MessageID)
		if len(v.To) != 1 || !strings.EqualFold(v.To[0].Email, s.Email) || len(v.Cc) != 0 {
			t.Errorf("%s sees %v", s.Email, v.To)
		}
		if m.CustomID != "order-7" || m.EventPayload != "p" || m.Campaign != "spring" || m.TrackClicks != store.TrackOff || m.Attachments != 2 {
			t.Errorf("%+v", m)
		}
		if len(v.ReplyTo) != 1 || v.ReplyTo[0].Email != "r@example.com" || v.Parts[0].Size == 0 {
			t.Errorf("reply to %v, parts %v", v.ReplyTo, v.Parts)
		}
	}
}

func TestSendV3TogetherAndMessages(t *testing.T) {
	w := newWorld(t)
	var got sentV3
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3/send/message", `{"Messages": [
 {"FromEmail": "a@example.com", "To": "\"B, the first\" <b@example.org>, c@example.org", "Cc": "d@example.org", "Bcc": "e@example.org", "Subject": "S", "Text-part": "T"},
 {"FromEmail": "a@example.com", "To": "b@example.org", "Subject": "Second", "Html-part": "H"}]}`).decode(t, &got)
	if len(got.Sent) != 5 {
		t.Fatalf("%+v", got)
	}
	_, v := w.source(t, got.Sent[3].MessageID)
	if len(v.To) != 2 || v.To[0].Name != "B, the first" || len(v.Cc) != 1 || strings.Contains(fmt.Sprint(v.Header), "e@example.org") {
		t.Errorf("the mail says %v %v", v.To, v.Cc)
	}
	if m, _ := w.source(t, got.Sent[4].MessageID); m.Subject != "Second" {
		t.Errorf("the second message: %+v", m)
	}
}

func TestSendV3Errors(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]struct {
		status int
		words  string
	}{
		`[]`: {400, "Malformed JSON"},
		`{`:  {400, "Malformed JSON"},
		`{"FromEmail": 7, "Recipients": "b@example.org"}`:                                                                                                        {400, `"Recipients" is not JSON array type`},
		`{"FromEmail": "a@example.com", "To": "b@example.org", "Headers": "x"}`:                                                                                  {400, `"Headers" is not JSON object type`},
		`{"To": "b@example.org", "Text-part": "T"}`:                                                                                                              {400, `Missing "FromEmail" property`},
		`{"FromEmail": "a@example.com", "Text-part": "T"}`:                                                                                                       {400, `Missing "To" or "Recipients" property`},
		`{"FromEmail": "a@example.com", "To": "b@example.org"}`:                                                                                                  {400, `"Text-part"`},
		`{"FromEmail": "x@elsewhere.example", "To": "b@example.org", "Text-part": "T"}`:                                                                          {403, "x@elsewhere.example"},
		`{"FromEmail": "a@example.com", "To": "b@@example.org", "Text-part": "T"}`:                                                                               {400, "To"},
		`{"FromEmail": "a@example.com", "Recipients": [{"Email": "nobody"}], "Text-part": "T"}`:                                                                  {400, "Recipients[0].Email"},
		`{"FromEmail": "a@example.com", "To": "b@example.org", "Text-part": "T", "Mj-trackopen": 3}`:                                                             {400, "Mj-trackopen"},
		`{"FromEmail": "a@example.com", "To": "b@example.org", "Mj-TemplateID": "12"}`:                                                                           {400, "Template id"},
		`{"FromEmail": "a@example.com", "To": "b@example.org", "Text-part": "T", "Headers": {"Subject": "x"}}`:                                                   {400, `Headers["Subject"]`},
		`{"FromEmail": "a@example.com", "To": "b@example.org", "Text-part": "T", "Mj-deduplicatecampaign": true}`:                                                {400, "Mj-campaign"},
		`{"FromEmail": "a@example.com", "To": "b@example.org", "Recipients": [{"Email": "c@example.org"}], "Text-part": "T"}`:                                    {400, "Recipients"},
		`{"FromEmail": "a@example.com", "Text-part": "T", "Recipients": [` + strings.Repeat(`{"Email": "b@example.org"},`, 100) + `{"Email": "c@example.org"}]}`: {400, "Too many recipients"},
		// One bad message refuses the call whole.
		`{"Messages": [` + simpleV3 + `, {"FromEmail": "a@example.com", "To": "b@example.org"}]}`: {400, "Messages[1]"},
	} {
		a := w.do(t, w.master.Issued, "POST", "/v3/send", body)
		var e struct {
			ErrorMessage string
			StatusCode   int
		}
		a.decode(t, &e)
		if a.status != want.status || e.StatusCode != want.status || !strings.Contains(e.ErrorMessage, want.words) {
			t.Errorf("%.120s: %d %s; want %d with %q", body, a.status, a.body, want.status, want.words)
		}
	}
	if n, err := w.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{}); err != nil || n != 0 {
		t.Errorf("%d messages were kept, %v", n, err)
	}
}

func TestGoSDKSendsByV3(t *testing.T) {
	w := newWorld(t)
	client := mailjet.NewMailjetClient(w.master.Key.APIKey, w.master.Secret, w.server.URL+"/v3")
	client.SetClient(w.client)
	res, err := client.SendMail(&mailjet.InfoSendMail{
		FromEmail: "a@example.com", FromName: "A", Subject: "S", TextPart: "T", HTMLPart: "<b>H</b>", MjCustomID: "sdk", MjTemplateLanguage: "",
		Recipients:  []mailjet.Recipient{{Email: "b@example.org", Name: "B"}, {Email: "c@example.org"}},
		Attachments: []mailjet.Attachment{{ContentType: "text/plain", Content: "SGk=", Filename: "a.txt"}}, Headers: map[string]string{"X-Order": "7"},
	})
	if err != nil || len(res.Sent) != 2 || res.Sent[0].Email != "b@example.org" || res.Sent[0].MessageID == 0 {
		t.Fatalf("%+v, %v", res, err)
	}
}

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
