// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"

	"postern/internal/api"
	"postern/internal/credential"
	"postern/internal/gate"
)

func TestEveryRouteIsDescribed(t *testing.T) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	ids := map[string]bool{}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			described = append(described, strings.ToUpper(method)+" "+path)
			if ids[op.OperationId] || op.OperationId == "" || op.Summary == "" {
				t.Errorf("%s %s: operationId %q is empty or taken, or there is no summary", method, path, op.OperationId)
			}
			ids[op.OperationId] = true
		}
	}
	routes := api.Routes()
	slices.Sort(routes)
	slices.Sort(described)
	if !slices.Equal(routes, described) {
		t.Errorf("routes    %v\ndescribed %v", routes, described)
	}
}

func TestDescriptionIsValid(t *testing.T) {
	v, err := described()
	if err != nil {
		t.Fatal(err)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("%v %+v", e, e.SchemaValidationErrors)
		}
	}
}

func TestDescriptionIsServed(t *testing.T) {
	w := newWorld(t)
	a := w.as(t, "", "", "GET", "/openapi.yaml", "")
	want, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if a.status != http.StatusOK || a.body != string(want) || !strings.HasPrefix(a.header.Get("Content-Type"), "application/yaml") {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestPathsFoldCase(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v3/REST/apikey", "/v3/rest/Apikey", "/V3/REST/APIKEY/", "/v3//REST/apikey", "/v3/REST/apikey/" + strings.ToUpper(w.master.Key.APIKey)} {
		a := w.mustDo(t, w.master.Issued, http.StatusOK, "GET", path, "")
		if !strings.Contains(a.body, w.master.Key.APIKey) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	w.mustDo(t, w.master.Issued, http.StatusBadRequest, "POST", "/V3.1/Send", "")
	w.mustDo(t, w.master.Issued, http.StatusOK, "GET", "/v3/REST/sender/%2A@EXAMPLE.com", "")
	w.mustDo(t, w.master.Issued, http.StatusOK, "GET", "/v3/REST/sender/%2A%40example.com", "")
}

func TestNoSuchPathOrMethod(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, path string
		status       int
		words, allow string
	}{
		{"GET", "/v3/REST/wrongresourcepath", 404, "no resource", ""},
		{"GET", "/v3/REST", 404, "no resource", ""},
		{"GET", "/v3.1/REST/contact", 404, "no resource", ""},
		{"GET", "/v3/REST/apikey/1/connections/2", 404, "no resource", ""},
		{"GET", "/v3/REST/../../etc/passwd", 404, ".", ""},
		{"POST", "/v3/send", 400, "Malformed JSON", ""},
		{"POST", "/v3/send/message", 400, "Malformed JSON", ""},
		{"PATCH", "/v3/REST/apikey/1", 405, "PATCH is not offered", "DELETE, GET, PUT"},
		{"GET", "/v3.1/send", 405, "Offered: POST", "POST"},
		{"POST", "/v3/REST/message", 405, "Offered: GET", "GET"},
		{"POST", "/v3/REST/contactslist", 405, "no contactslist resource", "GET"},
		{"PATCH", "/openapi.yaml", 405, "Offered: GET", "GET"},
	} {
		a := w.do(t, w.master.Issued, c.method, c.path, "")
		if a.status != c.status || !strings.Contains(a.body, c.words) || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, a.status, a.header, a.body)
		}
	}
}

func TestUnauthorized(t *testing.T) {
	w := newWorld(t)
	const words = "API key authentication/authorization failure. You may be unauthorized to access the API or your API key may be expired. Visit API keys management section to check your keys."
	for _, c := range []struct{ name, user, password, hint string }{
		{"nothing", "", "", ""},
		{"wrong secret", w.master.Key.APIKey, "pstn" + strings.Repeat("a", 36), ""},
		{"swapped", w.master.Secret, w.master.Key.APIKey, "swapped"},
	} {
		for _, path := range []string{"/v3/REST/apikey", "/v3.1/send", "/v3/REST/nothing"} {
			a := w.as(t, c.user, c.password, "POST", path, "{}")
			var e struct {
				ErrorIdentifier, ErrorMessage, ErrorCode string
				StatusCode                               int
			}
			a.decode(t, &e)
			if a.status != 401 || e.StatusCode != http.StatusUnauthorized || len(e.ErrorIdentifier) != 36 || !strings.HasPrefix(e.ErrorMessage, words) || !strings.Contains(e.ErrorMessage, c.hint) {
				t.Errorf("%s %s: %d %s", c.name, path, a.status, a.body)
			}
			if got := a.header.Get("WWW-Authenticate"); got != `Basic realm="Provide an apiKey and secretKey"` {
				t.Errorf("%s %s: WWW-Authenticate %q", c.name, path, got)
			}
		}
	}
}

