// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
	"testing"

	"postern/internal/store"
)

func TestSenders(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	mail := call(with(obj{"From": obj{"Email": "news@shop.example"}}))
	type list struct {
		Count, Total int
		Data         []struct {
			ID                  int64
			Email, Name, Status string
		}
	}
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", mail)
	var made, got list
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "news@SHOP.example", "Name": "Shop"}`).decode(t, &made)
	x := made.Data[0]
	if x.Email != "news@shop.example" || x.Name != "Shop" || x.Status != "Active" || x.ID == 0 {
		t.Errorf("%+v", x)
	}
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", mail)
	// The master key's own are others.
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/sender/news@shop.example", "")
	w.mustDo(t, w.master.Issued, 404, "DELETE", fmt.Sprint("/v3/REST/sender/", x.ID), "")
	w.mustDo(t, w.master.Issued, 403, "POST", "/v3.1/send", mail)

	w.mustDo(t, sub, 200, "PUT", "/v3/REST/sender/news@shop.example", `{"Name": "The shop", "Email": "other@shop.example"}`).decode(t, &got)
	if got.Data[0].Name != "The shop" || got.Data[0].Email != "news@shop.example" || got.Data[0].ID != x.ID {
		t.Errorf("%+v", got)
	}
	w.mustDo(t, sub, 200, "PUT", fmt.Sprint("/v3/REST/sender/", x.ID), `{}`).decode(t, &got)
	if got.Data[0].Name != "The shop" {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct{ method, path, body, words string }{
		{"POST", "", `{}`, "Property Email"},
		{"POST", "", `{"Email": "a b"}`, "Property Email"},
		{"POST", "", `{"Email": 5}`, "Property Email: expected a string"},
		{"POST", "", `{"Email": "news@shop.example"}`, "is a sender of this API key already"},
		{"POST", "", `{"Email": "b@shop.example", "Name": "` + strings.Repeat("x", 201) + `"}`, "Property Name"},
		{"PUT", "/news@shop.example", `{"Name": "` + strings.Repeat("x", 201) + `"}`, "Property Name"},
	} {
		if a := w.do(t, sub, c.method, "/v3/REST/sender"+c.path, c.body); a.status != 400 || !strings.Contains(a.body, c.words) {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}

	w.mustDo(t, sub, 204, "DELETE", fmt.Sprint("/v3/REST/sender/", x.ID), "")
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", mail)
	w.mustDo(t, sub, 404, "GET", "/v3/REST/sender/news@shop.example", "")
	w.mustDo(t, sub, 404, "PUT", "/v3/REST/sender/news@shop.example", `{"Name": "x"}`)
	w.mustDo(t, sub, 404, "DELETE", "/v3/REST/sender/news@shop.example", "")
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "news@shop.example"}`).decode(t, &got)
	if got.Data[0].ID != x.ID || got.Data[0].Status != "Active" {
		t.Errorf("revived: %+v", got)
	}
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", mail)
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "*@whole.example"}`)
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "anybody@whole.example"}})))

	log, _, err := w.store.FindAudit(t.Context(), store.OfAccount(w.master.Account.ID), store.AuditFilter{Actor: "key " + sub.Key.APIKey}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range log {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "sender.add sender.change sender.remove sender.add sender.add" {
		t.Error(got)
	}
}

// A name is changed without a word on whether the sender is validated.
func TestRenamingValidatesNothing(t *testing.T) {
	w := newWorld(t)
	var id int64
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		x, err := tx.PutSender(t.Context(), store.Sender{KeyID: w.master.Key.ID, Email: "new@example.net", Domain: "example.net", Status: store.SenderInactive})
		id = x.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a := w.mustDo(t, w.master.Issued, 200, "PUT", fmt.Sprint("/v3/REST/sender/", id), `{"Name": "New"}`)
	if !strings.Contains(a.body, `"Name":"New","Status":"Inactive"`) {
		t.Error(a.body)
	}
	if a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3/REST/sender", `{"Email": "new@example.net"}`); !strings.Contains(a.body, "already") {
		t.Error(a.body)
	}
}
