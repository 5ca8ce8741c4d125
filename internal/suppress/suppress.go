// SPDX-License-Identifier: Apache-2.0

// Package suppress keeps the lists of addresses that keys send nothing to.
//
// Entries come by themselves, in the transaction of the event that says so: a server refused the mailbox for good, the
// recipient complained or unsubscribed (see the store). Here are the ways in which people and programs change a list:
// one by one, from a file, and by a mailbox provider's report of a complaint. What still waits for an address that came
// onto a list is given up by [List.Run].
package suppress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"postern/internal/audit"
	"postern/internal/change"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/track"
)

// MaxAdd is how many addresses one call may add.
const MaxAdd = 1000

// MaxNote bounds a note, in bytes.
const MaxNote = 1000

// sweepEvery is how often what waits for new entries is looked for.
const sweepEvery = time.Second

// List changes suppression lists. Make it with New.
type List struct {
	store *store.Store
	links *track.Signer
	log   *slog.Logger
	jobs  jobs

	cancelled, complaints, imported, errors atomic.Int64
}

// New makes a List over st; links tells by its links which message a mail was, and may be nil.
func New(st *store.Store, links *track.Signer, log *slog.Logger) *List {
	l := &List{store: st, links: links, log: log}
	l.jobs.until, l.jobs.end = context.WithCancel(context.Background())
	return l
}

// Stats are counts since the start.
type Stats struct {
	Cancelled  int64 // messages given up that waited for an address which came onto a list
	Complaints int64 // reports of complaints recorded
	Imported   int64 // entries that files added
	Errors     int64 // of the sweep, each tried again
}

// Stats reads the counts.
func (l *List) Stats() Stats {
	return Stats{Cancelled: l.cancelled.Load(), Complaints: l.complaints.Load(), Imported: l.imported.Load(), Errors: l.errors.Load()}
}

// Run gives up what waits for addresses that came onto their keys' lists, until ctx ends. Imports under way end then,
// too: each batch is whole.
func (l *List) Run(ctx context.Context) error {
	defer l.jobs.all.Wait()
	defer l.jobs.end()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := l.Sweep(ctx); err != nil && ctx.Err() == nil {
			l.errors.Add(1)
			l.log.WarnContext(ctx, "what waits for suppressed addresses was not cancelled; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep is one round of Run. It says how many messages were given up.
func (l *List) Sweep(ctx context.Context) (total int, err error) {
	for after := int64(0); ; {
		n, last, err := l.store.CancelSuppressed(ctx, after)
		total += n
		l.cancelled.Add(int64(n))
		if err != nil || n == 0 && last == 0 {
			return total, err
		}
		after = last
	}
}

// Entry is an address to add. An empty reason is manual.
type Entry struct {
	Email  string
	Reason string
	Note   string
}

// check makes a row of an entry, or says what is wrong with it: the property and the reason.
func (e Entry) check() (store.Suppression, error) {
	email := strings.TrimSpace(e.Email)
	if err := mail.CheckEmail(email); err != nil {
		var syntax *mail.SyntaxError
		reason := err.Error()
		if errors.As(err, &syntax) {
			reason = syntax.Reason
		}
		return store.Suppression{}, invalid("Email", "%q is not an email address: it %s", shorten(email), reason)
	}
	x := store.Suppression{Email: mail.Canonical(email), Note: cleanNote(e.Note)}
	var err error
	if x.Reason, err = parseReason(e.Reason, store.SuppressedManual); err != nil {
		return x, err
	}
	if len(x.Note) > MaxNote {
		return x, invalid("Note", "it has more than %d bytes", MaxNote)
	}
	return x, nil
}

// cleanNote makes one line of text of a note.
func cleanNote(s string) string {
	blank := func(r rune) bool { return r <= ' ' || r == 0x7f }
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), blank), " ")
}

