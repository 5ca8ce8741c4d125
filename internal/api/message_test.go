// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
)

// simple is a call that is accepted.
const simple = `{"Messages":[{"From":{"Email":"a@example.com","Name":"A"},"To":[{"Email":"b@example.org","Name":"B"}],"Subject":"Hello","TextPart":"Hi","CustomID":"order 7"}]}`

// messages is the answer of /message.
type messages struct {
	Count, Total int
	Data         []struct {
		ID                                          int64
		UUID, Status, Subject, ContactAlt, CustomID string
		ArrivedAt                                   string
		AttachmentCount, MessageSize, SenderID      int64
		IsTextPartIncluded, IsHTMLPartIncluded      bool
	}
}

// results is the answer of /v3.1/send.
type results struct {
	Messages []struct {
		Status, CustomID string
		To, Cc, Bcc      []struct {
			Email, MessageUUID, MessageHref string
			MessageID                       int64
		}
		Errors []sendError
	}
}

type sendError struct {
	ErrorIdentifier, ErrorCode, ErrorMessage string
	StatusCode                               int
	ErrorRelatedTo                           []string
}

func TestReadMessage(t *testing.T) {
	w := newWorld(t)
	var sent results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple).decode(t, &sent)
	to := sent.Messages[0].To[0]
	href, err := url.Parse(to.MessageHref)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{href.Path, "/v3/REST/message/" + to.MessageUUID, "/v3/REST/Message/" + strings.ToUpper(to.MessageUUID)} {
		var got messages
		w.mustDo(t, w.master.Issued, 200, "GET", path+"?ShowSubject=1&ShowContactAlt=true&showcustomid=1", "").decode(t, &got)
		m := got.Data[0]
		if m.ID != to.MessageID || m.UUID != to.MessageUUID || m.Status != "queued" || m.Subject != "Hello" || m.ContactAlt != "b@example.org" || m.CustomID != "order 7" ||
			!m.IsTextPartIncluded || m.IsHTMLPartIncluded || m.MessageSize == 0 || m.SenderID == 0 || m.ArrivedAt == "" {
			t.Errorf("%s: %+v", path, m)
		}
		a := w.mustDo(t, w.master.Issued, 200, "GET", path, "")
		if strings.Contains(a.body, "Hello") || strings.Contains(a.body, "b@example.org") || strings.Contains(a.body, "order 7") {
			t.Errorf("shown without being asked for: %s", a.body)
		}
	}
	a := w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprint("/v3/REST/messageinformation/", to.MessageID), "")
	if !strings.Contains(a.body, `"QueuedCount":1`) || !strings.Contains(a.body, `"SpamAssassinRules":{"ALT":"","ID":-1}`) {
		t.Error(a.body)
	}
}

