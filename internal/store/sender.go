// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"

	"postern/internal/mail"
)

// States of a sender.
const (
	SenderActive   = "active"
	SenderInactive = "inactive" // not proved yet
	SenderDeleted  = "deleted"
)

// How a sender, or a domain, was proved to be the key's.
const (
	ProofOperator = "operator" // by the word of who runs the server
	ProofMail     = "mail"     // a link that was mailed to the address
	ProofDNS      = "dns"      // a TXT record of the domain
	ProofFile     = "file"     // a file on the domain's web server
	ProofDomain   = "domain"   // of an address: its domain is proved
)

// Sender is an address, or a whole domain as *@domain, that a key may send from.
type Sender struct {
	ID        int64
	KeyID     int64
	Email     string // canonical: an address, or *@domain
	Domain    string
	Name      string
	Status    string
	CreatedAt time.Time

	EmailType string // "unknown", "transactional", "bulk"
	Default   bool   // the one that is taken when none is named; at most one of a key
	Proof     string // how it became active; "" it never did
	DomainID  int64  // its Domain's
	Filename  string // of the file that proves its domain

	// A metasender is a sender of the master key. While it is lent, all keys of the account may send from it.
	Meta, Lent  bool
	Description string // of a metasender
}

const (
	senderColumns = "id, key_id, email, domain, name, status, created_at, email_type, is_default, proof, domain_id, filename, " +
		"is_meta, is_lent, description"
	senderSelect = "SELECT s.id, s.key_id, s.email, s.domain, s.name, s.status, s.created_at, s.email_type, s.is_default, s.proof, " +
		"s.domain_id, s.filename, s.is_meta, s.is_lent, s.description" + senderFrom
	senderFrom = " FROM sender s JOIN api_key k ON k.id = s.key_id"
)

func scanSender(r scanner) (Sender, error) {
	var x Sender
	err := r.scan(&x.ID, &x.KeyID, &x.Email, &x.Domain, &x.Name, &x.Status, nullTime{&x.CreatedAt}, &x.EmailType, &x.Default, &x.Proof,
		&x.DomainID, &x.Filename, &x.Meta, &x.Lent, &x.Description)
	return x, err
}

// PutSender adds a sender, or sets all but the lending of the one the key has: a deleted one is revived, and lent no
// more.
func (tx *Tx) PutSender(ctx context.Context, x Sender) (Sender, error) {
	if x.EmailType == "" {
		x.EmailType = "unknown"
	}
	if x.Default {
		if err := tx.dropDefault(ctx, x.KeyID); err != nil {
			return x, err
		}
	}
	return scanSender(tx.row(ctx, `INSERT INTO sender (key_id, email, domain, name, status, email_type, is_default, proof, domain_id, filename, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
 ON CONFLICT (key_id, email) DO UPDATE SET name = excluded.name, status = excluded.status, email_type = excluded.email_type,
 is_default = excluded.is_default, proof = excluded.proof,
 domain_id = excluded.domain_id, filename = excluded.filename, is_meta = sender.is_meta AND sender.status <> 'deleted', is_lent = sender.is_lent AND sender.status <> 'deleted' RETURNING `+senderColumns,
		x.KeyID, x.Email, x.Domain, x.Name, x.Status, x.EmailType, x.Default, x.Proof, x.DomainID, x.Filename, micros(tx.Now)))
}

func (tx *Tx) dropDefault(ctx context.Context, keyID int64) error {
	_, err := tx.exec(ctx, "UPDATE sender SET is_default = FALSE WHERE key_id = $1 AND is_default", keyID)
	return err
}

// ChangeSender sets what can be changed of the sender with x's ID and key, whatever its status but deleted: name,
// type, whether it is the default, and its lending.
func (tx *Tx) ChangeSender(ctx context.Context, x Sender) (Sender, error) {
	if x.Default {
		if err := tx.dropDefault(ctx, x.KeyID); err != nil {
			return x, err
		}
	}
	return scanSender(tx.row(ctx, "UPDATE sender SET name = $1, email_type = $2, is_default = $3, is_meta = $4, is_lent = $5, "+
		"description = $6 WHERE id = $7 AND key_id = $8 AND status <> 'deleted' RETURNING "+senderColumns,
		x.Name, x.EmailType, x.Default, x.Meta, x.Lent, x.Description, x.ID, x.KeyID))
}

