// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"postern/internal/api"
	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/dns"
	"postern/internal/domain"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// described checks answers against openapi.yaml; making it takes a second.
var described = sync.OnceValues(func() (validator.Validator, error) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions())
	if len(errs) > 0 {
		return nil, fmt.Errorf("%v", errs)
	}
	return v, nil
})

// world is a server with one account: a master key with the sender *@example.com.
type world struct {
	store  *store.Store
	gate   *gate.Gate
	submit *submit.Submit
	*backend.Backend
	dns    dns.Table // of the domains of senders
	server *httptest.Server
	master keys.SignedUp
	log    *bytes.Buffer
	client *http.Client
}

func newWorld(t testing.TB, change ...func(*api.Config)) *world {
	t.Helper()
	return newWorldOf(t, nil, change...)
}

// newWorldOf is newWorld with other parts behind the entry point.
func newWorldOf(t testing.TB, parts func(*backend.Config), change ...func(*api.Config)) *world {
	t.Helper()
	w := &world{store: storetest.New(t), dns: dns.Table{}, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: w.log}, nil))
	serverKey := []byte("0123456789abcdefghijklmnopqrstuv")
	now := time.Now() // it stands still for limits, so that no hour turns in a test
	behind := backend.Config{
		Store: w.store, ServerKey: serverKey, LimitsNow: func() time.Time { return now }, Log: log,
		Domain: domain.Config{
			Resolver: w.dns, SPF: []string{"include:spf.mail.test"}, FilesBetween: 1,
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no web server") },
		},
	}
	if parts != nil {
		parts(&behind)
	}
	w.Backend = backendtest.New(t, behind)
	w.store, w.gate, w.submit = w.Store, w.Gate, w.Submit
	var err error
	w.master, err = w.Keys.SignUp(t.Context(), operator, "Example", "owner@example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.addSender(t, w.master.Key, "*@example.com")
	c := api.Config{Backend: w.Backend, LeakTime: 20 * time.Millisecond, BaseURL: "https://mail.test", Log: log}
	for _, f := range change {
		f(&c)
	}
	w.server = httptest.NewServer(api.New(c))
	t.Cleanup(w.server.Close)
	w.client = &http.Client{Transport: &checked{t: t, inner: w.server.Client().Transport}}
	return w
}

var operator = change.Actor{Kind: change.Operator, Origin: "test"}

func (w *world) addSender(t testing.TB, k store.Key, sender string) store.Sender {
	t.Helper()
	x, err := w.Senders.AddSender(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: k.ID}, sender, "")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (w *world) subaccount(t testing.TB, name string) keys.Issued {
	t.Helper()
	sub, err := w.Keys.CreateSubaccount(t.Context(), operator, w.master.Account.ID, keys.NewKey{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// lockedWriter makes the log of many goroutines one.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// checked is the transport of every client in these tests: no answer escapes the description.
type checked struct {
	t     testing.TB
	inner http.RoundTripper
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close() //nolint:errcheck,gosec // read whole
	if err != nil {
		return nil, err
	}
	if problem := describes(r, resp, body); problem != "" {
		c.t.Errorf("%s %s is answered with %d %s, which is not as described: %s", r.Method, r.URL, resp.StatusCode, body, problem)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// describes says what of an answer is not in the description, "" when all is.
func describes(r *http.Request, resp *http.Response, body []byte) string {
	if resp.Header.Get("X-Mj-Request-Guid") == "" {
		return "no X-Mj-Request-Guid"
	}
	v, err := described()
	if err != nil {
		return err.Error()
	}
	asked := r.Clone(r.Context())
	asked.Body = http.NoBody
	asked.URL.Path, asked.URL.RawPath = api.Canonical(asked)
	answer := *resp
	answer.Body = io.NopCloser(bytes.NewReader(body))
	ok, errs := v.ValidateHttpResponse(asked, &answer)
	if ok {
		return ""
	}
	if resp.StatusCode >= 400 && (errs[0].IsPathMissingError() || errs[0].IsOperationMissingError()) {
		return isError(asked, resp, body)
	}
	var s []string
	for _, e := range errs {
		s = append(s, e.Error())
		for _, x := range e.SchemaValidationErrors {
			s = append(s, x.Reason)
		}
	}
	return strings.Join(s, "; ")
}

// isError checks an error on a path or method that the description does not have.
func isError(r *http.Request, resp *http.Response, body []byte) string {
	want := "application/json"
	if strings.HasPrefix(r.URL.Path, "/v3.1/") {
		want += "; charset=UTF-8"
	}
	if got := resp.Header.Get("Content-Type"); got != want {
		return fmt.Sprintf("Content-Type %q", got)
	}
	if r.Method == http.MethodHead {
		return ""
	}
	var e struct {
		ErrorMessage string
		StatusCode   int
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err.Error()
	}
	if e.ErrorMessage == "" || e.StatusCode != resp.StatusCode {
		return "no error object of its own status"
	}
	return ""
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// decode reads the answer's JSON.
func (a answer) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
}

// do makes a request with the credentials of a key.
func (w *world) do(t testing.TB, key keys.Issued, method, path, body string) answer {
	t.Helper()
	return w.as(t, key.Key.APIKey, key.Secret, method, path, body)
}

func (w *world) as(t testing.TB, user, password, method, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if user != "" || password != "" {
		r.SetBasicAuth(user, password)
	}
	r.Header.Set("Content-Type", "application/json")
	return w.send(t, r)
}

func (w *world) send(t testing.TB, r *http.Request) answer {
	t.Helper()
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // in memory
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// mustDo is do for a request that must be answered with a status.
func (w *world) mustDo(t testing.TB, key keys.Issued, status int, method, path, body string) answer {
	t.Helper()
	a := w.do(t, key, method, path, body)
	if a.status != status {
		t.Fatalf("%s %s %s: %d %s; want %d", method, path, body, a.status, a.body, status)
	}
	return a
}

// chunked posts a body without saying its length.
func (w *world) chunked(t testing.TB, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+path, struct{ io.Reader }{strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(w.master.Key.APIKey, w.master.Secret)
	return w.send(t, r)
}
