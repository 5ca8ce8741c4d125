// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"postern/internal/store"
)

// suppression puts an address on a key's list.
func (w *world) suppression(k store.Key, email string) (id int64) {
	w.t.Helper()
	ok(w.t, w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddSuppressions(w.t.Context(), k, []store.Suppression{{Email: email, Reason: store.SuppressedComplaint, Note: "JMRPP"}})
		return err
	}))
	x, err := w.store.Suppression(w.t.Context(), store.OfKey(k.AccountID, k.ID), store.SuppressionFilter{Email: email})
	ok(w.t, err)
	return x.ID
}

// upload posts a form with a file.
func (b *browser) upload(path string, fields map[string]string, file string) answer {
	b.w.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for k, s := range fields {
		ok(b.w.t, m.WriteField(k, s))
	}
	part, err := m.CreateFormFile("file", "list.csv")
	ok(b.w.t, err)
	_, err = io.WriteString(part, file)
	ok(b.w.t, err)
	ok(b.w.t, m.Close())
	r, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodPost, b.w.base+path, &body)
	ok(b.w.t, err)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := b.client.Do(r)
	ok(b.w.t, err)
	ok(b.w.t, res.Body.Close())
	if res.StatusCode == http.StatusOK { // it was followed to the report
		b.w.suppress.Wait()
		return b.get(res.Request.URL.RequestURI())
	}
	return answer{t: b.w.t, status: res.StatusCode, url: res.Request.URL}
}

func TestSuppressionPages(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount("Shop")
	b := w.signedIn()
	b.get("/suppressions").is(http.StatusOK).says("Nobody is suppressed")
	b.get("/suppressions/new").is(http.StatusOK).says("Suppress addresses")
	form := url.Values{"emails": {"Anna@Example.net\nb@example.net"}, "note": {"<b>asked</b>"}, "reason": {"unsubscribe"}, "key": {sub.Key.APIKey}}
	b.post("/suppressions/new", form).is(http.StatusOK).says("anna@example.net").says("Unsubscribed").says("Shop").says("2 addresses")
	for name, change := range map[string]url.Values{"is not an email address": {"emails": {"broken"}}, "Give at least one": {"emails": {" "}}, "no such key": {"key": {strings.Repeat("0", 32)}}} {
		bad := url.Values{}
		for k, s := range form {
			bad[k] = s
		}
		for k, s := range change {
			bad[k] = s
		}
		b.post("/suppressions/new", bad).is(http.StatusUnprocessableEntity).says(name)
	}
	x, err := w.store.Suppression(t.Context(), store.OfKey(sub.Key.AccountID, sub.Key.ID), store.SuppressionFilter{Email: "anna@example.net"})
	ok(t, err)
	page := fmt.Sprint("/suppressions/", x.ID)
	b.get(page).is(http.StatusOK).lacks("<b>asked").says("Shop sends it nothing")
	b.post(page, url.Values{"reason": {"complaint"}, "note": {"by phone"}}).is(http.StatusOK).says("Complaint")
	b.post(page, url.Values{"reason": {"tired"}}).is(http.StatusUnprocessableEntity)
	b.get("/suppressions?q=ANNA").is(http.StatusOK).says("anna@example.net").lacks("b@example.net")
	b.get("/suppressions?q=@example.net&reason=complaint&key=" + sub.Key.APIKey).is(http.StatusOK).says("anna@example.net").lacks("b@example.net")
	b.get("/suppressions?key=none").is(http.StatusOK).says("No address matches")
	if a := b.get("/suppressions.csv?reason=complaint").is(http.StatusOK); !strings.Contains(a.body, "anna@example.net,complaint,by phone") || strings.Contains(a.body, "b@example.net") {
		t.Errorf("the export: %s", a.body)
	}
	b.get(page + "/remove").is(http.StatusOK).says("Send to anna@example.net again?")
	b.post(page+"/remove", nil).is(http.StatusOK).lacks("anna@example.net")
	b.get(page).is(http.StatusNotFound)

	// A file, with its report; and what a page turns over.
	b.get("/suppressions/import").is(http.StatusOK)
	var file strings.Builder
	for i := range 60 {
		fmt.Fprintf(&file, "r%02d@example.org\n", i)
	}
	fields := map[string]string{"key": sub.Key.APIKey, "reason": "hard_bounce"}
	b.upload("/suppressions/import", fields, file.String()+"<i>broken</i>\n").is(http.StatusOK).says("The list is imported").says("60").says(`"<i>broken</i>" is not an email address`)
	first := b.get("/suppressions?q=r").is(http.StatusOK).says("60 addresses").says("r59@example.org").lacks("r05@example.org")
	older := attr(first.first("a[rel=next]"), "href")
	b.get(older).is(http.StatusOK).says("r05@example.org").lacks("r59@example.org")
	b.upload("/suppressions/import", fields, "").is(http.StatusUnprocessableEntity)
	b.upload("/suppressions/import", map[string]string{"key": "none"}, "a@example.net").is(http.StatusUnprocessableEntity)
	b.post("/suppressions/import", url.Values{"key": {sub.Key.APIKey}}).is(http.StatusUnprocessableEntity).says("Choose a file")
	b.get("/suppressions/import?job=nobodys").is(http.StatusNotFound)
	b.get("/audit?action=suppression.").is(http.StatusOK).says("Suppression list imported").says("Suppression removed")
}
