// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"postern/internal/mail"
	"postern/internal/messages"
	"postern/internal/store"
	"postern/internal/track"
)

// message is a message on the wire. ContactAlt, CustomID and Subject are filled in where they are asked for.
type message struct {
	ArrivedAt          string
	AttachmentCount    int
	AttemptCount       int
	CampaignID         int64 `json:",omitempty"`
	ContactAlt         string
	ContactID          int64
	CustomID           string `json:",omitempty"`
	Delay              int64  // seconds from arrival to the last attempt
	DestinationID      int64
	FilterTime         int64
	FromID             int64 `json:",omitempty"`
	ID                 int64
	IsClickTracked     bool
	IsHTMLPartIncluded bool
	IsOpenTracked      bool
	IsTextPartIncluded bool
	IsUnsubTracked     bool
	MessageSize        int64
	SenderID           int64
	SpamassRules       string
	SpamassassinScore  int
	StateID            int `json:",omitempty"`
	StatePermanent     bool
	Status             string
	Subject            string
	UUID               string
}

// show is what a request wants to see of a message.
type show struct{ contact, customID, subject bool }

func (s show) wire(m store.Message) message {
	out := message{
		ArrivedAt: timestamp(m.ArrivedAt), AttachmentCount: m.Attachments, AttemptCount: m.Attempts, ID: m.ID,
		CampaignID: m.CampaignID, ContactID: m.Contact, DestinationID: mail.DestinationID(mail.Domain(m.Recipient)), FromID: m.SenderID,
		IsClickTracked: m.TrackClicks == trackOn, IsHTMLPartIncluded: m.HasHTML, IsOpenTracked: m.TrackOpens == trackOn,
		IsTextPartIncluded: m.HasText, IsUnsubTracked: track.Ways(m.Ways).Unsubscribes(), MessageSize: m.Size, SenderID: m.SenderID,
		StateID: m.StateID, StatePermanent: m.StatePermanent, Status: m.Status.String(), UUID: m.UUID.String(),
	}
	if !m.DoneAt.IsZero() {
		out.Delay = int64(m.DoneAt.Sub(m.ArrivedAt) / time.Second)
	}
	if s.contact {
		out.ContactAlt = m.Recipient
	}
	if s.customID {
		out.CustomID = m.CustomID
	}
	if s.subject {
		out.Subject = m.Subject
	}
	return out
}

func (q query) show() (show, error) {
	var s show
	for _, p := range []struct {
		name string
		into *bool
	}{{"ShowContactAlt", &s.contact}, {"ShowCustomID", &s.customID}, {"ShowSubject", &s.subject}} {
		var err error
		if *p.into, err = q.flag(fold(p.name), p.name); err != nil {
			return s, err
		}
	}
	return s, nil
}

// messageFilter reads the filters of a listing of messages. none is true where nothing can match.
func (q query) messageFilter() (f store.MessageFilter, none bool, err error) {
	f.CustomID, f.FromDomain = q["customid"], q["fromdomain"]
	for _, p := range []struct {
		property string
		into     *int64
	}{
		{"ID", &f.ID},
		{"MessageID", &f.ID},
		{"SenderID", &f.SenderID},
		{"FromID", &f.SenderID},
		{"ContactID", &f.Contact},
		{"DestinationID", &f.Destination},
	} {
		if *p.into == 0 {
			if *p.into, err = q.id(fold(p.property), p.property); err != nil {
				return f, false, err
			}
		}
	}
	if f.From, err = q.time("fromts", "FromTS"); err != nil {
		return f, false, err
	}
	if f.To, err = q.time("tots", "ToTS"); err != nil {
		return f, false, err
	}
	if f.Status, err = q.status(); err != nil {
		return f, false, err
	}
	if f.StateID, err = q.state(); err != nil {
		return f, false, err
	}
	if err = q.named(&f); err != nil {
		return f, false, err
	}
	none, err = q.notTransactional()
	return f, none, err
}

// notTransactional reads FromType, and says whether other mail is asked for than there is.
func (q query) notTransactional() (bool, error) {
	kind, err := q.number("fromtype", "FromType", ofTransaction)
	if err == nil && (kind < ofTransaction || kind > 3) {
		err = badRequest(fmt.Sprintf("FromType: %d is none of 1 (transactional), 2 (marketing) and 3 (unknown).", kind))
	}
	return kind != ofTransaction, err
}

