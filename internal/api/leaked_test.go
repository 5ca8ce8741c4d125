// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/api"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/store"
)

// Whatever is reported, the answer is the same: only the secret that was live is dead afterwards, and its owners know.
func TestLeakedSecret(t *testing.T) {
	const least = 50 * time.Millisecond
	w := newWorld(t, func(c *api.Config) { c.LeakTime = least })
	sub := w.subaccount(t, "sub")
	old := w.subaccount(t, "old")
	if _, err := w.Keys.Reset(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: old.Key.ID}, keys.Reset{}); err != nil {
		t.Fatal(err)
	}
	var first answer
	for i, c := range []struct{ name, secret, property string }{
		{"live", sub.Secret, "SecretKey"},
		{"dead by now", sub.Secret, "SecretKey"},
		{"dead by a reset", old.Secret, "secretkey"},
		{"never given out", credential.NewSecret(), "Secret"},
		{"another service's", "SG.abcdefghijklmnopqrstuv", "Secret"},
		{"too long", strings.Repeat("x", 3000), "SecretKey"},
	} {
		start := time.Now()
		a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", text(obj{c.property: c.secret}))
		if taken := time.Since(start); taken < least {
			t.Errorf("%s: answered after %v", c.name, taken)
		}
		for _, varies := range []string{"Date", "X-Mj-Request-Guid"} {
			if a.header.Get(varies) == "" {
				t.Errorf("%s: no %s", c.name, varies)
			}
			a.header.Del(varies)
		}
		if i == 0 {
			first = a
			if a := w.do(t, sub, "GET", "/v3/REST/apikey", ""); a.status != 401 {
				t.Errorf("the leaked secret is answered with %d", a.status)
			}
		}
		if a.status != 200 || a.body != first.body || text(a.header) != text(first.header) {
			t.Errorf("%s: %+v; the first was %+v", c.name, a, first)
		}
		if strings.Contains(w.log.String(), c.secret) {
			t.Errorf("%s: the secret is in the log", c.name)
		}
	}
	if first.body != `{"Count":1,"Data":[{"Accepted":true}],"Total":1}` {
		t.Error(first.body)
	}
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey", "") // nobody else's is dead
	var found struct {
		Total int
		Data  []struct{ Target, Actor, Origin string }
	}
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit?Action=key.leaked", "").decode(t, &found)
	if found.Total != 1 || found.Data[0].Target != "key "+sub.Key.APIKey || found.Data[0].Origin != "127.0.0.1" || found.Data[0].Actor == "" {
		t.Errorf("%+v", found)
	}
	if w.notices(t, notice.CredentialLeaked) != 1 {
		t.Error("the owners are not told once")
	}
}

// notices counts what waits to be told, of a kind.
func (w *world) notices(t testing.TB, kind string) int {
	t.Helper()
	list, err := w.store.DueNotices(t.Context(), time.Now().Add(time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range list {
		if x.Kind == kind {
			n++
		}
	}
	return n
}

func TestLeakedSecretRefusals(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, method, body string
		status             int
		words              string
	}{
		{"nothing", "POST", ``, 400, "Property SecretKey"},
		{"no secret", "POST", `{}`, 400, "Property SecretKey"},
		{"empty", "POST", `{"Secret": " "}`, 400, "Property Secret:"},
		{"of another type", "POST", `{"SecretKey": 5}`, 400, "Property SecretKey: expected a string"},
		{"malformed", "POST", `{"SecretKey": "`, 400, "Invalid json input"},
		{"large", "POST", `{"SecretKey": "` + strings.Repeat("x", 256<<10) + `"}`, 413, "262144 bytes"},
		{"not posted", "GET", ``, 405, "Offered: POST"},
	} {
		if a := w.as(t, "", "", c.method, "/v3/REST/leakedsecret", c.body); a.status != c.status || !strings.Contains(a.body, c.words) {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	free := api.FillLeaks(w.server.Config.Handler)
	body := text(obj{"SecretKey": w.master.Secret})
	if a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", body); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %v %s", a.status, a.header, a.body)
	}
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey", "") // refused is not done
	free()
	if a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", body); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.do(t, w.master.Issued, "GET", "/v3/REST/apikey", ""); a.status != 401 {
		t.Errorf("the leaked secret is answered with %d", a.status)
	}
}

func TestLeakedSecretInClearText(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Client = func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false }
	})
	if a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", text(obj{"SecretKey": w.master.Secret})); a.status != 403 || !strings.Contains(a.body, "https") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A flood of reports from one source does not keep out a report from another. Sources of IPv6 are networks.
