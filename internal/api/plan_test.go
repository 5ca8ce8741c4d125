// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/notice"
	"postern/internal/store"
)

func TestPlan(t *testing.T) {
	w := newWorld(t)
	const none = `{"HourMessages":0,"HourMessagesUsed":0,"MonthMessages":0,"MonthMessagesUsed":0,"Name":"","RetentionDays":0,"Subaccounts":0,"SubaccountsUsed":0,"Users":0,"UsersUsed":1}`
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/plan", ""); !strings.Contains(a.body, none) {
		t.Error(a.body)
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/user", ""); !strings.Contains(a.body, `"MaxAllowedAPIKeys":1000000`) {
		t.Error(a.body)
	}
	w.plan(t, w.master.Account.ID, store.Plan{Subaccounts: 2, MonthMessages: 100, HourMessages: 10, Users: 3, RetentionDays: 30})
	sub := w.subaccount(t, "sub")
	w.addSender(t, sub.Key, "*@example.com")
	before := time.Now().UTC().Truncate(time.Hour)
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple)
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", call(with(obj{"To": boxes(2)})))
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikeyaccess", `{"IsWholeAccount": true, "UserALT": "new@example.com"}`)
	a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/plan", "")
	want := `{"HourMessages":10,"HourMessagesUsed":3,"MonthMessages":100,"MonthMessagesUsed":3,"Name":"plan of 1","RetentionDays":30,"Subaccounts":2,"SubaccountsUsed":1,"Users":3,"UsersUsed":2}`
	if !strings.Contains(a.body, want) && before.Equal(time.Now().UTC().Truncate(time.Hour)) {
		t.Errorf("%s; want %s", a.body, want)
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/user", ""); !strings.Contains(a.body, `"MaxAllowedAPIKeys":3`) { // with the master key
		t.Error(a.body)
	}
	if a := w.mustDo(t, sub, 200, "GET", "/v3/REST/user", ""); !strings.Contains(a.body, `"MaxAllowedAPIKeys":1,`) {
		t.Error(a.body)
	}
	// The plan's own limits are refused as a key's are.
	a = w.mustDo(t, sub, 429, "POST", "/v3.1/send", call(with(obj{"To": boxes(8)})))
	if !strings.Contains(a.body, "of the account's plan is 10 messages an hour") {
		t.Error(a.body)
	}
}