// ofTransaction is the FromType of all mail here.
const ofTransaction = 1

// named reads the filters that take a number or a name: SDKs send both.
func (q query) named(f *store.MessageFilter) error {
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	f.Campaign = q["customcampaign"]
	if s := q.first("campaignid", "campaign"); s != "" { // SDKs send either, with either
		if f.CampaignID = number(s); f.CampaignID == 0 {
			f.Campaign = s
		}
	}
	switch s, property := q.firstNamed("ContactAlt", "Contact"); {
	case strings.Contains(s, "@"):
		f.Recipient = s
	case s != "":
		if f.Contact = number(s); f.Contact == 0 {
			return badRequest(fmt.Sprintf("%s: %q is neither an address nor an ID.", property, cut(s)))
		}
	}
	switch s := q["destination"]; {
	case strings.Contains(s, "@"):
		f.Recipient = s
	case number(s) != 0:
		f.Destination = number(s)
	default:
		f.Domain = s
	}
	for _, property := range []string{"From", "Sender"} {
		switch s := q[fold(property)]; {
		case strings.HasPrefix(s, "*@"):
			f.FromDomain = s[2:]
		case strings.Contains(s, "@"):
			f.FromEmail = s
		case s != "":
			if f.SenderID = number(s); f.SenderID == 0 {
				return badRequest(fmt.Sprintf("%s: %q is neither an address nor an ID.", property, cut(s)))
			}
		}
	}
	return nil
}

// state reads MessageState or BounceReason, a number of the catalogue of states or its words.
func (q query) state() (int, error) {
	v, property := q.firstNamed("MessageState", "BounceReason")
	if v == "" {
		return 0, nil
	}
	s, ok := mail.ParseState(v)
	if !ok {
		return 0, badRequest(fmt.Sprintf("%s: %q is not in the list that GET /v3/REST/messagestate answers.", property, cut(v)))
	}
	return int(s), nil
}

// status reads MessageStatus, a number or a word.
func (q query) status() (*store.Status, error) {
	v, ok := q["messagestatus"]
	if !ok {
		return nil, nil //nolint:nilnil // not given
	}
	s, ok := store.ParseStatus(v)
	if !ok {
		return nil, badRequest(fmt.Sprintf("MessageStatus: %q is none of 0 (processed) to 11 (deferred).", cut(v)))
	}
	return &s, nil
}

// foundMessages answers a listing of messages, for the resources that show them.
func (a *api) foundMessages(c *call) (list []messages.Message, total int, q query, err error) {
	if q, err = c.query(); err != nil {
		return nil, 0, nil, err
	}
	l, err := q.listing("ID", "ArrivedAt") // which is one order
	if err != nil {
		return nil, 0, nil, err
	}
	f, none, err := q.messageFilter()
	if err != nil || none {
		return nil, 0, q, err
	}
	if l.countOnly {
		total, err = a.Messages.Count(c.Context(), c.own(), f)
	} else {
		list, total, err = a.Messages.ListAndCount(c.Context(), c.own(), f, l.Page)
	}
	return list, total, q, err
}

func (a *api) listMessages(c *call) (reply, error) {
	list, total, q, err := a.foundMessages(c)
	if err != nil {
		return reply{}, err
	}
	s, err := q.show()
	if err != nil {
		return reply{}, err
	}
	var out []message
	for _, m := range list {
		out = append(out, s.wire(m.Record))
	}
	return rows(out, total), nil
}

// messageNamed reads what message the path names, by ID or UUID. What is neither names no object.
func (c *call) messageNamed() (store.MessageFilter, error) {
	f, ok := messages.Named(c.PathValue("id"))
	if !ok {
		return f, notFound()
	}
	return f, nil
}

// message reads the message that the path names.
func (a *api) message(c *call) (messages.Message, error) {
	f, err := c.messageNamed()
	if err != nil {
		return messages.Message{}, err
	}
	return a.Messages.Message(c.Context(), c.own(), f)
}

func (a *api) getMessage(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	s, err := q.show()
	if err != nil {
		return reply{}, err
	}
	m, err := a.message(c)
	if err != nil {
		return reply{}, err
	}
	return one(s.wire(m.Record)), nil
}
