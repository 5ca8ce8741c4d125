// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"postern/internal/mail"
)

// NoticeKind is what a delivery status notification says of a recipient. The numbers are in the store.
type NoticeKind int

// Kinds of delivery status notifications.
const (
	NoticeFailed    NoticeKind = 1 + iota // it will not arrive
	NoticeDelayed                         // it is still tried
	NoticeRelayed                         // a server has it that will send no notice of success
	NoticeDelivered                       // it has arrived
)

// String is the action of RFC 3464 §2.3.3.
func (k NoticeKind) String() string {
	switch k {
	case NoticeFailed:
		return "failed"
	case NoticeDelayed:
		return "delayed"
	case NoticeRelayed:
		return "relayed"
	case NoticeDelivered:
		return "delivered"
	}
	return "unknown"
}

// NoticeDelay is how long a mail waits before its sender is notified of the delay, where NOTIFY asked for that.
const NoticeDelay = 4 * time.Hour

// noteNotice writes a notice of a kind for each of a list of events whose sender wants it: one that asked for it, and for
// failures of mail by SMTP also one that said nothing (RFC 3461 §4.1, RFC 5321 §6.1), unless the sender's own suppression
// list or campaign was the reason. There is none to the null return path, so none about a notice.
func noteNotice(kind NoticeKind, wants mail.Notify) *bulk {
	cond := fmt.Sprintf("(coalesce(r.notify, 0) & %d) <> 0", int(wants))
	if kind == NoticeFailed {
		cond = fmt.Sprintf("(%s OR coalesce(r.notify, 0) = 0 AND s.source = 'smtp' AND e.state_id NOT IN (%d, %d))",
			cond, int(mail.StatePreblocked), int(mail.StateDuplicateInCampaign))
	}
	return newInList(fmt.Sprintf(`INSERT INTO dsn_notice (message_id, kind, event_id, asked, due_at)
 SELECT e.message_id, %d, e.id, coalesce(r.notify, 0) <> 0, e.at
 FROM event e JOIN message m ON m.id = e.message_id JOIN submission s ON s.id = m.submission_id
 LEFT JOIN dsn_recipient r ON r.message_id = m.id
 WHERE s.mail_from <> '' AND %s AND e.id`, int(kind), cond), 0, " ON CONFLICT (message_id, kind) DO NOTHING")
}

var noteNotices = map[NoticeKind]*bulk{
	NoticeFailed:    noteNotice(NoticeFailed, mail.NotifyFailure),
	NoticeDelayed:   noteNotice(NoticeDelayed, mail.NotifyDelay),
	NoticeRelayed:   noteNotice(NoticeRelayed, mail.NotifySuccess),
	NoticeDelivered: noteNotice(NoticeDelivered, mail.NotifySuccess),
}

// noteSenders leaves word of the events that senders are to be notified of, in the events' transaction.
func (tx *Tx) noteSenders(ctx context.Context, events []recorded) error {
	var of [NoticeDelivered + 1][]any
	for i := range events {
		e := &events[i]
		kind := NoticeKind(0)
		switch {
		case e.Type == EventBounce || e.Type == EventBlocked:
			kind = NoticeFailed
		case e.Type == EventDeferred && e.At.Sub(e.arrived) >= NoticeDelay:
			kind = NoticeDelayed
		case e.Type == EventSent:
			kind = e.notice
		}
		if kind != 0 {
			of[kind] = append(of[kind], e.ID)
		}
	}
	for kind, ids := range of {
		if len(ids) == 0 {
			continue
		}
		if err := noteNotices[NoticeKind(kind)].run(ctx, tx, nil, ids); err != nil {
			return err
		}
	}
	return nil
}

// DueNotice is a delivery status notification that is to be sent, about one recipient.
type DueNotice struct {
	SenderNotice
	Asked        bool // by NOTIFY; else it is the server's default
	DueAt        time.Time
	SubmissionID int64
	KeyID        int64
	MailFrom     string // the return path
	Recipient    string
	ArrivedAt    time.Time
	ExpiresAt    time.Time // of a message that is still tried: until when it is
	Event        Event     // what it is about
}

// SenderNotice names a delivery status notification: of a kind, about a message.
type SenderNotice struct {
	MessageID int64
	Kind      NoticeKind
}

// DueNoticesOfMail lists delivery status notifications that are due, oldest first, those of one mail together.
func (s *Store) DueNoticesOfMail(ctx context.Context, now time.Time, limit int) ([]DueNotice, error) {
	return collect(ctx, s, func(r scanner) (DueNotice, error) {
		var n DueNotice
		var expires sql.NullInt64
		e := &n.Event
		err := r.scan(&n.MessageID, &n.Kind, &n.Asked, nullTime{&n.DueAt},
			&n.SubmissionID, &n.KeyID, &n.MailFrom, &n.Recipient, nullTime{&n.ArrivedAt}, &expires,
			&e.ID, &e.Type, nullTime{&e.At}, &e.Attempt, &e.Code, &e.Enhanced, &e.Line, &e.Host, &e.TLS, &e.StateID, &e.Permanent)
		if expires.Valid {
			n.ExpiresAt = time.UnixMicro(expires.Int64).UTC()
		}
		return n, err
	}, `SELECT n.message_id, n.kind, n.asked, n.due_at, m.submission_id, m.key_id, s.mail_from, m.recipient, m.arrived_at, q.expires_at,
 e.id, e.type, e.at, e.attempt, e.code, e.enhanced, e.line, e.host, e.tls, e.state_id, e.permanent
 FROM dsn_notice n JOIN message m ON m.id = n.message_id JOIN submission s ON s.id = m.submission_id
 JOIN event e ON e.id = n.event_id LEFT JOIN queue q ON q.message_id = m.id
 WHERE n.due_at <= $1 ORDER BY n.due_at, m.submission_id, n.kind, n.message_id LIMIT $2`, micros(now), limit)
}

