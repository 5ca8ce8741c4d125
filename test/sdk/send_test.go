// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/smtp"
	"os"
	"strings"
	"testing"
)

// testSend31: every property that compat.yaml says is accepted, is; one that it says is not, is refused or changes
// nothing; and the answers have its shape.
func testSend31(t *testing.T, w *world) {
	base := map[string]json.RawMessage{"From": []byte(`{"Email": "news@example.com"}`), "To": []byte(`[{"Email": "s31@example.net"}]`), "Subject": []byte(`"v3.1"`), "TextPart": []byte(`"Hello"`), "HTMLPart": []byte(`"<p>Hello</p>"`), "CustomCampaign": []byte(`"send31"`)}
	for name, row := range w.Send31.Message.all() {
		if word(row, 1) == "" || w.isPending("v3.1 "+name) {
			continue
		}
		m := with(base, name, row[1])
		if strings.HasPrefix(name, "TemplateError") {
			m = with(m, "TemplateLanguage", "true")
		}
		status, items := w.post31(t, m)
		if status != http.StatusOK {
			t.Errorf("%s: %d %v", name, status, items)
			continue
		}
		for _, item := range items {
			delete(item, "Errors")
			answer := w.Send31.Answer
			for p, v := range item {
				if is := answer.rows[p]; is == nil || typed(is[0], v) != nil {
					t.Errorf("%s is answered with %s: %s", name, p, v)
				}
			}
			for _, p := range []string{"Status", "CustomID", "To", "Cc", "Bcc"} {
				if item[p] == nil {
					t.Errorf("%s: the answer has no %s", name, p)
				}
			}
		}
	}
	for name, row := range w.Send31.Message.all() {
		if row[0] != no || word(row, 1) != "" {
			continue
		}
		if status, items := w.post31(t, with(base, name, "1")); status == http.StatusOK {
			t.Errorf("%s is accepted, and compat.yaml says no: %v", name, items)
		}
	}
}