func TestListMessages(t *testing.T) {
	w := newWorld(t)
	start := time.Now()
	for i := range 3 {
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", fmt.Sprintf(`{"Messages":[{"From":{"Email":"a@example.com"},"To":[{"Email":"r%d@d%d.example"}],"Subject":"s%d","TextPart":"x","CustomID":"c%d","CustomCampaign":"camp%d"}]}`, i, i%2, i, i, i%2))
	}
	day := url.QueryEscape(start.Add(24 * time.Hour).Format(time.RFC3339))
	for _, c := range []struct {
		query    string
		total    int
		subjects string
	}{
		{"", 3, "s0 s1 s2"},
		{"&Sort=ID+DESC", 3, "s2 s1 s0"},
		{"&Sort=ArrivedAt", 3, "s0 s1 s2"},
		{"&Sort=ArrivedAt+DESC&Limit=2", 3, "s2 s1"},
		{"&Limit=1&Offset=1", 3, "s1"},
		{"&CustomID=c2", 1, "s2"},
		{"&Campaign=camp0", 2, "s0 s2"},
		{"&Campaign=4711", 0, ""},
		{"&CampaignID=1", 2, "s0 s2"},
		{"&Campaign=2", 1, "s1"},
		{"&CustomCampaign=camp1", 1, "s1"},
		{"&Campaign=camp1&Destination=d0.example", 0, ""},
		{fmt.Sprint("&ContactID=", mail.ContactID("R1@d1.example")), 1, "s1"},
		{fmt.Sprint("&Contact=", mail.ContactID("r1@d1.example")), 1, "s1"},
		{fmt.Sprint("&DestinationID=", mail.DestinationID("d0.example")), 2, "s0 s2"},
		{fmt.Sprint("&Destination=", mail.DestinationID("d0.example")), 2, "s0 s2"},
		{"&From=a@example.com", 3, "s0 s1 s2"},
		{"&From=b@example.com", 0, ""},
		{"&From=1", 3, "s0 s1 s2"},
		{"&FromID=99", 0, ""},
		{"&FromDomain=example.com", 3, "s0 s1 s2"},
		{"&FromDomain=ample.com", 0, ""},
		{"&Sender=*@example.com", 3, "s0 s1 s2"},
		{"&FromType=1", 3, "s0 s1 s2"},
		{"&FromType=2", 0, ""},
		{"&MessageState=1", 0, ""},
		{"&BounceReason=user+unknown", 0, ""},
		{"&ContactAlt=r1@d1.example", 1, "s1"},
		{"&Contact=r1@d1.example", 1, "s1"},
		{"&Destination=D0.example", 2, "s0 s2"},
		{"&Destination=0.example", 0, ""},
		{"&Destination=r2@d0.example", 1, "s2"},
		{"&MessageStatus=1", 3, "s0 s1 s2"},
		{"&MessageStatus=sent", 0, ""},
		{"&SenderID=1", 3, "s0 s1 s2"},
		{"&Sender=99", 0, ""},
		{fmt.Sprint("&FromTS=", start.Unix()-1), 3, "s0 s1 s2"},
		{"&FromTS=" + day, 0, ""},
		{"&ToTS=" + day, 3, "s0 s1 s2"},
		{"&ToTS=2020-01-01T00:00:00+01:00", 0, ""},
		{"&countOnly=1", 3, ""},
	} {
		var list messages
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/message?ShowSubject=true"+c.query, "").decode(t, &list)
		var got []string
		for _, m := range list.Data {
			got = append(got, m.Subject)
		}
		if s := strings.Join(got, " "); s != c.subjects || list.Total != c.total || list.Count != len(got) {
			t.Errorf("%s: %s, Count %d, Total %d; want %s, Total %d", c.query, s, list.Count, list.Total, c.subjects, c.total)
		}
	}
	for _, bad := range []string{"FromTS=yesterday", "ToTS=-5", "MessageStatus=12", "MessageStatus=lost", "SenderID=x", "Sender=x", "From=x", "Contact=x", "ContactID=x", "FromType=4", "MessageState=22", "MessageState=lost", "Sort=Subject", "ShowSubject=2", "Limit=ten"} {
		name, _, _ := strings.Cut(bad, "=")
		a := w.mustDo(t, w.master.Issued, http.StatusBadRequest, "GET", "/v3/REST/message?"+bad, "")
		if !strings.Contains(a.body, name) && !strings.Contains(a.body, "Cannot sort") {
			t.Errorf("%s: %s", bad, a.body)
		}
	}
}

