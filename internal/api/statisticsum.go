// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"math"
	"strings"
	"time"

	"postern/internal/report"
)

// graphStatistic is what was counted in one slot of time.
type graphStatistic struct {
	BlockedCount       int64
	BouncedCount       int64
	ClickedCount       int64
	DeferredCount      int64
	DeliveredCount     int64
	HardBouncedCount   int64
	OpenedCount        int64
	ProcessedCount     int64
	QueuedCount        int64
	RefTimestamp       string
	SendtimeStart      int64
	SoftBouncedCount   int64
	SpamcomplaintCount int64
	UnsubscribedCount  int64
}

// scale reads Scale, the length of a slot; "" is what the period asks for.
func (q query) scale() (report.Step, error) {
	v, ok := q["scale"]
	if !ok {
		return "", nil
	}
	for _, s := range []report.Step{report.Hourly, report.Daily, report.Weekly, report.Monthly} {
		if strings.EqualFold(v, string(s)) {
			return s, nil
		}
	}
	return "", badRequest(fmt.Sprintf("Scale: %q is not Hour, Day, Week or Month.", cut(v)))
}

func (a *api) graphStatistics(c *call) (reply, error) {
	q, l, s, err := a.asked(c, "RefTimestamp", "SendtimeStart")
	if err != nil {
		return reply{}, err
	}
	step, err := q.scale()
	if err != nil {
		return reply{}, err
	}
	list, err := a.Report.Graph(c.Context(), c.own(), s, step, time.Now())
	if err != nil {
		return reply{}, filterFault(err)
	}
	var out []graphStatistic
	for _, r := range list {
		out = append(out, graphStatistic{
			BlockedCount: r.Blocked, BouncedCount: r.Hard + r.Soft, ClickedCount: r.Clicked, DeferredCount: r.Deferred,
			DeliveredCount:   r.Sent,
			HardBouncedCount: r.Hard, OpenedCount: r.Opened, ProcessedCount: r.Total, QueuedCount: r.Waiting, RefTimestamp: timestamp(r.At),
			SendtimeStart: r.At.Unix(), SoftBouncedCount: r.Soft, SpamcomplaintCount: r.Spam, UnsubscribedCount: r.Unsub,
		})
	}
	return pageOf(l, out), nil
}

// messageStatistic is one row of totals.
type messageStatistic struct {
	AverageClickDelay   float64
	AverageClickedCount float64
	AverageOpenDelay    float64
	AverageOpenedCount  float64
	BlockedCount        int64
	BouncedCount        int64
	CampaignCount       int64
	ClickedCount        int64
	DeferredCount       int64
	DeliveredCount      int64
	HardBouncedCount    int64
	OpenedCount         int64
	ProcessedCount      int64
	QueuedCount         int64
	SoftBouncedCount    int64
	SpamComplaintCount  int64
	TotalClicksCount    int64
	TotalOpensCount     int64
	TransactionalCount  int64
	UnsubscribedCount   int64
}

// ratio is a share, 0 of nothing, to six digits: node-mailjet makes a string of a number that is longer than fifteen.
func ratio(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return math.Round(float64(n)/float64(of)*1e6) / 1e6
}

func (a *api) messageStatistics(c *call) (reply, error) {
	_, l, s, err := a.asked(c)
	if err != nil {
		return reply{}, err
	}
	r, err := a.Report.Sum(c.Context(), c.own(), s)
	if err != nil {
		return reply{}, filterFault(err)
	}
	campaigns, err := a.Report.CountCampaigns(c.Context(), c.own(), s)
	if err != nil {
		return reply{}, err
	}
	return pageOf(l, []messageStatistic{{
		AverageClickDelay: ratio(r.ClickDelay, r.ClickEvents), AverageClickedCount: ratio(r.ClickEvents, r.Sent),
		AverageOpenDelay: ratio(r.OpenDelay, r.OpenEvents), AverageOpenedCount: ratio(r.OpenEvents, r.Sent),
		BlockedCount: r.Blocked, BouncedCount: r.Hard + r.Soft, CampaignCount: int64(campaigns), ClickedCount: r.Clicked,
		DeferredCount: r.Deferred, DeliveredCount: r.Sent, HardBouncedCount: r.Hard, OpenedCount: r.Opened, ProcessedCount: r.Total,
		QueuedCount: r.Waiting, SoftBouncedCount: r.Soft, SpamComplaintCount: r.Spam, TotalClicksCount: r.ClickEvents,
		TotalOpensCount: r.OpenEvents, TransactionalCount: r.Total, UnsubscribedCount: r.Unsub,
	}}), nil
}