func TestMoreSubaccountsAreAskedFor(t *testing.T) {
	w := newWorld(t)
	w.plan(t, w.master.Account.ID, store.Plan{Subaccounts: 1})
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikey", `{"Name": "first"}`)
	a := w.mustDo(t, w.master.Issued, 403, "POST", "/v3/REST/apikey", `{"Name": "second"}`)
	if !strings.Contains(a.body, "allows 1 subaccounts, and the account has 1: ask the operator for more, on the Account page or by POST /v3/REST/subaccountrequest") {
		t.Error(a.body)
	}
	for _, c := range []struct{ name, body, words string }{
		{"nothing", `{}`, "Property Wanted"},
		{"no number", `{"Wanted": "many"}`, "Property Wanted"},
		{"no reason", `{"Wanted": 5}`, "Property Reason"},
		{"no more than there is", `{"Wanted": 1, "Reason": "x"}`, "Property Wanted: must be more than the 1"},
		{"of what is not limited", `{"Kind": "month", "Wanted": 5, "Reason": "x"}`, "Property Kind: there is no limit"},
		{"of what is none", `{"Kind": "money", "Wanted": 5, "Reason": "x"}`, "Property Kind"},
		{"no address", `{"Wanted": 5, "Reason": "x", "Email": "nobody"}`, "Property Email"},
	} {
		if a := w.do(t, w.master.Issued, "POST", "/v3/REST/subaccountrequest", c.body); a.status != 400 || !strings.Contains(a.body, c.words) {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	type list struct {
		Count, Total int
		Data         []struct {
			ID, Wanted                                                         int64
			Kind, Reason, State, Answer, Email, AskedBy, CreatedAt, AnsweredAt string
		}
	}
	var made, got list
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/subaccountrequest", `{"Wanted": 5, "Reason": "Two new shops.", "Email": "Boss@Example.com"}`).decode(t, &made)
	x := made.Data[0]
	if x.Kind != "subaccounts" || x.Wanted != 5 || x.State != "open" || x.Reason != "Two new shops." || x.Email != "boss@example.com" || x.AskedBy != "key "+w.master.Key.APIKey || x.CreatedAt == "" || x.AnsweredAt != "" {
		t.Errorf("%+v", x)
	}
	if w.notices(t, notice.RequestMade) != 1 {
		t.Error("the operators are not told")
	}
	w.mustDo(t, w.master.Issued, 400, "POST", "/v3/REST/subaccountrequest", `{"Wanted": 6, "Reason": "Three."}`)
	if _, err := w.Accounts.Answer(t.Context(), operator, x.ID, true, 0, "Good luck."); err != nil {
		t.Fatal(err)
	}
	w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprint("/v3/REST/subaccountrequest/", x.ID), "").decode(t, &got)
	if got.Data[0].State != "granted" || got.Data[0].Answer != "Good luck." || got.Data[0].AnsweredAt == "" {
		t.Errorf("%+v", got)
	}
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/apikey", `{"Name": "second"}`)
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/subaccountrequest", `{"Wanted": 50, "Reason": "More."}`)
	for query, total := range map[string]int{"": 2, "?State=open": 1, "?State=Granted": 1, "?Kind=users": 0, fmt.Sprint("?ID=", x.ID): 1, "?Limit=1&Offset=1": 2, "?countOnly=1": 2} {
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/subaccountrequest"+query, "").decode(t, &got)
		if got.Total != total || got.Count != len(got.Data) || query == "" && got.Data[0].Wanted != 50 {
			t.Errorf("%q: %+v", query, got)
		}
	}
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/subaccountrequest/99999", "")
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/subaccountrequest/x", "")
}

func TestAuditLog(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.newPrincipal(t, 1, true, 7) // somebody else's log
	w.mustDo(t, w.master.Issued, 200, "PUT", fmt.Sprint("/v3/REST/apikey/", sub.Key.ID), `{"Name": "renamed"}`)
	w.mustDo(t, sub, 200, "POST", fmt.Sprint("/v3/REST/apikey/", sub.Key.ID, "/reset"), `{"OverlapSeconds": 60}`)
	type list struct {
		Count, Total int
		Data         []struct {
			ID                                                     int64
			Action, Actor, CreatedAt, Detail, Hash, Origin, Target string
		}
	}
	var all list
	a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit?Limit=0", "")
	a.decode(t, &all)
	if strings.Contains(a.body, "Cell 1") || strings.Contains(a.body, sub.Secret) {
		t.Errorf("it has what is not to be in it: %s", a.body)
	}
	first := all.Data[0]
	if first.Action != "key.reset" || first.Actor != "key "+sub.Key.APIKey || first.Origin != "127.0.0.1" || first.Target != "key "+sub.Key.APIKey || first.CreatedAt == "" {
		t.Errorf("%+v", first)
	}
	entries, err := w.store.Audit(t.Context(), first.ID-1, 1)
	if err != nil || hex.EncodeToString(entries[0].Hash) != first.Hash {
		t.Errorf("%v: the hash is %s", err, first.Hash)
	}
	for _, c := range []struct {
		query, actions string
		total          int
	}{
		{"", "key.reset key.change key.create sender.add key.create account.create", 6},
		{"?Sort=ID&Limit=2", "account.create key.create", 6},
		{"?Sort=ID+DESC&Limit=1&Offset=1", "key.change", 6},
		{"?Action=key.", "key.reset key.change key.create key.create", 4},
		{"?Action=key.change", "key.change", 1},
		{"?Actor=key+" + w.master.Key.APIKey, "key.change", 1},
		{"?Search=RENAMED", "key.change", 1},
		{"?Target=key+" + sub.Key.APIKey, "key.reset key.change key.create", 3},
		{fmt.Sprint("?ID=", first.ID), "key.reset", 1},
		{"?FromTS=2100-01-01", "", 0},
		{"?ToTS=2100-01-01&countOnly=1", "", 6},
	} {
		var got list
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit"+c.query, "").decode(t, &got)
		var actions []string
		for _, e := range got.Data {
			actions = append(actions, e.Action)
		}
		if strings.Join(actions, " ") != c.actions || got.Total != c.total || got.Count != len(actions) {
			t.Errorf("%q: %v, Total %d; want %s, %d", c.query, actions, got.Total, c.actions, c.total)
		}
	}
	w.mustDo(t, w.master.Issued, 400, "GET", "/v3/REST/audit?FromTS=yesterday", "")
}
