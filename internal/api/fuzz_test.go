// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"postern/internal/mail"
	"postern/internal/store"
)

// FuzzSend: whatever is posted, the answer is JSON as described (the client checks that), and what is accepted is
// kept as a mail that can be read, with its recipients.
func FuzzSend(f *testing.F) {
	f.Add([]byte(simple))
	f.Add([]byte(`{"Globals":{"From":{"Email":"a@example.com"},"Headers":{"X-A":1}},"Messages":[{"To":[{"Email":"b@example.org"}],"HTMLPart":"<p>\ud800ü"},{"To":[{"Email":"b@example.org"},{"Email":"B@example.org","Name":"=?utf-8?q?x?="}],"TextPart":".\r\n.","Headers":{"X-B":"y z"}}]}`))
	f.Add([]byte(`{"Messages":[{"From":{"Email":"a@example.com","Name":"\"<>,;"},"To":[{"Email":"\"a b\"@example.org"}],"Subject":"\u0000 \ufffd","TextPart":"\u0000","Attachments":[{"ContentType":"a/b; c=\"d","Filename":"\"","Base64Content":"AA"}],"InlinedAttachments":[{"ContentType":"image/png","Filename":"x","Base64Content":"\r\n"}]}]}`))
	f.Add([]byte(`{"Messages":[{"From":{"Email":"a@example.com"},"To":[{"Email":"b@example.org"}],"TextPart":"x","Attachments":[{"ContentType":"message/rfc822","Filename":"m.eml","Base64Content":"RnJvbTogYQ0KDQo="}],"ReplyTo":{"Email":"r@[127.0.0.1]"},"Sender":{"Email":"a@example.com"}}]}`))
	for _, c := range messageErrors {
		if s := call(with(c.change)); len(s) < 4096 {
			f.Add([]byte(s))
		}
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		a := w.do(t, w.master.Issued, http.MethodPost, "/v3.1/send", string(body))
		if !json.Valid([]byte(a.body)) || a.status != 200 && a.status != 400 && a.status != 403 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		var got results
		if json.Unmarshal([]byte(a.body), &got) != nil {
			return
		}
		for _, r := range got.Messages {
			if (r.Status == "success") != (len(r.Errors) == 0) {
				t.Fatalf("%s", a.body)
			}
			if r.Status != "success" || r.To[0].MessageID == 0 {
				continue
			}
			m, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: r.To[0].MessageID})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := w.store.Source(t.Context(), store.OfOperator(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			v, err := mail.Read(raw)
			if err != nil {
				t.Fatalf("%v\n%q", err, raw)
			}
			if len(v.From) != 1 || mail.Canonical(v.From[0].Email) != mail.Canonical(m.HeaderFrom) {
				t.Fatalf("From is %v, not %s\n%q", v.From, m.HeaderFrom, raw)
			}
			if header(v, "Bcc") != "" || len(v.To)+len(v.Cc) > len(r.To)+len(r.Cc) {
				t.Fatalf("the headers have recipients that were not given\n%q", raw)
			}
		}
	})
}

// FuzzSendV3: whatever is posted, the answer is JSON as described, and each message that is answered is kept.
func FuzzSendV3(f *testing.F) {
	f.Add([]byte(simpleV3))
	f.Add([]byte(`{"FromEmail":"a@example.com","To":"\"B, b\" <b@example.org>, c@example.org","Bcc":"d@example.org","Html-part":"x","Mj-prio":"3","Mj-trackopen":2,"Mj-campaign":"c","Mj-deduplicatecampaign":"1","Headers":{"X-A":1,"Reply-To":"r@example.com"}}`))
	f.Add([]byte(`{"Messages":[{"FromEmail":"a@example.com","Recipients":[{"Email":"b@example.org","Vars":{"a":1}},{"Email":"B@example.org"}],"Text-part":"x","Attachments":[{"Content-type":"a/b","Filename":"f","content":"AA=="}],"Inline_attachments":[{"Content-Type":"image/gif","Filename":"f","Content":"AA\n=="}]}]}`))
	f.Add([]byte(`{"FromEmail":"a@example.com","Sender":"x <y@example.com>","To":"=?utf-8?q?=00?= <b@example.org>","Text-part":"x","Mj-TemplateLanguage":"true","Mj-CustomID":12}`))
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		a := w.do(t, w.master.Issued, http.MethodPost, "/v3/send", string(body))
		if !json.Valid([]byte(a.body)) || a.status != 200 && a.status != 400 && a.status != 403 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		var got sentV3
		if json.Unmarshal([]byte(a.body), &got) != nil {
			return
		}
		for _, s := range got.Sent {
			m, v := w.kept(t, s.MessageID)
			if mail.Canonical(m.Recipient) != mail.Canonical(s.Email) || m.UUID.String() != s.MessageUUID {
				t.Fatalf("%+v answers %s", s, m.Recipient)
			}
			if header(v, "Bcc") != "" {
				t.Fatalf("the headers have a Bcc: %v", v.Header)
			}
		}
	})
}
