// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"errors"
	"strconv"
	"time"

	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// Selection is which mail statistics are of. Zero fields do not narrow it.
type Selection struct {
	Period          // of its arrival; zero bounds: none
	Events   Period // of what happened to it
	Campaign int64
	Sender   int64
	Message  int64
	Contact  int64 // see mail.ContactID
	None     bool  // it names a campaign or a sender that there is not: nothing matches

	// What Select looks up: the name of a campaign, and the address or ID of a sender.
	CampaignName, SenderName string
}

// ByEvents says whether the selection has a period of events.
func (s Selection) ByEvents() bool { return s.Events != Period{} }

// Select looks up what a selection names. Without a period, and without a campaign or a message, which have one of their
// own, it is of the current day.
func (r *Report) Select(ctx context.Context, scope store.Scope, s Selection, now time.Time) (Selection, error) {
	if err := errors.Join(checkOrder("To", s.Period), checkOrder("EventsTo", s.Events)); err != nil {
		return s, err
	}
	if s.CampaignName != "" {
		list, _, err := r.store.Campaigns(ctx, scope, store.CampaignFilter{Name: s.CampaignName}, store.Page{Limit: 1})
		if err != nil {
			return s, err
		}
		if s.None = s.None || len(list) == 0; len(list) > 0 {
			s.Campaign = list[0].ID
		}
	}
	if s.SenderName != "" && s.Sender == 0 {
		if err := r.selectSender(ctx, scope, &s); err != nil {
			return s, err
		}
	}
	if s.Campaign == 0 && s.Message == 0 && !s.ByEvents() && s.Period == (Period{}) {
		s.Period, _ = Current("day", now)
	}
	return s, nil
}

// checkOrder refuses a period that ends before it begins.
func checkOrder(field string, p Period) error {
	if !p.From.IsZero() && !p.To.IsZero() && !p.From.Before(p.To) {
		return change.Errorf(change.Invalid, field, "it is not after the beginning of the period")
	}
	return nil
}

func (r *Report) selectSender(ctx context.Context, scope store.Scope, s *Selection) error {
	senders, err := r.store.Senders(ctx, scope)
	for _, x := range senders {
		if x.Email == mail.Canonical(s.SenderName) || strconv.FormatInt(x.ID, 10) == s.SenderName {
			s.Sender = x.ID
			return nil
		}
	}
	s.None = true
	return err
}

// counters are the counters that a selection asks about: the key's, or those of one campaign or one sender of it.
func (s Selection) counters() (store.SeriesQuery, error) {
	invalid := func(field, reason string) error { return change.Errorf(change.Invalid, field, "%s", reason) }
	q := store.SeriesQuery{Timing: store.ByMessage, From: s.From, To: s.To}
	if s.ByEvents() {
		if s.Period != (Period{}) {
			return q, invalid("Events", "mail is counted by when it arrived or by when something happened to it: leave out one of "+
				"the two periods")
		}
		q.Timing, q.From, q.To = store.ByEvent, s.Events.From, s.Events.To
	}
	if !q.From.IsZero() {
		q.From = q.From.UTC().Truncate(store.FiveMinutes.Length())
	}
	switch {
	case s.Campaign != 0 && s.Sender != 0:
		return q, invalid("Sender", "mail is counted by campaign or by sender, not by both: leave out one of them")
	case s.Message != 0:
		return q, invalid("Message", "these are counts of many messages: what became of one stands in its information")
	case s.Contact != 0:
		return q, invalid("Contact", "mail is not counted by recipient: its messages can be listed")
	case s.Campaign != 0:
		q.Source, q.SourceIDs = store.OfCampaign, []int64{s.Campaign}
	case s.Sender != 0:
		q.Source, q.SourceIDs = store.OfSender, []int64{s.Sender}
	}
	return q, nil
}

