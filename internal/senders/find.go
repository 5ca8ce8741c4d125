// SPDX-License-Identifier: Apache-2.0

package senders

import (
	"context"
	"strconv"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// Sender is an address, or a whole domain as *@domain, that a key may send from, with what is shown of it.
type Sender struct {
	Email   string
	Name    string `json:",omitempty"`
	Status  string
	Proof   string // how it was verified: "operator", "mail", "dns", "file" or "domain"; "" it is not
	Default bool   `json:",omitempty"` // the one that is taken when none is named
	Lent    bool   `json:",omitempty"` // shared with all subaccounts of the account
	// EmailType is the kind of mail that it is for: "transactional", "bulk" or "unknown".
	EmailType string
	// Description is what a shared one is for.
	Description string `json:",omitempty"`
	APIKey      string
	KeyName     string
	CreatedAt   time.Time `json:",omitzero"`

	ID  int64        `json:"-"`
	Row store.Sender `json:"-"`
	Key store.Key    `json:"-"` // without its secrets
}

// Whole says whether it stands for every address of its domain.
func (x Sender) Whole() bool { return IsDomain(x.Email) }

// IsDomain says whether a sender in its canonical form stands for every address of a domain.
func IsDomain(email string) bool { return strings.HasPrefix(email, "*@") }

func shown(x store.Sender, k store.Key) Sender {
	return Sender{
		Email: x.Email, Name: x.Name, Status: x.Status, Proof: x.Proof, Default: x.Default, Lent: x.Lent, EmailType: x.EmailType,
		Description: x.Description, APIKey: k.APIKey, KeyName: k.Name, CreatedAt: x.CreatedAt, ID: x.ID, Row: x, Key: k,
	}
}

// List lists the senders of the scope's keys that match, and says how many there are in all.
func (s *Senders) List(ctx context.Context, scope store.Scope, f store.SenderFilter, p store.Page) ([]Sender, int, error) {
	list, total, err := s.store.FindSenders(ctx, scope, f, p)
	if err != nil {
		return nil, 0, err
	}
	out, err := s.withKeys(ctx, scope, list)
	return out, total, err
}

// Shared lists the senders that an account's master key shares with its subaccounts, and that are active.
func (s *Senders) Shared(ctx context.Context, accountID int64) ([]Sender, error) {
	list, err := s.store.LentSenders(ctx, accountID)
	if err != nil {
		return nil, err
	}
	return s.withKeys(ctx, store.OfAccount(accountID), list)
}

// Usable lists the active senders of a key: its own, the default one first, and then those that are shared with it.
func (s *Senders) Usable(ctx context.Context, keyID int64) ([]store.Sender, error) {
	return s.store.KeySenders(ctx, keyID)
}

func (s *Senders) withKeys(ctx context.Context, scope store.Scope, list []store.Sender) ([]Sender, error) {
	ids := make([]int64, len(list))
	for i, x := range list {
		ids[i] = x.KeyID
	}
	keys, err := s.store.KeysByID(ctx, scope, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Sender, len(list))
	for i, x := range list {
		out[i] = shown(x, keys[x.KeyID])
	}
	return out, nil
}

// One reads the first sender of the scope's keys that matches. Error: *change.Error NotFound.
func (s *Senders) One(ctx context.Context, scope store.Scope, f store.SenderFilter) (Sender, error) {
	list, _, err := s.List(ctx, scope, f, store.Page{Limit: 1})
	if err != nil {
		return Sender{}, err
	}
	if len(list) == 0 {
		what := "it"
		if f.Email != "" {
			what = f.Email
		}
		return Sender{}, change.Errorf(change.NotFound, "Email", "%s is not a sender of the key", what)
	}
	return list[0], nil
}

// Named reads a sender of a key by what programs call it: its ID or its address. With deleted, one that was deleted is
// found, too. Error: *change.Error NotFound.
func (s *Senders) Named(ctx context.Context, scope store.Scope, keyID int64, name string, deleted bool) (Sender, error) {
	f := store.SenderFilter{KeyID: keyID, Deleted: deleted}
	if id, err := strconv.ParseInt(name, 10, 64); err == nil && id > 0 {
		f.ID = id
	} else if f.Email, _, err = Split(name); err != nil || !strings.Contains(name, "@") {
		return Sender{}, change.Missing("sender")
	}
	return s.One(ctx, scope, f)
}

// Resting lists the addresses that are allowed by the verification of a whole domain alone: without it they wait for one of
// their own.
func (s *Senders) Resting(ctx context.Context, scope store.Scope, x Sender) ([]Sender, error) {
	if !x.Whole() {
		return nil, nil
	}
	list, _, err := s.List(ctx, scope, store.SenderFilter{KeyID: x.Row.KeyID, Domain: x.Row.Domain, Status: store.SenderActive},
		store.Page{})
	var out []Sender
	for _, y := range list {
		if y.Proof == store.ProofDomain {
			out = append(out, y)
		}
	}
	return out, err
}

// Has says whether one of the scope's keys has an address, or its domain as a whole, as a sender, verified or not.
func (s *Senders) Has(ctx context.Context, scope store.Scope, email string) (bool, error) {
	for _, e := range []string{mail.Canonical(email), "*@" + mail.Domain(email)} {
		if _, total, err := s.store.FindSenders(ctx, scope, store.SenderFilter{Email: e}, store.Page{Limit: 1}); err != nil || total > 0 {
			return total > 0, err
		}
	}
	return false, nil
}
