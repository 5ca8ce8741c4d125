// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/internal/store"
)

// messageIDs are those of a Send API answer, and the statuses of the messages.
func (w *world) statuses(t *testing.T, body string) (ids []int64, statuses []store.Status) {
	t.Helper()
	var sent struct {
		Messages []struct{ To []struct{ MessageID int64 } }
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatal(err)
	}
	for _, m := range sent.Messages {
		for _, to := range m.To {
			x, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: to.MessageID})
			if err != nil {
				t.Fatal(err)
			}
			ids, statuses = append(ids, x.ID), append(statuses, x.Status)
		}
	}
	return ids, statuses
}

type suppressions struct {
	Count, Total int
	Data         []struct {
		ID, MessageID       int64
		Email, Reason, Note string
	}
}

func TestSuppressions(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.addSender(t, sub.Key, "*@example.com")
	const at = "/v3/REST/suppression"
	to := func(email string) string {
		return call(with(obj{"From": obj{"Email": "news@example.com"}, "To": []obj{{"Email": email}}}))
	}
	var made, got suppressions
	w.mustDo(t, sub, 201, "POST", at, `{"Email": "Anna@EXAMPLE.net", "note": "asked\nby phone"}`).decode(t, &made)
	x := made.Data[0]
	if x.Email != "anna@example.net" || x.Reason != "manual" || x.Note != "asked by phone" || x.ID == 0 {
		t.Errorf("%+v", x)
	}
	// The next mail is accepted, with an ID, and blocked; another key's is not.
	a := w.mustDo(t, sub, 200, "POST", "/v3.1/send", to("anna@example.net"))
	if ids, is := w.statuses(t, a.body); len(ids) != 1 || is[0] != store.StatusBlocked {
		t.Errorf("suppressed: %v %v", ids, is)
	}
	a = w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", to("anna@example.net"))
	if _, is := w.statuses(t, a.body); is[0] != store.StatusQueued {
		t.Errorf("another key's: %v", is)
	}

	w.mustDo(t, sub, 201, "POST", at, `{"Suppressions": [{"Email": "b@example.net", "Reason": "unsubscribe"}, {"Email": "c@example.org", "Reason": "HARD_BOUNCE"}]}`).decode(t, &made)
	if made.Count != 2 || made.Data[0].Email != "b@example.net" || made.Data[1].Reason != "hard_bounce" {
		t.Errorf("%+v", made)
	}
	// One that is there keeps the stronger reason.
	w.mustDo(t, sub, 201, "POST", at, `{"Email": "b@example.net", "Reason": "hard_bounce"}`).decode(t, &got)
	if got.Data[0].ID != made.Data[0].ID || got.Data[0].Reason != "unsubscribe" {
		t.Errorf("%+v", got)
	}
	for query, want := range map[string]int{
		"": 3, "?Email=B@example.net": 1, "?Reason=unsubscribe": 1, "?Search=anna": 1, "?search=@example.net": 2, "?AfterID=" + fmt.Sprint(x.ID): 2,
		"?FromTS=" + fmt.Sprint(time.Now().Add(time.Hour).Unix()): 0, "?ToTS=" + fmt.Sprint(time.Now().Add(time.Hour).Unix()) + "&Limit=0": 3,
	} {
		w.mustDo(t, sub, 200, "GET", at+query, "").decode(t, &got)
		if got.Count != want || !strings.Contains(query, "AfterID") && got.Total != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	w.mustDo(t, sub, 200, "GET", at+"?Sort=ID+DESC&Limit=1&Offset=1", "").decode(t, &got)
	if got.Total != 3 || got.Data[0].Email != "b@example.net" {
		t.Errorf("%+v", got)
	}
	w.mustDo(t, sub, 200, "GET", at+"?countOnly=1", "").decode(t, &got)
	if got.Total != 3 || len(got.Data) != 0 {
		t.Errorf("%+v", got)
	}

	w.mustDo(t, sub, 200, "GET", at+"/ANNA@example.net", "").decode(t, &got)
	w.mustDo(t, sub, 200, "PUT", fmt.Sprint(at, "/", x.ID), `{"Reason": "complaint"}`).decode(t, &got)
	if got.Data[0].Reason != "complaint" || got.Data[0].Note != "asked by phone" {
		t.Errorf("%+v", got)
	}
	// Another key's entry is nobody's.
	for _, c := range [][2]string{{"GET", ""}, {"PUT", `{"Note": "x"}`}, {"DELETE", ""}} {
		w.mustDo(t, w.master.Issued, 404, c[0], fmt.Sprint(at, "/", x.ID), c[1])
		w.mustDo(t, w.master.Issued, 404, c[0], at+"/anna@example.net", c[1])
	}
	w.mustDo(t, sub, 204, "DELETE", at+"/anna@example.net", "")
	w.mustDo(t, sub, 404, "GET", at+"/anna@example.net", "")
	a = w.mustDo(t, sub, 200, "POST", "/v3.1/send", to("anna@example.net"))
	if _, is := w.statuses(t, a.body); is[0] != store.StatusQueued {
		t.Errorf("taken off the list: %v", is)
	}

	many := `{"Suppressions": [` + strings.TrimSuffix(strings.Repeat(`{"Email": "a@example.net"},`, 1001), ",") + `]}`
	for body, words := range map[string]string{
		`{}`:                 "Property Email",
		`{"Email": 5}`:       "Property Email: expected a string",
		`{"Email": "a b@c"}`: "is not an email address",
		`{"Email": "n@example.net", "Reason": "tired"}`:                        "Property Reason",
		`{"Suppressions": [{"Email": "ok@example.net"}, {"Email": "broken"}]}`: "Property Suppressions[1].Email",
		`{"Suppressions": []}`:                "there are 0 of them",
		`{"Suppressions": {}}`:                "expected an array",
		`{"Suppressions": [5]}`:               "Suppressions[0]: expected an object",
		`{"Suppressions": [{"Email": true}]}`: "Suppressions[0].Email: expected a string",
		many:                                  "1 to 1000",
	} {
		if a := w.do(t, sub, "POST", at, body); a.status != 400 || !strings.Contains(a.body, words) {
			t.Errorf("%.60s: %d %s", body, a.status, a.body)
		}
	}
	w.mustDo(t, sub, 404, "GET", at+"/ok@example.net", "") // nothing of a list with a mistake
	if a := w.do(t, sub, "GET", at+"?Reason=tired", ""); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
	log, err := w.store.AuditEntries(t.Context(), store.OfAccount(w.master.Account.ID), store.AuditFilter{Action: "suppression."}, store.Page{})
	if err != nil || len(log) != 5 {
		t.Errorf("%d entries of the audit log, %v", len(log), err)
	}
}

func TestComplaints(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.addSender(t, sub.Key, "*@example.com")
	const at = "/v3/REST/complaint"
	a := w.mustDo(t, sub, 200, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "news@example.com"}, "To": []obj{{"Email": "a@example.net"}, {"Email": "b@example.net"}, {"Email": "c@example.net"}, {"Email": "d@example.net"}}})))
	ids, _ := w.statuses(t, a.body)
	now := time.Now()
	got, err := w.store.Claim(t.Context(), store.MainLane, "w", now, now.Add(time.Minute), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got {
		if err := w.store.Complete(t.Context(), []store.Completion{{Claimed: c, Owner: "w", Result: store.CompletedSent, At: now}}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: ids[1]})
	if err != nil {
		t.Fatal(err)
	}
	report := "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\nFrom: fbl@isp.example\r\n\r\n" +
		"--x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: Isp-FBL/1.0\r\nOriginal-Rcpt-To: <d@example.net>\r\n\r\n" +
		"--x\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <" + m.MessageID + ">\r\nTo: d@example.net\r\n\r\nhello\r\n--x--\r\n"
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	// Another key's message is nobody's.
	w.mustDo(t, w.master.Issued, 404, "POST", at, fmt.Sprintf(`{"MessageID": %d}`, ids[0]))
	w.mustDo(t, w.master.Issued, 404, "POST", at, `{"Report": `+string(text)+`}`)

	w.mustDo(t, sub, 201, "POST", at, fmt.Sprintf(`{"MessageID": %d, "Source": "JMRPP"}`, ids[0]))
	w.mustDo(t, sub, 200, "POST", at, fmt.Sprintf(`{"MessageID": %d, "Source": "JMRPP"}`, ids[0])) // said twice
	w.mustDo(t, sub, 201, "POST", at, fmt.Sprintf(`{"UUID": %q}`, m.UUID))
	w.mustDo(t, sub, 201, "POST", at, `{"Email": "C@example.net"}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+at, strings.NewReader(report))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(sub.Key.APIKey, sub.Secret)
	r.Header.Set("Content-Type", "message/rfc822")
	if a := w.send(t, r); a.status != 201 || !strings.Contains(a.body, fmt.Sprintf(`"Email":"d@example.net","IsRecorded":true,"MessageID":%d`, ids[3])) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for i, email := range []string{"a@example.net", "b@example.net", "c@example.net", "d@example.net"} {
		m, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: ids[i]})
		if err != nil || m.Status != store.StatusSpam {
			t.Errorf("%s: %v, %v", email, m.Status, err)
		}
		var l suppressions
		w.mustDo(t, sub, 200, "GET", "/v3/REST/suppression/"+email, "").decode(t, &l)
		if l.Data[0].Reason != "complaint" || l.Data[0].MessageID != ids[i] {
			t.Errorf("%+v", l.Data)
		}
	}
	events, err := w.store.Events(t.Context(), store.OfOperator(), ids[3])
	if err != nil || events[len(events)-1].Source != "Isp-FBL/1.0" {
		t.Errorf("%+v, %v", events, err)
	}
	for body, words := range map[string]string{
		`{}`: "give one of", `{"MessageID": 5, "Email": "a@example.net"}`: "give one of", `{"Report": "hello"}`: "Property Report", `{"UUID": "x"}`: "Property UUID",
		`{"Email": "x"}`: "Property Email", `{"MessageID": "x"}`: "Property MessageID",
	} {
		if a := w.do(t, sub, "POST", at, body); a.status != 400 || !strings.Contains(a.body, words) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}
