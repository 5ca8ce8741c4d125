// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"postern/internal/mail"
)

// Status is where a message stands. The numbers are those of the API's filter MessageStatus.
type Status int

// The states of a message.
const (
	StatusProcessed Status = iota
	StatusQueued
	StatusSent
	StatusOpened
	StatusClicked
	StatusBounce
	StatusSpam
	StatusUnsub
	StatusBlocked
	StatusSoftBounced
	StatusHardBounced
	StatusDeferred
)

var statusNames = [...]string{
	"processed", "queued", "sent", "opened", "clicked", "bounce", "spam", "unsub", "blocked", "softbounced", "hardbounced", "deferred",
}

// String is the API's word for the status.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return "unknown"
	}
	return statusNames[s]
}

// ParseStatus reads a status as people and programs write it: its number, or its word in any case. false: it is none.
func ParseStatus(text string) (Status, bool) {
	for s := StatusProcessed; s <= StatusDeferred; s++ {
		if text == strconv.Itoa(int(s)) || strings.EqualFold(text, s.String()) {
			return s, true
		}
	}
	return 0, false
}

// Flags are what happened to a message at least once.
type Flags int

// Flags of a message.
const (
	FlagDeferred Flags = 1 << iota
	FlagOpened
	FlagClicked
	FlagSpam
	FlagUnsub
)

// Message is a submission as sent to one recipient, with what its submission says.
type Message struct {
	ID             int64
	UUID           uuid.UUID
	SubmissionID   int64
	AccountID      int64
	KeyID          int64
	Recipient      string
	Kind           Kind
	Status         Status
	StateID        int // of the catalogue of states, 0 for none
	StatePermanent bool
	Attempts       int
	ArrivedAt      time.Time
	DoneAt         time.Time // zero while it is queued
	Flags          Flags
	Contact        int64 // mail.ContactID of the recipient

	SenderID     int64
	Source       string
	Client       string
	MailFrom     string
	HeaderFrom   string
	FromName     string
	Subject      string
	MessageID    string
	CustomID     string
	EventPayload string
	Campaign     string
	CampaignID   int64 // 0: none
	Size         int64
	Attachments  int
	HasText      bool
	HasHTML      bool
	TrackOpens   int
	TrackClicks  int
	Ways         int   // track.Ways of its submission
	ResentOf     int64 // the message that this one sends again, 0: none
}

const messageColumns = `m.id, m.uuid, m.submission_id, m.account_id, m.key_id, m.recipient, m.kind, m.status, m.state_id, m.state_permanent, m.attempts, m.arrived_at, m.done_at, m.flags, m.contact,
 s.sender_id, s.source, s.client, s.mail_from, s.header_from, s.from_name, s.subject, s.rfc_message_id, s.custom_id, s.event_payload, s.campaign, s.campaign_id, s.size, s.attachments, s.has_text, s.has_html, s.track_opens, s.track_clicks, s.ways, s.resent_of`

func scanMessage(r scanner) (Message, error) {
	var m Message
	err := r.scan(&m.ID, uuidBytes{&m.UUID}, &m.SubmissionID, &m.AccountID, &m.KeyID, &m.Recipient, &m.Kind, &m.Status, &m.StateID,
		&m.StatePermanent, &m.Attempts, nullTime{&m.ArrivedAt}, nullTime{&m.DoneAt}, &m.Flags, &m.Contact,
		&m.SenderID, &m.Source, &m.Client, &m.MailFrom, &m.HeaderFrom, &m.FromName, &m.Subject, &m.MessageID, &m.CustomID,
		&m.EventPayload, &m.Campaign, &m.CampaignID, &m.Size, &m.Attachments, &m.HasText, &m.HasHTML, &m.TrackOpens, &m.TrackClicks,
		&m.Ways, &m.ResentOf)
	return m, err
}

// uuidBytes scans a UUID stored as 16 bytes.
type uuidBytes struct{ u *uuid.UUID }

func (b uuidBytes) Scan(v any) error {
	raw, _ := v.([]byte)
	u, err := uuid.FromBytes(raw)
	*b.u = u
	return err
}