// breakdown is the query for a breakdown of what is selected. What narrows the selection and is not counted that way is
// refused: the answer would be of more than was asked about.
func (s Selection) breakdown(by By) (store.BreakdownQuery, error) {
	invalid := func(field, reason string) error { return change.Errorf(change.Invalid, field, "%s", reason) }
	q := store.BreakdownQuery{CampaignID: s.Campaign, SenderID: s.Sender, From: s.From, To: s.To, Most: most}
	switch {
	case s.ByEvents():
		return q, invalid("Events", "these are counted by when mail arrived: give a period of arrival instead")
	case s.Message != 0:
		return q, invalid("Message", "these are counts of many messages")
	case s.Contact != 0:
		return q, invalid("Contact", "mail is not counted by recipient")
	case s.Campaign != 0 && by == BySender:
		return q, invalid("Campaign", "mail is counted by campaign or by sender, not by both")
	case s.Sender != 0 && by == ByCampaign:
		return q, invalid("Sender", "mail is counted by campaign or by sender, not by both")
	case s.Sender != 0 && by == ByDomain:
		return q, invalid("Sender", "mail is counted by recipient domain or by sender, not by both")
	}
	return q, nil
}

// Happenings is the selection as a filter of a key's events.
func (s Selection) Happenings(keyID int64, types ...store.EventType) store.HappeningFilter {
	return store.HappeningFilter{
		Types: types, KeyID: keyID, MessageID: s.Message, CampaignID: s.Campaign, Contact: s.Contact, SenderID: s.Sender,
		From: s.From, To: s.To, EventFrom: s.Events.From, EventTo: s.Events.To,
	}
}

// Sum sums what became of the selected mail.
func (r *Report) Sum(ctx context.Context, scope store.Scope, s Selection) (store.SeriesRow, error) {
	q, err := s.counters()
	if err != nil || s.None {
		return store.SeriesRow{}, err
	}
	return r.Totals(ctx, scope, q)
}

// CountCampaigns says how many campaigns the selected mail was of; with a sender, how many of those that it began.
func (r *Report) CountCampaigns(ctx context.Context, scope store.Scope, s Selection) (int, error) {
	switch {
	case s.None:
		return 0, nil
	case s.Campaign != 0:
		return 1, nil
	}
	q, err := s.counters()
	if err != nil {
		return 0, err
	}
	q.Source, q.SourceIDs = store.OfCampaign, nil
	rows, err := r.read(ctx, scope, q)
	if err != nil {
		return 0, err
	}
	campaigns := map[int64]bool{}
	for _, x := range rows {
		campaigns[x.SourceID] = true
	}
	if s.Sender == 0 {
		return len(campaigns), nil
	}
	n := 0
	for p := (store.Page{Limit: 1000}); ; p.Offset += p.Limit {
		list, total, err := r.store.Campaigns(ctx, scope, store.CampaignFilter{Sender: s.Sender}, p)
		for _, x := range list {
			if campaigns[x.ID] {
				n++
			}
		}
		if err != nil || p.Offset+p.Limit >= total {
			return n, err
		}
	}
}

// Graph reads what became of the selected mail in the slots of a step, oldest first; "" is by the hour up to a day, and
// by the day. Slots in which nothing happened are left out.
func (r *Report) Graph(ctx context.Context, scope store.Scope, s Selection, step Step, now time.Time) ([]store.SeriesRow, error) {
	q, err := s.counters()
	if err != nil || s.None {
		return nil, err
	}
	if step == "" {
		step = Daily
		if to := s.To; !s.From.IsZero() && (to.IsZero() && now.Sub(s.From) <= Day || !to.IsZero() && to.Sub(s.From) <= Day) {
			step = Hourly
		}
	}
	q.Step, q.Together = step.Length(), true
	toSlots(&q, now)
	rows, err := r.store.Series(ctx, scope, q)
	return fold(rows, step), err
}

// Breakdown reads a breakdown of the selected mail whole, the largest first.
func (r *Report) Breakdown(ctx context.Context, scope store.Scope, s Selection, by By) ([]store.BreakdownRow, error) {
	q, err := s.breakdown(by)
	if err != nil || s.None {
		return nil, err
	}
	return r.largest(ctx, scope, by, q)
}