// openStatistic is one row of how much was opened, and how many seconds after it was delivered.
type openStatistic struct {
	OpenedCount    int64
	OpenedDelay    float64
	ProcessedCount int64
}

func (a *api) openStatistics(c *call) (reply, error) {
	_, l, s, err := a.asked(c, "OpenedCount", "OpenedDelay", "ProcessedCount")
	if err != nil {
		return reply{}, err
	}
	r, err := a.Report.Sum(c.Context(), c.own(), s)
	if err != nil {
		return reply{}, filterFault(err)
	}
	out := openStatistic{OpenedCount: r.Opened, OpenedDelay: ratio(r.OpenDelay, r.OpenEvents), ProcessedCount: r.Total}
	return pageOf(l, []openStatistic{out}), nil
}

// geoStatistic is what happened in one country. Where recipients are is not looked up: the one row's country is "".
type geoStatistic struct {
	ClickedCount int64
	Country      string
	OpenedCount  int64
}

func (a *api) geoStatistics(c *call) (reply, error) {
	_, l, s, err := a.asked(c)
	if err != nil {
		return reply{}, err
	}
	r, err := a.Report.Sum(c.Context(), c.own(), s)
	if err != nil {
		return reply{}, filterFault(err)
	}
	if r.OpenEvents+r.ClickEvents == 0 {
		return rows[geoStatistic](nil, 0), nil
	}
	return pageOf(l, []geoStatistic{{ClickedCount: r.Clicked, OpenedCount: r.Opened}}), nil
}

// domainStatistic is what became of the mail to one domain.
type domainStatistic struct {
	BlockedCount       int64
	BouncedCount       int64
	ClickedCount       int64
	DeliveredCount     int64
	Domain             string
	ID                 int64 // -1: a domain has none
	OpenedCount        int64
	ProcessedCount     int64
	QueuedCount        int64
	SpamComplaintCount int64
	UnsubscribedCount  int64
}

func (a *api) domainStatistics(c *call) (reply, error) {
	_, l, s, err := a.asked(c, "Domain", "ProcessedCount")
	if err != nil {
		return reply{}, err
	}
	list, err := a.Report.Breakdown(c.Context(), c.own(), s, report.ByDomain)
	if err != nil {
		return reply{}, filterFault(err)
	}
	var out []domainStatistic
	for _, r := range list {
		out = append(out, domainStatistic{
			BlockedCount: r.Blocked, BouncedCount: r.Hard + r.Soft, ClickedCount: r.Clicked, DeliveredCount: r.Sent, Domain: r.Name, ID: -1,
			OpenedCount: r.Opened, ProcessedCount: r.Total, QueuedCount: r.Queued(), SpamComplaintCount: r.Spam, UnsubscribedCount: r.Unsub,
		})
	}
	if l.sort == "ProcessedCount" {
		return sorted(l, out, l.sort, func(d domainStatistic) int64 { return d.ProcessedCount }), nil
	}
	return sorted(l, out, "Domain", func(d domainStatistic) string { return d.Domain }), nil
}

// senderStatistic is what became of the mail from one sender.
type senderStatistic struct {
	BlockedCount        int64
	BouncedCount        int64
	ClickedCount        int64
	DeferredCount       int64
	DeliveredCount      int64
	HardBouncedCount    int64
	LastActivityAt      string
	OpenedCount         int64
	PreQueuedCount      int64
	ProcessedCount      int64
	QueuedCount         int64
	SenderID            int64
	SoftBouncedCount    int64
	SpamComplaintCount  int64
	UnsubscribedCount   int64
	WorkFlowExitedCount int64
}

