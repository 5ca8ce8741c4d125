// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/senders"
	"postern/internal/store"
)

// Domain is a domain that a key has senders of, with the records to publish.
type Domain struct {
	store.Domain
	Records Records
	DKIM    Record
	SPF     Record
	Busy    bool // it is being checked just now
}

// Record is a TXT record to publish, and what was found of it at the last check.
type Record struct {
	Name, Value string
	Status      string   // "ok", "error", or "" when nothing is known
	Current     []string `json:",omitempty"` // what is there
	Errors      []string `json:",omitempty"` // what is wrong
}

// OK says that the record is as it should be.
func (r Record) OK() bool { return r.Status == store.RecordOK }

// Wrong says that it is not.
func (r Record) Wrong() bool { return r.Status == store.RecordError }

// List lists the domains of the scope's keys that match, and says how many there are in all.
func (c *Checker) List(ctx context.Context, scope store.Scope, accountID int64, f store.DomainFilter, p store.Page) ([]Domain, int, error) {
	list, total, err := c.Store.Domains(ctx, scope, f, p)
	if err != nil {
		return nil, 0, err
	}
	out := make([]Domain, len(list))
	for i, d := range list {
		if out[i], err = c.shown(ctx, accountID, d); err != nil {
			return nil, 0, err
		}
	}
	return out, total, nil
}

// Named reads a domain of a key by its ID or name. Error: *change.Error NotFound.
func (c *Checker) Named(ctx context.Context, scope store.Scope, accountID, keyID int64, name string) (Domain, error) {
	f := store.DomainFilter{KeyID: keyID}
	name = strings.TrimSuffix(name, ".")
	var err error
	if id, bad := strconv.ParseInt(name, 10, 64); bad == nil && id > 0 {
		f.ID = id
	} else if _, f.Domain, err = senders.Split("*@" + name); err != nil {
		return Domain{}, change.Missing("domain")
	}
	d, err := c.Store.Domain(ctx, scope, f)
	if errors.Is(err, store.ErrNotFound) {
		return Domain{}, change.Missing("domain")
	}
	if err != nil {
		return Domain{}, err
	}
	return c.shown(ctx, accountID, d)
}

// Of reads the domain of a sender of the scope. A sender of an older version may have none yet: then its ID is 0.
func (c *Checker) Of(ctx context.Context, scope store.Scope, x senders.Sender) (Domain, error) {
	d, err := c.Store.Domain(ctx, scope, store.DomainFilter{ID: x.Row.DomainID, KeyID: x.Row.KeyID, Domain: x.Row.Domain})
	if errors.Is(err, store.ErrNotFound) {
		return Domain{}, nil
	}
	if err != nil {
		return Domain{}, err
	}
	return c.shown(ctx, x.Key.AccountID, d)
}

func (c *Checker) shown(ctx context.Context, accountID int64, d store.Domain) (Domain, error) {
	r, err := c.records(ctx, accountID, d)
	out := Domain{Domain: d, Records: r, DKIM: seen(r.DKIM, d.DKIM), SPF: seen(r.SPF, d.SPF), Busy: d.BusyUntil.After(c.Now())}
	out.SPF.Errors = r.spfErrors(d)
	return out, err
}

func seen(t TXT, r store.Record) Record {
	return Record{Name: t.Name, Value: t.Value, Status: r.Status, Current: r.Current, Errors: r.Errors}
}

// Report is a sender after a check of its domain.
type Report struct {
	senders.Sender
	Domain    string
	Ownership Record // of the domain; Status is "ok" when it is verified
	FileURL   string // an empty file here verifies the domain, too
	DKIM, SPF Record
	DMARC     string    `json:",omitempty"` // the record that applies
	Advice    string    `json:",omitempty"` // what could be better about DMARC
	CheckedAt time.Time `json:",omitzero"`
}

// CheckSender checks the domain of a sender of the scope now: its ownership, where it is not verified, and its records.
func (c *Checker) CheckSender(ctx context.Context, by change.Actor, scope store.Scope, x senders.Sender) (Report, error) {
	d, err := c.Of(ctx, scope, x)
	if err != nil {
		return Report{}, err
	}
	if d.ID == 0 {
		return Report{}, change.Errorf(change.Conflict, "Email", "the domain of %s is not known yet: try again in a minute", x.Email)
	}
	proof, err := c.Prove(ctx, by, scope, d.Domain)
	if err != nil {
		return Report{}, err
	}
	checked, err := c.Check(ctx, by, scope, d.ID)
	if err != nil {
		return Report{}, err
	}
	if d, err = c.shown(ctx, x.Key.AccountID, checked); err != nil {
		return Report{}, err
	}
	if x, err = c.Senders.One(ctx, scope, store.SenderFilter{ID: x.ID}); err != nil {
		return Report{}, err
	}
	out := Report{
		Sender: x, Domain: d.Domain.Domain, FileURL: d.Records.FileURL,
		Ownership: seen(d.Records.Ownership, store.Record{Status: store.RecordOK}),
		DKIM:      d.DKIM, SPF: d.SPF, DMARC: d.DMARC, Advice: d.DMARCAdvice, CheckedAt: d.CheckedAt,
	}
	if !d.Proved() {
		out.Ownership.Status, out.Ownership.Errors = store.RecordError, []string{proof.DNSError, proof.FileError}
	}
	return out, nil
}
