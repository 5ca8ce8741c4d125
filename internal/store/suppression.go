// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/internal/mail"
)

// SuppressionReason is why a key sends an address nothing. A stronger reason replaces a weaker one: what a recipient
// asked for outranks what a server said, and a complaint says more than an unsubscribe.
type SuppressionReason int

// Reasons, the weakest first.
const (
	SuppressedBounce    SuppressionReason = 1
	SuppressedManual    SuppressionReason = 2
	SuppressedUnsub     SuppressionReason = 3
	SuppressedComplaint SuppressionReason = 4
)

var suppressionNames = [...]string{"", "hard_bounce", "manual", "unsubscribe", "complaint"}

// String is the word of the API for the reason.
func (r SuppressionReason) String() string {
	if r < 1 || int(r) >= len(suppressionNames) {
		return ""
	}
	return suppressionNames[r]
}

// SuppressionReasons lists the reasons.
func SuppressionReasons() []SuppressionReason {
	return []SuppressionReason{SuppressedBounce, SuppressedComplaint, SuppressedUnsub, SuppressedManual}
}

// ParseSuppressionReason reads the API's word for a reason, 0 when it is none.
func ParseSuppressionReason(s string) SuppressionReason {
	if i := slices.Index(suppressionNames[:], strings.ToLower(s)); i > 0 {
		return SuppressionReason(i)
	}
	return 0
}

// Suppression is an address that a key sends nothing to.
type Suppression struct {
	ID        int64
	AccountID int64
	KeyID     int64
	Email     string // canonical
	Reason    SuppressionReason
	Note      string // the remote server's words, or the owner's
	MessageID int64  // whose event brought it here, 0 for none; it may be deleted since
	CreatedAt time.Time
}

// maxNote bounds a note, in bytes.
const maxNote = 1000

// suppressing are the keys that may have a list at all: only their mail is looked at. A key is in it before its first
// entry can be read, and stays. One server has the store, so nobody else adds entries.
type suppressing struct {
	mu   sync.RWMutex
	keys map[int64]bool
}

func (k *suppressing) has(id int64) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[id]
}

func (k *suppressing) add(id int64) {
	if k.has(id) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[id] = true
}

// loadSuppressing reads which keys have entries.
func (s *Store) loadSuppressing(ctx context.Context) error {
	ids, err := collect(ctx, s, scanID, "SELECT k.id FROM api_key k WHERE EXISTS (SELECT 1 FROM suppression x WHERE x.key_id = k.id)")
	s.suppressing.keys = make(map[int64]bool, len(ids))
	for _, id := range ids {
		s.suppressing.keys[id] = true
	}
	return err
}

func scanID(r scanner) (id int64, err error) {
	err = r.scan(&id)
	return id, err
}

func scanText(r scanner) (text string, err error) {
	err = r.scan(&text)
	return text, err
}

var selectSuppressed = newInList("SELECT email FROM suppression WHERE key_id = $1 AND email", 1, "")

// Suppressed says which of the recipients a key sends nothing to, by their indexes. It runs for every mail: for a key
// without a list it costs nothing, else a look-up by index.
func (s *Store) Suppressed(ctx context.Context, keyID int64, recipients []Recipient) (off []int, err error) {
	if !s.suppressing.has(keyID) {
		return nil, nil
	}
	emails := make([]any, len(recipients))
	at := make(map[string]int, len(recipients))
	for i := range recipients {
		email := mail.Canonical(recipients[i].Email)
		emails[i], at[email] = email, i
	}
	// each asks the transaction for the dialect alone.
	err = selectSuppressed.each(&Tx{s: s}, []any{keyID}, emails, func(text string, args []any) error {
		rows, err := s.rows(ctx, text, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var email string
			if err := rows.Scan(&email); err != nil {
				return err
			}
			off = append(off, at[email])
		}
		return rows.Err()
	})
	return off, err
}

// putSuppressions keeps what is there unless the new reason is stronger. A row may stand in a statement once.
var putSuppressions = newPutSuppressions()

func newPutSuppressions() *bulk {
	b := newInsert("suppression", "account_id", "key_id", "email", "reason", "note", "message_id", "fresh", "created_at")
	b.tail = " ON CONFLICT (key_id, email) DO UPDATE SET reason = excluded.reason, note = excluded.note, message_id = " +
		"excluded.message_id, fresh = TRUE WHERE excluded.reason > suppression.reason RETURNING id"
	b.build()
	return b
}

