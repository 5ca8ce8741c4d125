// SPDX-License-Identifier: Apache-2.0

package senders

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

// MaxSenders is how many senders a key may have that its owner adds; the operator may add more.
const MaxSenders = 100

// Split reads a sender as people write it: an address, a domain with a dot, or *@domain. It returns the canonical
// form and the domain. A word without a dot is no domain: who wants one of a single label says *@ before it.
func Split(s string) (email, domain string, err error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", "", errors.New("an address, or a domain as *@example.com, is needed")
	}
	if !strings.Contains(s, "@") {
		if !strings.ContainsAny(strings.Trim(s, ".。．｡"), ".。．｡") { // dots as IDNA reads them
			return "", "", errors.New("it is neither an address nor a domain such as example.com")
		}
		s = "*@" + s
	}
	probe := s
	if rest, ok := strings.CutPrefix(s, "*@"); ok {
		probe = "a@" + rest
	}
	if err := mail.CheckEmail(probe); err != nil {
		return "", "", err
	}
	domain = mail.Domain(probe)
	if probe != s {
		return "*@" + domain, domain, nil
	}
	return mail.Canonical(s), domain, nil
}

// NewSender is a sender to add to a key.
type NewSender struct {
	Email     string // an address, a domain, or *@domain
	Name      string
	EmailType string // "" unknown
	Default   bool   // the one to take when none is named
	// Meta makes it a metasender, which only the master key can have; while it is lent, all keys may send from it.
	Meta, Lent  bool
	Description string

	domain string // of Email
}

// check reads a sender, and brings its address into the canonical form.
func (n *NewSender) check() (err error) {
	if n.Email, n.domain, err = Split(n.Email); err != nil {
		return change.Wrong("Email", err)
	}
	return checkSenderWords(&n.Name, &n.EmailType, &n.Description)
}

// checkSenderWords looks at what is given of a sender.
func checkSenderWords(name, emailType, description *string) error {
	for _, x := range []struct {
		field string
		text  *string
		most  int
	}{{"Name", name, 200}, {"Description", description, 500}} {
		if x.text == nil {
			continue
		}
		if _, err := access.CleanText(*x.text, x.most); err != nil {
			return change.Wrong(x.field, err)
		}
	}
	if emailType == nil {
		return nil
	}
	switch *emailType {
	case "", "unknown", "transactional", "bulk":
		return nil
	}
	return change.Wrong("EmailType", fmt.Errorf("%q is none of transactional, bulk and unknown", access.Short(*emailType)))
}

func (n *NewSender) whole() bool { return strings.HasPrefix(n.Email, "*@") }

// AddSender lets a key of the scope send from an address or a domain by the operator's word. A domain is thereby proved.
// Errors: *change.Error on Email or Name.
func (s *Senders) AddSender(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, sender,
	name string,
) (store.Sender, error) {
	return s.addSender(ctx, by, scope, f, NewSender{Email: sender, Name: name}, true)
}

// ProposeSender adds a sender to a key of the scope that is still to be proved: it is inactive, and an address is mailed
// a link. Where the key's domain is proved it is active at once. Errors: *change.Error on Email, Name, EmailType or
// Description; Conflict on Email when the key has it, with the sender as it is.
func (s *Senders) ProposeSender(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, n NewSender) (store.Sender,
	error,
) {
	return s.addSender(ctx, by, scope, f, n, false)
}

func (s *Senders) addSender(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, n NewSender,
	word bool,
) (out store.Sender, err error) {
	if err := n.check(); err != nil {
		return out, err
	}
	key, err := s.store.Key(ctx, scope, f)
	if errors.Is(err, store.ErrNotFound) {
		return out, &change.Error{Kind: change.NotFound, Reason: "there is no such key"}
	}
	if err != nil {
		return out, err
	}
	if n.Meta && !key.Master {
		return out, change.Forbidden("Email", "only the master key of an account can lend a sender")
	}
	err = change.Add(ctx, s.store, "key", func(tx *store.Tx) error {
		if key, err = tx.Key(ctx, scope, f); err != nil { // it may have been deleted meanwhile
			return err
		}
		out, err = s.putSender(ctx, tx, by, key, n, word)
		return err
	})
	if err == nil {
		s.sendersChanged(out)
	}
	return out, err
}

