// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bufio"
	"strings"
	"testing"
	"unicode/utf8"

	"postern/internal/mail"
)

func TestClassify(t *testing.T) {
	for line, want := range map[string]mail.State{
		"550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking":    mail.StateUserUnknown,
		"550 5.1.1 <x@y.example>: Recipient address rejected: User unknown in virtual mailbox table":        mail.StateUserUnknown,
		"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient x@y.example not found by SMTP address lookup": mail.StateUserUnknown,
		"554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]":               mail.StateUserUnknown,
		"550 Unrouteable address": mail.StateUserUnknown,
		"452 4.2.2 The email account that you tried to reach is over quota": mail.StateQuotaExceeded,
		"552 5.2.2 Mailbox full": mail.StateQuotaExceeded,
		"550 5.2.1 The email account that you tried to reach is disabled":                                      mail.StateMailboxInactive,
		"451 4.7.1 Greylisting in action, please come back later":                                              mail.StateGreylisted,
		"450 4.2.0 <x@y.example>: Recipient address rejected: Greylisted":                                      mail.StateGreylisted,
		"554 5.7.1 <x@y.example>: Relay access denied":                                                         mail.StateRelayDenied,
		"550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus":                        mail.StateSenderBlocked,
		"550 5.7.1 [192.0.2.1 12] Our system has detected that this message is likely unsolicited mail (spam)": mail.StateContentBlocked,
		"550 5.7.26 This mail has been blocked because the sender is unauthenticated":                          mail.StatePolicyIssue,
		"550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification":               mail.StatePolicyIssue,
		"421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred":                                       mail.StatePolicyIssue,
		"421 too busy":                mail.StateConnectionIssue,
		"501 5.5.4 Bad arguments":     mail.StateProtocolIssue,
		"451 4.3.0 Temporary failure": mail.StateSystemIssue,
		"550 5.4.4 unable to route":   mail.StateInvalidDomain,
		"550 no":                      mail.StateUserUnknown,
	} {
		r, err := readReply(bufio.NewReader(strings.NewReader(line + "\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		if got := classify(r.code, r.enhanced, r.line()); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"250 OK\r\n", "250-one\r\n250 two\r\n", "550 5.1.1 no\r\n", "550-5.1.1 no\r\n551 x\r\n", "25", "999 x\r\n", "250\r\n", strings.Repeat("250-x\r\n", 200), "220 " + strings.Repeat("x", 3000) + "\r\n", "250 \xff\x00\x1b[2J\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(s)))
		if err != nil {
			return
		}
		line := r.line()
		if r.code < 200 || r.code > 599 || len(line) > maxKept+10 || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\x00\x1b") {
			t.Fatalf("%+v: %q", r, line)
		}
		if r.enhanced != "" && r.enhanced[0] != byte('0'+r.code/100) {
			t.Fatalf("%d with %s", r.code, r.enhanced)
		}
		classify(r.code, r.enhanced, line)
	})
}
