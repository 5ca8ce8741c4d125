// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"postern/internal/api"
	"postern/internal/keys"
	"postern/internal/store"
)

// fromHeader lets a test say where a request comes from.
func fromHeader(c *api.Config) {
	c.Client = func(r *http.Request) (netip.Addr, bool) {
		addr, err := netip.ParseAddr(r.Header.Get("X-Test-Address"))
		if err != nil {
			addr = netip.MustParseAddr("127.0.0.1")
		}
		return addr, true
	}
}

// from makes a request from an address.
func (w *world) from(t testing.TB, address string, key keys.Issued, method, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(key.Key.APIKey, key.Secret)
	r.Header.Set("X-Test-Address", address)
	return w.send(t, r)
}

// made makes a subaccount over the API, and gives it the sender *@example.com.
func (w *world) made(t testing.TB, properties obj) keys.Issued {
	t.Helper()
	if properties["Name"] == nil {
		properties["Name"] = "restricted"
	}
	var got keyList
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikey", text(properties)).decode(t, &got)
	k, err := w.store.Key(t.Context(), store.OfOperator(), store.KeyFilter{ID: got.Data[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	w.addSender(t, k, "*@example.com")
	return keys.Issued{Key: k, Secret: got.Data[0].SecretKey}
}

// Each restriction is given with the key, and holds for its first request; taken away, it does not hold any more.
func TestRestrictionsAreEnforced(t *testing.T) {
	anyFrom := call(with(obj{"From": obj{"Email": "b@example.com"}}))
	for _, c := range []struct {
		name       string
		on, off    obj
		fine, over string // a request that is let in, and one that is not
		status     int
		words      string
	}{
		{"permissions", obj{"Permissions": []string{"statistics", "manage"}}, obj{"Permissions": []string{"send", "statistics", "manage"}}, "", simple, 403, "lacks the permission send"},
		{"networks", obj{"Networks": []string{"192.0.2.0/24", "2001:db8::1"}}, obj{"Networks": []string{}}, "", simple, 403, "may not be used from 127.0.0.1"},
		{"senders", obj{"AllowedSenders": []string{"a@example.com"}}, obj{"AllowedSenders": ""}, simple, anyFrom, 403, "send-0008"},
		{"hour", obj{"HourLimit": 1}, obj{"HourLimit": 0}, simple, simple, 429, "mj-0014"},
		{"day", obj{"DayLimit": 1}, obj{"DayLimit": 0}, simple, simple, 429, "mj-0014"},
		{"month", obj{"MonthLimit": 1}, obj{"MonthLimit": 0}, simple, simple, 429, "mj-0014"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, fromHeader)
			k := w.made(t, c.on)
			if c.fine != "" {
				w.mustDo(t, k, 200, "POST", "/v3.1/send", c.fine)
			}
			a := w.mustDo(t, k, c.status, "POST", "/v3.1/send", c.over)
			if !strings.Contains(a.body, c.words) {
				t.Error(a.body)
			}
			seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
			if limited := c.status == 429; limited != (err == nil && seconds > 0) {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
			w.mustDo(t, w.master.Issued, 200, "PUT", fmt.Sprint("/v3/REST/apikey/", k.Key.ID), text(c.off))
			w.mustDo(t, k, 200, "POST", "/v3.1/send", c.over)
		})
	}
}

func TestNetworksLetTheirOwnIn(t *testing.T) {
	w := newWorld(t, fromHeader)
	k := w.made(t, obj{"Networks": []string{"192.0.2.0/24", "2001:db8::1"}})
	for address, status := range map[string]int{"192.0.2.255": 200, "::ffff:192.0.2.1": 200, "2001:db8::1": 200, "192.0.3.0": 403, "2001:db8::2": 403} {
		if a := w.from(t, address, k, "GET", "/v3/REST/apikey", ""); a.status != status {
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
	}
	// A wrong secret from elsewhere is not told that there are networks.
	k.Secret = strings.Repeat("x", 40)
	if a := w.from(t, "192.0.3.0", k, "GET", "/v3/REST/apikey", ""); a.status != 401 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestMailOverTheHourMayWait(t *testing.T) {
	w := newWorld(t)
	k := w.made(t, obj{"HourLimit": 1, "OverHourWaits": true})
	w.mustDo(t, k, 200, "POST", "/v3.1/send", simple)
	w.mustDo(t, k, 200, "POST", "/v3.1/send", simple)
	var list struct{ Total int }
	w.mustDo(t, k, 200, "GET", "/v3/REST/message?MessageStatus=queued", "").decode(t, &list)
	if list.Total != 2 {
		t.Errorf("%+v", list)
	}
}

func TestLimitsInABatch(t *testing.T) {
	two := call(with(nil), with(obj{"To": boxes(2)}))
	for _, c := range []struct {
		name   string
		limit  int
		body   string
		status int
		errors int
	}{
		{"one fits", 1, two, 400, 1}, // made again, it would send the first twice
		{"none fits", 1, call(with(obj{"To": boxes(2)}), with(obj{"To": boxes(3)})), 429, 2},
		{"another mistake", 1, call(with(obj{"To": boxes(2)}), with(obj{"TextPart": nil})), 400, 1},
		{"all fit", 3, two, 200, 0},
	} {
		w := newWorld(t)
		k := w.made(t, obj{"DayLimit": c.limit})
		a := w.mustDo(t, k, c.status, "POST", "/v3.1/send", c.body)
		if n := strings.Count(a.body, `"ErrorCode":"mj-0014","StatusCode":429`); n != c.errors {
			t.Errorf("%s: %d errors of limits in %s", c.name, n, a.body)
		}
		if got := a.header.Get("Retry-After"); (got != "") != (c.status == 429) {
			t.Errorf("%s: Retry-After %q", c.name, got)
		}
		if c.errors > 0 && !strings.Contains(a.body, "The limit of this API key is 1 messages a day, and ") {
			t.Errorf("%s: %s", c.name, a.body)
		}
	}
}

func TestRestrictionsAreShown(t *testing.T) {
	w := newWorld(t)
	k := w.made(t, obj{
		"Name": "all of them", "Reference": "r-1", "IsActive": false, "ACL": "x", "Permissions": "send, manage", "Networks": "192.0.2.0/24,2001:db8::1",
		"AllowedSenders": []string{"A@Example.com", "example.org"}, "HourLimit": 1, "DayLimit": 2, "MonthLimit": 3, "OverHourWaits": true,
	})
	const want = `"AllowedSenders":["a@example.com","*@example.org"]`
	a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey/r-1", "")
	for _, s := range []string{
		`"Reference":"r-1"`, `"IsActive":false`, `"ACL":"x"`, `"Permissions":["send","manage"]`, `"Networks":["192.0.2.0/24","2001:db8::1"]`, want,
		`"HourLimit":1`, `"DayLimit":2`, `"MonthLimit":3`, `"OverHourWaits":true`,
	} {
		if !strings.Contains(a.body, s) {
			t.Errorf("no %s in %s", s, a.body)
		}
	}
	if got := w.do(t, k, "GET", "/v3/REST/apikey", ""); got.status != 401 {
		t.Errorf("made inactive, it is answered with %d", got.status)
	}
	// A change of one leaves the others.
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/r-1", `{"HourLimit": 9}`)
	b := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey/r-1", "")
	if b.body != strings.Replace(a.body, `"HourLimit":1`, `"HourLimit":9`, 1) {
		t.Errorf("%s\n%s", a.body, b.body)
	}
	// One entry of the audit log has the creation with all that restricts it.
	var log struct {
		Total int
		Data  []struct{ Detail string }
	}
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit?Target=key+"+k.Key.APIKey+"&Action=key.create", "").decode(t, &log)
	if log.Total != 1 || !strings.Contains(log.Data[0].Detail, "permissions: send,statistics,manage → send,manage") || !strings.Contains(log.Data[0].Detail, "messages a day: no limit → 2") {
		t.Errorf("%+v", log)
	}
}

// What the operator restricted is shown as theirs, and the master key does not lift it.
func TestTheOperatorsRestrictionStays(t *testing.T) {
	w := newWorld(t)
	k := w.made(t, obj{"Name": "bound"})
	path := fmt.Sprint("/v3/REST/apikey/", k.Key.ID)
	if a := w.mustDo(t, w.master.Issued, 200, "GET", path, ""); strings.Contains(a.body, "RestrictedByOperator") {
		t.Error(a.body)
	}
	c := keys.KeyChange{HourLimit: new(int64(10)), Networks: new("192.0.2.0/24")}
	if _, err := w.Keys.Change(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: k.Key.ID}, c, 0); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"HourLimit": 0}`, `{"HourLimit": 11}`, `{"Networks": []}`} {
		if a := w.mustDo(t, w.master.Issued, 403, "PUT", path, body); !strings.Contains(a.body, "the operator restricted this") {
			t.Error(a.body)
		}
	}
	a := w.mustDo(t, w.master.Issued, 200, "PUT", path, `{"HourLimit": 9}`)
	if !strings.Contains(a.body, `"RestrictedByOperator":["Networks","HourLimit"]`) || !strings.Contains(a.body, `"HourLimit":9`) {
		t.Error(a.body)
	}
}
