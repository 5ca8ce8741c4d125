// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
)

// ErrHeld says that a message is being tried at this moment.
var ErrHeld = errors.New("the message is being tried now")

// ErrNotYet says that a message was never tried, since it waits for its hour under a limit.
var ErrNotYet = errors.New("the message waits for its hour under the limit of its key")

// RetryNow makes a message of the scope that waits for its next attempt due at once. One that waits no more is
// ErrNotFound, one that is being tried ErrHeld, one that waits for its first attempt ErrNotYet: no limit is passed by
// asking for it.
func (s *Store) RetryNow(ctx context.Context, scope Scope, messageID int64) error {
	if _, err := s.Message(ctx, scope, MessageFilter{ID: messageID}); err != nil {
		return err
	}
	return s.Update(ctx, func(tx *Tx) error {
		if err := tx.waits(ctx, messageID); err != nil {
			return err
		}
		var early bool
		if err := tx.row(ctx, "SELECT EXISTS (SELECT 1 FROM queue WHERE message_id = $1 AND attempts = 0 AND due_at > $2)", messageID,
			micros(tx.Now)).scan(&early); err != nil {
			return err
		}
		if early {
			return ErrNotYet
		}
		return tx.one(ctx, "UPDATE queue SET due_at = $1 WHERE message_id = $2 AND owner = ''", micros(tx.Now), messageID)
	})
}

// waits says whether a message is in the queue and nobody tries it.
func (tx *Tx) waits(ctx context.Context, messageID int64) error {
	var owner string
	err := tx.row(ctx, "SELECT owner FROM queue WHERE message_id = $1", messageID).scan(&owner)
	if err == nil && owner != "" {
		err = ErrHeld
	}
	return err
}

// Cancel takes a waiting message of the scope back: it is blocked, and why is in its history. One that waits no more is
// ErrNotFound, one that is being tried ErrHeld.
func (s *Store) Cancel(ctx context.Context, scope Scope, messageID int64, why string) error {
	if _, err := s.Message(ctx, scope, MessageFilter{ID: messageID}); err != nil {
		return err
	}
	id, err := s.ids.take(ctx, s, "event", 1)
	if err != nil {
		return err
	}
	return s.Update(ctx, func(tx *Tx) error {
		if err := tx.waits(ctx, messageID); err != nil {
			return err
		}
		gone, err := collect(ctx, tx, scanClaimed, "DELETE FROM queue WHERE message_id = $1 AND owner = '' RETURNING "+claimedColumns,
			messageID)
		if err != nil {
			return err
		}
		return tx.block(ctx, gone, id, why)
	})
}

// Handed is what was handed over with a message, for sending it again: its submission, with its source, and no recipients.
func (s *Store) Handed(ctx context.Context, scope Scope, messageID int64) (Submission, []byte, error) {
	w := newWhere(`SELECT s.account_id, s.key_id, s.sender_id, s.mail_from, s.header_from, s.from_name, s.subject, s.rfc_message_id, s.custom_id, s.event_payload, s.campaign, s.monitoring_category, s.url_tags,
 s.priority, s.track_opens, s.track_clicks, s.size, s.attachments, s.has_text, s.has_html, s.utf8 FROM message m JOIN submission s ON s.id = m.submission_id`)
	scope.where(w, "m.account_id", "m.key_id")
	w.and("m.id = ?", messageID)
	var x Submission
	err := s.row(ctx, w.String(), w.args...).scan(&x.AccountID, &x.KeyID, &x.SenderID, &x.MailFrom, &x.HeaderFrom, &x.FromName,
		&x.Subject, &x.MessageID, &x.CustomID, &x.EventPayload, &x.Campaign, &x.MonitoringCategory, &x.URLTags,
		&x.Priority, &x.TrackOpens, &x.TrackClicks, &x.Size, &x.Attachments, &x.HasText, &x.HasHTML, &x.UTF8)
	if err != nil {
		return x, nil, err
	}
	raw, err := s.Source(ctx, scope, messageID)
	return x, raw, err
}

// Resent lists the messages of the scope that send a message again, oldest first.
func (s *Store) Resent(ctx context.Context, scope Scope, messageID int64) ([]int64, error) {
	w := newWhere("SELECT m.id FROM submission s CROSS JOIN message m")
	w.and("m.submission_id = s.id")
	scope.where(w, s.d.noIndex+"m.account_id", s.d.noIndex+"m.key_id")
	w.and("s.resent_of = ?", messageID)
	w.and("s.resent_of <> 0")
	w.page(Page{Limit: 100}, "m.id")
	return collect(ctx, s, scanID, w.String(), w.args...)
}
