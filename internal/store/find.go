// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"postern/internal/mail"
)

// A listing of messages is ordered by ID, which is the order of arrival, and reads them by the one index that leaves the
// fewest to look at: see [messageSearch.choose]. All other conditions are asked of each row.

// way is what a listing is read by.
type way int

const (
	byOrder    way = iota // all of the key, the account or everything
	byID                  // one
	byContact             // the index of recipients
	byCustomID            // the index of CustomIDs, when few submissions have it
	byStatus              // the indexes of states that few messages are in
	byState               // the indexes of why messages did not arrive
	byQueue               // what waits
	byWords               // the index of words
	unindexed             // what is not in the index of words yet
)

// froms are the tables of the ways, in the order in which they are joined, and the column with the message's ID.
var froms = map[way]struct{ tables, on, id string }{
	byOrder:    {"message m CROSS JOIN submission s", "s.id = m.submission_id", "m.id"},
	byCustomID: {"submission s CROSS JOIN message m", "m.submission_id = s.id", "m.id"},
	byQueue:    {"queue q CROSS JOIN message m CROSS JOIN submission s", "m.id = q.message_id AND s.id = m.submission_id", "q.message_id"},
	byWords:    {"search CROSS JOIN message m CROSS JOIN submission s", "m.id = search.rowid AND s.id = m.submission_id", "search.rowid"},
	unindexed: {
		"search_todo t CROSS JOIN message m CROSS JOIN submission s", "m.id = t.message_id AND s.id = m.submission_id",
		"t.message_id",
	},
}

const (
	// fewRows is up to how many rows are few: they are looked at one by one, and their words compared here.
	fewRows = 500
	// maxUnindexed is how many of the newest messages that are not in the index of words yet are looked at one by one.
	// More wait only while mail comes in faster than the index is filled.
	maxUnindexed = 5000
	// compareFirst is how many messages are compared before the index gathers all words with a long beginning.
	compareFirst = 300
)

// messageSearch is one search for messages.
type messageSearch struct {
	s      *Store
	scope  Scope
	f      MessageFilter
	key    int64  // the one key that it is about, 0: several
	terms  []term // what their documents must have, marks of the scope included
	asked  int    // how many of the terms were asked for
	lo, hi int64  // IDs of the period, 0: no bound
	none   bool   // nothing can match
	by     way
}

// search finds out how to read what the filter asks for.
func (s *Store) search(ctx context.Context, scope Scope, f MessageFilter) (*messageSearch, error) {
	h := &messageSearch{s: s, scope: scope, f: f, key: f.KeyID}
	if h.key == 0 {
		h.key = scope.key
	}
	if h.key == 0 && len(scope.keys) == 1 {
		h.key = scope.keys[0]
	}
	h.none = scope.keys != nil && len(scope.keys) == 0 || scope.account == 0 && !scope.all
	if h.none || f.ID != 0 || f.UUID != uuid.Nil {
		h.by = byID
		return h, nil
	}
	if err := h.period(ctx); err != nil || h.none {
		return h, err
	}
	if err := h.addTerms(ctx); err != nil || h.none {
		return h, err
	}
	return h, h.choose(ctx)
}

// reader is where a listing is read: in a period by a statement made for its values, since SQLite chooses by how many rows
// are between them.
func (h *messageSearch) reader() queryable {
	if h.lo != 0 || h.hi != 0 {
		return byValue{h.s}
	}
	return h.s
}

// period turns times of arrival into a range of IDs.
func (h *messageSearch) period(ctx context.Context) error {
	if h.f.From.IsZero() && h.f.To.IsZero() {
		return nil
	}
	w := newWhere("SELECT coalesce(min(first_id), 0), coalesce(max(last_id), 0) FROM arrival")
	if !h.f.From.IsZero() {
		w.and("slot >= ?", arrivalSlot(h.f.From))
	}
	if !h.f.To.IsZero() {
		w.and("slot <= ?", arrivalSlot(h.f.To))
	}
	err := byValue{h.s}.row(ctx, w.String(), w.args...).scan(&h.lo, &h.hi)
	h.none = h.hi == 0
	return err
}

