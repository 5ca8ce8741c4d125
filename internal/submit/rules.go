// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"errors"
	"sync"

	"postern/internal/access"
	"postern/internal/mail"
	"postern/internal/store"
)

// maxCachedKeys bounds the rules kept in memory. Past it the cache starts anew: a key costs two short queries again.
const maxCachedKeys = 100_000

// rules are what a key's mail is checked against: whether it may send at all, its senders and limits.
type rules struct {
	senders map[string]store.Sender // by canonical address, or *@domain
	allowed []string                // of these only, when there are any
	store.Rules
}

// limited says whether any limit of messages is set.
func (r *rules) limited() bool {
	return r.HourLimit > 0 || r.DayLimit > 0 || r.MonthLimit > 0 || r.AccountHour > 0 || r.AccountMonth > 0
}

// maySend says in an *Error why nothing is sent with the key, nil when mail is. It is the one rule for whoever sends:
// programs have passed the gate, which says the same at the entrance, but people who send with a key have not.
func (r *rules) maySend() error {
	switch {
	case r.State != store.KeyActive:
		return &Error{Code: KeyMayNotSend, Field: "Key", Reason: "The API key is " + r.State + ": nothing is sent with it."}
	case access.Permission(r.Permissions)&access.MaySend == 0:
		return &Error{Code: KeyMayNotSend, Field: "Key", Reason: "The API key is not allowed to send: see its restrictions."}
	}
	return nil
}

// ruleBook remembers the rules of keys, so that a mail costs no query.
type ruleBook struct {
	store *store.Store

	mu   sync.RWMutex
	keys map[int64]*rules
	gen  uint64 // counts changes, so that a slow read does not bring back what was forgotten
}

func newRuleBook(st *store.Store) *ruleBook {
	return &ruleBook{store: st, keys: map[int64]*rules{}}
}

// forget drops the rules of a key, or with 0 of all.
func (b *ruleBook) forget(keyID int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if keyID == 0 {
		clear(b.keys)
	} else {
		delete(b.keys, keyID)
	}
	b.gen++
}

// of returns the rules of a key that may send, or an *Error that says why there are none.
func (b *ruleBook) of(ctx context.Context, keyID int64) (*rules, error) {
	r, err := b.read(ctx, keyID)
	if err != nil {
		return nil, err
	}
	return r, r.maySend()
}

func (b *ruleBook) read(ctx context.Context, keyID int64) (*rules, error) {
	b.mu.RLock()
	known, ok := b.keys[keyID]
	gen := b.gen
	b.mu.RUnlock()
	if ok {
		return known, nil
	}
	read, err := b.store.Rules(ctx, keyID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Error{Code: KeyMayNotSend, Field: "Key", Reason: "The subaccount of this API key was deleted."}
	}
	if err != nil {
		return nil, &Error{Code: Unavailable, Reason: "The rules of the key could not be read; try again later.", Cause: err}
	}
	r := &rules{senders: make(map[string]store.Sender, len(read.Senders)), allowed: mail.SplitList(read.AllowedSenders), Rules: read}
	for _, x := range read.Senders {
		r.senders[x.Email] = x
	}
	r.Senders = nil
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.keys) >= maxCachedKeys {
		clear(b.keys)
	}
	if b.gen == gen {
		b.keys[keyID] = r
	}
	return r, nil
}
