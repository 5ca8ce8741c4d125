// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"postern/internal/gate"
	"postern/internal/submit"
)

// transaction is a mail on its way in, from MAIL on (RFC 5321 §3.3). Whatever ends it, reset leaves nothing of it.
type transaction struct {
	from string
	to   []string
	size int64 // that MAIL declared
	utf8 bool

	seen  seen
	text  text
	part  *share    // of the memory; nil: no text has come yet
	began time.Time // the text
	got   int64     // bytes of it
}

// seen are the parameters of MAIL that were given.
type seen struct{ size, body, utf8, auth bool }

// reset forgets the transaction and keeps the login.
func (c *conn) reset() {
	if c.tx.part != nil {
		c.tx.part.end()
	}
	if c.tx.text.b != nil {
		c.s.keep(c.tx.text.b)
	}
	to := c.tx.to
	if cap(to) > 16 {
		to = nil
	}
	clear(to)
	c.tx = transaction{to: to[:0]}
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
	return &reply{555, "5.5.4", "the parameter " + shorten(p.name) + " is not known"} // RFC 5321 §4.1.1.11
}

// parameter takes one of MAIL.
func (tx *transaction) parameter(p parameter) *reply {
	first := func(given *bool) bool {
		was := *given
		*given = true
		return !was
	}
	var once bool
	switch p.name {
	case "SIZE": // RFC 1870
		once = first(&tx.seen.size)
		if !p.has || !digits(p.value) {
			return &reply{501, "5.5.4", "SIZE is a number of bytes"}
		}
		var err error
		if tx.size, err = strconv.ParseInt(p.value, 10, 64); err != nil || tx.size > submit.MaxSize {
			return &tooLarge
		}
	case "BODY": // RFC 6152
		once = first(&tx.seen.body)
		if !strings.EqualFold(p.value, "7BIT") && !strings.EqualFold(p.value, "8BITMIME") {
			return &reply{501, "5.5.4", "BODY is 7BIT or 8BITMIME"}
		}
	case "SMTPUTF8": // RFC 6531 §3.4
		once = first(&tx.seen.utf8)
		if p.has {
			return &reply{501, "5.5.4", "SMTPUTF8 has no value"}
		}
		tx.utf8 = true
	case "AUTH": // RFC 4954 §5: from whom a relaying server has the mail, which is not taken on trust
		once = first(&tx.seen.auth)
		if !p.has {
			return &reply{501, "5.5.4", "AUTH has an address, or <>"}
		}
	default:
		return unknown(p)
	}
	if !once {
		return &reply{501, "5.5.4", "the parameter " + p.name + " is given twice"}
	}
	return nil
}

var tooLarge = reply{552, "5.3.4", "a mail has at most " + strconv.Itoa(submit.MaxSize) + " bytes"}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func kindOf(err error) gate.RefusalKind {
	var r *gate.Refusal
	if errors.As(err, &r) {
		return r.Kind
	}
	return gate.Wrong
}