// putSender is addSender within the transaction.
func (s *Senders) putSender(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key, n NewSender, word bool) (store.Sender,
	error,
) {
	was, err := tx.Sender(ctx, key.ID, n.Email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return was, err
	}
	there := err == nil && was.Status != store.SenderDeleted
	if there && !word {
		return s.lendKnown(ctx, tx, by, key, was, n)
	}
	if !there && !word {
		if err := roomForSender(ctx, tx, key.ID); err != nil {
			return was, err
		}
	}
	d, err := AddDomain(ctx, tx, key.ID, n.domain)
	if err != nil {
		return was, err
	}
	x := store.Sender{
		KeyID: key.ID, Email: n.Email, Domain: n.domain, Name: n.Name, EmailType: n.EmailType, Default: n.Default, DomainID: d.ID,
		Filename: d.Filename,
	}
	x.Status, x.Proof = n.standing(d, word)
	if there {
		x.Default = x.Default || was.Default
		x.EmailType = was.EmailType
	}
	if x, err = tx.PutSender(ctx, x); err != nil {
		return x, err
	}
	if err := tx.AddAudit(ctx,
		by.Entry(key.AccountID, "sender.add", "sender "+x.Email, "for key "+key.APIKey+"; "+standingWords(x))); err != nil {
		return x, err
	}
	switch {
	case word && n.whole() && !d.Proved():
		if _, err := Prove(ctx, tx, by, key, d, store.ProofOperator); err != nil {
			return x, err
		}
	case x.Status == store.SenderInactive && !n.whole():
		if err := s.mailLink(ctx, tx, key, x); err != nil {
			return x, err
		}
	}
	if n.Meta {
		return lend(ctx, tx, by, key, x, n)
	}
	return x, nil
}

// standing is a new sender's state, by whose word it is added and whether its domain is proved.
func (n *NewSender) standing(d store.Domain, word bool) (status, proof string) {
	switch {
	case word:
		return store.SenderActive, store.ProofOperator
	case d.Proved() && n.whole():
		return store.SenderActive, d.Proof
	case d.Proved():
		return store.SenderActive, store.ProofDomain
	}
	return store.SenderInactive, ""
}

// standingWords says for the audit log why a sender may be used, or that it may not yet.
func standingWords(x store.Sender) string {
	switch {
	case x.Status != store.SenderActive:
		return "inactive until it is proved"
	case x.Proof == store.ProofOperator:
		return "by the operator's word"
	case x.Proof == store.ProofDomain:
		return "its domain is proved"
	}
	return "proved by " + x.Proof
}

func roomForSender(ctx context.Context, tx *store.Tx, keyID int64) error {
	all, _, err := tx.CountSenders(ctx, keyID, "")
	if err == nil && all >= MaxSenders {
		return &change.Error{Kind: change.LimitReached, Field: "Email", Reason: fmt.Sprintf("the key has %d senders already, which "+
			"is as many as it may: remove some, or prove a domain and send from any address of it", all)}
	}
	return err
}

// lendKnown makes a metasender of a sender that the key has; that it has it is otherwise a conflict.
func (s *Senders) lendKnown(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key, was store.Sender,
	n NewSender,
) (store.Sender, error) {
	switch {
	case n.Meta && !was.Meta:
		return lend(ctx, tx, by, key, was, n)
	case was.Status == store.SenderInactive:
		return was, change.Conflicting("Email", fmt.Sprintf("%s is there already and waits to be proved", was.Email))
	}
	return was, change.Conflicting("Email", fmt.Sprintf("%s is a sender of this API key already", was.Email))
}

func lend(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key, x store.Sender, n NewSender) (store.Sender, error) {
	x.Meta, x.Lent, x.Description = true, n.Lent, n.Description
	x, err := tx.ChangeSender(ctx, x)
	if err != nil {
		return x, err
	}
	return x, tx.AddAudit(ctx, by.Entry(key.AccountID, "sender.lend", "sender "+x.Email, lentWords(x.Lent)))
}

func lentWords(lent bool) string {
	if lent {
		return "lent to all subaccounts"
	}
	return "not lent"
}

// SenderChange is what to change of a sender; nil leaves a property as it is.
type SenderChange struct {
	Name, EmailType *string
	Default         *bool
	Lent            *bool // lends a sender of the master key to all subaccounts, or does no more
	Description     *string
}

