// SPDX-License-Identifier: Apache-2.0

// Package mail knows what a message and an address look like: the types a
// message passes through, addresses (RFC 5321, 5322, 6531) and the catalogue of
// delivery states. It is pure: no I/O, no state.
package mail

import "time"

// Address is a mailbox: a display name, which may be empty, and an address.
type Address struct{ Name, Email string }

// Author is an address in a header field that says who a message is from: From, Sender, Resent-From or Resent-Sender.
type Author struct {
	Field string // the field's name
	Address
}

// Field is one header field, its value unfolded.
type Field struct{ Name, Value string }

// Part is an attachment or an inline image of a Draft. ContentID is without
// angle brackets and only needed when the part is inlined.
type Part struct {
	ContentType, Filename, ContentID string
	Data                             []byte
}

// Draft is a message to compose. There is no Bcc: it belongs to the envelope.
type Draft struct {
	From        Address
	Sender      *Address
	To, Cc      []Address
	ReplyTo     *Address
	Subject     string
	Text, HTML  string
	Attachments []Part
	Inlined     []Part
	Headers     []Field
	Date        time.Time
	MessageID   string
}

// Incoming is a message as handed over by SMTP. Raw is cleaned and fit to travel: control headers and Bcc removed, Date
// and Message-ID added where missing, what a relay might change encoded.
type Incoming struct {
	Header             []Field
	From               Address  // the first author
	Authors            []Author // every address of From, Sender, Resent-From and Resent-Sender, From's first
	Subject, MessageID string
	HasText, HasHTML   bool
	Attachments        int
	UTF8               bool // a mailbox in the header needs SMTPUTF8
	Control            Control
	Raw                []byte

	body []byte
}

// Control is what the control headers of an incoming message said.
type Control struct {
	CustomID, EventPayload, Campaign, MonitoringCategory string
	Vars, TemplateID                                     string
	IdempotencyKeys                                      []string // one, or the mail is wrong
	TemplateErrorReporting, TemplateErrorDeliver         string
	TrackOpen, TrackClick                                string // "", "0" or "1"
	Deduplicate, TemplateLanguage                        bool
	Priority                                             int    // 0 to 3; -1 when unset
	Wrong                                                string // what is wrong with the first header that cannot be understood
}

// View is a message to look at: everything decoded to UTF-8, HTML untouched.
type View struct {
	Header             []Field
	From               []Address
	Sender             *Address
	To, Cc, ReplyTo    []Address
	Subject, MessageID string
	Date               time.Time
	Text, HTML         string
	Parts              []ViewPart
}

// ViewPart is an attachment or inline part of a View; Size is len(Data), in bytes.
type ViewPart struct {
	ContentType, Filename, ContentID string
	Size                             int
	Data                             []byte
}

// SyntaxError refuses a message or an address: Field names the header field (""
// for the message as a whole), Reason says what is wrong with it.
type SyntaxError struct{ Field, Reason string }

func (e *SyntaxError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}