func TestMessagesOfAnotherKey(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	var sent results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple).decode(t, &sent)
	m := sent.Messages[0].To[0]
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{fmt.Sprint("message/", m.MessageID), 404, ""},
		{"message/" + m.MessageUUID, 404, ""},
		{"message/0", 404, ""},
		{"message/nonsense", 404, ""},
		{"message/99999999999999999999", 404, ""},
		{fmt.Sprint("messageinformation/", m.MessageID), 404, ""},
		{fmt.Sprint("messagehistory/", m.MessageID), 200, `{"Count":0,"Data":[],"Total":0}`},
		{"messagehistory/nonsense", 200, `{"Count":0,"Data":[],"Total":0}`},
		{"message", 200, `{"Count":0,"Data":[],"Total":0}`},
		{fmt.Sprint("message?ID=", m.MessageID), 200, `{"Count":0,"Data":[],"Total":0}`},
	} {
		a := w.do(t, sub, "GET", "/v3/REST/"+c.path, "")
		if a.status != c.status || c.body != "" && a.body != c.body || strings.Contains(a.body, m.MessageUUID) {
			t.Errorf("%s: %d %s", c.path, a.status, a.body)
		}
	}
}

func TestMessageStates(t *testing.T) {
	w := newWorld(t)
	a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/messagestate?Limit=1", "")
	if a.body != `{"Count":1,"Data":[{"ID":1,"RelatedTo":"recipient","State":"user unknown"}],"Total":21}` {
		t.Error(a.body)
	}
	a = w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/messagestate/13", "")
	if !strings.Contains(a.body, "greylisted") {
		t.Error(a.body)
	}
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/messagestate/22", "")
}

// TestMessageHistory: one message is delivered after a delay, one bounces, one is blocked.
func TestMessageHistory(t *testing.T) {
	w := newWorld(t)
	var sent results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"To": boxes(3)}))).decode(t, &sent)
	to := sent.Messages[0].To
	attempt := func(change map[string]store.Completion) {
		t.Helper()
		now := time.Now()
		claimed, err := w.store.Claim(t.Context(), store.MainLane, "test", now.Add(time.Hour), now.Add(2*time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		var done []store.Completion
		for _, x := range claimed {
			c := change[x.Recipient]
			c.Claimed, c.Owner, c.At = x, "test", now
			done = append(done, c)
		}
		if err := w.store.Complete(t.Context(), done); err != nil {
			t.Fatal(err)
		}
	}
	attempt(map[string]store.Completion{
		"r0@example.org": {Result: store.CompletedDeferred, Due: time.Now(), StateID: int(mail.StateGreylisted), Reply: store.Reply{Code: 451, Line: "451 later"}},
		"r1@example.org": {Result: store.CompletedBounced, Permanent: true, StateID: int(mail.StateUserUnknown), Reply: store.Reply{Code: 550, Line: "550 <b>unknown</b>"}},
		"r2@example.org": {Result: store.CompletedBounced, Blocked: true, StateID: int(mail.StateContentBlocked), Reply: store.Reply{Code: 554, Line: "554 spam"}},
	})
	attempt(map[string]store.Completion{"r0@example.org": {Result: store.CompletedSent, Reply: store.Reply{Code: 250, Line: "250 ok"}}})
	for i, want := range []struct{ status, history string }{
		{"sent", "deferred/greylisted/451 later, sent//250 ok"},
		{"hardbounced", "hardbounced/user unknown/550 <b>unknown</b>"},
		{"blocked", "blocked/content blocked/554 spam"},
	} {
		var got struct {
			Total int
			Data  []struct {
				Comment, EventType, State string
				EventAt                   int64
			}
		}
		w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprint("/v3/REST/messagehistory/", to[i].MessageID), "").decode(t, &got)
		var lines []string
		for _, e := range got.Data {
			lines = append(lines, e.EventType+"/"+e.State+"/"+e.Comment)
			if e.EventAt < time.Now().Unix()-60 {
				t.Errorf("EventAt %d", e.EventAt)
			}
		}
		if s := strings.Join(lines, ", "); s != want.history || got.Total != len(lines) {
			t.Errorf("%s; want %s", s, want.history)
		}
		var list messages
		w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprint("/v3/REST/message/", to[i].MessageID), "").decode(t, &list)
		if list.Data[0].Status != want.status {
			t.Errorf("Status %s; want %s", list.Data[0].Status, want.status)
		}
	}
}

