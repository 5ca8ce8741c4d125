// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"postern/internal/mail"
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
		IsClickTracked: m.TrackClicks == trackOn, IsHTMLPartIncluded: m.HasHTML, IsOpenTracked: m.TrackOpens == trackOn, IsTextPartIncluded: m.HasText, IsUnsubTracked: track.Ways(m.Ways).Unsubscribes(),
		MessageSize: m.Size, SenderID: m.SenderID, StateID: m.StateID, StatePermanent: m.StatePermanent, Status: m.Status.String(), UUID: m.UUID.String(),
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
		name, property string
		into           *int64
	}{{"id", "ID", &f.ID}, {"messageid", "MessageID", &f.ID}, {"senderid", "SenderID", &f.SenderID}, {"fromid", "FromID", &f.SenderID}, {"contactid", "ContactID", &f.Contact}, {"destinationid", "DestinationID", &f.Destination}} {
		if *p.into == 0 {
			if *p.into, err = q.id(p.name, p.property); err != nil {
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
	for _, name := range []string{"from", "sender"} {
		switch s := q[name]; {
		case strings.HasPrefix(s, "*@"):
			f.FromDomain = s[2:]
		case strings.Contains(s, "@"):
			f.FromEmail = s
		case s != "":
			if f.SenderID = number(s); f.SenderID == 0 {
				return badRequest(fmt.Sprintf("%s: %q is neither an address nor an ID.", map[string]string{"from": "From", "sender": "Sender"}[name], cut(s)))
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
	for _, s := range mail.States() {
		if v == strconv.Itoa(int(s)) || strings.EqualFold(v, s.String()) {
			return int(s), nil
		}
	}
	return 0, badRequest(fmt.Sprintf("%s: %q is not in the list that GET /v3/REST/messagestate answers.", property, cut(v)))
}

// status reads MessageStatus, a number or a word.
func (q query) status() (*store.Status, error) {
	v, ok := q["messagestatus"]
	if !ok {
		return nil, nil //nolint:nilnil // not given
	}
	for s := store.StatusProcessed; s <= store.StatusDeferred; s++ {
		if v == strconv.Itoa(int(s)) || strings.EqualFold(v, s.String()) {
			return &s, nil
		}
	}
	return nil, badRequest(fmt.Sprintf("MessageStatus: %q is none of 0 (processed) to 11 (deferred).", cut(v)))
}

// foundMessages answers a listing of messages, for the resources that show them.
func (a *api) foundMessages(c *call) (list []store.Message, total int, q query, err error) {
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
	if !l.countOnly {
		if list, err = a.Store.Messages(c.Context(), c.own(), f, l.Page); err != nil {
			return nil, 0, nil, err
		}
		if n := len(list); n < l.Limit && (n > 0 || l.Offset == 0) { // the last page says how many there are
			return list, l.Offset + n, q, nil
		}
	}
	total, err = a.Store.CountMessages(c.Context(), c.own(), f)
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
		out = append(out, s.wire(m))
	}
	return rows(out, total), nil
}

// message reads the message that the path names by ID or UUID.
func (a *api) message(c *call) (store.Message, error) {
	var f store.MessageFilter
	s := c.PathValue("id")
	if id, err := strconv.ParseInt(s, 10, 64); err == nil && id > 0 {
		f.ID = id
	} else if u, err := uuid.Parse(s); err == nil && u != uuid.Nil && len(s) == 36 {
		f.UUID = u
	} else {
		return store.Message{}, notFound()
	}
	return a.Store.Message(c.Context(), c.own(), f)
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
	return one(s.wire(m)), nil
}
