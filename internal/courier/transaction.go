// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"postern/internal/mail"
)

// transaction is one mail for some recipients.
type transaction struct {
	from       string
	recipients []string // as RCPT has them, with their parameters
	header     []byte   // put before the body
	body       []byte
	utf8       bool
	asked      *Asked
}

// answers are a transaction's replies. What was not reached has code 0.
type answers struct {
	mail  reply
	rcpt  []reply
	data  reply // of DATA: 354 is to go on
	final reply // of the message
	dot   bool  // the final dot was on its way: the mail may have been taken
}

// closing says that the server is about to hang up: 421 may answer anything (RFC 5321 §3.8).
func (a *answers) closing() bool {
	return a.mail.code == 421 || a.data.code == 421 || a.final.code == 421 ||
		slices.ContainsFunc(a.rcpt, func(r reply) bool { return r.code == 421 })
}

// send makes a transaction. Its error is the connection's failure; the answers read before it stand.
func (c *conn) send(t *transaction) (answers, error) {
	a := answers{rcpt: make([]reply, len(t.recipients))}
	c.sent++
	dataSent, err := c.envelope(t, &a)
	if err != nil {
		return a, err
	}
	good := slices.ContainsFunc(a.rcpt, reply.ok)
	if !dataSent {
		if !a.mail.ok() || !good {
			return a, c.reset(&a)
		}
		if a.data, err = c.say(c.t.Data, "DATA"); err != nil {
			return a, err
		}
	}
	switch {
	case a.data.code == 354 && !good: // pipelined, and nobody to get it (RFC 2920 §3.1)
		_, err := c.say(c.t.Data, ".")
		return a, err
	case a.data.refusal():
		return a, c.reset(&a)
	case a.data.code != 354: // 250 to DATA, say: what was answered to what is not known any more
		return a, fmt.Errorf("%w that fits DATA: %q", errReply, a.data.line())
	}
	if err := c.message(t, &a); err != nil {
		// A server that refuses a mail in its middle says why before it hangs up.
		c.deadline(10 * time.Second)
		if r, e := readReply(c.r); e == nil && r.refusal() {
			a.final = r
		}
		return a, err
	}
	c.deadline(c.t.Dot)
	a.final, err = readReply(c.r)
	return a, err
}

// reset ends a transaction that came to nothing, unless the server is hanging up anyway.
func (c *conn) reset(a *answers) error {
	if a.closing() {
		return nil
	}
	r, err := c.say(c.t.Command, "RSET")
	if err == nil && r.code != 250 {
		err = &refused{r, "RSET"}
	}
	return err
}

// envelope sends MAIL and RCPT, in one write with DATA where the server lets us (RFC 2920).
func (c *conn) envelope(t *transaction, a *answers) (dataSent bool, err error) {
	from := "MAIL FROM:<" + t.from + ">"
	if c.offers("SIZE") {
		from += " SIZE=" + strconv.Itoa(len(t.header)+len(t.body))
	}
	if c.offers("8BITMIME") && hasHigh(t.body) {
		from += " BODY=8BITMIME"
	}
	if t.utf8 {
		from += " SMTPUTF8"
	}
	from += c.askedOfMail(t.asked)
	if !c.offers("PIPELINING") {
		if a.mail, err = c.say(c.t.Command, "%s", from); err != nil || !a.mail.ok() {
			return false, err
		}
		for i, to := range t.recipients {
			if a.rcpt[i], err = c.say(c.t.Command, "RCPT TO:%s", to); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	c.deadline(c.t.Command)
	c.w.WriteString(from + "\r\n") //nolint:errcheck,gosec // Flush says
	for _, to := range t.recipients {
		c.w.WriteString("RCPT TO:" + to + "\r\n") //nolint:errcheck,gosec // Flush says
	}
	c.w.WriteString("DATA\r\n") //nolint:errcheck,gosec // Flush says
	if err := c.w.Flush(); err != nil {
		return true, err
	}
	if a.mail, err = readReply(c.r); err != nil {
		return true, err
	}
	for i := range t.recipients {
		c.deadline(c.t.Command)
		if a.rcpt[i], err = readReply(c.r); err != nil {
			return true, err
		}
	}
	c.deadline(c.t.Data)
	a.data, err = readReply(c.r)
	return true, err
}

func hasHigh(b []byte) bool { return !mail.IsASCII(b) }

// message writes header and body with their dots doubled (RFC 5321 §4.5.2), and the final dot.
func (c *conn) message(t *transaction, a *answers) error {
	c.deadline(c.t.Block)
	if _, err := c.w.Write(t.header); err != nil {
		return err
	}
	rest, start := t.body, true
	for len(rest) > 0 {
		if start && rest[0] == '.' {
			c.w.WriteByte('.') //nolint:errcheck,gosec // the next write says
		}
		n := bytes.Index(rest, []byte("\n."))
		if start = n >= 0; !start {
			n = len(rest)
		} else {
			n++
		}
		for part := rest[:n]; len(part) > 0; { // a deadline for each block, however large the mail
			k := min(len(part), 64<<10)
			c.deadline(c.t.Block)
			if _, err := c.w.Write(part[:k]); err != nil {
				return err
			}
			part = part[k:]
		}
		rest = rest[n:]
	}
	if !bytes.HasSuffix(t.body, []byte("\r\n")) {
		c.w.WriteString("\r\n") //nolint:errcheck,gosec // Flush says
	}
	c.deadline(c.t.Block)
	a.dot = true
	c.w.WriteString(".\r\n") //nolint:errcheck,gosec // Flush says
	return c.w.Flush()
}
