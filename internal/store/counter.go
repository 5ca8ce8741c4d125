// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Timing says at which time an event counts.
type Timing int

// Timings of the counters.
const (
	ByMessage Timing = 0 // when its message arrived
	ByEvent   Timing = 1 // when it happened
)

// Source is what counters are kept of.
type Source int

// Sources of counters.
const (
	OfKeyItself Source = 0
	OfCampaign  Source = 1
	OfSender    Source = 2
)

// Grain is how long the slots of counters are.
type Grain int

// Grains of the counters.
const (
	FiveMinutes Grain = 0
	Daily       Grain = 1
	Hourly      Grain = 2 // so that a month by the hour is read in 720 rows, not in 8,640
)

// Length is how long a slot of the grain is.
func (g Grain) Length() time.Duration {
	switch g {
	case Daily:
		return 24 * time.Hour
	case Hourly:
		return time.Hour
	}
	return 5 * time.Minute
}

// slot is the Unix second in which the slot of a time begins. Days are UTC's.
func (g Grain) slot(t time.Time) int64 { return t.Truncate(g.Length()).Unix() }

func dayOf(t time.Time) int64 { return Daily.slot(t) }

// Counts are sums of events. Those of messages count each message once, by its first event of the kind.
type Counts struct {
	Total                        int64 // messages accepted
	Sent, Hard, Soft, Blocked    int64 // messages by how they ended
	Deferred                     int64 // messages that had to be tried again
	Opened, Clicked, Spam, Unsub int64 // messages
	OpenEvents, ClickEvents      int64
	SpamEvents, UnsubEvents      int64
	MachineOpens, MachineClicks  int64 // events that no person made; in none of the others
	OpenDelay, ClickDelay        int64 // seconds from the message's end to the event, summed over the events
}

// Queued are the messages that have not ended yet. It is one of ByMessage's counts: by event, messages end in other slots
// than they arrive in.
func (c Counts) Queued() int64 { return c.Total - c.Sent - c.Hard - c.Soft - c.Blocked }

// fields are the counts in the order of counterColumns.
func (c *Counts) fields() []*int64 {
	return []*int64{
		&c.Total, &c.Sent, &c.Deferred, &c.Hard, &c.Soft, &c.Blocked, &c.Opened, &c.Clicked, &c.Spam, &c.Unsub,
		&c.OpenEvents, &c.ClickEvents, &c.SpamEvents, &c.UnsubEvents, &c.MachineOpens, &c.MachineClicks, &c.OpenDelay, &c.ClickDelay,
	}
}

var counterColumns = [...]string{
	"total", "sent", "deferred", "hard", "soft", "blocked", "opened", "clicked", "spam", "unsub",
	"open_events", "click_events", "spam_events", "unsub_events", "machine_opens", "machine_clicks", "open_delay", "click_delay",
}

// domainColumns is how many of counterColumns are kept of domains.
const domainColumns = 10

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	from := o.fields()
	for i, to := range c.fields() {
		*to += *from[i]
	}
}

// count is what one event counts as.
func (e *recorded) count() Counts {
	delay := int64(0)
	if !e.done.IsZero() && e.At.After(e.done) {
		delay = int64(e.At.Sub(e.done) / time.Second)
	}
	first := int64(0)
	if e.first {
		first = 1
	}
	switch e.Type {
	case EventSent:
		return Counts{Sent: 1}
	case EventDeferred:
		return Counts{Deferred: first}
	case EventBlocked:
		return Counts{Blocked: 1}
	case EventBounce:
		if e.Permanent {
			return Counts{Hard: 1}
		}
		return Counts{Soft: 1}
	case EventOpen:
		if e.Machine {
			return Counts{MachineOpens: 1}
		}
		return Counts{Opened: first, OpenEvents: 1, OpenDelay: delay}
	case EventClick:
		if e.Machine {
			return Counts{MachineClicks: 1}
		}
		return Counts{Clicked: first, ClickEvents: 1, ClickDelay: delay}
	case EventSpam:
		return Counts{Spam: first, SpamEvents: 1}
	case EventUnsub:
		return Counts{Unsub: first, UnsubEvents: 1}
	}
	return Counts{}
}

