// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postern/internal/access"
	"postern/internal/mail"
	"postern/internal/submit"
)

// deliver hands the mail that was read to submit and says what came of it. The answer to an accepted mail ends with the
// UUID of the first recipient's message.
func (c *conn) deliver() {
	receipt, why, err := c.accept(c.tx.text.b)
	switch {
	case err != nil:
		c.lost(err)
	case why != nil && why.code == 421:
		c.s.rejected(why.code)
		c.close421(*why)
	case why != nil:
		c.refuse(*why)
	default:
		c.groups = 0
		c.s.stats.accepted.Add(1)
		c.say(reply{250, "2.0.0", "OK: queued as " + receipt.Messages[0].UUID})
	}
}

// accept checks a mail and has it kept. It is refused, or err says that the session was ended before it was committed.
func (c *conn) accept(raw []byte) (receipt submit.Receipt, refused *reply, err error) {
	// The secret may have died while the text was on its way.
	if err := c.s.c.Gate.Recheck(c.as(), c.principal, access.MaySend); err != nil {
		c.noteRefused("DATA", c.principal.APIKey, err)
		answer, _ := recheck(err)
		return receipt, &answer, nil
	}
	now := time.Now()
	in, err := mail.ReadIncoming(raw, now, func() string { return rand.Text() + "@" + c.s.c.Hostname })
	if err != nil {
		return receipt, notMail(err.Error()), nil
	}
	if why := check(in); why != nil {
		return receipt, why, nil
	}
	env := c.tx.Envelope
	env.Recipients = slices.Clone(env.Recipients)
	m := message(in)
	m.UTF8 = needsUTF8(&env) || in.UTF8
	m.Source, m.Address, m.Client = "smtp", c.remote, c.helo
	m.Raw = append(c.received(m.UTF8, now, len(in.Raw)), in.Raw...)
	receipt, err = c.submit(submit.Item{Envelope: env, Message: m}, in)
	if errors.Is(err, errEnded) {
		return receipt, nil, err
	}
	if err != nil {
		return receipt, replyTo(err), nil
	}
	return receipt, nil, nil
}

// needsUTF8 says whether an address of the envelope can go on with SMTPUTF8 alone.
func needsUTF8(env *submit.Envelope) bool {
	return mail.NeedsUTF8(env.From) || slices.ContainsFunc(env.Recipients, func(r submit.Recipient) bool { return mail.NeedsUTF8(r.Email) })
}

// submit hands a mail in. One with an idempotency key that was handed in before is answered as it was then.
func (c *conn) submit(it submit.Item, in *mail.Incoming) (submit.Receipt, error) {
	ctx := context.Background() // not the connection's end, but the disk decides
	keys := in.Control.IdempotencyKeys
	if len(keys) == 0 {
		if !c.commit() {
			return submit.Receipt{}, errEnded
		}
		defer c.settle()
		return c.s.c.Submit.Accept(ctx, c.principal, it.Envelope, it.Message)
	}
	key := keys[0]
	wrong := submit.CheckKey(key)
	if len(keys) > 1 {
		wrong = "there is more than one"
	}
	if wrong != "" {
		return submit.Receipt{},
			&submit.Error{Code: submit.BadKey, Field: "Postern-Idempotency-Key", Reason: "Postern-Idempotency-Key: " + wrong}
	}
	name, hash := onceName(key, it.Envelope), digest(it.Envelope, in)
	answer, end, err := c.s.c.Submit.Begin(ctx, c.principal, name, hash)
	if err != nil {
		return submit.Receipt{}, err
	}
	if answer != nil {
		var r submit.Receipt
		err := json.Unmarshal(answer, &r)
		return r, err
	}
	defer end()
	once := &submit.Once{Key: name, Hash: hash, Answer: func(got []submit.Outcome) []byte {
		b, err := json.Marshal(got[0].Receipt)
		if err != nil {
			panic(err) // it has numbers and strings
		}
		return b
	}}
	if !c.commit() {
		return submit.Receipt{}, errEnded
	}
	defer c.settle()
	got := c.s.c.Submit.AcceptBatch(ctx, c.principal, submit.Batch{Items: []submit.Item{it}, Once: once})
	return got[0].Receipt, got[0].Err
}

// onceName is what an idempotency key of a mail is remembered under: the key for these recipients. A relaying server hands
// a mail with many over in several transactions, all with the one header. The blank keeps it apart from the HTTP API's.
func onceName(key string, env submit.Envelope) string {
	to := make([]string, len(env.Recipients))
	for i, r := range env.Recipients {
		to[i] = mail.Canonical(r.Email)
	}
	slices.Sort(to)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", key, slices.Compact(to)))
	return fmt.Sprintf("smtp %x", sum)
}

// digest tells whether a mail is the same as another to the same recipients: sender, header and body, but for what a
// client makes anew when it tries again.
func digest(env submit.Envelope, in *mail.Incoming) [sha256.Size]byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "smtp\n%q\n", env.From)
	for _, f := range in.Header {
		switch strings.ToLower(f.Name) {
		case "date", "message-id", "received":
		default:
			fmt.Fprintf(&b, "%s: %q\n", strings.ToLower(f.Name), f.Value)
		}
	}
	fmt.Fprintf(&b, "%+v\n", in.Control)
	b.Write(in.Body())
	return sha256.Sum256(b.Bytes())
}

