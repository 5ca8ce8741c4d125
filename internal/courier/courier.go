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
	"fmt"
	"net"
	"net/url"

	"postern/internal/mail"
)

// Job is one attempt: recipients of one submission that go the same way.
type Job struct {
	SubmissionID int64
	From         string // envelope sender, "" is the null sender
	SenderDomain string // of the From header, whose key signs
	Body         []byte // the source, CRLF
	Domain       string // the recipients' domain in A-labels, where the route is direct
	Recipients   []Recipient
	UTF8         bool // an address needs SMTPUTF8 (RFC 6531)
}

// Recipient is one message of a job.
type Recipient struct {
	MessageID int64
	Email     string
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
}

// Signer makes the DKIM-Signature field to put before a body, nil for no signature.
type Signer interface {
	Sign(ctx context.Context, submissionID int64, domain string, body []byte) ([]byte, error)
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
	return job.all(Outcome{Result: Delivered, Code: 250, Enhanced: "2.0.0", Line: "250 2.0.0 captured: kept here, sent nowhere", Captured: true})
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
func ParseRoute(s string) (Route, error) {
	switch s {
	case "capture", "direct":
		return Route{Kind: s}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Path != "" && u.Path != "/" {
		return Route{}, fmt.Errorf("%q is not a route: give capture, direct, or smtp://user:password@host:port", redacted(s, u))
	}
	c := RelayConfig{Host: u.Hostname(), Port: u.Port(), User: u.User.Username(), Implicit: u.Scheme == "smtps"}
	c.Password, _ = u.User.Password()
	if c.Port == "" {
		c.Port = "587"
		if c.Implicit {
			c.Port = "465"
		}
	}
	loopback := c.Host == "localhost"
	if ip := net.ParseIP(c.Host); ip != nil && ip.IsLoopback() {
		loopback = true
	}
	switch c.TLS = u.Query().Get("tls"); {
	case c.TLS == "" && c.User != "" && !loopback:
		c.TLS = TLSRequired
	case c.TLS == "":
		c.TLS = TLSOpportunistic
	case c.TLS != TLSRequired && c.TLS != TLSOpportunistic && c.TLS != TLSNever:
		return Route{}, fmt.Errorf("tls=%s is not known: give required, opportunistic or never", c.TLS)
	case c.TLS == TLSNever && c.User != "" && !loopback:
		return Route{}, fmt.Errorf("tls=never would send the password of %s in clear", c.Host)
	}
	return Route{Kind: "relay", Relay: c}, nil
}

// redacted is what may be shown of a route that was not understood: its password may be in it.
func redacted(s string, u *url.URL) string {
	if u != nil && u.User != nil {
		return u.Redacted()
	}
	return s
}
