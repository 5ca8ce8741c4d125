// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"strings"
	"time"
)

// smallCampaign is how many messages a campaign has had at least that stays when the last of them goes. Programs make
// campaigns of their own for single mails, each of some ten rows of counters; sums over fewer messages than this are no
// statistics.
const smallCampaign = 10

// campaignsOf are the campaigns of submissions.
var campaignsOf = newInList("SELECT DISTINCT campaign_id FROM submission WHERE id", 0, " AND campaign_id <> 0")

// forgetCampaign deletes a small campaign without messages, with its counters, unless somebody has starred it. What the key
// and its senders counted stays, and of recipient domains it goes to the mail without a campaign.
func (tx *Tx) forgetCampaign(ctx context.Context, id int64) error {
	empty, err := tx.emptyCampaign(ctx, id)
	if err != nil || !empty {
		return err
	}
	// Who accepts mail for it holds its row: from here on none is added.
	var key int64
	var first, last time.Time
	err = tx.row(ctx, "UPDATE campaign SET last_at = last_at WHERE id = $1 AND NOT is_starred RETURNING key_id, created_at, last_at", id).scan(&key, nullTime{&first}, nullTime{&last})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if empty, err = tx.emptyCampaign(ctx, id); err != nil || !empty {
		return err
	}
	var total int64
	err = tx.row(ctx, "SELECT coalesce(sum(total), 0) FROM counter WHERE key_id = $1 AND source = $2 AND source_id = $3 AND timing = $4 AND grain = $5", key, int(OfCampaign), id, int(ByMessage), int(Daily)).scan(&total)
	if err != nil || total >= smallCampaign {
		return err
	}
	days := []any{key, id, dayOf(first), dayOf(last)}
	for _, step := range []struct {
		query string
		args  []any
	}{
		{moveDomainCounters, days},
		{"DELETE FROM domain_counter WHERE key_id = $1 AND campaign_id = $2 AND day BETWEEN $3 AND $4", days},
		{"DELETE FROM counter WHERE key_id = $1 AND source = $2 AND source_id = $3", []any{key, int(OfCampaign), id}},
		{"DELETE FROM campaign WHERE id = $1", []any{id}},
	} {
		if _, err := tx.exec(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// emptyCampaign says whether a campaign has no messages.
func (tx *Tx) emptyCampaign(ctx context.Context, id int64) (empty bool, err error) {
	err = tx.row(ctx, "SELECT NOT EXISTS (SELECT 1 FROM submission WHERE campaign_id = $1)", id).scan(&empty)
	return empty, err
}

// moveDomainCounters adds the counters of a campaign by recipient domain to those of mail without one.
var moveDomainCounters = func() string {
	columns := counterColumns[:domainColumns]
	return "INSERT INTO domain_counter (key_id, campaign_id, domain, day, " + strings.Join(columns, ", ") + ") SELECT key_id, 0, domain, day, " + strings.Join(columns, ", ") +
		" FROM domain_counter WHERE key_id = $1 AND campaign_id = $2 AND day BETWEEN $3 AND $4" + upsertDomains.tail
}()
