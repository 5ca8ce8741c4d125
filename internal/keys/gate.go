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
	defer k.locks.Lock(id)()
	api, err := credential.ParseAPIKey(apiKey)
	if err != nil {
		k.log.ErrorContext(ctx, "a key is no API key", "key_id", id, "error", err)
		return
	}
	key, err := k.store.Key(ctx, store.OfOperator(), store.KeyFilter{ID: id})
	switch {
	case err == nil:
		err = k.put(key)
	case errors.Is(err, store.ErrNotFound):
		k.gate.Remove(api)
		err = nil
	}
	if err != nil {
		k.gate.Remove(api)
		k.log.ErrorContext(ctx, "a key that was changed could not be read, and is closed until it can", "key_id", id, "error", err)
	}
	k.closed.note(id, apiKey, err == nil)
}

// refreshClosed opens the keys again that refresh closed.
func (k *Keys) refreshClosed(ctx context.Context) {
	for id, apiKey := range k.closed.all() {
		k.refresh(ctx, id, apiKey)
	}
}

// put makes the gate know a key as it now stands.
func (k *Keys) put(key store.Key) error {
	api, err := credential.ParseAPIKey(key.APIKey)
	if err != nil {
		return fmt.Errorf("key %d: %w", key.ID, err)
	}
	networks, err := access.ParseNetworks(key.Networks)
	if err != nil {
		return fmt.Errorf("key %d: %w", key.ID, err)
	}
	g := gate.Key{
		ID: key.ID, AccountID: key.AccountID, APIKey: api, Master: key.Master, State: gateState(key.Own.State),
		Permissions: access.Permission(key.Permissions), Networks: networks,
	}
	for _, x := range key.Secrets {
		g.Secrets = append(g.Secrets,
			gate.Secret{ID: x.ID, Digest: credential.Digest(x.Digest), CreatedAt: x.CreatedAt, ExpiresAt: x.ExpiresAt})
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

// Warm puts all accounts and keys into the gate, before any request is taken, and says how many keys there are.
func (k *Keys) Warm(ctx context.Context) (int, error) {
	list, err := k.store.Accounts(ctx)
	if err != nil {
		return 0, err
	}
	for _, a := range list {
		k.gate.PutAccount(accounts.InGate(a))
	}
	n := 0
	err = k.store.EachCredential(ctx, func(key store.Key) error {
		n++
		return k.put(key)
	})
	return n, err
}

// closed are the keys that are closed since they could not be read after a change. The zero value is ready.
type closed struct {
	mu   sync.Mutex
	keys map[int64]string // API keys by ID
}

// note keeps in mind that a key is closed, or that it is known again.
func (c *closed) note(id int64, apiKey string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known {
		delete(c.keys, id)
		return
	}
	if c.keys == nil {
		c.keys = map[int64]string{}
	}
	c.keys[id] = apiKey
}

// all are these keys.
func (c *closed) all() map[int64]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.keys)
}
