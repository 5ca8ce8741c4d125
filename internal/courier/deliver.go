// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"postern/internal/mail"
)

// outcome makes an Outcome of a server's reply.
func (c *conn) outcome(r reply) Outcome {
	o := Outcome{Code: r.code, Enhanced: r.enhanced, Line: r.line(), Host: c.host, TLS: c.tls}
	switch r.code / 100 {
	case 2:
		o.Result = Delivered
		return o
	case 5:
		o.Result = Bounced
	default: // 4xx, and what makes no sense where it stands
		o.Result = Deferred
	}
	o.State = classify(r.code, r.enhanced, o.Line)
	return o
}

// failure is an Outcome without a reply: the connection's, or ours.
func failure(host, line string, state mail.State) Outcome {
	return Outcome{Result: Deferred, Line: cleanText(line), Host: host, State: state}
}

// deliver makes a job's transaction on a connection. ok says whether the connection may be used again.
func (c *conn) deliver(ctx context.Context, job *Job, header []byte) (out []Outcome, ok bool) {
	if job.UTF8 && !c.offers("SMTPUTF8") {
		return job.all(Outcome{Result: Bounced, Enhanced: "5.6.7", Line: "the recipient's server does not take international addresses (SMTPUTF8)", Host: c.host, TLS: c.tls, State: mail.StateProtocolIssue}), true
	}
	if limit, err := strconv.Atoi(c.ext["SIZE"]); err == nil && limit > 0 && len(job.Body)+len(header) > limit {
		return job.all(Outcome{Result: Bounced, Enhanced: "5.3.4", Line: fmt.Sprintf("the recipient's server takes messages of %d bytes, this one has %d", limit, len(job.Body)+len(header)), Host: c.host, TLS: c.tls, State: mail.StateContentBlocked}), true
	}
	t := &transaction{from: onWire(job.From, job.UTF8), header: header, body: job.Body, utf8: job.UTF8}
	for _, r := range job.Recipients {
		t.recipients = append(t.recipients, onWire(r.Email, job.UTF8))
	}
	a, err := c.send(t)
	out = make([]Outcome, len(job.Recipients))
	for i, r := range job.Recipients {
		out[i] = c.judge(ctx, &a, a.rcpt[i], err)
		out[i].MessageID = r.MessageID
	}
	return out, err == nil
}

// judge says what a transaction's answers mean for one recipient.
func (c *conn) judge(ctx context.Context, a *answers, rcpt reply, err error) Outcome {
	switch {
	case a.mail.code != 0 && a.mail.code/100 != 2:
		return c.outcome(a.mail)
	case rcpt.code == 552 && strings.Contains(strings.ToLower(rcpt.line()), "too many"): // RFC 5321 §4.5.3.1.10: to be taken as 452
		o := c.outcome(rcpt)
		o.Result = Deferred
		return o
	case rcpt.code != 0 && rcpt.code/100 != 2:
		return c.outcome(rcpt)
	case a.final.code != 0 && a.final.code != 354:
		return c.outcome(a.final)
	case err == nil:
		return failure(c.host, "the server answered nothing that fits", mail.StateProtocolIssue)
	}
	if ctx.Err() != nil {
		return failure(c.host, "shutting down", mail.StateSystemIssue)
	}
	what := "the connection was lost: "
	if a.dot {
		what = "the connection was lost after the message was sent, before it was answered; it may have arrived: "
	}
	state := mail.StateConnectionIssue
	if errors.Is(err, errReply) {
		state = mail.StateProtocolIssue
	}
	return failure(c.host, what+err.Error(), state)
}

// onWire is an address as MAIL and RCPT give it: its domain in A-labels unless SMTPUTF8 is used.
func onWire(email string, utf8 bool) string {
	at := strings.LastIndexByte(email, '@')
	if at < 0 || utf8 {
		return email
	}
	return email[:at+1] + mail.Domain(email)
}

// sessionFailure is the outcome for all of a job when there was no transaction: never for good, since it says
// nothing of the recipients.
func sessionFailure(ctx context.Context, host string, err error) Outcome {
	if ctx.Err() != nil {
		return failure(host, "shutting down", mail.StateSystemIssue)
	}
	o := failure(host, err.Error(), mail.StateConnectionIssue)
	var r *refused
	if errors.As(err, &r) {
		o.Code, o.Enhanced, o.Line = r.code, r.enhanced, r.line()
		o.State = classify(r.code, r.enhanced, o.Line)
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		o.Line = "no answer in time: " + o.Line
	}
	return o
}

// sign makes the DKIM header for a job. Mail that should be signed and cannot be is not sent.
func sign(ctx context.Context, s Signer, job *Job) ([]byte, error) {
	if s == nil || job.SenderDomain == "" {
		return nil, nil
	}
	header, err := s.Sign(ctx, job.SubmissionID, job.SenderDomain, job.Body)
	if err != nil {
		return nil, fmt.Errorf("DKIM: %w", err)
	}
	return header, nil
}

// Limits of connections kept for the next mail.
const (
	idleLife    = 20 * time.Second // many servers close an idle connection after 30 s to 5 min
	checkAfter  = 2 * time.Second  // idle for longer, a connection is asked whether it lives
	maxIdle     = 128              // for all places together
	maxPerLogin = 200              // transactions on one connection
)

// pool keeps connections for the next mail to the same place.
type pool struct {
	mu     sync.Mutex
	idle   map[string][]*conn
	count  int
	closed bool
}

// get takes a living connection to a place, or nil.
func (p *pool) get(ctx context.Context, place string) *conn {
	for {
		p.mu.Lock()
		list := p.idle[place]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := list[len(list)-1]
		p.idle[place] = list[:len(list)-1]
		if len(list) == 1 {
			delete(p.idle, place)
		}
		p.count--
		p.mu.Unlock()
		rest := time.Since(c.idle)
		stop := c.watch(ctx)
		fine := rest < checkAfter || rest < idleLife && c.alive()
		stop()
		if fine {
			return c
		}
		c.Close() //nolint:errcheck,gosec // it was dead or old
	}
}

// put keeps a connection for the next, unless it has done its share.
func (p *pool) put(place string, c *conn) {
	c.idle = time.Now()
	var old []*conn
	p.mu.Lock()
	for k, list := range p.idle { // the few places there are make this cheap
		for len(list) > 0 && time.Since(list[0].idle) > idleLife {
			old = append(old, list[0])
			list = list[1:]
			p.count--
		}
		if p.idle[k] = list; len(list) == 0 {
			delete(p.idle, k)
		}
	}
	if p.closed || p.count >= maxIdle || c.sent >= maxPerLogin {
		old = append(old, c)
	} else {
		if p.idle == nil {
			p.idle = map[string][]*conn{}
		}
		p.idle[place] = append(p.idle[place], c)
		p.count++
	}
	p.mu.Unlock()
	for _, c := range old {
		c.quit()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	all := p.idle
	p.idle, p.count = nil, 0
	p.mu.Unlock()
	for _, list := range all {
		for _, c := range list {
			c.quit()
		}
	}
}
