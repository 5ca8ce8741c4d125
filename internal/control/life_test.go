// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/accounts"
	"postern/internal/auditlog"
	"postern/internal/change"
	"postern/internal/control"
	"postern/internal/keys"
)

// TestRotation: an overlap with its end, the third secret, and the retirement of the old one.
func TestRotation(t *testing.T) {
	d, g, first := open(t)
	var second, third control.Credential
	second = ok(d.ResetKey(t.Context(), "Acme", keys.Reset{Overlap: time.Hour}))
	if len(second.Old) != 1 || second.Old[0].ExpiresAt.IsZero() || verify(g, first) != nil || verify(g, second) != nil {
		t.Fatalf("%+v", second)
	}
	third = ok(d.ResetKey(t.Context(), "Acme", keys.Reset{Overlap: time.Hour, EndSecretID: second.Old[0].ID}))
	if verify(g, first) == nil || verify(g, second) != nil || verify(g, third) != nil {
		t.Error("the secret that was named did not end, or another did")
	}
	k := ok(d.RetireSecret(t.Context(), "Acme", 0))
	if verify(g, second) == nil || verify(g, third) != nil || len(k.Secrets) != 1 || k.Secrets[0].Hint != third.SecretKey[36:] {
		t.Errorf("the old secret of the overlap was not the one that was retired: %+v", k.Secrets)
	}
	leak := ok(d.ReportLeak(t.Context(), third.SecretKey, ""))
	if !leak.Live || verify(g, third) == nil {
		t.Error("a leaked secret lives")
	}
}

// TestKeysOfManyNames: a reference names a key, but a name and a number go before it.
func TestKeysOfManyNames(t *testing.T) {
	d, _, acme := open(t)
	var shop, other control.Credential
	shop = ok(d.CreateKey(t.Context(), control.NewKey{Name: "Shop", Reference: "c1"}))
	other = ok(d.CreateKey(t.Context(), control.NewKey{Name: "Other", Reference: fmt.Sprint(acme.KeyID)}))
	for which, want := range map[string]string{"c1": shop.APIKey, "ref:c1": shop.APIKey, "ref:" + fmt.Sprint(acme.KeyID): other.APIKey, "Shop": shop.APIKey, fmt.Sprint(acme.KeyID): acme.APIKey, strings.ToUpper(other.APIKey): other.APIKey} {
		if k := ok(d.ShowKey(t.Context(), which)); k.APIKey != want {
			t.Errorf("%q is %s, want %s", which, k.APIKey, want)
		}
	}
	// A key of the same name in another account has to be said by API key.
	ok(d.CreateAccount(t.Context(), control.NewAccount{Name: "Second", Email: "b@example.com"}))
	ok(d.CreateKey(t.Context(), control.NewKey{Account: "Second", Name: "Shop"}))
	var e *change.Error
	if _, err := d.ShowKey(t.Context(), "Shop"); !errors.As(err, &e) || e.Kind == change.NotFound || !strings.Contains(e.Reason, "2 keys are called") {
		t.Errorf("%v", err)
	}
	// But not where the account is said.
	ok(d.Invite(t.Context(), control.Share{Account: "Second", Email: "c@example.com", Role: "analyst", Keys: []string{"Shop"}}))
	if _, err := d.Invite(t.Context(), control.Share{Account: "Second", Email: "c@example.com", Role: "analyst", Keys: []string{shop.APIKey}}); !errors.As(err, &e) || e.Field != "Key" {
		t.Errorf("a key of another account was shared: %v", err)
	}
}