func shorten(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

func invalid(field, format string, args ...any) error {
	return &change.Error{Kind: change.Invalid, Field: field, Reason: fmt.Sprintf(format, args...)}
}

func notFound(field, reason string) error {
	return &change.Error{Kind: change.NotFound, Field: field, Reason: reason}
}

// Add puts addresses on the list of a key of the scope: all of them, or none and an error that names the first that is
// wrong. What is on the list stays, with the stronger of the two reasons. It returns the entries in the order given.
func (l *List) Add(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, entries []Entry) ([]Suppression, error) {
	if len(entries) == 0 || len(entries) > MaxAdd {
		return nil, invalid("Suppressions", "there are %d of them; 1 to %d can be added at a time", len(entries), MaxAdd)
	}
	rows := make([]store.Suppression, len(entries))
	for i, e := range entries {
		var err error
		if rows[i], err = e.check(); err != nil {
			var mistake *change.Error
			if len(entries) > 1 && errors.As(err, &mistake) {
				mistake.Field = fmt.Sprintf("Suppressions[%d].%s", i, mistake.Field)
			}
			return nil, err
		}
	}
	var key store.Key
	err := l.update(ctx, func(tx *store.Tx) error {
		var err error
		if key, err = tx.Key(ctx, scope, f); err != nil {
			return err
		}
		n, err := tx.AddSuppressions(ctx, key, rows)
		if err != nil {
			return err
		}
		target := "suppression " + rows[0].Email
		if len(rows) > 1 {
			target = fmt.Sprintf("%d suppressions", len(rows))
		}
		return tx.AddAudit(ctx, entry(by, key, "suppression.add", target, fmt.Sprintf("%d new or with a stronger reason", n)))
	})
	if err != nil {
		return nil, err
	}
	out := make([]Suppression, len(rows))
	for i, x := range rows {
		there, err := l.store.Suppression(ctx, store.OfKey(key.AccountID, key.ID), store.SuppressionFilter{Email: x.Email})
		if errors.Is(err, store.ErrNotFound) { // removed meanwhile: it is shown as it was asked for
			there, err = x, nil
		}
		if err != nil {
			return nil, err
		}
		out[i] = suppressionOf(there, key)
	}
	return out, nil
}

// Change sets the reason and the note of the entry of the scope that is named by its ID or its address; what is nil
// stays, and with both nothing is written.
func (l *List) Change(ctx context.Context, by change.Actor, scope store.Scope, which string, reason, note *string) (Suppression, error) {
	if reason == nil && note == nil {
		return l.Find(ctx, scope, which)
	}
	x, err := l.find(ctx, scope, which)
	if err != nil {
		return Suppression{}, err
	}
	e := Entry{Email: x.Email, Reason: x.Reason.String(), Note: x.Note}
	if reason != nil {
		e.Reason = *reason
	}
	if note != nil {
		e.Note = *note
	}
	row, err := e.check()
	if err != nil {
		return Suppression{}, err
	}
	row.ID, row.KeyID = x.ID, x.KeyID
	var key store.Key
	err = l.update(ctx, func(tx *store.Tx) error {
		var err error
		if key, err = tx.Key(ctx, scope, store.KeyFilter{ID: x.KeyID}); err != nil {
			return err
		}
		if x, err = tx.ChangeSuppression(ctx, row); err != nil {
			return err
		}
		detail := "reason " + x.Reason.String() + ", note " + quoted(x.Note)
		return tx.AddAudit(ctx, entry(by, key, "suppression.change", "suppression "+x.Email, detail))
	})
	return suppressionOf(x, key), err
}

// Remove takes the entry of the scope that is named by its ID or its address off its list, and returns what it was: the
// next mail to the address is sent.
func (l *List) Remove(ctx context.Context, by change.Actor, scope store.Scope, which string) (Suppression, error) {
	x, err := l.find(ctx, scope, which)
	if err != nil {
		return Suppression{}, err
	}
	var key store.Key
	err = l.update(ctx, func(tx *store.Tx) error {
		var err error
		if key, err = tx.Key(ctx, scope, store.KeyFilter{ID: x.KeyID}); err != nil {
			return err
		}
		if x, err = tx.RemoveSuppression(ctx, key.ID, x.ID); err != nil {
			return err
		}
		return tx.AddAudit(ctx, entry(by, key, "suppression.remove", "suppression "+x.Email, "was there for "+x.Reason.String()))
	})
	return suppressionOf(x, key), err
}

// update runs a change. What it does not find is a *change.Error.
func (l *List) update(ctx context.Context, fn func(tx *store.Tx) error) error {
	err := l.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.NeedRoom(); err != nil {
			return err
		}
		return fn(tx)
	})
	if errors.Is(err, store.ErrNotFound) {
		return notFound("", "no such suppression, or no such key")
	}
	return err
}

func entry(by change.Actor, key store.Key, action, target, detail string) audit.Entry {
	return by.Entry(key.AccountID, action, target, detail+"; for key "+key.APIKey)
}

func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("%q", s)
}
