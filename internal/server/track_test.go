// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/mail"
	"postern/internal/mxtest"
	"postern/internal/server"
)

// TestTrackedMail: by the wire, as an application sends it, through the relay, and back by its links.
func TestTrackedMail(t *testing.T) {
	sink := mxtest.NewServer(t, mxtest.Script{})
	c, s := settings(t)
	s.Route = "smtp://" + sink.Addr + "?tls=never"
	srv, out := start(t, c, s)
	text := <-out
	user, secret := regexp.MustCompile(`\b[0-9a-f]{32}\b`).FindString(text), regexp.MustCompile(`pstn[0-9A-Za-z]{36}`).FindString(text)
	ask := func(method, host, path, body string) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, srv.BaseURL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		} else {
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+secret)))
			r.Header.Set("Content-Type", "application/json")
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(got), res.Header
	}
	must := func(want int, method, host, path, body string) string {
		t.Helper()
		status, got, _ := ask(method, host, path, body)
		if status != want {
			t.Fatalf("%s %s: %d %s", method, path, status, got)
		}
		return got
	}
	if _, err := control.Dial(server.SocketPath(c.Data)).AddSender(t.Context(), user, "*@shop.example", ""); err != nil {
		t.Fatal(err)
	}
	must(200, "PUT", "", "/v3/REST/apikey/"+user, `{"TrackHost": "links.shop.example"}`)
	var sent struct {
		Messages []struct{ To []struct{ MessageID int64 } }
	}
	answer := must(200, "POST", "", "/v3.1/send", `{"Messages": [{"From": {"Email": "news@shop.example"}, "To": [{"Email": "a@example.net"}], "Subject": "Offers",
 "TextPart": "Leave: [[UNSUB_LINK]]", "HTMLPart": "<a href=\"https://shop.example/?a&amp;b\">Offers</a>", "TrackOpens": "enabled", "TrackClicks": "enabled", "URLTags": "utm_source=x"}]}`)
	if err := json.Unmarshal([]byte(answer), &sent); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); len(sink.Mails()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing arrived")
		}
	}
	v, err := mail.Read(sink.Mails()[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	base := strings.Replace(srv.BaseURL(), "127.0.0.1", "links.shop.example", 1)
	path := func(text, kind string) string {
		t.Helper()
		m := regexp.MustCompile(regexp.QuoteMeta(base) + "(/" + kind + `/[^\s"]+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no link of kind %s in %s", kind, text)
		}
		return m[1]
	}
	const host = "links.shop.example"
	must(200, "GET", host, path(v.HTML, "o"), "")
	status, _, header := ask("GET", host, path(v.HTML, "c"), "")
	if status != http.StatusFound || header.Get("Location") != "https://shop.example/?a&b&utm_source=x" {
		t.Errorf("the link: %d %v", status, header)
	}
	must(200, "GET", host, path(v.Text, "u"), "")
	for _, p := range []string{"/", "/keys", "/healthz", "/metrics", "/openapi.yaml", "/v3/REST/apikey"} {
		must(404, "GET", host, p, "")
	}
	must(404, "GET", "", path(v.HTML, "o"), "") // it is signed for the other name
	_, metrics := get(t, http.DefaultClient, srv.BaseURL()+"/metrics")
	if !strings.Contains(metrics, `postern_hits_total{kind="open",result="refused"} 1`) {
		t.Error("the metrics do not have it")
	}
	got := must(200, "GET", "", "/v3/REST/message", "")
	if !strings.Contains(got, `"IsClickTracked":true`) || !strings.Contains(got, `"IsOpenTracked":true`) || !strings.Contains(got, `"IsUnsubTracked":true`) {
		t.Errorf("%s", got)
	}
}
