// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"postern/internal/credential"
	"postern/internal/gate"
)

// guess fails n times and returns how many of them were not throttled.
func (w *world) guess(t *testing.T, src gate.Source, user string, n int) int {
	t.Helper()
	wrong := 0
	for range n {
		_, err := w.Verify(src, user, "a wrong password")
		switch kind(t, err) {
		case "wrong":
			wrong++
		case "throttled":
		default:
			t.Fatalf("a guess: %v", err)
		}
	}
	return wrong
}

func TestThrottleBurstAndRefill(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	user := k.APIKey.String()
	if got := w.guess(t, home, user, 50); got != 20 {
		t.Fatalf("%d guesses of 50 were looked at, want 20", got)
	}
	_, err := w.Verify(home, user, s)
	var r *gate.Refusal
	if !errors.As(err, &r) || r.Kind != gate.Throttled || r.RetryAfter != 6*time.Second {
		t.Fatalf("a right pair from a throttled source never seen before: %v, retry after %v", err, r.RetryAfter)
	}
	w.pass(r.RetryAfter)
	if got := w.guess(t, home, user, 5); got != 1 {
		t.Errorf("after one refill %d guesses were looked at, want 1", got)
	}
	w.pass(30 * time.Second)
	if got := w.guess(t, home, user, 50); got != 5 {
		t.Errorf("after five refills %d guesses were looked at, want 5", got)
	}
	w.pass(time.Hour)
	if got := w.guess(t, home, user, 50); got != 20 {
		t.Errorf("after an hour %d guesses were looked at, want 20", got)
	}
}

// Checks under way at once exceed the burst, but the source does not pay for
// them longer than for a burst.
func TestFailuresAtOnceDoNotAddUp(t *testing.T) {
	w := newWorld(t, nil)
	var atOnce sync.WaitGroup
	atOnce.Add(100)
	gate.OnDigest(w.Gate, func() { atOnce.Done(); atOnce.Wait() })
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() { w.Verify(home, "x", "x") }) //nolint:errcheck // a guess
	}
	running.Wait()
	_, err := w.Verify(home, "x", "x")
	var r *gate.Refusal
	if !errors.As(err, &r) || r.Kind != gate.Throttled || r.RetryAfter != 6*time.Second {
		t.Errorf("got %+v, want a wait of one refill", r)
	}
}

func TestThrottledSourceCostsNoHMAC(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	w.guess(t, home, k.APIKey.String(), 20)
	n := 0
	gate.OnDigest(w.Gate, func() { n++ })
	w.Verify(home, k.APIKey.String(), s) //nolint:errcheck // counted
	if n != 0 {
		t.Errorf("%d HMACs", n)
	}
}

func TestGuesserElsewhereDoesNotLockOutOwner(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	w.guess(t, from("198.51.100.9"), k.APIKey.String(), 1000)
	w.guess(t, from("2001:db8:bad::1"), k.APIKey.String(), 1000)
	w.mustVerify(t, k, s)
}

// A forgotten job behind the same NAT goes on with the old secret.
func TestGuesserBehindSameAddressDoesNotLockOutOwner(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	other, otherSecret := w.key()
	p := w.mustVerify(t, k, s)
	w.guess(t, home, k.APIKey.String(), 1000)
	if got := w.mustVerify(t, k, s); got != p {
		t.Errorf("got %+v", got)
	}
	if got := w.guess(t, home, k.APIKey.String(), 10); got != 0 {
		t.Errorf("the exemption let %d guesses be answered", got)
	}
	// Others' secrets are not to be guessed under cover of one's own.
	if _, err := w.Verify(home, other.APIKey.String(), otherSecret); kind(t, err) != "throttled" {
		t.Errorf("a secret never used from here: %v", err)
	}
	// A source that never let anybody in has no exemption.
	w.guess(t, from("192.0.2.77"), k.APIKey.String(), 20)
	if _, err := w.Verify(from("192.0.2.77"), k.APIKey.String(), s); kind(t, err) != "throttled" {
		t.Errorf("from a new source: %v", err)
	}
	// It ends a day after the last use.
	w.pass(26 * time.Hour)
	w.guess(t, home, k.APIKey.String(), 20)
	if _, err := w.Verify(home, k.APIKey.String(), s); kind(t, err) != "throttled" {
		t.Errorf("after a day: %v", err)
	}
}