// putSuppressed adds entries, all of whose keys are known to be the accounts'. It returns how many are new or have a
// stronger reason now.
func (tx *Tx) putSuppressed(ctx context.Context, list []Suppression, fresh bool) (int, error) {
	at := make(map[addressOf]int, len(list))
	once := make([]Suppression, 0, len(list))
	for _, x := range list {
		p := addressOf{x.KeyID, x.Email}
		i, twice := at[p]
		if !twice {
			at[p] = len(once)
			once = append(once, x)
			tx.s.suppressing.add(x.KeyID)
		} else if x.Reason > once[i].Reason {
			once[i] = x
		}
	}
	// One order for all, so that transactions on PostgreSQL do not wait for each other in a circle.
	slices.SortFunc(once, func(a, b Suppression) int {
		return cmp.Or(cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.Email, b.Email))
	})
	rows := make([]any, 0, len(once)*putSuppressions.columns)
	for _, x := range once {
		rows = append(rows, x.AccountID, x.KeyID, x.Email, int(x.Reason), shortNote(x.Note), x.MessageID, fresh, micros(tx.Now))
	}
	got, err := putSuppressions.ids(ctx, tx, nil, rows)
	return len(got), err
}

// shortNote cuts a note at the end of a character.
func shortNote(s string) string {
	if len(s) > maxNote {
		s = strings.ToValidUTF8(s[:maxNote], "")
	}
	return s
}

// SaysGone says whether a bounce is about the mailbox itself, so that no other mail will get there either: a full one
// empties; a domain without a name or a host is mended by its owner, and would be everybody at once should our own
// resolver be wrong; the rest is about us or our mail.
func (e *Event) SaysGone() bool {
	s := mail.State(e.StateID)
	return e.Type == EventBounce && e.Permanent && (s == mail.StateUserUnknown || s == mail.StateMailboxInactive)
}

// suppresses is the reason for which an event brings its address onto the key's list, 0 for none.
func (e *recorded) suppresses() SuppressionReason {
	if e.Machine {
		return 0
	}
	switch e.Type {
	case EventBounce:
		if e.SaysGone() {
			return SuppressedBounce
		}
	case EventSpam:
		return SuppressedComplaint
	case EventUnsub:
		return SuppressedUnsub
	}
	return 0
}

// suppress puts the addresses of events on the lists of their keys. Postern's own notices are never suppressed.
func (tx *Tx) suppress(ctx context.Context, events []recorded) error {
	var list []Suppression
	accounts := map[int64]int64{} // of keys; 0: its mail is not suppressed
	for i := range events {
		e := &events[i]
		reason := e.suppresses()
		if reason == 0 || e.recipient == "" {
			continue
		}
		account, known := accounts[e.key]
		if !known {
			err := tx.row(ctx, "SELECT k.account_id FROM api_key k JOIN account a ON a.id = k.account_id WHERE k.id = $1 AND NOT "+
				"a.is_system", e.key).scan(&account)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			accounts[e.key] = account
		}
		if account == 0 {
			continue
		}
		note := e.Line
		if e.Type.engaged() {
			note = e.Source
		}
		list = append(list, Suppression{
			AccountID: account, KeyID: e.key, Email: mail.Canonical(e.recipient), Reason: reason, Note: note, MessageID: e.MessageID,
		})
	}
	if len(list) == 0 {
		return nil
	}
	_, err := tx.putSuppressed(ctx, list, true)
	return err
}

// AddSuppressions puts addresses, canonical, on a key's list, and says how many were not there yet or have a stronger
// reason now. What still waits for them is cancelled soon after.
func (tx *Tx) AddSuppressions(ctx context.Context, k Key, list []Suppression) (int, error) {
	for i := range list {
		list[i].AccountID, list[i].KeyID = k.AccountID, k.ID
	}
	// A large import finds nothing waiting, as a rule: then there is nothing to look for.
	var waiting bool
	if err := tx.row(ctx, "SELECT EXISTS (SELECT 1 FROM queue WHERE key_id = $1)", k.ID).scan(&waiting); err != nil {
		return 0, err
	}
	return tx.putSuppressed(ctx, list, waiting)
}

// ChangeSuppression sets the reason and note of a key's entry, and returns it.
func (tx *Tx) ChangeSuppression(ctx context.Context, x Suppression) (Suppression, error) {
	return scanSuppression(tx.row(ctx,
		"UPDATE suppression SET reason = $1, note = $2 WHERE id = $3 AND key_id = $4 RETURNING "+suppressionColumns, int(x.Reason),
		shortNote(x.Note), x.ID, x.KeyID))
}

// RemoveSuppression takes an entry of a key off its list, and returns what it was.
func (tx *Tx) RemoveSuppression(ctx context.Context, keyID, id int64) (Suppression, error) {
	return scanSuppression(tx.row(ctx, "DELETE FROM suppression WHERE id = $1 AND key_id = $2 RETURNING "+suppressionColumns, id, keyID))
}
