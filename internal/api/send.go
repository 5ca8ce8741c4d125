// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// sent is an accepted message in the answer.
type sent struct {
	Status   string
	CustomID string
	To       []sentTo
	Cc       []sentTo
	Bcc      []sentTo
}

// sentTo is a recipient's message.
type sentTo struct {
	Email       string
	MessageUUID string
	MessageID   int64
	MessageHref string
}

// refused is a refused message in the answer. CustomID tells a caller which it was.
type refused struct {
	Status   string
	Errors   []errorV31
	CustomID string `json:",omitempty"`
}

// outcome is what became of an item: a receipt, or what is wrong with it.
type outcome struct {
	receipt  submit.Receipt
	findings findings
}

// send is POST /v3.1/send.
func (a *api) send(c *call) (reply, error) {
	text, err := c.sendBody()
	if err != nil {
		return reply{}, err
	}
	b, fault := parseSend(text)
	if fault != nil {
		return reply{}, fault
	}
	return a.once(c, "v3.1", text, b.sandbox, func(once *submit.Once) (reply, error) {
		outcomes := make([]outcome, len(b.items))
		for i := range b.items {
			outcomes[i].findings = a.checkItem(c, &b.items[i])
		}
		return a.handOver(c, b.items, outcomes,
			handing{came: int64(len(text)), sandbox: b.sandbox, once: once, answer: func(all []outcome) (reply,
				error,
			) {
				return a.answer(c, b, all)
			}})
	})
}

// checkItem finds what is wrong with a message, also what the sender may not.
func (a *api) checkItem(c *call, it *item) findings {
	f := it.check()
	a.checkSenders(c, it, &f)
	return f
}

// checkSenders finds what the sender may not.
func (a *api) checkSenders(c *call, it *item, f *findings) {
	if it.from.mayCheck() {
		if _, err := a.Submit.CheckSender(c.Context(), c.who, it.from.email.s); err != nil {
			f.add(faultOf(err))
		}
	}
	if it.sender.mayCheck() {
		if fault := a.checkSender(c, it.sender.email.s); fault != nil {
			f.add(fault)
		}
	}
}

// mayCheck says whether there is an address to ask about.
func (m *mailbox) mayCheck() bool { return m.given && m.fault() == nil }

// checkSender says in a fault why Sender may not be email: it is none of the key's senders, or not an active one.
func (a *api) checkSender(c *call, email string) *fault {
	_, err := a.Submit.CheckSender(c.Context(), c.who, email)
	if err == nil {
		return nil
	}
	f := faultOf(err)
	if f.code != "send-0008" {
		return f
	}
	f.code, f.related = "send-0006", []string{"Sender"}
	if box, err := mail.ParseMailbox(email); err == nil && box.Doubtful() {
		return f // in its own words
	}
	f.message = fmt.Sprintf("%q is not permitted as Sender: it is not a sender of your account.", email)
	has, err := a.Senders.Has(c.Context(), c.own(), email)
	if err != nil {
		return faultOf(err)
	}
	if has {
		f.code, f.message = "send-0007", fmt.Sprintf("The sender %q of your account is not validated.", email)
	}
	return f
}

// weight is about how many bytes a message takes while it is composed and stored: source, encoded, compressed.
func (it *item) weight() int64 {
	n := 2 * (len(it.text) + len(it.html) + len(it.payload))
	for _, list := range [][]file{it.attachments, it.inlined} {
		for i := range list {
			n += 3 * len(list[i].data)
		}
	}
	return int64(n) + 4096
}

// size is about how many bytes its mail has: the attachments are in base64.
func (it *item) size() int64 {
	n := len(it.text) + len(it.html) + len(it.payload)
	for _, list := range [][]file{it.attachments, it.inlined} {
		for i := range list {
			n += len(list[i].data) * 78 / 57 // lines of 76 characters
		}
	}
	return int64(n)
}

// compose makes the mail of an item; m has what is known of the caller.
func (it *item) compose(m submit.Message) (submit.Item, error) {
	d := it.draft()
	raw, err := mail.Compose(d)
	if err != nil {
		return submit.Item{}, &fault{status: http.StatusBadRequest, code: "mj-0005", message: "Value not allowed. The message " +
			"cannot be composed: " + err.Error() + "."}
	}
	opens, _ := tracking(it.trackOpens)
	clicks, _ := tracking(it.trackClicks)
	m.Raw, m.From, m.Subject, m.MessageID = raw, d.From, it.subject, d.MessageID
	m.HasText, m.HasHTML, m.Attachments = it.text != "", it.html != "", len(it.attachments)+len(it.inlined)
	m.CustomID, m.EventPayload, m.Campaign, m.MonitoringCategory, m.URLTags = it.customID, it.payload, it.campaign, it.category, it.urlTags
	deduplicate := it.deduplicate || it.deduplicateHeader && it.campaign != ""
	m.Deduplicate, m.Priority, m.TrackOpens, m.TrackClicks = deduplicate, int(it.priority), opens, clicks
	env := submit.Envelope{From: d.From.Email}
	m.Authors = []mail.Author{{Field: "From", Address: d.From}}
	if d.Sender != nil {
		env.From = d.Sender.Email
		m.Authors = append(m.Authors, mail.Author{Field: "Sender", Address: *d.Sender})
	}
	env.Recipients = it.recipients()
	m.UTF8 = mail.NeedsUTF8(env.From, d.From.Email, it.replyTo.email.s)
	for _, r := range env.Recipients {
		m.UTF8 = m.UTF8 || mail.NeedsUTF8(r.Email)
	}
	return submit.Item{Envelope: env, Message: m}, nil
}

