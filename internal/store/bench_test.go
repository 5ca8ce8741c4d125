// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// mailText makes a message source of about n bytes that compresses like one: headers, and words in lines.
func mailText(n int) []byte {
	words := strings.Fields("your order has been sent and will arrive on the day that you chose please find the invoice attached thank you for shopping with us today we are happy to help account number delivery address street city")
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("From: Shop <shop@example.com>\r\nTo: Person <person@example.net>\r\nSubject: Your order\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	for b.Len() < n {
		for line := 0; line < 70; {
			w := words[r.IntN(len(words))]
			if r.IntN(12) == 0 {
				w = fmt.Sprint(r.Uint32())
			}
			b.WriteString(w + " ")
			line += len(w) + 1
		}
		b.WriteString("\r\n")
	}
	return []byte(b.String())
}

// BenchmarkBodyCodec chose the codec of stored bodies. ratio is packed size over size.
func BenchmarkBodyCodec(b *testing.B) {
	fast, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{4 << 10, 64 << 10} {
		raw := mailText(size)
		for name, pack := range map[string]func([]byte) []byte{
			"s2":           func(p []byte) []byte { return s2.Encode(nil, p) },
			"s2-better":    func(p []byte) []byte { return s2.EncodeBetter(nil, p) },
			"zstd-fastest": func(p []byte) []byte { return fast.EncodeAll(p, nil) },
		} {
			b.Run(fmt.Sprintf("%s/%dKB", name, size>>10), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				var n int
				for b.Loop() {
					n = len(pack(raw))
				}
				b.ReportMetric(float64(n)/float64(len(raw)), "ratio")
			})
		}
	}
}

// BenchmarkAccept is durable acceptance: every message is on the disk when its caller goes on.
func BenchmarkAccept(b *testing.B) {
	raw := mailText(4 << 10)
	for _, callers := range []int{1, 20, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := storetest.New(b)
			k := newKey(b, s, "bench")
			var n atomic.Int64
			b.SetParallelism(callers)
			start := time.Now()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					x := submission(k, fmt.Sprintf("r%d@example.net", n.Add(1)))
					x.Body = store.NewBody(raw)
					if err := s.Accept(b.Context(), x); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "msg/s")
		})
	}
}

// BenchmarkRead reads what a message's page reads: the message, its history, and a page of the listing beside it.
func BenchmarkRead(b *testing.B) {
	s := storetest.New(b)
	k := newKey(b, s, "one")
	var last int64
	for range 100 {
		last = accept(b, s, submission(k, "a@example.net")).Recipients[0].ID
	}
	deliver(b, s, time.Now())
	scope := store.OfKey(k.AccountID, k.ID)
	for b.Loop() {
		if _, err := s.Message(b.Context(), scope, store.MessageFilter{ID: last}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Events(b.Context(), scope, last); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Messages(b.Context(), scope, store.MessageFilter{}, store.Page{Limit: 10}); err != nil {
			b.Fatal(err)
		}
	}
}
