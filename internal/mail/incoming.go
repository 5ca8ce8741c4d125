// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-message/charset"
)

// Limits of an incoming message's header.
const (
	maxLine   = 998     // RFC 5322 §2.1.1, without CRLF
	maxFields = 1000    // ours
	maxHeader = 1 << 20 // ours, in bytes; also of those headers of parts that have to be changed, together
)

var (
	crlf      = []byte("\r\n")
	blankLine = []byte("\r\n\r\n")
)

// ReadIncoming reads a message as a client hands it over, cleans it (RFC 6409 §8) and makes it fit to travel (see [Fit]):
// the control headers are taken out, Date and Message-ID are added where they are missing or empty. now is the Date to
// add; newMessageID makes a Message-ID, without angle brackets. A message that must not be sent on is refused with a
// *SyntaxError: bare CR or LF (which other servers may take for the end of a message), a header that is none, no usable
// From, what cannot be made fit.
func ReadIncoming(raw []byte, now time.Time, newMessageID func() string) (*Incoming, error) {
	if err := checkBytes(raw); err != nil {
		return nil, err
	}
	m := &Incoming{Control: Control{Priority: -1}}
	f := &fitter{}
	if err := f.message(raw, m.Control.take); err != nil {
		return nil, err
	}
	m.Header, m.UTF8 = f.fields, f.utf8
	m.HasText, m.HasHTML, m.Attachments = f.text, f.html, f.attached
	if err := m.readFields(f.seen); err != nil {
		return nil, err
	}
	if f.seen["date"] == 0 {
		f.head = append(f.head, "Date: "+now.Format(time.RFC1123Z)+"\r\n"...)
	}
	if m.MessageID == "" {
		m.MessageID = newMessageID()
		f.head = append(f.head, "Message-ID: <"+m.MessageID+">\r\n"...)
	}
	m.Raw = append(append(f.head, crlf...), f.body...)
	_, m.body = splitHead(raw)
	return m, nil
}

// Body is what comes after the header, as it was handed over.
func (m *Incoming) Body() []byte { return m.body }

// checkBytes refuses NUL (RFC 5322 §4), and CR and LF that do not stand together (RFC 5321 §2.3.8). What follows such a
// one is a new line to some servers and not to others: that is how mail is smuggled.
func checkBytes(raw []byte) error {
	if bytes.IndexByte(raw, 0) >= 0 {
		return &SyntaxError{"", "there is a NUL byte"}
	}
	lines := 0
	for rest, at := raw, 0; ; lines++ {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		if at+i == 0 || raw[at+i-1] != '\r' {
			return &SyntaxError{"", "a line ends in LF without CR"}
		}
		at += i + 1
		rest = rest[i+1:]
	}
	if bytes.Count(raw, []byte{'\r'}) != lines {
		return &SyntaxError{"", "there is a CR without LF"}
	}
	return nil
}

// splitHead parts the header block, with its last CRLF, from the body after the blank line.
func splitHead(raw []byte) (head, body []byte) {
	if bytes.HasPrefix(raw, crlf) {
		return nil, raw[2:]
	}
	i := bytes.Index(raw, blankLine)
	if i < 0 {
		return raw, nil // RFC 5322 §3.5: a message may be its header alone
	}
	return raw[:i+2], raw[i+4:]
}

// eachField calls fn for each field: its name, its value unfolded (RFC 5322 §2.2.3) and trimmed, and all its bytes.
func eachField(head []byte, fn func(name, value string, whole []byte) error) error {
	text := string(head) // names and values are pieces of it
	for n := 0; len(head) > 0; n++ {
		if n == maxFields {
			return &SyntaxError{"", fmt.Sprintf("there are more than %d header fields", maxFields)}
		}
		end, folded := 0, false
		for {
			i := bytes.Index(head[end:], crlf)
			if i < 0 { // the last line of a message without a body may lack its end
				i = len(head) - end - 2
			}
			end += i + 2
			if end >= len(head) || head[end] != ' ' && head[end] != '\t' {
				break
			}
			folded = true
		}
		whole, field := head[:end], text[:end]
		head, text = head[end:], text[end:]
		colon := strings.IndexByte(field, ':')
		if colon <= 0 || !validName(whole[:colon]) {
			return &SyntaxError{"", fmt.Sprintf("%q is not a header field", shorten(whole))}
		}
		if !bytes.HasSuffix(whole, crlf) {
			whole = append(bytes.Clone(whole), crlf...)
		}
		value := strings.TrimSpace(field[colon+1:])
		if folded {
			value = strings.ReplaceAll(value, "\r\n", "")
		}
		if err := fn(strings.TrimRight(field[:colon], " \t"), value, whole); err != nil {
			return err
		}
	}
	return nil
}

// validName holds RFC 5322 §2.2, and §4.5's blanks before the colon.
func validName(b []byte) bool {
	b = bytes.TrimRight(b, " \t")
	for _, c := range b {
		if c <= ' ' || c >= 127 {
			return false
		}
	}
	return len(b) > 0
}

