// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postern/internal/mail"
	"postern/internal/store"
)

// with is a message that is accepted, with some properties changed: nil takes one away.
func with(change map[string]any) map[string]any {
	m := map[string]any{
		"From": map[string]any{"Email": "a@example.com", "Name": "A"}, "To": []any{map[string]any{"Email": "b@example.org", "Name": "B"}},
		"Subject": "Hello", "TextPart": "Hi",
	}
	for k, v := range change {
		m[k] = v
		if v == nil {
			delete(m, k)
		}
	}
	return m
}

type obj = map[string]any

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func call(messages ...any) string { return text(obj{"Messages": messages}) }

// boxes are n different recipients.
func boxes(n int) []any {
	var out []any
	for i := range n {
		out = append(out, obj{"Email": fmt.Sprintf("r%d@example.org", i)})
	}
	return out
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	ids   = regexp.MustCompile(`"MessageID":[0-9]+,"MessageHref":"https://mail.test/v3/REST/message/[0-9]+"`)
)

func TestAnswerIsShapedAsRecorded(t *testing.T) {
	w := newWorld(t)
	a := w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple)
	got := ids.ReplaceAllString(uuids.ReplaceAllString(a.body, "UUID"), `"MessageID":N,"MessageHref":"HREF"`)
	const want = `{"Messages":[{"Status":"success","CustomID":"order 7","To":[{"Email":"b@example.org","MessageUUID":"UUID","MessageID":N,"MessageHref":"HREF"}],"Cc":[],"Bcc":[]}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/json; charset=UTF-8" {
		t.Errorf("Content-Type %q", ct)
	}
	a = w.mustDo(t, w.master.Issued, 400, "POST", "/v3.1/send", strings.Replace(simple, "b@example.org", "passenger@example..com", 1))
	got = uuids.ReplaceAllString(a.body, "UUID")
	const wantError = `{"Messages":[{"Status":"error","Errors":[{"ErrorIdentifier":"UUID","ErrorCode":"mj-0013","StatusCode":400,"ErrorMessage":"\"passenger@example..com\" is an invalid email address.","ErrorRelatedTo":["To[0].Email"]}],"CustomID":"order 7"}]}`
	if got != wantError {
		t.Errorf("got  %s\nwant %s", got, wantError)
	}
	a = w.mustDo(t, w.master.Issued, 400, "POST", "/v3.1/send", call(with(obj{"From": "a@example.com"})))
	got = uuids.ReplaceAllString(a.body, "UUID")
	const wantCall = `{"ErrorIdentifier":"UUID","ErrorCode":"mj-0004","StatusCode":400,"ErrorMessage":"Type mismatch. Expected type \"emailIn\".","ErrorRelatedTo":["Messages.From"]}`
	if got != wantCall {
		t.Errorf("got  %s\nwant %s", got, wantCall)
	}
}

// big is a base64 text of n bytes.
func big(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

func attachment(change obj) obj {
	m := obj{"ContentType": "text/plain", "Filename": "a.txt", "Base64Content": "SGk="}
	for k, v := range change {
		m[k] = v
		if v == nil {
			delete(m, k)
		}
	}
	return m
}

// messageErrors is a case for each error that a message can have.
var messageErrors = []struct {
	name    string
	change  obj
	status  int
	code    string
	related []string
	words   string
}{
	{"no content", obj{"TextPart": nil}, 400, "send-0003", []string{"TextPart", "HTMLPart", "TemplateID"}, `At least "HTMLPart", "TextPart" or "TemplateID" must be provided.`},
	{"empty content", obj{"TextPart": "", "HTMLPart": ""}, 400, "send-0003", []string{"TextPart", "HTMLPart", "TemplateID"}, ""},
	{"Sender of somebody else", obj{"Sender": obj{"Email": "x@elsewhere.example"}}, 403, "send-0006", []string{"Sender"}, "x@elsewhere.example"},
	{"Sender not validated", obj{"Sender": obj{"Email": "inactive@example.net"}}, 403, "send-0007", []string{"Sender"}, "not validated"},
	{"From of somebody else", obj{"From": obj{"Email": "x@elsewhere.example"}}, 403, "send-0008", []string{"From"}, `"x@elsewhere.example" is not an authorized sender email address for your account.`},
	{"From not validated", obj{"From": obj{"Email": "inactive@example.net"}}, 403, "send-0008", []string{"From"}, ""},
	{"template", obj{"TemplateID": 12345}, 400, "send-0010", []string{"TemplateID"}, `Template id "12345" doesn't exist for your account.`},
	{"header with a property", obj{"Headers": obj{"Message-ID": "x"}}, 400, "send-0011", []string{`Headers["Message-ID"]`}, `Header cannot be customized using the "Headers" collection. Please use the dedicated property to set this header.`},
	{"Reply-To header", obj{"Headers": obj{"reply-to": "x@y.z"}}, 400, "send-0011", []string{`Headers["reply-to"]`}, ""},
	{"control header", obj{"Headers": obj{"X-MJ-CustomID": "x"}}, 400, "send-0011", []string{`Headers["X-MJ-CustomID"]`}, ""},
	{"another control header", obj{"Headers": obj{"X-Mailjet-Prio": 3}}, 400, "send-0011", []string{`Headers["X-Mailjet-Prio"]`}, ""},
	{"header of the structure", obj{"Headers": obj{"Content-Type": "text/html"}}, 400, "send-0011", []string{`Headers["Content-Type"]`}, ""},
	{"deduplication alone", obj{"DeduplicateCampaign": true}, 400, "send-0012", []string{"CustomCampaign", "DeduplicateCampaign"}, ""},
	{"monitoring category", obj{"MonitoringCategory": "x"}, 400, "send-0013", []string{"MonitoringCategory"}, ""},
	{"51 recipients", obj{"To": boxes(51)}, 400, "send-0015", []string{"To", "Cc", "Bcc"}, "Total number of recipients exceeded. Max allowed - 50"},
	{"51 recipients in three lists", obj{"To": boxes(20), "Cc": boxes(20), "Bcc": boxes(11)}, 400, "send-0015", []string{"To", "Cc", "Bcc"}, ""},
	{"5000 recipients", obj{"Bcc": boxes(5000)}, 400, "send-0015", []string{"To", "Cc", "Bcc"}, ""},
	{"TemplateErrorDeliver alone", obj{"TemplateErrorDeliver": true}, 400, "send-0016", []string{"TemplateLanguage"}, ""},
	{"TemplateErrorDeliver", obj{"TemplateErrorDeliver": true}, 400, "send-0016", []string{"TemplateLanguage"}, ""},
	{"TemplateErrorReporting alone", obj{"TemplateErrorReporting": obj{"Email": "x@example.com"}}, 400, "send-0016", []string{"TemplateLanguage"}, ""},
	{"TemplateErrorReporting to nobody", obj{"TemplateLanguage": true, "TemplateErrorReporting": obj{"Email": "x"}}, 400, "mj-0013", []string{"TemplateErrorReporting.Email"}, ""},
	{"no From", obj{"From": nil}, 400, "mj-0003", []string{"From"}, "Missing mandatory property."},
	{"null From", obj{"From": json.RawMessage("null")}, 400, "mj-0003", []string{"From"}, ""},
	{"From without Email", obj{"From": obj{"Name": "A"}}, 400, "mj-0003", []string{"From.Email"}, ""},
	{"null Email", obj{"From": obj{"Email": nil}}, 400, "mj-0003", []string{"From.Email"}, ""},
	{"no To", obj{"To": nil}, 400, "mj-0003", []string{"To"}, ""},
	{"null To", obj{"To": json.RawMessage("null")}, 400, "mj-0003", []string{"To"}, ""},
	{"To without Email", obj{"To": []any{obj{"Name": "B"}}}, 400, "mj-0003", []string{"To[0].Email"}, ""},
	{"empty To", obj{"To": []any{}}, 400, "mj-0007", []string{"To"}, ""},
	{"empty address", obj{"To": []any{obj{"Email": ""}}}, 400, "mj-0012", []string{"To[0].Email"}, ""},
	{"bad address in Cc", obj{"Cc": []any{obj{"Email": "c@example.org"}, obj{"Email": "c"}}}, 400, "mj-0013", []string{"Cc[1].Email"}, `"c" is an invalid email address.`},
	{"bad address in Bcc", obj{"Bcc": []any{obj{"Email": "c d@example.org"}}}, 400, "mj-0013", []string{"Bcc[0].Email"}, ""},
	{"bad From", obj{"From": obj{"Email": "A <a@example.com>"}}, 400, "mj-0013", []string{"From.Email"}, ""},
	{"bad ReplyTo", obj{"ReplyTo": obj{"Email": "nobody"}}, 400, "mj-0013", []string{"ReplyTo.Email"}, ""},
	{"line break in an address", obj{"To": []any{obj{"Email": "b@example.org\r\nBcc: c@example.org"}}}, 400, "mj-0013", []string{"To[0].Email"}, ""},
	{"line break in a name", obj{"From": obj{"Email": "a@example.com", "Name": "A\r\nBcc: c@example.org"}}, 400, "mj-0005", []string{"From.Name"}, ""},
	{"line break in the subject", obj{"Subject": "Hello\r\nBcc: c@example.org"}, 400, "mj-0005", []string{"Subject"}, ""},
	{"line break in a header", obj{"Headers": obj{"X-A": "b\r\nBcc: c@example.org"}}, 400, "mj-0005", []string{`Headers["X-A"]`}, ""},
	{"header name with a colon", obj{"Headers": obj{"X-A: b": "c"}}, 400, "mj-0005", []string{`Headers["X-A: b"]`}, ""},
	{"header name with a line break", obj{"Headers": obj{"X\r\nBcc": "c"}}, 400, "mj-0005", []string{`Headers["X\r\nBcc"]`}, ""},
	{"empty header name", obj{"Headers": obj{"": "c"}}, 400, "mj-0005", []string{`Headers[""]`}, ""},
	{"priority", obj{"Priority": 4}, 400, "mj-0005", []string{"Priority"}, "4"},
	{"negative priority", obj{"Priority": -1}, 400, "mj-0005", []string{"Priority"}, ""},
	{"TrackOpens", obj{"TrackOpens": "yes"}, 400, "mj-0005", []string{"TrackOpens"}, "account_default"},
	{"not base64", obj{"Attachments": []any{attachment(obj{"Base64Content": "%%%"})}}, 400, "mj-0005", []string{"Attachments[0].Base64Content"}, ""},
	{"not a media type", obj{"Attachments": []any{attachment(obj{"ContentType": "text"})}}, 400, "mj-0005", []string{"Attachments[0].ContentType"}, ""},
	{"media type with a line break", obj{"Attachments": []any{attachment(obj{"ContentType": "text/plain\r\nX: y"})}}, 400, "mj-0005", []string{"Attachments[0].ContentType"}, ""},
	{"file name with a line break", obj{"Attachments": []any{attachment(obj{"Filename": "a\r\nX: y"})}}, 400, "mj-0005", []string{"Attachments[0].Filename"}, ""},
	{"content ID with a bracket", obj{"InlinedAttachments": []any{attachment(obj{"ContentID": "a>\r\nX: y"})}}, 400, "mj-0005", []string{"InlinedAttachments[0].ContentID"}, ""},
	{"long subject", obj{"Subject": strings.Repeat("ä", 256)}, 400, "mj-0006", []string{"Subject"}, "255"},
	{"long URLTags", obj{"URLTags": strings.Repeat("a", 257)}, 400, "mj-0006", []string{"URLTags"}, "256"},
	{"long CustomCampaign", obj{"CustomCampaign": strings.Repeat("a", 256)}, 400, "mj-0006", []string{"CustomCampaign"}, "255"},
	{"long header", obj{"Headers": obj{"X-A": strings.Repeat("a", 9000)}}, 400, "mj-0006", []string{`Headers["X-A"]`}, ""},
	{"101 attachments", obj{"Attachments": slices.Repeat([]any{attachment(nil)}, 101)}, 400, "mj-0008", []string{"Attachments"}, "100"},
	{"101 headers", obj{"Headers": manyHeaders(101)}, 400, "mj-0008", []string{"Headers"}, "100"},
	{"1001 variables", obj{"Variables": manyHeaders(1001)}, 400, "mj-0008", []string{"Variables"}, "1000"},
	{"16 MB of attachments", obj{"Attachments": []any{attachment(obj{"Base64Content": big(8 << 20)})}, "InlinedAttachments": []any{attachment(obj{"Base64Content": big(8 << 20)})}}, 400, "mj-0011", []string{"Attachments", "InlinedAttachments"}, ""},
	{"no file name", obj{"Attachments": []any{attachment(obj{"Filename": nil})}}, 400, "mj-0003", []string{"Attachments[0].Filename"}, ""},
	{"empty file name", obj{"Attachments": []any{attachment(obj{"Filename": ""})}}, 400, "mj-0012", []string{"Attachments[0].Filename"}, ""},
	{"empty content type", obj{"Attachments": []any{attachment(nil), attachment(obj{"ContentType": ""})}}, 400, "mj-0012", []string{"Attachments[1].ContentType"}, ""},
	{"empty file", obj{"InlinedAttachments": []any{attachment(obj{"Base64Content": ""})}}, 400, "mj-0012", []string{"InlinedAttachments[0].Base64Content"}, ""},
}

