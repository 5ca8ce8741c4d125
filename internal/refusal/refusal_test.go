// SPDX-License-Identifier: Apache-2.0

package refusal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/smtp"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/api"
	"postern/internal/audit"
	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/refusal"
	"postern/internal/smtpd"
	"postern/internal/store"
)

type world struct {
	*refusal.Recorder
	t    *testing.T
	b    *backend.Backend
	log  bytes.Buffer
	now  time.Time
	user store.User
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, b: backendtest.New(t, backend.Config{}), now: time.Now()}
	up, err := w.b.Keys.SignUp(t.Context(), change.Actor{Kind: change.Operator}, "Acme", "owner@example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.user = up.User
	w.Recorder = refusal.New(w.b.Store, func() time.Time { return w.now }, slog.New(slog.NewTextHandler(&w.log, nil)))
	return w
}

// after lets time pass, and what is due be written.
func (w *world) after(d time.Duration) {
	w.now = w.now.Add(d)
	w.Tick(w.t.Context())
}

func (w *world) entries() (out []audit.Entry) {
	w.t.Helper()
	all, err := w.b.Store.Audit(w.t.Context(), 0, 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(e audit.Entry) bool { return e.Action != "user.refused" })
}

func (w *world) lines() int { return strings.Count(w.log.String(), "\n") }

// Each refusal is a line at once, and an entry of the account that is known, by who did it and from where.
func TestOneIsWrittenAtOnce(t *testing.T) {
	w := newWorld(t)
	w.Note(t.Context(), refusal.Refusal{Reason: refusal.Password, From: netip.MustParseAddr("192.0.2.1"), Route: "POST /sign-in", User: w.user})
	w.Note(t.Context(), refusal.Refusal{Reason: refusal.Password, From: netip.MustParseAddr("192.0.2.1"), Route: "POST /sign-in"}) // nobody has the address
	w.Note(t.Context(), refusal.Refusal{Reason: refusal.Role, From: netip.MustParseAddr("2001:db8::1"), Route: "POST /keys/new", User: w.user, SignedIn: true})
	w.Note(t.Context(), refusal.Refusal{Reason: refusal.CrossSite, From: netip.MustParseAddr("192.0.2.2"), Route: "POST /keys/new"})
	w.after(0)
	if w.lines() != 4 || strings.Contains(w.log.String(), "owner@") {
		t.Errorf("the log:\n%s", w.log.String())
	}
	for _, want := range []string{
		fmt.Sprintf(`msg="sign-in refused" source=192.0.2.1 reason=password route="POST /sign-in" user_id=%d account_id=%d`, w.user.ID, w.user.AccountID),
		`msg="request refused" source=2001:db8::1 reason=role route="POST /keys/new" user_id=`, `reason=cross_site`,
	} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("no %s in\n%s", want, w.log.String())
		}
	}
	got := w.entries()
	if len(got) != 2 || got[0].AccountID != w.user.AccountID || got[0].Actor != "somebody not signed in" || got[0].Origin != "192.0.2.1" ||
		got[0].Target != "user owner@example.com" || got[0].Detail != "wrong password (POST /sign-in)" || got[1].Actor != "user owner@example.com" || got[1].Origin != "2001:db8::1" {
		t.Errorf("%+v", got)
	}
	if n := w.Stats().ByReason; n[refusal.Password] != 2 || n[refusal.Role] != 1 || n[refusal.CrossSite] != 1 || n[refusal.Code] != 0 {
		t.Errorf("%v", n)
	}
}

// Who fails without end, from one address or from many, fills neither the log nor the audit log; nothing is left out of the
// numbers.
func TestNobodyFillsTheLogs(t *testing.T) {
	for name, x := range map[string]struct {
		from           func(i int) netip.Addr
		lines, entries int // in three minutes
	}{
		"from one address":   {func(int) netip.Addr { return netip.MustParseAddr("192.0.2.1") }, 10 + 3, 1 + 3},
		"from one /64":       {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)) }, 10 + 3, 1 + 3},
		"from each of a /48": {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::1", i%5000)) }, 10 + 10 + 3*11, 11 + 3*11},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			const each = 5000
			for minute := range 3 {
				for i := range each {
					w.Note(t.Context(), refusal.Refusal{Reason: refusal.Password, From: x.from(minute*each + i), Route: "POST /sign-in", User: w.user})
				}
				w.after(30 * time.Second)
				w.after(30 * time.Second)
			}
			w.after(time.Minute)
			got := w.entries()
			if w.lines() > x.lines || len(got) > x.entries {
				t.Errorf("%d lines and %d entries, want %d and %d at most", w.lines(), len(got), x.lines, x.entries)
			}
			sum := 0
			for _, e := range got {
				n := 1
				if _, after, ok := strings.Cut(e.Detail, "), "); ok {
					if _, err := fmt.Sscanf(after, "%d times", &n); err != nil {
						t.Fatal(e.Detail, err)
					}
				}
				sum += n
			}
			if sum != 3*each || w.Stats().ByReason[refusal.Password] != 3*each {
				t.Errorf("the entries tell of %d, the metric of %d, of %d", sum, w.Stats().ByReason[refusal.Password], 3*each)
			}
		})
	}
}

// What waits is written when the server ends, and a store that takes nothing loses nothing.
func TestWhatWaitsIsWritten(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.Note(t.Context(), refusal.Refusal{Reason: refusal.Code, From: netip.MustParseAddr("192.0.2.1"), Route: "POST /sign-in/second", User: w.user})
	}
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	w.Tick(dead)
	if len(w.entries()) != 0 {
		t.Fatal("it was written")
	}
	if err := w.Run(dead); err != nil {
		t.Fatal(err)
	}
	got := w.entries()
	if len(got) != 2 || got[1].Detail != "wrong code (POST /sign-in/second), 2 times within a minute" {
		t.Errorf("%+v", got)
	}
}

