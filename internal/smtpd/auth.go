// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"encoding/base64"
	"errors"
	"strings"

	"postern/internal/access"
	"postern/internal/gate"
	"postern/internal/refusal"
)

var (
	errResponse = reply{501, "5.5.2", "malformed response for this mechanism"}
	errBase64   = reply{501, "5.5.2", "invalid base64"}
)

// auth is AUTH (RFC 4954 §4) with PLAIN (RFC 4616), in one step and in two, and the old LOGIN, whose user name comes with
// the command or is asked for.
func (c *conn) auth(arg string) {
	if !c.private {
		c.s.c.Refusals.Note(c.s.running, refusal.Refusal{Reason: refusal.ClearText, From: c.remote, Route: "AUTH"})
		c.say(reply{538, "5.7.11", "encryption is required before AUTH: use STARTTLS"})
		return
	}
	words := strings.Fields(arg)
	if len(words) == 0 || len(words) > 2 {
		c.say(reply{501, "5.5.4", "syntax: AUTH PLAIN|LOGIN [initial response]"})
		return
	}
	mechanism := strings.ToUpper(words[0])
	if mechanism != "PLAIN" && mechanism != "LOGIN" {
		c.say(reply{504, "5.5.4", "unsupported mechanism: use PLAIN or LOGIN"})
		return
	}
	var initial []byte
	if len(words) == 2 {
		var ok bool
		if initial, ok = c.decode([]byte(words[1]), true); !ok {
			return
		}
	}
	c.client = traceName(c.helo) + ", AUTH " + mechanism
	switch mechanism {
	case "PLAIN":
		c.authPlain(initial)
	case "LOGIN":
		c.authLogin(initial)
	}
}

// authPlain has identity, user name and password in one response.
func (c *conn) authPlain(response []byte) {
	if response == nil {
		var ok bool
		if response, ok = c.ask(""); !ok {
			return
		}
	}
	parts := strings.SplitN(string(response), "\x00", 4)
	if len(parts) != 3 {
		c.say(errResponse)
		return
	}
	// The authorization identity is not taken on trust (CVE-2023-27582): the client acts as the user whose password it has.
	if parts[0] != "" && parts[0] != parts[1] {
		c.say(reply{535, "5.7.8", "the authorization identity must be empty or equal to the user name"})
		return
	}
	c.login(strings.Clone(parts[1]), parts[2])
}

// authLogin has two responses.
func (c *conn) authLogin(user []byte) {
	if user == nil {
		var ok bool
		if user, ok = c.ask("Username:"); !ok {
			return
		}
	}
	name := string(user)
	password, ok := c.ask("Password:")
	if ok {
		c.login(name, string(password))
	}
}

// ask sends a challenge and reads the response to it. It says itself what is wrong.
func (c *conn) ask(challenge string) ([]byte, bool) {
	c.say(reply{334, "", base64.StdEncoding.EncodeToString([]byte(challenge))})
	line, err := c.line()
	switch {
	case errors.Is(err, errTooLong):
		c.say(reply{500, "5.5.6", "the response is too long"}) // RFC 4954 §4
		return nil, false
	case err != nil:
		c.lost(err)
		return nil, false
	}
	if string(line) == "*" {
		c.say(reply{501, "5.0.0", "the login was cancelled"})
		return nil, false
	}
	return c.decode(line, false)
}

// decode reads base64, and overwrites it: a secret may be in it. A single = is an empty initial response.
func (c *conn) decode(text []byte, initial bool) ([]byte, bool) {
	if initial && string(text) == "=" {
		return []byte{}, true
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	clear(text)
	if err != nil {
		c.say(errBase64)
		return nil, false
	}
	return out[:n], true
}

// as is where the session is from and what its client calls itself.
func (c *conn) as() gate.Source {
	return gate.Source{Addr: c.remote, Protocol: "smtp", Client: c.client}
}

// login asks the gate, and binds the session to the secret that opened it.
func (c *conn) login(user, password string) {
	p, err := c.s.c.Gate.Verify(c.as(), user, password)
	if err == nil && !p.May(access.MaySend) {
		err = c.s.c.Gate.RefuseNotPermitted(p, access.MaySend)
	}
	if err == nil {
		c.unbind, err = c.s.c.Gate.Bind(p, func(reason string) (wait func()) { return c.end(reply{421, "4.7.0", reason}) })
	}
	if err == nil {
		c.principal, c.groups = p, 0
		c.enter(ready)
		c.s.stats.loginsOK.Add(1)
		c.say(reply{235, "2.7.0", "logged in"})
		return
	}
	c.s.stats.loginsFailed.Add(1)
	c.noteRefused("AUTH", user, err)
	c.say(loginRefused(err))
	c.failures++
	c.closing = c.closing || c.failures >= c.s.c.Limits.Failures
}

// noteRefused leaves a line in the log for who wonders why a client is refused.
func (c *conn) noteRefused(command, user string, err error) {
	if !c.s.c.Refusals.NoteGate(c.s.running, err, c.remote, command, c.s.c.Gate.Shown(user)) {
		c.s.c.Log.Error("an SMTP login failed", "source", c.remote.String(), "error", err)
	}
}

// reasonOf is why the gate does not let a session in, of which kind and in words. What is no refusal of the gate is a
// fault of ours.
func reasonOf(err error) (kind gate.RefusalKind, words string, ours bool) {
	var r *gate.Refusal
	if !errors.As(err, &r) {
		return 0, "login is temporarily unavailable; try again later", true
	}
	if r.Detail == "" {
		return r.Kind, "the API key or the secret key is wrong", false
	}
	return r.Kind, r.Detail, false
}

// loginRefused answers a refused AUTH (RFC 4954 §6).
func loginRefused(err error) reply {
	kind, words, ours := reasonOf(err)
	if ours || kind == gate.Throttled {
		return reply{454, "4.7.0", words}
	}
	return reply{535, "5.7.8", "authentication failed: " + words}
}
