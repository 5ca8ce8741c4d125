// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/report"
	"postern/internal/store"
)

// statCounter is what was counted in one slot of one source.
type statCounter struct {
	APIKeyID                   int64
	EventClickDelay            int64
	EventClickedCount          int64
	EventOpenDelay             int64
	EventOpenedCount           int64
	EventSpamCount             int64
	EventUnsubscribedCount     int64
	EventWorkflowExitedCount   int64
	MessageBlockedCount        int64
	MessageClickedCount        int64
	MessageDeferredCount       int64
	MessageHardBouncedCount    int64
	MessageOpenedCount         int64
	MessageQueuedCount         int64
	MessageSentCount           int64
	MessageSoftBouncedCount    int64
	MessageSpamCount           int64
	MessageUnsubscribedCount   int64
	MessageWorkFlowExitedCount int64
	SourceID                   int64
	Timeslice                  string // "" for Lifetime
	Total                      int64
}

func wireCounter(r store.SeriesRow) statCounter {
	return statCounter{
		APIKeyID: r.KeyID, SourceID: r.SourceID, Timeslice: timestamp(r.At), Total: r.Total,
		EventClickDelay: r.ClickDelay, EventClickedCount: r.ClickEvents,
		EventOpenDelay: r.OpenDelay, EventOpenedCount: r.OpenEvents,
		EventSpamCount: r.SpamEvents, EventUnsubscribedCount: r.UnsubEvents,
		MessageBlockedCount: r.Blocked, MessageClickedCount: r.Clicked, MessageDeferredCount: r.Deferred, MessageHardBouncedCount: r.Hard,
		MessageOpenedCount: r.Opened, MessageQueuedCount: r.Waiting, MessageSentCount: r.Sent, MessageSoftBouncedCount: r.Soft,
		MessageSpamCount: r.Spam, MessageUnsubscribedCount: r.Unsub,
	}
}

// choice is a value of a filter: its name, and its letter in CounterType.
type choice[T any] struct {
	name   string
	letter byte
	value  T
}

var (
	counterSources = []choice[store.Source]{
		{"APIKey", 'A', store.OfKeyItself},
		{"Campaign", 'C', store.OfCampaign},
		{"List", 'L', report.Lists},
		{"Sender", 'S', store.OfSender},
	}
	counterTimings = []choice[store.Timing]{{"Message", 'M', store.ByMessage}, {"Event", 'E', store.ByEvent}}
	counterSteps   = []choice[time.Duration]{
		{"Highest", 'S', store.FiveMinutes.Length()}, {"Hour", 'H', time.Hour}, {"Day", 'D', store.Daily.Length()}, {"Lifetime", 'L', 0},
	}
)

// oneOf reads a filter that must be given and be one of some choices. at is where its letter stands in CounterType.
func oneOf[T any](q query, property string, at int, choices []choice[T]) (T, error) {
	v, given := q[fold(property)]
	letters, short := q["countertype"]
	var names []string
	for _, x := range choices {
		switch {
		case given && strings.EqualFold(v, x.name), !given && short && len(letters) == 3 && letters[at]&^0x20 == x.letter:
			return x.value, nil
		}
		names = append(names, x.name)
	}
	var none T
	list := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	switch {
	case given:
		return none, badRequest(fmt.Sprintf("%s: %q is not %s.", property, cut(v), list))
	case short:
		const form = "CounterType: %q is not three letters, such as AMD: " +
			"the source (A, C, L or S), the timing (M or E), the resolution (S, H, D or L)."
		return none, badRequest(fmt.Sprintf(form, cut(letters)))
	}
	return none, badRequest(fmt.Sprintf("%s is missing: give %s.", property, list))
}

// counterQuery reads what a request for counters asks about.
func (q query) counterQuery() (sq report.CounterQuery, err error) {
	// APIKeyID and CampaignID stand for the source and its ID.
	for _, short := range []struct{ property, source string }{{"CampaignID", "Campaign"}, {"APIKeyID", "APIKey"}} {
		if id, ok := q[fold(short.property)]; ok && q["countersource"] == "" && q["countertype"] == "" {
			q["countersource"], q["sourceid"] = short.source, id
			break
		}
	}
	if sq.Source, err = oneOf(q, "CounterSource", 0, counterSources); err != nil {
		return sq, err
	}
	if sq.Timing, err = oneOf(q, "CounterTiming", 1, counterTimings); err != nil {
		return sq, err
	}
	if sq.Step, err = oneOf(q, "CounterResolution", 2, counterSteps); err != nil {
		return sq, err
	}
	if sq.IDs, err = q.sourceIDs(); err != nil {
		return sq, err
	}
	if sq.From, err = q.time("fromts", "FromTS"); err != nil {
		return sq, err
	}
	sq.To, err = q.time("tots", "ToTS")
	return sq, err
}

func (q query) sourceIDs() ([]int64, error) {
	var ids []int64
	list, property := q.firstNamed("SourceID", "SourceIDs", "IdentityID")
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil || id <= 0 {
			return nil, badRequest(fmt.Sprintf("%s: %q is not an ID.", property, cut(s)))
		}
		if ids = append(ids, id); len(ids) > largestLimit {
			return nil, badRequest(fmt.Sprintf("%s: these are more than %d IDs.", property, largestLimit))
		}
	}
	return ids, nil
}

// listCounters answers the counters of the calling key; a master key may ask about a subaccount's by its ID.
func (a *api) listCounters(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("Timeslice", "SourceID", "ID")
	if err != nil {
		return reply{}, err
	}
	sq, err := q.counterQuery()
	if err != nil {
		return reply{}, err
	}
	itself := store.Key{ID: c.who.KeyID, AccountID: c.who.AccountID}
	list, err := a.Report.Counters(c.Context(), c.managed(), itself, sq, time.Now())
	if err != nil {
		return reply{}, filterFault(err)
	}
	out := make([]statCounter, len(list))
	for i, r := range list {
		out[i] = wireCounter(r)
	}
	if l.sort == "SourceID" {
		slices.SortStableFunc(out, func(x, y statCounter) int { return int(x.SourceID - y.SourceID) })
	}
	return pageOf(l, out), nil
}
