// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"strings"
	"testing"
	"time"

	"postern/internal/smtpd"
)

// TestLargeMailsShareMemory: while one is on its way another waits, and is refused for now when it waits too long; small
// mail goes by.
func TestLargeMailsShareMemory(t *testing.T) {
	w := start(t, func(c *smtpd.Config) {
		c.Limits = smtpd.Limits{Memory: 5 << 20, Wait: 50 * time.Millisecond} // for one of two megabytes at a time
	})
	large := mailOf(strings.Repeat(strings.Repeat("x", 98)+"\r\n", 19_000))
	begin := func() *client {
		t.Helper()
		c := w.login(t)
		c.say("MAIL FROM:<a@example.com> SIZE=2000000", "250")
		c.say("RCPT TO:<b@example.net>", "250")
		c.say("DATA", "354")
		return c
	}
	first := begin()
	first.send(large[:1_500_000])
	refused := false
	for range 100 { // until enough of the first is read
		c := begin()
		c.send(large)
		reply := c.expect("")
		if refused = strings.HasPrefix(reply, "452 4.3.1"); refused {
			break
		}
		if !strings.HasPrefix(reply, "250") {
			t.Fatal(reply)
		}
		c.say("QUIT", "221")
	}
	if !refused {
		t.Fatal("two large mails were taken at a time")
	}
	small := w.login(t)
	small.envelope()
	small.data("250", mailOf("small"))
	first.send(large[1_500_000:])
	first.expect("250")
	again := begin()
	again.send(large)
	again.expect("250")
	// One that is larger than it said has no memory, or finds it.
	more := w.login(t)
	more.say("MAIL FROM:<a@example.com> SIZE=1200000", "250")
	more.say("RCPT TO:<b@example.net>", "250")
	more.data("452 4.3.1", large)
	more.envelope()
	more.data("250", mailOf("and the connection goes on"))
}
