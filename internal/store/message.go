// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
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

var statusNames = [...]string{"processed", "queued", "sent", "opened", "clicked", "bounce", "spam", "unsub", "blocked", "softbounced", "hardbounced", "deferred"}

// String is the API's word for the status.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return "unknown"
	}
	return statusNames[s]
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
	Ways         int // track.Ways of its submission
}

const messageSelect = `SELECT m.id, m.uuid, m.submission_id, m.account_id, m.key_id, m.recipient, m.kind, m.status, m.state_id, m.state_permanent, m.attempts, m.arrived_at, m.done_at, m.flags, m.contact,
 s.sender_id, s.source, s.client, s.mail_from, s.header_from, s.from_name, s.subject, s.rfc_message_id, s.custom_id, s.event_payload, s.campaign, s.campaign_id, s.size, s.attachments, s.has_text, s.has_html, s.track_opens, s.track_clicks, s.ways
 FROM message m JOIN submission s ON s.id = m.submission_id`

func scanMessage(r scanner) (Message, error) {
	var m Message
	err := r.scan(&m.ID, uuidBytes{&m.UUID}, &m.SubmissionID, &m.AccountID, &m.KeyID, &m.Recipient, &m.Kind, &m.Status, &m.StateID, &m.StatePermanent, &m.Attempts, nullTime{&m.ArrivedAt}, nullTime{&m.DoneAt}, &m.Flags, &m.Contact,
		&m.SenderID, &m.Source, &m.Client, &m.MailFrom, &m.HeaderFrom, &m.FromName, &m.Subject, &m.MessageID, &m.CustomID, &m.EventPayload, &m.Campaign, &m.CampaignID, &m.Size, &m.Attachments, &m.HasText, &m.HasHTML, &m.TrackOpens, &m.TrackClicks, &m.Ways)
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
	ID         int64
	UUID       uuid.UUID
	KeyID      int64
	CustomID   string
	Campaign   string
	CampaignID int64
	Recipient  string // whole, however its domain is written
	Contact    int64  // mail.ContactID of the recipient
	Domain     string // of the recipient
	SenderID   int64
	Status     *Status
	From, To   time.Time // of arrival, To excluded
	Search     string    // part of a recipient or a subject
	Below      int64     // IDs below this one
	Above      int64     // IDs above this one
	Sort       string    // "ID" (default), "ArrivedAt"
}

func (f MessageFilter) where(w *where) {
	if f.ID != 0 {
		w.and("m.id = ?", f.ID)
	}
	if f.Below != 0 {
		w.and("m.id < ?", f.Below)
	}
	if f.Above != 0 {
		w.and("m.id > ?", f.Above)
	}
	if f.UUID != uuid.Nil {
		w.and("m.uuid = ?", f.UUID[:])
	}
	if f.KeyID != 0 {
		w.and("m.key_id = ?", f.KeyID)
	}
	if f.CustomID != "" {
		w.and("s.custom_id = ?", f.CustomID)
	}
	if f.Campaign != "" {
		w.and("s.campaign = ?", f.Campaign)
	}
	if f.CampaignID != 0 {
		w.and("s.campaign_id = ?", f.CampaignID)
	}
	if f.Recipient != "" {
		w.and("m.contact = ?", mail.ContactID(f.Recipient))
	}
	if f.Contact != 0 {
		w.and("m.contact = ?", f.Contact)
	}
	if f.Domain != "" {
		w.and("lower(m.recipient) LIKE ? ESCAPE '!'", "%@"+escapeLike(f.Domain))
	}
	if f.SenderID != 0 {
		w.and("s.sender_id = ?", f.SenderID)
	}
	if f.Status != nil {
		w.and("m.status = ?", int(*f.Status))
	}
	if !f.From.IsZero() {
		w.and("m.arrived_at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.and("m.arrived_at < ?", micros(f.To))
	}
	if f.Search != "" {
		like := "%" + escapeLike(f.Search) + "%"
		w.and(`(lower(m.recipient) LIKE ? ESCAPE '!' OR lower(s.subject) LIKE ? ESCAPE '!')`, like, like)
	}
}

// order is the column to sort by. Messages of one commit arrive at one time: the ID makes their order total.
func (f MessageFilter) order(desc bool) string {
	switch {
	case f.Sort == "ArrivedAt" && desc:
		return "m.arrived_at DESC, m.id"
	case f.Sort == "ArrivedAt":
		return "m.arrived_at, m.id"
	}
	return "m.id"
}

// Messages lists messages of the scope.
func (s *Store) Messages(ctx context.Context, scope Scope, f MessageFilter, p Page) ([]Message, error) {
	w := newWhere(messageSelect)
	scope.where(w, "m.account_id", "m.key_id")
	f.where(w)
	w.page(p, f.order(p.Desc))
	return collect(ctx, s, scanMessage, w.String(), w.args...)
}

// CountMessages counts the messages of the scope that match.
func (s *Store) CountMessages(ctx context.Context, scope Scope, f MessageFilter) (int, error) {
	w := newWhere("SELECT count(*) FROM message m JOIN submission s ON s.id = m.submission_id")
	scope.where(w, "m.account_id", "m.key_id")
	f.where(w)
	var n int
	err := s.row(ctx, w.String(), w.args...).scan(&n)
	return n, err
}

// Message reads one message of the scope, by the filter's ID or UUID.
func (s *Store) Message(ctx context.Context, scope Scope, f MessageFilter) (Message, error) {
	w := newWhere(messageSelect)
	scope.where(w, "m.account_id", "m.key_id")
	f.where(w)
	w.page(Page{Limit: 1}, "m.id")
	return scanMessage(s.row(ctx, w.String(), w.args...))
}
