// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/gate"
)

func TestResetClosesSessionsBeforePutReturns(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	bystander, bs := w.key()
	p := w.mustVerify(t, k, s)
	var closed atomic.Int64
	for range 500 {
		var unbind func()
		unbind, err := w.Bind(p, atOnce(func(string) {
			time.Sleep(time.Millisecond) // still under way when Put could return
			unbind()                     // must not deadlock
			closed.Add(1)
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	unbound, err := w.Bind(p, atOnce(func(string) { t.Error("closed after unbind") }))
	if err != nil {
		t.Fatal(err)
	}
	unbound()
	if _, err := w.Bind(w.mustVerify(t, bystander, bs), atOnce(func(string) { t.Error("another key's session was closed") })); err != nil {
		t.Fatal(err)
	}
	_, x := w.secret()
	k.Secrets = []gate.Secret{x}
	w.Put(k)
	if got := closed.Load(); got != 500 {
		t.Errorf("%d sessions of 500 are closed", got)
	}
	if _, err := w.Bind(p, atOnce(func(string) {})); kind(t, err) != "wrong" {
		t.Errorf("Bind after the reset: %v", err)
	}
	w.Put(k)
	if got := closed.Load(); got != 500 {
		t.Errorf("closed again: %d", got)
	}
	if got := w.Stats().Sessions; got != 1 {
		t.Errorf("%d sessions are left, want 1", got)
	}
}

func TestWhatClosesASession(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world, k gate.Key)
		reason string // "": stays
	}{
		{"the same again", func(w *world, k gate.Key) { w.Put(k) }, ""},
		{"an overlap", func(w *world, k gate.Key) {
			_, x := w.secret()
			old := k.Secrets[0]
			old.ExpiresAt = w.now.Add(time.Minute)
			k.Secrets = []gate.Secret{x, old}
			w.Put(k)
		}, ""},
		{"a reset", func(w *world, k gate.Key) {
			_, x := w.secret()
			k.Secrets = []gate.Secret{x}
			w.Put(k)
		}, "the secret key was reset"},
		{"deactivated", func(w *world, k gate.Key) { k.State = gate.Deactivated; w.Put(k) }, "the API key was deactivated"},
		{"suspended", func(w *world, k gate.Key) { k.State = gate.Suspended; w.Put(k) }, "the API key was suspended"},
		{"removed", func(w *world, k gate.Key) { w.Remove(k.APIKey) }, "the API key was removed"},
		{"ended", func(w *world, k gate.Key) {
			k.Secrets = []gate.Secret{{ID: k.Secrets[0].ID, Digest: k.Secrets[0].Digest, ExpiresAt: w.now}}
			w.Put(k)
		}, "the secret key was reset"},
		{"another key of that name", func(w *world, k gate.Key) { k.ID++; w.Put(k) }, "the secret key was reset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			k, s := w.key()
			p := w.mustVerify(t, k, s)
			var reason string
			if _, err := w.Bind(p, atOnce(func(r string) { reason = r })); err != nil {
				t.Fatal(err)
			}
			tt.change(w, k)
			if reason != tt.reason {
				t.Errorf("closed because %q, want %q", reason, tt.reason)
			}
			if (w.Recheck(home, p, access.MaySend) == nil) != (tt.reason == "") {
				t.Error("Recheck does not agree")
			}
		})
	}
}

// A second reset while the first one still closes sessions must wait for them.
func TestSecondPutWaitsForFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		k, s := w.key()
		closed := false
		if _, err := w.Bind(w.mustVerify(t, k, s), atOnce(func(string) {
			time.Sleep(time.Second)
			closed = true
		})); err != nil {
			t.Fatal(err)
		}
		_, x := w.secret()
		k.Secrets = []gate.Secret{x}
		go w.Put(k)
		synctest.Wait()
		w.Put(k)
		if !closed {
			t.Error("the second Put returned before the session was closed")
		}
	})
}