// ActivateSender makes a key's sender active by a proof.
func (tx *Tx) ActivateSender(ctx context.Context, keyID, id int64, proof string) (Sender, error) {
	return scanSender(tx.row(ctx, "UPDATE sender SET status = 'active', proof = $1 WHERE id = $2 AND key_id = $3 AND status <> "+
		"'deleted' RETURNING "+senderColumns, proof, id, keyID))
}

// ActivateDomain makes all senders of a key in a domain that are not active so: the whole domain by its proof, addresses
// by the domain. It returns those that it changed.
func (tx *Tx) ActivateDomain(ctx context.Context, keyID int64, domain, proof string) ([]Sender, error) {
	return collect(ctx, tx, scanSender, "UPDATE sender SET status = 'active', proof = CASE WHEN email = $1 THEN $2 ELSE 'domain' "+
		"END WHERE key_id = $3 AND domain = $4 AND status = 'inactive' RETURNING "+senderColumns,
		"*@"+domain, proof, keyID, domain)
}

// DeactivateDomain makes the addresses of a key inactive that rest on their domain's proof. It returns them.
func (tx *Tx) DeactivateDomain(ctx context.Context, keyID int64, domain string) ([]Sender, error) {
	return collect(ctx, tx, scanSender, "UPDATE sender SET status = 'inactive', proof = '' WHERE key_id = $1 AND domain = $2 AND "+
		"status = 'active' AND proof = 'domain' RETURNING "+senderColumns, keyID, domain)
}

// DeleteSender marks a key's sender deleted: history keeps pointing at it.
func (tx *Tx) DeleteSender(ctx context.Context, keyID int64, email string) error {
	return tx.one(ctx, "UPDATE sender SET status = 'deleted', is_default = FALSE, is_lent = FALSE WHERE key_id = $1 AND email = $2 "+
		"AND status <> 'deleted'", keyID, email)
}

// Senders lists the senders of the scope's keys that are not deleted.
func (s *Store) Senders(ctx context.Context, scope Scope) ([]Sender, error) {
	w := newWhere(senderSelect)
	scope.where(w, "k.account_id", "k.id")
	w.and("s.status <> ?", SenderDeleted)
	w.add(" ORDER BY s.key_id, s.email")
	return collect(ctx, s, scanSender, w.String(), w.args...)
}

// SenderFilter bounds a listing of senders within a scope. Zero fields do not filter.
type SenderFilter struct {
	ID       int64
	KeyID    int64
	Email    string // exactly this one, canonical
	Domain   string
	DomainID int64
	Local    string // before the @
	Whole    *bool  // whole domains, or addresses
	Status   string
	Deleted  bool   // also those that are deleted
	Meta     bool   // only metasenders
	Search   string // part of the address or domain
	Sort     string // "" by key, domain and address; "Key" by key and address; "ID", "Email", "CreatedAt", "Name", "Status"
}

func (f SenderFilter) where(w *where) {
	if !f.Deleted && f.Status != SenderDeleted {
		w.and("s.status <> ?", SenderDeleted)
	}
	for _, c := range []struct {
		column string
		value  int64
	}{{"s.id", f.ID}, {"s.key_id", f.KeyID}, {"s.domain_id", f.DomainID}} {
		if c.value != 0 {
			w.and(c.column+" = ?", c.value)
		}
	}
	if f.Email != "" {
		w.and("s.email = ?", mail.Canonical(f.Email))
	}
	if f.Domain != "" {
		w.and("s.domain = ?", mail.CanonicalDomain(f.Domain))
	}
	if f.Status != "" {
		w.and("s.status = ?", f.Status)
	}
	if f.Local != "" {
		w.and("s.email LIKE ? ESCAPE '!'", escapeLike(mail.CanonicalLocal(f.Local))+"@%")
	}
	if f.Whole != nil && *f.Whole {
		w.and("s.email LIKE '*@%'")
	} else if f.Whole != nil {
		w.and("s.email NOT LIKE '*@%'")
	}
	if f.Meta {
		w.and("s.is_meta")
	}
	if f.Search != "" {
		w.and("s.email LIKE ? ESCAPE '!'", "%"+escapeLike(f.Search)+"%")
	}
}