// with is a copy of a message with one more property.
func with(m map[string]json.RawMessage, name, value string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{name: json.RawMessage(value)}
	for k, v := range m {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func (w *world) post31(t *testing.T, m map[string]json.RawMessage) (int, []map[string]json.RawMessage) {
	t.Helper()
	got, err := w.Call(t.Context(), http.MethodPost, "/v3.1/send", map[string]any{"Messages": []any{m}})
	if err != nil {
		t.Fatal(err)
	}
	var a struct{ Messages []map[string]json.RawMessage }
	if err := json.Unmarshal(got.Body, &a); err != nil {
		t.Fatalf("%s: %v", got.Body, err)
	}
	return got.Status, a.Messages
}

// testErrors31: each code that compat.yaml lists can be had, in the shape of an error of a message or of the call.
func testErrors31(t *testing.T, w *world) {
	const to = `"To": [{"Email": "e@example.net"}]`
	const from = `"From": {"Email": "news@example.com"}`
	ok := from + ", " + to + `, "TextPart": "x"`
	many := strings.Repeat(`{"Email": "e@example.net"},`, 51)
	provoked := map[string]string{
		"mj-0002":   `{"Messages": [`,
		"mj-0003":   `{"Messages": [{` + to + `, "TextPart": "x"}]}`,
		"mj-0004":   `{"Messages": [{"From": "news@example.com", ` + to + `, "TextPart": "x"}]}`,
		"mj-0005":   `{"Messages": [{` + ok + `, "TrackOpens": "perhaps"}]}`,
		"mj-0006":   `{"Messages": [{` + ok + `, "Subject": "` + strings.Repeat("x", 256) + `"}]}`,
		"mj-0007":   `{"Messages": []}`,
		"mj-0008":   `{"Messages": [` + strings.TrimSuffix(strings.Repeat("{"+ok+"},", 51), ",") + `]}`,
		"mj-0011":   `{"Messages": [{` + ok + `, "Attachments": [{"ContentType": "a/b", "Filename": "a", "Base64Content": "` + strings.Repeat("AAAA", 16<<20/3) + `"}]}]}`,
		"mj-0012":   `{"Messages": [{` + ok + `, "Attachments": [{"ContentType": "a/b", "Filename": "", "Base64Content": "AAAA"}]}]}`,
		"mj-0013":   `{"Messages": [{` + from + `, "To": [{"Email": "e@example..net"}], "TextPart": "x"}]}`,
		"send-0003": `{"Messages": [{` + from + ", " + to + `}]}`,
		"send-0006": `{"Messages": [{` + ok + `, "Sender": {"Email": "stranger@elsewhere.example"}}]}`,
		"send-0007": `{"Messages": [{` + ok + `, "Sender": {"Email": "unproved@elsewhere.example"}}]}`,
		"send-0008": `{"Messages": [{"From": {"Email": "stranger@elsewhere.example"}, ` + to + `, "TextPart": "x"}]}`,
		"send-0010": `{"Messages": [{` + from + ", " + to + `, "TemplateID": 12345}]}`,
		"send-0011": `{"Messages": [{` + ok + `, "Headers": {"Message-ID": "x"}}]}`,
		"send-0012": `{"Messages": [{` + ok + `, "DeduplicateCampaign": true}]}`,
		"send-0013": `{"Messages": [{` + ok + `, "MonitoringCategory": "none"}]}`,
		"send-0015": `{"Messages": [{` + from + `, "To": [` + strings.TrimSuffix(many, ",") + `], "TextPart": "x"}]}`,
		"send-0016": `{"Messages": [{` + ok + `, "TemplateErrorDeliver": true}]}`,
	}
	elsewhere := map[string]string{"mj-0001": "a key that is suspended: internal/api has the test", "mj-0015": "without credentials: below"}
	for _, code := range w.Send31.Errors {
		if elsewhere[code] != "" || w.isPending("v3.1 "+code) {
			continue
		}
		body, ok := provoked[code]
		if !ok {
			t.Errorf("%s: nothing here provokes it", code)
			continue
		}
		got := w.raw(t, w.APIKey, w.SecretKey, "/v3.1/send", body)
		if got.status != 400 && got.status != 403 || !strings.Contains(got.body, `"ErrorCode":"`+code+`"`) {
			t.Errorf("%s: %d %.300s", code, got.status, got.body)
		}
		for _, p := range []string{"ErrorIdentifier", "StatusCode", "ErrorMessage"} {
			if !strings.Contains(got.body, `"`+p+`":`) {
				t.Errorf("%s: no %s in %.300s", code, p, got.body)
			}
		}
	}
	if got := w.raw(t, w.APIKey, "wrong", "/v3.1/send", "{}"); got.status != 401 || !strings.Contains(got.body, "API key authentication/authorization failure. You may be unauthorized") {
		t.Errorf("wrong credentials: %d %s", got.status, got.body)
	}
}

// rawAnswer is a status and the text with it.
type rawAnswer struct {
	status int
	body   string
}

// raw posts a text that may be no JSON.
func (w *world) raw(t *testing.T, key, secret, path, body string) rawAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(key, secret)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return rawAnswer{res.StatusCode, b.String()}
}

// testSend3 is testSend31 for /v3/send, on both its paths.
func testSend3(t *testing.T, w *world) {
	if w.isPending("v3/send") {
		t.Skip("not yet")
	}
	base := map[string]json.RawMessage{"FromEmail": []byte(`"news@example.com"`), "Recipients": []byte(`[{"Email": "s3@example.net"}]`), "Subject": []byte(`"v3"`), "Text-part": []byte(`"Hello"`), "Html-part": []byte(`"<p>Hello</p>"`), "Mj-campaign": []byte(`"send3"`)}
	for i, path := range []string{"/v3/send", "/v3/send/message"} {
		for name, row := range w.Send3.Message.all() {
			m := with(base, name, word(row, 1))
			want := http.StatusOK
			switch {
			case name == "Messages":
				b, err := json.Marshal([]any{base, base})
				if err != nil {
					t.Fatal(err)
				}
				m = map[string]json.RawMessage{"Messages": b}
			case word(row, 1) == "" && row[0] == no:
				m, want = with(base, name, "1"), http.StatusBadRequest
			case name == "To" || name == "Cc" || name == "Bcc":
				delete(m, "Recipients")
				if name != "To" {
					m["To"] = []byte(`"t@example.net"`)
				}
			}
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got := w.raw(t, w.APIKey, w.SecretKey, path, string(b))
			if got.status != want {
				t.Errorf("%s by %s: %d %s; want %d", name, path, got.status, got.body, want)
				continue
			}
			var a struct{ Sent []map[string]json.RawMessage }
			if err := json.Unmarshal([]byte(got.body), &a); err != nil || i == 0 && want == http.StatusOK && len(a.Sent) == 0 {
				t.Errorf("%s: %v %s", name, err, got.body)
			}
			for _, row := range a.Sent {
				for _, problem := range w.shape("v3/send", w.Send3.Answer, row) {
					t.Errorf("%s: %s", name, problem)
				}
			}
		}
	}
}

// testHeaders: the control headers of SMTP are read and none of them leaves with the mail.
func testHeaders(t *testing.T, w *world) {
	head, n := "", 0
	for name, row := range w.Headers.all() {
		if row[0] == no || w.isPending("header "+name) {
			continue
		}
		head += name + ": " + row[1] + "\r\n"
		n++
	}
	text := "From: news@example.com\r\nTo: smtp@example.net\r\nSubject: By SMTP\r\nX-Kept: yes\r\n" + head + "\r\nHello\r\n"
	w.submit(t, "news@example.com", "smtp@example.net", text)
	w.statuses(t, map[string]string{"By SMTP": "sent"})
	for _, m := range w.relay.Mails() {
		if m.To[0] != "smtp@example.net" {
			continue
		}
		got := strings.ToLower(string(m.Data))
		for name := range w.Headers.all() {
			if strings.Contains(got, strings.ToLower(name)+":") {
				t.Errorf("%s left with the mail:\n%s", name, m.Data)
			}
		}
		if !strings.Contains(got, "x-kept: yes") {
			t.Errorf("X-Kept did not arrive:\n%s", m.Data)
		}
	}
	a := w.call(t, http.MethodGet, "message?CustomID=order-7&Contact=smtp@example.net", nil)
	if a.Total != 1 || n < 5 {
		t.Errorf("%d headers; by X-MJ-CustomID: %s", n, a)
	}
}

// submit hands a mail over by SMTP with STARTTLS.
func (w *world) submit(t *testing.T, from, to, text string) {
	t.Helper()
	ca, err := os.ReadFile(w.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c, err := smtp.Dial(w.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // it has quit
	for _, step := range []func() error{
		func() error { return c.StartTLS(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}) },
		func() error { return c.Auth(smtp.PlainAuth("", w.APIKey, w.SecretKey, "127.0.0.1")) },
		func() error { return c.Mail(from) },
		func() error { return c.Rcpt(to) },
		func() error {
			data, err := c.Data()
			if err != nil {
				return err
			}
			_, err = data.Write([]byte(text))
			return errors.Join(err, data.Close())
		},
		c.Quit,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// testEvents: what webhooks were told has the properties and types of compat.yaml, for each type of event.
func testEvents(t *testing.T, w *world) {
	if w.isPending("eventcallbackurl") {
		t.Skip("not yet")
	}
	seen := map[string]bool{}
	for _, e := range w.told(t) {
		var event struct{ Event string }
		if err := json.Unmarshal(mustJSON(t, e), &event); err != nil {
			t.Fatal(err)
		}
		seen[event.Event] = true
		props := table{rows: map[string][]string{}}
		for _, part := range []table{w.Events["common"], w.Events[event.Event]} {
			props.names = append(props.names, part.names...)
			for name, row := range part.rows {
				props.rows[name] = row
			}
		}
		for _, problem := range w.shape("event "+event.Event, props, e) {
			t.Errorf("the event %s: %s", event.Event, problem)
		}
	}
	for name := range w.Events {
		if name != "common" && !seen[name] && !w.isPending("event "+name) {
			t.Errorf("no webhook was told of %s: %v", name, seen)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("%v: %w", v, err))
	}
	return b
}
