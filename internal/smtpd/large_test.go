// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"strings"
	"testing"
	"time"

	"postern/internal/budget"
	"postern/internal/smtpd"
)

// until waits for something that another goroutine does.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within two minutes:", what)
		}
	}
}

// TestLargeMailsShareMemory: while one is on its way another waits, and is refused for now when it waits too long; small
// mail goes by.
func TestLargeMailsShareMemory(t *testing.T) {
	memory := budget.New(4<<20, 50*time.Millisecond) // for one of a megabyte and a bit at a time
	w := start(t, func(c *smtpd.Config) { c.Budget = memory })
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
	until(t, "of the first mail enough is read", func() bool { return memory.Stats().Used > 2_400_000 })
	second := begin()
	second.send(large[:len(large)-3])
	second.send(strings.Repeat(strings.Repeat("y", 98)+"\r\n", 150_000) + ".\r\n") // the answer comes after all of it
	second.expect("452 4.3.1")
	second.envelope()
	second.data("250", mailOf("the connection goes on"))
	small := w.login(t)
	small.envelope()
	small.data("250", mailOf("small"))
	chunked := w.login(t)
	chunked.envelope()
	chunked.send("BDAT 1200000\r\n" + large[:1_200_000])
	chunked.expect("452 4.3.1")
	chunked.send("BDAT 6 LAST\r\nQUIT\r\n")
	chunked.expect("503 5.5.1")
	first.send(large[1_200_000:])
	first.expect("250")
	again := begin()
	again.send(large)
	again.expect("250")
	until(t, "all memory is given back", func() bool { return memory.Stats().Used == 0 })
}

// The memory of a mail grows with what came of it, not with what was announced.
func TestMemoryGrowsWithWhatCame(t *testing.T) {
	memory := budget.New(256<<20, time.Second)
	w := start(t, func(c *smtpd.Config) { c.Budget = memory; c.Limits.PerSource = 300 })
	const mails, came = 200, 20_000
	for range mails {
		c := w.login(t)
		c.say("MAIL FROM:<a@example.com> SIZE=26214400", "250")
		c.say("RCPT TO:<b@example.net>", "250")
		c.say("DATA", "354")
		c.send(strings.Repeat("x", came))
	}
	until(t, "all is read", func() bool { return memory.Stats().Used >= mails*came })
	if used := memory.Stats().Used; used > 6*mails*came {
		t.Errorf("%d mails of which %d bytes came take %d", mails, came, used)
	}
}
