// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/mail"
	"postern/internal/report"
	"postern/internal/store"
)

// reportRoutes are the resources of statistics, and the campaigns that they are by.
func (a *api) reportRoutes() []route {
	const rest = "/v3/REST/"
	var all []route
	for name, h := range map[string]handler{
		"statcounters": a.listCounters, "graphstatistics": a.graphStatistics, "messagestatistics": a.messageStatistics, "openstatistics": a.openStatistics,
		"domainstatistics": a.domainStatistics, "senderstatistics": a.senderStatistics, "senderstatistics/{id}": a.senderStatistics,
		"geostatistics": a.geoStatistics, "useragentstatistics": a.agentStatistics, "toplinkclicked": a.topLinks,
		"bouncestatistics": a.listBounces, "bouncestatistics/{id}": a.listBounces, "openinformation": a.listOpens, "openinformation/{id}": a.listOpens,
		"clickstatistics": a.listClicks, "clickstatistics/{id}": a.listClicks, "messagesentstatistics": a.listSent, "messagesentstatistics/{id}": a.getSent,
		"statistics/link-click": a.linkClicks, "statistics/recipient-esp": a.recipientProviders,
		"campaign": a.listCampaigns, "campaign/{id}": a.getCampaign,
	} {
		all = append(all, route{method: "GET", pattern: rest + name, handle: h, need: access.MayRead})
	}
	return append(all, route{method: "PUT", pattern: rest + "campaign/{id}", handle: a.changeCampaign, need: access.MayManage})
}

// selection is what a request for statistics asks about: the filters that they share.
type selection struct {
	report.Period // of arrival; zero: no bound
	events        report.Period
	campaign      int64
	sender        int64
	message       int64
	contact       int64
	none          bool // it names a campaign or a sender that there is not: nothing matches
}

// selection reads the common filters. Without a period, and without a campaign or message that has one of its own, it is
// the current day.
func (a *api) selection(c *call, q query) (selection, error) {
	s, err := q.selectPeriod(time.Now())
	if err != nil {
		return s, err
	}
	for _, x := range []struct {
		property string
		id       *int64
	}{{"MessageID", &s.message}, {"Message", &s.message}, {"ContactID", &s.contact}, {"CampaignID", &s.campaign}, {"FromID", &s.sender}, {"SenderID", &s.sender}} {
		if *x.id == 0 {
			if *x.id, err = q.id(fold(x.property), x.property); err != nil {
				return s, err
			}
		}
	}
	if v, property := q.firstNamed("Contact", "ContactAlt"); strings.Contains(v, "@") {
		s.contact = mail.ContactID(v)
	} else if s.contact == 0 && v != "" {
		if s.contact, err = q.id(fold(property), property); err != nil {
			return s, err
		}
	}
	if err := a.selectCampaign(c, q, &s); err != nil {
		return s, err
	}
	if err := a.selectSender(c, q, &s); err != nil {
		return s, err
	}
	marketing, err := q.notTransactional()
	if err != nil {
		return s, err
	}
	s.none = s.none || marketing
	if s.campaign != 0 || s.message != 0 || s.byEvents() {
		return s, nil
	}
	if s.From.IsZero() && s.To.IsZero() {
		s.Period, _ = report.Current("Day", time.Now())
	}
	return s, nil
}

// selectCampaign reads the campaign by its name (CustomCampaign), or by name or ID (Campaign).
func (a *api) selectCampaign(c *call, q query, s *selection) error {
	name := q["customcampaign"]
	if v := q["campaign"]; name == "" && v != "" && s.campaign == 0 {
		if id, err := q.id("campaign", "Campaign"); err == nil {
			s.campaign = id
		} else {
			name = v
		}
	}
	if name == "" {
		return nil
	}
	list, _, err := a.Store.Campaigns(c.Context(), c.own(), store.CampaignFilter{Name: name}, store.Page{Limit: 1})
	if err != nil || len(list) == 0 {
		s.none = true
		return err
	}
	s.campaign = list[0].ID
	return nil
}

