// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"time"

	"postern/internal/mail"
)

const suppressionColumns = "id, account_id, key_id, email, reason, note, message_id, created_at"

func scanSuppression(r scanner) (Suppression, error) {
	var x Suppression
	err := r.scan(&x.ID, &x.AccountID, &x.KeyID, &x.Email, &x.Reason, &x.Note, &x.MessageID, nullTime{&x.CreatedAt})
	return x, err
}

// SuppressionFilter bounds a listing of suppressions within a scope. Zero fields do not filter.
type SuppressionFilter struct {
	ID       int64
	KeyID    int64
	Email    string // whole, however its domain is written
	Search   string // the beginning of the address, or @domain
	Reason   SuppressionReason
	From, To time.Time // of creation, To excluded
	Below    int64     // IDs below this one
	Above    int64     // IDs above this one
}

// byAddress says whether the filter is about addresses, so that the index of them is the way in.
func (f SuppressionFilter) byAddress() bool { return f.Email != "" || f.Search != "" }

// within bounds a query by the scope in the way that the indexes are made: by key where it is one, by account where it
// is all of its keys.
func (f SuppressionFilter) within(w *where, scope Scope) {
	key := f.KeyID
	if key == 0 {
		key = scope.key
	}
	if key == 0 && len(scope.keys) == 1 {
		key = scope.keys[0]
	}
	if key == 0 && !f.byAddress() {
		scope.where(w, "account_id", "key_id")
		return
	}
	// The scope is checked where the keys are, so that no other index looks as good.
	in := newWhere("")
	scope.where(in, "account_id", "id")
	if key != 0 {
		in.and("id = ?", key)
		w.and("key_id = (SELECT id FROM api_key"+questions(in.String())+")", in.args...)
		return
	}
	w.and("key_id IN (SELECT id FROM api_key"+questions(in.String())+")", in.args...)
}

// questions turns $n back into ?, to put one where into another.
func questions(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "$")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteByte('?')
		s = strings.TrimLeft(after, "0123456789")
	}
}

// lastRune is above all that can follow the beginning of an address.
const lastRune = "\U0010FFFF"

func (f SuppressionFilter) where(w *where) {
	if f.ID != 0 {
		w.and("id = ?", f.ID)
	}
	if f.Email != "" {
		w.and("email = ?", mail.Canonical(f.Email))
	}
	search := strings.ToLower(f.Search)
	domain, ofDomain := strings.CutPrefix(search, "@")
	switch box, err := mail.ParseMailbox(f.Search); {
	case err == nil:
		search = box.Canonical()
	case ofDomain:
		search = "@" + mail.CanonicalDomain(domain)
	}
	switch {
	case search == "":
	case ofDomain:
		w.and("email LIKE ? ESCAPE '!'", "%"+escapeLike(search))
	default:
		w.and("email >= ?", search)
		w.and("email < ?", search+lastRune)
	}
	if f.Reason != 0 {
		w.and("reason = ?", int(f.Reason))
	}
	if !f.From.IsZero() {
		w.and("created_at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.and("created_at < ?", micros(f.To))
	}
	if f.Below != 0 {
		w.and("id < ?", f.Below)
	}
	if f.Above != 0 {
		w.and("id > ?", f.Above)
	}
}

// Suppressions lists entries of the scope by ID.
//
// The indexes have the reason before the ID, so that a filter by it walks its own entries alone. Without one the
// listing merges the beginnings of the four.
func (s *Store) Suppressions(ctx context.Context, scope Scope, f SuppressionFilter, p Page) ([]Suppression, error) {
	w := newWhere("")
	if f.Reason != 0 || f.byAddress() || f.ID != 0 {
		w.add("SELECT " + suppressionColumns + " FROM suppression")
		f.within(w, scope)
		f.where(w)
	} else {
		w.add("SELECT " + suppressionColumns + " FROM (")
		for i, r := range SuppressionReasons() {
			if i > 0 {
				w.add(" UNION ALL ")
			}
			w.add("SELECT * FROM (SELECT " + suppressionColumns + " FROM suppression")
			w.any = false
			f.within(w, scope)
			f.Reason = r
			f.where(w)
			w.order(p, "id")
			w.add(" LIMIT ?) AS r"+r.String(), p.limit()+max(p.Offset, 0))
		}
		w.add(") AS x")
	}
	w.page(p, "id")
	return collect(ctx, s, scanSuppression, w.String(), w.args...)
}

// Suppression reads one entry of the scope, by the filter's ID or address.
func (s *Store) Suppression(ctx context.Context, scope Scope, f SuppressionFilter) (Suppression, error) {
	list, err := s.Suppressions(ctx, scope, f, Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Suppression{}, err
	}
	return list[0], nil
}

// SuppressionCounts are how many entries there are by reason.
type SuppressionCounts map[SuppressionReason]int

// Total is the sum of all reasons.
func (c SuppressionCounts) Total() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// CountSuppressions counts the entries of the scope that match, by reason.
func (s *Store) CountSuppressions(ctx context.Context, scope Scope, f SuppressionFilter) (SuppressionCounts, error) {
	w := newWhere("SELECT reason, count(*) FROM suppression")
	f.within(w, scope)
	f.where(w)
	w.add(" GROUP BY reason")
	type row struct {
		reason SuppressionReason
		n      int
	}
	list, err := collect(ctx, s, func(r scanner) (row, error) {
		var x row
		err := r.scan(&x.reason, &x.n)
		return x, err
	}, w.String(), w.args...)
	out := SuppressionCounts{}
	for _, x := range list {
		out[x.reason] = x.n
	}
	return out, err
}
