// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"postern/internal/auditlog"
	"postern/internal/control"
)

// post asks the door for something that has to work.
func post(t *testing.T, d *control.Client, path string, in, out any) {
	t.Helper()
	if err := d.Post(t.Context(), path, in, out); err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
}

func get(t *testing.T, d *control.Client, path string, out any) {
	t.Helper()
	if err := d.Get(t.Context(), path, out); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// TestRotationAtTheDoor: an overlap with its end, the third secret, and the retirement of the old one.
func TestRotationAtTheDoor(t *testing.T) {
	d, g, first := open(t)
	var second, third control.Credential
	post(t, d, "/keys/Acme/reset", control.KeyReset{OverlapSeconds: 3600}, &second)
	if len(second.Old) != 1 || second.Old[0].ExpiresAt.IsZero() || verify(g, first) != nil || verify(g, second) != nil {
		t.Fatalf("%+v", second)
	}
	post(t, d, "/keys/Acme/reset", control.KeyReset{OverlapSeconds: 3600, EndSecretID: second.Old[0].ID}, &third)
	if verify(g, first) == nil || verify(g, second) != nil || verify(g, third) != nil {
		t.Error("the secret that was named did not end, or another did")
	}
	var k control.KeyDetails
	post(t, d, "/keys/Acme/retire", control.KeyRetire{}, &k)
	if verify(g, second) == nil || verify(g, third) != nil || len(k.Secrets) != 1 || k.Secrets[0].Hint != third.SecretKey[36:] {
		t.Errorf("the old secret of the overlap was not the one that was retired: %+v", k.Secrets)
	}
	var leak control.LeakAnswer
	post(t, d, "/leaked", control.Leak{SecretKey: third.SecretKey}, &leak)
	if !leak.Live || verify(g, third) == nil {
		t.Error("a leaked secret lives")
	}
}

// TestKeysOfManyNames: a reference names a key, but a name and a number go before it.
func TestKeysOfManyNames(t *testing.T) {
	d, _, acme := open(t)
	var shop, other control.Credential
	post(t, d, "/keys", control.NewKey{Name: "Shop", Reference: "c1"}, &shop)
	post(t, d, "/keys", control.NewKey{Name: "Other", Reference: fmt.Sprint(acme.KeyID)}, &other)
	for which, want := range map[string]string{"c1": shop.APIKey, "ref:c1": shop.APIKey, "ref:" + fmt.Sprint(acme.KeyID): other.APIKey, "Shop": shop.APIKey, fmt.Sprint(acme.KeyID): acme.APIKey, strings.ToUpper(other.APIKey): other.APIKey} {
		var k control.KeyDetails
		if get(t, d, "/keys/"+url.PathEscape(which), &k); k.APIKey != want {
			t.Errorf("%q is %s, want %s", which, k.APIKey, want)
		}
	}
	// A key of the same name in another account has to be said by API key.
	post(t, d, "/accounts", control.NewAccount{Name: "Second", Email: "b@example.com"}, nil)
	post(t, d, "/keys", control.NewKey{Account: "Second", Name: "Shop"}, nil)
	var e *control.Error
	if err := d.Get(t.Context(), "/keys/Shop", nil); !errors.As(err, &e) || e.Status != 400 || !strings.Contains(e.Reason, "2 keys are called") {
		t.Errorf("%v", err)
	}
	// But not where the account is said.
	var p control.Person
	post(t, d, "/users/invite", control.Share{Account: "Second", Email: "c@example.com", Role: "analyst", Keys: []string{"Shop"}}, &p)
	if err := d.Post(t.Context(), "/users/invite", control.Share{Account: "Second", Email: "c@example.com", Role: "analyst", Keys: []string{shop.APIKey}}, nil); !errors.As(err, &e) || e.Field != "Key" {
		t.Errorf("a key of another account was shared: %v", err)
	}
}

// TestListsOfKeysAreFiltered by what is asked for.
func TestListsOfKeysAreFiltered(t *testing.T) {
	d, _, _ := open(t)
	for _, name := range []string{"News", "Newer", "Gone", "Off"} {
		post(t, d, "/keys", control.NewKey{Name: name, Reference: "ref-" + name}, nil)
	}
	off := false
	post(t, d, "/keys/Off/change", control.KeyChange{Active: &off}, nil)
	post(t, d, "/keys/Gone/delete", control.KeyDelete{}, nil)
	post(t, d, "/keys/News/suspend", control.Suspension{Reason: "Complaints"}, nil)
	for query, want := range map[string][]string{
		"":                        {"Acme", "Newer", "News", "Off"},
		"search=new":              {"Newer", "News"},
		"search=REF-O":            {"Off"},
		"state=suspended":         {"News"},
		"state=deactivated":       {"Off"},
		"deleted=yes":             {"Gone (deleted 4)"},
		"due=yes":                 nil,
		"account=Acme&search=off": {"Off"},
	} {
		var list []control.Key
		get(t, d, "/keys?"+query, &list)
		var names []string
		for _, k := range list {
			names = append(names, k.Name)
		}
		if slices.Sort(names); !slices.Equal(names, want) {
			t.Errorf("%s: %v, want %v", query, names, want)
		}
	}
}

// TestAccountIsSuspendedAsAWhole: what was suspended for itself stays so, also after a second try.
func TestAccountIsSuspendedAsAWhole(t *testing.T) {
	d, g, acme := open(t)
	var bad, good control.Credential
	post(t, d, "/keys", control.NewKey{Name: "Bad"}, &bad)
	post(t, d, "/keys", control.NewKey{Name: "Good"}, &good)
	off := false
	post(t, d, "/keys/Good/change", control.KeyChange{Active: &off}, nil)
	post(t, d, "/keys/Bad/suspend", control.Suspension{Reason: "Spam"}, nil)
	var n control.KeysChanged
	post(t, d, "/accounts/Acme/suspend", control.Suspension{Reason: "Not paid"}, &n)
	if n != (control.KeysChanged{Changed: 2, Left: 1}) || verify(g, acme) == nil {
		t.Errorf("%+v", n)
	}
	post(t, d, "/accounts/Acme/suspend", control.Suspension{Reason: "Not paid"}, &n)
	if n != (control.KeysChanged{Left: 3}) {
		t.Errorf("the second time: %+v", n)
	}
	var a control.AccountDetails
	if get(t, d, "/accounts/Acme", &a); a.States["suspended"] != 3 {
		t.Errorf("%v", a.States)
	}
	post(t, d, "/accounts/Acme/restore", struct{}{}, &n)
	if n != (control.KeysChanged{Changed: 2, Left: 1}) || verify(g, acme) != nil || verify(g, bad) == nil {
		t.Errorf("%+v", n)
	}
	var k control.KeyDetails
	if get(t, d, "/keys/Good", &k); k.State != "deactivated" {
		t.Errorf("a key that its owner had deactivated is %s after the account's restoration", k.State)
	}
}

// TestAuditIsReadInPages: forwards from any entry, and checked from where a check has come to.
func TestAuditIsReadInPages(t *testing.T) {
	d, _, _ := open(t)
	for i := range 5 {
		post(t, d, "/keys", control.NewKey{Name: fmt.Sprint("K", i)}, nil)
	}
	var all, some []auditlog.Entry
	get(t, d, "/audit?above=0", &all)
	get(t, d, "/audit?above=2&limit=2", &some)
	if len(all) < 7 || len(some) != 2 || some[0] != all[2] || some[1] != all[3] {
		t.Errorf("%d entries; %+v", len(all), some)
	}
	get(t, d, "/audit?above=2&limit=2&action=key.", &some)
	if len(some) != 2 || some[0].Action != "key.create" || some[1].ID < some[0].ID {
		t.Errorf("%+v", some)
	}
	get(t, d, "/audit?limit=1", &some)
	if len(some) != 1 || some[0] != all[len(all)-1] {
		t.Errorf("the newest: %+v", some)
	}
	var check auditlog.Check
	post(t, d, "/audit/check", auditlog.Check{Entries: 2, Hash: all[1].Hash}, &check)
	if !check.Done || check.BrokenAt != 0 || check.Entries != int64(len(all)) || check.Hash != all[len(all)-1].Hash {
		t.Errorf("%+v", check)
	}
	post(t, d, "/audit/check", auditlog.Check{Entries: 2, Hash: all[2].Hash}, &check)
	if check.BrokenAt != 3 {
		t.Errorf("from another hash: %+v", check)
	}
}

// TestMistakesOfALifeNameTheField: each says where it is, and changes nothing.
func TestMistakesOfALifeNameTheField(t *testing.T) {
	d, _, _ := open(t)
	post(t, d, "/plans", control.PlanChange{Name: ptr("Small"), Subaccounts: ptr(int64(1))}, nil)
	post(t, d, "/accounts/Acme/plan", control.PlanOf{Plan: "Small"}, nil)
	post(t, d, "/keys", control.NewKey{Name: "Only", Reference: "c1"}, nil)
	before := entries(t, d)
	for _, x := range []struct {
		path   string
		in     any
		status int
		field  string
	}{
		{"/keys", control.NewKey{Name: "More"}, 400, "Subaccounts"},
		{"/keys/Only/reset", control.KeyReset{OverlapSeconds: 59}, 400, "OverlapSeconds"},
		{"/keys/Only/reset", control.KeyReset{OverlapSeconds: 1 << 62}, 400, "OverlapSeconds"},
		{"/keys/Only/reset", control.KeyReset{OverlapSeconds: -1}, 400, "OverlapSeconds"},
		{"/keys/Only/retire", control.KeyRetire{}, 400, "SecretID"},
		{"/keys/Only/retire", control.KeyRetire{SecretID: 999}, 400, "SecretID"},
		{"/keys/Only/change", control.KeyChange{Permissions: &[]string{}}, 400, "Permissions"},
		{"/keys/Only/change", control.KeyChange{Permissions: &[]string{"fly"}}, 400, "Permissions"},
		{"/keys/Only/change", control.KeyChange{Networks: ptr("10.0.0.1/8")}, 400, "Networks"},
		{"/keys/Only/change", control.KeyChange{AllowedSenders: ptr("a b@")}, 400, "AllowedSenders"},
		{"/keys/Only/change", control.KeyChange{HourLimit: ptr(int64(-1))}, 400, "HourLimit"},
		{"/keys/Only/change", control.KeyChange{Reference: ptr("a/b")}, 400, "Reference"},
		{"/keys/Only/suspend", control.Suspension{}, 400, "Reason"},
		{"/keys/Only/restore", struct{}{}, 400, "State"},
		{"/keys/Acme/delete", control.KeyDelete{}, 400, "ID"},
		{"/keys/nobody/delete", control.KeyDelete{}, 404, "Key"},
		{"/leaked", control.Leak{}, 400, "SecretKey"},
		{"/keys/import", control.KeyImport{Account: "Nobody"}, 404, "Account"},
		{"/keys/import", control.KeyImport{Keys: make([]control.ImportedKey, control.MaxImport+1)}, 400, "Keys"},
		{"/accounts/Nobody/change", control.AccountChange{}, 404, "Account"},
		{"/accounts/Acme/change", control.AccountChange{SecretDays: ptr(0)}, 400, "SecretDays"},
		{"/accounts/Acme/change", control.AccountChange{RemindDays: ptr(90)}, 400, "RemindDays"},
		{"/accounts/Acme/change", control.AccountChange{DayLimit: ptr(int64(-1))}, 400, "DayLimit"},
		{"/accounts/Acme/change", control.AccountChange{Name: ptr(" ")}, 400, "Name"},
		{"/accounts/Acme/plan", control.PlanOf{Plan: "Huge"}, 404, "Plan"},
		{"/accounts/Acme/suspend", control.Suspension{Reason: " "}, 400, "Reason"},
		{"/plans", control.PlanChange{}, 400, "Name"},
		{"/plans", control.PlanChange{Name: ptr("Small")}, 400, "Name"},
		{"/plans/Small/change", control.PlanChange{Users: ptr(int64(-1))}, 400, "Users"},
		{"/plans/Small/remove", struct{}{}, 400, "ID"},
		{"/plans/9/remove", struct{}{}, 404, "Plan"},
		{"/requests", control.NewRequest{Kind: "gold", Wanted: 2, Reason: "x"}, 400, "Kind"},
		{"/requests", control.NewRequest{Kind: "subaccounts", Wanted: 1, Reason: "x"}, 400, "Wanted"},
		{"/requests", control.NewRequest{Kind: "subaccounts", Wanted: 2}, 400, "Reason"},
		{"/requests", control.NewRequest{Kind: "subaccounts", Wanted: 2, Reason: "x", Email: "nobody"}, 400, "Email"},
		{"/requests", control.NewRequest{Kind: "hour", Wanted: 2, Reason: "x"}, 400, "Kind"},
		{"/requests/x/grant", control.RequestAnswer{}, 400, "ID"},
		{"/requests/9/grant", control.RequestAnswer{}, 404, "ID"},
		{"/requests/9/decline", control.RequestAnswer{}, 400, "Reason"},
		{"/users/invite", control.Share{Email: "nobody", Role: "owner"}, 400, "Email"},
		{"/users/invite", control.Share{Email: "a@example.com", Role: "king"}, 400, "Role"},
		{"/users/invite", control.Share{Email: "a@example.com", Role: "owner", Days: 31}, 400, "Days"},
		{"/users/invite", control.Share{Email: "a@example.com", Role: "owner", Keys: []string{"Nothing"}}, 404, "Key"},
		{"/users/access", control.Share{Email: "owner@example.com", Role: "analyst"}, 400, "Role"},
		{"/users/access", control.Share{Email: "a@example.com", Role: "analyst"}, 404, "Email"},
		{"/users/remove", control.Share{Email: "owner@example.com"}, 400, "Role"},
		{"/users/remove", control.Share{Email: "a@example.com"}, 404, "Email"},
		{"/users/operator", control.OperatorOf{Email: "a@example.com", Operator: true}, 404, "Email"},
		{"/audit/check", auditlog.Check{Hash: "xyz"}, 400, "Hash"},
	} {
		err := d.Post(t.Context(), x.path, x.in, nil)
		var e *control.Error
		if !errors.As(err, &e) || e.Status != x.status || e.Reason == "" || e.Field != x.field {
			t.Errorf("POST %s %+v: %v; want %d on %q", x.path, x.in, err, x.status, x.field)
		}
	}
	for _, path := range []string{"/keys?state=odd", "/keys/x", "/keys/x/connections", "/keys/x/suggestion", "/accounts/x", "/users?account=x", "/audit?from=x", "/audit?to=2026-13-01", "/audit?limit=1001", "/audit?above=x", "/audit?account=x"} {
		var e *control.Error
		if err := d.Get(t.Context(), path, nil); !errors.As(err, &e) || e.Status >= 500 || e.Field == "" {
			t.Errorf("GET %s: %v", path, err)
		}
	}
	if after := entries(t, d); after != before {
		t.Errorf("mistakes left %d entries in the log", after-before)
	}
}

func ptr[T any](v T) *T { return &v }

// entries counts the audit log.
func entries(t *testing.T, d *control.Client) int {
	t.Helper()
	var list []auditlog.Entry
	get(t, d, "/audit?limit=1000", &list)
	return len(list)
}

// TestImportSaysOfEachPair: what became of it: what is wrong with one does not keep the others out.
func TestImportSaysOfEachPair(t *testing.T) {
	d, g, _ := open(t)
	pairs := []control.ImportedKey{
		{Name: "A", APIKey: "00112233445566778899aabbccddeeff", SecretKey: "f0e1d2c3b4a5968778695a4b3c2d1e0f"},
		{Name: "Acme", APIKey: "10112233445566778899aabbccddeeff", SecretKey: "e0e1d2c3b4a5968778695a4b3c2d1e0f"},
		{Name: "C", APIKey: "", SecretKey: "d0e1d2c3b4a5968778695a4b3c2d1e0f"},
		{Name: "D", APIKey: "30112233445566778899aabbccddeeff", SecretKey: ""},
		{Name: "E", APIKey: "40112233445566778899aabbccddeeff", SecretKey: "b0e1d2c3b4a5968778695a4b3c2d1e0f"},
	}
	for _, dry := range []bool{true, false} {
		var out []control.Imported
		post(t, d, "/keys/import", control.KeyImport{DryRun: dry, Keys: pairs}, &out)
		var fields []string
		for i, o := range out {
			fields = append(fields, o.Field)
			opens := verify(g, control.Credential{APIKey: pairs[i].APIKey, SecretKey: pairs[i].SecretKey}) == nil
			if good := o.Reason == ""; opens != (good && !dry) || (o.KeyID != 0) != opens {
				t.Errorf("dry run %v, pair %d: %+v, opens %v", dry, i, o, opens)
			}
		}
		if got := strings.Join(fields, ","); got != ",Name,APIKey,SecretKey," {
			t.Errorf("dry run %v: mistakes on %s", dry, got)
		}
	}
}
