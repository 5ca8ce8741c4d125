// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/gate"
)

func TestKeyIsRestrictedToNetworks(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	user := k.APIKey.String()
	k.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
	w.Put(k)
	for addr, in := range map[string]bool{
		"192.0.2.200": true, "::ffff:192.0.2.7": true, "2001:db8:1:2::3": true, "192.0.3.1": false, "2001:db8:2::1": false, "::1": false,
	} {
		_, err := w.Verify(from(addr), user, s)
		if (err == nil) != in {
			t.Errorf("%s: %v, want in: %v", addr, err, in)
		}
		if !in && (kind(t, err) != "network" || !strings.Contains(err.Error(), "may not be used from "+addr)) {
			t.Errorf("%s: the refusal says %v", addr, err)
		}
	}
	if _, err := w.Verify(gate.Source{Protocol: "http"}, user, s); kind(t, err) != "network" {
		t.Errorf("a caller without an address was let in: %v", err)
	}
	// A wrong secret learns nothing of networks.
	if _, err := w.Verify(from("192.0.3.1"), user, credential.NewSecret()); kind(t, err) != "wrong" {
		t.Errorf("a wrong secret from outside: %v", err)
	}
}

func TestNetworksBindOpenSessions(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	p := w.mustVerify(t, k, s)
	k.Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	w.Put(k)
	if err := w.Recheck(home, p, access.MaySend); kind(t, err) != "network" {
		t.Errorf("an open session goes on from outside: %v", err)
	}
	if err := w.Recheck(from("198.51.100.7"), p, access.MaySend); err != nil {
		t.Error(err)
	}
}

func TestPermissionsAreAskedAgain(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	p := w.mustVerify(t, k, s)
	if !p.May(access.MaySend|access.MayRead|access.MayManage) || p.Permissions != access.AllPermissions {
		t.Fatalf("an unrestricted key may %v", p.Permissions)
	}
	k.Permissions = access.MayRead
	w.Put(k)
	err := w.Recheck(home, p, access.MaySend)
	if kind(t, err) != "permission" || !strings.Contains(err.Error(), "lacks the permission send (it has: statistics)") {
		t.Errorf("a session of a key that lost a permission: %v", err)
	}
	if q := w.mustVerify(t, k, s); q.May(access.MaySend) || !q.May(access.MayRead) {
		t.Errorf("it may %v", q.Permissions)
	}
}

func TestUnknownUserNamesAreNotShownWhole(t *testing.T) {
	w := newWorld(t, nil)
	k, _ := w.key()
	foreign := "0123456789abcdef0123456789abcdef" // an imported secret in the wrong place has this form
	if got := w.Shown(foreign); strings.Contains(got, foreign[6:]) || !strings.HasPrefix(got, foreign[:6]) {
		t.Errorf("shown as %q", got)
	}
	if got := w.Shown(k.APIKey.String()); got != k.APIKey.String() {
		t.Errorf("a known key is shown as %q", got)
	}
}

// counted gathers what a gate hands out, as the store does.
type counted struct {
	mu  sync.Mutex
	all map[string]gate.Use
	err error
}

func (c *counted) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *counted) flush(_ context.Context, uses []gate.Use) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	for _, u := range uses {
		id := fmt.Sprintf("%d %s %s %s", u.SecretID, u.Protocol, u.Address, u.Client)
		x, ok := c.all[id]
		if !ok {
			x = u
			x.Count = 0
		}
		x.Count += u.Count
		x.Last = u.Last
		c.all[id] = x
	}
	return nil
}

func TestConnectionsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counted{all: map[string]gate.Use{}}
		w := newWorld(t, func(c *gate.Config) { c.Now = time.Now; c.Flush = store.flush })
		stop := running(t, w)
		k, s := w.key()
		id := k.Secrets[0].ID
		node := gate.Source{Addr: netip.MustParseAddr("::ffff:192.0.2.9"), Protocol: "http", Client: "node\r\n/1.0 \x00"}
		postfix := gate.Source{Addr: netip.MustParseAddr("2001:db8::5"), Protocol: "smtp", Client: "mx.example.com, AUTH PLAIN"}
		began := time.Now().Truncate(time.Second)
		for range 3 {
			for _, src := range []gate.Source{node, postfix, node} {
				if _, err := w.Verify(src, k.APIKey.String(), s); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Second)
		}
		p := w.mustVerify(t, k, s)
		if err := w.Recheck(postfix, p, access.MaySend); err != nil {
			t.Fatal(err)
		}
		last := time.Now().Truncate(time.Second)
		store.fail(errors.New("disk full"))
		time.Sleep(11 * time.Second) // nothing is lost by a failed flush
		store.fail(nil)
		time.Sleep(3 * time.Minute) // a connection that rests is forgotten here, and counted on when it comes back
		if n := w.Stats().Connections; n != 0 {
			t.Errorf("%d connections are remembered after a rest", n)
		}
		if _, err := w.Verify(node, k.APIKey.String(), s); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]struct {
			count int64
			last  time.Time
		}{
			fmt.Sprintf("%d http 192.0.2.9 node/1.0", id):                     {7, time.Now().Truncate(time.Second)},
			fmt.Sprintf("%d smtp 2001:db8::5 mx.example.com, AUTH PLAIN", id): {4, last},
			fmt.Sprintf("%d http 192.0.2.1 ", id):                             {1, last},
		} {
			got, ok := store.all[name]
			if !ok || got.Count != want.count || !got.First.Equal(began) && !strings.Contains(name, "192.0.2.1 ") {
				t.Errorf("%s: got %+v (there: %v), want %d since %v", name, got, ok, want.count, began)
			}
			if got.Last.Before(want.last) {
				t.Errorf("%s: last seen %v, want %v", name, got.Last, want.last)
			}
		}
		if len(store.all) != 3 {
			t.Errorf("connections: %v", slices.Collect(func(yield func(string) bool) {
				for name := range store.all {
					if !yield(name) {
						return
					}
				}
			}))
		}
	})
}

func TestCountsAreExactUnderLoad(t *testing.T) {
	store := &counted{all: map[string]gate.Use{}}
	w := newWorld(t, func(c *gate.Config) { c.Now = nil; c.FlushEvery = time.Millisecond; c.Flush = store.flush })
	stop := running(t, w)
	k, s := w.key()
	const callers, each = 8, 2000
	done := make(chan struct{})
	for i := range callers {
		go func() {
			defer func() { done <- struct{}{} }()
			src := gate.Source{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 3)}), Protocol: "http", Client: "load"}
			for range each {
				w.Verify(src, k.APIKey.String(), s) //nolint:errcheck // right
			}
		}()
	}
	for range callers {
		<-done
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, u := range store.all {
		sum += u.Count
	}
	if sum != callers*each || len(store.all) != 3 {
		t.Errorf("%d uses of %d connections, want %d of 3", sum, len(store.all), callers*each)
	}
}
