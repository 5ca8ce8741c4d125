// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/accounts"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/store"
)

const overlap = time.Hour

// TestACallThatEndsASecretIsUnderstoodWhole: what is misspelt, or said in the wrong place, ends nothing.
func TestACallThatEndsASecretIsUnderstoodWhole(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	path := fmt.Sprintf("/v3/REST/apikey/%d", sub.Key.ID)
	for _, x := range []struct{ method, path, body, names string }{
		{"POST", path + "/reset", `{"OverlapSecond": 3600}`, `Property \"overlapsecond\" is not known here`},
		{"POST", path + "/reset", `{"OverlapSeconds": 3600, "Overlap": 1}`, `Property \"overlap\"`},
		{"POST", path + "/reset?OverlapSeconds=3600", `{}`, `parameter \"overlapseconds\"`},
		{"POST", path + "/reset?OverlapSeconds=3600", "", `parameter \"overlapseconds\"`},
		{"POST", path + "/retire", `{"SecretID": 1, "Secret": 2}`, `Property \"secret\"`},
	} {
		a := w.mustDo(t, sub, 400, x.method, x.path, x.body)
		if !strings.Contains(a.body, x.names) || !strings.Contains(a.body, "nothing was changed") {
			t.Errorf("%s %s: %s", x.path, x.body, a.body)
		}
		if w.as(t, sub.Key.APIKey, sub.Secret, "GET", "/v3/REST/apikey", "").status != 200 {
			t.Fatalf("%s %s ended the secret", x.path, x.body)
		}
	}
	if a := w.as(t, w.master.Key.APIKey, w.master.Secret, "DELETE", path+"?Queue=cancel", ""); a.status != 400 || !strings.Contains(a.body, `\"queue\"`) {
		t.Errorf("a deletion with a misspelt parameter: %d %s", a.status, a.body)
	}
	w.mustDo(t, sub, 200, "POST", path+"/reset", `{"overlapseconds": 3600}`) // names are case-insensitive
}

func TestResetWithAnOverlap(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	path := fmt.Sprintf("/v3/REST/apikey/%d", sub.Key.ID)
	opens := func(secret string) bool {
		return w.as(t, sub.Key.APIKey, secret, "GET", "/v3/REST/apikey", "").status == 200
	}

	var got keyList
	w.mustDo(t, sub, 200, "POST", path+"/reset", `{"OverlapSeconds": 3600}`).decode(t, &got)
	first, second := sub.Secret, got.Data[0].SecretKey
	live := got.Data[0].Secrets
	if len(live) != 2 || live[0].Hint != credential.Hint(second) || live[0].ExpiresAt != "" || live[1].Hint != credential.Hint(first) || live[1].ExpiresAt == "" {
		t.Fatalf("%+v", got)
	}
	end, err := time.Parse(time.RFC3339, live[1].ExpiresAt)
	if left := time.Until(end); err != nil || left < 58*time.Minute || left > time.Hour {
		t.Errorf("the old secret ends at %s (%v)", live[1].ExpiresAt, err)
	}
	if !opens(first) || !opens(second) {
		t.Error("one of two live secrets is refused")
	}

	// A third is never live: the caller has to say which one dies.
	a := w.mustDo(t, sub, 400, "POST", path+"/reset", `{"OverlapSeconds": 3600}`)
	if !strings.Contains(a.body, "Property EndSecretID: two secret keys are live already") || !strings.Contains(a.body, credential.Hint(first)) {
		t.Error(a.body)
	}
	if !opens(first) || !opens(second) {
		t.Error("a refused reset has ended a secret")
	}
	w.mustDo(t, sub, 200, "POST", path+"/reset", fmt.Sprintf(`{"OverlapSeconds": 3600, "EndSecretID": %d}`, live[1].ID)).decode(t, &got)
	third := got.Data[0].SecretKey
	if opens(first) || !opens(second) || !opens(third) {
		t.Error("it is not the one that was named that has died")
	}

	// Retired early, by hand.
	sub.Secret = third
	w.mustDo(t, sub, 200, "POST", path+"/retire", fmt.Sprintf(`{"SecretID": %d}`, got.Data[0].Secrets[1].ID)).decode(t, &got)
	if opens(second) || !opens(third) || len(got.Data[0].Secrets) != 1 || got.Data[0].SecretKey != "" {
		t.Errorf("after retiring: %+v", got)
	}

	// Without an overlap both die.
	w.mustDo(t, sub, 200, "POST", path+"/reset", `{"OverlapSeconds": 3600}`).decode(t, &got)
	fourth := got.Data[0].SecretKey
	w.mustDo(t, w.master.Issued, 200, "POST", path+"/reset", `{}`).decode(t, &got)
	if opens(third) || opens(fourth) || !opens(got.Data[0].SecretKey) {
		t.Error("a reset without an overlap leaves an old secret")
	}
}

