// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"postern/internal/access"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// state is how far a conversation has come.
type state uint8

const (
	fresh     state = iota // connected, or TLS has just begun
	greeted                // EHLO or HELO
	ready                  // logged in
	envelope               // MAIL was accepted
	addressed              // and RCPT
	chunks                 // and BDAT, not the last
	states
)

// command is a command of the protocol. In a state that has a refusal it is refused; otherwise run is called with what
// follows the command's name.
type command struct {
	bare    bool // no argument is allowed (RFC 5321 §4.1.1)
	run     func(c *conn, arg string)
	refused func(c *conn, arg string, why reply) // nil: the refusal is said
	in      [states]*reply
}

var (
	hello   = &reply{503, "5.5.1", "send EHLO first"}
	noLogin = &reply{530, "5.7.0", "authentication required: log in with an API key and its secret key"} // RFC 4954 §6
	noMail  = &reply{503, "5.5.1", "send MAIL first"}
	noRcpt  = &reply{503, "5.5.1", "no valid recipients: send RCPT first"}
	again   = &reply{503, "5.5.1", "already logged in"}
	nested  = &reply{503, "5.5.1", "a mail transaction is already open: finish it, or send RSET"} // RFC 5321 §4.1.4
	inBDAT  = &reply{503, "5.5.1", "BDAT has begun: continue with BDAT, or send RSET"}            // RFC 3030 §2
)

