// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"postern/internal/mail"
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
	Campaign           string // "": none
	Deduplicate        bool   // a second mail of the campaign to one address is blocked
	MonitoringCategory string
	URLTags            string
	Priority           int // 0 low to 3 first
	TrackOpens         int // TrackOff, TrackOn; 0: not decided, which is off
	TrackClicks        int
	Ways               int // track.Ways: how it is made each recipient's own on its way out

	Size        int64
	Attachments int
	HasText     bool
	HasHTML     bool
	UTF8        bool           // needs SMTPUTF8
	ResentOf    int64          // the message that this one sends again, 0: none
	Asked       Asked          // what its sender asked for; mostly nothing
	Notices     []SenderNotice // the delivery status notifications that this mail is: with it they are sent

	Body       Body
	Recipients []Recipient
	CreatedAt  time.Time     // set by Accept
	Lifetime   time.Duration // how long delivery is tried

	campaignID int64
}

// Whether opens or clicks are tracked.
const (
	TrackOff = 1
	TrackOn  = 2
)

// Recipient is one address of a submission. Its ID and UUID are set by Accept.
type Recipient struct {
	Email  string
	Domain string // lowercase A-labels
	Kind   Kind
	Asked  AskedOf   // what the sender asked for about this one; mostly nothing
	Hour   time.Time // in which it counts as sent; a later one than now is waited for. Zero: now
	ID     int64
	UUID   uuid.UUID
	// Refused is why the recipient gets no mail though the submission is accepted: its message is blocked at once, and
	// never queued. 0: it is queued.
	Refused mail.State

	refused mail.State // Refused, or what the transaction found out
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
	submissionColumns = []string{
		"id", "account_id", "key_id", "sender_id", "source", "client", "mail_from", "header_from", "from_name", "subject",
		"rfc_message_id", "priority", "track_opens", "track_clicks", "size", "has_text", "has_html", "created_at",
		// Of these most mail has none.
		"custom_id", "event_payload", "campaign", "campaign_id", "monitoring_category", "url_tags", "attachments", "utf8", "ways",
		"resent_of",
	}
	insertSubmissions = newInsert("submission", submissionColumns...)
	insertPlain       = newUsual("submission", submissionColumns, "''", "''", "''", "0", "''", "''", "0", "FALSE", "0", "0")
	insertBodies      = newInsert("body", "submission_id", "codec", "data")
	insertMessages    = newInsert("message", "id", "uuid", "submission_id", "account_id", "key_id", "recipient", "contact", "kind",
		"status", "arrived_at")
	insertRefused = newInsert("message", "id", "uuid", "submission_id", "account_id", "key_id", "recipient", "contact", "kind",
		"status", "arrived_at", "state_id", "state_permanent", "done_at")
	insertQueue = newInsert("queue", "message_id", "submission_id", "key_id", "sender_id", "campaign_id", "recipient", "domain",
		"arrived_at", "expires_at", "due_at", "ways")
)

// Batch is what one call hands over: its submissions are kept together or not at all.
type Batch struct {
	Submissions []*Submission
	Once        *Once // the idempotency key of the call; nil: it has none
}

// Accept makes a submission durable and gives it and its recipients their IDs. It returns after the commit that
// holds it, which it shares with all that wait at the same time.
func (s *Store) Accept(ctx context.Context, sub *Submission) error {
	return s.AcceptBatch(ctx, &Batch{Submissions: []*Submission{sub}})
}

// AcceptBatch is Accept for several submissions, which are kept together or not at all. ErrExists says that the
// idempotency key was used meanwhile.
func (s *Store) AcceptBatch(ctx context.Context, b *Batch) error {
	for _, sub := range b.Submissions {
		if err := s.number(ctx, sub); err != nil {
			return err
		}
	}
	if b.Once != nil {
		b.Once.answer = NewBody(b.Once.Answer())
	}
	return s.accepts.add(ctx, b)
}

// number gives a submission and its recipients their IDs.
func (s *Store) number(ctx context.Context, sub *Submission) error {
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
	return nil
}

// mayRefuse counts the recipients that a commit may have to record as refused.
func mayRefuse(subs []*Submission) (n int) {
	for _, x := range subs {
		for i := range x.Recipients {
			if x.Deduplicate || x.Recipients[i].Refused != 0 {
				n++
			}
		}
	}
	return n
}

