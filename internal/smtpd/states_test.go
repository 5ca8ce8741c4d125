// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"strings"
	"testing"

	"postern/internal/mxtest"
	"postern/internal/smtpd"
)

// reach says what brings a new connection into a state, and what shows that it is in it.
var reach = []struct {
	name  string
	to    [][2]string
	probe [][2]string
}{
	{"fresh", nil, [][2]string{{"MAIL FROM:<a@example.com>", "503 5.5.1"}, {"AUTH PLAIN", "503 5.5.1"}}},
	{"greeted", [][2]string{{"EHLO client.example", "250"}}, [][2]string{{"MAIL FROM:<a@example.com>", "530 5.7.0"}}},
	{"logged in", [][2]string{{"EHLO client.example", "250"}, {"AUTH PLAIN {plain}", "235"}}, [][2]string{{"RCPT TO:<b@example.net>", "503 5.5.1"}, {"MAIL FROM:<a@example.com>", "250"}}},
	{"MAIL", [][2]string{{"EHLO client.example", "250"}, {"AUTH PLAIN {plain}", "235"}, {"MAIL FROM:<a@example.com>", "250"}}, [][2]string{{"MAIL FROM:<a@example.com>", "503 5.5.1"}, {"RCPT TO:<b@example.net>", "250"}}},
	{"RCPT", [][2]string{{"EHLO client.example", "250"}, {"AUTH PLAIN {plain}", "235"}, {"MAIL FROM:<a@example.com>", "250"}, {"RCPT TO:<b@example.net>", "250"}}, [][2]string{{"DATA", "354"}}},
	{"BDAT", [][2]string{{"EHLO client.example", "250"}, {"AUTH PLAIN {plain}", "235"}, {"MAIL FROM:<a@example.com>", "250"}, {"RCPT TO:<b@example.net>", "250"}, {"BDAT 0", "250"}}, [][2]string{{"DATA", "503 5.5.1"}, {"BDAT 0", "250"}}},
}

const (
	fresh, greeted, loggedIn = 0, 1, 2
	same                     = -1
	over                     = -2 // the connection is closed
)

