// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"
	"testing"

	"postern/internal/keys"
)

// browse makes a request as a browser would that has kept a key's credentials, with more headers, "Name: value".
func (w *world) browse(t *testing.T, key keys.Issued, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(key.Key.APIKey, key.Secret)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return w.send(t, r)
}

// A page of another site makes a browser send what it likes, with the credentials that the browser keeps. Nothing of it
// changes anything; a page can post three types of body without asking first (the CORS protocol), JSON under a false name too.
func TestOtherSitesChangeNothing(t *testing.T) {
	w := newWorld(t)
	foreign := map[string][]string{
		"text/plain by Fetch Metadata": {"Content-Type: text/plain", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"},
		"text/plain by its origin":     {"Content-Type: text/plain", "Origin: https://evil.example"},
		"a form":                       {"Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"},
		"a form with files":            {"Content-Type: multipart/form-data; boundary=x", "Origin: https://evil.example"},
		"without a type":               {"Sec-Fetch-Site: cross-site"},
		"another host of the domain":   {"Content-Type: text/plain", "Sec-Fetch-Site: same-site", "Origin: https://shop.mail.test"},
		"a frame without an origin":    {"Content-Type: text/plain", "Origin: null"},
		"after a preflight":            {"Content-Type: application/json", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: https://evil.example"},
	}
	calls := []struct{ method, path, body string }{
		{"POST", "/v3/REST/apikey", `{"Name": "evil"}`},
		{"POST", "/v3/REST/apikeyaccess", `{"Email": "evil@example.net", "RoleName": "owner"}`},
		{"POST", "/v3.1/send", `{"Messages":[{"From":{"Email":"a@example.com"},"To":[{"Email":"b@example.org"}],"TextPart":"x"}]}`},
		{"POST", "/v3/REST/leakedsecret", `{"SecretKey": "` + w.master.Secret + `"}`},
		{"PUT", "/v3/REST/myprofile", `{"CompanyName": "Evil"}`},
		{"DELETE", "/v3/REST/apikey/1", ``},
		{"POST", "//v3/rest/APIKEY/", `{"Name": "evil"}`},
	}
	before := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit", "").body
	for name, headers := range foreign {
		for _, c := range calls {
			a := w.browse(t, w.master.Issued, c.method, c.path, c.body, headers...)
			if a.status != http.StatusForbidden || !strings.Contains(a.body, "another site") {
				t.Errorf("%s: %s %s: %d %s", name, c.method, c.path, a.status, a.body)
			}
		}
		// To read is no harm: the page is not given the answer.
		if a := w.browse(t, w.master.Issued, "GET", "/v3/REST/apikey", "", headers...); a.status != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: GET: %d %v", name, a.status, a.header)
		}
	}
	if after := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit", "").body; after != before {
		t.Errorf("something was changed: %s", after)
	}
	// Programs send none of these headers, or, as Node does, one that is no browser's alone.
	for name, headers := range map[string][]string{
		"a program":               {"Content-Type: application/json"},
		"Node's fetch":            {"Content-Type: application/json", "Sec-Fetch-Mode: cors"},
		"a page of this server":   {"Content-Type: application/json", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Origin: https://mail.test"},
		"behind a proxy":          {"Content-Type: application/json", "Origin: https://mail.test"},
		"what a person typed":     {"Content-Type: application/json", "Sec-Fetch-Site: none"},
		"the host that was asked": {"Content-Type: application/json", "Origin: " + w.server.URL},
	} {
		if a := w.browse(t, w.master.Issued, "POST", "/v3/REST/apikey", `{"Name": "`+name+`"}`, headers...); a.status != http.StatusCreated {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// A browser that is challenged asks for a password, keeps it, and sends it with what other sites make it send. So it is not
// challenged; programs are, since some send their credentials only then.
func TestBrowsersAreNotAskedForAPassword(t *testing.T) {
	w := newWorld(t)
	for name, x := range map[string]struct {
		headers []string
		want    bool
	}{
		"curl":                         {[]string{"User-Agent: curl/8.5.0", "Accept: */*"}, true},
		"Java's HttpURLConnection":     {[]string{"User-Agent: Java/21", "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, true},
		"Node's fetch":                 {[]string{"User-Agent: node", "Sec-Fetch-Mode: cors"}, true},
		"a browser's address bar":      {[]string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Sec-Fetch-Dest: document"}, false},
		"a link of another site":       {[]string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site"}, false},
		"a picture of another site":    {[]string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"}, false},
		"a script of this server":      {[]string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"}, false},
		"a browser in an inner window": {[]string{"Sec-Fetch-Mode: navigate"}, false},
	} {
		for _, path := range []string{"/v3/REST/apikey", "/v3.1/send", "/v3/REST/none"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range x.headers {
				k, v, _ := strings.Cut(h, ": ")
				r.Header.Set(k, v)
			}
			a := w.send(t, r)
			if a.status != http.StatusUnauthorized || (a.header.Get("WWW-Authenticate") != "") != x.want {
				t.Errorf("%s, %s: %d %v", name, path, a.status, a.header)
			}
		}
	}
}
