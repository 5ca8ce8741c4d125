// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/gate"
)

// loaded is a gate with n keys of one secret each.
type loaded struct {
	*world
	users    []string // of some of them
	secrets  []string
	load     time.Duration
	keyBytes float64 // of the heap
}

func load(b *testing.B, n int) loaded {
	b.Helper()
	// Failures are not to be throttled here, but are to be counted.
	w := newWorld(b, func(c *gate.Config) { c.Burst = 1 << 30; c.Now = nil })
	l := loaded{world: w}
	every := max(1, n/1000)
	before := heap()
	start := time.Now()
	for i := range n {
		k := gate.Key{ID: int64(i), AccountID: 1, APIKey: credential.NewAPIKey()}
		x := gate.Secret{ID: int64(i)}
		if i%every == 0 {
			s := credential.NewSecret()
			x.Digest = w.digester.Digest(s)
			l.users, l.secrets = append(l.users, k.APIKey.String()), append(l.secrets, s)
		} else {
			binary.LittleEndian.PutUint64(x.Digest[:], uint64(i))
		}
		k.Secrets = []gate.Secret{x}
		w.Put(k)
	}
	l.load = time.Since(start)
	l.keyBytes = float64(heap()-before) / float64(n)
	return l
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		l := load(b, n)
		wrong := credential.NewSecret()
		misses := make([]string, len(l.users))
		for i := range misses {
			misses[i] = credential.NewAPIKey().String()
		}
		for _, c := range []struct {
			name string
			do   func(i int) error
		}{
			{"hit", func(i int) error { _, err := l.Verify(home, l.users[i], l.secrets[i]); return err }},
			{"miss", func(i int) error { _, err := l.Verify(home, misses[i], l.secrets[i]); return err }},
			{"wrong", func(i int) error { _, err := l.Verify(home, l.users[i], wrong); return err }},
		} {
			b.Run(fmt.Sprintf("%s/%dkeys", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if err := c.do(i); (err == nil) != (c.name == "hit") {
						b.Fatal(err)
					}
					if i++; i == len(l.users) {
						i = 0
					}
				}
				b.ReportMetric(l.keyBytes, "B/key")
				b.ReportMetric(float64(l.load.Milliseconds()), "load-ms")
			})
		}
	}
}

func BenchmarkVerifyParallel(b *testing.B) {
	l := load(b, 10_000)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			n := i % len(l.users)
			if _, err := l.Verify(home, l.users[n], l.secrets[n]); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkRecheck(b *testing.B) {
	l := load(b, 10_000)
	p, err := l.Verify(home, l.users[0], l.secrets[0])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Recheck(home, p, access.MaySend); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnections measures what counting connections adds to a check: none counted, one steady connection of each
// secret, and each secret used by four connections in turn.
func BenchmarkConnections(b *testing.B) {
	sources := []gate.Source{from("192.0.2.1"), from("192.0.2.2"), from("192.0.2.3"), from("2001:db8::1")}
	for i := range sources {
		sources[i].Client = "mailjet-api-v3-nodejs/6.0.8"
	}
	for _, c := range []struct {
		name  string
		count bool
		turns int
	}{{"off", false, 1}, {"steady", true, 1}, {"four-in-turn", true, 4}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, func(g *gate.Config) {
				g.Now = nil
				if c.count {
					g.Flush = func(context.Context, []gate.Use) error { return nil }
				}
			})
			k, s := w.key()
			user := k.APIKey.String()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := w.Verify(sources[i%c.turns], user, s); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkRestricted(b *testing.B) {
	w := newWorld(b, func(g *gate.Config) { g.Now = nil })
	k, s := w.key()
	for i := range 100 {
		k.Networks = append(k.Networks, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
	}
	k.Networks = append(k.Networks, netip.MustParsePrefix("192.0.2.0/24"))
	w.Put(k)
	user := k.APIKey.String()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Verify(home, user, s); err != nil {
			b.Fatal(err)
		}
	}
}
