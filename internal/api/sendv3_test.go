// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailjet/mailjet-apiv3-go/v4"

	"postern/internal/mail"
	"postern/internal/store"
)

// v3 is a message of Send API v3 that is accepted, with some properties changed: nil takes one away.
func v3(change obj) obj {
	m := obj{"FromEmail": "a@example.com", "Recipients": []any{obj{"Email": "b@example.org"}}, "Subject": "Hello", "Text-part": "Hi"}
	for k, v := range change {
		m[k] = v
		if v == nil {
			delete(m, k)
		}
	}
	return m
}

const simpleV3 = `{"FromEmail": "a@example.com", "Recipients": [{"Email": "b@example.org"}], "Subject": "S", "Text-part": "T"}`

// sentV3 is an answer of Send API v3.
type sentV3 struct {
	Sent []struct {
		Email, MessageUUID string
		MessageID          int64
	}
}

// sentV3 posts a call that must be accepted.
func (w *world) sentV3(t *testing.T, body string) sentV3 {
	t.Helper()
	var got sentV3
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3/send", body).decode(t, &got)
	return got
}

func TestSendV3RecipientsAreAlone(t *testing.T) {
	w := newWorld(t)
	got := w.sentV3(t, text(v3(obj{"FromName": "Ä", "Recipients": []any{obj{"Email": "b@example.org", "Name": "Bé"}, obj{"Email": "c@example.org", "Vars": obj{"a": nil}}, obj{"Email": "B@example.org"}}})))
	if len(got.Sent) != 3 || got.Sent[0].MessageID == got.Sent[1].MessageID || got.Sent[0].MessageID != got.Sent[2].MessageID || got.Sent[2].Email != "B@example.org" || len(got.Sent[0].MessageUUID) != 36 {
		t.Fatalf("%+v", got)
	}
	for i, to := range []mail.Address{{Name: "Bé", Email: "b@example.org"}, {Email: "c@example.org"}} {
		m, v := w.kept(t, got.Sent[i].MessageID)
		if len(v.To) != 1 || v.To[0] != to || m.Recipient != to.Email || len(v.Cc) != 0 || v.From[0].Name != "Ä" {
			t.Errorf("%+v %+v; want %v", m, v, to)
		}
	}
}

func TestSendV3LikeCarbonCopies(t *testing.T) {
	w := newWorld(t)
	got := w.sentV3(t, text(v3(obj{"Recipients": nil, "To": `"Name, Of" <b@example.org>, c@example.org,`, "Cc": "D <d@bücher.example>", "Bcc": "e@example.org"})))
	var emails []string
	for _, s := range got.Sent {
		emails = append(emails, s.Email)
	}
	if s := strings.Join(emails, " "); s != "b@example.org c@example.org d@bücher.example e@example.org" {
		t.Fatal(s)
	}
	a, v := w.kept(t, got.Sent[0].MessageID)
	e, _ := w.kept(t, got.Sent[3].MessageID)
	if len(v.To) != 2 || v.To[0].Name != "Name, Of" || len(v.Cc) != 1 || header(v, "Bcc") != "" || a.SubmissionID != e.SubmissionID || e.Kind != store.Bcc {
		t.Errorf("%+v %+v %+v", v, a, e)
	}
}