func manyHeaders(n int) obj {
	m := obj{}
	for i := range n {
		m[fmt.Sprint("X-", i)] = "x"
	}
	return m
}

func TestMessageErrors(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.PutSender(t.Context(), store.Sender{KeyID: w.master.Key.ID, Email: "inactive@example.net", Domain: "example.net", Status: store.SenderInactive})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range messageErrors {
		t.Run(c.name, func(t *testing.T) {
			a := w.mustDo(t, w.master.Issued, c.status, "POST", "/v3.1/send", call(with(c.change)))
			var got results
			a.decode(t, &got)
			if len(got.Messages) != 1 || got.Messages[0].Status != "error" || len(got.Messages[0].Errors) != 1 {
				t.Fatalf("%s", a.body)
			}
			e := got.Messages[0].Errors[0]
			if e.ErrorCode != c.code || e.StatusCode != c.status || !slices.Equal(e.ErrorRelatedTo, c.related) || !strings.Contains(e.ErrorMessage, c.words) || len(e.ErrorIdentifier) != 36 {
				t.Errorf("%+v; want %d %s %q %q", e, c.status, c.code, c.related, c.words)
			}
		})
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/message", ""); a.body != `{"Count":0,"Data":[],"Total":0}` {
		t.Errorf("a refused message was kept: %s", a.body)
	}
}