func TestNotBasicAuthentication(t *testing.T) {
	w := newWorld(t)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/v3/REST/apikey", nil)
	r.Header.Set("Authorization", "Bearer abc")
	if a := w.send(t, r); a.status != 401 || !strings.Contains(a.body, "not HTTP basic authentication:") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Between Basic and the credentials there may be several blanks (RFC 9110 §11.4).
func TestBlanksBeforeTheCredentials(t *testing.T) {
	w := newWorld(t)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/v3/REST/apikey", nil)
	r.SetBasicAuth(w.master.Key.APIKey, w.master.Secret)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), " ", "   ", 1))
	if a := w.send(t, r); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestKeyThatIsNotActive(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/"+sub.Key.APIKey, `{"isactive": false}`)
	if a := w.do(t, sub, "GET", "/v3/REST/message", ""); a.status != 401 || !strings.Contains(a.body, "deactivated") {
		t.Errorf("deactivated: %d %s", a.status, a.body)
	}
	// What only the operator can do: suspend.
	k, err := credential.ParseAPIKey(sub.Key.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	w.gate.Put(gate.Key{ID: sub.Key.ID, AccountID: sub.Key.AccountID, APIKey: k, State: gate.Suspended, Secrets: []gate.Secret{{ID: sub.Key.Secrets[0].ID, Digest: [32]byte(sub.Key.Secrets[0].Digest)}}})
	if a := w.do(t, sub, "POST", "/v3.1/send", "{}"); a.status != 401 || !strings.Contains(a.body, `"ErrorCode":"mj-0001"`) || !strings.Contains(a.body, "temporarily blocked") {
		t.Errorf("suspended: %d %s", a.status, a.body)
	}
}

func TestThrottled(t *testing.T) {
	w := newWorld(t)
	for range 30 {
		w.as(t, w.master.Key.APIKey, "pstn"+strings.Repeat("x", 36), "GET", "/v3/REST/apikey", "")
	}
	for _, path := range []string{"/v3/REST/apikey", "/v3.1/send"} {
		a := w.as(t, w.master.Key.APIKey, "pstn"+strings.Repeat("x", 36), "POST", path, "")
		if a.status != 429 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, `"StatusCode":429`) {
			t.Errorf("%s: %d %v %s", path, a.status, a.header, a.body)
		}
	}
}

func TestClearTextIsRefused(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Client = func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false }
	})
	for _, path := range []string{"/v3/REST/apikey", "/v3.1/send"} {
		if a := w.do(t, w.master.Issued, "POST", path, `{"Name":"x"}`); a.status != 403 || !strings.Contains(a.body, "https") {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

func TestOursIsLoggedUnderItsIdentifier(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v3/REST/message", ""},
		{"POST", "/v3.1/send", simple},
	} {
		a := w.do(t, w.master.Issued, c.method, c.path, c.body)
		var e struct{ ErrorIdentifier string }
		a.decode(t, &e)
		if a.status != 500 || len(e.ErrorIdentifier) != 36 || !strings.Contains(w.log.String(), e.ErrorIdentifier) {
			t.Errorf("%s: %d %s\nlog: %s", c.path, a.status, a.body, w.log)
		}
	}
}

func TestMarketingIsEmpty(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"contact", "contactslist", "contactmetadata", "listrecipient", "campaign", "template", "newsletter"} {
		a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/"+name+"?Limit=1", "")
		if a.body != `{"Count":0,"Data":[],"Total":0}` {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

func TestSendersUserAndProfile(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.addSender(t, sub.Key, "news@example.org")
	for _, c := range []struct{ path, master, sub string }{
		{"sender", `"Email":"*@example.com"`, `"Email":"news@example.org"`},
		{"sender?status=active&domain=example.org", `"Total":0`, `"Total":1`},
		{"sender/news@example.org", `"Object not found"`, `"Total":1`},
		{"user", `"Email":"owner@example.com"`, `"Email":""`},
		{"myprofile", `"CompanyName":"Example"`, `"CompanyName":""`},
	} {
		for _, k := range []struct {
			name, want string
			a          answer
		}{{"master", c.master, w.do(t, w.master.Issued, "GET", "/v3/REST/"+c.path, "")}, {"sub", c.sub, w.do(t, sub, "GET", "/v3/REST/"+c.path, "")}} {
			if !strings.Contains(k.a.body, k.want) {
				t.Errorf("%s as %s: %s; want %s", c.path, k.name, k.a.body, k.want)
			}
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Client = func(*http.Request) (netip.Addr, bool) { panic("a mistake of ours") }
	})
	a := w.do(t, w.master.Issued, "GET", "/v3/REST/apikey", "")
	var e struct{ ErrorIdentifier string }
	a.decode(t, &e)
	if a.status != 500 || strings.Contains(a.body, "mistake") || !strings.Contains(w.log.String(), e.ErrorIdentifier) || !strings.Contains(w.log.String(), "a mistake of ours") {
		t.Errorf("%d %s\n%s", a.status, a.body, w.log)
	}
}
