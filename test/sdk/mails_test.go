// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/mail"
)

// send sends mails and waits until what was to become of them has.
func (w *world) send(t *testing.T) {
	t.Helper()
	first := w.mail(t, "a@example.net", "Hello", nil)
	w.names["message"], w.names["uuid"] = fmt.Sprint(first.MessageID), first.MessageUUID
	w.mail(t, "gone@example.net", "Bounces", nil)
	w.mail(t, "later@example.net", "Waits", nil)
	w.mail(t, "unsub@example.net", "Unsubscribes", nil)
	w.mail(t, "spam@example.net", "Complains", nil)
	w.mail(t, "twice@example.net", "First", map[string]any{"DeduplicateCampaign": true})
	want := map[string]string{"Hello": "sent", "Bounces": "hardbounced", "Waits": "deferred", "Unsubscribes": "sent", "Complains": "sent", "First": "sent"}
	if !w.isPending("v3.1 DeduplicateCampaign") {
		w.mail(t, "twice@example.net", "Second", map[string]any{"DeduplicateCampaign": true})
		want["Second"] = "blocked"
	}
	w.statuses(t, want)
}

// statuses waits until messages, by their subjects, have become what they are to.
func (w *world) statuses(t *testing.T, want map[string]string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		is := map[string]string{}
		for _, row := range w.call(t, http.MethodGet, "message?ShowSubject=1&Limit=0", nil).Data {
			is[strings.Trim(string(row["Subject"]), `"`)] = strings.Trim(string(row["Status"]), `"`)
		}
		open := maps.Clone(want)
		maps.DeleteFunc(open, func(subject, status string) bool { return is[subject] == status })
		if len(open) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("messages are %v, and have not become %v\n%s", is, open, w.Tail())
		}
		time.Sleep(20 * time.Millisecond) // the server is at work
	}
}

// sent is a recipient of the answer of a send.
type sent struct {
	Email, MessageUUID string
	MessageID          int64
}

// mail sends one mail by Send API v3.1.
func (w *world) mail(t *testing.T, to, subject string, more map[string]any) sent {
	t.Helper()
	m := map[string]any{
		"From": map[string]any{"Email": "news@example.com", "Name": "News"}, "To": []any{map[string]any{"Email": to}}, "Subject": subject,
		"TextPart": "Hello", "HTMLPart": `<p><a href="https://example.com/a">Hello</a> <a href="[[UNSUB_LINK]]">No more</a></p>`, "CustomID": "order-7", "CustomCampaign": "autumn",
		"TrackOpens": "enabled", "TrackClicks": "enabled", "EventPayload": "payload",
	}
	maps.Copy(m, more)
	got, err := w.Call(t.Context(), http.MethodPost, "/v3.1/send", map[string]any{"Messages": []any{m}})
	var a struct{ Messages []struct{ To []sent } }
	if err == nil {
		err = json.Unmarshal(got.Body, &a)
	}
	if err != nil || got.Status != http.StatusOK {
		t.Fatalf("send: %v %d %s", err, got.Status, got.Body)
	}
	return a.Messages[0].To[0]
}

// links are what a mail at the relay leads to: its pixel, its link, and where one unsubscribes.
var links = regexp.MustCompile(`(?:href|src)="(http://[^"]+/([ocu])/[^"]+)"`)

func (w *world) links(t *testing.T, to string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range w.relay.Mails() {
		if m.To[0] != to {
			continue
		}
		v, err := mail.Read(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links.FindAllStringSubmatch(v.HTML, -1) {
			out[l[2]] = l[1]
		}
	}
	if len(out) != 3 {
		t.Fatalf("the mail to %s has the links %v", to, out)
	}
	return out
}

// engage does what recipients do: one opens and clicks, one unsubscribes, one complains.
func (w *world) engage(t *testing.T) {
	t.Helper()
	time.Sleep(2100 * time.Millisecond) // what comes within two seconds is a machine's, and the server's clock is its own
	reader, unsub := w.links(t, "a@example.net"), w.links(t, "unsub@example.net")
	w.visit(t, http.MethodGet, reader["o"], "", http.StatusOK)
	w.visit(t, http.MethodGet, reader["c"], "", http.StatusFound)
	w.visit(t, http.MethodPost, unsub["u"], "List-Unsubscribe=One-Click", http.StatusOK)
	want := map[string]string{"Hello": "clicked", "Unsubscribes": "unsub"}
	if !w.isPending("complaint") {
		w.complain(t)
		want["Complains"] = "spam"
	}
	w.statuses(t, want)
	if !w.isPending("suppression") {
		w.mail(t, "unsub@example.net", "Preblocked", nil)
		w.statuses(t, map[string]string{"Preblocked": "blocked"})
	}
}

// visit asks as a recipient's browser does.
func (w *world) visit(t *testing.T, method, url, form string, want int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close() //nolint:errcheck,gosec // the status is all
	if res.StatusCode != want {
		t.Fatalf("%s %s: %d", method, url, res.StatusCode)
	}
}
