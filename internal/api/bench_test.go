// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// words is a text of n bytes in lines that do not repeat.
func words(n int) string {
	var b strings.Builder
	random := rand.New(rand.NewPCG(1, 2))
	for line := 0; b.Len() < n; {
		word := strconv.FormatUint(random.Uint64N(1<<32), 36)
		b.WriteString(word)
		if line += len(word) + 1; line > 70 {
			line = 0
			b.WriteString("\r\n")
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// BenchmarkSend counts messages of 4 KB accepted durably over HTTP on loopback.
func BenchmarkSend(b *testing.B) {
	for _, c := range []struct{ connections, each int }{{1, 1}, {16, 1}, {64, 1}, {1, 50}, {16, 50}} {
		b.Run(fmt.Sprintf("connections=%d/messages=%d", c.connections, c.each), func(b *testing.B) {
			w := newWorld(b)
			message := with(obj{"TextPart": words(4096)})
			body := call(slices.Repeat([]any{message}, c.each)...)
			transport := &http.Transport{MaxIdleConnsPerHost: c.connections}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			b.SetParallelism((c.connections + 1) / 2)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, w.server.URL+"/v3.1/send", strings.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					r.SetBasicAuth(w.master.Key.APIKey, w.master.Secret)
					resp, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, resp.Body) //nolint:errcheck,gosec // a benchmark
					resp.Body.Close()              //nolint:errcheck,gosec // a benchmark
					if resp.StatusCode != http.StatusOK {
						b.Errorf("%d", resp.StatusCode)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N*c.each)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
