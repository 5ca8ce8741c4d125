// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"sync"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/gate"
)

// bind opens a session that notes why it was closed.
func (w *world) bind(t *testing.T, p gate.Principal) *string {
	t.Helper()
	closed := new(string)
	if _, err := w.Bind(p, atOnce(func(reason string) { *closed = reason })); err != nil {
		t.Fatal(err)
	}
	return closed
}

func TestOverdueSecretStopsByPolicy(t *testing.T) {
	const day = 24 * time.Hour
	w := newWorld(t, nil)
	k, s := w.key()
	stop := gate.Account{ID: k.AccountID, Policy: credential.Policy{Days: 2, Stop: true}}
	w.PutAccount(stop)
	p := w.mustVerify(t, k, s)
	closed := w.bind(t, p)
	w.pass(2*day - time.Microsecond)
	w.mustVerify(t, k, s)
	w.pass(time.Microsecond)
	if _, err := w.Verify(home, k.APIKey.String(), s); kind(t, err) != "overdue" {
		t.Errorf("an overdue secret: %v", err)
	}
	if err := w.Recheck(home, p, access.MaySend); kind(t, err) != "overdue" {
		t.Errorf("a session of an overdue secret: %v", err)
	}
	if _, err := w.Bind(p, atOnce(func(string) {})); kind(t, err) != "overdue" {
		t.Errorf("a new session of an overdue secret: %v", err)
	}
	w.PutAccount(stop)
	if *closed == "" {
		t.Error("the session was not closed")
	}
	// A policy that lets overdue secrets work: the same secret works again.
	w.PutAccount(gate.Account{ID: k.AccountID, Policy: credential.Policy{Days: 2}})
	w.mustVerify(t, k, s)
	// A stricter policy ends what is open and overdue by it, and nothing else.
	young, s2 := w.key()
	old, fresh := w.bind(t, p), w.bind(t, w.mustVerify(t, young, s2))
	w.PutAccount(gate.Account{ID: k.AccountID, Policy: credential.Policy{Days: 1, Stop: true}})
	if *old == "" || *fresh != "" {
		t.Errorf("closed: the overdue one %q, the other %q", *old, *fresh)
	}
}

func TestAccountIsSuspendedAtOnceWithItsSessions(t *testing.T) {
	w := newWorld(t, nil)
	a, sa := w.key()
	b, sb := w.key()
	s, x := w.secret()
	other := gate.Key{ID: 99, AccountID: 6, APIKey: credential.NewAPIKey(), Secrets: []gate.Secret{x}}
	w.Put(other)
	pa := w.mustVerify(t, a, sa)
	open := []*string{w.bind(t, pa), w.bind(t, w.mustVerify(t, b, sb)), w.bind(t, w.mustVerify(t, other, s))}
	w.PutAccount(gate.Account{ID: a.AccountID, Suspended: true})
	for i, want := range []string{"the account was suspended", "the account was suspended", ""} {
		if *open[i] != want {
			t.Errorf("session %d: %q, want %q", i, *open[i], want)
		}
	}
	if _, err := w.Verify(home, a.APIKey.String(), sa); kind(t, err) != "suspended" {
		t.Errorf("a key of a suspended account: %v", err)
	}
	if _, err := w.Verify(home, a.APIKey.String(), credential.NewSecret()); kind(t, err) != "wrong" {
		t.Errorf("a wrong secret of a suspended account: %v", err)
	}
	if _, err := w.Bind(pa, atOnce(func(string) {})); kind(t, err) != "suspended" {
		t.Errorf("a session of a suspended account: %v", err)
	}
	// What happens to a key meanwhile does not let it in, and its own state stays.
	b.State = gate.Suspended
	w.Put(b)
	w.Put(a)
	if _, err := w.Verify(home, a.APIKey.String(), sa); kind(t, err) != "suspended" {
		t.Errorf("a key that was put into a suspended account: %v", err)
	}
	w.mustVerify(t, other, s)
	w.PutAccount(gate.Account{ID: a.AccountID})
	w.mustVerify(t, a, sa)
	if _, err := w.Verify(home, b.APIKey.String(), sb); kind(t, err) != "suspended" {
		t.Errorf("a key suspended for itself, after its account was restored: %v", err)
	}
}

func TestKeyOfAnUnknownAccountIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	s, x := w.secret()
	k := gate.Key{ID: 99, AccountID: 1234, APIKey: credential.NewAPIKey(), Secrets: []gate.Secret{x}}
	w.Put(k)
	if _, err := w.Verify(home, k.APIKey.String(), s); kind(t, err) != "suspended" {
		t.Errorf("a key of an account that was never put: %v", err)
	}
	w.PutAccount(gate.Account{ID: 1234})
	w.mustVerify(t, k, s)
}

// TestNothingIsLetInAfterTheSuspension checks and opens sessions all the time while an account is suspended and restored: when
// PutAccount has returned, no check succeeds and no session is open.
func TestNothingIsLetInAfterTheSuspension(t *testing.T) {
	w := newWorld(t, func(c *gate.Config) { c.Now = nil })
	k, s := w.key()
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p, err := w.Verify(home, k.APIKey.String(), s)
				if err == nil {
					w.Bind(p, atOnce(func(string) {})) //nolint:errcheck // it may be suspended by now
				}
			}
		})
	}
	for range 200 {
		w.PutAccount(gate.Account{ID: k.AccountID, Suspended: true})
		if _, err := w.Verify(home, k.APIKey.String(), s); kind(t, err) != "suspended" {
			t.Errorf("let in after the suspension: %v", err)
		}
		if n := w.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions are open after the suspension", n)
		}
		w.PutAccount(gate.Account{ID: k.AccountID})
	}
	close(stop)
	callers.Wait()
}
