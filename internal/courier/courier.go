// SPDX-License-Identifier: Apache-2.0

// Package courier makes one attempt to deliver: it takes a job, one submission's recipients that go the same way, and
// says for each recipient what came of it, in the words of who answered. It never tries twice at the same server and
// keeps nothing: when to try again is the queue's business.
//
// There are three routes. [Capture] keeps the mail here. [Relay] hands it to another submission server. [Direct]
// delivers to the MX hosts of the recipients' domain (RFC 5321 §5).
package courier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"postern/internal/mail"
)

// Job is one attempt: recipients of one submission that go the same way.
type Job struct {
	SubmissionID int64
	AccountID    int64  // whose mail it is
	From         string // envelope sender, "" is the null sender
	SenderDomain string // of the From header, for which the account signs
	Body         []byte // the source, CRLF
	Domain       string // the recipients' domain in A-labels, where the route is direct
	Recipients   []Recipient
	UTF8         bool   // an address needs SMTPUTF8 (RFC 6531)
	Asked        *Asked // what the sender asked for; nil: nothing, for no recipient
	Own          bool   // the source is this job's own, and no other's of the submission
}

// Recipient is one message of a job.
type Recipient struct {
	MessageID int64
	Email     string
	Notify    mail.Notify // 0: nothing was said
	ORcpt     mail.ORcpt  // may be none
}

// Asked is what the sender of a mail asked for with its envelope: it goes on to a server that offers the extension.
type Asked struct {
	Ret        mail.Ret
	EnvID      mail.EnvID
	RequireTLS bool // RFC 8689
}

// Result is what came of an attempt for one recipient.
type Result int

// Results.
const (
	Delivered Result = iota + 1 // the other side has taken responsibility
	Deferred                    // not now: worth another attempt
	Bounced                     // refused for good
)

// Outcome is a Result in the words of who answered.
type Outcome struct {
	MessageID int64
	Result    Result
	Code      int    // SMTP reply code, 0 when no server answered
	Enhanced  string // RFC 3463 code, "" when there was none
	Line      string // the peer's own words, or ours; bounded and clean
	Host      string // who answered
	TLS       string // protocol and cipher, "" in clear
	State     mail.State
	Captured  bool
	Notifies  bool // of Delivered: the other side offers DSN, so it notifies the sender from now on (RFC 3461 §5.2.1)
}

// Signer makes the DKIM-Signature field to put before a body, nil for no signature. A submission's signature may be kept
// for its other jobs; submissionID 0 is a body that no other job has.
type Signer interface {
	Sign(ctx context.Context, submissionID, accountID int64, domain string, body []byte) ([]byte, error)
}

// all gives each recipient of a job the same outcome.
func (j *Job) all(o Outcome) []Outcome {
	out := make([]Outcome, len(j.Recipients))
	for i, r := range j.Recipients {
		out[i] = o
		out[i].MessageID = r.MessageID
	}
	return out
}

// Capture keeps mail here to look at.
type Capture struct{}

// NewCapture makes the route that delivers nothing.
func NewCapture() *Capture { return &Capture{} }

// Attempt answers that all is here.
func (*Capture) Attempt(_ context.Context, job Job) []Outcome {
	line := "250 2.0.0 captured: kept here, sent nowhere"
	return job.all(Outcome{Result: Delivered, Code: 250, Enhanced: "2.0.0", Line: line, Captured: true})
}

// Close does nothing.
func (*Capture) Close() error { return nil }

// Route is a way out, as the setting --route says it.
type Route struct {
	Kind  string // "capture", "relay", "direct"
	Relay RelayConfig
}

// TLS policies of a relay.
const (
	TLSRequired      = "required"      // STARTTLS with a certificate that is right, or nothing is sent
	TLSOpportunistic = "opportunistic" // STARTTLS when it is offered, whatever the certificate
	TLSNever         = "never"
)

// ParseRoute reads "capture", "direct", or a relay's URL:
//
//	smtp://user:password@host:587?tls=required   STARTTLS (the default with a user, except to a loopback address)
//	smtp://host:25?tls=opportunistic             STARTTLS when offered (the default without a user)
//	smtp://host:25?tls=never
//	smtps://user:password@host:465               TLS from the start
//
// connections=10 says how many connections to a relay there are at a time at most.
func ParseRoute(s string) (Route, error) {
	switch s {
	case "capture", "direct":
		return Route{Kind: s}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return Route{}, fmt.Errorf("%q is not a route: give capture, direct, or smtp://user:password@host:port "+
			"(special characters of the password as %%XX)", redacted(s))
	}
	c := RelayConfig{Host: u.Hostname(), Port: u.Port(), User: u.User.Username(), Implicit: u.Scheme == "smtps"}
	c.Password, _ = u.User.Password()
	if (c.User == "") != (c.Password == "") {
		return Route{}, fmt.Errorf("the route to %s has a user without a password, or a password without a user", c.Host)
	}
	if c.Port == "" {
		c.Port = "587"
		if c.Implicit {
			c.Port = "465"
		}
	}
	if err := c.options(u.RawQuery); err != nil {
		return Route{}, err
	}
	return Route{Kind: "relay", Relay: c}, nil
}

// options reads what stands after the ? of a relay's URL. What it does not know it does not repeat: it may be the rest
// of a password.
func (c *RelayConfig) options(query string) error {
	q, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what stands after the ? of the route cannot be read: give tls=… or connections=…")
	}
	for name := range q {
		if name != "tls" && name != "connections" {
			return errors.New("the route has an option that is not known: give tls=… or connections=…")
		}
	}
	secret := c.User != "" && !isLoopback(c.Host)
	switch c.TLS = q.Get("tls"); {
	case c.TLS == "" && (secret || c.Implicit):
		c.TLS = TLSRequired
	case c.TLS == "":
		c.TLS = TLSOpportunistic
	case c.TLS != TLSRequired && c.TLS != TLSOpportunistic && c.TLS != TLSNever:
		return fmt.Errorf("tls=%s is not known: give required, opportunistic or never", c.TLS)
	case c.Implicit && c.TLS != TLSRequired:
		return fmt.Errorf("tls=%s does not go with smtps://, which is TLS from the start", c.TLS)
	case c.TLS == TLSNever && secret:
		return fmt.Errorf("tls=never would send the password of %s in clear", c.Host)
	}
	if n := q.Get("connections"); q.Has("connections") {
		if c.Connections, err = strconv.Atoi(n); err != nil || c.Connections < 1 || c.Connections > 1000 {
			return fmt.Errorf("connections=%s: give a number from 1 to 1000", n)
		}
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// redacted is what may be shown of a route that was not understood: a password may be in it, wherever the URL's parts
// were taken to end.
func redacted(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return s
	}
	if ok {
		scheme += "://"
	}
	return scheme + "…" + rest[at:]
}
