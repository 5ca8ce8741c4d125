// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Totals sums the counters of a scope's keys since their creation, and says when something last happened, to the slot.
// It reads the days: as many rows as the keys have days with mail.
func (s *Store) Totals(ctx context.Context, scope Scope) (Counts, time.Time, error) {
	w := newWhere("SELECT " + sums("c", counterColumns[:]) + " FROM counter c JOIN api_key k ON k.id = c.key_id")
	ofKeys(w, scope)
	w.and("c.timing = ?", int(ByMessage))
	w.and("c.grain = ?", int(Daily))
	var c Counts
	var dest []any
	for _, n := range c.fields() {
		dest = append(dest, n)
	}
	if err := s.row(ctx, w.String(), w.args...).scan(dest...); err != nil {
		return c, time.Time{}, err
	}
	w = newWhere("SELECT coalesce(max(c.slot), 0) FROM counter c JOIN api_key k ON k.id = c.key_id")
	ofKeys(w, scope)
	var last int64
	if err := s.row(ctx, w.String(), w.args...).scan(&last); err != nil || last == 0 {
		return c, time.Time{}, err
	}
	return c, time.Unix(last, 0).UTC(), nil
}

// ofKeys bounds a query of the counters c to those of the scope's keys themselves.
func ofKeys(w *where, scope Scope) {
	scope.where(w, "k.account_id", "k.id")
	w.and("c.source = ?", int(OfKeyItself))
	w.and("c.source_id = c.key_id")
}