type counterSlot struct {
	key      int64
	source   Source
	sourceID int64
	timing   Timing
	grain    Grain
	slot     int64
}

type domainSlot struct {
	key, campaign int64
	domain        string
	day           int64
}

// tally gathers the counts of a group of events and acceptances, so that a group costs a few upserts.
type tally struct {
	since   int64 // since when there are counters of five minutes
	slots   map[counterSlot]*Counts
	domains map[domainSlot]*Counts
}

func (s *Store) newTally() *tally {
	return &tally{since: s.fiveMinutesSince.Load(), slots: map[counterSlot]*Counts{}, domains: map[domainSlot]*Counts{}}
}

// counted is under what something counts.
type counted struct {
	key, campaign, sender int64
	domain                string
	arrived               time.Time
}

// add counts c at a time by one timing.
func (t *tally) add(of counted, timing Timing, at time.Time, c Counts) {
	sources := [...]int64{OfKeyItself: of.key, OfCampaign: of.campaign, OfSender: of.sender}
	for source, id := range sources {
		if id == 0 {
			continue
		}
		for _, g := range [...]Grain{FiveMinutes, Daily, Hourly} {
			k := counterSlot{of.key, Source(source), id, timing, g, g.slot(at)}
			if g == FiveMinutes && k.slot < t.since {
				continue
			}
			if t.slots[k] == nil {
				t.slots[k] = &Counts{}
			}
			t.slots[k].Add(c)
		}
	}
}

// accepted counts a message that was taken.
func (t *tally) accepted(of counted) {
	c := Counts{Total: 1}
	t.add(of, ByMessage, of.arrived, c)
	t.domain(of.slot(), c)
}

// event counts an event by both timings.
func (t *tally) event(e *recorded) {
	c := e.count()
	if c == (Counts{}) {
		return
	}
	t.add(e.counted, ByMessage, e.arrived, c)
	t.add(e.counted, ByEvent, e.At, c)
	t.domain(e.slot(), c)
}

func (of counted) slot() domainSlot {
	return domainSlot{of.key, of.campaign, of.domain, dayOf(of.arrived)}
}

func (t *tally) domain(k domainSlot, c Counts) {
	for _, n := range c.fields()[domainColumns:] {
		*n = 0
	}
	if k.domain == "" || c == (Counts{}) {
		return
	}
	if t.domains[k] == nil {
		t.domains[k] = &Counts{}
	}
	t.domains[k].Add(c)
}

// widths are to how many of counterColumns one statement adds: to those of acceptance, of mail that was sent, of any end,
// of domains, or to all. A column costs about a microsecond a row, whatever is added.
var widths = [...]int{1, 2, 6, domainColumns, len(counterColumns)}

// width is the least of widths that has all of c.
func (c *Counts) width() int {
	fields := c.fields()
	n := len(fields)
	for n > 0 && *fields[n-1] == 0 {
		n--
	}
	for _, w := range widths {
		if w >= n {
			return w
		}
	}
	return len(fields)
}

var (
	upsertCounters = newUpserts("counter", []string{"key_id", "source", "source_id", "timing", "grain", "slot"})
	upsertDomains  = newUpserts("domain_counter", []string{"key_id", "campaign_id", "domain", "day"})
)

// newUpserts makes the bulk statements that add to the first counters of a table's rows, by how many they are.
func newUpserts(table string, key []string) map[int]*bulk {
	out := map[int]*bulk{}
	for _, w := range widths {
		if table != "domain_counter" || w <= domainColumns {
			out[w] = newUpsert(table, key, counterColumns[:w])
		}
	}
	return out
}

