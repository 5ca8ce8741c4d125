// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// smallCampaign is how many messages a campaign has had at least that stays when the last of them goes. Programs make
// campaigns of their own for single mails, each of some ten rows of counters; sums over fewer messages than this are no
// statistics.
const smallCampaign = 10

// campaignPiece is how many campaigns are deleted in a transaction.
const campaignPiece = 32

// noMail says that nothing is left of a campaign. Its second condition is that of the index submission_campaign.
const noMail = "NOT EXISTS (SELECT 1 FROM submission s WHERE s.campaign_id = c.id AND s.campaign_id <> 0)"

// ForgottenCampaigns is what one piece of ForgetCampaigns did.
type ForgottenCampaigns struct {
	Campaigns int           // deleted
	Last      int64         // the campaign to go on behind, 0 at the end
	Held      time.Duration // how long the writer was held
}

// ForgetCampaigns deletes small campaigns of an account that had their last mail before a time and have no message left,
// with their counters, unless somebody has starred them. What the key and its senders counted stays, and of recipient
// domains it goes to the mail without a campaign. after is the ID to begin behind. It looks at up to limit campaigns beside
// the writer, and holds that for a few of them.
func (s *Store) ForgetCampaigns(ctx context.Context, accountID int64, before time.Time, after int64, limit int) (ForgottenCampaigns,
	error,
) {
	seen, err := collect(ctx, s, scanSeenCampaign, `SELECT c.id, c.key_id, c.name, NOT c.is_starred AND c.last_at < $1 AND `+noMail+`
 AND (SELECT coalesce(sum(n.total), 0) FROM counter n WHERE n.key_id = c.key_id AND n.source = 1 AND n.source_id = c.id
 AND n.timing = 0 AND n.grain = 1) < $2
 FROM campaign c WHERE c.account_id = $3 AND c.id > $4 ORDER BY c.id LIMIT $5`, micros(before), smallCampaign, accountID, after, limit)
	if err != nil {
		return ForgottenCampaigns{}, err
	}
	var out ForgottenCampaigns
	if len(seen) == limit {
		out.Last = seen[limit-1].id
	}
	var old []seenCampaign
	for _, c := range seen {
		if c.old {
			old = append(old, c)
		}
		if len(old) == campaignPiece && c.id != seen[len(seen)-1].id {
			out.Last = c.id
			break
		}
	}
	if len(old) == 0 {
		return out, nil
	}
	// In the order in which who accepts mail takes them.
	slices.SortFunc(old, func(a, b seenCampaign) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.name, b.name)) })
	err = s.Update(ctx, func(tx *Tx) error {
		out.Campaigns = 0
		began := time.Now()
		for _, c := range old {
			gone, err := tx.forgetCampaign(ctx, c)
			if err != nil {
				return err
			}
			if gone {
				out.Campaigns++
			}
		}
		out.Held = time.Since(began)
		return nil
	})
	return out, err
}

// seenCampaign is a campaign that may be old enough.
type seenCampaign struct {
	id, key int64
	name    string
	old     bool
}

func scanSeenCampaign(r scanner) (c seenCampaign, err error) {
	return c, r.scan(&c.id, &c.key, &c.name, &c.old)
}

// Statements of forgetCampaign. The days are asked for one by one: a range of them would be read over all campaigns.
var (
	lockCampaign = "UPDATE campaign SET last_at = last_at WHERE id = $1 AND NOT is_starred"
	emptyAgain   = "SELECT " + noMail + " FROM campaign c WHERE c.id = $1"
	campaignDays = "SELECT slot FROM counter WHERE key_id = $1 AND source = 1 AND source_id = $2 AND timing = 0 AND grain = 1 ORDER BY slot"
	moveDomains  = "INSERT INTO domain_counter (key_id, campaign_id, domain, day, " + strings.Join(counterColumns[:domainColumns], ", ") +
		") SELECT key_id, 0, domain, day, " + strings.Join(counterColumns[:domainColumns], ", ") +
		" FROM domain_counter WHERE key_id = $1 AND day = $2 AND campaign_id = $3 ORDER BY domain" + upsertDomains[domainColumns].tail
	deleteDomains          = "DELETE FROM domain_counter WHERE key_id = $1 AND day = $2 AND campaign_id = $3"
	deleteCampaignCounters = "DELETE FROM counter WHERE key_id = $1 AND source = 1 AND source_id = $2"
	deleteCampaign         = "DELETE FROM campaign WHERE id = $1"
)

// forgetCampaign deletes a campaign, unless it had mail since it was seen. Who accepts mail for it holds its row to the end
// of his transaction: from the first statement on none is added.
func (tx *Tx) forgetCampaign(ctx context.Context, c seenCampaign) (bool, error) {
	if n, err := tx.exec(ctx, lockCampaign, c.id); err != nil || n == 0 {
		return false, err
	}
	var empty bool
	if err := tx.row(ctx, emptyAgain, c.id).scan(&empty); errors.Is(err, ErrNotFound) || err == nil && !empty {
		return false, nil
	} else if err != nil {
		return false, err
	}
	days, err := collect(ctx, tx, scanID, campaignDays, c.key, c.id)
	if err != nil {
		return false, err
	}
	for _, day := range days {
		for _, query := range []string{moveDomains, deleteDomains} {
			if _, err := tx.exec(ctx, query, c.key, day, c.id); err != nil {
				return false, err
			}
		}
	}
	if _, err := tx.exec(ctx, deleteCampaignCounters, c.key, c.id); err != nil {
		return false, err
	}
	_, err = tx.exec(ctx, deleteCampaign, c.id)
	return err == nil, err
}
