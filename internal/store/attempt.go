// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// attemptsKept is how many attempts of an owner are kept in the log of its webhooks.
const attemptsKept = 1000

// Attempt is one request to an endpoint, in the log of its owner.
type Attempt struct {
	ID int64
	Owner
	At        time.Time
	Target    string // scheme and host
	WebhookID string
	Version   int
	Types     []EventType // of the events, each once
	EventIDs  []int64     // of what was in it, in order; a sample has none
	Count     int         // of events
	Number    int         // of the attempt, from 1
	Outcome   AttemptOutcome
	Status    int    // of the answer; 0: there was none
	Error     string // "" of a success
	Took      time.Duration
	Body      []byte // of a sample
}

var insertAttempts = newInsert("attempt", "account_id", "key_id", "at", "target", "webhook_id", "version", "types", "events",
	"event_count", "attempt", "outcome", "status", "error", "took", "body")

func (a *Attempt) args() []any {
	types := 0
	for _, t := range a.Types {
		types |= 1 << t
	}
	ids := make([]string, len(a.EventIDs))
	for i, id := range a.EventIDs {
		ids[i] = strconv.FormatInt(id, 10)
	}
	return []any{
		a.AccountID, a.KeyID, micros(a.At), a.Target, a.WebhookID, a.Version, types, strings.Join(ids, " "), a.Count, a.Number,
		int(a.Outcome),
		a.Status, a.Error, a.Took.Microseconds(), a.Body,
	}
}

const attemptSelect = "SELECT a.id, a.account_id, a.key_id, a.at, a.target, a.webhook_id, a.version, a.types, a.events, " +
	"a.event_count, a.attempt, a.outcome, " +
	"a.status, a.error, a.took, a.body FROM attempt a"

func scanAttempt(r scanner) (Attempt, error) {
	var a Attempt
	var types, took int64
	var events string
	err := r.scan(&a.ID, &a.AccountID, &a.KeyID, nullTime{&a.At}, &a.Target, &a.WebhookID, &a.Version, &types, &events, &a.Count,
		&a.Number, &a.Outcome,
		&a.Status, &a.Error, &took, &a.Body)
	if err != nil {
		return a, err
	}
	a.Took = time.Duration(took) * time.Microsecond
	for t := EventSent; t <= maxEventType; t++ {
		if types&(1<<t) != 0 {
			a.Types = append(a.Types, t)
		}
	}
	for text := range strings.FieldsSeq(events) {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return a, err
		}
		a.EventIDs = append(a.EventIDs, id)
	}
	return a, nil
}

// logAttempts adds requests to their owners' logs, and shortens those that have grown.
func (tx *Tx) logAttempts(ctx context.Context, items []*AttemptResult, rows []any) error {
	if err := insertAttempts.run(ctx, tx, nil, rows); err != nil {
		return err
	}
	for _, x := range items {
		if !tx.s.logged.due(x.Owner) {
			continue
		}
		_, err := tx.exec(ctx, `DELETE FROM attempt WHERE account_id = $1 AND key_id = $2
 AND id <= (SELECT id FROM attempt WHERE account_id = $1 AND key_id = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)`, x.AccountID, x.KeyID, attemptsKept)
		if err != nil {
			return err
		}
	}
	return nil
}

// attemptCounts are how many attempts each owner's log has got since it was shortened. Only the group commit's one writer
// uses it.
type attemptCounts map[Owner]int

// due counts an attempt and says whether the owner's log is to be shortened: every hundredth time.
func (c attemptCounts) due(o Owner) bool {
	if c[o]++; c[o] < attemptsKept/10 {
		return false
	}
	delete(c, o)
	return true
}

// AttemptFilter bounds a listing of attempts within a scope. Zero fields do not filter.
type AttemptFilter struct {
	ID       int64
	KeyID    int64
	Account  *bool // accounts' own, or keys'
	Type     EventType
	Failed   *bool
	From, To time.Time // To excluded
	Below    int64     // IDs below this one
}

// Attempts lists attempts of the scope, the latest first.
func (s *Store) Attempts(ctx context.Context, scope Scope, f AttemptFilter, limit int) ([]Attempt, error) {
	w := newWhere(attemptSelect)
	scope.where(w, "a.account_id", "a.key_id")
	if f.ID != 0 {
		w.and("a.id = ?", f.ID)
	}
	if f.KeyID != 0 {
		w.and("a.key_id = ?", f.KeyID)
	}
	if f.Account != nil {
		w.and("(a.key_id = 0) = ?", *f.Account)
	}
	if f.Type != 0 {
		w.and("(a.types & ?) <> 0", 1<<int(f.Type))
	}
	if f.Failed != nil {
		if *f.Failed {
			w.and("a.outcome <> 0")
		} else {
			w.and("a.outcome = 0")
		}
	}
	if !f.From.IsZero() {
		w.and("a.at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.and("a.at < ?", micros(f.To))
	}
	if f.Below != 0 {
		w.and("a.id < ?", f.Below)
	}
	w.page(Page{Limit: limit, Desc: true}, "a.id")
	return collect(ctx, s, scanAttempt, w.String(), w.args...)
}