func TestSecretsTellTheirAge(t *testing.T) {
	w := newWorld(t)
	var got struct {
		Data []struct {
			Secrets []struct {
				DaysLeft         int
				IsDue, IsOverdue bool
			}
		}
	}
	read := func() (int, bool, bool) {
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey/"+w.master.Key.APIKey, "").decode(t, &got)
		x := got.Data[0].Secrets[0]
		return x.DaysLeft, x.IsDue, x.IsOverdue
	}
	if left, due, over := read(); left != 90 || due || over {
		t.Errorf("new: %d %t %t", left, due, over)
	}
	days, remind := 30, 29
	change := accounts.AccountChange{SecretDays: &days, RemindDays: &remind}
	if _, err := w.Accounts.ChangeAccount(t.Context(), operator, w.master.Account.ID, change); err != nil {
		t.Fatal(err)
	}
	if left, due, over := read(); left != 30 || due || over {
		t.Errorf("by a policy of 30 days: %d %t %t", left, due, over)
	}
}

func TestConnectionsAndNetworks(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	second, err := w.Keys.Reset(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: sub.Key.ID}, keys.Reset{Overlap: overlap})
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := sub.Key.Secrets[0].ID, second.Key.Secrets[0].ID
	now := time.Now().Truncate(time.Second)
	err = w.Keys.NoteUses(t.Context(), []gate.Use{
		{SecretID: old, Protocol: "smtp", Address: "192.0.2.7", Client: "cron", First: now.Add(-48 * time.Hour), Last: now.Add(-time.Hour), Count: 7},
		{SecretID: old, Protocol: "http", Address: "192.0.2.9", Client: "curl/8", First: now.Add(-50 * time.Hour), Last: now.Add(-2 * time.Hour), Count: 2},
		{SecretID: fresh, Protocol: "http", Address: "2001:db8::1", Client: "shop", First: now, Last: now, Count: 1},
		{SecretID: fresh, Protocol: "http", Address: "198.51.100.1", Client: "longago", First: now.AddDate(0, 0, -40), Last: now.AddDate(0, 0, -31), Count: 1},
		{SecretID: w.master.Key.Secrets[0].ID, Protocol: "http", Address: "203.0.113.1", Client: "other key", First: now, Last: now, Count: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		SecretID, Count                                    int64
		Protocol, Address, Client, FirstSeenAt, LastSeenAt string
	}
	path := fmt.Sprintf("/v3/REST/apikey/%d/", sub.Key.ID)
	for _, c := range []struct {
		query   string
		total   int
		clients string
	}{
		{"", 4, "shop longago cron curl/8"},
		{fmt.Sprintf("?SecretID=%d", old), 2, "cron curl/8"},
		{"?FromTS=" + now.Add(-90*time.Minute).UTC().Format(time.RFC3339), 2, "shop cron"},
		{fmt.Sprint("?fromts=", now.Unix()), 1, "shop"},
		{"?Limit=2&Offset=1", 4, "longago cron"},
		{"?Sort=Count+DESC&Limit=1", 4, "cron"},
		{"?Sort=LastSeenAt", 4, "longago curl/8 cron shop"},
		{"?countOnly=1", 4, ""},
		{fmt.Sprintf("?SecretID=%d", w.master.Key.Secrets[0].ID), 0, ""},
	} {
		var got struct {
			Count, Total int
			Data         []row
		}
		w.mustDo(t, sub, 200, "GET", path+"connections"+c.query, "").decode(t, &got)
		var clients []string
		for _, x := range got.Data {
			clients = append(clients, x.Client)
		}
		if strings.Join(clients, " ") != c.clients || got.Total != c.total || got.Count != len(clients) {
			t.Errorf("%q: %v, Count %d, Total %d; want %s, %d", c.query, clients, got.Count, got.Total, c.clients, c.total)
		}
		want := row{old, 7, "smtp", "192.0.2.7", "cron", now.Add(-48 * time.Hour).UTC().Format(time.RFC3339), now.Add(-time.Hour).UTC().Format(time.RFC3339)}
		if c.query == "" && !slices.Contains(got.Data, want) {
			t.Errorf("%+v is not in %+v", want, got.Data)
		}
	}
	a := w.mustDo(t, sub, 200, "GET", path+"networks", "")
	if want := `{"Count":1,"Data":[{"Addresses":3,"Days":30,"Networks":["192.0.2.0/24","2001:db8::1"]}],"Total":1}`; a.body != want {
		t.Errorf("%s; want %s", a.body, want)
	}
	for _, bad := range []string{"connections?SecretID=x", "connections?FromTS=yesterday", "connections?Sort=Client"} {
		w.mustDo(t, sub, 400, "GET", path+bad, "")
	}
}

func TestKeysAreFoundByTheirReference(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ name, reference string }{
		{"plain", "customer-7"},
		{"of digits", "4711"},
		{"like an ID", "1"},
		{"like a key", strings.Repeat("ab", 16)},
		{"like ours", "ref:x"},
		{"with spaces", "Kunde Nr. 5 é"},
		{"with a sign", "50% off?#&+"},
	} {
		var made, got keyList
		w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikey", text(obj{"Name": c.name, "Reference": c.reference})).decode(t, &made)
		names := []string{"ref:" + c.reference}
		if c.name == "plain" || c.name == "with spaces" || c.name == "with a sign" {
			names = append(names, c.reference)
		}
		for _, name := range names {
			w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey/"+url.PathEscape(name), "").decode(t, &got)
			if got.Data[0].ID != made.Data[0].ID || got.Data[0].Reference != c.reference {
				t.Errorf("%s: %q is %+v", c.name, name, got.Data[0])
			}
			w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey/"+url.PathEscape(name)+"/connections", "")
		}
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey?Reference="+url.QueryEscape(c.reference), "").decode(t, &got)
		if got.Total != 1 || got.Data[0].Name != c.name {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	// Digits alone are an ID, whatever has them as its reference.
	var got keyList
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey/1", "").decode(t, &got)
	if !got.Data[0].IsMaster {
		t.Errorf("the ID 1 names %+v", got.Data[0])
	}
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/apikey/4711", "")
	a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3/REST/apikey", `{"Name": "twice", "Reference": "4711"}`)
	if !strings.Contains(a.body, "Property Reference: the account has a key with the reference") {
		t.Error(a.body)
	}
	// Cleared, it is free again.
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/ref:4711", `{"Reference": ""}`)
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/apikey/ref:4711", "")
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikey", `{"Name": "again", "Reference": "4711"}`)
}

func TestDeleteSubaccount(t *testing.T) {
	for queued, status := range map[string]string{"": "queued", "?Queued=send": "queued", "?queued=Cancel": "blocked"} {
		w := newWorld(t)
		sub := w.subaccountOf(t, w.master, keys.NewKey{Name: "sub", Reference: "r"})
		w.addSender(t, sub.Key, "*@example.com")
		w.mustDo(t, sub, 200, "POST", "/v3.1/send", simple)
		path := fmt.Sprintf("/v3/REST/apikey/%d", sub.Key.ID)
		if a := w.mustDo(t, w.master.Issued, 204, "DELETE", path+queued, ""); a.body != "" {
			t.Errorf("%q: %s", queued, a.body)
		}
		if a := w.do(t, sub, "GET", "/v3/REST/apikey", ""); a.status != 401 {
			t.Errorf("%q: the secret of a deleted key is answered with %d", queued, a.status)
		}
		w.mustDo(t, w.master.Issued, 404, "GET", path, "")
		w.mustDo(t, w.master.Issued, 404, "DELETE", path, "")
		var got keyList
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey?State=deleted", "").decode(t, &got)
		if got.Total != 1 || got.Data[0].ID != sub.Key.ID || got.Data[0].Runlevel != "Deleted" || got.Data[0].IsActive || len(got.Data[0].Secrets) != 0 {
			t.Errorf("%q: %+v", queued, got)
		}
		list, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
		if err != nil || len(list) != 1 || list[0].Status.String() != status {
			t.Errorf("%q: %+v %v; want %s", queued, list, err, status)
		}
		w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikey", `{"Name": "sub", "Reference": "r"}`)
	}
}

func TestFindKeys(t *testing.T) {
	w := newWorld(t)
	for _, n := range []keys.NewKey{{Name: "Shop", Reference: "b-1"}, {Name: "Newsletter", Reference: "a-2"}, {Name: "Old shop"}} {
		k := w.subaccountOf(t, w.master, n)
		if n.Name == "Newsletter" {
			at := time.Now().Add(time.Hour)
			if err := w.Keys.NoteUses(t.Context(), []gate.Use{{SecretID: k.Key.Secrets[0].ID, Protocol: "http", First: at, Last: at, Count: 1}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/b-1", `{"IsActive": false}`)
	if _, err := w.Keys.Suspend(t.Context(), operator, store.KeyFilter{Name: "Old shop"}, "spam"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ query, names string }{
		{"?Search=SHOP", "Shop, Old shop"},
		{"?Search=a-2", "Newsletter"},
		{"?search=" + w.master.Key.APIKey[:6], "Example"},
		{"?Search=%25", ""},
		{"?State=active", "Example, Newsletter"},
		{"?State=Deactivated", "Shop"},
		{"?State=suspended", "Old shop"},
		{"?State=deleted", ""},
		{"?Sort=Reference+DESC&Limit=2", "Shop, Newsletter"},
		{"?Sort=LastUsed+DESC&Limit=1", "Newsletter"},
		{"?Sort=LastUsedAt", "Example, Shop, Old shop, Newsletter"},
	} {
		var got keyList
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey"+c.query, "").decode(t, &got)
		var names []string
		for _, k := range got.Data {
			names = append(names, k.Name)
			if want := map[bool]string{true: "Hardlock", false: "Normal"}[k.Name == "Old shop"]; k.Runlevel != want {
				t.Errorf("%s has the run level %s", k.Name, k.Runlevel)
			}
		}
		if strings.Join(names, ", ") != c.names {
			t.Errorf("%s: %v; want %s", c.query, names, c.names)
		}
	}
}
