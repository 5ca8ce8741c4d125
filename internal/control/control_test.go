// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/control"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/messages"
	"postern/internal/store"
)

// open gives the calls over a fresh store with one account, and the gate that it changes.
func open(t *testing.T) (control.Calls, *gate.Gate, control.Credential) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b := backendtest.New(t, backend.Config{Log: log})
	d := control.Local(control.New(control.Config{
		Backend: b, SignInURL: func(token string) string { return "http://x/" + token },
	}), log)
	made := ok(d.CreateAccount(t.Context(), control.NewAccount{Name: "Acme", Email: "owner@example.com"}))
	return d, b.Gate, made
}

// ok is the answer of a call that has to work.
func ok[T any](answer T, err error) T {
	if err != nil {
		panic(err)
	}
	return answer
}

// errOf is the error of a call.
func errOf(_ any, err error) error { return err }

// refusedOn wants a mistake about a field, or about any where it is "".
func refusedOn(t *testing.T, i int, err error, missing bool, field string) {
	t.Helper()
	var e *change.Error
	if !errors.As(err, &e) || (e.Kind == change.NotFound) != missing || e.Reason == "" || field != "" && e.Field != field {
		t.Errorf("%d: %v; want it on %q, missing %v", i, err, field, missing)
	}
}

func verify(g *gate.Gate, c control.Credential) error {
	_, err := g.Verify(gate.Source{Protocol: "http"}, c.APIKey, c.SecretKey)
	return err
}

// TestResetReachesTheGate: when the call has returned, the old secret opens nothing and the new one does.
func TestResetReachesTheGate(t *testing.T) {
	d, g, old := open(t)
	if err := verify(g, old); err != nil {
		t.Fatal(err)
	}
	fresh := ok(d.ResetKey(t.Context(), "Acme", keys.Reset{}))
	if verify(g, old) == nil {
		t.Error("the old secret is let in after the reset")
	}
	if err := verify(g, fresh); err != nil {
		t.Errorf("the new secret: %v", err)
	}
}

