// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a receiver makes of the message by undoing the dots is the message.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{"", ".", "..", ".\r\n", "a", "a\r\n", "\r\n.\r\n", "\n.\n", "a\r\n.\r\nb", "a\r\n..", "\r", "\r.\r", strings.Repeat("x", 70_000) + "\r\n.", strings.Repeat(".\r\n", 30_000)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ours, theirs := net.Pipe()
		c := &conn{t: defaultTimeouts()}
		c.over(ours)
		failed := make(chan error, 1)
		go func() {
			failed <- c.message(&transaction{header: []byte("H: x\r\n"), body: body}, &answers{})
			ours.Close()
		}()
		r := bufio.NewReader(theirs)
		var got []byte
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				t.Fatalf("no end: %v", err)
			}
			if string(line) == ".\r\n" {
				break
			}
			if line[0] == '.' {
				line = line[1:]
			}
			got = append(got, line...)
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Fatalf("after the end: %q", rest)
		}
		want := append([]byte("H: x\r\n"), body...)
		if !bytes.HasSuffix(body, []byte("\r\n")) {
			want = append(want, "\r\n"...)
		}
		if err := <-failed; err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v: %q, want %q", err, got, want)
		}
	})
}

// A connection that nobody wants any more is ended, politely, without another mail having to come by.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := &conn{t: defaultTimeouts()}
		c.over(ours)
		var p pool
		p.put("b.example", c)
		begun := time.Now()
		said, err := io.ReadAll(theirs)
		if err != nil || string(said) != "QUIT\r\n" {
			t.Errorf("%q, %v", said, err)
		}
		if after := time.Since(begun); after != idleLife {
			t.Errorf("after %v", after)
		}
		if c := p.get(t.Context(), "b.example"); c != nil {
			t.Error("it is still there")
		}
	})
}