// TestMessagesAreRetriedTakenBackAndSentAgain does with each message what its state allows, and what it does not.
func TestMessagesAreRetriedTakenBackAndSentAgain(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	var sent results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"To": boxes(4), "CustomID": "order 7"}))).decode(t, &sent)
	now := time.Now()
	claimed, err := w.store.Claim(t.Context(), store.MainLane, "test", now.Add(time.Hour), now.Add(2*time.Hour), 10)
	if err != nil || len(claimed) != 4 {
		t.Fatalf("%d, %v", len(claimed), err)
	}
	path := func(i int, what string) string {
		return fmt.Sprint("/v3/REST/message/", sent.Messages[0].To[i].MessageID, what)
	}
	refused := func(path, why string) {
		t.Helper()
		if a := w.mustDo(t, w.master.Issued, http.StatusBadRequest, "POST", path, ""); !strings.Contains(a.body, why) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	refused(path(0, "/retry"), "being tried")
	refused(path(0, "/resend"), "still waits")
	for i, c := range []store.Completion{
		{Result: store.CompletedDeferred, Due: now.Add(time.Hour)},
		{Result: store.CompletedBounced, StateID: int(mail.StateQuotaExceeded)},
		{Result: store.CompletedSent},
		{Result: store.CompletedBounced, Permanent: true, StateID: int(mail.StateUserUnknown)},
	} {
		c.Claimed, c.Owner, c.At = claimed[i], "test", now
		if err := w.store.Complete(t.Context(), []store.Completion{c}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		for _, what := range []string{"/retry", "/cancel", "/resend"} {
			w.mustDo(t, sub, http.StatusNotFound, "POST", path(i, what), "")
		}
	}
	refused(path(1, "/retry"), "does not wait")
	refused(path(2, "/cancel"), "does not wait")
	refused(path(2, "/resend"), "was delivered")
	refused(path(3, "/resend"), "suppression list")
	w.mustDo(t, w.master.Issued, http.StatusMethodNotAllowed, "GET", path(0, "/retry"), "")

	var got messages
	w.mustDo(t, w.master.Issued, 200, "POST", path(0, "/retry"), "").decode(t, &got)
	if due, err := w.store.NextAttempt(t.Context(), store.OfOperator(), got.Data[0].ID); err != nil || due.After(time.Now()) {
		t.Errorf("due at %v, %v", due, err)
	}
	w.mustDo(t, w.master.Issued, 200, "POST", path(0, "/cancel"), "").decode(t, &got)
	if got.Data[0].Status != "blocked" {
		t.Errorf("taken back: %+v", got.Data[0])
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprint("/v3/REST/messagehistory/", got.Data[0].ID), ""); !strings.Contains(a.body, "taken back by the API key "+w.master.Key.APIKey) {
		t.Error(a.body)
	}
	a := w.mustDo(t, w.master.Issued, http.StatusCreated, "POST", path(1, "/resend"), "")
	a.decode(t, &got)
	m, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: got.Data[0].ID})
	if err != nil || m.ResentOf != sent.Messages[0].To[1].MessageID || m.Status != store.StatusQueued || m.Recipient != "r1@example.org" || m.CustomID != "order 7" || m.Subject == "" {
		t.Errorf("sent again: %+v, %v", m, err)
	}
	first, err := w.store.Source(t.Context(), store.OfOperator(), m.ResentOf)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.store.Source(t.Context(), store.OfOperator(), m.ID)
	if err != nil || string(first) != string(again) {
		t.Errorf("another source is sent again: %q, %v", again, err)
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/messageinformation?MessageStatus=queued", ""); !strings.Contains(a.body, fmt.Sprintf(`"ID":%d`, m.ID)) || !strings.Contains(a.body, `"Total":1`) {
		t.Error(a.body)
	}
}
