// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"time"
)

// What was last seen of a record in the DNS.
const (
	RecordUnchecked = ""
	RecordOK        = "ok"
	RecordError     = "error"
)

// Health of a record over several looks. Who is told of it: see Domain.
const (
	HealthUnknown = ""       // it never was OK
	HealthGood    = "good"   // it was OK
	HealthMissed  = "missed" // it was, and was not at the last look
	HealthBroken  = "broken" // nor at the one after: the owners were told
)

// Record is what was seen of a domain's DKIM or SPF record at the last look that got an answer.
type Record struct {
	Status  string
	Current []string // the texts that are there
	Errors  []string // what is wrong, in words
	Health  string
}

// Domain is a domain that a key has senders of.
type Domain struct {
	ID       int64
	KeyID    int64
	Domain   string
	Token    string // 32 hexadecimal characters: a TXT record with it proves the domain
	Filename string // an empty file of this name does, too
	Proof    string // "" not proved
	ProvedAt time.Time

	DKIM, SPF   Record
	DMARC       string // the record that applies, "" none
	DMARCAdvice string // what could be better

	CheckedAt time.Time // the last look; zero: none
	OffSince  time.Time // since when looks find not all in order; zero: at the last one all was
	DueAt     time.Time // the next
	BusyUntil time.Time // a look is under way until then at most
	CreatedAt time.Time
}

// Proved says whether the domain is the key's.
func (d Domain) Proved() bool { return d.Proof != "" }

const (
	domainFields = "id, key_id, domain, token, filename, proof, proved_at, dkim_status, dkim_current, dkim_errors, dkim_health, " +
		"spf_status, spf_current, spf_errors, spf_health, dmarc, dmarc_advice, checked_at, due_at, busy_until, off_since, created_at"
	domainFrom = " FROM domain d JOIN api_key k ON k.id = d.key_id"
	// A domain is there as long as the key has a sender of it.
	domainUsed = "k.deleted_at IS NULL AND EXISTS (SELECT 1 FROM sender s WHERE s.key_id = d.key_id AND s.domain = d.domain AND " +
		"s.status <> 'deleted')"
)

// domainSelect begins a query of domains with their keys.
func domainSelect() string {
	return "SELECT d." + strings.ReplaceAll(domainFields, ", ", ", d.") + domainFrom
}

func scanDomain(r scanner) (Domain, error) {
	var d Domain
	err := r.scan(&d.ID, &d.KeyID, &d.Domain, &d.Token, &d.Filename, &d.Proof, nullTime{&d.ProvedAt},
		&d.DKIM.Status, texts{&d.DKIM.Current}, texts{&d.DKIM.Errors}, &d.DKIM.Health, &d.SPF.Status, texts{&d.SPF.Current},
		texts{&d.SPF.Errors}, &d.SPF.Health,
		&d.DMARC, &d.DMARCAdvice, nullTime{&d.CheckedAt}, nullTime{&d.DueAt}, nullTime{&d.BusyUntil}, nullTime{&d.OffSince},
		nullTime{&d.CreatedAt})
	return d, err
}

// texts scans lines.
type texts struct{ list *[]string }

func (t texts) Scan(v any) error {
	s, _ := v.(string)
	if b, ok := v.([]byte); ok {
		s = string(b)
	}
	*t.list = nil
	if s != "" {
		*t.list = strings.Split(s, "\n")
	}
	return nil
}

// AddDomain keeps a domain unless the key has it, and returns the one it has. It is due for a look at once, also one that
// the key had no sender of any more: that is new again.
func (tx *Tx) AddDomain(ctx context.Context, d Domain) (Domain, error) {
	if _, err := tx.exec(ctx, "INSERT INTO domain (key_id, domain, token, filename, due_at, created_at) VALUES ($1, $2, $3, $4, $5, "+
		"$5) ON CONFLICT (key_id, domain) DO UPDATE SET due_at = excluded.due_at, off_since = NULL "+
		"WHERE NOT EXISTS (SELECT 1 FROM sender s WHERE s.key_id = domain.key_id AND s.domain = domain.domain AND s.status <> 'deleted')",
		d.KeyID, d.Domain, d.Token, d.Filename, micros(tx.Now)); err != nil {
		return d, err
	}
	return scanDomain(tx.row(ctx, "SELECT "+domainFields+" FROM domain WHERE key_id = $1 AND domain = $2", d.KeyID, d.Domain))
}

