// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	"postern/internal/mail"
	"postern/internal/store"
)

// historyLine is an event of a message.
type historyLine struct {
	Comment     string
	EventAt     int64
	EventType   string
	State       string
	Useragent   string
	UseragentID int
}

// messageHistory lists what happened to a message. An unknown message has no history: 200, as clients expect. What a
// machine opened or clicked is none of it: it counts nowhere.
func (a *api) messageHistory(c *call) (reply, error) {
	m, err := a.message(c)
	if err != nil {
		if faultOf(err).status == http.StatusNotFound {
			return rows[historyLine](nil, 0), nil
		}
		return reply{}, err
	}
	events, err := a.Messages.History(c.Context(), c.own(), m.ID)
	if err != nil {
		return reply{}, err
	}
	var out []historyLine
	for _, e := range events {
		if !e.Machine {
			out = append(out, wireHistory(e.Record))
		}
	}
	return rows(out, len(out)), nil
}

// wireHistory gives an event the words of this resource, which are not those of the webhooks.
func wireHistory(e store.Event) historyLine {
	line := historyLine{Comment: e.Line, EventAt: e.At.Unix(), EventType: e.Type.String(), Useragent: e.Agent}
	switch e.Type {
	case store.EventOpen:
		line.EventType = "opened"
	case store.EventClick:
		line.EventType, line.Comment = "clicked", e.URL
	case store.EventBounce:
		line.EventType = "softbounced"
		if e.Permanent {
			line.EventType = "hardbounced"
		}
	case store.EventSpam, store.EventUnsub:
		line.Comment = e.Source
	case store.EventSent, store.EventBlocked, store.EventDeferred:
	}
	if e.StateID != 0 {
		line.State = mail.State(e.StateID).String()
	}
	return line
}

// information are a message's counts.
type information struct {
	CampaignID        int64 `json:",omitempty"`
	ClickTrackedCount int
	ContactID         int64
	CreatedAt         string
	ID                int64
	MessageSize       int64
	OpenTrackedCount  int
	QueuedCount       int
	SendEndAt         string
	SentCount         int
	SpamAssassinRules spamRules
	SpamAssassinScore int
}

// spamRules is what a message that no filter looked at has.
type spamRules struct {
	ALT string
	ID  int
}

func wireInformation(m store.Message) information {
	out := information{
		CampaignID: m.CampaignID, ContactID: m.Contact, CreatedAt: timestamp(m.ArrivedAt), ID: m.ID, MessageSize: m.Size,
		SendEndAt: timestamp(m.DoneAt), SpamAssassinRules: spamRules{ID: -1},
	}
	count := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	out.ClickTrackedCount, out.OpenTrackedCount = count(m.TrackClicks == trackOn), count(m.TrackOpens == trackOn)
	out.QueuedCount = count(m.DoneAt.IsZero())
	switch m.Status {
	case store.StatusSent, store.StatusOpened, store.StatusClicked, store.StatusSpam, store.StatusUnsub:
		out.SentCount = 1
	case store.StatusProcessed, store.StatusQueued, store.StatusBounce, store.StatusBlocked, store.StatusSoftBounced,
		store.StatusHardBounced, store.StatusDeferred:
	}
	return out
}

func (a *api) messageInformation(c *call) (reply, error) {
	m, err := a.message(c)
	if err != nil {
		return reply{}, err
	}
	return one(wireInformation(m.Record)), nil
}

func (a *api) listInformation(c *call) (reply, error) {
	list, total, _, err := a.foundMessages(c)
	if err != nil {
		return reply{}, err
	}
	var out []information
	for _, m := range list {
		out = append(out, wireInformation(m.Record))
	}
	return rows(out, total), nil
}
