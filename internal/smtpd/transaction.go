// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"strconv"
	"strings"
	"time"

	"postern/internal/budget"
	"postern/internal/mail"
	"postern/internal/submit"
)

// transaction is a mail on its way in, from MAIL on (RFC 5321 §3.3). Whatever ends it, reset leaves nothing of it.
type transaction struct {
	submit.Envelope

	size int64 // that MAIL declared
	utf8 bool
	seen seen

	open    bool // the text has begun
	refused bool // it is thrown away
	text    text
	share   budget.Share // of the memory
	began   time.Time    // the text
	got     int64        // bytes of it
}

// seen are the parameters of one command that were given.
type seen uint16

const (
	seenSize seen = 1 << iota
	seenBody
	seenUTF8
	seenAuth
	seenRet
	seenEnvID
	seenTLS
	seenNotify
	seenORcpt
)

// first notes a parameter, and says whether it is given for the first time.
func (s *seen) first(x seen) bool {
	was := *s
	*s |= x
	return was&x == 0
}

// reset forgets the transaction and keeps the login.
func (c *conn) reset() {
	c.tx.share.Release()
	if c.tx.text.b != nil {
		c.s.keep(c.tx.text.b)
	}
	to := c.tx.Recipients
	clear(to)
	if cap(to) > 16 {
		to = nil
	}
	c.tx = transaction{Envelope: submit.Envelope{Recipients: to[:0]}}
	if c.state > ready {
		c.enter(ready)
	}
	c.leaveMail()
}

// each calls take with each parameter in s, and returns the first refusal.
func each(s string, take func(parameter) *reply) *reply {
	for {
		p, rest, err := cutParameter(s)
		if err != nil {
			return &reply{501, "5.5.4", err.Error()}
		}
		if p.name == "" {
			return nil
		}
		if why := take(p); why != nil {
			return why
		}
		s = rest
	}
}

func unknown(p parameter) *reply {
	return &reply{555, "5.5.4", "unknown parameter: " + shorten(p.name)} // RFC 5321 §4.1.1.11
}

// ofMail takes a parameter of MAIL. overTLS says whether REQUIRETLS is offered.
func (tx *transaction) ofMail(p parameter, overTLS bool) *reply {
	var (
		which seen
		err   error
	)
	switch p.name {
	case "SIZE": // RFC 1870
		which = seenSize
		if !digits(p.value) {
			return wrongParameter("SIZE must be a number of bytes")
		}
		if tx.size, err = strconv.ParseInt(p.value, 10, 64); err != nil || tx.size > submit.MaxSize {
			return &tooLarge
		}
	case "BODY": // RFC 6152
		which = seenBody
		if !strings.EqualFold(p.value, "7BIT") && !strings.EqualFold(p.value, "8BITMIME") {
			return wrongParameter("BODY must be 7BIT or 8BITMIME")
		}
	case "SMTPUTF8": // RFC 6531 §3.4
		which, tx.utf8 = seenUTF8, true
	case "AUTH": // RFC 4954 §5: from whom a relaying server has the mail, which is not taken on trust
		which = seenAuth
		if !p.has {
			return wrongParameter("AUTH needs an address, or <>")
		}
	case "RET": // RFC 3461 §4.3
		which = seenRet
		tx.Ret, err = mail.ParseRet(p.value)
	case "ENVID": // RFC 3461 §4.4
		which = seenEnvID
		if tx.EnvID, err = mail.ParseEnvID(p.value); !p.has {
			return wrongParameter("ENVID needs a value")
		}
	case "REQUIRETLS": // RFC 8689 §2
		which, tx.RequireTLS = seenTLS, true
		if !overTLS {
			return &reply{530, "5.7.10", "REQUIRETLS needs a TLS connection: use STARTTLS"}
		}
	default:
		return unknown(p)
	}
	return p.check(tx.seen.first(which), which == seenUTF8 || which == seenTLS, err)
}

// ofRcpt takes a parameter of RCPT.
func ofRcpt(r *submit.Recipient, given *seen, p parameter) *reply {
	var (
		which seen
		err   error
	)
	switch p.name {
	case "NOTIFY": // RFC 3461 §4.1
		which = seenNotify
		r.Notify, err = mail.ParseNotify(p.value)
	case "ORCPT": // RFC 3461 §4.2
		which = seenORcpt
		r.ORcpt, err = mail.ParseORcpt(p.value)
	default:
		return unknown(p)
	}
	return p.check(given.first(which), false, err)
}

// check says what is wrong with a parameter that is known.
func (p parameter) check(first, bare bool, err error) *reply {
	switch {
	case err != nil:
		return wrongParameter(err.Error())
	case bare && p.has:
		return wrongParameter(p.name + " takes no value")
	case !first:
		return wrongParameter("the parameter " + p.name + " occurs twice")
	}
	return nil
}

func wrongParameter(why string) *reply { return &reply{501, "5.5.4", why} }

var tooLarge = reply{552, "5.3.4", "the message is too large: it may have " + strconv.Itoa(submit.MaxSize) + " bytes"}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