// senderStatistics answers for all senders, or for the one that the path names.
func (a *api) senderStatistics(c *call) (reply, error) {
	_, l, s, err := a.asked(c, "SenderID", "ProcessedCount")
	if err != nil {
		return reply{}, err
	}
	if v := c.PathValue("id"); v != "" {
		s.Sender, s.SenderName = 0, v
		if s, err = a.Report.Select(c.Context(), c.own(), s, time.Now()); err != nil {
			return reply{}, err
		}
		if s.None {
			return reply{}, notFound()
		}
	}
	list, err := a.Report.Breakdown(c.Context(), c.own(), s, report.BySender)
	if err != nil {
		return reply{}, filterFault(err)
	}
	var out []senderStatistic
	for _, r := range list {
		out = append(out, senderStatistic{
			BlockedCount: r.Blocked, BouncedCount: r.Hard + r.Soft, ClickedCount: r.Clicked, DeferredCount: r.Deferred,
			DeliveredCount:   r.Sent,
			HardBouncedCount: r.Hard, LastActivityAt: timestamp(r.Last), OpenedCount: r.Opened, ProcessedCount: r.Total,
			QueuedCount: r.Queued(), SenderID: r.ID, SoftBouncedCount: r.Soft, SpamComplaintCount: r.Spam, UnsubscribedCount: r.Unsub,
		})
	}
	if c.PathValue("id") != "" && len(out) == 0 {
		out = []senderStatistic{{SenderID: s.Sender}}
	}
	if l.sort == "ProcessedCount" {
		return sorted(l, out, l.sort, func(x senderStatistic) int64 { return x.ProcessedCount }), nil
	}
	return sorted(l, out, "SenderID", func(x senderStatistic) int64 { return x.SenderID }), nil
}

// agentStatistic is how often a program was used.
type agentStatistic struct {
	Count         int64
	DistinctCount int64
	Platform      string
	UserAgent     string
}

func (a *api) agentStatistics(c *call) (reply, error) {
	_, l, s, err := a.asked(c)
	if err != nil {
		return reply{}, err
	}
	list, err := a.Report.Agents(c.Context(), c.own(), c.who.KeyID, s)
	if err != nil {
		return reply{}, filterFault(err)
	}
	var out []agentStatistic
	for _, r := range list {
		out = append(out, agentStatistic{Count: r.Events, DistinctCount: r.Contacts, Platform: r.Agent.Platform, UserAgent: r.Agent.Name})
	}
	return pageOf(l, out), nil
}

// providerStatistic is what became of a campaign's mail to one mailbox provider.
type providerStatistic struct {
	AttemptedMessagesCount    int64
	ClickThroughRate          float64
	ClickedMessagesCount      int64
	DeferredMessagesCount     int64
	DeferredRate              float64
	DeliveredMessagesCount    int64
	ESPName                   string
	HardBouncedMessagesCount  int64
	HardBouncedRate           float64
	OpenRate                  float64
	OpenedMessagesCount       int64
	SoftBouncedMessagesCount  int64
	SoftBouncedRate           float64
	SpamReportsCount          int64
	SpamReportsRate           float64
	UnsubscribedMessagesCount int64
	UnsubscribedRate          float64
}

// recipientProviders answers for one campaign. Rates are of what was delivered, those of what was not of all.
func (a *api) recipientProviders(c *call) (reply, error) {
	q, l, s, err := a.asked(c)
	switch {
	case err != nil:
		return reply{}, err
	case s.Campaign == 0 && !s.None:
		return reply{}, badRequest("CampaignID is missing: which campaign is asked about.")
	}
	list, err := a.Report.Providers(c.Context(), c.own(), s)
	if err != nil {
		return reply{}, filterFault(err)
	}
	var out []providerStatistic
	for _, r := range list {
		if v := q["esp_name"]; v != "" && !strings.EqualFold(v, r.Name) {
			continue
		}
		out = append(out, providerStatistic{
			ESPName: r.Name, AttemptedMessagesCount: r.Total, DeliveredMessagesCount: r.Sent, OpenedMessagesCount: r.Opened,
			ClickedMessagesCount: r.Clicked, DeferredMessagesCount: r.Deferred, SoftBouncedMessagesCount: r.Soft,
			HardBouncedMessagesCount: r.Hard, UnsubscribedMessagesCount: r.Unsub, SpamReportsCount: r.Spam,
			OpenRate: ratio(r.Opened, r.Sent), ClickThroughRate: ratio(r.Clicked, r.Sent), UnsubscribedRate: ratio(r.Unsub, r.Sent),
			SpamReportsRate: ratio(r.Spam, r.Sent), SoftBouncedRate: ratio(r.Soft, r.Total), HardBouncedRate: ratio(r.Hard, r.Total),
			DeferredRate: ratio(r.Deferred, r.Total),
		})
	}
	return pageOf(l, out), nil
}
