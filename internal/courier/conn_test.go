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

// Where TLS is taken when it is offered, a password is still not sent in clear to another machine.
func TestNoPasswordInClear(t *testing.T) {
	for host, login := range map[string]bool{"mail.example": false, "127.0.0.1": true, "::1": true, "localhost": true} {
		ours, theirs := net.Pipe()
		c := &conn{t: defaultTimeouts()}
		c.over(ours)
		lines := make(chan string, 10)
		go func() {
			defer close(lines)
			for r := bufio.NewReader(theirs); ; {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				lines <- line
				reply := "235 OK\r\n"
				if strings.HasPrefix(line, "EHLO") {
					reply = "250-fake\r\n250 AUTH PLAIN\r\n"
				}
				theirs.Write([]byte(reply))
			}
		}()
		r, err := NewRelay(RelayConfig{Host: host, Port: "25", User: "u", Password: "p", TLS: TLSOpportunistic, Hostname: "us.example"})
		if err != nil {
			t.Fatal(err)
		}
		err = r.open(t.Context(), c)
		ours.Close()
		said := 0
		for range lines {
			said++
		}
		if login != (err == nil) || login != (said == 2) {
			t.Errorf("%s: %v after %d commands", host, err, said)
		}
	}
}