// senderOrder maps the sortable properties to columns; the ID makes each order total.
var senderOrder = map[string]string{
	"": "s.key_id, s.domain, s.email", "Key": "s.key_id, s.email", "ID": "s.id", "Email": "s.email", "CreatedAt": "s.created_at",
	"Name": "lower(s.name)", "Status": "s.status",
}

// FindSenders lists senders of the scope's keys that match, and says how many there are in all.
func (s *Store) FindSenders(ctx context.Context, scope Scope, f SenderFilter, p Page) ([]Sender, int, error) {
	n := newWhere("SELECT count(*)" + senderFrom)
	scope.where(n, "k.account_id", "k.id")
	f.where(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere(senderSelect)
	scope.where(w, "k.account_id", "k.id")
	f.where(w)
	order := senderOrder[f.Sort]
	switch {
	case p.Desc && f.Sort != "" && f.Sort != "ID":
		order += " DESC, s.id"
	case f.Sort != "" && f.Sort != "ID":
		order += ", s.id"
	}
	w.page(p, order)
	out, err := collect(ctx, s, scanSender, w.String(), w.args...)
	return out, total, err
}

// Sender reads a sender of a key by its canonical address, deleted or not, inside the transaction.
func (tx *Tx) Sender(ctx context.Context, keyID int64, email string) (Sender, error) {
	return scanSender(tx.row(ctx, "SELECT "+senderColumns+" FROM sender WHERE key_id = $1 AND email = $2", keyID, email))
}

// SenderByID reads a sender of the scope's keys, deleted or not, inside the transaction.
func (tx *Tx) SenderByID(ctx context.Context, scope Scope, id int64) (Sender, error) {
	w := newWhere(senderSelect)
	scope.where(w, "k.account_id", "k.id")
	w.and("s.id = ?", id)
	return scanSender(tx.row(ctx, w.String(), w.args...))
}

// CountSenders says how many senders a key has that are not deleted, and how many of them in a domain.
func (tx *Tx) CountSenders(ctx context.Context, keyID int64, domain string) (all, inDomain int, err error) {
	err = tx.row(ctx, "SELECT count(*), coalesce(sum(CASE WHEN domain = $1 THEN 1 ELSE 0 END), 0) FROM sender WHERE key_id = $2 AND "+
		"status <> 'deleted'", domain, keyID).scan(&all, &inDomain)
	return all, inDomain, err
}

// KeySenders lists the active senders of one key, for the check of every mail: its own, the default one first, and then
// those that its account's master key lends.
func (s *Store) KeySenders(ctx context.Context, keyID int64) ([]Sender, error) {
	return collect(ctx, s, scanSender, "SELECT "+senderColumns+` FROM sender WHERE status = 'active' AND (key_id = $1 OR is_lent AND key_id =
 (SELECT m.id FROM api_key k JOIN api_key m ON m.account_id = k.account_id AND m.is_master WHERE k.id = $1)) ORDER BY CASE WHEN key_id = $1 THEN 0 ELSE 1 END, CASE WHEN is_default THEN 0 ELSE 1 END, id`, keyID)
}

// LentSenders lists the metasenders that an account's master key lends to its subaccounts, active or not.
func (s *Store) LentSenders(ctx context.Context, accountID int64) ([]Sender, error) {
	return collect(ctx, s, scanSender, senderSelect+" WHERE k.account_id = $1 AND k.is_master AND s.is_lent AND s.status = 'active' "+
		"ORDER BY s.domain, s.email", accountID)
}
