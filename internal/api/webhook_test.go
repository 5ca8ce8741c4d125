// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postern/internal/backend"
	"postern/internal/store"
)

func TestCallbackURLs(t *testing.T) {
	w := newWorld(t)
	sub, master := w.subaccount(t, "sub"), w.master.Issued
	type list struct {
		Count, Total int
		Data         []struct {
			ID, APIKeyID      int64
			EventType, Status string
			URL               string `json:"Url"`
			IsBackup          bool
			Version           int
		}
	}
	const path = "/v3/REST/eventcallbackurl"
	var made, got list
	w.mustDo(t, sub, 201, "POST", path, `{"EventType": "open", "Url": "https://user:hunter2@hooks.example.com/in?x=1"}`).decode(t, &made)
	x := made.Data[0]
	if x.EventType != "open" || x.Status != "alive" || x.IsBackup || x.Version != 1 || x.APIKeyID != sub.Key.ID || x.URL != "https://user:xxxxx@hooks.example.com/in?x=1" || x.ID == 0 {
		t.Errorf("%+v", x)
	}
	w.mustDo(t, sub, 201, "POST", path, `{"eventtype": "CLICK", "url": "https://hooks.example.com/click", "version": 2}`)
	w.mustDo(t, sub, 201, "POST", path, `{"EventType": "open", "Url": "https://backup.example.com/", "IsBackup": true}`)
	for body, words := range map[string]string{
		`{}`: "Property Url",
		`{"Url": "https://a.example.com", "EventType": "open"}`:                              `MJ18 A Eventcallbackurl resource with value \"open|false\" for EventType|Backup already exists.`,
		`{"Url": "https://a.example.com", "EventType": "typofix"}`:                           "Property EventType",
		`{"Url": "https://a.example.com", "EventType": "sent", "Version": 3}`:                "Property Version",
		`{"Url": "https://a.example.com", "EventType": "sent", "Version": "x"}`:              "Property Version",
		`{"Url": "http://a.example.com", "EventType": "sent"}`:                               "Property Url: must begin with https://",
		`{"Url": "https://10.0.0.1/", "EventType": "sent"}`:                                  "Property Url: the host's address is not a public one",
		`{"Url": "https://2130706433/", "EventType": "sent"}`:                                "Property Url: ",
		`{"Url": "https://0x7f.1/", "EventType": "sent"}`:                                    "Property Url: ",
		`{"Url": "https://0177.0.0.1/", "EventType": "sent"}`:                                "Property Url: ",
		`{"Url": "https://[64:ff9b::a00:1]/", "EventType": "sent"}`:                          "Property Url: the host's address is not a public one",
		`{"Url": "https://hooks.example.com/click", "EventType": "click", "IsBackup": true}`: "Property Url: is the one that the backup stands in for",
	} {
		if a := w.do(t, sub, "POST", path, body); a.status != 400 || !strings.Contains(a.body, words) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for query, want := range map[string]int{
		"": 3, "?EventType=6": 2, "?EventType=open": 2, "?eventtype=1": 1, "?Backup=true": 1, "?Version=2": 1, "?Status=alive": 3, "?Status=dead": 0, "?EventType=typofix": 0,
		"?APIKey=" + sub.Key.APIKey: 3, "?APIKey=" + master.Key.APIKey: 0, "?Limit=2": 2, "?countOnly=1": 0,
	} {
		if w.mustDo(t, sub, 200, "GET", path+query, "").decode(t, &got); got.Count != want {
			t.Errorf("%s: %d", query, got.Count)
		}
	}
	// By the natural key, in either form; and by no other key.
	for _, name := range []string{fmt.Sprint(x.ID), "open%7Cfalse", "Open|false"} {
		if w.mustDo(t, sub, 200, "GET", path+"/"+name, "").decode(t, &got); got.Data[0].ID != x.ID {
			t.Errorf("%s: %+v", name, got)
		}
		w.mustDo(t, master, 404, "GET", path+"/"+name, "")
		w.mustDo(t, master, 404, "PUT", path+"/"+name, `{"Url": "https://evil.example.com/"}`)
		w.mustDo(t, master, 404, "DELETE", path+"/"+name, "")
		w.mustDo(t, master, 404, "POST", path+"/"+name+"/test", "")
	}
	w.mustDo(t, sub, 404, "GET", path+"/open%7Cmaybe", "")
	w.mustDo(t, sub, 404, "GET", path+"/sent%7Cfalse", "")

	// A dead one lives again once its URL is set, even to what is shown of it.
	dead := func() {
		t.Helper()
		err := w.store.Update(t.Context(), func(tx *store.Tx) error {
			list, err := tx.Webhooks(t.Context(), store.OfOperator(), store.WebhookFilter{ID: x.ID})
			if err != nil {
				return err
			}
			return tx.DisableWebhook(t.Context(), list[0])
		})
		if err != nil {
			t.Fatal(err)
		}
		if w.mustDo(t, sub, 200, "GET", path+"/open%7Cfalse", "").decode(t, &got); got.Data[0].Status != "dead" {
			t.Errorf("%+v", got)
		}
	}
	for body, want := range map[string]string{
		`{"Version": 2}`: "dead", `{"Status": "alive"}`: "alive", `{"Url": "https://user:xxxxx@hooks.example.com/in?x=1"}`: "alive", `{"Url": "https://user:xxxxx@hooks.example.com/in?x=1", "Version": 1}`: "alive",
	} {
		dead()
		if w.mustDo(t, sub, 200, "PUT", path+"/open%7Cfalse", body).decode(t, &got); got.Data[0].Status != want || got.Data[0].URL != x.URL {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if w.mustDo(t, sub, 200, "PUT", path+"/open%7Cfalse", `{"Url": "https://new.example.com/", "EventType": "click"}`).decode(t, &got); got.Data[0].URL != "https://new.example.com/" || got.Data[0].EventType != "open" {
		t.Errorf("%+v", got)
	}
	if a := w.do(t, sub, "PUT", path+"/open%7Cfalse", `{"Url": "https://user:xxxxx@elsewhere.example.com/"}`); a.status != 400 || !strings.Contains(a.body, "xxxxx for a password") {
		t.Errorf("the mask of a password is taken for one: %d %s", a.status, a.body)
	}
	if a := w.do(t, sub, "PUT", path+"/open%7Cfalse", `{"Version": 9}`); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.mustDo(t, sub, 204, "DELETE", path+"/open%7Cfalse", "")
	w.mustDo(t, sub, 404, "DELETE", path+"/open%7Cfalse", "")
	if log := w.log.String(); strings.Contains(log, "hunter2") {
		t.Error("the log has a password")
	}
}

// intoPrivate lets webhooks lead to receivers on this machine.
func intoPrivate(c *backend.Config) { c.Webhook.Private = true }

func TestSigningSecretsAndDeliveries(t *testing.T) {
	w := newWorldOf(t, intoPrivate)
	sub := w.subaccount(t, "sub")
	type secrets struct {
		Data []struct {
			Secret, CreatedAt, OldExpiresAt string
			IsSet                           bool
		}
	}
	var s secrets
	if w.mustDo(t, sub, 200, "GET", "/v3/REST/webhooksecret", "").decode(t, &s); s.Data[0].IsSet || s.Data[0].CreatedAt != "" {
		t.Errorf("%+v", s)
	}
	w.mustDo(t, sub, 201, "POST", "/v3/REST/webhooksecret", "").decode(t, &s)
	first := s.Data[0].Secret
	if !strings.HasPrefix(first, "whsec_") || !s.Data[0].IsSet || s.Data[0].OldExpiresAt != "" {
		t.Errorf("%+v", s)
	}
	if a := w.mustDo(t, sub, 201, "POST", "/v3/REST/webhooksecret", `{"OverlapSeconds": 60}`); strings.Contains(a.body, first) {
		t.Error("the first secret is shown twice")
	}
	if a := w.mustDo(t, sub, 200, "GET", "/v3/REST/webhooksecret", ""); strings.Contains(a.body, "whsec_") {
		t.Error(a.body)
	} else if a.decode(t, &s); s.Data[0].OldExpiresAt == "" {
		t.Errorf("%+v", s)
	}
	if a := w.do(t, sub, "POST", "/v3/REST/webhooksecret", `{"OverlapSeconds": 99999999999}`); a.status != 400 || !strings.Contains(a.body, "OverlapSeconds") {
		t.Errorf("%d %s", a.status, a.body)
	}

	var posted []string
	status := http.StatusTeapot
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		posted = append(posted, r.Header.Get("webhook-signature"))
		rw.WriteHeader(status)
	}))
	t.Cleanup(receiver.Close)
	w.mustDo(t, sub, 201, "POST", "/v3/REST/eventcallbackurl", `{"EventType": "bounce", "Url": "`+receiver.URL+`"}`)
	type tests struct {
		Data []struct {
			Success     bool
			StatusCode  int
			Error, Body string
		}
	}
	var tried tests
	if w.mustDo(t, sub, 200, "POST", "/v3/REST/eventcallbackurl/bounce%7Cfalse/test", "").decode(t, &tried); tried.Data[0].Success || tried.Data[0].StatusCode != http.StatusTeapot || tried.Data[0].Error == "" || !strings.Contains(tried.Data[0].Body, `"event":"bounce"`) {
		t.Errorf("%+v", tried)
	}
	status = http.StatusOK
	if w.mustDo(t, sub, 200, "POST", "/v3/REST/eventcallbackurl/bounce%7Cfalse/test", "").decode(t, &tried); !tried.Data[0].Success || len(posted) != 2 || len(strings.Fields(posted[1])) != 2 {
		t.Errorf("%+v, %q", tried, posted)
	}
	type deliveries struct {
		Count, Total int
		Data         []struct {
			ID           int64
			Result, Body string
			EventTypes   []string
		}
	}
	var log deliveries
	const path = "/v3/REST/webhookdelivery"
	if w.mustDo(t, sub, 200, "GET", path, "").decode(t, &log); log.Total != 2 || log.Data[0].Result != "delivered" || log.Data[1].Result != "dropped" || log.Data[0].Body != "" || log.Data[0].EventTypes[0] != "bounce" {
		t.Errorf("%+v", log)
	}
	id := log.Data[1].ID
	for query, want := range map[string]int{"?Result=failed": 1, "?Result=delivered&EventType=bounce": 1, "?EventType=open": 0, "?FromTS=2001-01-01": 2, "?ToTS=2001-01-01": 0, fmt.Sprintf("?Below=%d", id+1): 1, "?Limit=1": 1} {
		if w.mustDo(t, sub, 200, "GET", path+query, "").decode(t, &log); log.Count != want {
			t.Errorf("%s: %d", query, log.Count)
		}
	}
	if w.mustDo(t, sub, 200, "GET", fmt.Sprint(path, "/", id), "").decode(t, &log); !strings.Contains(log.Data[0].Body, "test@example.com") {
		t.Errorf("%+v", log)
	}
	for _, foreign := range []string{"GET " + fmt.Sprint(path, "/", id), "POST " + fmt.Sprint(path, "/", id, "/replay")} {
		method, at, _ := strings.Cut(foreign, " ")
		w.mustDo(t, w.master.Issued, 404, method, at, "")
	}
	if a := w.mustDo(t, sub, 200, "POST", fmt.Sprint(path, "/", id, "/replay"), ""); !strings.Contains(a.body, `"EventCount":0`) { // a sample has no events
		t.Error(a.body)
	}
	w.mustDo(t, sub, 200, "POST", path, `{"Since": "2026-01-01T00:00:00Z"}`)
	w.mustDo(t, sub, 200, "POST", path, `{"Since": 1700000000}`)
	w.mustDo(t, sub, 400, "POST", path, `{}`)
	w.mustDo(t, sub, 400, "POST", path, `{"Since": "soon"}`)
	w.mustDo(t, sub, 400, "GET", path+"?Result=x", "")
	w.mustDo(t, sub, 400, "GET", path+"?EventType=x", "")
}
