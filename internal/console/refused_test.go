// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/backend"
	"postern/internal/console"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/throttle"
)

// logged is a log that many write.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take is what was written since the last time.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// Whatever way somebody is refused: there is one line of it with the source, the reason, and the user where one is known; one
// in the metric; one entry in the audit log of a known account. What they gave is in none of these.
func TestRefusalsAreRecorded(t *testing.T) {
	log := &logged{}
	w := newWorldOf(t, func(c *backend.Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) }, func(c *console.Config) {
		c.BaseURL = strings.Replace(c.BaseURL, "127.0.0.1", "localhost", 1) // passkeys want a name
	})
	owner := w.withPassword()
	other := w.user("analyst@example.com", access.Analyst)
	analyst := w.browser()
	analyst.signInAs(other)
	withApp := w.user("app@example.com", access.Analyst)
	b := w.browser()
	b.signInAs(withApp)
	b.post("/password", url.Values{"password": {password}, "repeat": {password}})
	b.addApp()
	half := func() *browser {
		b := w.browser()
		b.post("/sign-in", url.Values{"email": {withApp.Email}, "password": {password}}).at("/sign-in/second")
		return b
	}
	const given = "given-and-not-to-be-logged"
	for _, x := range []struct {
		name   string
		reason refusal.Reason
		user   int64
		entry  bool
		do     func()
	}{
		{"a wrong password", refusal.Password, w.signed.User.ID, true, func() {
			w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {given}})
		}},
		{"nobody's address", refusal.Password, 0, false, func() {
			w.browser().post("/sign-in", url.Values{"email": {given + "@example.com"}, "password": {given}})
		}},
		{"a wrong code", refusal.Code, withApp.ID, true, func() { half().post("/sign-in/second", url.Values{"code": {"000000"}}) }},
		{"a wrong recovery code", refusal.Code, withApp.ID, true, func() { half().post("/sign-in/second", url.Values{"recovery": {given}}) }},
		{"no second step", refusal.Expired, 0, false, func() { w.browser().post("/sign-in/second", url.Values{"code": {"000000"}}) }},
		{"a passkey", refusal.Passkey, 0, false, func() { w.browser().post("/sign-in/passkey", url.Values{"state": {given}, "answer": {given}}) }},
		{"a one-time link", refusal.Link, 0, false, func() { w.browser().post("/welcome/"+given, nil) }},
		{"a link for a new password, opened", refusal.Link, 0, false, func() { w.browser().get("/reset/" + given) }},
		{"a link for a new password, used", refusal.Link, 0, false, func() {
			w.browser().post("/reset/"+given, url.Values{"password": {password}, "repeat": {password}})
		}},
		{"an invitation", refusal.Invitation, 0, false, func() { w.browser().get("/invitation/" + given) }},
		{"an invitation, signed in", refusal.Invitation, other.ID, true, func() { analyst.post("/invitation/"+given, nil) }},
		{"a wrong proof", refusal.Password, w.signed.User.ID, true, func() { owner.post("/confirm", url.Values{"password": {given}}) }},
		{"a wrong old password", refusal.Password, w.signed.User.ID, true, func() {
			owner.post("/password", url.Values{"old": {given}, "password": {password}, "repeat": {password}})
		}},
		{"a page of others", refusal.Role, other.ID, true, func() { analyst.get("/operator").is(http.StatusForbidden) }},
		{"a form of others", refusal.Role, other.ID, true, func() { analyst.post("/keys/new", url.Values{"name": {given}}).is(http.StatusForbidden) }},
		{"a form of another site", refusal.CrossSite, 0, false, func() {
			owner.do(http.MethodPost, "/keys/new?"+given, url.Values{"name": {given}}, map[string]string{"Sec-Fetch-Site": "cross-site"}).is(http.StatusForbidden)
		}},
		{"a sign-in of another site", refusal.CrossSite, 0, false, func() {
			w.browser().do(http.MethodPost, "/sign-in", url.Values{"email": {given}}, map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example"})
		}},
		{"clear text", refusal.ClearText, 0, false, func() {
			w.secure = false
			w.browser().get("/sign-in")
			w.secure = true
		}},
	} {
		w.now = w.now.Add(10 * time.Minute) // nobody is throttled, and nothing is summed up
		flushRefusals(t, w)
		log.take()
		before, entries := w.Refusals.Stats().ByReason[x.reason], refusedEntries(t, w)
		x.do()
		flushRefusals(t, w)
		text := log.take()
		var lines []string
		for line := range strings.Lines(text) {
			if strings.Contains(line, " refused\"") {
				lines = append(lines, line)
			}
		}
		user := fmt.Sprintf(" user_id=%d ", x.user)
		if len(lines) != 1 || !strings.Contains(lines[0], "source=192.0.2.7 reason="+string(x.reason)+" route=") ||
			x.user != 0 && !strings.Contains(lines[0], user) || x.user == 0 && strings.Contains(lines[0], "user_id") {
			t.Errorf("%s: the log has %q", x.name, lines)
		}
		if n := w.Refusals.Stats().ByReason[x.reason]; n != before+1 {
			t.Errorf("%s: counted %d times", x.name, n-before)
		}
		now := refusedEntries(t, w)
		if (len(now) > len(entries)) != x.entry || len(now) > len(entries)+1 {
			t.Errorf("%s: the audit log has %q", x.name, now[len(entries):])
		}
		if all := text + strings.Join(now, "\n"); strings.Contains(all, given) || strings.Contains(all, "000000") || strings.Contains(all, password) {
			t.Errorf("%s: what was given is kept: %s", x.name, all)
		}
	}
	owner.get("/audit?action=user.refused").is(http.StatusOK).says("Refused", "wrong password", "not part of their role")
}

