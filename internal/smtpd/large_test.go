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
		c.Limits = smtpd.Limits{Memory: 4 << 20, Wait: 50 * time.Millisecond} // for one of a megabyte and a bit at a time
	})
	large := mailOf(strings.Repeat(strings.Repeat("x", 98)+"\r\n", 12_500))
	begin := func() *client {
		t.Helper()
		c := w.login(t)
		c.say("MAIL FROM:<a@example.com> SIZE=1300000", "250")
		c.say("RCPT TO:<b@example.net>", "250")
		c.say("DATA", "354")
		return c
	}
	first := begin()
	first.send(large[:1_200_000])
	for end := time.Now().Add(40 * time.Second); w.server.Large() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("of the first mail not enough is read in a while")
		}
	}
	second := begin()
	second.send(large[:len(large)-3])
	second.send(strings.Repeat(strings.Repeat("y", 98)+"\r\n", 150_000) + ".\r\n") // the answer comes after all of it
	second.expect("452 4.3.1")
	second.envelope()
	second.data("250", mailOf("the connection goes on"))
	small := w.login(t)
	small.envelope()
	small.data("250", mailOf("small"))
	first.send(large[1_200_000:])
	first.expect("250")
	again := begin()
	again.send(large)
	again.expect("250")
	// One that is larger than it said has no memory, or finds it.
	more := w.login(t)
	more.say("MAIL FROM:<a@example.com> SIZE=1060000", "250")
	more.say("RCPT TO:<b@example.net>", "250")
	more.data("452 4.3.1", large)
	more.envelope()
	more.data("250", mailOf("and the connection goes on"))
}
