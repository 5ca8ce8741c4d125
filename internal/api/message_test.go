// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
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
		{"&Campaign=4711", 3, "s0 s1 s2"},
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
	for _, bad := range []string{"FromTS=yesterday", "ToTS=-5", "MessageStatus=12", "MessageStatus=lost", "SenderID=x", "Sort=Subject", "ShowSubject=2", "Limit=ten"} {
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