// TestListsOfKeysAreFiltered by what is asked for.
func TestListsOfKeysAreFiltered(t *testing.T) {
	d, _, _ := open(t)
	for _, name := range []string{"News", "Newer", "Gone", "Off"} {
		ok(d.CreateKey(t.Context(), control.NewKey{Name: name, Reference: "ref-" + name}))
	}
	off := false
	ok(d.ChangeKey(t.Context(), "Off", control.KeyChange{Active: &off}))
	if err := d.DeleteKey(t.Context(), "Gone", false); err != nil {
		t.Fatal(err)
	}
	ok(d.SuspendKey(t.Context(), "News", "Complaints"))
	for _, x := range []struct {
		in   control.KeyList
		want []string
	}{
		{control.KeyList{}, []string{"Acme", "Newer", "News", "Off"}},
		{control.KeyList{Search: "new"}, []string{"Newer", "News"}},
		{control.KeyList{Search: "REF-O"}, []string{"Off"}},
		{control.KeyList{State: "suspended"}, []string{"News"}},
		{control.KeyList{State: "deactivated"}, []string{"Off"}},
		{control.KeyList{Deleted: true}, []string{"Gone (deleted 4)"}},
		{control.KeyList{Due: true}, nil},
		{control.KeyList{Account: "Acme", Search: "off"}, []string{"Off"}},
	} {
		var names []string
		for _, k := range ok(d.ListKeys(t.Context(), x.in)) {
			names = append(names, k.Name)
		}
		if slices.Sort(names); !slices.Equal(names, x.want) {
			t.Errorf("%+v: %v, want %v", x.in, names, x.want)
		}
	}
}

// TestAccountIsSuspendedAsAWhole: what was suspended for itself stays so, also after a second try.
func TestAccountIsSuspendedAsAWhole(t *testing.T) {
	d, g, acme := open(t)
	bad := ok(d.CreateKey(t.Context(), control.NewKey{Name: "Bad"}))
	ok(d.CreateKey(t.Context(), control.NewKey{Name: "Good"}))
	off := false
	ok(d.ChangeKey(t.Context(), "Good", control.KeyChange{Active: &off}))
	ok(d.SuspendKey(t.Context(), "Bad", "Spam"))
	n := ok(d.SuspendAccount(t.Context(), "Acme", "Not paid"))
	if n != (accounts.KeysChanged{Changed: 2, Left: 1}) || verify(g, acme) == nil {
		t.Errorf("%+v", n)
	}
	n = ok(d.SuspendAccount(t.Context(), "Acme", "Not paid"))
	if n != (accounts.KeysChanged{Left: 3}) {
		t.Errorf("the second time: %+v", n)
	}
	if a := ok(d.ShowAccount(t.Context(), "Acme")); a.States["suspended"] != 3 {
		t.Errorf("%v", a.States)
	}
	n = ok(d.RestoreAccount(t.Context(), "Acme"))
	if n != (accounts.KeysChanged{Changed: 2, Left: 1}) || verify(g, acme) != nil || verify(g, bad) == nil {
		t.Errorf("%+v", n)
	}
	if k := ok(d.ShowKey(t.Context(), "Good")); k.State != "deactivated" {
		t.Errorf("a key that its owner had deactivated is %s after the account's restoration", k.State)
	}
}

// TestAuditIsReadInPages: forwards from any entry, and checked from where a check has come to.
func TestAuditIsReadInPages(t *testing.T) {
	d, _, _ := open(t)
	for i := range 5 {
		ok(d.CreateKey(t.Context(), control.NewKey{Name: fmt.Sprint("K", i)}))
	}
	all := ok(d.ListAudit(t.Context(), control.AuditQuery{Above: new(int64(0))}))
	some := ok(d.ListAudit(t.Context(), control.AuditQuery{Above: new(int64(2)), Limit: new(2)}))
	if len(all) < 7 || len(some) != 2 || some[0] != all[2] || some[1] != all[3] {
		t.Errorf("%d entries; %+v", len(all), some)
	}
	some = ok(d.ListAudit(t.Context(), control.AuditQuery{Above: new(int64(2)), Limit: new(2), Action: "key."}))
	if len(some) != 2 || some[0].Action != "key.create" || some[1].ID < some[0].ID {
		t.Errorf("%+v", some)
	}
	some = ok(d.ListAudit(t.Context(), control.AuditQuery{Limit: new(1)}))
	if len(some) != 1 || some[0] != all[len(all)-1] {
		t.Errorf("the newest: %+v", some)
	}
	check := ok(d.CheckAudit(t.Context(), auditlog.Check{Entries: 2, Hash: all[1].Hash}))
	if !check.Done || check.BrokenAt != 0 || check.Entries != int64(len(all)) || check.Hash != all[len(all)-1].Hash {
		t.Errorf("%+v", check)
	}
	check = ok(d.CheckAudit(t.Context(), auditlog.Check{Entries: 2, Hash: all[2].Hash}))
	if check.BrokenAt != 3 {
		t.Errorf("from another hash: %+v", check)
	}
}

