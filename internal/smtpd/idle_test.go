// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"runtime"
	"testing"
	"time"

	"postern/internal/mxtest"
	"postern/internal/smtpd"
)

// A session that is logged in, has sent a mail and waits takes little memory: a goroutine and a small buffer.
func TestIdleSessionsAreSmall(t *testing.T) {
	for name, over := range map[string]bool{"in clear": false, "over TLS": true} {
		t.Run(name, func(t *testing.T) {
			const sessions = 400
			w := start(t, func(c *smtpd.Config) {
				c.Limits.PerSource, c.Limits.Connections = 2*sessions, 2*sessions
				if over {
					c.TLS, c.Implicit = mxtest.Certificate(t), true
				}
			})
			said := []byte("EHLO x\r\nAUTH PLAIN " + plain(w.key.APIKey, w.secret) + "\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n" + mailOf("x"))
			login := func() net.Conn {
				nc, err := net.Dial("tcp", w.addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { nc.Close() })
				nc.SetDeadline(time.Now().Add(2 * time.Minute))
				if over {
					nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				if _, err := nc.Write(said); err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 1024)
				for all := []byte(nil); !bytes.Contains(all, []byte("queued as")); {
					n, err := nc.Read(b)
					if err != nil {
						t.Fatal(err, string(all))
					}
					all = append(all, b[:n]...)
				}
				return nc
			}
			for range 20 {
				login() // what is made once
			}
			before := memory()
			for range sessions {
				login()
			}
			each := (memory() - before) / sessions
			t.Logf("%d bytes a session, with the client's end of it", each)
			most := int64(20 << 10)
			if over {
				most *= 2 // crypto/tls keeps a record and the state of the handshake, at both ends
			}
			if each > most {
				t.Errorf("%d bytes a session, want at most %d", each, most)
			}
		})
	}
}

func memory() int64 {
	for range 4 { // stacks shrink by half each time
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
