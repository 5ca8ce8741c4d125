// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"fmt"
	"sync"

	"postern/internal/mail"
	"postern/internal/store"
)

// maxCachedKeys bounds the senders kept in memory. Past it the cache starts anew: a key costs one short query again.
const maxCachedKeys = 100_000

// senders remembers which addresses and domains a key may send from, so that a mail costs no query.
type senders struct {
	store *store.Store

	mu   sync.RWMutex
	keys map[int64]map[string]store.Sender // by canonical address, or *@domain
	gen  uint64                            // counts changes, so that a slow read does not bring back what was forgotten
}

func newSenders(st *store.Store) *senders {
	return &senders{store: st, keys: map[int64]map[string]store.Sender{}}
}

func (s *senders) forget(keyID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, keyID)
	s.gen++
}

// find returns the key's sender for an address: itself, or its whole domain.
func (s *senders) find(ctx context.Context, keyID int64, email string) (store.Sender, error) {
	allowed, err := s.of(ctx, keyID)
	if err != nil {
		return store.Sender{}, &Error{Code: Unavailable, Reason: "The senders of the key could not be read; try again later.", Cause: err}
	}
	if x, ok := allowed[mail.Canonical(email)]; ok {
		return x, nil
	}
	if x, ok := allowed["*@"+mail.Domain(email)]; ok {
		return x, nil
	}
	return store.Sender{}, &Error{Code: SenderNotAllowed, Field: "From", Reason: fmt.Sprintf("%q is not an authorized sender email address for your account.", email)}
}

func (s *senders) of(ctx context.Context, keyID int64) (map[string]store.Sender, error) {
	s.mu.RLock()
	known, ok := s.keys[keyID]
	gen := s.gen
	s.mu.RUnlock()
	if ok {
		return known, nil
	}
	list, err := s.store.KeySenders(ctx, keyID)
	if err != nil {
		return nil, err
	}
	m := make(map[string]store.Sender, len(list))
	for _, x := range list {
		m[x.Email] = x
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) >= maxCachedKeys {
		clear(s.keys)
	}
	if s.gen == gen {
		s.keys[keyID] = m
	}
	return m, nil
}