// maxHops is how many servers a mail may have passed (RFC 5321 §6.3).
const maxHops = 100

func check(in *mail.Incoming) *reply {
	hops := 0
	for _, f := range in.Header {
		if strings.EqualFold(f.Name, "Received") {
			hops++
		}
	}
	if hops > maxHops {
		return &reply{554, "5.4.6", fmt.Sprintf("mail loop: the message has passed through %d servers", hops)}
	}
	if wrong := wrongControl(in.Control); wrong != "" {
		return &reply{554, "5.6.0", wrong}
	}
	return nil
}

// Limits of control headers, as of the HTTP API's properties, in characters.
const (
	maxName    = 255
	maxPayload = 64 << 10
)

// wrongControl says what is wrong with the control headers, "" when nothing is.
func wrongControl(c mail.Control) string {
	for _, h := range []struct {
		name, value string
		most        int
	}{
		{"X-MJ-CustomID", c.CustomID, maxName},
		{"X-Mailjet-Campaign", c.Campaign, maxName},
		{"X-MJ-EventPayload", c.EventPayload, maxPayload},
	} {
		if n := utf8.RuneCountInString(h.value); n > h.most {
			return fmt.Sprintf("%s: %d characters; %d are allowed", h.name, n, h.most)
		}
	}
	switch {
	case c.TemplateID != "":
		return fmt.Sprintf("X-MJ-TemplateID: template %q doesn't exist for your account", c.TemplateID[:min(len(c.TemplateID), 100)])
	case c.Deduplicate && c.Campaign == "":
		return "X-Mailjet-DeduplicateCampaign needs X-Mailjet-Campaign"
	}
	return c.Wrong
}

// message is what the headers said, for submission.
func message(in *mail.Incoming) submit.Message {
	c := in.Control
	m := submit.Message{
		From: in.From, Authors: in.Authors, Subject: in.Subject, MessageID: in.MessageID,
		HasText: in.HasText, HasHTML: in.HasHTML, Attachments: in.Attachments,
		CustomID: c.CustomID, EventPayload: c.EventPayload, Campaign: c.Campaign, Deduplicate: c.Deduplicate,
		MonitoringCategory: c.MonitoringCategory,
		Priority:           2, TrackOpens: tracking(c.TrackOpen), TrackClicks: tracking(c.TrackClick),
	}
	if c.Priority >= 0 {
		m.Priority = c.Priority
	}
	return m
}

func tracking(v string) int {
	switch v {
	case "0":
		return 1
	case "1":
		return 2
	}
	return 0
}

// received is the trace line of this server (RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3), with room for more.
func (c *conn) received(unicode bool, now time.Time, more int) []byte {
	with := "ESMTP"
	if unicode {
		with = "UTF8SMTP"
	}
	if c.tls != nil {
		with += "S"
	}
	b := make([]byte, 0, 512+more)
	b = append(b, "Received: from "...)
	b = append(b, traceName(c.helo)...)
	b = append(append(append(b, " (["...), literal(c.remote)...), "])\r\n\tby "...)
	b = append(append(append(append(b, c.s.c.Hostname...), " with "...), with...), 'A')
	if c.tls != nil {
		b = append(b, "\r\n\t("+strings.ReplaceAll(tls.VersionName(c.tls.Version), " ",
			"")+" "+tls.CipherSuiteName(c.tls.CipherSuite)+")"...)
	}
	b = append(b, ";\r\n\t"...)
	b = now.AppendFormat(b, time.RFC1123Z)
	return append(b, "\r\n"...)
}

func literal(a netip.Addr) string {
	if a.Is6() {
		return "IPv6:" + a.String()
	}
	return a.String()
}

// traceName keeps of an EHLO name what may stand in a header.
func traceName(name string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 127 && r != '(' && r != ')' && r != ';' && r != '\\' {
			return r
		}
		return '?'
	}, name[:min(len(name), 255)])
}

// replyTo says why a submission was refused, in SMTP's words.
func replyTo(err error) *reply {
	var e *submit.Error
	if !errors.As(err, &e) {
		return &reply{451, "4.3.0", "the message could not be stored; try again later"}
	}
	code, enhanced := 451, "4.3.0"
	switch e.Code {
	case submit.SenderNotAllowed, submit.KeyMayNotSend:
		code, enhanced = 550, "5.7.1"
	case submit.BadRecipient:
		code, enhanced = 553, "5.1.3"
	case submit.TooManyRecipients:
		code, enhanced = 452, "4.5.3"
	case submit.TooLarge:
		code, enhanced = 552, "5.3.4"
	case submit.DiskFull:
		code, enhanced = 452, "4.3.1"
	case submit.LimitReached:
		code, enhanced = 452, "4.7.1"
	case submit.BadParameter:
		code, enhanced = 501, "5.5.4"
	case submit.BadKey, submit.KeyReused:
		code, enhanced = 554, "5.6.0"
	case submit.KeyBusy:
		enhanced = "4.5.0"
	}
	return &reply{code, enhanced, e.Reason}
}
