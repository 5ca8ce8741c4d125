// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"postern/internal/mail"
)

// Campaign groups the messages of a key that name it (CustomCampaign).
type Campaign struct {
	ID             int64
	AccountID      int64
	KeyID          int64
	Name           string
	Subject        string // of its first mail, as all that follows
	SenderID       int64
	FromEmail      string
	FromName       string
	FirstMessageID int64
	WithHTML       int64 // submissions
	WithText       int64
	OpensTracked   int64
	ClicksTracked  int64
	Starred        bool
	Deleted        bool // hidden from listings; what was sent stays
	CreatedAt      time.Time
	LastAt         time.Time // when mail was last accepted for it
}

const campaignColumns = "c.id, c.account_id, c.key_id, c.name, c.subject, c.sender_id, c.from_email, c.from_name, c.first_message_id, " +
	"c.with_html, c.with_text, c.opens_tracked, c.clicks_tracked, c.is_starred, c.is_deleted, c.created_at, c.last_at"

func scanCampaign(r scanner) (Campaign, error) {
	var c Campaign
	err := r.scan(&c.ID, &c.AccountID, &c.KeyID, &c.Name, &c.Subject, &c.SenderID, &c.FromEmail, &c.FromName, &c.FirstMessageID,
		&c.WithHTML, &c.WithText, &c.OpensTracked, &c.ClicksTracked, &c.Starred, &c.Deleted, nullTime{&c.CreatedAt}, nullTime{&c.LastAt})
	return c, err
}

// Campaign reads a campaign of the scope by its ID.
func (s *Store) Campaign(ctx context.Context, scope Scope, id int64) (Campaign, error) {
	w := newWhere("SELECT " + campaignColumns + " FROM campaign c")
	scope.where(w, "c.account_id", "c.key_id")
	w.and("c.id = ?", id)
	return scanCampaign(s.row(ctx, w.String(), w.args...))
}

// campaignsNamed are the campaigns of the scope's keys with a name.
func (s *Store) campaignsNamed(ctx context.Context, scope Scope, name string) ([]int64, error) {
	w := newWhere("SELECT c.id FROM campaign c")
	scope.where(w, "c.account_id", "c.key_id")
	w.and("c.name = ?", name)
	return collect(ctx, s, scanID, w.String(), w.args...)
}

// putCampaigns finds or makes the campaigns of a group of submissions and gives these their IDs. It holds the campaigns'
// rows to the end of the transaction, in one order for all: who looks for duplicates in them is alone.
func (tx *Tx) putCampaigns(ctx context.Context, subs []*Submission) error {
	type named struct {
		key  int64
		name string
	}
	groups := map[named][]*Submission{}
	for _, x := range subs {
		x.campaignID = 0
		if x.Campaign != "" {
			n := named{x.KeyID, x.Campaign}
			groups[n] = append(groups[n], x)
		}
	}
	campaigns := make([]named, 0, len(groups))
	for n := range groups {
		campaigns = append(campaigns, n)
	}
	slices.SortFunc(campaigns, func(a, b named) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.name, b.name)) })
	for _, n := range campaigns {
		id, err := tx.putCampaign(ctx, groups[n])
		if err != nil {
			return err
		}
		for _, x := range groups[n] {
			x.campaignID = id
		}
	}
	return nil
}

// putCampaign adds submissions, all of one campaign, to what is known of it.
func (tx *Tx) putCampaign(ctx context.Context, subs []*Submission) (id int64, err error) {
	var html, text, opens, clicks int
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	for _, x := range subs {
		count(&html, x.HasHTML)
		count(&text, x.HasText)
		count(&opens, x.TrackOpens == TrackOn)
		count(&clicks, x.TrackClicks == TrackOn)
	}
	x := subs[0]
	err = tx.row(ctx, `INSERT INTO campaign (account_id, key_id, name, subject, sender_id, from_email, from_name, first_message_id,
 with_html, with_text, opens_tracked, clicks_tracked, created_at, last_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) ON CONFLICT (key_id, name) DO UPDATE SET last_at = excluded.last_at,
 with_html = campaign.with_html + excluded.with_html, with_text = campaign.with_text + excluded.with_text,
 opens_tracked = campaign.opens_tracked + excluded.opens_tracked, clicks_tracked = campaign.clicks_tracked + excluded.clicks_tracked RETURNING id`,
		x.AccountID, x.KeyID, x.Campaign, x.Subject, x.SenderID, x.HeaderFrom, x.FromName, x.Recipients[0].ID,
		html, text, opens, clicks, micros(tx.Now)).scan(&id)
	return id, err
}