func TestOneSourceCannotFillTheReports(t *testing.T) {
	for name, from := range map[string]func(i int) string{
		"an IPv4 address":         func(int) string { return "192.0.2.1" },
		"addresses of one /64":    func(i int) string { return fmt.Sprintf("2001:db8::%x", i+1) },
		"an address in two forms": func(i int) string { return []string{"192.0.2.1", "::ffff:192.0.2.1"}[i%2] },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *api.Config) {
				c.LeakTime = time.Hour // who reports hangs up
				c.Client = func(r *http.Request) (netip.Addr, bool) { return netip.MustParseAddr(r.Header.Get("From-Test")), true }
			})
			h := w.server.Config.Handler
			report := func(ctx context.Context, from, secret string) int {
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v3/REST/leakedsecret", strings.NewReader(text(obj{"SecretKey": secret})))
				r.Header.Set("From-Test", from)
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				return rec.Code
			}
			ctx, hangUp := context.WithCancel(t.Context())
			var flood sync.WaitGroup
			defer flood.Wait()
			defer hangUp()
			refused := make(chan int, 100)
			for i := range 100 {
				flood.Go(func() {
					if report(ctx, from(i), credential.NewSecret()) == http.StatusTooManyRequests {
						refused <- i
					}
				})
			}
			for range 96 { // four have places until they hang up
				<-refused
			}
			gone, hangUpToo := context.WithCancel(t.Context())
			hangUpToo() // the report holds all the same
			if got := report(gone, "198.51.100.1", w.master.Secret); got != http.StatusOK {
				t.Errorf("a report from elsewhere: %d", got)
			}
			if _, err := w.gate.Verify(gate.Source{}, w.master.Key.APIKey, w.master.Secret); err == nil {
				t.Error("the secret that was reported is live")
			}
		})
	}
}

// The URL at which a secret was found stands in the audit log and in the notice; it is a stranger's, and kept as text.
func TestLeakedSecretWithURL(t *testing.T) {
	for name, x := range map[string]struct{ url, want string }{
		"https":             {"https://github.com/acme/shop/blob/1234/config.py#L10", "https://github.com/acme/shop/blob/1234/config.py#L10"},
		"http":              {" http://paste.example/x ", "http://paste.example/x"},
		"with a password":   {"https://anna:hunter2@git.example/x", "https://git.example/x"},
		"not ASCII":         {"https://example.com/J\u00fcrgen?q=a b\u202e", "https://example.com/J%C3%BCrgen?q=a%20b%E2%80%AE"},
		"with the secret":   {"https://example.com/?key=SECRET&x", "https://example.com/?key=pstn...&x"},
		"with a secret":     {"https://example.com/?key=" + credential.NewSecret() + "&x", "https://example.com/?key=pstn...&x"},
		"none":              {"", ""},
		"markup stays text": {"https://example.com/<b>", "https://example.com/%3Cb%3E"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sub := w.subaccount(t, "sub")
			url := strings.ReplaceAll(x.url, "SECRET", sub.Secret)
			if a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", text(obj{"SecretKey": sub.Secret, "Url": url})); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			w.foundAt(t, x.want, "")
		})
	}
}

