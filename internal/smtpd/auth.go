// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"bytes"
	"errors"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"postern/internal/gate"
)

// AuthMechanisms are offered where a secret may travel: over TLS, or on loopback.
func (n *session) AuthMechanisms() []string {
	if !n.private {
		return nil
	}
	return []string{"PLAIN", "LOGIN"}
}

// Auth begins a login.
func (n *session) Auth(mechanism string) (sasl.Server, error) {
	if !n.private {
		return nil, &smtp.SMTPError{Code: 538, EnhancedCode: smtp.EnhancedCode{5, 7, 11}, Message: "encryption is needed before AUTH: use STARTTLS"}
	}
	if n.closing {
		n.end(true, "4.7.0", "too many failed logins")
		return nil, errClosing
	}
	n.client = traceName(n.conn.Hostname()) + ", AUTH " + mechanism
	switch mechanism {
	case "PLAIN":
		return &plain{login: n.login}, nil
	case "LOGIN":
		return &login{login: n.login}, nil
	}
	return nil, &smtp.SMTPError{Code: 504, EnhancedCode: smtp.EnhancedCode{5, 5, 4}, Message: "this mechanism is not known: use PLAIN or LOGIN"}
}

var errResponse = &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: "this is not a response of the mechanism"}

// plain is the server of SASL PLAIN (RFC 4616), in one step and in two.
type plain struct {
	login func(user, password string) error
	asked bool
}

func (p *plain) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !p.asked {
		p.asked = true
		return nil, false, nil
	}
	parts := bytes.SplitN(response, []byte{0}, 4)
	if len(parts) != 3 {
		return nil, false, errResponse
	}
	identity, user, password := string(parts[0]), string(parts[1]), string(parts[2])
	// The authorization identity is not taken on trust (CVE-2023-27582): whom the password proves is who acts.
	if identity != "" && identity != user {
		return nil, false, &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "acting as somebody else is not possible: leave the authorization identity empty"}
	}
	return nil, true, p.login(user, password)
}

// login is the server of the old LOGIN, with the user name asked for, or given with the command.
type login struct {
	login func(user, password string) error
	user  string
	step  int
}

func (l *login) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch {
	case l.step == 1 && response == nil:
		l.step = 0
		if l.user == "asked" {
			return nil, false, errResponse
		}
		l.user = "asked"
		return []byte("Username:"), false, nil
	case l.step == 1:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.login(l.user, string(response))
}

// as is where the session is from and what its client calls itself.
func (n *session) as() gate.Source {
	from := n.source
	from.Client = n.client
	return from
}

// login asks the gate, and binds the session to the secret that opened it.
func (n *session) login(user, password string) error {
	p, err := n.s.c.Gate.Verify(n.as(), user, password)
	if err == nil {
		var unbind func()
		if unbind, err = n.s.c.Gate.Bind(p, func(reason string) { n.end(true, "4.7.0", reason) }); err == nil {
			n.mu.Lock()
			n.principal, n.unbind, n.loggedIn = p, unbind, true
			n.mu.Unlock()
			n.timer.Stop()
			placeOf(n.net).progress(30 * n.s.c.Limits.Commands)
			n.s.stats.loginsOK.Add(1)
			return nil
		}
	}
	n.s.stats.loginsFailed.Add(1)
	n.failures++
	n.s.c.Log.Info("SMTP login refused", "source", n.source.Addr.String(), "user", n.s.c.Gate.Shown(user), "reason", err.Error())
	if n.failures >= n.s.c.Limits.Failures {
		n.closing = true // go-smtp writes the answer; the next command finds the door closed
	}
	return refusal(err)
}

// refusal says the gate's no in SMTP's words.
func refusal(err error) *smtp.SMTPError {
	var r *gate.Refusal
	if !errors.As(err, &r) {
		return &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "logging in is not possible now"}
	}
	words := r.Detail
	if words == "" {
		words = "the API key or the secret key is wrong"
	}
	if r.Kind == gate.Throttled {
		return &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: words}
	}
	if r.Kind == gate.NotPermitted { // asked of an open session
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: words}
	}
	return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "authentication failed: " + words}
}
