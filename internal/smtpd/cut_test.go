// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"io"
	"regexp"
	"strings"
	"testing"
)

// conversations are said in one go, without waiting for replies, with what is answered.
var conversations = []struct{ name, said, answered string }{
	{
		"DATA, BDAT and refusals",
		"EHLO client.example\r\nAUTH LOGIN\r\n{user}\r\n{password}\r\nMAIL FROM:<a@example.com> SIZE=10\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<nobody>\r\nDATA\r\n" +
			"From: a@example.com\r\n\r\n..\r\nx\r\n.\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<c@example.net>\r\nBDAT 23\r\nFrom: a@example.com\r\n\r\nBDAT 6 LAST\r\nQUIT\r\n" +
			"XYZZY\r\nRSET\r\nBDAT 6\r\nRSET\r\nNOOP x\r\nQUIT\r\n",
		"220 250 334 334 235 250 250 553 354 250 250 250 250 250 500 250 503 250 221",
	},
	{
		"refused texts",
		"EHLO client.example\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nhello\r\r\n.\r\n" +
			"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\n.\nRSET\r\n.\r\r\n.\rX\r\n..\r\n.\r\nDATA\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 2\r\nx\nBDAT 4 LAST\r\nNOOPQUIT\r\n",
		"220 250 235 250 250 354 554 250 250 354 554 503 250 250 554 503 221",
	},
	{
		"what closes",
		"EHLO client.example\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nBDAT x\r\nRSET\r\n",
		"220 250 235 250 250 501",
	},
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// TestCutAtEachByte: where a conversation is cut into packets changes nothing (RFC 2920 §3.1).
func TestCutAtEachByte(t *testing.T) {
	w := start(t, nil)
	p := w.pipes(t)
	fill := w.filler()
	for _, conv := range conversations {
		said := fill(conv.said)
		play := func(t *testing.T, packets ...string) string {
			t.Helper()
			c := p.dial(t)
			defer c.Close()
			go func() {
				for _, x := range packets {
					io.WriteString(c, x)
				}
			}()
			got, err := io.ReadAll(c.r)
			if err != nil {
				t.Fatal(err)
			}
			return ids.ReplaceAllString(string(got), "UUID")
		}
		whole := play(t, said)
		if got := codes(whole); got != conv.answered {
			t.Fatalf("%s: answered %s\nwant %s", conv.name, got, conv.answered)
		}
		step := 1
		if testing.Short() {
			step = 7
		}
		for i := 1; i < len(said); i += step {
			if got := play(t, said[:i], said[i:]); got != whole {
				t.Fatalf("%s, cut at %q|%q: answered\n%s\nwant\n%s", conv.name, said[max(0, i-20):i], said[i:min(len(said), i+20)], got, whole)
			}
		}
		if got := play(t, strings.Split(said, "")...); got != whole {
			t.Errorf("%s, byte by byte: answered\n%s\nwant\n%s", conv.name, got, whole)
		}
	}
}

// codes are those of the replies.
func codes(replies string) string {
	var out []string
	for line := range strings.Lines(replies) {
		if len(line) > 3 && line[3] == ' ' {
			out = append(out, line[:3])
		}
	}
	return strings.Join(out, " ")
}
