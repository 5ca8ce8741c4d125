// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// Promise 7: counters are the sum of the events, whatever happened, in whatever order, twice or across the end of the
// process, for every source, timing and resolution, and whether counters of five minutes were deleted meanwhile.
func TestCountersEqualTheEventsWhateverHappens(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			dsn := filepath.Join(t.TempDir(), "postern.db")
			if engine == "postgres" {
				dsn = storetest.Database(t)
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			w := &chance{t: t, dsn: dsn, Rand: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)} //nolint:gosec // not a secret
			w.open()
			for i := range 3 {
				w.keys = append(w.keys, newKey(t, w.s, fmt.Sprint("key ", i)))
			}
			for step := range 330 {
				w.step()
				if step%110 == 109 {
					w.compare()
				}
			}
			if err := w.s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// chance is a store to which random things happen.
type chance struct {
	*rand.Rand
	t        *testing.T
	dsn      string
	s        *store.Store
	now      time.Time
	keys     []store.Key
	messages []int64
	owner    string
	held     []store.Completion // claimed by this owner or an earlier one, and not completed; some twice
}

func (w *chance) open() {
	var err error
	if w.s, err = store.Open(w.t.Context(), w.dsn, store.Options{Now: func() time.Time { return w.now }}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *chance) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *chance) step() {
	switch w.now = w.now.Add(time.Duration(w.IntN(200)) * time.Second); w.IntN(15) {
	case 0, 1, 2:
		w.accept()
	case 3, 4:
		w.claim()
	case 5, 6, 7:
		w.complete()
	case 8, 9, 10, 11:
		w.engage()
	case 12:
		w.now = w.now.Add(time.Duration(w.IntN(12)) * time.Hour)
	case 13:
		if w.IntN(4) == 0 { // the process ends without a word; the next one takes over what it held
			w.ok(w.s.Close())
			w.open()
			_, err := w.s.Recover(w.t.Context())
			w.ok(err)
		}
	case 14:
		if w.IntN(3) == 0 {
			w.forgetFiveMinutes()
		}
	}
}

// forgetFiveMinutes deletes some of the counters of five minutes that are older than three days: the rest goes the next time.
func (w *chance) forgetFiveMinutes() {
	_, _, _, err := w.s.ForgetFiveMinutes(w.t.Context(), w.now.AddDate(0, 0, -3), time.Nanosecond)
	w.ok(err)
}

func pick[T any](w *chance, of ...T) T { return of[w.IntN(len(of))] }

func (w *chance) accept() {
	var b store.Batch
	for range 1 + w.IntN(4) {
		k := pick(w, w.keys...)
		x := submission(k)
		x.SenderID, x.Campaign, x.Deduplicate = pick[int64](w, 0, 11, 12), pick(w, "", "spring", "summer"), w.IntN(2) == 0
		for range 1 + w.IntN(3) {
			domain := pick(w, "example.net", "example.org", "mail.example")
			r := store.Recipient{Email: fmt.Sprintf("r%d@%s", w.IntN(20), domain), Domain: domain}
			if w.IntN(6) == 0 {
				r.Refused = mail.StatePreblocked
			}
			x.Recipients = append(x.Recipients, r)
		}
		b.Submissions = append(b.Submissions, x)
	}
	w.ok(w.s.AcceptBatch(w.t.Context(), &b))
	for _, x := range b.Submissions {
		for _, r := range x.Recipients {
			w.messages = append(w.messages, r.ID)
		}
	}
}

// claim takes what is due, under a name of its own each time: what the one before still holds, it completes too late.
func (w *chance) claim() {
	w.owner = fmt.Sprint("owner ", w.Int())
	for _, lane := range []store.Lane{store.MainLane, store.CarefulLane} {
		got, err := w.s.Claim(w.t.Context(), lane, w.owner, w.now, w.now.Add(10*time.Minute), 12)
		w.ok(err)
		for _, c := range got {
			w.held = append(w.held, store.Completion{Claimed: c, Owner: w.owner})
		}
	}
}

// complete says what came of some of what is held, in any order, some of it twice, several at once.
func (w *chance) complete() {
	w.Shuffle(len(w.held), func(i, j int) { w.held[i], w.held[j] = w.held[j], w.held[i] })
	n := min(len(w.held), 1+w.IntN(10))
	done := slices.Clone(w.held[:n])
	if w.IntN(3) > 0 { // else once more later
		w.held = slices.Delete(w.held, 0, n)
	}
	for i := range done {
		c := &done[i]
		c.At, c.Due = w.now, w.now.Add(time.Duration(w.IntN(3600))*time.Second)
		switch c.Result = pick(w, store.CompletedSent, store.CompletedSent, store.CompletedDeferred, store.CompletedDeferred, store.CompletedBounced, store.CompletedReturned); c.Result {
		case store.CompletedBounced:
			c.Permanent, c.Blocked, c.StateID = w.IntN(2) == 0, w.IntN(4) == 0, 1
		case store.CompletedSent, store.CompletedDeferred, store.CompletedReturned:
		}
	}
	w.ok(w.s.Complete(w.t.Context(), done))
}

// engage lets recipients open, click, complain and unsubscribe, several at once, now and then as the same thing again.
func (w *chance) engage() {
	if len(w.messages) == 0 {
		return
	}
	var wg sync.WaitGroup
	for range 1 + w.IntN(5) {
		e := store.Engagement{
			MessageID: pick(w, w.messages...), At: w.now,
			Type: pick(w, store.EventOpen, store.EventOpen, store.EventClick, store.EventClick, store.EventSpam, store.EventUnsub),
			Doing: store.Doing{
				URL: "https://example.com/", Agent: "Mail",
				Machine: w.IntN(3) == 0,
			},
		}
		if e.Type == store.EventSpam || e.Type == store.EventUnsub {
			e.Machine = false
		}
		for range 1 + w.IntN(2) {
			wg.Go(func() {
				if err := w.s.Engage(w.t.Context(), e); err != nil {
					w.t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

// place is what is counted in one slot.
type place struct {
	key    int64
	source store.Source
	id     int64
	timing store.Timing
	step   time.Duration
	slot   int64
}

type domainPlace struct {
	key, campaign int64
	domain        string
	day           int64
}

// expected counts the messages and their events, one after the other.
func (w *chance) expected() (map[place]store.SeriesRow, map[domainPlace]store.Counts) {
	out, domains := map[place]store.SeriesRow{}, map[domainPlace]store.Counts{}
	for _, id := range w.messages {
		m, err := w.s.Message(w.t.Context(), store.OfOperator(), store.MessageFilter{ID: id})
		w.ok(err)
		events, err := w.s.Events(w.t.Context(), store.OfOperator(), id)
		w.ok(err)
		add := func(timing store.Timing, at time.Time, c store.Counts, waiting int64) {
			for source, id := range []int64{m.KeyID, m.CampaignID, m.SenderID} {
				if id == 0 {
					continue
				}
				for _, step := range steps {
					p := place{m.KeyID, store.Source(source), id, timing, step, 0}
					if step == store.FiveMinutes.Length() && at.Before(w.s.FiveMinutesSince()) {
						p.slot = at.Unix() - at.Unix()%3600
					} else if step != 0 {
						p.slot = at.Unix() - at.Unix()%int64(step/time.Second)
					}
					row := out[p]
					row.Add(c)
					row.Waiting += waiting
					out[p] = row
				}
			}
		}
		waiting := int64(1)
		all := store.Counts{Total: 1}
		seen := map[store.EventType]bool{}
		var done time.Time
		for _, e := range events {
			c, ended := countOf(e, seen, done)
			if ended {
				waiting, done = 0, e.At
			}
			all.Add(c)
			add(store.ByEvent, e.At, c, 0)
		}
		add(store.ByMessage, m.ArrivedAt, all, waiting)
		add(store.ByEvent, m.ArrivedAt, store.Counts{Total: 1}, waiting)
		day := m.ArrivedAt.Unix() - m.ArrivedAt.Unix()%86400
		all.OpenEvents, all.ClickEvents, all.SpamEvents, all.UnsubEvents, all.MachineOpens, all.MachineClicks, all.OpenDelay, all.ClickDelay = 0, 0, 0, 0, 0, 0, 0, 0
		for _, campaign := range slices.Compact([]int64{0, m.CampaignID}) { // 0: of all campaigns
			p := domainPlace{m.KeyID, campaign, mail.Domain(m.Recipient), day}
			d := domains[p]
			d.Add(all)
			domains[p] = d
		}
	}
	return out, domains
}

var steps = []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour, 0}

// countOf is what one event counts as, after those before it.
func countOf(e store.Event, seen map[store.EventType]bool, done time.Time) (c store.Counts, ended bool) {
	var unique, delay int64
	if !e.Machine {
		if !seen[e.Type] {
			unique = 1
		}
		seen[e.Type] = true
	}
	if !done.IsZero() {
		delay = e.At.Unix() - done.Unix()
	}
	switch e.Type {
	case store.EventSent:
		return store.Counts{Sent: 1}, true
	case store.EventBlocked:
		return store.Counts{Blocked: 1}, true
	case store.EventBounce:
		if e.Permanent {
			return store.Counts{Hard: 1}, true
		}
		return store.Counts{Soft: 1}, true
	case store.EventDeferred:
		c.Deferred = unique
	case store.EventOpen:
		if c = (store.Counts{Opened: unique, OpenEvents: 1, OpenDelay: delay}); e.Machine {
			c = store.Counts{MachineOpens: 1}
		}
	case store.EventClick:
		if c = (store.Counts{Clicked: unique, ClickEvents: 1, ClickDelay: delay}); e.Machine {
			c = store.Counts{MachineClicks: 1}
		}
	case store.EventSpam:
		c.Spam, c.SpamEvents = unique, 1
	case store.EventUnsub:
		c.Unsub, c.UnsubEvents = unique, 1
	}
	return c, false
}

// compareWithinAnHour: hours of a period that begins and ends within one are made of its five minutes alone.
func (w *chance) compareWithinAnHour(want map[place]store.SeriesRow) {
	w.t.Helper()
	first, last := int64(1<<62), int64(0)
	for p := range want {
		if p.step == store.FiveMinutes.Length() {
			first, last = min(first, p.slot), max(last, p.slot)
		}
	}
	from, to := time.Unix(max(first, w.s.FiveMinutesSince().Unix()), 0).Add(5*time.Minute), time.Unix(last, 0)
	var sum, got store.Counts
	for p, r := range want {
		if at := time.Unix(p.slot, 0); p.step == store.FiveMinutes.Length() && p.timing == store.ByMessage && !at.Before(from) && at.Before(to) {
			sum.Add(r.Counts)
		}
	}
	for _, source := range []store.Source{store.OfKeyItself, store.OfCampaign, store.OfSender} {
		rows, err := w.s.Series(w.t.Context(), store.OfOperator(), store.SeriesQuery{Source: source, Timing: store.ByMessage, Step: time.Hour, From: from, To: to})
		w.ok(err)
		for _, r := range rows {
			got.Add(r.Counts)
		}
	}
	if got != sum {
		w.t.Errorf("from %v to %v: %+v, want %+v", from, to, got, sum)
	}
}

func (w *chance) compare() {
	w.t.Helper()
	want, domains := w.expected()
	got := map[place]store.SeriesRow{}
	for _, source := range []store.Source{store.OfKeyItself, store.OfCampaign, store.OfSender} {
		for _, timing := range []store.Timing{store.ByMessage, store.ByEvent} {
			for _, step := range steps {
				rows, err := w.s.Series(w.t.Context(), store.OfOperator(), store.SeriesQuery{Source: source, Timing: timing, Step: step})
				w.ok(err)
				for _, r := range rows {
					p := place{r.KeyID, source, r.SourceID, timing, step, 0}
					if step != 0 {
						p.slot = r.At.Unix()
					}
					got[p] = store.SeriesRow{Counts: r.Counts, Waiting: r.Waiting}
				}
			}
		}
	}
	same(w.t, got, want)
	w.compareWithinAnHour(want)
	byDomain := map[domainPlace]store.Counts{}
	for p := range domains {
		k := w.keys[slices.IndexFunc(w.keys, func(k store.Key) bool { return k.ID == p.key })]
		day := time.Unix(p.day, 0)
		rows, err := w.s.DomainCounts(w.t.Context(), store.OfKey(k.AccountID, k.ID), store.BreakdownQuery{CampaignID: p.campaign, From: day, To: day.Add(24 * time.Hour)})
		w.ok(err)
		for _, r := range rows {
			byDomain[domainPlace{p.key, p.campaign, r.Name, p.day}] = r.Counts
		}
	}
	same(w.t, byDomain, domains)
}

// same compares two maps and says where they differ.
func same[K comparable, V comparable](t *testing.T, got, want map[K]V) {
	t.Helper()
	if len(want) == 0 {
		t.Error("nothing was counted")
	}
	var zero V
	for p, v := range want {
		if got[p] != v && v != zero {
			t.Errorf("%+v\ncounted %+v\nevents  %+v", p, got[p], v)
		}
	}
	for p, v := range got {
		if _, ok := want[p]; !ok && v != zero {
			t.Errorf("%+v: counted %+v, and there are no events", p, v)
		}
	}
}
