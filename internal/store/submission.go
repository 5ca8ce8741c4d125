// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Submission is one HTTP message object or one SMTP transaction, with a message for each recipient.
type Submission struct {
	ID         int64 // set by Accept
	AccountID  int64
	KeyID      int64
	SenderID   int64
	Source     string // "http", "smtp", "console", "cli"
	Client     string // address and client, for the log of who sent it
	MailFrom   string // envelope sender, "" for the null sender
	HeaderFrom string // address in From
	FromName   string
	Subject    string
	MessageID  string // RFC 5322 Message-ID, without brackets

	CustomID           string
	EventPayload       string
	Campaign           string
	MonitoringCategory string
	URLTags            string
	Priority           int // 0 low to 3 first
	TrackOpens         int // 0 as the account says, 1 off, 2 on
	TrackClicks        int

	Size        int64
	Attachments int
	HasText     bool
	HasHTML     bool
	UTF8        bool // needs SMTPUTF8

	Body       Body
	Recipients []Recipient
	CreatedAt  time.Time     // set by Accept
	Lifetime   time.Duration // how long delivery is tried
}

// Recipient is one address of a submission. Its ID and UUID are set by Accept.
type Recipient struct {
	Email  string
	Domain string // lowercase A-labels
	Kind   Kind
	Hour   time.Time // in which it counts as sent; a later one than now is waited for. Zero: now
	ID     int64
	UUID   uuid.UUID
}

// Kind is where a recipient stood: in To, Cc or Bcc.
type Kind int

// Kinds of recipients. By SMTP all are To.
const (
	To Kind = iota
	Cc
	Bcc
)

// priorityStep is how much earlier a message stands in the queue for each step of priority.
const priorityStep = 10 * time.Minute

var (
	insertSubmissions = newInsert("submission", "id", "account_id", "key_id", "sender_id", "source", "client", "mail_from", "header_from", "from_name", "subject",
		"rfc_message_id", "custom_id", "event_payload", "campaign", "monitoring_category", "url_tags", "priority", "track_opens", "track_clicks", "size", "attachments",
		"has_text", "has_html", "utf8", "created_at")
	insertBodies   = newInsert("body", "submission_id", "codec", "data")
	insertMessages = newInsert("message", "id", "uuid", "submission_id", "account_id", "key_id", "recipient", "kind", "status", "arrived_at")
	insertQueue    = newInsert("queue", "message_id", "submission_id", "key_id", "recipient", "domain", "arrived_at", "expires_at", "due_at")
)

// Accept makes a submission durable and gives it and its recipients their IDs. It returns after the commit that
// holds it, which it shares with all that wait at the same time.
func (s *Store) Accept(ctx context.Context, sub *Submission) error {
	var err error
	if sub.ID, err = s.ids.take(ctx, s, "submission", 1); err != nil {
		return err
	}
	first, err := s.ids.take(ctx, s, "message", len(sub.Recipients))
	if err != nil {
		return err
	}
	for i := range sub.Recipients {
		r := &sub.Recipients[i]
		r.ID = first + int64(i)
		if r.UUID, err = uuid.NewV7(); err != nil { // in order of time, so that its index grows at one end
			return err
		}
	}
	return s.accepts.add(ctx, sub)
}

// commitSubmissions writes a group of submissions in one transaction.
func (s *Store) commitSubmissions(ctx context.Context, subs []*Submission) error {
	return s.Update(ctx, func(tx *Tx) error {
		now := micros(tx.Now)
		var rows, bodies, messages, queue []any
		uses := usage{}
		for _, x := range subs {
			x.CreatedAt = tx.Now
			rows = append(rows, x.ID, x.AccountID, x.KeyID, x.SenderID, x.Source, x.Client, x.MailFrom, x.HeaderFrom, x.FromName, x.Subject,
				x.MessageID, x.CustomID, x.EventPayload, x.Campaign, x.MonitoringCategory, x.URLTags, x.Priority, x.TrackOpens, x.TrackClicks, x.Size, x.Attachments,
				x.HasText, x.HasHTML, x.UTF8, now)
			bodies = append(bodies, x.ID, x.Body.codec, x.Body.data)
			due := micros(tx.Now.Add(-time.Duration(x.Priority) * priorityStep))
			expires := micros(tx.Now.Add(x.Lifetime))
			for _, r := range x.Recipients {
				due, expires, leaves := due, expires, tx.Now
				if !r.Hour.IsZero() {
					leaves = r.Hour
				}
				if leaves.After(tx.Now) {
					due, expires = micros(leaves), micros(leaves.Add(x.Lifetime))
				}
				uses.add(x.KeyID, x.AccountID, leaves)
				messages = append(messages, r.ID, r.UUID[:], x.ID, x.AccountID, x.KeyID, r.Email, int(r.Kind), int(StatusQueued), now)
				queue = append(queue, r.ID, x.ID, x.KeyID, r.Email, r.Domain, now, expires, due)
			}
		}
		for _, step := range []struct {
			b    *bulk
			args []any
		}{{insertSubmissions, rows}, {insertBodies, bodies}, {insertMessages, messages}, {insertQueue, queue}} {
			if err := step.b.run(ctx, tx, nil, step.args); err != nil {
				return err
			}
		}
		return uses.write(ctx, tx)
	})
}
