// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"errors"
	"mime/quotedprintable"
	"strings"
	"time"
)

// Report is a delivery status notification to compose (RFC 3464, in the form of RFC 6522).
type Report struct {
	From       Address
	To         string // the return path of the mail that it is about
	Subject    string
	Date       time.Time
	MessageID  string
	Text       string    // for people
	Fields     []Field   // of the report as a whole
	Recipients [][]Field // of each recipient
	Returned   []byte    // the source of the mail that it is about; nil: it is not returned
	Headers    bool      // of the source only the header is returned
}

// maxReturnedHeader bounds what is returned of a header, in bytes.
const maxReturnedHeader = 64 << 10

// maxStatusWord is how long a word of a message/delivery-status part may be: a line has 998 bytes (RFC 5322 §2.1.1).
const maxStatusWord = 700

// ComposeReport writes a report: three parts, for people, for programs, and what is returned of the mail. Its lines end in
// CRLF.
func ComposeReport(r Report) ([]byte, error) {
	w := &composer{}
	w.addresses("From", r.From)
	w.addresses("To", Address{Email: r.To})
	w.text("Subject", r.Subject)
	w.line("Date: " + r.Date.Format(time.RFC1123Z))
	w.line("Message-ID: <" + r.MessageID + ">")
	w.line("Auto-Submitted: auto-replied") // RFC 3834 §5: nothing answers by itself
	w.line("MIME-Version: 1.0")
	b := w.begin("report; report-type=delivery-status")
	w.WriteString("--" + b + "\r\n")
	w.line("Content-Description: Notification")
	w.content("text/plain", r.Text)
	w.boundary(b)
	w.line("Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n")
	for i, group := range append([][]Field{r.Fields}, r.Recipients...) {
		if i > 0 {
			w.Write(crlf)
		}
		for _, f := range group {
			w.status(f)
		}
	}
	if r.Returned != nil {
		w.boundary(b)
		w.returned(r.Returned, r.Headers)
	}
	w.end(b)
	return w.Bytes(), errors.Join(w.errs...)
}

// status writes a field of a message/delivery-status part, in ASCII alone (RFC 3464 §2.1.1), folded between words.
func (w *composer) status(f Field) {
	value := strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7F:
			return ' '
		case r > 0x7F:
			return '?'
		}
		return r
	}, f.Value)
	w.WriteString(f.Name + ":")
	var words []string
	for _, word := range strings.Fields(value) {
		for ; len(word) > maxStatusWord; word = word[maxStatusWord:] {
			words = append(words, word[:maxStatusWord])
		}
		words = append(words, word)
	}
	w.fold(words, len(f.Name)+1, len(f.Name)+1)
	w.Write(crlf)
}

// returned writes what is returned of a mail: its header, or all of it.
func (w *composer) returned(source []byte, headers bool) {
	if !headers {
		w.line("Content-Description: Original message")
		if fit, _, err := Fit(source); err == nil { // it was accepted before that was done, say
			source = fit
		}
		if !isPlain(source) { // its header needs SMTPUTF8: RFC 6532 §3.7 lets such a message be encoded
			w.line("Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n")
			w.base64(source)
			return
		}
		w.line("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n")
		w.Write(source)
		return
	}
	head, _ := splitHead(source)
	head = shortHead(head)
	w.line("Content-Description: Original message header\r\nContent-Type: text/rfc822-headers")
	if high, long := weigh(string(head)); high == 0 && !long {
		w.line("Content-Transfer-Encoding: 7bit\r\n")
		w.Write(head)
		return
	}
	w.line("Content-Transfer-Encoding: quoted-printable\r\n") // RFC 6522 §4
	q := quotedprintable.NewWriter(w)
	_, err := q.Write(head)
	w.errs = append(w.errs, err, q.Close())
}

// shortHead cuts a header that is too long to be returned, behind a field.
func shortHead(head []byte) []byte {
	if len(head) <= maxReturnedHeader {
		return head
	}
	head = head[:maxReturnedHeader]
	for end := len(head); ; {
		nl := bytes.LastIndexByte(head[:end], '\n')
		if nl < 0 {
			return nil
		}
		if nl+1 < len(head) && head[nl+1] != ' ' && head[nl+1] != '\t' {
			return head[:nl+1]
		}
		end = nl
	}
}