// MessageFilter bounds a listing of messages within a scope. Zero fields do not filter.
type MessageFilter struct {
	ID          int64
	UUID        uuid.UUID
	KeyID       int64
	CustomID    string
	Campaign    string
	CampaignID  int64
	Recipient   string // whole, however its domain is written
	Contact     int64  // mail.ContactID of the recipient
	Domain      string // of the recipient
	Destination int64  // mail.DestinationID of the recipient's domain
	SenderID    int64
	FromEmail   string // address in From
	FromDomain  string
	Status      *Status
	StateID     int       // of the catalogue of states
	From, To    time.Time // of arrival, To excluded
	Search      string    // words, or their beginnings, of recipient, subject, From, CustomID and campaign
	Below       int64     // IDs below this one
	Above       int64     // IDs above this one
}

// contact is the number of the recipient that is asked for, 0: any.
func (f *MessageFilter) contact() int64 {
	if f.Recipient != "" {
		return mail.ContactID(f.Recipient)
	}
	return f.Contact
}

// Messages lists messages of the scope by ID, which is the order of arrival.
func (s *Store) Messages(ctx context.Context, scope Scope, f MessageFilter, p Page) ([]Message, error) {
	h, err := s.search(ctx, scope, f)
	if err != nil || h.none {
		return nil, err
	}
	if p.Limit <= 0 || p.Limit > 1000 {
		p.Limit = 1000
	}
	p.Offset = max(p.Offset, 0)
	if h.by != byWords && !h.compared() {
		w, id := h.from("SELECT "+messageColumns, h.by)
		w.page(p, id)
		return collect(ctx, h.reader(), scanMessage, w.String(), w.args...)
	}
	ids, err := h.find(ctx, p.Desc, p.Offset+p.Limit)
	if err != nil {
		return nil, err
	}
	ids = ids[min(p.Offset, len(ids)):]
	return s.messagesByID(ctx, scope, ids[:min(p.Limit, len(ids))], p.Desc)
}

// messagesByID reads messages of the scope. What is gone meanwhile is left out.
func (s *Store) messagesByID(ctx context.Context, scope Scope, ids []int64, desc bool) ([]Message, error) {
	var out []Message
	for list := range slices.Chunk(ids, 500) {
		w := newWhere("SELECT " + messageColumns + " FROM message m JOIN submission s ON s.id = m.submission_id")
		scope.where(w, s.d.noIndex+"m.account_id", s.d.noIndex+"m.key_id")
		w.and("m.id IN (?"+strings.Repeat(", ?", len(list)-1)+")", anys(list)...)
		w.page(Page{Desc: desc}, "m.id")
		some, err := collect(ctx, s, scanMessage, w.String(), w.args...)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// CountMessages counts the messages of the scope that match.
func (s *Store) CountMessages(ctx context.Context, scope Scope, f MessageFilter) (int, error) {
	return s.CountMessagesTo(ctx, scope, f, 0)
}

// CountMessagesTo is CountMessages that stops at a number, which takes no longer where there are millions. 0: it does not.
func (s *Store) CountMessagesTo(ctx context.Context, scope Scope, f MessageFilter, atMost int) (int, error) {
	h, err := s.search(ctx, scope, f)
	if err != nil || h.none {
		return 0, err
	}
	if h.compared() {
		ids, _, err := h.matching(ctx, h.by, true, fewRows)
		if atMost > 0 {
			return min(len(ids), atMost), err
		}
		return len(ids), err
	}
	if h.by == byWords {
		ids, _, err := h.matching(ctx, unindexed, true, maxUnindexed)
		if err != nil {
			return 0, err
		}
		n, err := h.countIndexed(ctx, atMost)
		if n += len(ids); atMost > 0 {
			n = min(n, atMost)
		}
		return n, err
	}
	w, _ := h.from("SELECT count(*) FROM (SELECT 1", h.by)
	limited(w, atMost)
	var n int
	err = s.row(ctx, w.String(), w.args...).scan(&n)
	return n, err
}

// Message reads one message of the scope, by the filter's ID or UUID.
func (s *Store) Message(ctx context.Context, scope Scope, f MessageFilter) (Message, error) {
	list, err := s.Messages(ctx, scope, f, Page{Limit: 1})
	if err != nil {
		return Message{}, err
	}
	if len(list) == 0 {
		return Message{}, ErrNotFound
	}
	return list[0], nil
}