// TestSendV3Spellings: what the SDKs send, in the types they send it in.
func TestSendV3Spellings(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]string{
		"strings": `{"FROMEMAIL":"a@example.com","recipients":[{"email":"b@example.org"}],"To":"","Messages":[],"Subject":"S","text-part":"T","Html-Part":"<b>H</b>","Sender":"true",
			"Attachments":[{"Content-type":"text/plain","Filename":"a.txt","content":"SGVs\nbG8=\n"}],"Inline_attachments":[{"ContentType":"image/png","filename":"logo.png","Content":"iVBORw"}],
			"Mj-prio":"3","Mj-campaign":"camp","Mj-deduplicatecampaign":"1","Mj-trackopen":"2","Mj-trackclick":"1","Mj-CustomID":7,"Mj-EventPayLoad":"p","Mj-TemplateLanguage":"true","MJ-TemplateErrorDeliver":"0","MJ-TemplateErrorReporting":"x@example.com",
			"Mj-TemplateID":"","Headers":{"Reply-To":"R <r@example.org>","X-Number":5},"Vars":{"a":null},"Unknown":[]}`,
		"own types": `{"Messages":[{"FromEmail":"a@example.com","Recipients":[{"Email":"b@example.org","Vars":{}}],"Subject":"S","Text-part":"T","Html-part":"<b>H</b>","Sender":true,
			"Attachments":[{"Content-Type":"text/plain","Filename":"a.txt","Content":"SGVsbG8="}],"Inline_attachments":[{"Content-type":"image/png","Filename":"logo.png","content":"iVBORw=="}],
			"Mj-prio":3,"Mj-campaign":"camp","Mj-deduplicatecampaign":true,"Mj-trackopen":2,"Mj-trackclick":1,"Mj-CustomID":"7","Mj-EventPayLoad":"p","Mj-TemplateLanguage":false,"MJ-TemplateErrorDeliver":"deliver",
			"Headers":{"reply-to":"R <r@example.org>","X-Number":"5"},"Vars":[]}],"FromEmail":"","FromName":"","Subject":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := w.sentV3(t, body)
			m, v := w.kept(t, got.Sent[0].MessageID)
			if m.CustomID != "7" || m.EventPayload != "p" || m.Campaign != "camp" || m.TrackOpens != store.TrackOn || m.TrackClicks != store.TrackOff || m.Subject != "S" || !m.HasHTML || !m.HasText {
				t.Errorf("%+v", m)
			}
			if len(v.ReplyTo) != 1 || v.ReplyTo[0] != (mail.Address{Name: "R", Email: "r@example.org"}) || header(v, "X-Number") != "5" || len(v.Parts) != 2 {
				t.Errorf("%+v", v)
			}
			for _, p := range v.Parts {
				if p.Filename == "a.txt" && string(p.Data) != "Hello" || p.Filename == "logo.png" && p.ContentID != "logo.png" {
					t.Errorf("%+v", p)
				}
			}
		})
	}
}

func TestSendV3Errors(t *testing.T) {
	w := newWorld(t)
	many := func(n int) []any {
		var out []any
		for range n {
			out = append(out, v3(nil))
		}
		return out
	}
	for _, c := range []struct {
		name, body string
		status     int
		words      string
	}{
		{"nothing", "", 400, "Malformed JSON"},
		{"array", "[]", 400, "Malformed JSON"},
		{"empty object", "{}", 400, `Missing "FromEmail" property`},
		{"no messages", `{"Messages":[]}`, 400, `"Messages" is an empty array`},
		{"a number for true", text(v3(obj{"Mj-deduplicatecampaign": 7})), 400, `"Mj-deduplicatecampaign" is not JSON boolean type, nor 0 or 1`},
		{"unclosed To", text(v3(obj{"Recipients": nil, "To": `"A <b@example.org>`})), 400, "email address: has a quotation mark that is not closed."},
		{"To without an @", text(v3(obj{"Recipients": nil, "To": "b"})), 400, "email address: has no @."},
		{"no From", text(v3(obj{"FromEmail": nil})), 400, `Missing "FromEmail" property`},
		{"empty From", text(v3(obj{"FromEmail": ""})), 400, `Missing "FromEmail" property`},
		{"bad From", text(v3(obj{"FromEmail": "a"})), 400, `FromEmail: "a" is an invalid email address.`},
		{"From of somebody else", text(v3(obj{"FromEmail": "x@elsewhere.example"})), 403, `FromEmail: "x@elsewhere.example" is not an authorized sender email address for your account.`},
		{"Sender of somebody else", text(v3(obj{"Sender": "x@elsewhere.example"})), 403, "Sender: "},
		{"no recipients", text(v3(obj{"Recipients": nil})), 400, `Missing "To" or "Recipients" property`},
		{"Cc alone", text(v3(obj{"Recipients": nil, "Cc": "c@example.org"})), 400, `Missing "To" or "Recipients" property`},
		{"both forms", text(v3(obj{"To": "c@example.org"})), 400, `"Recipients"`},
		{"101 in Recipients", text(v3(obj{"Recipients": boxes(101)})), 400, "Too many recipients in Recipients"},
		{"101 in To", text(v3(obj{"Recipients": nil, "To": strings.Repeat("c@example.org,", 101)})), 400, "Too many recipients in To"},
		{"101 messages", text(obj{"Messages": many(101)}), 400, "Messages: 101"},
		{"101 recipients in messages", text(obj{"Messages": []any{v3(obj{"Recipients": boxes(100)}), v3(nil)}}), 400, "101"},
		{"bad recipient", text(v3(obj{"Recipients": []any{obj{"Email": "b@example.org"}, obj{"Email": "c"}}})), 400, `Recipients[1].Email: "c" is an invalid email address.`},
		{"recipient without Email", text(v3(obj{"Recipients": []any{obj{}}})), 400, "Recipients[0].Email: Missing"},
		{"bad To", text(v3(obj{"Recipients": nil, "To": "b@example.org; c"})), 400, "Invalid characters detected in To"},
		{"To a list", text(v3(obj{"Recipients": nil, "To": []any{"b@example.org"}})), 400, `"To" is not JSON string type`},
		{"Headers a string", text(v3(obj{"Headers": "X: y"})), 400, `"Headers" is not JSON object type`},
		{"reserved header", text(v3(obj{"Headers": obj{"X-MJ-CustomID": "y"}})), 400, `Headers["X-MJ-CustomID"]`},
		{"our header", text(v3(obj{"Headers": obj{"Postern-Idempotency-Key": "y"}})), 400, `Headers["Postern-Idempotency-Key"]`},
		{"bad Reply-To", text(v3(obj{"Headers": obj{"Reply-To": "y"}})), 400, `Headers["Reply-To"]`},
		{"no content", text(v3(obj{"Text-part": nil})), 400, `At least "Html-part", "Text-part" or "Mj-TemplateID" must be provided.`},
		{"template", text(v3(obj{"Mj-TemplateID": 12})), 400, `Mj-TemplateID: Template id "12" doesn't exist for your account.`},
		{"template by name", text(v3(obj{"Mj-TemplateID": "welcome"})), 400, `"welcome"`},
		{"priority", text(v3(obj{"Mj-prio": 4})), 400, "Mj-prio: "},
		{"priority a word", text(v3(obj{"Mj-prio": "high"})), 400, `"Mj-prio" is not JSON number type`},
		{"tracking", text(v3(obj{"Mj-trackopen": 3})), 400, "Mj-trackopen: 3 is none of 0"},
		{"deduplication alone", text(v3(obj{"Mj-deduplicatecampaign": 1})), 400, `"Mj-deduplicatecampaign" needs "Mj-campaign"`},
		{"not base64", text(v3(obj{"Attachments": []any{obj{"Content-type": "text/plain", "Filename": "a", "content": "%"}}})), 400, "Attachments[0].content: "},
		{"no content type", text(v3(obj{"Inline_attachments": []any{obj{"Filename": "a", "content": "SGk="}}})), 400, "Inline_attachments[0].Content-type: Missing"},
		{"long subject", text(v3(obj{"Subject": strings.Repeat("x", 256)})), 400, "Subject: "},
		{"second message", text(obj{"Messages": []any{v3(nil), v3(obj{"Text-part": nil})}}), 400, "Messages[1]: At least"},
		{"second message's type", text(obj{"Messages": []any{v3(nil), v3(obj{"Subject": obj{}})}}), 400, `"Messages[1].Subject" is not JSON string type`},
		{"second message's From", text(obj{"Messages": []any{v3(nil), v3(obj{"FromEmail": "x"})}}), 400, `Messages[1].FromEmail: "x"`},
		{"26 MB", `{"Text-part":"` + strings.Repeat("x", 26<<20), 413, "too large"},
		{"mails of 300 MB", text(v3(obj{"Recipients": boxes(30), "Attachments": []any{obj{"Content-type": "text/plain", "Filename": "a", "content": big(5 << 20)}}})), 413, "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.mustDo(t, w.master.Issued, c.status, "POST", "/v3/send/message", c.body)
			var e struct {
				ErrorMessage string
				StatusCode   int
			}
			a.decode(t, &e)
			if !strings.Contains(e.ErrorMessage, c.words) || e.StatusCode != c.status {
				t.Errorf("%s; want %q", a.body, c.words)
			}
		})
	}
	// What else is wrong is in sentences of their own.
	if a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3/send", "{}"); !strings.Contains(a.body, `"ErrorInfo":"Also: Missing \"To\" or \"Recipients\" property. At least \"Html-part\"`) {
		t.Error(a.body)
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/message", ""); !strings.Contains(a.body, `"Total":0`) {
		t.Errorf("a refused call left something behind: %s", a.body)
	}
}