// The promise: when a reset has returned, nothing that began after it gets in
// with the old secret, and every session of it is closed.
func TestRaceOfChecksWithResets(t *testing.T) {
	w := newWorld(t, func(c *gate.Config) { c.Burst = 1 << 30; c.Refill = time.Nanosecond })
	k, secret := w.key()
	user := k.APIKey.String()

	type state struct {
		secret string
		dead   atomic.Bool // set when the Put that killed it has returned
		bound  sync.Map    // *atomic.Bool: closed
	}
	var current atomic.Pointer[state]
	current.Store(&state{secret: secret})
	stop := make(chan struct{})
	var running sync.WaitGroup
	var hits, binds atomic.Int64
	for i := range 64 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.Gosched() // or the resets wait for 64 time slices
				}
				st := current.Load()
				wasDead := st.dead.Load()
				p, err := w.Verify(home, user, st.secret)
				if err != nil {
					continue
				}
				hits.Add(1)
				if wasDead {
					t.Error("Verify let in a secret after its reset had returned")
				}
				wasDead = st.dead.Load()
				if w.Recheck(home, p, access.MaySend) == nil && wasDead {
					t.Error("Recheck let in a secret after its reset had returned")
				}
				closed := new(atomic.Bool)
				wasDead = st.dead.Load()
				unbind, err := w.Bind(p, atOnce(func(string) {
					if closed.Swap(true) {
						t.Error("closed twice")
					}
				}))
				if err != nil {
					continue
				}
				binds.Add(1)
				if wasDead {
					t.Error("Bind after the reset had returned")
				}
				if i%2 == 0 {
					unbind()
				} else {
					st.bound.Store(closed, true)
				}
			}
		})
	}
	var all []*state
	for range 200 {
		next := &state{}
		var x gate.Secret
		next.secret, x = w.secret()
		k.Secrets = []gate.Secret{x}
		old := current.Load()
		w.Put(k)
		old.dead.Store(true)
		all = append(all, old)
		current.Store(next)
		time.Sleep(100 * time.Microsecond) // lets the others at it; nothing hangs on it
	}
	close(stop)
	running.Wait()
	for _, st := range all {
		st.bound.Range(func(closed, _ any) bool {
			if !closed.(*atomic.Bool).Load() { //nolint:forcetypeassert // stored above
				t.Error("a session of a dead secret is open")
			}
			return true
		})
	}
	if hits.Load() == 0 || binds.Load() == 0 {
		t.Error("nobody got in: the test shows nothing")
	}
}

func TestKeysComeAndGoUnderChecks(t *testing.T) {
	w := newWorld(t, func(c *gate.Config) { c.Burst = 1 << 30; c.Refill = time.Nanosecond })
	k, s := w.key()
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					w.mustVerify(t, k, s)
					w.Stats()
				}
			}
		})
	}
	for range 1000 {
		other := gate.Key{ID: 1, APIKey: credential.NewAPIKey()}
		w.Put(other)
		w.Remove(other.APIKey)
	}
	close(stop)
	running.Wait()
}

// atOnce is a session that closes while it is told so.
func atOnce(closeSession func(reason string)) func(string) func() {
	return func(reason string) func() {
		closeSession(reason)
		return nil
	}
}

// All sessions are told before the first is waited for, and Put returns when the last has ended.
func TestAllAreClosedBeforeOneIsWaitedFor(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	p := w.mustVerify(t, k, s)
	const sessions = 100
	var told, ended atomic.Int64
	for range sessions {
		_, err := w.Bind(p, func(string) (wait func()) {
			told.Add(1)
			return func() {
				if n := told.Load(); n != sessions {
					t.Errorf("waited for one when %d of %d were told", n, sessions)
				}
				ended.Add(1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, x := w.secret()
	k.Secrets = []gate.Secret{x}
	w.Put(k)
	if n := ended.Load(); n != sessions {
		t.Errorf("Put returned when %d of %d had ended", n, sessions)
	}
}
