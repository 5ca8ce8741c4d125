// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// attemptsKept is how many attempts of a key are kept in the log of its webhooks.
const attemptsKept = 1000

// HookAttempt is one request to a hook's URL, in the log of its key.
type HookAttempt struct {
	ID        int64
	AccountID int64
	KeyID     int64
	At        time.Time
	Target    string // scheme and host
	WebhookID string
	Version   int
	Types     []EventType // of the events, each once
	EventIDs  []int64     // of what was told, in order; a sample has none
	Count     int         // of events
	Attempt   int         // from 1
	Outcome   HookOutcome
	Status    int    // of the answer; 0: there was none
	Error     string // "" of a success
	Took      time.Duration
	Body      []byte // of a sample
}

var insertAttempts = newInsert("hook_attempt", "account_id", "key_id", "at", "target", "webhook_id", "version", "types", "events", "told", "attempt", "outcome", "status", "error", "took", "body")

func (a *HookAttempt) args() []any {
	types := 0
	for _, t := range a.Types {
		types |= 1 << t
	}
	ids := make([]string, len(a.EventIDs))
	for i, id := range a.EventIDs {
		ids[i] = strconv.FormatInt(id, 10)
	}
	return []any{a.AccountID, a.KeyID, micros(a.At), a.Target, a.WebhookID, a.Version, types, strings.Join(ids, " "), a.Count, a.Attempt, int(a.Outcome), a.Status, a.Error, a.Took.Microseconds(), a.Body}
}

const attemptSelect = "SELECT a.id, a.account_id, a.key_id, a.at, a.target, a.webhook_id, a.version, a.types, a.events, a.told, a.attempt, a.outcome, a.status, a.error, a.took, a.body FROM hook_attempt a"

func scanAttempt(r scanner) (HookAttempt, error) {
	var a HookAttempt
	var types, took int64
	var events string
	err := r.scan(&a.ID, &a.AccountID, &a.KeyID, nullTime{&a.At}, &a.Target, &a.WebhookID, &a.Version, &types, &events, &a.Count, &a.Attempt, &a.Outcome, &a.Status, &a.Error, &took, &a.Body)
	if err != nil {
		return a, err
	}
	a.Took = time.Duration(took) * time.Microsecond
	for t := EventSent; t <= EventUnsub; t++ {
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

// logHooks adds requests to their keys' logs, and shortens those that have grown.
func (tx *Tx) logHooks(ctx context.Context, items []*HookTold, rows []any) error {
	if err := insertAttempts.run(ctx, tx, nil, rows); err != nil {
		return err
	}
	for _, x := range items {
		if !tx.s.attempts.due(x.KeyID) {
			continue
		}
		_, err := tx.exec(ctx, "DELETE FROM hook_attempt WHERE key_id = $1 AND id <= (SELECT id FROM hook_attempt WHERE key_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)", x.KeyID, attemptsKept)
		if err != nil {
			return err
		}
	}
	return nil
}

// attemptCounts are how many attempts each key's log has got since it was shortened. Only the group commit's one writer
// uses it.
type attemptCounts map[int64]int

// due counts an attempt and says whether the key's log is to be shortened: every hundredth time.
func (c attemptCounts) due(keyID int64) bool {
	if c[keyID]++; c[keyID] < attemptsKept/10 {
		return false
	}
	delete(c, keyID)
	return true
}

// AttemptFilter bounds a listing of attempts within a scope. Zero fields do not filter.
type AttemptFilter struct {
	ID       int64
	KeyID    int64
	Type     EventType
	Failed   *bool
	From, To time.Time // To excluded
	Below    int64     // IDs below this one
}

// HookAttempts lists attempts of the scope, the latest first.
func (s *Store) HookAttempts(ctx context.Context, scope Scope, f AttemptFilter, limit int) ([]HookAttempt, error) {
	w := newWhere(attemptSelect)
	scope.where(w, "a.account_id", "a.key_id")
	if f.ID != 0 {
		w.and("a.id = ?", f.ID)
	}
	if f.KeyID != 0 {
		w.and("a.key_id = ?", f.KeyID)
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

// ReplayHookEvents queues events of a key anew for the hooks that its events go to now, and says how many it were. What
// waits already is left as it is, and so is what no hook takes.
func (tx *Tx) ReplayHookEvents(ctx context.Context, keyID int64, eventIDs []int64) (n int, err error) {
	var mine []any
	err = selectOwnEvents.each(tx, []any{keyID}, anys(eventIDs), func(text string, args []any) error {
		list, err := collect(ctx, tx, scanID, text, args...)
		mine = append(mine, anys(list)...)
		return err
	})
	if err != nil {
		return 0, err
	}
	return tx.queueHookIDs(ctx, mine)
}

var selectOwnEvents = newInList("SELECT id FROM event WHERE key_id = $1 AND id", 1, "")