// refuse decides which recipients of a group of submissions are refused at once, and why. A campaign whose mail asks not
// to be sent twice to one address is looked at here, in the transaction that accepts it.
func (tx *Tx) refuse(ctx context.Context, subs []*Submission) error {
	type sentTo struct {
		campaign int64
		address  string
	}
	seen := map[sentTo]bool{}
	for _, x := range subs {
		for i := range x.Recipients {
			r := &x.Recipients[i]
			r.refused = r.Refused
			to := sentTo{x.campaignID, mail.Canonical(r.Email)}
			if r.refused != 0 || x.campaignID == 0 {
				continue
			}
			if x.Deduplicate {
				twice := seen[to]
				if !twice {
					var err error
					if twice, err = tx.inCampaign(ctx, to.campaign, to.address); err != nil {
						return err
					}
				}
				if twice {
					r.refused = mail.StateDuplicateInCampaign
				}
			}
			seen[to] = true
		}
	}
	return nil
}

// inCampaign says whether a canonical address was sent, or is to be sent, mail of a campaign. What was blocked was not.
// Others may have the address's number too: nobody goes without a mail for that.
func (tx *Tx) inCampaign(ctx context.Context, campaignID int64, address string) (bool, error) {
	const query = "SELECT DISTINCT m.recipient FROM message m JOIN submission s ON s.id = m.submission_id " +
		"WHERE m.contact = $1 AND s.campaign_id = $2 AND m.status <> 8"
	there, err := collect(ctx, tx, scanText, query, mail.ContactID(address), campaignID)
	return slices.ContainsFunc(there, func(x string) bool { return mail.Canonical(x) == address }), err
}

// CampaignFilter bounds a listing of campaigns. Zero fields do not filter.
type CampaignFilter struct {
	ID      int64
	KeyID   int64
	Name    string
	Starred *bool
	Deleted *bool
	Sender  int64
	// Of the From of its first mail: an address, and a domain.
	FromEmail, FromDomain string

	From time.Time // of its first mail
	To   time.Time // excluded
}

func (f CampaignFilter) where(w *where) {
	if f.ID != 0 {
		w.and("c.id = ?", f.ID)
	}
	if f.KeyID != 0 {
		w.and("c.key_id = ?", f.KeyID)
	}
	if f.Name != "" {
		w.and("c.name = ?", f.Name)
	}
	if f.Starred != nil {
		w.and("c.is_starred = ?", *f.Starred)
	}
	if f.Deleted != nil {
		w.and("c.is_deleted = ?", *f.Deleted)
	}
	if f.Sender != 0 {
		w.and("c.sender_id = ?", f.Sender)
	}
	if f.FromEmail != "" {
		w.and("lower(c.from_email) = ?", strings.ToLower(mail.Canonical(f.FromEmail)))
	}
	if f.FromDomain != "" {
		w.and("lower(c.from_email) LIKE ? ESCAPE '!'", "%@"+escapeLike(mail.CanonicalDomain(f.FromDomain)))
	}
	if !f.From.IsZero() {
		w.and("c.created_at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.and("c.created_at < ?", micros(f.To))
	}
}

// Campaigns lists campaigns of the scope, and counts all that match.
func (s *Store) Campaigns(ctx context.Context, scope Scope, f CampaignFilter, p Page) ([]Campaign, int, error) {
	n := newWhere("SELECT count(*) FROM campaign c")
	scope.where(n, "c.account_id", "c.key_id")
	f.where(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere("SELECT " + campaignColumns + " FROM campaign c")
	scope.where(w, "c.account_id", "c.key_id")
	f.where(w)
	w.page(p, "c.id")
	list, err := collect(ctx, s, scanCampaign, w.String(), w.args...)
	return list, total, err
}

// SetCampaign sets what a key may change of a campaign of its own.
func (s *Store) SetCampaign(ctx context.Context, keyID, id int64, starred, deleted bool) error {
	return s.Update(ctx, func(tx *Tx) error {
		return tx.one(ctx, "UPDATE campaign SET is_starred = $1, is_deleted = $2 WHERE id = $3 AND key_id = $4", starred, deleted, id,
			keyID)
	})
}