// ChangeSender changes a sender of the scope that is not deleted. Errors: *change.Error on Name, EmailType, Description or Lent.
func (s *Senders) ChangeSender(ctx context.Context, by change.Actor, scope store.Scope, id int64, c SenderChange) (out store.Sender,
	err error,
) {
	err = s.update(ctx, "sender", func(tx *store.Tx) error {
		was, err := tx.SenderByID(ctx, scope, id)
		if err != nil {
			return err
		}
		key, err := tx.Key(ctx, scope, store.KeyFilter{ID: was.KeyID})
		if err != nil {
			return err
		}
		if c.Lent != nil && !key.Master {
			return change.Forbidden("Lent", "only a sender of the account's master key can be lent")
		}
		x, detail := c.apply(was)
		if err := checkSenderWords(c.Name, c.EmailType, c.Description); err != nil {
			return err
		}
		if out, err = tx.ChangeSender(ctx, x); err != nil || detail == "" {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(key.AccountID, "sender.change", "sender "+out.Email, detail+"; for key "+key.APIKey))
	})
	if err == nil {
		s.sendersChanged(out)
	}
	return out, err
}

// apply makes the sender as it shall be, and says in words what is different.
func (c SenderChange) apply(x store.Sender) (store.Sender, string) {
	var what change.Log
	if c.Name != nil {
		what.Note("name", x.Name, *c.Name)
		x.Name = *c.Name
	}
	if c.EmailType != nil {
		if *c.EmailType == "" {
			*c.EmailType = "unknown"
		}
		what.Note("type", x.EmailType, *c.EmailType)
		x.EmailType = *c.EmailType
	}
	if c.Default != nil {
		what.Note("default", fmt.Sprint(x.Default), fmt.Sprint(*c.Default))
		x.Default = *c.Default
	}
	if c.Lent != nil {
		what.Note("lending", lentWords(x.Lent), lentWords(*c.Lent))
		x.Meta, x.Lent = x.Meta || *c.Lent, *c.Lent
	}
	if c.Description != nil {
		what.Note("description", x.Description, *c.Description)
		x.Description = *c.Description
	}
	return x, what.Text
}

// RemoveSender ends a key's right to send from a sender. With a whole domain, or its last sender, goes the domain's
// proof, and with that the right to the addresses that rest on it.
func (s *Senders) RemoveSender(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, sender string) error {
	email, _, err := Split(sender)
	if err != nil {
		return change.Wrong("Email", err)
	}
	var x store.Sender
	err = s.update(ctx, "key", func(tx *store.Tx) error {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return err
		}
		x, err = tx.Sender(ctx, key.ID, email)
		if err == nil {
			err = tx.DeleteSender(ctx, key.ID, email)
		}
		if errors.Is(err, store.ErrNotFound) {
			return &change.Error{Kind: change.NotFound, Field: "Email", Reason: fmt.Sprintf("%s is not a sender of the key", email)}
		}
		if err != nil {
			return err
		}
		if err := tx.DropSenderLinks(ctx, x.ID); err != nil {
			return err
		}
		resting, err := unprove(ctx, tx, key, x)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(key.AccountID, "sender.remove", "sender "+email, "for key "+key.APIKey+resting))
	})
	if err == nil {
		s.sendersChanged(x)
	}
	return err
}

// unprove takes a domain's proof away when the sender that goes is the whole domain, or the last of it. It says for the
// audit log which addresses are inactive with it.
func unprove(ctx context.Context, tx *store.Tx, key store.Key, gone store.Sender) (string, error) {
	if gone.DomainID == 0 {
		return "", nil
	}
	_, left, err := tx.CountSenders(ctx, key.ID, gone.Domain)
	if err != nil || left > 0 && !strings.HasPrefix(gone.Email, "*@") {
		return "", err
	}
	if err := tx.ProveDomain(ctx, gone.DomainID, ""); err != nil {
		return "", err
	}
	resting, err := tx.DeactivateDomain(ctx, key.ID, gone.Domain)
	if len(resting) == 0 {
		return "", err
	}
	return "; inactive with it: " + emailsOf(resting), err
}

// emailsOf lists senders for the audit log, the first few by name.
func emailsOf(list []store.Sender) string {
	var out []string
	for i, x := range list {
		if i == 10 {
			out = append(out, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		out = append(out, x.Email)
	}
	return strings.Join(out, ", ")
}

// sendersChanged makes submissions see a changed sender: those of its key, or of a metasender those of all keys.
func (s *Senders) sendersChanged(x store.Sender) {
	if x.Meta {
		s.changed(0)
		return
	}
	s.changed(x.KeyID)
}
