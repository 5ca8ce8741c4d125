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
		EventClickDelay: r.ClickDelay, EventClickedCount: r.ClickEvents, EventOpenDelay: r.OpenDelay, EventOpenedCount: r.OpenEvents,
		EventSpamCount: r.SpamEvents, EventUnsubscribedCount: r.UnsubEvents,
		MessageBlockedCount: r.Blocked, MessageClickedCount: r.Clicked, MessageDeferredCount: r.Deferred, MessageHardBouncedCount: r.Hard, MessageOpenedCount: r.Opened,
		MessageQueuedCount: r.Waiting, MessageSentCount: r.Sent, MessageSoftBouncedCount: r.Soft, MessageSpamCount: r.Spam, MessageUnsubscribedCount: r.Unsub,
	}
}

// word is a value of a filter: its name, and its letter in CounterType.
type word[T any] struct {
	name   string
	letter byte
	value  T
}

// ofLists is the source List, which has no counters: there are no lists.
const ofLists store.Source = -1

var (
	counterSources = []word[store.Source]{{"APIKey", 'A', store.OfKeyItself}, {"Campaign", 'C', store.OfCampaign}, {"List", 'L', ofLists}, {"Sender", 'S', store.OfSender}}
	counterTimings = []word[store.Timing]{{"Message", 'M', store.ByMessage}, {"Event", 'E', store.ByEvent}}
	counterSteps   = []word[time.Duration]{{"Highest", 'S', store.FiveMinutes.Length()}, {"Hour", 'H', time.Hour}, {"Day", 'D', store.Daily.Length()}, {"Lifetime", 'L', 0}}
)

// oneOf reads a filter that must be given and be one of some words. place is its letter in CounterType.
func oneOf[T any](q query, property string, place int, words []word[T]) (T, error) {
	v, given := q[fold(property)]
	letters, short := q["countertype"]
	var names []string
	for _, w := range words {
		switch {
		case given && strings.EqualFold(v, w.name), !given && short && len(letters) == 3 && letters[place]&^0x20 == w.letter:
			return w.value, nil
		}
		names = append(names, w.name)
	}
	var none T
	list := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	switch {
	case given:
		return none, badRequest(fmt.Sprintf("%s: %q is not %s.", property, cut(v), list))
	case short:
		return none, badRequest(fmt.Sprintf("CounterType: %q is not three letters, such as AMD: the source (A, C, L or S), the timing (M or E), the resolution (S, H, D or L).", cut(letters)))
	}
	return none, badRequest(fmt.Sprintf("%s is missing: give %s.", property, list))
}

// counterQuery reads what a request for counters asks about.
func (q query) counterQuery(now time.Time) (sq store.SeriesQuery, err error) {
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
	if sq.SourceIDs, err = q.sourceIDs(); err != nil {
		return sq, err
	}
	if len(sq.SourceIDs) == 0 && sq.Source != store.OfKeyItself {
		return sq, badRequest("SourceID is missing: which campaign, list or sender is asked about.")
	}
	return sq, q.counterPeriod(&sq, now)
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

// counterPeriod reads FromTS and ToTS. Without either it is the current day.
func (q query) counterPeriod(sq *store.SeriesQuery, now time.Time) (err error) {
	if sq.From, err = q.time("fromts", "FromTS"); err != nil {
		return err
	}
	if sq.To, err = q.time("tots", "ToTS"); err != nil {
		return err
	}
	if sq.Step == 0 {
		for _, x := range []struct {
			property string
			at       time.Time
		}{{"FromTS", sq.From}, {"ToTS", sq.To}} {
			if !x.at.IsZero() {
				return badRequest(x.property + ": a Lifetime has no period. Leave it out, or ask for CounterResolution=Day.")
			}
		}
		return nil
	}
	if sq.From.IsZero() {
		day := now
		if !sq.To.IsZero() && sq.To.Before(now) {
			day = sq.To.Add(-time.Microsecond)
		}
		sq.From = day.UTC().Truncate(report.Day)
	}
	if !sq.To.IsZero() && !sq.From.Before(sq.To) {
		return badRequest("ToTS: it is not after FromTS.")
	}
	toSlots(sq, now)
	return nil
}

// toSlots has a period begin with the slot that FromTS is in. One that ends now, as most that programs ask for, has no end:
// nothing is later, and of whole slots the coarsest counters are read.
func toSlots(sq *store.SeriesQuery, now time.Time) {
	if !sq.From.IsZero() {
		sq.From = sq.From.UTC().Truncate(sq.Step)
	}
	if sq.To.After(now.UTC().Truncate(store.FiveMinutes.Length())) {
		sq.To = time.Time{}
	}
}

// mostCounters is up to how many counters, or programs of recipients, a request may ask for: they are sorted, counted and
// paged in memory. It is as many as 600 keys have by the hour in a month, or one in five years of five minutes.
const mostCounters = 500_000

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
	sq, err := q.counterQuery(time.Now())
	if err != nil {
		return reply{}, err
	}
	if sq.Source == ofLists {
		return rows[statCounter](nil, 0), nil
	}
	if sq.Step == store.FiveMinutes.Length() && sq.From.Before(a.Store.FineSince()) {
		sq.From = sq.From.Truncate(store.Hourly.Length()) // there the slots are hours
	}
	scope := c.own()
	if sq.Source == store.OfKeyItself && len(sq.SourceIDs) > 0 {
		scope, sq.KeyIDs, sq.SourceIDs = c.managed(), sq.SourceIDs, nil
	}
	sq.Most = a.mostCounters + 1
	list, err := a.Store.Series(c.Context(), scope, sq)
	if err != nil {
		return reply{}, err
	}
	if len(list) > a.mostCounters {
		return reply{}, badRequest(fmt.Sprintf("FromTS: there are more than %d counters in this period. Ask for a shorter one, fewer sources, or a longer CounterResolution.", a.mostCounters))
	}
	if sq.Step == 0 {
		if list, err = a.lifetimes(c, sq, list); err != nil {
			return reply{}, err
		}
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

// lifetimes adds the row of zeros of a key that has sent nothing, or of a source that is the caller's and has not: one
// that asks for one row gets one.
func (a *api) lifetimes(c *call, sq store.SeriesQuery, list []store.SeriesRow) ([]store.SeriesRow, error) {
	if len(list) > 0 {
		return list, nil
	}
	row := store.SeriesRow{KeyID: c.who.KeyID, SourceID: c.who.KeyID}
	switch {
	case sq.Source == store.OfKeyItself && (len(sq.KeyIDs) == 0 || slices.Contains(sq.KeyIDs, c.who.KeyID)):
		return []store.SeriesRow{row}, nil
	case sq.Source == store.OfSender:
		senders, err := a.Store.Senders(c.Context(), c.own())
		if err != nil {
			return nil, err
		}
		for _, x := range senders {
			if slices.Contains(sq.SourceIDs, x.ID) {
				row.SourceID = x.ID
				list = append(list, row)
			}
		}
	case sq.Source == store.OfCampaign: // a campaign is there because of its mail
	}
	return list, nil
}
