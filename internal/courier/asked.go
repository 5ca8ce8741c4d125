// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"postern/internal/mail"
)

func (j *Job) requireTLS() bool { return j.Asked != nil && j.Asked.RequireTLS }

// noTLS is the outcome of a mail that must go by verified TLS all its way, and cannot (RFC 8689 §4.2.1).
func noTLS(host, why string) Outcome {
	by := "the next server"
	if host != "" {
		by = host
	}
	return Outcome{
		Result: Bounced, Enhanced: "5.7.30", Host: host, State: mail.StateProtocolIssue,
		Line: cleanText("REQUIRETLS: the mail cannot go on to " + by + ": " + why),
	}
}

// askedOfMail is what MAIL says of RFC 3461's and RFC 8689's parameters. A server that does not offer an extension gets
// none of it (RFC 3461 §5.2.2).
func (c *conn) askedOfMail(a *Asked) string {
	if a == nil {
		return ""
	}
	params := ""
	if c.offers("DSN") { // RFC 3461 §5.2.1
		if a.Ret != 0 {
			params += " RET=" + a.Ret.String()
		}
		if a.EnvID != "" {
			params += " ENVID=" + a.EnvID.XText()
		}
	}
	if a.RequireTLS { // unfit has seen that it is offered
		params += " REQUIRETLS"
	}
	return params
}

// askedOf is what RCPT says of RFC 3461's parameters.
func (c *conn) askedOf(job *Job, r *Recipient) string {
	if job.Asked == nil || !c.offers("DSN") {
		return ""
	}
	params := ""
	if r.Notify != 0 {
		params = " NOTIFY=" + r.Notify.String()
	}
	orcpt := r.ORcpt
	if orcpt.IsZero() {
		orcpt = mail.ORcptOf(r.Email) // RFC 3461 §5.2.1 (d): the address as it was given to us
	}
	return params + " ORCPT=" + orcpt.SMTP(job.UTF8)
}