func TestSuccessDoesNotRefill(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	victim, _ := w.key()
	looked := 0
	for range 100 {
		w.mustVerify(t, k, s)
		looked += w.guess(t, home, victim.APIKey.String(), 1)
	}
	if looked != 20 {
		t.Errorf("%d guesses were looked at, want 20", looked)
	}
}

func TestProvedSecretIsNoFailure(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	k.State = gate.Deactivated
	w.Put(k)
	for range 100 {
		if _, err := w.Verify(home, k.APIKey.String(), s); kind(t, err) != "deactivated" {
			t.Fatal(err)
		}
		if _, err := w.Verify(home, "", ""); kind(t, err) != "no_credentials" {
			t.Fatal(err)
		}
	}
}

func TestSources(t *testing.T) {
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"IPv4 neighbours", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 mapped into IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"mapped neighbours", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"IPv4 through NAT64", "192.0.2.1", "64:ff9b::192.0.2.1", true},
		{"NAT64 neighbours", "64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false},
		{"one IPv6 /64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"two IPv6 /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"zones", "fe80::1%eth0", "fe80::2%eth1", true},
		{"loopbacks", "127.0.0.1", "::1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.guess(t, from(tt.a), "x", 20)
			if throttled := w.guess(t, from(tt.b), "x", 1) == 0; throttled != tt.same {
				t.Errorf("%s after %s: throttled is %v, want %v", tt.b, tt.a, throttled, tt.same)
			}
		})
	}
	w := newWorld(t, nil)
	if got := w.guess(t, gate.Source{}, "x", 30); got != 20 {
		t.Errorf("without an address %d guesses were looked at, want 20", got)
	}
}

// An attacker with a /16 of IPv6 must not fill the memory.
func TestThrottleMemoryIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	var b [16]byte
	for i := range uint32(200_000) {
		binary.BigEndian.PutUint16(b[:], 0x2001)
		binary.BigEndian.PutUint32(b[2:], i)                       // a /48 each
		w.Verify(gate.Source{Addr: netip.AddrFrom16(b)}, "x", "x") //nolint:errcheck // a guess
	}
	if got := w.Stats().Sources; got > 65536 || got < 60000 {
		t.Errorf("%d sources are remembered", got)
	}
	// The newest are those remembered.
	src := gate.Source{Addr: netip.AddrFrom16(b)}
	if got := w.guess(t, src, "x", 30); got != 19 {
		t.Errorf("the last source had %d guesses left, want 19", got)
	}
	// What is paid off is forgotten.
	w.pass(time.Hour)
	for range 1000 {
		a := credential.NewAPIKey()
		copy(b[:8], a[:8])
		w.Verify(gate.Source{Addr: netip.AddrFrom16(b)}, "x", "x") //nolint:errcheck // a guess
	}
	if got := w.Stats().Sources; got > 1000 {
		t.Errorf("an hour later %d sources are remembered", got)
	}
}

// Who has an IPv6 /48 has 65,536 sources: together they make ten times as many failures as one. IPv4 networks are many
// people's, and secrets are not to be guessed: there each address counts for itself.
func TestANetworkOfSourcesIsThrottled(t *testing.T) {
	w := newWorld(t, nil)
	k, s := w.key()
	neighbour := from("2001:db8:1:ffff::1")
	if _, err := w.Verify(neighbour, k.APIKey.String(), s); err != nil {
		t.Fatal(err)
	}
	looked := 0
	for i := range 1000 {
		looked += w.guess(t, from(fmt.Sprintf("2001:db8:1:%x::1", i)), k.APIKey.String(), 1)
	}
	if looked != 200 {
		t.Errorf("%d guesses of 1000 from one /48 were looked at, want 200", looked)
	}
	if _, err := w.Verify(from("2001:db8:1:fffe::1"), k.APIKey.String(), s); kind(t, err) != "throttled" {
		t.Errorf("a right pair from a new source there: %v", err)
	}
	for _, src := range []gate.Source{neighbour, home, from("2001:db8:2::1")} {
		if _, err := w.Verify(src, k.APIKey.String(), s); err != nil {
			t.Errorf("from %v: %v", src.Addr, err)
		}
	}
	for i := range 1000 {
		if n := w.guess(t, from(fmt.Sprintf("198.51.%d.%d", i/250, i%250)), k.APIKey.String(), 1); n != 1 {
			t.Fatal("an IPv4 address is throttled for another")
		}
	}
}