// What the gate refuses has the same code in the log by HTTP and by SMTP, which is the metric's, and is counted by the gate
// alone.
func TestOneCodeByEachProtocol(t *testing.T) {
	by, all := change.Actor{Kind: change.Operator}, store.OfOperator()
	for code, prepare := range map[string]func(w *world, k keys.SignedUp) error{
		"wrong": func(*world, keys.SignedUp) error { return nil },
		"deactivated": func(w *world, k keys.SignedUp) error {
			_, err := w.b.Keys.Change(w.t.Context(), by, all, store.KeyFilter{ID: k.Key.ID}, keys.KeyChange{Active: new(false)}, 0)
			return err
		},
		"suspended": func(w *world, k keys.SignedUp) error {
			_, err := w.b.Keys.Suspend(w.t.Context(), by, store.KeyFilter{ID: k.Key.ID}, "spam")
			return err
		},
		"network": func(w *world, k keys.SignedUp) error {
			_, err := w.b.Keys.Change(w.t.Context(), by, all, store.KeyFilter{ID: k.Key.ID}, keys.KeyChange{Networks: new("192.0.2.0/24")}, 0)
			return err
		},
		"permission": func(w *world, k keys.SignedUp) error {
			_, err := w.b.Keys.Change(w.t.Context(), by, all, store.KeyFilter{ID: k.Key.ID}, keys.KeyChange{Permissions: new(access.MayRead)}, 0)
			return err
		},
		"throttled": func(w *world, _ keys.SignedUp) error {
			for range 30 {
				w.b.Gate.Verify(gate.Source{Addr: netip.MustParseAddr("127.0.0.1")}, "x", "y") //nolint:errcheck // it fails
			}
			return nil
		},
	} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			w.b.Refusals = w.Recorder
			k, err := w.b.Keys.SignUp(t.Context(), by, "Shop", "shop@example.com")
			if err == nil {
				err = prepare(w, k)
			}
			if err != nil {
				t.Fatal(err)
			}
			secret := k.Secret
			if code == "wrong" || code == "throttled" {
				secret = secret[:39] + "-"
			}
			refusedByHTTP(t, w, k.Key.APIKey, secret)
			refusedBySMTP(t, w, k.Key.APIKey, secret)
			got := regexp.MustCompile(`msg="login refused" source=127.0.0.1 reason=(\w+) route=("POST /v3.1/send"|AUTH) user=(\w+)(?: detail=".*")?\n`).FindAllStringSubmatch(w.log.String(), -1)
			want := [][]string{{code, `"POST /v3.1/send"`, k.Key.APIKey}, {code, "AUTH", k.Key.APIKey}}
			if len(got) != 2 || !slices.Equal(got[0][1:], want[0]) || !slices.Equal(got[1][1:], want[1]) || w.lines() != 2 {
				t.Errorf("the log:\n%s", w.log.String())
			}
			if !slices.ContainsFunc(gate.RefusalKinds(), func(k gate.RefusalKind) bool { return k.String() == code && w.b.Gate.Stats().Refused[k] >= 2 }) {
				t.Errorf("the gate has not counted %s twice: %v", code, w.b.Gate.Stats().Refused)
			}
			if n := w.Stats().ByReason[refusal.Throttled]; n != 0 {
				t.Errorf("%d programs are counted as people", n)
			}
			if strings.Contains(w.log.String(), secret) {
				t.Error("the secret is in the log")
			}
		})
	}
}

func refusedByHTTP(t *testing.T, w *world, user, password string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v3.1/send", strings.NewReader("{}"))
	r.RemoteAddr = "127.0.0.1:4321"
	r.SetBasicAuth(user, password)
	answer := httptest.NewRecorder()
	api.New(api.Config{Backend: w.b, BaseURL: "https://mail.test", Log: slog.New(slog.DiscardHandler)}).ServeHTTP(answer, r)
	if answer.Code < 400 {
		t.Errorf("HTTP: %d", answer.Code)
	}
}

func refusedBySMTP(t *testing.T, w *world, user, password string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtpd.New(smtpd.Config{Gate: w.b.Gate, Submit: w.b.Submit, Hostname: "mail.test", Refusals: w.Recorder, Log: slog.New(slog.DiscardHandler)})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	c, err := smtp.Dial(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", user, password, "127.0.0.1")); err == nil {
		t.Error("SMTP: let in")
	}
	c.Close() //nolint:errcheck,gosec // it is over
	if err := errors.Join(s.Shutdown(t.Context()), <-ended); err != nil {
		t.Error(err)
	}
}

// A program whose refusals have no end fills no log, and what it is not shown line by line is there in one.
func TestRefusedProgramsAreSummedUp(t *testing.T) {
	w := newWorld(t)
	no := &gate.Refusal{Kind: gate.NetworkNotAllowed}
	for range 120 {
		if !w.NoteGate(t.Context(), no, netip.MustParseAddr("192.0.2.1"), "AUTH", "x") {
			t.Fatal("it is a refusal of the gate's")
		}
	}
	w.after(time.Minute)
	if w.lines() != 11 || !strings.Contains(w.log.String(), "reason=network route=AUTH user=x times=110") {
		t.Errorf("the log:\n%s", w.log.String())
	}
	if w.NoteGate(t.Context(), context.Canceled, netip.Addr{}, "AUTH", "x") || len(w.entries()) != 0 {
		t.Error("what is none of the gate's is recorded, or what is of no account stands in an audit log")
	}
}