// selectSender reads the sender by its address.
func (a *api) selectSender(c *call, q query, s *selection) error {
	v := q.first("from", "sender")
	if v == "" && c.resource() == "senderstatistics" {
		v = q["email"]
	}
	if v == "" || s.sender != 0 {
		return nil
	}
	senders, err := a.Store.Senders(c.Context(), c.own())
	for _, x := range senders {
		if x.Email == mail.Canonical(v) || fmt.Sprint(x.ID) == v {
			s.sender = x.ID
			return nil
		}
	}
	s.none = true
	return err
}

// selectPeriod reads FromTS and ToTS, EventFromTs and EventToTs, and Period, which is the calendar's.
func (q query) selectPeriod(now time.Time) (s selection, err error) {
	for _, x := range []struct {
		property string
		at       *time.Time
	}{{"FromTS", &s.From}, {"ToTS", &s.To}, {"EventFromTs", &s.events.From}, {"EventToTs", &s.events.To}} {
		if *x.at, err = q.time(fold(x.property), x.property); err != nil {
			return s, err
		}
	}
	for _, x := range []struct {
		property string
		report.Period
	}{{"ToTS", s.Period}, {"EventToTs", s.events}} {
		if !x.From.IsZero() && !x.To.IsZero() && !x.From.Before(x.To) {
			return s, badRequest(x.property + ": it is not after the beginning of the period.")
		}
	}
	if v, ok := q["period"]; ok && s.From.IsZero() && s.To.IsZero() {
		if s.Period, ok = report.Current(v, now); !ok {
			return s, badRequest(fmt.Sprintf("Period: %q is not Day, Week, Month or Year.", cut(v)))
		}
	}
	return s, nil
}

// byEvents says whether the selection has a period of events.
func (s selection) byEvents() bool { return !s.events.From.IsZero() || !s.events.To.IsZero() }

// counters are the counters that a selection asks about: the key's, or those of one campaign or one sender of it.
func (s selection) counters() (store.SeriesQuery, error) {
	q := store.SeriesQuery{Timing: store.ByMessage, From: s.From, To: s.To}
	if !s.From.IsZero() {
		q.From = s.From.UTC().Truncate(store.FiveMinutes.Length())
	}
	if s.byEvents() {
		if !s.From.IsZero() || !s.To.IsZero() {
			return q, badRequest("EventFromTs: mail is counted by when it arrived or by when something happened to it. Leave out FromTS, ToTS and Period, or EventFromTs and EventToTs.")
		}
		q.Timing, q.From, q.To = store.ByEvent, s.events.From, s.events.To
		if !q.From.IsZero() {
			q.From = q.From.UTC().Truncate(store.FiveMinutes.Length())
		}
	}
	switch {
	case s.campaign != 0 && s.sender != 0:
		return q, badRequest("FromID: mail is counted by campaign or by sender, not by both. Leave out one of them.")
	case s.message != 0:
		return q, badRequest("MessageID: these are counts of many messages. GET /v3/REST/messageinformation/{id} has those of one.")
	case s.contact != 0:
		return q, badRequest("ContactID: mail is not counted by recipient. GET /v3/REST/message?ContactID=… lists it.")
	case s.campaign != 0:
		q.Source, q.SourceIDs = store.OfCampaign, []int64{s.campaign}
	case s.sender != 0:
		q.Source, q.SourceIDs = store.OfSender, []int64{s.sender}
	}
	return q, nil
}

// asked reads a request for statistics, its listing and what it selects.
func (a *api) asked(c *call, sortable ...string) (query, listing, selection, error) {
	q, err := c.query()
	if err != nil {
		return nil, listing{}, selection{}, err
	}
	l, err := q.listing(append(sortable, "ID")...)
	if err != nil {
		return nil, l, selection{}, err
	}
	s, err := a.selection(c, q)
	return q, l, s, err
}

// totals sums what a request selects.
func (a *api) totals(c *call, s selection) (store.SeriesRow, error) {
	q, err := s.counters()
	if err != nil || s.none {
		return store.SeriesRow{}, err
	}
	return a.Report.Totals(c.Context(), c.own(), q)
}