func flushRefusals(t *testing.T, w *world) {
	t.Helper()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	ok(t, w.Refusals.Run(over))
}

func refusedEntries(t *testing.T, w *world) (out []string) {
	t.Helper()
	all, err := w.store.Audit(t.Context(), 0, 10_000)
	ok(t, err)
	for _, e := range all {
		if e.Action == "user.refused" {
			out = append(out, e.Actor+" "+e.Target+" "+e.Detail)
		}
	}
	return out
}

// Wrong passwords from many addresses do not hold up the right one of who signed in from theirs lately; and other strangers
// are told at once to come again.
func TestAFloodOfPasswordsHoldsNobodyUp(t *testing.T) {
	var from netip.Addr
	hashes := throttle.NewQueue(2, 8, 64)
	w := newWorldOf(t, func(c *backend.Config) { c.Hashing = hashes }, func(c *console.Config) {
		c.Client = func(*http.Request) (netip.Addr, bool) { return from, true }
	})
	from = netip.MustParseAddr("203.0.113.7")
	w.withPassword()
	right := url.Values{"email": {"owner@example.com"}, "password": {password}}
	w.browser().post("/sign-in", right).is(http.StatusOK).at("/keys")

	var leave []func()
	for range 2 { // are checked
		l, err := hashes.Enter(t.Context(), false)
		ok(t, err)
		leave = append(leave, l)
	}
	var flood sync.WaitGroup
	waits := make(chan struct{}, 8)
	for range 8 { // wait
		flood.Go(func() {
			waits <- struct{}{}
			l, err := hashes.Enter(t.Context(), false)
			if err != nil {
				t.Error(err)
				return
			}
			l()
		})
	}
	for range 8 {
		<-waits
	}
	for { // until all of them do
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := hashes.Enter(ctx, false)
		cancel()
		if errors.Is(err, throttle.ErrFull) {
			break
		}
	}
	from = netip.MustParseAddr("198.51.100.9")
	a := w.browser().post("/sign-in", right).is(http.StatusTooManyRequests).says("Try again in a second")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	from = netip.MustParseAddr("203.0.113.7")
	entered := make(chan answer)
	go func() { entered <- w.browser().post("/sign-in", right) }()
	for _, l := range leave {
		l()
	}
	flood.Wait()
	(<-entered).is(http.StatusOK).at("/keys")
	from = netip.MustParseAddr("198.51.100.9") // an attempt that was not looked at counts for nothing
	for range people.AttemptBurst {
		w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {"wrong wrong wrong"}}).is(http.StatusUnauthorized)
	}
}

// Passwords are tried from each of a network's addresses in turn: the network has a bucket of its own. Who signed in from it
// lately goes on.
func TestANetworkOfAddressesIsThrottled(t *testing.T) {
	for name, address := range map[string]func(i int) string{
		"IPv4 /16": func(i int) string { return fmt.Sprintf("198.51.%d.%d", i/250, i%250+1) },
		"IPv6 /48": func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i+1) },
	} {
		t.Run(name, func(t *testing.T) {
			var from netip.Addr
			w := newWorld(t, func(c *console.Config) { c.Client = func(*http.Request) (netip.Addr, bool) { return from, true } })
			from = netip.MustParseAddr(address(5000))
			w.withPassword()
			for i := range 110 {
				from = netip.MustParseAddr(address(i))
				w.browser().post("/sign-in/second", url.Values{"code": {"000000"}}) // costs no slow hash
			}
			if n := w.Refusals.Stats().ByReason[refusal.Throttled]; n < 10 || n > 15 {
				t.Errorf("%d of 110 attempts were throttled, want 10 with those of the owner before", n)
			}
			from = netip.MustParseAddr(address(5000))
			w.browser().post("/sign-in", url.Values{"email": {"owner@example.com"}, "password": {password}}).is(http.StatusOK).at("/keys")
		})
	}
}