func TestCallErrors(t *testing.T) {
	w := newWorld(t)
	message := func(change obj) string { return call(with(change)) }
	for _, c := range []struct {
		name, body, code string
		related          []string
		words            string
	}{
		{"nothing", ``, "mj-0002", nil, "Malformed JSON, please review the syntax and properties types."},
		{"not JSON", `{"Messages":[`, "mj-0002", nil, "Malformed JSON"},
		{"form", `Messages=1`, "mj-0002", nil, "Malformed JSON"},
		{"trailing text", simple + `x`, "mj-0002", nil, ""},
		{"array", `[]`, "mj-0002", nil, ""},
		{"deep", `{"Messages":[{"Variables":` + strings.Repeat(`{"a":`, 200) + `1` + strings.Repeat(`}`, 200) + `}]}`, "mj-0002", nil, "nested"},
		{"very deep", strings.Repeat(`[`, 1_000_000), "mj-0002", nil, ""},
		{"no Messages", `{}`, "mj-0003", []string{"Messages"}, "Missing mandatory property."},
		{"null Messages", `{"Messages":null}`, "mj-0003", []string{"Messages"}, ""},
		{"empty Messages", `{"Messages":[]}`, "mj-0007", []string{"Messages"}, ""},
		{"51 messages", call(slices.Repeat([]any{with(nil)}, 51)...), "mj-0008", []string{"Messages"}, "50"},
		{"Messages an object", `{"Messages":{}}`, "mj-0004", []string{"Messages"}, ""},
		{"message a string", `{"Messages":["x"]}`, "mj-0004", []string{"Messages"}, "object"},
		{"From a string", message(obj{"From": "a@example.com"}), "mj-0004", []string{"Messages.From"}, `Type mismatch. Expected type "emailIn".`},
		{"Email a number", message(obj{"From": obj{"Email": 5}}), "mj-0004", []string{"Messages.From.Email"}, "string"},
		{"To an object", message(obj{"To": obj{"Email": "b@example.org"}}), "mj-0004", []string{"Messages.To"}, "array of emails"},
		{"To of strings", message(obj{"To": []any{"b@example.org"}}), "mj-0004", []string{"Messages.To"}, "array of emails"},
		{"TemplateErrorReporting a string", message(obj{"TemplateErrorReporting": "x@example.com"}), "mj-0004", []string{"Messages.TemplateErrorReporting"}, "emailIn"},
		{"TemplateID a string", message(obj{"TemplateID": "x"}), "mj-0004", []string{"Messages.TemplateID"}, "integer"},
		{"Priority a fraction", message(obj{"Priority": 1.5}), "mj-0004", []string{"Messages.Priority"}, "integer"},
		{"Subject a number", message(obj{"Subject": 1}), "mj-0004", []string{"Messages.Subject"}, "string"},
		{"TemplateLanguage a string", message(obj{"TemplateLanguage": "true"}), "mj-0004", []string{"Messages.TemplateLanguage"}, "boolean"},
		{"Headers a string", message(obj{"Headers": "X: y"}), "mj-0004", []string{"Messages.Headers"}, "object"},
		{"header an object", message(obj{"Headers": obj{"X-A": obj{}}}), "mj-0004", []string{"Messages.Headers"}, "string"},
		{"Variables a string", message(obj{"Variables": "x"}), "mj-0004", []string{"Messages.Variables"}, "object"},
		{"StatisticsContactsListID a string", message(obj{"StatisticsContactsListID": "x"}), "mj-0004", []string{"Messages.StatisticsContactsListID"}, "integer"},
		{"Attachments an object", message(obj{"Attachments": attachment(nil)}), "mj-0004", []string{"Messages.Attachments"}, "array"},
		{"Filename a number", message(obj{"Attachments": []any{attachment(obj{"Filename": 1})}}), "mj-0004", []string{"Messages.Attachments.Filename"}, "string"},
		{"SandboxMode a string", `{"SandboxMode":"yes","Messages":[]}`, "mj-0004", []string{"SandboxMode"}, "boolean"},
		{"Globals a string", `{"Globals":"x","Messages":[{}]}`, "mj-0004", []string{"Globals"}, "object"},
		{"From in Globals a string", `{"Globals":{"From":"x"},"Messages":[{}]}`, "mj-0004", []string{"Globals.From"}, "emailIn"},
		{"second message", call(with(nil), with(obj{"Subject": 1})), "mj-0004", []string{"Messages.Subject"}, "(message 2 of 2)"},
		{"26 MB", `{"Messages":[{"TextPart":"` + strings.Repeat("x", 26<<20) + `"}]}`, "mj-0011", nil, "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3.1/send", c.body)
			var e sendError
			a.decode(t, &e)
			if e.ErrorCode != c.code || e.StatusCode != http.StatusBadRequest || !slices.Equal(e.ErrorRelatedTo, c.related) || !strings.Contains(e.ErrorMessage, c.words) || strings.Contains(a.body, `"Messages":`) {
				t.Errorf("%s; want %s %q %q", a.body, c.code, c.related, c.words)
			}
		})
	}
}

