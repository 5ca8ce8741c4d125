// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/control"
	"postern/internal/gate"
)

// open gives a client of a door over a fresh store with one account, and the gate that it changes.
func open(t *testing.T) (*control.Client, *gate.Gate, control.Credential) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b := backendtest.New(t, backend.Config{Log: log})
	d := control.Local(control.New(control.Config{
		Backend: b, SignInURL: func(token string) string { return "http://x/" + token }, Hostname: "mail.example.com", Log: log,
	}))
	var made control.Credential
	if err := d.Post(t.Context(), "/accounts", control.NewAccount{Name: "Acme", Email: "owner@example.com"}, &made); err != nil {
		t.Fatal(err)
	}
	return d, b.Gate, made
}

func verify(g *gate.Gate, c control.Credential) error {
	_, err := g.Verify(gate.Source{Protocol: "http"}, c.APIKey, c.SecretKey)
	return err
}

// TestResetReachesTheGate: when the door has answered, the old secret opens nothing and the new one does.
func TestResetReachesTheGate(t *testing.T) {
	d, g, old := open(t)
	if err := verify(g, old); err != nil {
		t.Fatal(err)
	}
	var fresh control.Credential
	if err := d.Post(t.Context(), "/keys/Acme/reset", struct{}{}, &fresh); err != nil {
		t.Fatal(err)
	}
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
		var s control.Sender
		if err := d.Post(t.Context(), "/senders", control.SenderOf{Key: which, Email: "a@example.com"}, &s); err != nil || s.APIKey != made.APIKey {
			t.Errorf("%q: %+v, %v", which, s, err)
		}
	}
	// A name that is a number goes before the number.
	var other control.Credential
	if err := d.Post(t.Context(), "/keys", control.NewKey{Name: fmt.Sprint(made.KeyID)}, &other); err != nil {
		t.Fatal(err)
	}
	var s control.Sender
	if err := d.Post(t.Context(), "/senders", control.SenderOf{Key: other.Name, Email: "a@example.com"}, &s); err != nil || s.APIKey != other.APIKey {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSentMailIsKept: a test mail is found with its source, by number and by UUID.
func TestSentMailIsKept(t *testing.T) {
	d, _, _ := open(t)
	if err := d.Post(t.Context(), "/senders", control.SenderOf{Email: "example.com"}, nil); err != nil {
		t.Fatal(err)
	}
	var sent control.Sent
	if err := d.Post(t.Context(), "/send", control.NewMail{To: []string{"Freund <ä@example.org>", "b@example.org"}, Subject: "Grüße", Text: "Hallo"}, &sent); err != nil {
		t.Fatal(err)
	}
	if len(sent.Messages) != 2 || sent.From != "postern@example.com" {
		t.Fatalf("%+v", sent)
	}
	for _, which := range []string{fmt.Sprint(sent.Messages[0].ID), sent.Messages[0].UUID} {
		var m control.Message
		if err := d.Get(t.Context(), "/messages/"+which, &m); err != nil || m.To != "ä@example.org" || m.Subject != "Grüße" || m.Status != "queued" {
			t.Errorf("%s: %+v, %v", which, m, err)
		}
	}
	var src control.Source
	if err := d.Get(t.Context(), fmt.Sprintf("/messages/%d/source", sent.Messages[1].ID), &src); err != nil || !strings.Contains(string(src.Raw), "\r\n\r\nHallo") {
		t.Errorf("%s, %v", src.Raw, err)
	}
	var list []control.Message
	if err := d.Get(t.Context(), "/messages?limit=1&search=b@example", &list); err != nil || len(list) != 1 || list[0].To != "b@example.org" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestErrorsNameTheField: each mistake says where it is, and changes nothing.
func TestErrorsNameTheField(t *testing.T) {
	d, _, _ := open(t)
	for _, x := range []struct {
		path   string
		in     any
		status int
		field  string
	}{
		{"/accounts", control.NewAccount{Name: " ", Email: "a@example.com"}, 400, "Name"},
		{"/accounts", control.NewAccount{Name: "B", Email: "nobody"}, 400, "Email"},
		{"/accounts", control.NewAccount{Name: "B", Email: "OWNER@example.com"}, 400, "Email"},
		{"/keys", control.NewKey{Name: "Acme"}, 400, "Name"},
		{"/keys", control.NewKey{Account: "Nobody", Name: "x"}, 404, "Account"},
		{"/keys/nobody/reset", struct{}{}, 404, "Key"},
		{"/keys/nobody/change", control.KeyChange{}, 404, "Key"},
		{"/senders", control.SenderOf{Email: "a b@example.com"}, 400, "Email"},
		{"/senders/remove", control.SenderOf{Email: "a@example.com"}, 404, "Email"},
		{"/send", control.NewMail{To: []string{"a@example.org"}}, 400, "From"},
		{"/send", control.NewMail{From: "a@example.com", To: []string{"a@example.org"}}, 400, ""},
		{"/send", control.NewMail{From: "a@example.com", To: []string{"@"}}, 400, "To"},
		{"/send", control.NewMail{From: "a\r\nBcc: x@example.org", To: []string{"a@example.org"}}, 400, "From"},
		{"/sign-in-links", control.NewLink{Email: "stranger@example.com"}, 404, "Email"},
		{"/keys", map[string]string{"Title": "x"}, 400, ""},
		{"/nothing", struct{}{}, http.StatusNotFound, ""},
	} {
		err := d.Post(t.Context(), x.path, x.in, nil)
		var e *control.Error
		if !errors.As(err, &e) || e.Status != x.status || e.Reason == "" || x.field != "" && e.Field != x.field {
			t.Errorf("POST %s %+v: %v; want %d on %q", x.path, x.in, err, x.status, x.field)
		}
	}
	for _, path := range []string{"/messages?limit=x", "/messages?limit=1001", "/messages/x", "/messages/1", "/keys?account=x", "/senders?key=x"} {
		var e *control.Error
		if err := d.Get(t.Context(), path, nil); !errors.As(err, &e) || e.Status >= 500 {
			t.Errorf("GET %s: %v", path, err)
		}
	}
	var list []control.Account
	if err := d.Get(t.Context(), "/accounts", &list); err != nil || len(list) != 1 || list[0].Keys != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// A script reads of a time that has not come that there is none, not that it was in the year 1.
func TestTimesThatAreNotThere(t *testing.T) {
	files, err := filepath.Glob("wire*.go")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name) //nolint:gosec // our own sources
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "time.Time") && !strings.Contains(line, "omitzero") && !strings.Contains(line, "From, To") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}
