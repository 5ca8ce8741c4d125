// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"unicode"

	"postern/internal/mail"
)

// outcome makes an Outcome of a server's reply.
func (c *conn) outcome(r reply) Outcome {
	o := Outcome{Code: r.code, Enhanced: r.enhanced, Line: r.line(), Host: c.host, TLS: c.tls}
	switch r.code / 100 {
	case 2:
		o.Result, o.Notifies = Delivered, c.offers("DSN")
		return o
	case 5:
		o.Result = Bounced
		switch r.code {
		case 530, 534, 535, 538: // of our login, not of the mail (RFC 4954 §6): who sees to it wants the mail kept
			o.Result = Deferred
		}
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

// maxRecipients is how many recipients a transaction has at most: as many as any server has to take (RFC 5321
// §4.5.3.1.8).
const maxRecipients = 100

// fate says what becomes of a connection after a job. A server may have closed one that was kept for a later mail: when
// that shows before anything of the mail was sent, the connection is stale, and the same job goes once more on a fresh one.
type fate int

const (
	keep  fate = iota // it is good for another job
	ended             // it is over
	stale             // it had died while it was kept, and nothing was sent: a fresh one may do
)

// deliver sends a job's mail on a connection: in one transaction, or in several where its recipients are more than one
// can have.
func (c *conn) deliver(ctx context.Context, job *Job, header []byte) (out []Outcome, f fate) {
	if o, unfit := c.unfit(job, header); unfit {
		return job.all(o), keep
	}
	out = make([]Outcome, len(job.Recipients))
	t := &transaction{from: onWire(job.From, job.UTF8), header: header, body: job.Body, utf8: job.UTF8, asked: job.Asked}
	todo := make([]int, len(job.Recipients))
	for i := range todo {
		todo[i] = i
	}
	for first := true; len(todo) > 0; first = false {
		part, rest := todo[:min(maxRecipients, len(todo))], todo[min(maxRecipients, len(todo)):]
		t.recipients = t.recipients[:0]
		for _, i := range part {
			r := &job.Recipients[i]
			t.recipients = append(t.recipients, "<"+onWire(r.Email, job.UTF8)+">"+c.askedOf(job, r))
		}
		a, err := c.send(t)
		var again []int // over the server's limit: next time round, if there was progress
		progress := false
		for k, i := range part {
			out[i] = c.judge(ctx, &a, a.rcpt[k], err)
			out[i].MessageID = job.Recipients[i].MessageID
			progress = progress || out[i].Result == Delivered
			if tooMany(a.rcpt[k]) {
				again = append(again, i)
			}
		}
		over := err != nil || a.closing()
		if over || !a.mail.ok() { // what the rest would hear
			for _, i := range rest {
				out[i] = c.judge(ctx, &answers{mail: a.mail}, reply{}, err)
				out[i].MessageID = job.Recipients[i].MessageID
			}
		}
		switch {
		case first && c.stale(ctx, &a, err):
			return out, stale
		case over:
			return out, ended
		case !a.mail.ok():
			return out, keep
		case progress:
			rest = append(again, rest...)
		}
		todo = rest
	}
	return out, keep
}

// attempt delivers a job on a connection, and keeps it or ends it.
func (c *conn) attempt(ctx context.Context, p *pool, destination string, job *Job, header []byte) ([]Outcome, fate) {
	stop := c.watch(ctx)
	out, f := c.deliver(ctx, job, header)
	stop()
	if f == keep {
		p.put(destination, c)
	} else {
		c.Close() //nolint:errcheck,gosec // it is over
	}
	return out, f
}

// split takes out of a job what must not go on a wire, with its outcomes. The entry points accept no such address: what
// stands between two commands is not left to that alone.
func split(job Job) ([]Outcome, Job) {
	if strings.ContainsFunc(job.From, unicode.IsControl) {
		return job.all(Outcome{
			Result: Bounced, Enhanced: "5.1.7", Line: "the sender's address has a control character", State: mail.StateProtocolIssue,
		}), Job{}
	}
	var out []Outcome
	good := job.Recipients[:0:0]
	for _, r := range job.Recipients {
		if strings.ContainsFunc(r.Email, unicode.IsControl) {
			out = append(out, Outcome{
				MessageID: r.MessageID, Result: Bounced, Enhanced: "5.1.3", Line: "the recipient's address has a control character",
				State: mail.StateProtocolIssue,
			})
			continue
		}
		good = append(good, r)
	}
	job.Recipients = good
	return out, job
}

// unfit says why a server cannot take a job at all.
func (c *conn) unfit(job *Job, header []byte) (Outcome, bool) {
	o := Outcome{Result: Bounced, Host: c.host, TLS: c.tls}
	if job.UTF8 && !c.offers("SMTPUTF8") { // RFC 6531 §3.2
		o.Enhanced, o.State = "5.6.7", mail.StateProtocolIssue
		o.Line = "the recipient's server does not take international addresses (SMTPUTF8)"
		return o, true
	}
	if job.requireTLS() && !c.offers("REQUIRETLS") { // RFC 8689 §4.2.1
		return noTLS(c.host, "it does not offer REQUIRETLS"), true
	}
	size := len(job.Body) + len(header)
	if limit, err := strconv.Atoi(c.ext["SIZE"]); err == nil && limit > 0 && size > limit { // RFC 1870 §6.1
		o.Enhanced, o.State = "5.3.4", mail.StateContentBlocked
		o.Line = fmt.Sprintf("the recipient's server takes messages of %d bytes, this one has %d", limit, size)
		return o, true
	}
	return o, false
}

// stale says whether a transaction failed for no other reason than that its connection had been kept for too long:
// closed meanwhile, or with all the mail the server takes on one. Nothing was sent.
func (c *conn) stale(ctx context.Context, a *answers, err error) bool {
	if !c.kept || ctx.Err() != nil || a.dot {
		return false
	}
	if a.mail.code != 0 && !a.mail.ok() {
		return a.mail.code == 421
	}
	return err != nil && !errors.Is(err, errReply)
}

// tooMany says that a transaction has as many recipients as the server wants; 552 is an old word for it (RFC 5321
// §4.5.3.1.10).
func tooMany(r reply) bool {
	return r.code == 452 && r.enhanced == "4.5.3" ||
		(r.code == 452 || r.code == 552) && strings.Contains(strings.ToLower(r.line()), "too many")
}

// judge says what a transaction's answers mean for one recipient.
func (c *conn) judge(ctx context.Context, a *answers, rcpt reply, err error) Outcome {
	switch {
	case a.mail.refusal():
		return c.outcome(a.mail)
	case tooMany(rcpt):
		o := c.outcome(rcpt)
		o.Result = Deferred
		return o
	case rcpt.refusal():
		return c.outcome(rcpt)
	case a.data.refusal():
		return c.outcome(a.data)
	case a.final.ok() || a.final.refusal():
		return c.outcome(a.final)
	case err == nil:
		return failure(c.host, "the server answered nothing that fits", mail.StateProtocolIssue)
	}
	unknown := ""
	if a.dot {
		unknown = " after the message was sent, before it was answered; it may have arrived"
	}
	switch {
	case ctx.Err() != nil:
		return failure(c.host, "shutting down"+unknown, mail.StateSystemIssue)
	case errors.Is(err, errReply):
		return failure(c.host, plain(err)+unknown, mail.StateProtocolIssue)
	}
	return failure(c.host, "the connection was lost"+unknown+": "+plain(err), mail.StateConnectionIssue)
}

// plain is the text of an error for who sent the mail: without our own address and port, which the net package's have.
func plain(err error) string {
	text := err.Error()
	var op *net.OpError
	if errors.As(err, &op) && op.Op != "dial" {
		text = strings.Replace(text, op.Error(), op.Err.Error(), 1)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "EOF"), "unexpected ") + "the server closed the connection"
	}
	return strings.Replace(text, "i/o timeout", "no answer in time", 1)
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
	o := failure(host, plain(err), mail.StateConnectionIssue)
	var r *refused
	if errors.As(err, &r) {
		o.Code, o.Enhanced, o.Line = r.code, r.enhanced, r.line()
		o.State = classify(r.code, r.enhanced, o.Line)
	}
	return o
}

// sign makes the DKIM header for a job. Mail that should be signed and cannot be is not sent.
func sign(ctx context.Context, s Signer, job *Job) ([]byte, error) {
	if s == nil || job.SenderDomain == "" {
		return nil, nil
	}
	id := job.SubmissionID
	if job.Own {
		id = 0
	}
	header, err := s.Sign(ctx, id, job.AccountID, job.SenderDomain, job.Body)
	if err != nil {
		return nil, fmt.Errorf("DKIM: %w", err)
	}
	return header, nil
}
