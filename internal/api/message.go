// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
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
	ContactAlt         string
	CustomID           string `json:",omitempty"`
	Delay              int64  // seconds from arrival to the last attempt
	FilterTime         int64
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

// messageFilter reads the filters of a listing of messages.
func (q query) messageFilter() (store.MessageFilter, error) {
	f := store.MessageFilter{CustomID: q["customid"]}
	var err error
	if f.ID, err = q.id("id", "ID"); err != nil {
		return f, err
	}
	if f.SenderID, err = q.id("senderid", "SenderID"); err != nil {
		return f, err
	}
	if s := q["sender"]; s != "" && f.SenderID == 0 {
		if f.SenderID, err = q.id("sender", "Sender"); err != nil {
			return f, err
		}
	}
	if f.From, err = q.time("fromts", "FromTS"); err != nil {
		return f, err
	}
	if f.To, err = q.time("tots", "ToTS"); err != nil {
		return f, err
	}
	if f.Status, err = q.status(); err != nil {
		return f, err
	}
	// Contacts and destinations are known here by their address and domain, not by numbers.
	if s := q.first("contactalt", "contact"); strings.Contains(s, "@") {
		f.Recipient = s
	}
	if s := q["destination"]; strings.Contains(s, "@") {
		f.Recipient = s
	} else {
		f.Domain = s
	}
	// A campaign is known by its name. Its number is none of ours.
	if s := q.first("customcampaign", "campaign", "campaignid"); s != "" {
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			f.Campaign = s
		}
	}
	return f, nil
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
	return nil, badRequest(fmt.Sprintf("MessageStatus: %q is none of 0 (processed) to 11 (deferred).", v))
}

func (a *api) listMessages(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID", "ArrivedAt")
	if err != nil {
		return reply{}, err
	}
	f, err := q.messageFilter()
	if err != nil {
		return reply{}, err
	}
	s, err := q.show()
	if err != nil {
		return reply{}, err
	}
	total, err := a.Store.CountMessages(c.Context(), c.own(), f)
	if err != nil {
		return reply{}, err
	}
	if l.countOnly || total == 0 {
		return rows[message](nil, total), nil
	}
	list, err := a.Store.Messages(c.Context(), c.own(), f, l.Page)
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

// historyLine is an event of a message.
type historyLine struct {
	Comment     string
	EventAt     int64
	EventType   string
	State       string
	Useragent   string
	UseragentID int
}

// messageHistory lists what happened to a message. An unknown message has no history: 200, as clients expect.
func (a *api) messageHistory(c *call) (reply, error) {
	m, err := a.message(c)
	if err != nil {
		if faultOf(err).status == http.StatusNotFound {
			return rows[historyLine](nil, 0), nil
		}
		return reply{}, err
	}
	events, err := a.Store.Events(c.Context(), c.own(), m.ID)
	if err != nil {
		return reply{}, err
	}
	var out []historyLine
	for _, e := range events {
		line := historyLine{Comment: e.Line, EventAt: e.At.Unix(), EventType: e.Type.String()}
		if e.Type == store.EventBounce {
			line.EventType = "softbounced"
			if e.Permanent {
				line.EventType = "hardbounced"
			}
		}
		if e.StateID != 0 {
			line.State = mail.State(e.StateID).String()
		}
		out = append(out, line)
	}
	return rows(out, len(out)), nil
}

// information are a message's counts.
type information struct {
	ClickTrackedCount int
	CreatedAt         string
	ID                int64
	MessageSize       int64
	OpenTrackedCount  int
	QueuedCount       int
	SendEndAt         string
	SentCount         int
	SpamAssassinRules spamRules
	SpamAssassinScore int
}

// spamRules is what a message that no filter looked at has.
type spamRules struct {
	ALT string
	ID  int
}

func (a *api) messageInformation(c *call) (reply, error) {
	m, err := a.message(c)
	if err != nil {
		return reply{}, err
	}
	out := information{CreatedAt: timestamp(m.ArrivedAt), ID: m.ID, MessageSize: m.Size, SendEndAt: timestamp(m.DoneAt), SpamAssassinRules: spamRules{ID: -1}}
	count := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	out.ClickTrackedCount, out.OpenTrackedCount = count(m.TrackClicks == trackOn), count(m.TrackOpens == trackOn)
	out.QueuedCount, out.SentCount = count(m.DoneAt.IsZero()), count(m.Status == store.StatusSent)
	return one(out), nil
}

// messageState is a line of the catalogue of what can become of a message.
type messageState struct {
	ID        int
	RelatedTo string
	State     string
}

func wireState(s mail.State) messageState {
	return messageState{ID: int(s), RelatedTo: s.RelatedTo(), State: s.String()}
}

func (a *api) listStates(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	var all []messageState
	for _, s := range mail.States() {
		all = append(all, wireState(s))
	}
	return pageOf(l, all), nil
}

func (a *api) getState(c *call) (reply, error) {
	id, err := strconv.Atoi(c.PathValue("id"))
	if err == nil && id > 0 {
		for _, s := range mail.States() {
			if int(s) == id {
				return one(wireState(s)), nil
			}
		}
	}
	return reply{}, notFound()
}
