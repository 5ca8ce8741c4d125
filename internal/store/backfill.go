// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"time"

	"postern/internal/mail"
)

// reportingVersion is the migration after which fillReporting runs.
const reportingVersion = 5

// oldMessage is what fillReporting needs of a message of before.
type oldMessage struct {
	id, key, campaign int64
	recipient         string
	status            Status
	deferred          bool
	arrived           time.Time
}

// fillReporting fills in, for messages that were there before, what SQL cannot make of them: contacts and the counts by
// domain. It runs once, in the migration's transaction, a batch at a time.
func (s *Store) fillReporting(ctx context.Context, raw *sql.Tx) error {
	tx := &Tx{s: s, tx: raw}
	for last := int64(0); ; {
		batch, err := collect(ctx, tx, scanOldMessage,
			"SELECT m.id, m.key_id, s.campaign_id, m.recipient, m.status, m.flags, m.arrived_at FROM message m JOIN submission s ON "+
				"s.id = m.submission_id WHERE m.id > $1 ORDER BY m.id LIMIT 1000", last)
		if err != nil || len(batch) == 0 {
			return err
		}
		counts := s.newTally()
		for _, m := range batch {
			last = m.id
			if _, err := tx.exec(ctx, "UPDATE message SET contact = $1 WHERE id = $2", mail.ContactID(m.recipient), m.id); err != nil {
				return err
			}
			counts.domain(domainSlot{m.key, m.campaign, mail.Domain(m.recipient), dayOf(m.arrived)}, m.counts())
		}
		if err := counts.write(ctx, tx); err != nil {
			return err
		}
	}
}

func scanOldMessage(r scanner) (oldMessage, error) {
	var m oldMessage
	var flags Flags
	err := r.scan(&m.id, &m.key, &m.campaign, &m.recipient, &m.status, &flags, nullTime{&m.arrived})
	m.deferred = flags&FlagDeferred != 0
	return m, err
}

// counts are what a message of before counts as.
func (m oldMessage) counts() Counts {
	c := Counts{Total: 1}
	if m.deferred {
		c.Deferred = 1
	}
	switch m.status {
	case StatusSent:
		c.Sent = 1
	case StatusBlocked:
		c.Blocked = 1
	case StatusHardBounced:
		c.Hard = 1
	case StatusSoftBounced:
		c.Soft = 1
	}
	return c
}
