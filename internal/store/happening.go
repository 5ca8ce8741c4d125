// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"time"
)

// Happening is an event with what its message says, as listings of opens, clicks and bounces show it.
type Happening struct {
	Event
	Contact    int64
	CampaignID int64 // 0: none
	ArrivedAt  time.Time
	DoneAt     time.Time
}

// HappeningFilter bounds a listing of events. Zero fields do not filter.
type HappeningFilter struct {
	Types      []EventType // of these kinds, none of them EventSent
	KeyID      int64       // the key whose events they are
	MessageID  int64
	CampaignID int64
	Contact    int64
	SenderID   int64
	From, To   time.Time // of the message's arrival, To excluded
	EventFrom  time.Time // of the event
	EventTo    time.Time // excluded
	Machines   bool      // also what no person did
}

const happeningFrom = ` FROM event e JOIN message m ON m.id = e.message_id JOIN submission s ON s.id = m.submission_id LEFT JOIN engagement g ON g.event_id = e.id`

// where bounds the listing by event_key_type, the condition of which stands in the text as it does in the index.
func (f HappeningFilter) where(w *where, scope Scope) {
	w.and("e.key_id = ?", f.KeyID)
	w.and("e.type <> 1")
	types := make([]int64, len(f.Types))
	for i, t := range f.Types {
		types[i] = int64(t)
	}
	w.in("e.type", types)
	scope.where(w, "m.account_id", "m.key_id")
	for _, x := range []struct {
		column string
		id     int64
	}{{"e.message_id", f.MessageID}, {"s.campaign_id", f.CampaignID}, {"m.contact", f.Contact}, {"s.sender_id", f.SenderID}} {
		if x.id != 0 {
			w.and(x.column+" = ?", x.id)
		}
	}
	for _, x := range []struct {
		cond string
		at   time.Time
	}{{"m.arrived_at >= ?", f.From}, {"m.arrived_at < ?", f.To}, {"e.at >= ?", f.EventFrom}, {"e.at < ?", f.EventTo}} {
		if !x.at.IsZero() {
			w.and(x.cond, micros(x.at))
		}
	}
	if !f.Machines {
		w.and("(g.machine IS NULL OR NOT g.machine)")
	}
}

// Happenings lists events of a key of the scope, by their ID.
func (s *Store) Happenings(ctx context.Context, scope Scope, f HappeningFilter, p Page) ([]Happening, error) {
	w := newWhere("SELECT e.id, e.message_id, e.key_id, e.type, e.at, e.attempt, e.code, e.enhanced, e.line, e.host, e.tls, " +
		"e.state_id, e.permanent, g.ip, g.agent, g.url, g.source, g.machine, m.contact, s.campaign_id, m.arrived_at, m.done_at" +
		happeningFrom)
	f.where(w, scope)
	w.page(p, "e.id")
	return collect(ctx, s, func(r scanner) (Happening, error) {
		var h Happening
		var err error
		h.Event, err = scanEvent(more{r, []any{&h.Contact, &h.CampaignID, nullTime{&h.ArrivedAt}, nullTime{&h.DoneAt}}})
		return h, err
	}, w.String(), w.args...)
}

// more scans columns that follow those that its caller asks for.
type more struct {
	r    scanner
	dest []any
}

func (m more) scan(dest ...any) error { return m.r.scan(append(dest, m.dest...)...) }

// CountHappenings counts the events that match.
func (s *Store) CountHappenings(ctx context.Context, scope Scope, f HappeningFilter) (n int, err error) {
	w := newWhere("SELECT count(*)" + happeningFrom)
	f.where(w, scope)
	err = s.row(ctx, w.String(), w.args...).scan(&n)
	return n, err
}

// LinkCount is how often a link was clicked.
type LinkCount struct {
	URL      string
	Clicks   int64
	Messages int64 // in which it was clicked at least once
	First    int64 // ID of its first click
}

// LinkCounts are the links that were clicked, the most clicked first.
func (s *Store) LinkCounts(ctx context.Context, scope Scope, f HappeningFilter, p Page) ([]LinkCount, error) {
	f.Types = []EventType{EventClick}
	w := newWhere("SELECT g.url, count(*), count(DISTINCT e.message_id), min(e.id)" + happeningFrom)
	f.where(w, scope)
	w.add(" GROUP BY g.url")
	w.page(p, "2 DESC, 4")
	return collect(ctx, s, func(r scanner) (LinkCount, error) {
		var l LinkCount
		err := r.scan(&l.URL, &l.Clicks, &l.Messages, &l.First)
		return l, err
	}, w.String(), w.args...)
}

// CountLinks counts the links that were clicked.
func (s *Store) CountLinks(ctx context.Context, scope Scope, f HappeningFilter) (n int, err error) {
	f.Types = []EventType{EventClick}
	w := newWhere("SELECT count(DISTINCT g.url)" + happeningFrom)
	f.where(w, scope)
	err = s.row(ctx, w.String(), w.args...).scan(&n)
	return n, err
}

// AgentCount is how often one recipient's program opened or clicked.
type AgentCount struct {
	Agent   string
	Contact int64
	Events  int64
}

// AgentCounts are up to most programs that recipients read their mail with, each with each recipient.
func (s *Store) AgentCounts(ctx context.Context, scope Scope, f HappeningFilter, most int) ([]AgentCount, error) {
	w := newWhere("SELECT coalesce(g.agent, ''), m.contact, count(*)" + happeningFrom)
	f.where(w, scope)
	w.add(" GROUP BY 1, 2 LIMIT ?", most)
	return collect(ctx, s, func(r scanner) (AgentCount, error) {
		var a AgentCount
		err := r.scan(&a.Agent, &a.Contact, &a.Events)
		return a, err
	}, w.String(), w.args...)
}

// Ending is how a message bounced and what its recipient complained of.
type Ending struct {
	MessageID int64
	BouncedAt time.Time // zero: it did not
	Line      string    // the other side's words at it
	SpamAt    time.Time
	Source    string // who reported the complaint
}

// Endings reads the bounces and complaints of up to 1,000 messages of the scope.
func (s *Store) Endings(ctx context.Context, scope Scope, messageIDs []int64) (map[int64]Ending, error) {
	out := map[int64]Ending{}
	if len(messageIDs) == 0 {
		return out, nil
	}
	w := newWhere("SELECT e.message_id, e.type, e.at, e.line, g.source FROM event e JOIN message m ON m.id = e.message_id LEFT JOIN " +
		"engagement g ON g.event_id = e.id")
	scope.where(w, "m.account_id", "m.key_id")
	w.in("e.message_id", messageIDs)
	w.and("e.type IN (2, 3, 7)")
	w.add(" ORDER BY e.id DESC") // the first of each kind is the one that stays
	_, err := collect(ctx, s, func(r scanner) (struct{}, error) {
		var id int64
		var kind EventType
		var at time.Time
		var line string
		var source sql.NullString
		err := r.scan(&id, &kind, nullTime{&at}, &line, &source)
		e := out[id]
		if e.MessageID = id; kind == EventSpam {
			e.SpamAt, e.Source = at, source.String
		} else {
			e.BouncedAt, e.Line = at, line
		}
		out[id] = e
		return struct{}{}, err
	}, w.String(), w.args...)
	return out, err
}
