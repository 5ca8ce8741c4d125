// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"time"

	"postern/internal/audit"
)

// AddAudit appends an entry to the audit log in the transaction of the change that it tells of. The entry's number,
// time and hash are set here.
func (tx *Tx) AddAudit(ctx context.Context, e audit.Entry) error {
	var prev []byte
	// Taking the head's row makes writers stand in line, on every engine.
	if err := tx.row(ctx, "UPDATE audit_head SET last = last + 1 WHERE id = 1 RETURNING last, hash").scan(&e.ID, &prev); err != nil {
		return err
	}
	e.At = tx.Now
	e.Hash = e.Sum(prev)
	var account any
	if e.AccountID != 0 {
		account = e.AccountID
	}
	if _, err := tx.exec(ctx, "INSERT INTO audit (id, at, account_id, actor, origin, action, target, detail, hash) VALUES ($1, $2, "+
		"$3, $4, $5, $6, $7, $8, $9)",
		e.ID, micros(e.At), account, e.Actor, e.Origin, e.Action, e.Target, e.Detail, e.Hash); err != nil {
		return err
	}
	return tx.one(ctx, "UPDATE audit_head SET hash = $1 WHERE id = 1", e.Hash)
}

const auditColumns = "id, at, account_id, actor, origin, action, target, detail, hash"

func scanAudit(r scanner) (audit.Entry, error) {
	var e audit.Entry
	var account *int64
	err := r.scan(&e.ID, nullTime{&e.At}, &account, &e.Actor, &e.Origin, &e.Action, &e.Target, &e.Detail, &e.Hash)
	if account != nil {
		e.AccountID = *account
	}
	return e, err
}

// Audit reads up to limit entries after the one numbered after, oldest first, for the operator.
func (s *Store) Audit(ctx context.Context, after int64, limit int) ([]audit.Entry, error) {
	return collect(ctx, s, scanAudit, "SELECT "+auditColumns+" FROM audit WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
}

// AuditHead is the end of the chain: the number and hash of the last entry, 0 and nothing when there is none.
func (s *Store) AuditHead(ctx context.Context) (last int64, hash []byte, err error) {
	err = s.row(ctx, "SELECT last, hash FROM audit_head WHERE id = 1").scan(&last, &hash)
	return last, hash, err
}

// AuditFilter bounds a listing of the audit log. Zero fields do not filter.
type AuditFilter struct {
	ID       int64
	Search   string // part of actor, target, detail or origin
	Action   string // exactly, or a group that ends in a dot: "key."
	Actor    string
	Target   string
	From, To time.Time // To excluded
	Below    int64     // numbers below this one
	Above    int64     // numbers above this one
}

func (f AuditFilter) where(w *where) {
	if f.ID != 0 {
		w.and("id = ?", f.ID)
	}
	if f.Below != 0 {
		w.and("id < ?", f.Below)
	}
	if f.Above != 0 {
		w.and("id > ?", f.Above)
	}
	if f.Search != "" {
		like := "%" + escapeLike(f.Search) + "%"
		w.and("(lower(actor) LIKE ? ESCAPE '!' OR lower(target) LIKE ? ESCAPE '!' OR lower(detail) LIKE ? ESCAPE '!' OR origin LIKE "+
			"? ESCAPE '!')", like, like, like, like)
	}
	switch {
	case strings.HasSuffix(f.Action, "."):
		w.and("action LIKE ? ESCAPE '!'", escapeLike(f.Action)+"%")
	case f.Action != "":
		w.and("action = ?", f.Action)
	}
	if f.Actor != "" {
		w.and("actor = ?", f.Actor)
	}
	if f.Target != "" {
		w.and("target = ?", f.Target)
	}
	if !f.From.IsZero() {
		w.and("at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		w.and("at < ?", micros(f.To))
	}
}

// narrow bounds a query by scope and filter. Who sees less than a whole account sees none.
func (f AuditFilter) narrow(w *where, scope Scope) {
	if !scope.Whole() {
		w.and("1 = 0")
	}
	scope.where(w, "account_id", "account_id")
	f.where(w)
}

// CountAudit says how many entries of the scope match.
func (s *Store) CountAudit(ctx context.Context, scope Scope, f AuditFilter) (n int, err error) {
	w := newWhere("SELECT count(*) FROM audit")
	f.narrow(w, scope)
	return n, s.row(ctx, w.String(), w.args...).scan(&n)
}

// AuditEntries lists entries of the scope by number. Who sees less than a whole account sees none.
func (s *Store) AuditEntries(ctx context.Context, scope Scope, f AuditFilter, p Page) ([]audit.Entry, error) {
	w := newWhere("SELECT " + auditColumns + " FROM audit")
	f.narrow(w, scope)
	w.page(p, "id")
	return collect(ctx, s, scanAudit, w.String(), w.args...)
}