// TestEveryCommandInEveryState: what each command is answered in each state, and which state it leaves.
func TestEveryCommandInEveryState(t *testing.T) {
	type cell struct {
		want string
		then int
	}
	ok, no := cell{"250 2", same}, func(code string) cell { return cell{code, same} }
	seq := no("503 5.5.1")
	w := start(t, func(c *smtpd.Config) { c.Limits.PerSource = 500 })
	p := w.pipes(t)
	fill := strings.NewReplacer("{plain}", plain(w.key.APIKey, w.secret))
	for _, row := range []struct {
		command, rfc string
		cells        [6]cell
	}{
		{"EHLO again.example", "RFC 5321 §4.1.4", [6]cell{{"250 SIZE", greeted}, {"250 SIZE", greeted}, {"250 SIZE", loggedIn}, {"250 SIZE", loggedIn}, {"250 SIZE", loggedIn}, {"250 SIZE", loggedIn}}},
		{"HELO again.example", "RFC 5321 §4.1.1.1", [6]cell{{"250 2", greeted}, {"250 2", greeted}, {"250 2", loggedIn}, {"250 2", loggedIn}, {"250 2", loggedIn}, {"250 2", loggedIn}}},
		{"EHLO", "RFC 5321 §4.1.1.1", [6]cell{no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4")}},
		{"HELO", "RFC 5321 §4.1.1.1", [6]cell{no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4")}},
		{"STARTTLS now", "RFC 3207 §4", [6]cell{no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4")}},
		{"AUTH PLAIN {plain}", "RFC 4954 §4", [6]cell{seq, {"235 2.7.0", loggedIn}, seq, seq, seq, seq}},
		{"AUTH", "RFC 4954 §4", [6]cell{seq, no("501 5.5.4"), seq, seq, seq, seq}},
		{"MAIL FROM:<c@example.com>", "RFC 5321 §3.3, §4.1.4; RFC 4954 §6", [6]cell{seq, no("530 5.7.0"), {"250 2.1.0", 3}, seq, seq, seq}},
		{"RCPT TO:<c@example.net>", "RFC 5321 §3.3", [6]cell{seq, seq, seq, {"250 2.1.5", 4}, {"250 2.1.5", same}, seq}},
		{"DATA", "RFC 5321 §4.1.1.4; RFC 3030 §2", [6]cell{seq, seq, seq, seq, {"354 ", over}, seq}},
		{"DATA now", "RFC 5321 §4.1.1.4", [6]cell{no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4")}},
		{"BDAT 0", "RFC 3030 §2", [6]cell{seq, seq, seq, seq, {"250 2.0.0", 5}, {"250 2.0.0", same}}},
		{"BDAT 6\r\nQUIT", "RFC 3030 §2: a chunk is never a command", [6]cell{seq, seq, seq, seq, {"250 2.0.0", 5}, {"250 2.0.0", same}}},
		{"BDAT 0 LAST", "RFC 3030 §2: without a header it is no mail", [6]cell{seq, seq, seq, seq, {"554 5.6.0", loggedIn}, {"554 5.6.0", loggedIn}}},
		{"BDAT", "RFC 3030 §2: nobody knows where the chunk ends", [6]cell{{"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}}},
		{"BDAT x LAST", "RFC 3030 §2", [6]cell{{"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}, {"501 5.5.4", over}}},
		{"RSET", "RFC 5321 §4.1.1.5", [6]cell{ok, ok, ok, {"250 2.0.0", loggedIn}, {"250 2.0.0", loggedIn}, {"250 2.0.0", loggedIn}}},
		{"RSET all", "RFC 5321 §4.1.1.5", [6]cell{no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4")}},
		{"NOOP", "RFC 5321 §4.1.1.9", [6]cell{ok, ok, ok, ok, ok, ok}},
		{"NOOP whatever it is", "RFC 5321 §4.1.1.9", [6]cell{ok, ok, ok, ok, ok, ok}},
		{"QUIT", "RFC 5321 §4.1.1.10", [6]cell{{"221 2.0.0", over}, {"221 2.0.0", over}, {"221 2.0.0", over}, {"221 2.0.0", over}, {"221 2.0.0", over}, {"221 2.0.0", over}}},
		{"QUIT now", "RFC 5321 §4.1.1.10", [6]cell{no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4")}},
		{"VRFY a@example.com", "RFC 5321 §3.5.3", [6]cell{no("252 2"), no("252 2"), no("252 2"), no("252 2"), no("252 2"), no("252 2")}},
		{"VRFY", "RFC 5321 §4.1.1.6", [6]cell{no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4"), no("501 5.5.4")}},
		{"EXPN staff", "RFC 5321 §3.5.1", [6]cell{no("502 5.5.1"), no("502 5.5.1"), no("502 5.5.1"), no("502 5.5.1"), no("502 5.5.1"), no("502 5.5.1")}},
		{"HELP", "RFC 5321 §4.1.1.8", [6]cell{no("214 2"), no("214 2"), no("214 2"), no("214 2"), no("214 2"), no("214 2")}},
		{"HELP mail", "RFC 5321 §4.1.1.8", [6]cell{no("214 2"), no("214 2"), no("214 2"), no("214 2"), no("214 2"), no("214 2")}},
		{"SEND FROM:<a@example.com>", "RFC 5321 §4.2.4", [6]cell{no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1")}},
		{"", "RFC 5321 §4.2.4", [6]cell{no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1"), no("500 5.5.1")}},
	} {
		t.Run(strings.ReplaceAll(row.command, "\r\n", " ")+": "+row.rfc, func(t *testing.T) {
			for i, from := range reach {
				say := func(c *client, lines [][2]string) {
					t.Helper()
					for _, l := range lines {
						c.say(fill.Replace(l[0]), l[1])
					}
				}
				cell := row.cells[i]
				c := p.dial(t)
				c.expect("220 ")
				say(c, from.to)
				c.say(fill.Replace(row.command), cell.want)
				switch {
				case cell.then == same:
					say(c, from.probe)
				case cell.then >= 0:
					say(c, reach[cell.then].probe)
				case strings.HasPrefix(cell.want, "354"):
				default:
					if c.gone(); t.Failed() {
						t.Fatal("in state", from.name)
					}
				}
			}
		})
	}
}

// TestSTARTTLSInEveryState: it is taken in one, once.
func TestSTARTTLSInEveryState(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.TLS = mxtest.Certificate(t) })
	fill := strings.NewReplacer("{plain}", plain(w.key.APIKey, w.secret))
	for i, from := range reach {
		c := w.dial(t)
		for _, l := range from.to {
			c.say(fill.Replace(l[0]), l[1])
		}
		if i != greeted {
			c.say("STARTTLS", "503 5.5.1") // RFC 3207 §4
			for _, l := range from.probe {
				c.say(l[0], l[1])
			}
			continue
		}
		c.startTLS()
		for _, l := range reach[fresh].probe { // RFC 3207 §4.2: as at the beginning
			c.say(l[0], l[1])
		}
		c.say("EHLO client.example", "250")
		c.say("STARTTLS", "503 5.5.1")
	}
	without := start(t, nil).dial(t)
	without.say("EHLO client.example", "250")
	without.say("STARTTLS", "502 5.5.1")
}