// TestKeysAreNamed: by API key, number, name, and by nothing when there is one account.
func TestKeysAreNamed(t *testing.T) {
	d, _, made := open(t)
	for _, which := range []string{"", "Acme", made.APIKey, strings.ToUpper(made.APIKey), fmt.Sprint(made.KeyID)} {
		if s, err := d.AddSender(t.Context(), which, "a@example.com", ""); err != nil || s.APIKey != made.APIKey {
			t.Errorf("%q: %+v, %v", which, s, err)
		}
	}
	// A name that is a number goes before the number.
	other := ok(d.CreateKey(t.Context(), control.NewKey{Name: fmt.Sprint(made.KeyID)}))
	if s, err := d.AddSender(t.Context(), other.Name, "a@example.com", ""); err != nil || s.APIKey != other.APIKey {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSentMailIsKept: a test mail is found with its source, by number and by UUID.
func TestSentMailIsKept(t *testing.T) {
	d, _, _ := open(t)
	ok(d.AddSender(t.Context(), "", "example.com", ""))
	sent := ok(d.Send(t.Context(), "", messages.Test{To: []string{"Freund <ä@example.org>", "b@example.org"}, Subject: "Grüße", Text: "Hallo"}))
	if len(sent.Messages) != 2 || sent.From != "postern@example.com" {
		t.Fatalf("%+v", sent)
	}
	for _, which := range []string{fmt.Sprint(sent.Messages[0].ID), sent.Messages[0].UUID} {
		if m, err := d.ShowMessage(t.Context(), which); err != nil || m.To != "ä@example.org" || m.Subject != "Grüße" || m.Status != "queued" {
			t.Errorf("%s: %+v, %v", which, m, err)
		}
	}
	if raw, err := d.ShowSource(t.Context(), fmt.Sprint(sent.Messages[1].ID)); err != nil || !strings.Contains(string(raw), "\r\n\r\nHallo") {
		t.Errorf("%s, %v", raw, err)
	}
	if list, err := d.ListMessages(t.Context(), "b@example", "", store.MessageFilter{}, 1); err != nil || len(list) != 1 || list[0].To != "b@example.org" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestErrorsNameTheField: each mistake says where it is, and changes nothing.
func TestErrorsNameTheField(t *testing.T) {
	d, _, _ := open(t)
	for i, x := range []struct {
		missing bool // it names what is not there
		field   string
		err     error
	}{
		{false, "Name", errOf(d.CreateAccount(t.Context(), control.NewAccount{Name: " ", Email: "a@example.com"}))},
		{false, "Email", errOf(d.CreateAccount(t.Context(), control.NewAccount{Name: "B", Email: "nobody"}))},
		{false, "Email", errOf(d.CreateAccount(t.Context(), control.NewAccount{Name: "B", Email: "OWNER@example.com"}))},
		{false, "Name", errOf(d.CreateKey(t.Context(), control.NewKey{Name: "Acme"}))},
		{true, "Account", errOf(d.CreateKey(t.Context(), control.NewKey{Account: "Nobody", Name: "x"}))},
		{true, "Key", errOf(d.ResetKey(t.Context(), "nobody", keys.Reset{}))},
		{true, "Key", errOf(d.ChangeKey(t.Context(), "nobody", control.KeyChange{}))},
		{false, "Email", errOf(d.AddSender(t.Context(), "", "a b@example.com", ""))},
		{true, "Email", errOf(d.RemoveSender(t.Context(), "", "a@example.com"))},
		{false, "From", errOf(d.Send(t.Context(), "", messages.Test{To: []string{"a@example.org"}}))},
		{false, "", errOf(d.Send(t.Context(), "", messages.Test{From: "a@example.com", To: []string{"a@example.org"}}))},
		{false, "To", errOf(d.Send(t.Context(), "", messages.Test{From: "a@example.com", To: []string{"@"}}))},
		{false, "From", errOf(d.Send(t.Context(), "", messages.Test{From: "a\r\nBcc: x@example.org", To: []string{"a@example.org"}}))},
		{true, "Email", errOf(d.CreateSignInLink(t.Context(), "stranger@example.com", false))},
		{false, "limit", errOf(d.ListMessages(t.Context(), "", "", store.MessageFilter{}, 1001))},
		{false, "Message", errOf(d.ShowMessage(t.Context(), "x"))},
		{true, "Message", errOf(d.ShowMessage(t.Context(), "1"))},
		{true, "Account", errOf(d.ListKeys(t.Context(), control.KeyList{Account: "x"}))},
		{true, "Key", errOf(d.ListSenders(t.Context(), "x"))},
	} {
		refusedOn(t, i, x.err, x.missing, x.field)
	}
	if list, err := d.ListAccounts(t.Context()); err != nil || len(list) != 1 || list[0].Keys != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// A script reads of a time that has not come that there is none, not that it was in the year 1.
func TestTimesThatAreNotThere(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var look func(x reflect.Type)
	look = func(x reflect.Type) {
		for x.Kind() == reflect.Pointer || x.Kind() == reflect.Slice || x.Kind() == reflect.Map {
			x = x.Elem()
		}
		if x.Kind() != reflect.Struct || seen[x] {
			return
		}
		seen[x] = true
		for f := range x.Fields() {
			tag := f.Tag.Get("json")
			if tag == "-" || !f.IsExported() {
				continue
			}
			if f.Type == reflect.TypeFor[time.Time]() && !strings.Contains(tag, "omitzero") && f.Name != "From" && f.Name != "To" {
				t.Errorf("%v.%s is printed when it is not there", x, f.Name)
			}
			look(f.Type)
		}
	}
	for call := range reflect.TypeFor[control.Calls]().Fields() {
		for out := range call.Type.Outs() {
			look(out)
		}
	}
	if len(seen) < 30 {
		t.Errorf("%d types are looked at", len(seen))
	}
}