// commands is the protocol: what each command does in each state. A refusal changes nothing.
var commands = map[string]*command{
	//                                                              fresh  greeted  ready   envelope addressed chunks
	"EHLO":     {run: (*conn).ehlo, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
	"HELO":     {run: (*conn).hi, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
	"STARTTLS": {bare: true, run: (*conn).startTLS, in: [states]*reply{hello, nil, again, again, again, again}},
	"AUTH":     {run: (*conn).auth, in: [states]*reply{hello, nil, again, again, again, again}},
	"MAIL":     {run: (*conn).mail, in: [states]*reply{hello, noLogin, nil, nested, nested, nested}},
	"RCPT":     {run: (*conn).rcpt, in: [states]*reply{hello, noMail, noMail, nil, nil, inBDAT}},
	"DATA":     {bare: true, run: (*conn).data, in: [states]*reply{hello, noMail, noMail, noRcpt, nil, inBDAT}},
	"BDAT":     {run: (*conn).bdat, refused: (*conn).skipBDAT, in: [states]*reply{hello, noMail, noMail, noRcpt, nil, nil}},
	"RSET":     {bare: true, run: (*conn).rset, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
	"NOOP":     {run: (*conn).noop, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
	"QUIT":     {bare: true, run: (*conn).quit, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
	"VRFY":     {run: (*conn).vrfy, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
	"HELP":     {run: (*conn).help, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
	"EXPN":     {run: (*conn).expn, in: [states]*reply{nil, nil, nil, nil, nil, nil}},
}

// command runs the command in a line.
func (c *conn) command(line []byte) {
	if c.over() != nil {
		c.lost(errEnded)
		return
	}
	for _, ch := range line {
		if ch < ' ' && ch != '\t' || ch == 127 {
			c.say(reply{500, "5.5.2", "a command must not contain control characters"})
			return
		}
	}
	if !utf8.Valid(line) {
		c.say(reply{500, "5.5.2", "a command must be valid UTF-8"})
		return
	}
	var name [8]byte
	n := 0
	for n < len(line) && n < len(name) && line[n] > ' ' {
		name[n] = line[n]
		if line[n] >= 'a' && line[n] <= 'z' {
			name[n] -= 'a' - 'A'
		}
		n++
	}
	cmd := commands[string(name[:n])]
	if cmd == nil || n < len(line) && line[n] != ' ' {
		c.say(reply{500, "5.5.1", "unknown command"})
		return
	}
	arg := strings.Trim(string(line[n:]), " ")
	clear(line) // a secret may be in it
	switch why := cmd.in[c.state]; {
	case cmd.bare && arg != "":
		c.say(reply{501, "5.5.4", "this command takes no argument"})
	case why != nil && cmd.refused != nil:
		cmd.refused(c, arg, *why)
	case why != nil:
		c.refuseIn(string(name[:n]), *why)
	default:
		cmd.run(c, arg)
	}
}

// refuseIn says a refusal, and counts it where it is one of mail.
func (c *conn) refuseIn(name string, why reply) {
	if name == "MAIL" || name == "RCPT" || name == "DATA" {
		c.s.rejected(why.code)
	}
	c.say(why)
}

// refuse says a refusal of mail, and counts it.
func (c *conn) refuse(why reply) {
	c.s.rejected(why.code)
	c.say(why)
}

// ehlo is EHLO (RFC 5321 §4.1.1.1): it ends a mail that was begun, and keeps the login.
func (c *conn) ehlo(arg string) {
	if !c.greet(arg) {
		return
	}
	b := append(c.out, "250-"...)
	b = append(b, c.s.c.Hostname...)
	b = append(b, "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-DSN\r\n"...)
	if c.tls == nil && c.s.c.TLS != nil {
		b = append(b, "250-STARTTLS\r\n"...)
	}
	if c.tls != nil {
		b = append(b, "250-REQUIRETLS\r\n"...) // RFC 8689 §2
	}
	if c.private {
		b = append(b, "250-AUTH PLAIN LOGIN\r\n"...)
	}
	b = append(b, "250-LIMITS RCPTMAX="...) // RFC 9422
	b = strconv.AppendInt(b, submit.MaxRecipients, 10)
	b = append(b, "\r\n250 SIZE "...)
	b = strconv.AppendInt(b, submit.MaxSize, 10)
	c.out = append(b, "\r\n"...)
}

// hi is HELO.
func (c *conn) hi(arg string) {
	if c.greet(arg) {
		c.say(reply{250, "2.0.0", c.s.c.Hostname})
	}
}

func (c *conn) greet(arg string) bool {
	name, _, _ := strings.Cut(arg, " ")
	if name == "" {
		c.say(reply{501, "5.5.4", "EHLO and HELO need the client's name"})
		return false
	}
	c.reset()
	c.helo = name
	if c.state == fresh {
		c.enter(greeted)
	}
	return true
}

// startTLS is STARTTLS (RFC 3207).
func (c *conn) startTLS(string) {
	switch {
	case c.tls != nil:
		c.say(reply{503, "5.5.1", "TLS is already active"})
	case c.s.c.TLS == nil:
		c.say(reply{502, "5.5.1", "this server has no certificate for TLS"})
	default:
		c.say(reply{220, "2.0.0", "ready to start TLS"})
		c.closing = c.flush() != nil || !c.handshake()
	}
}

// mail is MAIL (RFC 5321 §4.1.1.2).
func (c *conn) mail(arg string) {
	rest, ok := cutFold(arg, "FROM:")
	if !ok {
		c.refuse(reply{501, "5.5.2", "syntax: MAIL FROM:<address>"})
		return
	}
	if err := c.s.c.Gate.Recheck(c.as(), c.principal, access.MaySend); err != nil {
		c.noteRefused("MAIL", c.principal.APIKey, err)
		c.recheckFailed(err)
		return
	}
	from, rest, err := cutPath(rest)
	if err != nil {
		c.refuse(reply{501, "5.1.7", err.Error()})
		return
	}
	if from != "" {
		if err := mail.CheckEmail(from); err != nil {
			c.refuse(notAnAddress("5.1.7", "sender", from, err))
			return
		}
	}
	tx := transaction{Envelope: submit.Envelope{From: from, Recipients: c.tx.Recipients[:0]}}
	if why := each(rest, func(p parameter) *reply { return tx.ofMail(p, c.tls != nil) }); why != nil {
		c.refuse(*why)
		return
	}
	c.tx = tx
	c.enter(envelope)
	c.say(reply{250, "2.1.0", "sender accepted"})
}

// notAnAddress says what is wrong with a sender or recipient. Of one that is far too long the head is enough.
func notAnAddress(enhanced, what, address string, err error) reply {
	reason := err.Error()
	if wrong := (*mail.SyntaxError)(nil); errors.As(err, &wrong) {
		reason = "it " + wrong.Reason
	}
	if head := fmt.Sprintf("%.100s", address); len(head) < len(address) && len(address) > 254 {
		address = head + "..."
	}
	return reply{553, enhanced, fmt.Sprintf("the %s <%s> is not an email address: %s", what, address, reason)}
}

// rcpt is RCPT (RFC 5321 §4.1.1.3).
func (c *conn) rcpt(arg string) {
	rest, ok := cutFold(arg, "TO:")
	if !ok {
		c.refuse(reply{501, "5.5.2", "syntax: RCPT TO:<address>"})
		return
	}
	if len(c.tx.Recipients) >= submit.MaxRecipients {
		// RFC 5321 §4.5.3.1.10
		c.refuse(reply{452, "4.5.3", fmt.Sprintf("too many recipients: a message may have %d", submit.MaxRecipients)})
		return
	}
	to, rest, err := cutPath(rest)
	if err != nil {
		c.refuse(reply{501, "5.1.3", err.Error()})
		return
	}
	if err := mail.CheckEmail(to); err != nil {
		c.refuse(notAnAddress("5.1.3", "recipient", to, err))
		return
	}
	r, given := submit.Recipient{Email: to, Kind: store.To}, seen(0)
	if why := each(rest, func(p parameter) *reply { return ofRcpt(&r, &given, p) }); why != nil {
		c.refuse(*why)
		return
	}
	c.tx.Recipients = append(c.tx.Recipients, r)
	c.enter(addressed)
	c.say(reply{250, "2.1.5", "recipient accepted"})
}

// recheckFailed answers when the gate would not let the session in any more. What the key may not do is refused; a
// session whose secret is not good any more is over.
func (c *conn) recheckFailed(err error) {
	answer, over := recheck(err)
	c.s.rejected(answer.code)
	if over {
		c.close421(answer)
		return
	}
	c.say(answer)
}

func recheck(err error) (answer reply, over bool) {
	kind, words, ours := reasonOf(err)
	if !ours && (kind == gate.NotPermitted || kind == gate.NetworkNotAllowed) {
		return reply{550, "5.7.1", words}, false
	}
	return reply{421, "4.7.0", words}, true
}

func (c *conn) rset(string) {
	c.reset()
	c.say(reply{250, "2.0.0", "the mail transaction is reset"})
}

func (c *conn) noop(string) { c.say(reply{250, "2.0.0", "nothing done"}) }

func (c *conn) quit(string) {
	c.reset()
	c.say(reply{221, "2.0.0", "goodbye"})
	c.closing = true
}

func (c *conn) vrfy(arg string) {
	if arg == "" {
		c.say(reply{501, "5.5.4", "syntax: VRFY address"})
		return
	}
	c.say(reply{252, "2.5.0", "addresses are not verified here; delivery will be attempted"}) // RFC 5321 §3.5.3
}

func (c *conn) help(string) {
	c.say(reply{214, "2.0.0", "mail submission (RFC 6409): EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT, RSET, NOOP, VRFY, QUIT"})
}

func (c *conn) expn(string) { c.say(reply{502, "5.5.1", "mailing lists are not supported"}) } // RFC 5321 §3.5.1

// cutFold cuts a prefix off, in capitals or not.
func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