// recipients are the envelope's, in the order To, Cc, Bcc.
func (it *item) recipients() []submit.Recipient {
	out := make([]submit.Recipient, 0, len(it.to)+len(it.cc)+len(it.bcc))
	for kind, list := range [...][]mailbox{store.To: it.to, store.Cc: it.cc, store.Bcc: it.bcc} {
		for i := range list {
			out = append(out, submit.Recipient{Email: list[i].email.s, Kind: store.Kind(kind)})
		}
	}
	return out
}

func (m *mailbox) address() mail.Address { return mail.Address{Name: m.name, Email: m.email.s} }

func addresses(list []mailbox) []mail.Address {
	var out []mail.Address
	for i := range list {
		out = append(out, list[i].address())
	}
	return out
}

func parts(list []file) []mail.Part {
	var out []mail.Part
	for i := range list {
		f := &list[i]
		out = append(out, mail.Part{ContentType: f.contentType.s, Filename: f.filename.s, ContentID: f.contentID, Data: f.data})
	}
	return out
}

// inlined are parts that the HTML shows by content ID: an attachment's that gives none is its file name.
func inlined(list []file) []mail.Part {
	out := parts(list)
	for i := range out {
		if p := &out[i]; p.ContentID == "" && isContentID(p.Filename) {
			p.ContentID = p.Filename
		}
	}
	return out
}

// draft is the mail of a checked message.
func (it *item) draft() mail.Draft {
	d := mail.Draft{
		From: it.from.address(), To: addresses(it.to), Cc: addresses(it.cc), Subject: it.subject, Text: it.text, HTML: it.html,
		Attachments: parts(it.attachments), Inlined: inlined(it.inlined), Date: time.Now(), MessageID: uuid.NewString() + "@" +
			mail.Domain(it.from.email.s),
	}
	if it.sender.given {
		x := it.sender.address()
		d.Sender = &x
	}
	if it.replyTo.given {
		x := it.replyTo.address()
		d.ReplyTo = &x
	}
	for _, h := range it.headers {
		d.Headers = append(d.Headers, mail.Field{Name: h.name, Value: h.value})
	}
	return d
}

// answer tells what became of each message, in the order of the request. With errors the call is a 400 though the good
// ones are sent; a 403 when nothing but permissions is wrong; a 429 when no message was sent for limits alone, so that
// the call can be made again; and when nothing was kept for reasons of our own, an error of the call, which may be sent
// again too.
func (a *api) answer(c *call, b batch, outcomes []outcome) (reply, error) {
	if f := onlyOurs(outcomes); f != nil {
		return reply{}, f
	}
	var status statuses
	list := make([]any, len(outcomes))
	for i := range outcomes {
		out, it := &outcomes[i], &b.items[i]
		if len(out.findings) == 0 {
			status.sent = true
			list[i] = a.sent(it, out.receipt)
			continue
		}
		x := refused{Status: "error"}
		if tooLong(it.customID, "", maxName) == nil {
			x.CustomID = it.customID
		}
		for _, f := range out.findings {
			status.note(f)
			x.Errors = append(x.Errors, errorOf(f, a.identify(c.Request, f)))
		}
		list[i] = x
	}
	r := reply{status: status.ofCall(), body: struct{ Messages []any }{list}}
	if r.status == http.StatusTooManyRequests {
		r.retryAfter = status.retryAfter
	}
	return r, nil
}

// statuses gathers what the messages of a call came to.
type statuses struct {
	sent, forbidden, limited, bad bool
	retryAfter                    time.Duration // until there is room for all
}

func (s *statuses) note(f *fault) {
	switch f.status {
	case http.StatusForbidden:
		s.forbidden = true
	case http.StatusTooManyRequests:
		s.limited, s.retryAfter = true, max(s.retryAfter, f.retryAfter)
	default:
		s.bad = true
	}
}

// ofCall is the status of the whole call. One that sent something is no 429: made again, it would send that twice.
func (s *statuses) ofCall() int {
	switch {
	case s.limited && !s.sent && !s.forbidden && !s.bad:
		return http.StatusTooManyRequests
	case s.bad || s.limited:
		return http.StatusBadRequest
	case s.forbidden:
		return http.StatusForbidden
	}
	return http.StatusOK
}

// onlyOurs is a failure of the server when nothing was accepted and nothing else is wrong, or nil.
func onlyOurs(outcomes []outcome) *fault {
	var ours *fault
	for i := range outcomes {
		if len(outcomes[i].findings) == 0 {
			return nil
		}
		for _, f := range outcomes[i].findings {
			if f.status < http.StatusInternalServerError {
				return nil
			}
			ours = f
		}
	}
	return ours
}

func (a *api) sent(it *item, r submit.Receipt) sent {
	byEmail := make(map[string]submit.Accepted, len(r.Messages))
	for _, m := range r.Messages {
		byEmail[mail.Canonical(m.Email)] = m
	}
	list := func(boxes []mailbox) []sentTo {
		out := make([]sentTo, 0, len(boxes))
		for i := range boxes {
			m := byEmail[mail.Canonical(boxes[i].email.s)]
			out = append(out, sentTo{
				Email: boxes[i].email.s, MessageUUID: m.UUID, MessageID: m.ID, MessageHref: a.BaseURL + "/v3/REST/message/" +
					strconv.FormatInt(m.ID, 10),
			})
		}
		return out
	}
	return sent{Status: "success", CustomID: it.customID, To: list(it.to), Cc: list(it.cc), Bcc: list(it.bcc)}
}