func TestAllErrorsOfAMessageAreListed(t *testing.T) {
	w := newWorld(t)
	a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3.1/send", call(obj{"From": obj{"Email": "x@elsewhere.example"}, "To": []any{obj{"Email": "x"}, obj{"Email": "y"}}, "Priority": 9, "TemplateErrorDeliver": true}))
	var got results
	a.decode(t, &got)
	var codes []string
	for _, e := range got.Messages[0].Errors {
		codes = append(codes, e.ErrorCode)
	}
	if s := strings.Join(codes, " "); s != "mj-0013 mj-0013 send-0003 send-0016 mj-0005 send-0008" {
		t.Error(s)
	}
}

func TestPartialFailure(t *testing.T) {
	w := newWorld(t)
	bad, foreign := with(obj{"Subject": strings.Repeat("x", 300)}), with(obj{"From": obj{"Email": "x@elsewhere.example"}})
	for _, c := range []struct {
		name     string
		body     string
		status   int
		statuses string
	}{
		{"one bad", call(with(nil), bad, with(nil)), 400, "success error success"},
		{"one not allowed", call(foreign, with(nil)), 403, "error success"},
		{"bad and not allowed", call(foreign, bad), 400, "error error"},
		{"bad and not allowed, the other way", call(bad, foreign, with(nil)), 400, "error error success"},
		{"all not allowed", call(foreign, foreign), 403, "error error"},
	} {
		var got results
		w.mustDo(t, w.master.Issued, c.status, "POST", "/v3.1/send", c.body).decode(t, &got)
		var statuses []string
		for _, m := range got.Messages {
			statuses = append(statuses, m.Status)
			if m.Status == "success" {
				w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprint("/v3/REST/message/", m.To[0].MessageID), "")
			}
		}
		if s := strings.Join(statuses, " "); s != c.statuses {
			t.Errorf("%s: %s", c.name, s)
		}
	}
}

