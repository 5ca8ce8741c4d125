// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/mail"
	"postern/internal/report"
)

// reportRoutes are the resources of statistics, and the campaigns that they are by.
func (a *api) reportRoutes() []route {
	const rest = "/v3/REST/"
	var all []route
	for name, h := range map[string]handler{
		"statcounters": a.listCounters, "graphstatistics": a.graphStatistics, "messagestatistics": a.messageStatistics,
		"openstatistics": a.openStatistics, "domainstatistics": a.domainStatistics, "geostatistics": a.geoStatistics,
		"senderstatistics": a.senderStatistics, "senderstatistics/{id}": a.senderStatistics, "useragentstatistics": a.agentStatistics,
		"toplinkclicked": a.topLinks, "bouncestatistics": a.listBounces, "bouncestatistics/{id}": a.listBounces,
		"openinformation": a.listOpens, "openinformation/{id}": a.listOpens,
		"clickstatistics": a.listClicks, "clickstatistics/{id}": a.listClicks,
		"messagesentstatistics": a.listSent, "messagesentstatistics/{id}": a.getSent,
		"statistics/link-click": a.linkClicks, "statistics/recipient-esp": a.recipientProviders,
		"campaign": a.listCampaigns, "campaign/{id}": a.getCampaign,
	} {
		all = append(all, route{method: "GET", pattern: rest + name, handle: h, need: access.MayRead})
	}
	return append(all, route{method: "PUT", pattern: rest + "campaign/{id}", handle: a.changeCampaign, need: access.MayManage})
}

// selection reads which mail a request for statistics is about: the filters that they share.
func (q query) selection(resource string, now time.Time) (report.Selection, error) {
	s, err := q.selectPeriod(now)
	if err != nil {
		return s, err
	}
	for _, x := range []struct {
		property string
		id       *int64
	}{
		{"MessageID", &s.Message},
		{"Message", &s.Message},
		{"ContactID", &s.Contact},
		{"CampaignID", &s.Campaign},
		{"FromID", &s.Sender},
		{"SenderID", &s.Sender},
	} {
		if *x.id == 0 {
			if *x.id, err = q.id(fold(x.property), x.property); err != nil {
				return s, err
			}
		}
	}
	if v, property := q.firstNamed("Contact", "ContactAlt"); strings.Contains(v, "@") {
		s.Contact = mail.ContactID(v)
	} else if s.Contact == 0 && v != "" {
		if s.Contact, err = q.id(fold(property), property); err != nil {
			return s, err
		}
	}
	// Campaign is an ID or a name, CustomCampaign a name.
	s.CampaignName = q["customcampaign"]
	if v := q["campaign"]; s.CampaignName == "" && v != "" && s.Campaign == 0 {
		if s.Campaign, err = q.id("campaign", "Campaign"); err != nil {
			s.CampaignName = v
		}
	}
	if s.SenderName = q.first("from", "sender"); s.SenderName == "" && resource == "senderstatistics" {
		s.SenderName = q["email"]
	}
	s.None, err = q.notTransactional()
	return s, err
}

// selectPeriod reads FromTS and ToTS, EventFromTs and EventToTs, and Period, which is the calendar's.
func (q query) selectPeriod(now time.Time) (s report.Selection, err error) {
	for _, x := range []struct {
		property string
		at       *time.Time
	}{{"FromTS", &s.From}, {"ToTS", &s.To}, {"EventFromTs", &s.Events.From}, {"EventToTs", &s.Events.To}} {
		if *x.at, err = q.time(fold(x.property), x.property); err != nil {
			return s, err
		}
	}
	if v, ok := q["period"]; ok && s.Period == (report.Period{}) {
		if s.Period, ok = report.Current(v, now); !ok {
			return s, badRequest(fmt.Sprintf("Period: %q is not Day, Week, Month or Year.", cut(v)))
		}
	}
	return s, nil
}

// asked reads a request for statistics, its listing and what it selects.
func (a *api) asked(c *call, sortable ...string) (query, listing, report.Selection, error) {
	q, err := c.query()
	if err != nil {
		return nil, listing{}, report.Selection{}, err
	}
	l, err := q.listing(append(sortable, "ID")...)
	if err != nil {
		return nil, l, report.Selection{}, err
	}
	s, err := q.selection(c.resource(), time.Now())
	if err == nil {
		s, err = a.Report.Select(c.Context(), c.own(), s, time.Now())
	}
	return q, l, s, filterFault(err)
}