// foundAt looks that the audit log and the notices, in any order, tell of secrets found at URLs.
func (w *world) foundAt(t *testing.T, urls ...string) {
	t.Helper()
	var log struct{ Data []struct{ Detail string } }
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit?Action=key.leaked", "").decode(t, &log)
	list, err := w.store.DueNotices(t.Context(), time.Now().Add(time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	outbox, err := notice.New([]byte("0123456789abcdefghijklmnopqrstuv"), nil)
	if err != nil {
		t.Fatal(err)
	}
	noticed := map[string]bool{}
	for _, x := range list {
		n, err := outbox.Open(x)
		if err != nil {
			t.Fatal(err)
		}
		noticed[n.FoundURL] = true
	}
	for _, u := range urls {
		if u == "" {
			continue
		}
		if !noticed[u] || !slices.ContainsFunc(log.Data, func(e struct{ Detail string }) bool { return strings.HasSuffix(e.Detail, "; found at "+u) }) {
			t.Errorf("%s is not in the audit log and the notices: %v, %v", u, log.Data, noticed)
		}
	}
}

func TestLeakedSecretWithWrongURL(t *testing.T) {
	w := newWorld(t)
	for _, url := range []string{`"javascript:alert(1)"`, `"ftp://example.com/x"`, `"example.com"`, `"https://"`, `"https://e.com/` + strings.Repeat("x", 2000) + `"`, `5`} {
		a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", `{"SecretKey": "`+w.master.Secret+`", "Url": `+url+`}`)
		if a.status != 400 || !strings.Contains(a.body, "Property Url: ") {
			t.Errorf("%s: %d %s", url, a.status, a.body)
		}
	}
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey", "") // refused is not done
}

// What GitHub's secret scanning sends to its partners ends the secrets in it, and is answered in the form in which it takes
// whether a match was one: by the form of the text alone.
func TestLeakedSecretsOfAScanner(t *testing.T) {
	const least = 50 * time.Millisecond
	w := newWorld(t, func(c *api.Config) { c.LeakTime = least })
	one, two, three := w.subaccount(t, "one"), w.subaccount(t, "two"), w.subaccount(t, "three")
	unknown := credential.NewSecret()
	report := []obj{
		{"token": one.Secret, "type": "postern_secret_key", "url": "https://github.com/acme/a", "source": "content"},
		{"token": two.Secret, "type": "postern_secret_key", "url": "", "source": "commit"},
		{"token": two.Secret, "type": "postern_secret_key", "url": "https://github.com/acme/b", "source": "commit"},
		{"token": three.Secret, "type": "postern_secret_key", "url": "not a URL"},
		{"token": unknown, "type": "postern_secret_key", "url": "https://github.com/acme/c"},
		{"token": unknown[:39] + "-", "type": "x"},
	}
	send := func() (answer, time.Duration) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v3/REST/leakedsecret", strings.NewReader(text(report)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Github-Public-Key-Identifier", "nobody's")
		r.Header.Set("Github-Public-Key-Signature", "bm9uZQ==")
		start := time.Now()
		res, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // read whole
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{status: res.StatusCode, body: string(body)}, time.Since(start)
	}
	first, taken := send()
	again, _ := send()
	if first.status != 200 || first.body != again.body || taken < least {
		t.Fatalf("%d %s after %v; when they were dead %s", first.status, first.body, taken, again.body)
	}
	var got []struct {
		Hash  string `json:"token_hash"`
		Type  string `json:"token_type"`
		Label string
	}
	if err := json.Unmarshal([]byte(first.body), &got); err != nil || len(got) != len(report) {
		t.Fatal(first.body, err)
	}
	for i, x := range report {
		want := "true_positive"
		if i == 5 {
			want = "false_positive"
		}
		if hash := fmt.Sprintf("%x", sha256.Sum256([]byte(x["token"].(string)))); got[i].Hash != hash || got[i].Type != x["type"] || got[i].Label != want {
			t.Errorf("%d: %+v", i, got[i])
		}
	}
	for _, k := range []keys.Issued{one, two, three} {
		if a := w.do(t, k, "GET", "/v3/REST/apikey", ""); a.status != 401 {
			t.Errorf("a leaked secret is answered with %d", a.status)
		}
	}
	w.foundAt(t, "https://github.com/acme/a", "https://github.com/acme/b")
	if n := w.notices(t, notice.CredentialLeaked); n != 3 {
		t.Errorf("%d notices", n)
	}
}

func TestLeakedSecretsOfAScannerAreBounded(t *testing.T) {
	w := newWorld(t)
	live := `{"token": "` + w.master.Secret + `"}`
	for name, x := range map[string]struct {
		body   string
		status int
		words  string
	}{
		"none":             {`[]`, 400, "an array of objects"},
		"a string":         {`"` + w.master.Secret + `"`, 400, "an array of objects"},
		"not an object":    {`[` + live + `, 5]`, 400, "Element 2: Expected an object"},
		"without a secret": {`[` + live + `, {"type": "x"}]`, 400, "Element 2: Property token"},
		"one too many":     {`[` + live + strings.Repeat(`, {"token": "x"}`, 100) + `]`, 413, "100 secret keys at most"},
	} {
		if a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", x.body); a.status != x.status || !strings.Contains(a.body, x.words) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey", "") // refused is not done
	if a := w.as(t, "", "", "POST", "/v3/REST/leakedsecret", `[`+live+strings.Repeat(`, {"token": "x"}`, 99)+`]`); a.status != 200 {
		t.Errorf("a hundred: %d %s", a.status, a.body)
	}
	if a := w.do(t, w.master.Issued, "GET", "/v3/REST/apikey", ""); a.status != 401 {
		t.Errorf("the leaked secret is answered with %d", a.status)
	}
}