// addTerms gathers what the index of words can answer.
func (h *messageSearch) addTerms(ctx context.Context) error {
	f := &h.f
	add := func(kind string, ids ...int64) {
		t := term{}
		for _, id := range ids {
			t.any = append(t.any, mark(kind, id))
		}
		h.terms = append(h.terms, t)
	}
	if h.terms = termsOf(f.Search); f.Search != "" && len(h.terms) == 0 {
		h.none = true // what was typed has no word
	}
	if f.Domain != "" {
		add(markDomain, mail.DestinationID(mail.Domain("x@"+f.Domain)))
	}
	if f.Destination != 0 {
		add(markDomain, f.Destination)
	}
	if f.SenderID != 0 {
		add(markSender, f.SenderID)
	}
	if f.FromEmail != "" {
		h.exactly(mail.Canonical(f.FromEmail))
	}
	if f.FromDomain != "" {
		h.exactly(mail.CanonicalDomain(f.FromDomain))
	}
	if f.CampaignID != 0 {
		add(markCampaign, f.CampaignID)
	}
	if f.Campaign != "" {
		ids, err := h.s.campaignsNamed(ctx, h.scope, f.Campaign)
		if err != nil {
			return err
		}
		if h.none = h.none || len(ids) == 0; !h.none {
			add(markCampaign, ids...)
		}
	}
	h.asked = len(h.terms)
	if h.scope.account != 0 {
		add(markAccount, h.scope.account)
	}
	if h.scope.keys != nil {
		add(markKey, h.scope.keys...)
	}
	for _, key := range []int64{h.scope.key, f.KeyID} {
		if key != 0 {
			add(markKey, key)
		}
	}
	return nil
}

// exactly adds the words of something that is compared whole beside.
func (h *messageSearch) exactly(text string) {
	for _, w := range words(text) {
		h.terms = append(h.terms, term{any: []string{w}})
	}
}

// choose picks the way. Words are compared here where few rows are left by an index, and looked up otherwise.
func (h *messageSearch) choose(ctx context.Context) error {
	f := &h.f
	status := Status(-1)
	if f.Status != nil {
		status = *f.Status
	}
	var few way
	switch {
	case f.contact() != 0 && h.asked == 0:
		h.by = byContact
		return nil
	case f.contact() != 0:
		if f.Recipient != "" {
			h.exactly(mail.Canonical(f.Recipient))
		}
	case f.CustomID != "":
		few = byCustomID
	case f.StateID != 0:
		few = byState
	case status >= 0 && status != StatusQueued && status != StatusSent:
		few = byStatus
	case status == StatusQueued && h.asked == 0:
		h.by = byQueue
		return nil
	}
	if few != 0 {
		h.by = few
		if few != byCustomID && h.asked == 0 {
			return nil // in the order of its index
		}
		n, err := h.few(ctx)
		if err != nil || n < fewRows {
			return err
		}
		if few == byCustomID {
			h.asked++
			h.terms = append(h.terms, term{any: []string{markOfCustomID(f.CustomID)}})
		}
	}
	h.by = byOrder
	if h.asked > 0 || f.contact() != 0 || h.key == 0 && h.scope.keys != nil {
		h.by = byWords
	}
	return nil
}

// few counts the rows that the way's index leaves, up to fewRows.
func (h *messageSearch) few(ctx context.Context) (n int, err error) {
	w := newWhere("SELECT count(*) FROM (SELECT 1 FROM message m")
	if h.by == byCustomID {
		w = newWhere("SELECT count(*) FROM (SELECT 1 FROM submission s CROSS JOIN message m")
		w.and("m.submission_id = s.id")
		w.and("s.custom_id = ?", h.f.CustomID)
		w.and("s.custom_id <> ''")
	} else {
		h.bound(w)
		h.conditionsOfState(w)
		h.ids(w, "m.id")
	}
	w.add(" LIMIT ?) x", fewRows)
	err = h.s.row(ctx, w.String(), w.args...).scan(&n)
	return n, err
}

