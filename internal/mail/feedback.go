// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"strings"
)

// Feedback is a recipient's complaint as a mailbox provider reports it: in the Abuse Reporting Format (RFC 5965), or, as
// Microsoft's junk mail reports are, with nothing but the mail that is complained of.
type Feedback struct {
	Type       string   // "abuse", "fraud", "not-spam", …; "abuse" where the report does not say
	Source     string   // who reports: the program's name, or the reporter's domain
	Recipients []string // who complained, the most certain first; providers often leave it out
	MessageID  string   // of the mail complained of, without angle brackets
	// Unsubscribe are the links of its List-Unsubscribe: in ours there is which message it was.
	Unsubscribe []string
}

// maxComplainers bounds the addresses that are taken from a report.
const maxComplainers = 20

// ReadFeedback reads a report. Its lines may end in LF alone, and an mbox's first line may stand before it: so are mails
// that a mail server pipes into a program. A mail that is no report is a *SyntaxError.
func ReadFeedback(raw []byte) (*Feedback, error) {
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, crlf, []byte("\n")), []byte("\n"), crlf)
	v, err := Read(raw)
	if err != nil {
		return nil, err
	}
	f := &Feedback{}
	found := false
	for _, p := range v.Parts {
		switch p.ContentType {
		case "message/feedback-report":
			found = true
			f.report(p.Data)
		case "message/rfc822", "text/rfc822-headers", "message/global":
			found = true
			f.original(p.Data)
		}
	}
	if !found {
		return nil, &SyntaxError{"", "this is no report of a complaint: it has neither a part message/feedback-report (RFC 5965) " +
			"nor the mail that is complained of"}
	}
	if f.Type == "" {
		f.Type = "abuse"
	}
	if f.Source == "" && len(v.From) > 0 {
		f.Source = Domain(v.From[0].Email)
	}
	return f, nil
}

// report reads the machine's part (RFC 5965 §3).
func (f *Feedback) report(data []byte) {
	var agent, reporter string
	readable(data, func(name, value string) {
		switch name {
		case "feedback-type":
			f.Type = strings.ToLower(value)
		case "user-agent":
			agent = value
		case "reporting-mta": // "dns; mail.example.net" (RFC 3464 §2.2.2)
			_, reporter, _ = strings.Cut(value, ";")
		case "original-rcpt-to":
			f.complainer(value, true)
		}
	})
	if f.Source = strings.TrimSpace(agent); f.Source == "" {
		f.Source = strings.TrimSpace(reporter)
	}
}

// original reads the header of the mail that is complained of.
func (f *Feedback) original(data []byte) {
	readable(data, func(name, value string) {
		switch name {
		case "message-id":
			f.MessageID = strings.Trim(value, "<> \t")
		case "x-hmxmroriginalrecipient": // Microsoft's, in place of Original-Rcpt-To
			f.complainer(value, true)
			f.Source = "JMRPP"
		case "to", "cc":
			if list, err := ParseAddressList(value); err == nil {
				for _, a := range list {
					f.complainer(a.Email, false)
				}
			}
		case "list-unsubscribe":
			for _, part := range strings.Split(value, ",") {
				part = strings.TrimSpace(part)
				if link, ok := strings.CutPrefix(part, "<"); ok && len(f.Unsubscribe) < maxComplainers {
					f.Unsubscribe = append(f.Unsubscribe, strings.TrimSuffix(link, ">"))
				}
			}
		}
	})
}

// complainer adds an address, a certain one before the others.
func (f *Feedback) complainer(email string, certain bool) {
	email = strings.Trim(strings.TrimSpace(email), "<>")
	if _, after, ok := strings.Cut(email, ";"); ok { // "rfc822; a@example.net"
		email = strings.TrimSpace(after)
	}
	if CheckEmail(email) != nil || len(f.Recipients) == maxComplainers {
		return
	}
	if certain {
		f.Recipients = append([]string{email}, f.Recipients...)
		return
	}
	f.Recipients = append(f.Recipients, email)
}

// readable gives the fields of a header as far as it is one, their names in lower case.
func readable(data []byte, fn func(name, value string)) {
	head, _ := splitHead(bytes.TrimLeft(data, "\r\n"))
	eachField(head, func(name, value string, _ []byte) error { //nolint:errcheck,gosec // what can be read is taken
		fn(strings.ToLower(name), value)
		return nil
	})
}
