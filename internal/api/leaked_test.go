// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
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
		{"large", "POST", `{"SecretKey": "` + strings.Repeat("x", 5000) + `"}`, 413, "4096 bytes"},
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