// from writes the tables of a way and all conditions but those on words.
func (h *messageSearch) from(head string, by way) (w *where, id string) {
	from, ok := froms[by]
	if !ok {
		from = froms[byOrder]
	}
	w = newWhere(head + " FROM " + from.tables)
	w.and(from.on)
	h.conditions(w, by, from.id)
	return w, from.id
}

// bound writes the scope so that its index is used.
func (h *messageSearch) bound(w *where) {
	noIndex := h.s.d.noIndex
	account := "m.account_id"
	if h.key != 0 {
		account = noIndex + account
	}
	h.scope.where(w, account, noIndex+"m.key_id")
	if h.key != 0 {
		w.and("m.key_id = ?", h.key)
	}
}

func (h *messageSearch) ids(w *where, id string) {
	if h.lo != 0 {
		w.and(id+" >= ?", h.lo)
	}
	if h.hi != 0 {
		w.and(id+" <= ?", h.hi)
	}
	if h.f.Below != 0 {
		w.and(id+" < ?", h.f.Below)
	}
	if h.f.Above != 0 {
		w.and(id+" > ?", h.f.Above)
	}
}

// conditionsOfState writes the state so that its index is used: that of few states has them named (migration 5).
func (h *messageSearch) conditionsOfState(w *where) {
	if h.by == byState {
		w.and("m.state_id = ?", h.f.StateID)
		w.and("m.state_id <> 0")
		return
	}
	w.and("m.status = " + strconv.Itoa(int(*h.f.Status)))
	w.and("m.status NOT IN (1, 2)")
}

func (h *messageSearch) conditions(w *where, by way, id string) {
	f, noIndex := &h.f, h.s.d.noIndex
	if by == byOrder || by == byStatus || by == byState {
		h.bound(w)
	} else {
		h.scope.where(w, noIndex+"m.account_id", noIndex+"m.key_id")
		if h.key != 0 {
			w.and(noIndex+"m.key_id = ?", h.key)
		}
	}
	if by == byQueue && h.key != 0 {
		w.and("q.key_id = ?", h.key)
	}
	if f.ID != 0 {
		w.and("m.id = ?", f.ID)
	}
	if f.UUID != uuid.Nil {
		w.and("m.uuid = ?", f.UUID[:])
	}
	h.ids(w, id)
	if by == byStatus || by == byState {
		h.conditionsOfState(w)
	}
	if f.StateID != 0 && by != byState {
		w.and(noIndex+"m.state_id = ?", f.StateID)
	}
	if f.Status != nil && by != byStatus {
		w.and(noIndex+"m.status = ?", int(*f.Status))
	}
	if c := f.contact(); c != 0 {
		if by != byContact {
			w.and(noIndex+"m.contact = ?", c)
		} else {
			w.and("m.contact = ?", c)
		}
	}
	if !f.From.IsZero() {
		w.and("m.arrived_at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.and("m.arrived_at < ?", micros(f.To))
	}
	h.ofSubmission(w)
}

// ofSubmission are the conditions on the submission that no mark of the index stands for.
func (h *messageSearch) ofSubmission(w *where) {
	f := &h.f
	if f.CustomID != "" {
		w.and("s.custom_id = ?", f.CustomID)
		w.and("s.custom_id <> ''")
	}
	if f.FromEmail != "" {
		w.and("lower(s.header_from) = ?", mail.Canonical(f.FromEmail))
	}
	if f.FromDomain != "" {
		w.and("lower(s.header_from) LIKE ? ESCAPE '!'", "%@"+escapeLike(mail.CanonicalDomain(f.FromDomain)))
	}
}

// onRows says whether anything is asked of the rows themselves, beside the index of words.
func (h *messageSearch) onRows() bool {
	f := &h.f
	return f.StateID != 0 || f.Status != nil || f.contact() != 0 || !f.From.IsZero() || !f.To.IsZero() || f.CustomID != "" ||
		f.FromEmail != "" || f.FromDomain != ""
}