// ProveDomain notes that a domain is the key's, and how that was proved; "" takes the proof away.
func (tx *Tx) ProveDomain(ctx context.Context, id int64, proof string) error {
	at := tx.Now
	if proof == "" {
		at = time.Time{}
	}
	return tx.one(ctx, "UPDATE domain SET proof = $1, proved_at = $2 WHERE id = $3", proof, micros(at), id)
}

// DomainFilter bounds a listing of domains within a scope. Zero fields do not filter.
type DomainFilter struct {
	ID            int64
	KeyID         int64
	Domain        string
	Proved        *bool
	Busy          *bool // a look is under way at Now
	Now           time.Time
	SPF           *string // a status
	CheckedAfter  time.Time
	CheckedBefore time.Time
	Sort          string // "ID" (default), "Domain", "LastCheckAt"
}

func (f DomainFilter) where(w *where) {
	w.and(domainUsed)
	if f.ID != 0 {
		w.and("d.id = ?", f.ID)
	}
	if f.KeyID != 0 {
		w.and("d.key_id = ?", f.KeyID)
	}
	if f.Domain != "" {
		w.and("d.domain = ?", f.Domain)
	}
	if f.Proved != nil && *f.Proved {
		w.and("d.proof <> ''")
	} else if f.Proved != nil {
		w.and("d.proof = ''")
	}
	if f.Busy != nil && *f.Busy {
		w.and("d.busy_until > ?", micros(f.Now))
	} else if f.Busy != nil {
		w.and("d.busy_until <= ?", micros(f.Now))
	}
	if f.SPF != nil {
		w.and("d.spf_status = ?", *f.SPF)
	}
	if !f.CheckedAfter.IsZero() {
		w.and("d.checked_at >= ?", micros(f.CheckedAfter))
	}
	if !f.CheckedBefore.IsZero() {
		w.and("d.checked_at <= ?", micros(f.CheckedBefore))
	}
}

// Domains lists domains of the scope's keys that match, and says how many there are in all.
func (s *Store) Domains(ctx context.Context, scope Scope, f DomainFilter, p Page) ([]Domain, int, error) {
	n := newWhere("SELECT count(*)" + domainFrom)
	scope.where(n, "k.account_id", "k.id")
	f.where(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere(domainSelect())
	scope.where(w, "k.account_id", "k.id")
	f.where(w)
	order := "d.id"
	switch f.Sort {
	case "Domain":
		order = "d.domain"
	case "LastCheckAt":
		order = "coalesce(d.checked_at, 0)"
	}
	w.page(p, order)
	out, err := collect(ctx, s, scanDomain, w.String(), w.args...)
	return out, total, err
}

// Domain reads one domain of the scope's keys.
func (s *Store) Domain(ctx context.Context, scope Scope, f DomainFilter) (Domain, error) {
	w := newWhere(domainSelect())
	scope.where(w, "k.account_id", "k.id")
	f.where(w)
	w.page(Page{Limit: 1}, "d.id")
	return scanDomain(s.row(ctx, w.String(), w.args...))
}

// Domain reads one domain of the scope's keys, inside the transaction.
func (tx *Tx) Domain(ctx context.Context, scope Scope, id int64) (Domain, error) {
	w := newWhere(domainSelect())
	scope.where(w, "k.account_id", "k.id")
	w.and("d.id = ?", id)
	return scanDomain(tx.row(ctx, w.String(), w.args...))
}

// ClaimDomains takes up to limit domains that are due for a look, and puts the next one off until then, in one
// statement: what a look finds sets it anew, and a look that is lost is made again.
func (s *Store) ClaimDomains(ctx context.Context, now, until time.Time, limit int) (out []Domain, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		out, err = collect(ctx, tx, scanDomain,
			"UPDATE domain SET due_at = $1, busy_until = $1 WHERE id IN (SELECT d.id"+domainFrom+" WHERE d.due_at <= $2 AND "+
				domainUsed+" ORDER BY d.due_at LIMIT $3) RETURNING "+domainFields,
			micros(until), micros(now), limit)
		return err
	})
	return out, err
}

// BeginLook notes that a look at a domain is under way until a time at most.
func (tx *Tx) BeginLook(ctx context.Context, id int64, until time.Time) error {
	return tx.one(ctx, "UPDATE domain SET busy_until = $1 WHERE id = $2", micros(until), id)
}

// EndLook reads a domain at which a look has come to its end, for RecordLook: another may have been written down since it
// began.
func (tx *Tx) EndLook(ctx context.Context, id int64) (Domain, error) {
	return scanDomain(tx.row(ctx, "UPDATE domain SET busy_until = 0 WHERE id = $1 RETURNING "+domainFields, id))
}

