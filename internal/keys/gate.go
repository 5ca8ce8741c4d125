// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/store"
)

// change runs fn in a transaction, and makes the gate and what remembers the key's rules know the key that fn returns; nil
// says that nothing changed.
func (k *Keys) change(ctx context.Context, fn func(tx *store.Tx) (*store.Key, error)) error {
	ctx, cancel := change.Whole(ctx)
	defer cancel()
	var key *store.Key
	tried := false // fn was through: what failed then is the commit, of which nobody knows whether it is there
	err := k.store.Update(ctx, func(tx *store.Tx) error {
		var err error
		key, err = fn(tx)
		tried = err == nil
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return change.Missing("key")
	}
	if key == nil || err != nil && !tried {
		return err
	}
	k.refresh(ctx, key.ID, key.APIKey)
	k.changed(key.ID)
	return err
}

// refresh makes the gate know a key as the store has it now. Where the store cannot say it, the key is closed, and Run
// tries again: a dead secret must not live on because a reading failed.
func (k *Keys) refresh(ctx context.Context, id int64, apiKey string) {
	defer k.locks.lock(id)()
	api, err := credential.ParseAPIKey(apiKey)
	if err != nil {
		k.log.ErrorContext(ctx, "a key is no API key", "key_id", id, "error", err)
		return
	}
	key, policy, err := k.stored(ctx, id)
	switch {
	case err == nil:
		err = k.put(key, policy)
	case errors.Is(err, store.ErrNotFound):
		k.gate.Remove(api)
		err = nil
	}
	if err != nil {
		k.gate.Remove(api)
		k.log.ErrorContext(ctx, "a key that was changed could not be read, and is closed until it can", "key_id", id, "error", err)
	}
	k.locks.note(id, apiKey, err == nil)
}

// refreshClosed opens the keys again that refresh closed.
func (k *Keys) refreshClosed(ctx context.Context) {
	for id, apiKey := range k.locks.unread() {
		k.refresh(ctx, id, apiKey)
	}
}

// stored reads a key with the policy of its account. A deleted one is store.ErrNotFound.
func (k *Keys) stored(ctx context.Context, id int64) (key store.Key, p credential.Policy, err error) {
	if key, err = k.store.Key(ctx, store.OfOperator(), store.KeyFilter{ID: id}); err != nil {
		return key, p, err
	}
	a, err := k.store.Account(ctx, key.AccountID)
	return key, accounts.PolicyOf(a), err
}

// put makes the gate know a key as it now stands.
func (k *Keys) put(key store.Key, policy credential.Policy) error {
	api, err := credential.ParseAPIKey(key.APIKey)
	if err != nil {
		return fmt.Errorf("key %d: %w", key.ID, err)
	}
	networks, err := access.ParseNetworks(key.Networks)
	if err != nil {
		return fmt.Errorf("key %d: %w", key.ID, err)
	}
	g := gate.Key{
		ID: key.ID, AccountID: key.AccountID, APIKey: api, Master: key.Master, State: gateState(key.State),
		Permissions: access.Permission(key.Permissions), Networks: networks,
	}
	for _, x := range key.Secrets {
		s := gate.Secret{ID: x.ID, Digest: credential.Digest(x.Digest), ExpiresAt: x.ExpiresAt}
		if policy.Stop && policy.Days > 0 {
			s.StopsAt = policy.EndOf(x.CreatedAt)
		}
		g.Secrets = append(g.Secrets, s)
	}
	k.gate.Put(g)
	return nil
}

func gateState(s string) gate.State {
	switch s {
	case store.KeyActive:
		return gate.Active
	case store.KeyDeactivated:
		return gate.Deactivated
	}
	return gate.Suspended // what is not known opens nothing
}

// Warm puts all keys into the gate, before any request is taken, and says how many there are.
func (k *Keys) Warm(ctx context.Context) (int, error) {
	policies := map[int64]credential.Policy{}
	list, err := k.store.Accounts(ctx)
	if err != nil {
		return 0, err
	}
	for _, a := range list {
		policies[a.ID] = accounts.PolicyOf(a)
	}
	n := 0
	err = k.store.EachCredential(ctx, func(key store.Key) error {
		n++
		return k.put(key, policies[key.AccountID])
	})
	return n, err
}

// PolicyChanged makes the gate know all keys of an account under its policy.
func (k *Keys) PolicyChanged(ctx context.Context, a store.Account) error {
	for at := 0; ; {
		keys, total, err := k.store.Keys(ctx, store.OfAccount(a.ID), store.KeyFilter{}, store.Page{Limit: 1000, Offset: at})
		if err != nil {
			return err
		}
		for _, key := range keys {
			k.refresh(ctx, key.ID, key.APIKey)
		}
		if at += len(keys); len(keys) == 0 || at >= total {
			return nil
		}
	}
}

// locks has a lock for each key that is being made known to the gate, and the keys that are closed since they could not be
// read. The zero value is ready.
type locks struct {
	mu     sync.Mutex
	held   map[int64]*keyLock
	closed map[int64]string // API keys by ID
}

type keyLock struct {
	sync.Mutex
	users int // that hold it or wait for it
}

// lock waits for the lock of a key and returns how to give it back.
func (l *locks) lock(id int64) (unlock func()) {
	l.mu.Lock()
	x := l.held[id]
	if x == nil {
		if l.held == nil {
			l.held = map[int64]*keyLock{}
		}
		x = &keyLock{}
		l.held[id] = x
	}
	x.users++
	l.mu.Unlock()
	x.Lock()
	return func() {
		x.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if x.users--; x.users == 0 {
			delete(l.held, id)
		}
	}
}

// note keeps in mind that a key is closed, or that it is known again.
func (l *locks) note(id int64, apiKey string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known {
		delete(l.closed, id)
		return
	}
	if l.closed == nil {
		l.closed = map[int64]string{}
	}
	l.closed[id] = apiKey
}

// unread are the keys that are closed.
func (l *locks) unread() map[int64]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.closed)
}
