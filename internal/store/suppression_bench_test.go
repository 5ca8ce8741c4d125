// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// BenchmarkSuppressed is what the look-up adds to the acceptance of a mail, by the length of the key's list, and what it
// is of an acceptance.
func BenchmarkSuppressed(b *testing.B) {
	raw := mailText(4 << 10)
	for _, entries := range []int{0, 1000, 1_000_000} {
		s := storetest.New(b)
		k := newKey(b, s, "bench")
		began := time.Now()
		for at := 0; at < entries; at += 1000 {
			list := make([]store.Suppression, 1000)
			for i := range list {
				list[i] = store.Suppression{Email: fmt.Sprintf("gone%08d@example.net", (at+i)*7919%entries), Reason: store.SuppressedBounce}
			}
			addSuppressions(b, s, k, list...)
		}
		if entries > 0 {
			b.Logf("%d entries added in %v", entries, time.Since(began))
		}
		var n atomic.Int64
		recipient := func() []store.Recipient {
			return []store.Recipient{{Email: fmt.Sprintf("r%d@example.net", n.Add(1)), Domain: "example.net"}}
		}
		b.Run(fmt.Sprintf("look/entries=%d", entries), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Suppressed(b.Context(), k.ID, recipient()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("accept/entries=%d", entries), func(b *testing.B) {
			b.SetParallelism(32)
			began := time.Now()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					x := submission(k)
					x.Recipients, x.Body = recipient(), store.NewBody(raw)
					if _, err := s.Suppressed(b.Context(), k.ID, x.Recipients); err != nil {
						b.Error(err)
					}
					if err := s.Accept(b.Context(), x); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "msg/s")
		})
		scope := store.OfKey(k.AccountID, k.ID)
		b.Run(fmt.Sprintf("page/entries=%d", entries), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Suppressions(b.Context(), scope, store.SuppressionFilter{}, store.Page{Limit: 51, Desc: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("count/entries=%d", entries), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.CountSuppressions(b.Context(), scope, store.SuppressionFilter{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("domain/entries=%d", entries), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Suppressions(b.Context(), scope, store.SuppressionFilter{Search: "@example.org"}, store.Page{Limit: 51, Desc: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
