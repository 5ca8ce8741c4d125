// SPDX-License-Identifier: Apache-2.0

package suppress

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"postern/internal/mail"
	"postern/internal/store"
)

const (
	// MaxReport is the largest report of a complaint, in bytes.
	MaxReport = 4 << 20
	// complaintWindow is how far back a message is looked for that is not named by its ID.
	complaintWindow = 90 * 24 * time.Hour
	maxSource       = 100
)

// Complaint says that a recipient called a message spam. One of the first four says which message it was.
type Complaint struct {
	MessageID int64
	UUID      string
	Email     string // the newest message to the address
	Report    []byte // a mailbox provider's report (RFC 5965)
	Source    string // who reports it; "" is what the report says
}

// Complained is what became of a complaint.
type Complained struct {
	// Recorded says whether there is an event now: not when there was one, nor of a report that is no complaint.
	Recorded  bool
	Type      string // of the report: "abuse", "not-spam", …
	MessageID int64
	UUID      string
	Email     string // the recipient
	KeyName   string
}

// Complain records a complaint about a message of the scope. The address comes onto its key's list, and what waits for
// it there is given up.
func (l *List) Complain(ctx context.Context, scope store.Scope, c Complaint) (Complained, error) {
	m, kind, err := l.complainedOf(ctx, scope, &c)
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("MessageID", "no message of the last 90 days fits: it may be deleted, or of another key. "+
			"The address can be added to the suppression list by itself")
	}
	if err != nil {
		return Complained{}, err
	}
	out := Complained{Type: kind, MessageID: m.ID, UUID: m.UUID.String(), Email: m.Recipient}
	if out.Recorded, err = l.record(ctx, m, kind, c.Source); err != nil {
		return Complained{}, err
	}
	keys, err := l.store.KeysByID(ctx, scope, []int64{m.KeyID})
	out.KeyName = keys[m.KeyID].Name
	return out, err
}

// complainedOf finds the message that a complaint is about, and the type of the complaint. Where the complaint does not
// say who reports it, the report does.
func (l *List) complainedOf(ctx context.Context, scope store.Scope, c *Complaint) (store.Message, string, error) {
	const abuse = "abuse"
	given := 0
	for _, is := range []bool{c.MessageID != 0, c.UUID != "", c.Email != "", len(c.Report) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return store.Message{}, "", invalid("MessageID", "give one of MessageID, UUID, Email and Report")
	}
	switch {
	case len(c.Report) > 0:
		f, err := mail.ReadFeedback(c.Report)
		if err != nil {
			return store.Message{}, "", invalid("Report", "%v", err)
		}
		if c.Source == "" {
			c.Source = f.Source
		}
		m, err := l.reported(ctx, scope, f)
		return m, f.Type, err
	case c.Email != "":
		m, err := l.newest(ctx, scope, c.Email, "")
		return m, abuse, err
	case c.UUID != "":
		id, err := uuid.Parse(c.UUID)
		if err != nil {
			return store.Message{}, "", invalid("UUID", "%q is no UUID", shorten(c.UUID))
		}
		m, err := l.store.Message(ctx, scope, store.MessageFilter{UUID: id})
		return m, abuse, err
	}
	m, err := l.store.Message(ctx, scope, store.MessageFilter{ID: c.MessageID})
	return m, abuse, err
}

// record records the event, once for a message: providers repeat themselves. It says whether there is one more now.
func (l *List) record(ctx context.Context, m store.Message, reported, source string) (bool, error) {
	kind, flag := store.EventSpam, store.FlagSpam
	switch reported {
	case "abuse", "fraud", "virus", "other", "miscategorized":
	case "opt-out", "opt-out-list":
		kind, flag = store.EventUnsub, store.FlagUnsub
	default: // "not-spam" is praise, "auth-failure" is about signatures: no recipient's doing
		return false, nil
	}
	if m.Flags&flag != 0 {
		return false, nil
	}
	source = cleanNote(source)
	if len(source) > maxSource {
		source = strings.ToValidUTF8(source[:maxSource], "")
	}
	err := l.store.Engage(ctx, store.Engagement{MessageID: m.ID, Type: kind, At: time.Now().UTC(), Doing: store.Doing{Source: source}})
	if errors.Is(err, store.ErrNotFound) {
		return false, notFound("MessageID", "the message was deleted meanwhile")
	}
	if err != nil {
		return false, err
	}
	l.complaints.Add(1)
	return true, nil
}

// reported finds the message that a report is about: by our own link to unsubscribe, which nobody else can make, or by
// its Message-ID and who complained.
func (l *List) reported(ctx context.Context, scope store.Scope, f *mail.Feedback) (store.Message, error) {
	for _, link := range f.Unsubscribe {
		if l.links == nil {
			break
		}
		if t, ok := l.links.Unsubscribed(link); ok {
			m, err := l.store.Message(ctx, scope, store.MessageFilter{ID: t.MessageID})
			if !errors.Is(err, store.ErrNotFound) {
				return m, err
			}
		}
	}
	if f.MessageID == "" {
		return store.Message{}, store.ErrNotFound
	}
	for _, email := range f.Recipients {
		m, err := l.newest(ctx, scope, email, f.MessageID)
		if !errors.Is(err, store.ErrNotFound) {
			return m, err
		}
	}
	return store.Message{}, store.ErrNotFound
}

// newest finds the newest message to an address, or of these the one with a Message-ID.
func (l *List) newest(ctx context.Context, scope store.Scope, email, messageID string) (store.Message, error) {
	if mail.CheckEmail(email) != nil {
		return store.Message{}, invalid("Email", "%q is not an email address", shorten(email))
	}
	page := store.Page{Limit: 1000, Desc: true}
	if messageID == "" {
		page.Limit = 1
	}
	f := store.MessageFilter{Contact: mail.ContactID(email), From: time.Now().Add(-complaintWindow)}
	list, err := l.store.Messages(ctx, scope, f, page)
	for _, m := range list {
		if messageID == "" || m.MessageID == messageID {
			return m, nil
		}
	}
	if err == nil {
		err = store.ErrNotFound
	}
	return store.Message{}, err
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
