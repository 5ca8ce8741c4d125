// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"slices"
	"time"

	"postern/internal/mail"
	"postern/internal/report"
	"postern/internal/store"
)

// sorted pages rows, by one of their properties if that is asked for.
func sorted[T any, K cmp.Ordered](l listing, all []T, property string, key func(T) K) reply {
	if l.sort == property {
		slices.SortStableFunc(all, func(x, y T) int { return cmp.Compare(key(x), key(y)) })
	}
	return pageOf(l, all)
}

// listHappenings answers a listing of events. A path may name the message that they are of.
func listHappenings[T any](a *api, c *call, wire func(store.Happening) T, types ...store.EventType) (reply, error) {
	_, l, s, err := a.asked(c)
	if err != nil {
		return reply{}, err
	}
	if c.PathValue("id") != "" {
		s = report.Selection{}
		if s.Message, err = c.pathID(); err != nil {
			return reply{}, err
		}
	}
	if s.None {
		return rows[T](nil, 0), nil
	}
	f := s.Happenings(c.who.KeyID, types...)
	if l.countOnly {
		l.Limit = 0
	}
	list, total, err := a.Messages.Events(c.Context(), c.own(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	out := make([]T, len(list))
	for i, h := range list {
		out[i] = wire(h)
	}
	return rows(out, total), nil
}

// bounce is a bounce or a block.
type bounce struct {
	BouncedAt        string
	CampaignID       int64 `json:",omitempty"`
	ContactID        int64
	ID               int64
	IsBlocked        bool
	IsStatePermanent bool
	StateID          int
}

func (a *api) listBounces(c *call) (reply, error) {
	return listHappenings(a, c, func(h store.Happening) bounce {
		return bounce{
			BouncedAt: timestamp(h.At), CampaignID: h.CampaignID, ContactID: h.Contact, ID: h.ID,
			IsBlocked: h.Type == store.EventBlocked, IsStatePermanent: h.Permanent, StateID: h.StateID,
		}
	}, store.EventBounce, store.EventBlocked)
}

// opening is an open.
type opening struct {
	ArrivedAt     string
	CampaignID    int64 `json:",omitempty"`
	ContactID     int64
	ID            int64 // -1, as ever
	MessageID     int64
	OpenedAt      string
	UserAgentFull string
	UserAgentID   int64
}

func (a *api) listOpens(c *call) (reply, error) {
	return listHappenings(a, c, func(h store.Happening) opening {
		return opening{
			ArrivedAt: timestamp(h.ArrivedAt), CampaignID: h.CampaignID, ContactID: h.Contact, ID: -1, MessageID: h.MessageID,
			OpenedAt: timestamp(h.At), UserAgentFull: h.Agent,
		}
	}, store.EventOpen)
}

// clicking is a click.
type clicking struct {
	ClickedAt    string
	ClickedDelay int64 // seconds after the message was delivered
	ContactID    int64
	ID           int64
	MessageID    int64
	Url          string //nolint:revive,staticcheck // the wire's spelling
	UserAgentID  int64
}

func (a *api) listClicks(c *call) (reply, error) {
	return listHappenings(a, c, func(h store.Happening) clicking {
		out := clicking{ClickedAt: timestamp(h.At), ContactID: h.Contact, ID: h.ID, MessageID: h.MessageID, Url: h.URL}
		if !h.DoneAt.IsZero() && h.At.After(h.DoneAt) {
			out.ClickedDelay = int64(h.At.Sub(h.DoneAt) / time.Second)
		}
		return out
	}, store.EventClick)
}

// topLink is how often a link was clicked.
type topLink struct {
	ClickedCount int64
	LinkId       int64  //nolint:revive,staticcheck // the wire's spelling
	Url          string //nolint:revive,staticcheck // the wire's spelling
}

// links reads a page of the links that were clicked.
func (a *api) links(c *call, l listing, s report.Selection) ([]store.LinkCount, int, error) {
	if s.None {
		return nil, 0, nil
	}
	if l.countOnly {
		l.Limit = 0
	}
	return a.Messages.Links(c.Context(), c.own(), s.Happenings(c.who.KeyID), l.Page)
}

// topLinks lists the links that were clicked, the most clicked first. LinkId is the ID of a link's first click.
func (a *api) topLinks(c *call) (reply, error) {
	_, l, s, err := a.asked(c, "ClickedCount")
	if err != nil {
		return reply{}, err
	}
	list, total, err := a.links(c, l, s)
	if err != nil {
		return reply{}, err
	}
	var out []topLink
	for _, x := range list {
		out = append(out, topLink{ClickedCount: x.Clicks, LinkId: x.First, Url: x.URL})
	}
	return rows(out, total), nil
}

// linkClick is how often a link of a campaign was clicked.
type linkClick struct {
	ClickedEventsCount   int64
	ClickedMessagesCount int64
	PositionIndex        int
	URL                  string
}

func (a *api) linkClicks(c *call) (reply, error) {
	_, l, s, err := a.asked(c, "URL")
	if err != nil {
		return reply{}, err
	}
	if s.Campaign == 0 && !s.None {
		return reply{}, badRequest("CampaignID is missing: which campaign is asked about.")
	}
	list, total, err := a.links(c, l, s)
	if err != nil {
		return reply{}, err
	}
	var out []linkClick
	for i, x := range list {
		out = append(out, linkClick{
			ClickedEventsCount: x.Clicks, ClickedMessagesCount: x.Messages, PositionIndex: l.Offset + i, URL: x.URL,
		})
	}
	return rows(out, total), nil
}

// sentStatistic is what became of one message.
type sentStatistic struct {
	ArrivalTS      string `json:"ArrivalTs"`
	Blocked        bool
	Bounce         bool
	BounceDate     string
	BounceReason   string
	CampaignID     int64 `json:",omitempty"`
	Click          bool
	CntRecipients  int64
	ComplaintDate  string
	ContactID      int64
	Details        string
	FBLSource      string
	MessageID      int64
	Open           bool
	Queued         bool
	Sent           bool
	Spam           bool
	StateID        int
	StatePermanent bool
	Status         string
	ToEmail        string
	Unsub          bool
}

func wireSent(m store.Message, e store.Ending) sentStatistic {
	out := sentStatistic{
		ArrivalTS: timestamp(m.ArrivedAt), CampaignID: m.CampaignID, CntRecipients: 1, ContactID: m.Contact, MessageID: m.ID,
		Blocked: m.Status == store.StatusBlocked, Bounce: m.Status == store.StatusHardBounced || m.Status == store.StatusSoftBounced,
		Open: m.Flags&store.FlagOpened != 0, Click: m.Flags&store.FlagClicked != 0, Unsub: m.Flags&store.FlagUnsub != 0,
		Spam: m.Flags&store.FlagSpam != 0, ComplaintDate: timestamp(e.SpamAt), Details: e.Line, FBLSource: e.Source,
		Queued: m.DoneAt.IsZero(), StateID: m.StateID, StatePermanent: m.StatePermanent, Status: m.Status.String(), ToEmail: m.Recipient,
	}
	out.Sent = !out.Queued && !out.Bounce && !out.Blocked
	if out.Bounce || out.Blocked {
		out.BounceDate, out.BounceReason = timestamp(e.BouncedAt), mail.State(m.StateID).String()
	}
	return out
}

// listSent lists messages with what became of them; AllMessages takes away the period.
func (a *api) listSent(c *call) (reply, error) {
	q, l, s, err := a.asked(c, "ArrivedAt", "ArrivalTS")
	if err != nil || s.None {
		return rows[sentStatistic](nil, 0), err
	}
	everything, err := q.flag("allmessages", "AllMessages")
	if err != nil {
		return reply{}, err
	}
	if everything || q["customid"] != "" && q.first("fromts", "tots", "period") == "" {
		s.Period = report.Period{}
	}
	f := store.MessageFilter{
		KeyID: c.who.KeyID, ID: s.Message, CampaignID: s.Campaign, SenderID: s.Sender, Contact: s.Contact,
		CustomID: q["customid"], From: s.From, To: s.To,
	}
	if f.Status, err = q.status(); err != nil {
		return reply{}, err
	}
	return a.sentRows(c, f, l)
}

func (a *api) sentRows(c *call, f store.MessageFilter, l listing) (reply, error) {
	if l.countOnly {
		total, err := a.Messages.Count(c.Context(), c.own(), f)
		return rows[sentStatistic](nil, total), err
	}
	list, total, err := a.Messages.ListAndCount(c.Context(), c.own(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	endings, err := a.Messages.Endings(c.Context(), c.own(), list)
	if err != nil {
		return reply{}, err
	}
	out := make([]sentStatistic, len(list))
	for i, m := range list {
		out[i] = wireSent(m.Record, endings[m.ID])
	}
	return rows(out, total), nil
}

func (a *api) getSent(c *call) (reply, error) {
	id, err := c.pathID()
	if err != nil {
		return reply{}, err
	}
	f := store.MessageFilter{ID: id}
	if _, err := a.Messages.Message(c.Context(), c.own(), f); err != nil {
		return reply{}, err
	}
	return a.sentRows(c, f, listing{Page: store.Page{Limit: 1}})
}
