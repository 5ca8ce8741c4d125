// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// arf is a report as RFC 5965 has it in its appendix, with what providers add.
const arf = `From alice Thu Mar  8 14:00:00 2026
From: <abusedesk@example.com>
Date: Thu, 8 Mar 2026 17:40:36 EDT
Subject: FW: Earn money
To: <abuse@example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
     boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <somespammer@example.net>
Original-Rcpt-To: <User@Example.com>
Arrival-Date: Thu, 8 Mar 2026 14:00:00 EDT
Reporting-MTA: dns; mail.example.com

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

From: <somespammer@example.net>
To: <other@example.com>
Subject: Earn money
Message-ID: <8787KJKJ3K4J3K4J3K4J3.mail@example.net>
List-Unsubscribe: <https://mail.example.net/t/u/abc>,
 <mailto:leave@example.net>

Spam Spam Spam
--part1_13d.2e68ed54_boundary--
`

func TestReadFeedback(t *testing.T) {
	whole := Feedback{
		Type: "abuse", Source: "SomeGenerator/1.0", Recipients: []string{"User@Example.com", "other@example.com"},
		MessageID: "8787KJKJ3K4J3K4J3K4J3.mail@example.net", Unsubscribe: []string{"https://mail.example.net/t/u/abc", "mailto:leave@example.net"},
	}
	microsoft := "From: staff@hotmail.com\r\nSubject: complaint about message from 192.0.2.1\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\nX-HmXmrOriginalRecipient: a@hotmail.example\r\nTo: <redacted>\r\nMessage-ID: <1@example.net>\r\n\r\nx\r\n--b--\r\n"
	for name, c := range map[string]struct {
		raw  string
		want *Feedback
	}{
		"RFC 5965":      {arf, &whole},
		"with CRLF":     {strings.ReplaceAll(arf, "\n", "\r\n"), &whole},
		"Microsoft's":   {microsoft, &Feedback{Type: "abuse", Source: "JMRPP", Recipients: []string{"a@hotmail.example"}, MessageID: "1@example.net"}},
		"not a report":  {"From: a@example.net\r\n\r\nhello\r\n", nil},
		"nothing":       {"", nil},
		"another thing": {"\x00\x01", nil},
	} {
		got, err := ReadFeedback([]byte(c.raw))
		if c.want == nil {
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
}

func FuzzReadFeedback(f *testing.F) {
	f.Add([]byte(arf))
	f.Add([]byte("From: a@b.example\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"))
	f.Add([]byte("Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n\n--x--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ReadFeedback(raw)
		if err != nil {
			return
		}
		if got.Type == "" || len(got.Recipients) > maxComplainers || len(got.Unsubscribe) > maxComplainers {
			t.Errorf("%+v", got)
		}
		for _, r := range got.Recipients {
			if CheckEmail(r) != nil {
				t.Errorf("recipient %q", r)
			}
		}
	})
}