// commitSubmissions writes a group of batches in one transaction.
func (s *Store) commitSubmissions(ctx context.Context, batches []*Batch) error {
	var subs []*Submission
	for _, b := range batches {
		subs = append(subs, b.Submissions...)
	}
	if err := s.reserve.forMail(ctx, bytesOf(subs)); err != nil {
		return err
	}
	var event int64
	if n := mayRefuse(subs); n > 0 {
		var err error
		if event, err = s.ids.take(ctx, s, "event", n); err != nil {
			return err
		}
	}
	return s.Update(ctx, func(tx *Tx) error {
		if err := tx.NeedRoom(); err != nil {
			return err
		}
		if err := tx.writeOnce(ctx, batches); err != nil {
			return err
		}
		if err := tx.putCampaigns(ctx, subs); err != nil {
			return err
		}
		if err := tx.refuse(ctx, subs); err != nil {
			return err
		}
		a := acceptance{now: micros(tx.Now), uses: usage{}, counts: s.newTally(), event: event}
		for _, x := range subs {
			x.CreatedAt = tx.Now
			a.submission(x)
		}
		for _, step := range []struct {
			b    *bulk
			args []any
		}{
			{insertPlain, a.plain},
			{insertSubmissions, a.rows},
			{insertBodies, a.bodies},
			{insertMessages, a.messages},
			{insertRefused, a.refused},
			{insertQueue, a.queue},
			{insertTodo, a.todo},
		} {
			if err := step.b.run(ctx, tx, nil, step.args); err != nil {
				return err
			}
		}
		if err := tx.settleNotices(ctx, subs); err != nil {
			return err
		}
		if err := a.asked.write(ctx, tx); err != nil {
			return err
		}
		if err := a.uses.write(ctx, tx); err != nil {
			return err
		}
		if err := tx.record(ctx, a.events, a.counts); err != nil {
			return err
		}
		return tx.putArrival(ctx, subs)
	})
}

// acceptance gathers the rows of a group of submissions.
type acceptance struct {
	now                              any
	plain, rows                      []any // of submissions
	bodies, messages, refused, queue []any
	todo                             []any
	asked                            askedRows
	uses                             usage
	counts                           *tally
	events                           []recorded
	event                            int64 // ID of the next
}

func (a *acceptance) submission(x *Submission) {
	plain := x.CustomID == "" && x.EventPayload == "" && x.Campaign == "" && x.MonitoringCategory == "" && x.URLTags == "" &&
		x.Attachments == 0 && !x.UTF8 && x.Ways == 0 && x.ResentOf == 0
	rows := &a.rows
	if plain {
		rows = &a.plain
	}
	*rows = append(*rows, x.ID, x.AccountID, x.KeyID, x.SenderID, x.Source, x.Client, x.MailFrom, x.HeaderFrom, x.FromName, x.Subject,
		x.MessageID, int64(x.Priority), int64(x.TrackOpens), int64(x.TrackClicks), x.Size, x.HasText, x.HasHTML, a.now)
	if !plain {
		a.rows = append(a.rows, x.CustomID, x.EventPayload, x.Campaign, x.campaignID, x.MonitoringCategory, x.URLTags,
			int64(x.Attachments), x.UTF8, int64(x.Ways), x.ResentOf)
	}
	a.bodies = append(a.bodies, x.ID, int64(x.Body.codec), x.Body.data)
	a.asked.add(x)
	for i := range x.Recipients {
		r := &x.Recipients[i]
		a.todo = append(a.todo, r.ID)
		of := counted{key: x.KeyID, campaign: x.campaignID, sender: x.SenderID, domain: r.Domain, arrived: x.CreatedAt}
		a.counts.accepted(of)
		leaves := x.CreatedAt
		if r.Hour.After(leaves) {
			leaves = r.Hour
		}
		if r.Refused == 0 {
			a.uses.add(x.KeyID, x.AccountID, leaves)
		}
		if r.refused != 0 {
			a.refuse(x, r, of)
			continue
		}
		due := x.CreatedAt.Add(-time.Duration(x.Priority) * priorityStep)
		if leaves.After(x.CreatedAt) {
			due = leaves
		}
		a.messages = append(a.messages, r.ID, r.UUID[:], x.ID, x.AccountID, x.KeyID, r.Email, mail.ContactID(r.Email), int64(r.Kind),
			int64(StatusQueued), a.now)
		a.queue = append(a.queue, r.ID, x.ID, x.KeyID, x.SenderID, x.campaignID, r.Email, r.Domain, a.now, micros(leaves.Add(x.Lifetime)),
			micros(due), int64(x.Ways))
	}
}

// refuse adds a recipient whose message is blocked at once, with the event that says so.
func (a *acceptance) refuse(x *Submission, r *Recipient, of counted) {
	a.refused = append(a.refused, r.ID, r.UUID[:], x.ID, x.AccountID, x.KeyID, r.Email, mail.ContactID(r.Email), int(r.Kind),
		int(StatusBlocked), a.now, int(r.refused), true, a.now)
	line := "the address is on the suppression list of this API key"
	if r.refused == mail.StateDuplicateInCampaign {
		line = "the address was sent this campaign before"
	}
	a.events = append(a.events, recorded{
		Event: Event{
			ID: a.event, MessageID: r.ID, KeyID: x.KeyID, Type: EventBlocked, At: x.CreatedAt, StateID: int(r.refused), Permanent: true,
			Reply: Reply{Line: line},
		},
		counted: of, done: x.CreatedAt,
	})
	a.event++
}