func shorten(line []byte) string {
	return string(line[:min(len(line), 60)])
}

// readFields takes what we need to know from the header.
func (m *Incoming) readFields(seen map[string]int) error {
	if seen["from"] == 0 {
		return &SyntaxError{"From", "the header is missing"}
	}
	for _, f := range m.Header {
		switch lowerName(f.Name) {
		case "subject":
			m.Subject = DecodeHeader(f.Value)
		case "message-id":
			m.MessageID = strings.Trim(f.Value, "<> \t")
		}
	}
	var err error
	if m.Authors, err = authors(m.Header); err != nil {
		return err
	}
	m.From = m.Authors[0].Address
	return nil
}

// DecodeHeader decodes the encoded words of a header value (RFC 2047); what cannot be decoded stays as it is.
func DecodeHeader(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	if out, err := d.DecodeHeader(s); err == nil {
		return out
	}
	return s
}

// take reads a control header, and says whether it was one. Unknown ones are taken as well: they are nobody else's
// business.
func (c *Control) take(lower, value string) bool {
	if lower == "postern-idempotency-key" {
		c.IdempotencyKeys = append(c.IdempotencyKeys, value)
		return true
	}
	if !strings.HasPrefix(lower, "x-mj-") && !strings.HasPrefix(lower, "x-mailjet-") {
		return false
	}
	switch lower {
	case "x-mj-customid":
		c.CustomID = DecodeHeader(value)
	case "x-mj-eventpayload":
		c.EventPayload = DecodeHeader(value)
	case "x-mailjet-campaign":
		c.Campaign = DecodeHeader(value)
	case "x-mailjet-deduplicatecampaign":
		c.Deduplicate = yes(value)
		c.expect(c.Deduplicate || no(value), "X-Mailjet-DeduplicateCampaign", value, "yes and no")
	case "x-mailjet-trackopen":
		c.TrackOpen = c.switched("X-Mailjet-TrackOpen", value)
	case "x-mailjet-trackclick":
		c.TrackClick = c.switched("X-Mailjet-TrackClick", value)
	case "x-mailjet-prio":
		n, err := strconv.Atoi(value)
		if ok := err == nil && n >= 0 && n <= 3; ok {
			c.Priority = n
		} else {
			c.expect(value == "", "X-Mailjet-Prio", value, "0, 1, 2 and 3")
		}
	case "x-mj-templateid":
		c.TemplateID = value
	case "x-mj-templatelanguage":
		c.TemplateLanguage = yes(value)
	case "x-mj-vars":
		c.Vars = DecodeHeader(value)
	case "x-mj-templateerrorreporting":
		c.TemplateErrorReporting = value
	case "x-mj-templateerrordeliver":
		c.TemplateErrorDeliver = value
	case "x-mj-monitoringcategory":
		c.MonitoringCategory = DecodeHeader(value)
	}
	return true
}

func yes(v string) bool {
	switch strings.ToLower(v) {
	case "1", "true", "yes", "y":
		return true
	}
	return false
}

func no(v string) bool {
	switch strings.ToLower(v) {
	case "", "0", "false", "no", "n":
		return true
	}
	return false
}

// switched reads a tracking header: "1" on, "0" off, "" as the account says. The words of the HTTP API do as well.
func (c *Control) switched(name, v string) string {
	switch {
	case yes(v), strings.EqualFold(v, "enabled"):
		return "1"
	case v == "", strings.EqualFold(v, "account_default"):
		return ""
	case no(v), strings.EqualFold(v, "disabled"):
		return "0"
	}
	c.expect(false, name, v, "0 and 1")
	return ""
}

// expect notes a value that cannot be understood.
func (c *Control) expect(ok bool, name, value, known string) {
	if !ok && c.Wrong == "" {
		c.Wrong = fmt.Sprintf("%s: %q is none of %s", name, shorten([]byte(value)), known)
	}
}

// span is a piece of something, its end excluded.
type span struct{ start, end int }

// partSpans says where the parts of a multipart body are, the CRLF before a boundary left out.
func partSpans(body []byte, boundary string) []span {
	delim := []byte("--" + boundary)
	var parts []span
	start := -1
	for at := 0; ; {
		i := bytes.Index(body[at:], delim)
		if i < 0 {
			break
		}
		at += i
		next := len(body)
		if end := bytes.Index(body[at:], crlf); end >= 0 {
			next = at + end + len(crlf)
		}
		if at > 0 && !bytes.HasSuffix(body[:at], crlf) {
			at++ // within a line
			continue
		}
		rest := bytes.TrimRight(body[at+len(delim):next], " \t\r\n")
		last := string(rest) == "--"
		if last || len(rest) == 0 { // otherwise it is a longer boundary, of a part inside
			if start >= 0 {
				parts = append(parts, span{start, max(start, at-len(crlf))})
			}
			if start = next; last {
				return parts
			}
		}
		at = next
	}
	if start >= 0 { // it does not end: its last line end is that of the mail
		parts = append(parts, span{start, max(start, len(bytes.TrimSuffix(body, crlf)))})
	}
	return parts
}