// kept reads the mail of a message out of the store.
func (w *world) kept(t *testing.T, messageID int64) (store.Message, *mail.View) {
	t.Helper()
	m, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: messageID})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := w.store.Source(t.Context(), store.OfOperator(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	v, err := mail.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m, v
}

func header(v *mail.View, name string) string {
	for _, f := range v.Header {
		if strings.EqualFold(f.Name, name) {
			s, err := new(mime.WordDecoder).DecodeHeader(f.Value)
			if err != nil {
				return err.Error()
			}
			return s
		}
	}
	return ""
}

func TestWholeMessage(t *testing.T) {
	w := newWorld(t)
	var got results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(obj{
		"From": obj{"Email": "a@example.com", "Name": "Ä Ö"}, "Sender": obj{"Email": "s@example.com", "Name": "S"}, "ReplyTo": obj{"Email": "reply@example.org", "Name": ""},
		"To": []any{obj{"Email": "b@example.org", "Name": "B"}}, "Cc": []any{obj{"Email": "c@bücher.example"}}, "Bcc": []any{obj{"Email": "d@example.org"}},
		"Subject": "Grüße 🎉", "TextPart": "Text", "HTMLPart": "<p>HTML <img src='cid:logo'></p>",
		"Attachments":        []any{obj{"ContentType": "text/plain; charset=utf-8", "Filename": "ä.txt", "Base64Content": "SGV\r\nsbG8K\r\n"}},
		"InlinedAttachments": []any{obj{"ContentType": "image/png", "Filename": "logo.png", "Base64Content": "iVBORw", "ContentID": "logo"}},
		"Priority":           3, "CustomCampaign": "camp", "DeduplicateCampaign": true, "TrackOpens": "enabled", "TrackClicks": "disabled", "CustomID": "id", "EventPayload": "{}",
		"URLTags": "a=b", "Headers": obj{"X-Number": 5, "X-Bool": true, "X-Text": "ü", "X-Null": nil, "__proto__": "y", "List-Unsubscribe": "<mailto:u@example.com>"},
		"Variables": obj{"a": obj{"b": []any{1, nil}}}, "StatisticsContactsListID": 7, "Unknown": obj{},
	})).decode(t, &got)
	r := got.Messages[0]
	m, v := w.kept(t, r.To[0].MessageID)
	if m.CustomID != "id" || m.EventPayload != "{}" || m.Campaign != "camp" || m.TrackOpens != 2 || m.TrackClicks != 1 || m.Attachments != 2 || !m.HasText || !m.HasHTML || m.Source != "http" || m.MailFrom != "s@example.com" || m.HeaderFrom != "a@example.com" {
		t.Errorf("%+v", m)
	}
	if v.Subject != "Grüße 🎉" || v.From[0] != (mail.Address{Name: "Ä Ö", Email: "a@example.com"}) || v.Sender == nil || v.Sender.Email != "s@example.com" || v.ReplyTo[0].Email != "reply@example.org" {
		t.Errorf("%+v", v)
	}
	if strings.TrimSpace(v.Text) != "Text" || !strings.Contains(v.HTML, "<p>HTML") || len(v.Parts) != 2 {
		t.Errorf("%q %q %+v", v.Text, v.HTML, v.Parts)
	}
	for _, p := range v.Parts {
		if p.Filename == "ä.txt" && string(p.Data) != "Hello\n" || p.ContentType == "image/png" && (p.ContentID != "logo" || string(p.Data) != "\x89PNG") {
			t.Errorf("%+v", p)
		}
	}
	for name, want := range map[string]string{"X-Number": "5", "X-Bool": "true", "X-Text": "ü", "__proto__": "y", "X-Null": "", "List-Unsubscribe": "<mailto:u@example.com>", "Bcc": ""} {
		if got := header(v, name); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
	for _, kind := range []struct {
		id    int64
		kind  store.Kind
		email string
	}{{r.To[0].MessageID, store.To, "b@example.org"}, {r.Cc[0].MessageID, store.Cc, "c@bücher.example"}, {r.Bcc[0].MessageID, store.Bcc, "d@example.org"}} {
		if m, _ := w.kept(t, kind.id); m.Kind != kind.kind || m.Recipient != kind.email {
			t.Errorf("%+v; want %+v", m, kind)
		}
	}
}

func TestPropertyNamesFoldCase(t *testing.T) {
	w := newWorld(t)
	var got results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", "\xef\xbb\xbf"+` {"MESSAGES":[{"from":{"EMAIL":"a@example.com","name":"N"},"TO":[{"email":"b@example.org"}],"cc":[],"BCC":null,"subject":"S","Text-Part":"T","html-part":"<b>H</b>",
		"customid":"c","attachments":[{"Content-Type":"text/plain","FILENAME":"f","content":"SGk"}],"headers":[],"variables":[],"replyto":[],"trackopen":"enabled","Subject":"last"}],"advanceErrorHandling":true} `).decode(t, &got)
	m, v := w.kept(t, got.Messages[0].To[0].MessageID)
	if got.Messages[0].CustomID != "c" || m.FromName != "N" || m.Subject != "last" || !m.HasText || !m.HasHTML || m.Attachments != 1 || m.TrackOpens != 2 {
		t.Errorf("%+v %+v", got, m)
	}
	if len(v.Parts) != 1 || string(v.Parts[0].Data) != "Hi" {
		t.Errorf("%+v", v.Parts)
	}
}

func TestGlobals(t *testing.T) {
	w := newWorld(t)
	var got results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", text(obj{
		"Globals": obj{
			"From": obj{"Email": "a@example.com", "Name": "Global"}, "Subject": "Global", "TextPart": "text", "Headers": obj{"X-A": "global", "X-B": "global"}, "CustomID": "g",
			"Attachments": []any{attachment(nil)}, "Priority": 3,
		},
		"Messages": []any{
			obj{"To": boxes(1)},
			obj{"To": boxes(1), "From": obj{"Name": "Own"}, "Subject": "Own", "Headers": obj{"x-a": "own", "X-C": "own"}, "CustomID": nil, "Attachments": []any{}},
			obj{"To": boxes(1)},
		},
	})).decode(t, &got)
	for i, want := range []struct{ name, subject, a, b, c string }{{"Global", "Global", "global", "global", ""}, {"Own", "Own", "own", "global", "own"}, {"Global", "Global", "global", "global", ""}} {
		m, v := w.kept(t, got.Messages[i].To[0].MessageID)
		if m.FromName != want.name || m.Subject != want.subject || m.CustomID != "g" || header(v, "X-A") != want.a || header(v, "X-B") != want.b || header(v, "X-C") != want.c {
			t.Errorf("message %d: %+v %v", i, m, v.Header)
		}
		if n := len(v.Parts); n != 1 && i != 1 || n != 0 && i == 1 {
			t.Errorf("message %d has %d attachments", i, n)
		}
	}
}

// TestGlobalsAreMergedDeeply: of what is an object the members are merged, of Variables too.
func TestGlobalsAreMergedDeeply(t *testing.T) {
	w := newWorld(t)
	half := manyHeaders(600)
	own := obj{}
	for i := range 600 {
		own[fmt.Sprint("Y-", i)] = nil // an empty value
	}
	a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3.1/send", text(obj{"Globals": obj{"Variables": half, "ReplyTo": obj{"Name": "R"}}, "Messages": []any{
		with(obj{"Variables": half, "ReplyTo": obj{"Email": "r@example.org"}}), with(obj{"Variables": own, "ReplyTo": obj{"Email": "r@example.org"}}),
	}}))
	var got results
	a.decode(t, &got)
	if got.Messages[0].Status != "success" || got.Messages[1].Errors[0].ErrorCode != "mj-0008" {
		t.Fatal(a.body)
	}
	if _, v := w.kept(t, got.Messages[0].To[0].MessageID); v.ReplyTo[0] != (mail.Address{Name: "R", Email: "r@example.org"}) {
		t.Errorf("%+v", v.ReplyTo)
	}
}

func TestSandbox(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"SandboxMode", "SandBoxMode"} {
		var got results
		a := w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", text(obj{name: true, "Messages": []any{with(nil)}}))
		a.decode(t, &got)
		to := got.Messages[0].To[0]
		if to.MessageID != 0 || to.MessageUUID != "" || to.MessageHref != "https://mail.test/v3/REST/message/0" || to.Email != "b@example.org" {
			t.Error(a.body)
		}
		w.mustDo(t, w.master.Issued, 403, "POST", "/v3.1/send", text(obj{name: true, "Messages": []any{with(obj{"From": obj{"Email": "x@elsewhere.example"}})}}))
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/message", ""); !strings.Contains(a.body, `"Total":0`) {
		t.Error(a.body)
	}
}

func TestOneAddressInAllLists(t *testing.T) {
	w := newWorld(t)
	var got results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"To": []any{obj{"Email": "b@example.org"}}, "Cc": []any{obj{"Email": "B@Example.ORG"}}, "Bcc": []any{obj{"Email": "b@example.org"}, obj{"Email": "c@example.org"}}}))).decode(t, &got)
	m := got.Messages[0]
	if m.Cc[0].Email != "B@Example.ORG" || m.To[0].MessageID == 0 || m.To[0].MessageID != m.Cc[0].MessageID || m.To[0].MessageUUID != m.Bcc[0].MessageUUID || m.Bcc[1].MessageID == m.To[0].MessageID {
		t.Errorf("%+v", m)
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/message", ""); !strings.Contains(a.body, `"Total":2`) {
		t.Error(a.body)
	}
}

func TestLimitsAreReachable(t *testing.T) {
	w := newWorld(t)
	var got results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(slices.Repeat([]any{with(obj{"To": boxes(20), "Cc": boxes(30)[20:], "Bcc": boxes(50)[30:]})}, 50)...)).decode(t, &got)
	seen := map[int64]bool{}
	for _, m := range got.Messages {
		for _, r := range slices.Concat(m.To, m.Cc, m.Bcc) {
			seen[r.MessageID] = true
		}
	}
	if len(seen) != 2500 {
		t.Errorf("%d messages", len(seen))
	}
	// 15 MB of attachments, with line breaks as Ruby makes them.
	var wrapped strings.Builder
	for line := range slices.Chunk([]byte(big(15<<20)), 60) {
		wrapped.Write(line)
		wrapped.WriteByte('\n')
	}
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"Subject": strings.Repeat("ä", 255), "URLTags": strings.Repeat("a", 256), "Attachments": []any{attachment(obj{"Base64Content": wrapped.String()})}})))
}

func TestInternationalAddress(t *testing.T) {
	w := newWorld(t)
	var got results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"To": []any{obj{"Email": "jörg@bücher.example"}}}))).decode(t, &got)
	if got.Messages[0].To[0].Email != "jörg@bücher.example" {
		t.Errorf("%+v", got)
	}
}

func TestSubaccountSendsFromItsOwnSenders(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", simple)
	w.addSender(t, sub.Key, "a@example.com")
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", simple)
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "other@example.com"}})))
}

func TestBodyThatDoesNotSayItsLength(t *testing.T) {
	w := newWorld(t)
	for body, status := range map[string]int{simple: 200, `{"Messages":"` + strings.Repeat("x", 26<<20): 400} {
		if a := w.chunked(t, "/v3.1/send", body); a.status != status {
			t.Errorf("%d %.200s; want %d", a.status, a.body, status)
		}
	}
}

func TestRefusedValuesAreNotRepeatedWithoutEnd(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 1<<20)
	a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3.1/send", text(obj{
		"Globals":  obj{"From": obj{"Email": long, "Name": long}, "Subject": long, "CustomID": long, "MonitoringCategory": long, "TrackOpens": long, "Headers": obj{long: "x"}, "Attachments": []any{obj{"ContentType": long}}},
		"Messages": slices.Repeat([]any{obj{"To": boxes(1)}}, 50),
	}))
	if len(a.body) > 1<<20 {
		t.Errorf("the answer has %d bytes", len(a.body))
	}
}

// TestSlowLargeBodiesDoNotHoldUpOthers: uploads that stand still hold up no ordinary mail.
func TestSlowLargeBodiesDoNotHoldUpOthers(t *testing.T) {
	w := newWorld(t)
	for range 12 {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // never answered
		pair := base64.StdEncoding.EncodeToString([]byte(w.master.Key.APIKey + ":" + w.master.Secret))
		fmt.Fprintf(conn, "POST /v3.1/send HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n%s", pair, 20<<20, strings.Repeat(" ", 2<<20)) //nolint:errcheck // as above
	}
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple)
}
