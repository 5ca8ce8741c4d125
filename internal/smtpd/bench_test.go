// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkSessions hands over mail of 4 KB by sessions that stay logged in, with a client that costs little.
func BenchmarkSessions(b *testing.B) {
	mail := []byte("From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: bench\r\nMessage-ID: <bench@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n" +
		strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56) + ".\r\n")
	envelope := []byte("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
	for _, sessions := range []int{1, 20, 64} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			w := start(b, nil)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			began := time.Now()
			b.ResetTimer()
			for range sessions {
				wg.Go(func() {
					nc, err := net.Dial("tcp", w.addr)
					if err != nil {
						b.Error(err)
						return
					}
					defer nc.Close()
					r := bufio.NewReader(nc)
					nc.Write([]byte("EHLO bench.example\r\nAUTH PLAIN " + plain(w.key.APIKey, w.secret) + "\r\n"))
					for line := ""; !strings.HasPrefix(line, "235"); {
						if line, err = r.ReadString('\n'); err != nil {
							b.Error(err)
							return
						}
					}
					for left.Add(-1) >= 0 {
						nc.Write(envelope)
						for range 3 {
							r.ReadSlice('\n')
						}
						nc.Write(mail)
						if line, err := r.ReadSlice('\n'); err != nil || line[0] != '2' {
							b.Errorf("%q %v", line, err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "msg/s")
		})
	}
}
