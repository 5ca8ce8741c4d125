// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// BreakdownQuery bounds a breakdown of counters: by message timing, in whole days.
type BreakdownQuery struct {
	KeyIDs     []int64 // of the scope's keys, only these; none: all
	CampaignID int64   // of domains: only mail of this campaign
	SenderID   int64   // of senders: only this one
	ByKey      bool    // of campaigns and senders: a row for each key that sent, since their names are alike, and a sender may be lent
	From, To   time.Time
	Page           // the largest totals first
	Most       int // so many rows at once, in place of a page; 0: a page
}

// page ends a query. All rows are summed for each page: who wants them all asks once.
func (q BreakdownQuery) page(w *where, order string) {
	if q.Most == 0 {
		w.page(q.Page, order)
		return
	}
	w.order(Page{}, order)
	w.add(" LIMIT ?", q.Most)
}

// BreakdownRow is what became of the messages of one campaign, sender or recipient domain.
type BreakdownRow struct {
	ID    int64  // of the campaign or the sender; of a domain: 0
	Name  string // the campaign's name, the sender's address or the domain; "" for a sender that is not known any more
	KeyID int64  // with ByKey: whose mail it was
	Last  time.Time
	Counts
}

// CampaignCounts are campaigns that had mail in a period, with their counts.
func (s *Store) CampaignCounts(ctx context.Context, scope Scope, q BreakdownQuery) ([]BreakdownRow, error) {
	return s.breakdown(ctx, scope, q, OfCampaign, "(SELECT x.name FROM campaign x WHERE x.id = c.source_id)")
}

// SenderCounts are senders that mail was sent from in a period, with their counts.
func (s *Store) SenderCounts(ctx context.Context, scope Scope, q BreakdownQuery) ([]BreakdownRow, error) {
	return s.breakdown(ctx, scope, q, OfSender, "(SELECT x.email FROM sender x WHERE x.id = c.source_id)")
}

// breakdown reads the days of a source's counters by counter_source_day, whose conditions stand in the text as they do
// in the index.
func (s *Store) breakdown(ctx context.Context, scope Scope, q BreakdownQuery, of Source, name string) ([]BreakdownRow, error) {
	w := newWhere("SELECT c.source_id, coalesce(" + name + ", ''), max(c.slot), max(c.key_id), " + sums("c", counterColumns[:]) +
		" FROM api_key k JOIN counter c ON c.key_id = k.id")
	scope.where(w, "k.account_id", "k.id")
	w.in("k.id", q.KeyIDs)
	w.and("c.grain = 1 AND c.timing = 0 AND c.source <> 0")
	w.and("c.source = ?", int(of))
	if q.SenderID != 0 {
		w.and("c.source_id = ?", q.SenderID)
	}
	if q.CampaignID != 0 && of == OfCampaign {
		w.and("c.source_id = ?", q.CampaignID)
	}
	q.days(w, "c.slot")
	w.add(" GROUP BY c.source_id")
	if q.ByKey {
		w.add(", c.key_id")
	}
	q.page(w, "5 DESC, 1, 4")
	return collect(ctx, s, func(r scanner) (BreakdownRow, error) {
		var b BreakdownRow
		var last, keyID int64
		dest := []any{&b.ID, &b.Name, &last, &keyID}
		for _, n := range b.fields() {
			dest = append(dest, n)
		}
		err := r.scan(dest...)
		if q.ByKey {
			b.KeyID = keyID
		}
		b.Last = time.Unix(last, 0).UTC()
		return b, err
	}, w.String(), w.args...)
}

// DomainCounts are recipient domains that mail went to in a period, with their counts.
func (s *Store) DomainCounts(ctx context.Context, scope Scope, q BreakdownQuery) ([]BreakdownRow, error) {
	w := newWhere("SELECT c.domain, max(c.day), " + sums("c", counterColumns[:domainColumns]) +
		" FROM api_key k JOIN domain_counter c ON c.key_id = k.id")
	scope.where(w, "k.account_id", "k.id")
	w.in("k.id", q.KeyIDs)
	if q.CampaignID != 0 {
		w.and("c.campaign_id = ?", q.CampaignID)
	}
	q.days(w, "c.day")
	w.add(" GROUP BY c.domain")
	q.page(w, "3 DESC, 1")
	return collect(ctx, s, func(r scanner) (BreakdownRow, error) {
		var b BreakdownRow
		var last int64
		dest := []any{&b.Name, &last}
		for _, n := range b.fields()[:domainColumns] {
			dest = append(dest, n)
		}
		err := r.scan(dest...)
		b.Last = time.Unix(last, 0).UTC()
		return b, err
	}, w.String(), w.args...)
}

func (q BreakdownQuery) days(w *where, column string) {
	if !q.From.IsZero() {
		w.and(column+" >= ?", dayOf(q.From))
	}
	if !q.To.IsZero() {
		w.and(column+" < ?", q.To.Unix())
	}
}