// TestMistakesOfALifeNameTheField: each says where it is, and changes nothing.
func TestMistakesOfALifeNameTheField(t *testing.T) {
	d, _, _ := open(t)
	ok(d.CreatePlan(t.Context(), control.PlanChange{Name: ptr("Small"), Subaccounts: ptr(int64(1))}))
	ok(d.AssignPlan(t.Context(), "Acme", "Small"))
	ok(d.CreateKey(t.Context(), control.NewKey{Name: "Only", Reference: "c1"}))
	before := entries(t, d)
	for i, x := range []struct {
		missing bool
		field   string
		err     error
	}{
		{false, "Subaccounts", errOf(d.CreateKey(t.Context(), control.NewKey{Name: "More"}))},
		{false, "OverlapSeconds", errOf(d.ResetKey(t.Context(), "Only", keys.Reset{Overlap: 59 * time.Second}))},
		{false, "OverlapSeconds", errOf(d.ResetKey(t.Context(), "Only", keys.Reset{Overlap: 1 << 62}))},
		{false, "OverlapSeconds", errOf(d.ResetKey(t.Context(), "Only", keys.Reset{Overlap: -1 * time.Second}))},
		{false, "SecretID", errOf(d.RetireSecret(t.Context(), "Only", 0))},
		{false, "SecretID", errOf(d.RetireSecret(t.Context(), "Only", 999))},
		{false, "Permissions", errOf(d.ChangeKey(t.Context(), "Only", control.KeyChange{Permissions: &[]string{}}))},
		{false, "Permissions", errOf(d.ChangeKey(t.Context(), "Only", control.KeyChange{Permissions: &[]string{"fly"}}))},
		{false, "Networks", errOf(d.ChangeKey(t.Context(), "Only", control.KeyChange{Networks: ptr("10.0.0.1/8")}))},
		{false, "AllowedSenders", errOf(d.ChangeKey(t.Context(), "Only", control.KeyChange{AllowedSenders: ptr("a b@")}))},
		{false, "HourLimit", errOf(d.ChangeKey(t.Context(), "Only", control.KeyChange{HourLimit: ptr(int64(-1))}))},
		{false, "Reference", errOf(d.ChangeKey(t.Context(), "Only", control.KeyChange{Reference: ptr("a/b")}))},
		{false, "Reason", errOf(d.SuspendKey(t.Context(), "Only", ""))},
		{false, "State", errOf(d.RestoreKey(t.Context(), "Only"))},
		{false, "ID", d.DeleteKey(t.Context(), "Acme", false)},
		{true, "Key", d.DeleteKey(t.Context(), "nobody", false)},
		{false, "SecretKey", errOf(d.ReportLeak(t.Context(), "", ""))},
		{true, "Account", errOf(d.ImportKeys(t.Context(), control.KeyImport{Account: "Nobody"}))},
		{false, "Keys", errOf(d.ImportKeys(t.Context(), control.KeyImport{Keys: make([]control.ImportedKey, control.MaxImport+1)}))},
		{true, "Account", errOf(d.ChangeAccount(t.Context(), "Nobody", control.AccountChange{}))},
		{false, "SecretDays", errOf(d.ChangeAccount(t.Context(), "Acme", control.AccountChange{SecretDays: ptr(0)}))},
		{false, "RemindDays", errOf(d.ChangeAccount(t.Context(), "Acme", control.AccountChange{RemindDays: ptr(90)}))},
		{false, "DayLimit", errOf(d.ChangeAccount(t.Context(), "Acme", control.AccountChange{DayLimit: ptr(int64(-1))}))},
		{false, "Name", errOf(d.ChangeAccount(t.Context(), "Acme", control.AccountChange{Name: ptr(" ")}))},
		{true, "Plan", errOf(d.AssignPlan(t.Context(), "Acme", "Huge"))},
		{false, "Reason", errOf(d.SuspendAccount(t.Context(), "Acme", " "))},
		{false, "Name", errOf(d.CreatePlan(t.Context(), control.PlanChange{}))},
		{false, "Name", errOf(d.CreatePlan(t.Context(), control.PlanChange{Name: ptr("Small")}))},
		{false, "Users", errOf(d.ChangePlan(t.Context(), "Small", control.PlanChange{Users: ptr(int64(-1))}))},
		{false, "ID", d.RemovePlan(t.Context(), "Small")},
		{true, "Plan", d.RemovePlan(t.Context(), "9")},
		{false, "Kind", errOf(d.MakeRequest(t.Context(), control.NewRequest{Kind: "gold", Wanted: 2, Reason: "x"}))},
		{false, "Wanted", errOf(d.MakeRequest(t.Context(), control.NewRequest{Kind: "subaccounts", Wanted: 1, Reason: "x"}))},
		{false, "Reason", errOf(d.MakeRequest(t.Context(), control.NewRequest{Kind: "subaccounts", Wanted: 2}))},
		{false, "Email", errOf(d.MakeRequest(t.Context(), control.NewRequest{Kind: "subaccounts", Wanted: 2, Reason: "x", Email: "nobody"}))},
		{false, "Kind", errOf(d.MakeRequest(t.Context(), control.NewRequest{Kind: "hour", Wanted: 2, Reason: "x"}))},
		{true, "ID", errOf(d.GrantRequest(t.Context(), 9, 0, ""))},
		{false, "Reason", errOf(d.DeclineRequest(t.Context(), 9, ""))},
		{false, "Email", errOf(d.Invite(t.Context(), control.Share{Email: "nobody", Role: "owner"}))},
		{false, "Role", errOf(d.Invite(t.Context(), control.Share{Email: "a@example.com", Role: "king"}))},
		{false, "Days", errOf(d.Invite(t.Context(), control.Share{Email: "a@example.com", Role: "owner", Days: 31}))},
		{true, "Key", errOf(d.Invite(t.Context(), control.Share{Email: "a@example.com", Role: "owner", Keys: []string{"Nothing"}}))},
		{false, "Role", errOf(d.ChangeAccess(t.Context(), control.Share{Email: "owner@example.com", Role: "analyst"}))},
		{true, "Email", errOf(d.ChangeAccess(t.Context(), control.Share{Email: "a@example.com", Role: "analyst"}))},
		{false, "Role", errOf(d.RemovePerson(t.Context(), control.Share{Email: "owner@example.com"}))},
		{true, "Email", errOf(d.RemovePerson(t.Context(), control.Share{Email: "a@example.com"}))},
		{true, "Email", errOf(d.SetOperator(t.Context(), "a@example.com", true))},
		{false, "Hash", errOf(d.CheckAudit(t.Context(), auditlog.Check{Hash: "xyz"}))},
		{false, "state", errOf(d.ListKeys(t.Context(), control.KeyList{State: "odd"}))},
		{true, "Key", errOf(d.ShowKey(t.Context(), "x"))},
		{true, "Key", errOf(d.ListConnections(t.Context(), "x"))},
		{true, "Key", errOf(d.SuggestNetworks(t.Context(), "x"))},
		{true, "Account", errOf(d.ShowAccount(t.Context(), "x"))},
		{true, "Account", errOf(d.ListPeople(t.Context(), "x"))},
		{false, "limit", errOf(d.ListAudit(t.Context(), control.AuditQuery{Limit: new(1001)}))},
		{true, "Account", errOf(d.ListAudit(t.Context(), control.AuditQuery{Account: "x"}))},
	} {
		refusedOn(t, i, x.err, x.missing, x.field)
	}
	if after := entries(t, d); after != before {
		t.Errorf("mistakes left %d entries in the log", after-before)
	}
}

func ptr[T any](v T) *T { return &v }

// entries counts the audit log.
func entries(t *testing.T, d control.Calls) int {
	t.Helper()
	return len(ok(d.ListAudit(t.Context(), control.AuditQuery{Limit: new(1000)})))
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
		out := ok(d.ImportKeys(t.Context(), control.KeyImport{DryRun: dry, Keys: pairs}))
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