// TestSendV3LimitsRefuseAll: over a limit nothing of the call is kept, nor counted.
func TestSendV3LimitsRefuseAll(t *testing.T) {
	w := newWorld(t)
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/"+w.master.Key.APIKey, `{"DayLimit": 3}`)
	a := w.mustDo(t, w.master.Issued, 429, "POST", "/v3/send", text(v3(obj{"Recipients": boxes(4)})))
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	w.sentV3(t, text(v3(obj{"Recipients": boxes(3)})))
	w.mustDo(t, w.master.Issued, 429, "POST", "/v3/send", text(v3(nil)))
}

// TestGoSDKSendsByV3 is the official client's older call.
func TestGoSDKSendsByV3(t *testing.T) {
	w := newWorld(t)
	client := mailjet.NewMailjetClient(w.master.Key.APIKey, w.master.Secret, w.server.URL+"/v3")
	client.SetClient(w.client)
	one := mailjet.InfoSendMail{
		FromEmail: "a@example.com", FromName: "A", Recipients: []mailjet.Recipient{{Email: "b@example.org", Name: "B"}, {Email: "c@example.org", Vars: map[string]string{"x": "y"}}},
		Subject: "From the SDK", TextPart: "Hi", HTMLPart: "<b>Hi</b>", MjPrio: 1, MjCampaign: "sdk", MjDeduplicateCampaign: true, MjCustomID: "id", MjEventPayLoad: "p", MjTemplateLanguage: "true",
		MjTemplateErrorDeliver: "deliver", MjTemplateErrorReporting: "x@example.com",
		Attachments: []mailjet.Attachment{{ContentType: "text/plain", Filename: "a.txt", Content: "SGk="}}, Headers: map[string]string{"Reply-To": "r@example.org"}, Vars: map[string]int{"n": 1},
	}
	res, err := client.SendMail(&one)
	if err != nil || len(res.Sent) != 2 || res.Sent[1].Email != "c@example.org" || res.Sent[1].MessageID == 0 {
		t.Fatalf("%+v %v", res, err)
	}
	res, err = client.SendMail(&mailjet.InfoSendMail{Messages: []mailjet.InfoSendMail{{FromEmail: "a@example.com", To: "B <b@example.org>", Cc: "c@example.org", TextPart: "x"}, {FromEmail: "a@example.com", To: "d@example.org", TextPart: "x"}}})
	if err != nil || len(res.Sent) != 3 {
		t.Fatalf("%+v %v", res, err)
	}
	one.FromEmail = "x@elsewhere.example"
	if _, err := client.SendMail(&one); err == nil || !strings.Contains(err.Error(), "not an authorized sender") {
		t.Errorf("%v", err)
	}
}

// TestSendV3CallsOfManyMessages are at the limits.
func TestSendV3CallsOfManyMessages(t *testing.T) {
	w := newWorld(t)
	var list []any
	for i := range 50 {
		list = append(list, v3(obj{"Recipients": boxes(2), "Mj-CustomID": i}))
	}
	got := w.sentV3(t, text(obj{"Messages": list}))
	seen := map[int64]bool{}
	for _, s := range got.Sent {
		seen[s.MessageID] = true
	}
	if len(seen) != 100 || !slices.IsSortedFunc(got.Sent, func(a, b struct {
		Email, MessageUUID string
		MessageID          int64
	},
	) int {
		return int(a.MessageID - b.MessageID)
	}) {
		t.Errorf("%d messages: %s", len(seen), fmt.Sprint(got))
	}
}