// newUpsert makes the bulk statement that adds to the sums of a table's rows.
func newUpsert(table string, key, sums []string) *bulk {
	b := newInsert(table, slices.Concat(key, sums)...)
	var set []string
	for _, c := range sums {
		set = append(set, c+" = "+table+"."+c+" + excluded."+c)
	}
	b.tail = " ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET " + strings.Join(set, ", ")
	b.build()
	return b
}

// write adds what was gathered to the sums, in one order for all, so that transactions on PostgreSQL do not wait for
// each other in a circle.
func (t *tally) write(ctx context.Context, tx *Tx) error {
	slots := make([]counterSlot, 0, len(t.slots))
	for k := range t.slots {
		slots = append(slots, k)
	}
	slices.SortFunc(slots, func(a, b counterSlot) int {
		return cmp.Or(
			cmp.Compare(a.key, b.key), cmp.Compare(a.source, b.source), cmp.Compare(a.sourceID, b.sourceID),
			cmp.Compare(a.timing, b.timing), cmp.Compare(a.grain, b.grain), cmp.Compare(a.slot, b.slot),
		)
	})
	width := 0 // one for all, since one statement after the other would not keep the order
	for _, c := range t.slots {
		width = max(width, c.width())
	}
	rows := make([]any, 0, len(slots)*(6+width))
	for _, k := range slots {
		rows = append(rows, k.key, int64(k.source), k.sourceID, int64(k.timing), int64(k.grain), k.slot)
		for _, n := range t.slots[k].fields()[:width] {
			rows = append(rows, *n)
		}
	}
	if len(rows) > 0 {
		if err := upsertCounters[width].run(ctx, tx, nil, rows); err != nil {
			return err
		}
	}
	return t.writeDomains(ctx, tx)
}

func (t *tally) writeDomains(ctx context.Context, tx *Tx) error {
	domains := make([]domainSlot, 0, len(t.domains))
	for k := range t.domains {
		domains = append(domains, k)
	}
	slices.SortFunc(domains, func(a, b domainSlot) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.day, b.day), cmp.Compare(a.campaign, b.campaign),
			cmp.Compare(a.domain, b.domain))
	})
	width := 0
	for _, c := range t.domains {
		width = max(width, c.width())
	}
	rows := make([]any, 0, len(domains)*(4+width))
	for _, k := range domains {
		rows = append(rows, k.key, k.campaign, k.domain, k.day)
		for _, n := range t.domains[k].fields()[:width] {
			rows = append(rows, *n)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return upsertDomains[width].run(ctx, tx, nil, rows)
}

// Counters sums the counters of a scope's keys: over the slots of five minutes from (included) to to (excluded), as far as
// there are any (FiveMinutesSince), or, without both, over all days.
func (s *Store) Counters(ctx context.Context, scope Scope, timing Timing, from, to time.Time) (Counts, error) {
	w := newWhere("SELECT " + sums("c", counterColumns[:]) + " FROM counter c JOIN api_key k ON k.id = c.key_id")
	scope.where(w, "k.account_id", "k.id")
	w.and("c.source = 0")
	w.and("c.source_id = c.key_id")
	w.and("c.timing = ?", int(timing))
	grain := FiveMinutes
	if from.IsZero() && to.IsZero() {
		grain = Daily
	}
	w.and("c.grain = ?", int(grain))
	if !from.IsZero() {
		w.and("c.slot >= ?", from.Unix())
	}
	if !to.IsZero() {
		w.and("c.slot < ?", to.Unix())
	}
	var c Counts
	var dest []any
	for _, n := range c.fields() {
		dest = append(dest, n)
	}
	err := s.row(ctx, w.String(), w.args...).scan(dest...)
	return c, err
}

// sums is the text that sums columns of a table's alias.
func sums(alias string, columns []string) string {
	var out []string
	for _, c := range columns {
		out = append(out, "coalesce(sum("+alias+"."+c+"), 0)")
	}
	return strings.Join(out, ", ")
}