// RecordLook writes down what a look at a domain found, when it was and when the next is due.
func (tx *Tx) RecordLook(ctx context.Context, d Domain) error {
	lines := func(list []string) string { return strings.Join(list, "\n") }
	return tx.one(ctx, `UPDATE domain SET dkim_status = $1, dkim_current = $2, dkim_errors = $3, dkim_health = $4, spf_status = $5, spf_current = $6, spf_errors = $7, spf_health = $8,
 dmarc = $9, dmarc_advice = $10, checked_at = $11, due_at = $12, off_since = $13 WHERE id = $14`,
		d.DKIM.Status, lines(d.DKIM.Current), lines(d.DKIM.Errors), d.DKIM.Health, d.SPF.Status, lines(d.SPF.Current),
		lines(d.SPF.Errors), d.SPF.Health,
		d.DMARC, d.DMARCAdvice, micros(d.CheckedAt), micros(d.DueAt), micros(d.OffSince), d.ID)
}

// DomainCounts is the state of all domains at a glance.
type DomainCounts struct{ All, Proved, Broken int64 }

// CountDomains counts the domains that are in use.
func (s *Store) CountDomains(ctx context.Context) (DomainCounts, error) {
	var c DomainCounts
	err := s.row(ctx, `SELECT count(*), coalesce(sum(CASE WHEN d.proof <> '' THEN 1 ELSE 0 END), 0),
 coalesce(sum(CASE WHEN d.dkim_health = 'broken' OR d.spf_health = 'broken' THEN 1 ELSE 0 END), 0)`+domainFrom+" WHERE "+domainUsed).scan(&c.All, &c.Proved, &c.Broken)
	return c, err
}

// SendersWithoutDomain lists senders of an older version, whose domains have no row yet.
func (s *Store) SendersWithoutDomain(ctx context.Context, limit int) ([]Sender, error) {
	return collect(ctx, s, scanSender, "SELECT "+senderColumns+" FROM sender WHERE domain_id = 0 AND status <> 'deleted' ORDER BY "+
		"id LIMIT $1", limit)
}

// SetSenderDomain gives a sender its domain.
func (tx *Tx) SetSenderDomain(ctx context.Context, senderID int64, d Domain) error {
	return tx.one(ctx, "UPDATE sender SET domain_id = $1, filename = $2 WHERE id = $3", d.ID, d.Filename, senderID)
}

// DKIMKey is the key that an account's mail from a domain is signed with. PrivateKey is PKCS #8, sealed under the server
// key.
type DKIMKey struct {
	AccountID  int64
	Domain     string
	Selector   string
	PrivateKey []byte
	CreatedAt  time.Time
}

// AddDKIMKey keeps a signing key unless the account has one for the domain, and says whether it was kept.
func (tx *Tx) AddDKIMKey(ctx context.Context, k DKIMKey) (bool, error) {
	n, err := tx.exec(ctx, "INSERT INTO domain_key (account_id, domain, selector, private_key, created_at) VALUES ($1, $2, $3, $4, "+
		"$5) ON CONFLICT (account_id, domain) DO NOTHING", k.AccountID, k.Domain, k.Selector, k.PrivateKey, micros(tx.Now))
	return n == 1, err
}

// DKIMKey reads the signing key that an account has for a domain, whether or not it may sign with it.
func (s *Store) DKIMKey(ctx context.Context, accountID int64, domain string) (DKIMKey, error) {
	var k DKIMKey
	err := s.row(ctx, "SELECT account_id, domain, selector, private_key, created_at FROM domain_key WHERE account_id = $1 AND "+
		"domain = $2", accountID, domain).
		scan(&k.AccountID, &k.Domain, &k.Selector, &k.PrivateKey, nullTime{&k.CreatedAt})
	return k, err
}

// MaySign says whether a domain is the account's, so that its mail is signed for it: one of its keys has proved it, or
// the domain's own DNS names the account's key.
func (s *Store) MaySign(ctx context.Context, accountID int64, domain string) (bool, error) {
	var n int
	err := s.row(ctx, "SELECT count(*) FROM domain d JOIN api_key k ON k.id = d.key_id WHERE k.account_id = $1 AND d.domain = $2 "+
		"AND (d.proof <> '' OR d.dkim_status = 'ok')", accountID, domain).scan(&n)
	return n > 0, err
}