// ofDueNotice finds the notice that an update is of, while it is still to be sent.
const ofDueNotice = " WHERE message_id = $2 AND kind = $3 AND due_at IS NOT NULL"

// settleNotice ends a notice: it was accepted as the message noticeID, or it is not sent (0).
func (tx *Tx) settleNotice(ctx context.Context, n SenderNotice, noticeID int64) error {
	_, err := tx.exec(ctx, "UPDATE dsn_notice SET due_at = NULL, notice_id = $1"+ofDueNotice, noticeID, n.MessageID, int(n.Kind))
	return err
}

// settleNotices ends the notices that submissions are.
func (tx *Tx) settleNotices(ctx context.Context, subs []*Submission) error {
	for _, x := range subs {
		for _, n := range x.Notices {
			if err := tx.settleNotice(ctx, n, x.Recipients[0].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// DropNotices ends notices that are not sent.
func (tx *Tx) DropNotices(ctx context.Context, list []SenderNotice) error {
	for _, n := range list {
		if err := tx.settleNotice(ctx, n, 0); err != nil {
			return err
		}
	}
	return nil
}

// PutOffNotices makes notices due later.
func (tx *Tx) PutOffNotices(ctx context.Context, list []SenderNotice, due time.Time) error {
	for _, n := range list {
		_, err := tx.exec(ctx, "UPDATE dsn_notice SET due_at = $1"+ofDueNotice, micros(due), n.MessageID, int(n.Kind))
		if err != nil {
			return err
		}
	}
	return nil
}

// SentNotice is a delivery status notification in the history of its message.
type SentNotice struct {
	Kind  NoticeKind
	State NoticeState
	ID    int64 // the message that it is, of Postern's own account; 0: it waits, or was not sent
	At    time.Time
}

// NoticeState is what came of a delivery status notification.
type NoticeState string

// States of delivery status notifications.
const (
	NoticeWaiting NoticeState = "waiting"
	NoticeSent    NoticeState = "sent"
	NoticeDropped NoticeState = "dropped" // it is not sent
)

// SentNotices lists the delivery status notifications about a message of the scope.
func (s *Store) SentNotices(ctx context.Context, scope Scope, messageID int64) ([]SentNotice, error) {
	w := newWhere("SELECT n.kind, n.due_at, n.notice_id, x.arrived_at" +
		" FROM dsn_notice n JOIN message m ON m.id = n.message_id LEFT JOIN message x ON x.id = n.notice_id")
	scope.where(w, "m.account_id", "m.key_id")
	w.and("n.message_id = ?", messageID)
	w.add(" ORDER BY n.kind")
	return collect(ctx, s, func(r scanner) (SentNotice, error) {
		var n SentNotice
		var due time.Time
		err := r.scan(&n.Kind, nullTime{&due}, &n.ID, nullTime{&n.At})
		switch n.State = NoticeSent; {
		case !due.IsZero():
			n.State = NoticeWaiting
		case n.ID == 0:
			n.State = NoticeDropped
		}
		return n, err
	}, w.String(), w.args...)
}

// CountNoticesOfMail says how many delivery status notifications wait.
func (s *Store) CountNoticesOfMail(ctx context.Context) (n int64, err error) {
	err = s.row(ctx, "SELECT count(*) FROM dsn_notice WHERE due_at IS NOT NULL").scan(&n)
	return n, err
}

// NoticeSource is the mail that notices are about: what its sender asked for, and its source, nil when that is gone or sealed.
type NoticeSource struct {
	Asked
	Of      map[int64]AskedOf
	Subject string
	Source  []byte
}

// NoticeSource reads a submission for its notices.
func (s *Store) NoticeSource(ctx context.Context, submissionID int64) (NoticeSource, error) {
	var n NoticeSource
	var codec, ret sql.NullInt16
	var data []byte
	var envid sql.NullString
	var requireTLS sql.NullBool
	err := s.row(ctx, `SELECT s.subject, b.codec, b.data, d.ret, d.envid, d.require_tls
 FROM submission s LEFT JOIN body b ON b.submission_id = s.id LEFT JOIN dsn d ON d.submission_id = s.id WHERE s.id = $1`, submissionID).
		scan(&n.Subject, &codec, &data, &ret, &envid, &requireTLS)
	if err != nil {
		return n, err
	}
	n.Asked = Asked{Ret: mail.Ret(ret.Int16), EnvID: mail.EnvID(envid.String), RequireTLS: requireTLS.Bool} //nolint:gosec // as it was written
	if codec.Valid {
		b := Body{codec: int(codec.Int16), data: data}
		if n.Source, err = b.Bytes(); err != nil && !errors.Is(err, ErrSealed) {
			return n, err
		}
	}
	if ret.Valid {
		n.Of, err = s.Asked(ctx, submissionID)
	}
	return n, err
}
