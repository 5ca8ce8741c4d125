// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
	"testing"

	"postern/internal/store"
)

// first reads the one row of an answer.
func (a answer) first(t testing.TB) map[string]any {
	t.Helper()
	var e struct{ Data []map[string]any }
	a.decode(t, &e)
	if len(e.Data) != 1 {
		t.Fatalf("%d rows: %s", len(e.Data), a.body)
	}
	return e.Data[0]
}

func TestProfileIsKept(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	before := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/myprofile", "").first(t)
	if before["CompanyName"] != "Example" || before["AddressCity"] != "" {
		t.Errorf("before: %v", before)
	}
	// What SDKs send: names in any case, numbers where the wire has texts, read-only properties, and what is unknown.
	put := w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/myprofile", `{"addresscity": " Bonn ", "Industry": 123, "EstimatedVolume": 5000, "BirthdayAt": "1960-02-29", "CompanyName": "Example GmbH", "VAT": 19, "ID": 99, "Nothing": true, "Website": null}`).first(t)
	got := w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprintf("/v3/REST/myprofile/%d", w.master.Account.ID), "").first(t)
	for p, want := range map[string]any{"AddressCity": "Bonn", "Industry": "123", "EstimatedVolume": 5000.0, "BirthdayAt": "1960-02-29T00:00:00Z", "CompanyName": "Example GmbH", "VAT": 0.0, "ID": float64(w.master.Account.ID), "Website": ""} {
		if put[p] != want || got[p] != want {
			t.Errorf("%s: put answered %v, then %v; want %v", p, put[p], got[p], want)
		}
	}
	w.mustDo(t, w.master.Issued, 200, "PUT", fmt.Sprintf("/v3/REST/myprofile/%d", w.master.Account.ID), `{"BirthdayAt": "", "CompanyName": ""}`)
	if got := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/myprofile", "").first(t); got["BirthdayAt"] != "" || got["CompanyName"] != "Example" || got["AddressCity"] != "Bonn" {
		t.Errorf("emptied: %v", got)
	}
	if a := w.mustDo(t, sub, 200, "GET", "/v3/REST/myprofile", ""); strings.Contains(a.body, "Bonn") {
		t.Errorf("a subaccount sees %s", a.body)
	}
	audit := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit?Action=profile.change", "")
	if !strings.Contains(audit.body, "changed: CompanyName, Industry, AddressCity, BirthdayAt, EstimatedVolume") || strings.Contains(audit.body, "Bonn") {
		t.Errorf("audit: %s", audit.body)
	}
}

func TestUserIsKept(t *testing.T) {
	w := newWorld(t)
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/user/OWNER@example.com", `{"Locale": "fr_FR", "Timezone": "Europe/Paris", "Email": "owner@example.com", "MaxAllowedAPIKeys": 7}`)
	got := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/user", "").first(t)
	if got["Locale"] != "fr_FR" || got["Timezone"] != "Europe/Paris" || got["MaxAllowedAPIKeys"] != 1e6 {
		t.Errorf("%v", got)
	}
	w.plan(t, w.master.Account.ID, store.Plan{Subaccounts: 4})
	if got := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/user", "").first(t); got["MaxAllowedAPIKeys"] != 5.0 {
		t.Errorf("the plan's: %v", got)
	}
	audit := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit?Action=user.change", "")
	if !strings.Contains(audit.body, "locale: en_US → fr_FR; time zone: UTC → Europe/Paris") {
		t.Errorf("audit: %s", audit.body)
	}
}

func TestProfileAndUserErrors(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		resource, body string
		status         int
		words          string
	}{
		{"myprofile", `{"BillingEmail": "nobody"}`, 400, "Property BillingEmail"},
		{"myprofile", `{"AddressCity": "` + strings.Repeat("x", 101) + `"}`, 400, "more than 100 characters"},
		{"myprofile", `{"AddressCity": ["x"]}`, 400, "Property AddressCity: expected a string"},
		{"myprofile", `{"Website": "a\u0000b"}`, 400, "Property Website"},
		{"myprofile", `{"EstimatedVolume": -1}`, 400, "Property EstimatedVolume"},
		{"myprofile", `{"BirthdayAt": "yesterday"}`, 400, "Property BirthdayAt"},
		{"myprofile", `{"BirthdayAt": "0001-01-02"}`, 400, "Property BirthdayAt"},
		{"myprofile", `[]`, 400, "expected an object"},
		{"myprofile/999", `{}`, 404, "Object not found"},
		{"user", `{"Locale": "English, please"}`, 400, "Property Locale"},
		{"user", `{"Timezone": "Europe / Paris"}`, 400, "Property Timezone"},
		{"user", `{"Timezone": "Mars/Phobos"}`, 400, "Property Timezone: there is no time zone"},
		{"user", `{"Email": "other@example.com"}`, 400, "Property Email"},
		{"user/999", `{}`, 404, "Object not found"},
		{"user/other@example.com", `{}`, 404, "Object not found"},
	} {
		if a := w.do(t, w.master.Issued, "PUT", "/v3/REST/"+c.resource, c.body); a.status != c.status || !strings.Contains(a.body, c.words) {
			t.Errorf("PUT %s %s: %d %s", c.resource, c.body, a.status, a.body)
		}
	}
	if a := w.do(t, w.subaccount(t, "sub"), "GET", "/v3/REST/user/owner@example.com", ""); a.status != 404 {
		t.Errorf("a subaccount finds its owner by address: %d %s", a.status, a.body)
	}
}

func TestKeyTotals(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple)
	if got := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikeytotals", "").first(t); got["ProcessedCount"] != 1.0 || got["QueuedCount"] != 1.0 || got["LastActivity"] == 0.0 {
		t.Errorf("%v", got)
	}
	if got := w.mustDo(t, sub, 200, "GET", "/v3/REST/apikeytotals", "").first(t); got["ProcessedCount"] != 0.0 || got["LastActivity"] != 0.0 {
		t.Errorf("another key's: %v", got)
	}
}

func TestKeyFiltersOfMailjet(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	if _, err := w.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: sub.Key.ID}, "because"); err != nil {
		t.Fatal(err)
	}
	owner := fmt.Sprint(w.master.User.ID)
	for query, total := range map[string]int{
		"KeyType=Master": 1, "KeyType=sub": 1, "KeyType=Sub&IsMaster=true": 0, "CustomStatus=Normal": 1, "CustomStatus=Hardlock": 1, "CustomStatus=Softlock": 0, "CustomStatus=Deleted": 0,
		"User=" + owner: 2, "User=owner@example.com": 2, "User=" + owner + "9": 0, "apikey=" + strings.ToUpper(sub.Key.APIKey): 1,
	} {
		var e struct{ Total int }
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey?"+query, "").decode(t, &e)
		if e.Total != total {
			t.Errorf("%s: %d; want %d", query, e.Total, total)
		}
	}
	for _, query := range []string{"KeyType=x", "CustomStatus=x"} {
		w.mustDo(t, w.master.Issued, 400, "GET", "/v3/REST/apikey?"+query, "")
	}
	for query, total := range map[string]int{"IsActive=true": 1, "IsActive=false": 0, "SubAccount=" + fmt.Sprint(sub.Key.ID): 0} {
		var e struct{ Total int }
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikeyaccess?"+query, "").decode(t, &e)
		if e.Total != total {
			t.Errorf("apikeyaccess %s: %d; want %d", query, e.Total, total)
		}
	}
}
