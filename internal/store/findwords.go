// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
)

// compared says whether words are compared here, row by row, with what an index left.
func (h *messageSearch) compared() bool { return h.asked > 0 && h.by != byWords }

// matching reads up to limit rows of a way and returns the IDs of those whose documents fulfil the terms; last is the last row
// that it looked at, 0 when there are no more.
func (h *messageSearch) matching(ctx context.Context, by way, desc bool, limit int) (ids []int64, last int64, err error) {
	w, id := h.from("SELECT "+documentColumns, by)
	if by == byWords { // those that the index has at hand
		w.and(h.s.d.found, h.s.d.find(atHand(h.terms)))
	}
	w.add(" ORDER BY " + id)
	if desc {
		w.add(" DESC")
	}
	w.add(" LIMIT ?", limit)
	rows, err := collect(ctx, h.s, scanDocument, w.String(), w.args...)
	for i := range rows {
		if matches(rows[i].words(), h.terms) {
			ids = append(ids, rows[i].id)
		}
	}
	if len(rows) == limit {
		last = rows[limit-1].id
	}
	return ids, last, err
}

// find returns the IDs of up to want messages from the beginning of the order, for the ways that go by words.
func (h *messageSearch) find(ctx context.Context, desc bool, want int) ([]int64, error) {
	if h.compared() {
		ids, _, err := h.matching(ctx, h.by, desc, fewRows)
		return ids, err
	}
	below, above := h.f.Below, h.f.Above
	defer func() { h.f.Below, h.f.Above = below, above }()
	// First what is not in the index yet: what gets in meanwhile is then found twice, not missed.
	ids, _, err := h.matching(ctx, unindexed, true, maxUnindexed)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(h.terms, term.wide) {
		compared, last, err := h.matching(ctx, byWords, desc, compareFirst)
		if err != nil {
			return nil, err
		}
		if ids = append(ids, compared...); len(compared) >= want || last == 0 {
			return inOrder(ids, desc), nil
		}
		if desc {
			h.f.Below = last
		} else {
			h.f.Above = last
		}
	}
	w, id := h.from("SELECT search.rowid", byWords)
	w.and(h.s.d.found, h.s.d.find(h.terms))
	w.add(" ORDER BY " + id)
	if desc {
		w.add(" DESC")
	}
	w.add(" LIMIT ?", want)
	indexed, err := collect(ctx, h.reader(), scanID, w.String(), w.args...)
	return inOrder(append(ids, indexed...), desc), err
}

// inOrder sorts IDs and leaves each once.
func inOrder(ids []int64, desc bool) []int64 {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if desc {
		slices.Reverse(ids)
	}
	return ids
}

// countIndexed counts what the index of words finds; rows are read only where something is asked of them.
func (h *messageSearch) countIndexed(ctx context.Context, atMost int) (n int, err error) {
	var w *where
	if h.onRows() {
		w, _ = h.from("SELECT count(*) FROM (SELECT 1", byWords)
	} else {
		w = newWhere("SELECT count(*) FROM (SELECT 1 FROM search")
		h.ids(w, "search.rowid")
	}
	w.and(h.s.d.found, h.s.d.find(h.terms))
	limited(w, atMost)
	err = h.s.row(ctx, w.String(), w.args...).scan(&n)
	return n, err
}

// limited ends a count of "SELECT count(*) FROM (SELECT 1 …" at a number, 0 for none.
func limited(w *where, atMost int) {
	if atMost > 0 {
		w.add(" LIMIT ?", atMost)
	}
	w.add(") x")
}
