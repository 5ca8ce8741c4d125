// SPDX-License-Identifier: Apache-2.0

// Package keys has API keys with their secrets: what is asked about them, and what changes them. The pages, the API and
// the command line all come here, by the same rules.
//
// A change, its audit entry and its notices are one transaction; the gate knows of it before the method returns, so that a
// dead secret authenticates nothing from then on (promise 2). A secret is in clear in the answer of the method that made it,
// and nowhere else (promise 1).
package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/notice"
	"postern/internal/store"
)

// Keys changes API keys and their secrets. Make it with New.
type Keys struct {
	store    *store.Store
	gate     *gate.Gate
	digester *credential.Digester
	notices  *notice.Outbox
	accounts *accounts.Accounts
	changed  func(keyID int64)
	ownHost  func(string) bool
	log      *slog.Logger

	// mu makes the gate see changes in the order in which the store committed them.
	mu sync.Mutex

	ended ended
}

// Config of Keys.
type Config struct {
	Store    *store.Store
	Gate     *gate.Gate
	Digester *credential.Digester
	Notices  *notice.Outbox
	Accounts *accounts.Accounts
	Changed  func(keyID int64) // what mail of a key is checked against has changed
	OwnHost  func(string) bool // says whether a host name is the server's own
	Log      *slog.Logger
}

// New makes Keys.
func New(c Config) *Keys {
	return &Keys{
		store: c.Store, gate: c.Gate, digester: c.Digester, notices: c.Notices, accounts: c.Accounts, changed: c.Changed, ownHost: c.OwnHost, log: c.Log,
	}
}

// Warm puts all keys into the gate, and says how many there are.
func (k *Keys) Warm(ctx context.Context) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
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
		return k.tellGate(key)
	})
	return n, err
}

// NoteUses stores how secrets were used; the gate calls it every few seconds.
func (k *Keys) NoteUses(ctx context.Context, uses []gate.Use) error {
	rows := make([]store.Connection, len(uses))
	for i, u := range uses {
		rows[i] = store.Connection{SecretID: u.SecretID, Protocol: u.Protocol, Address: u.Address, Client: u.Client, FirstSeenAt: u.First, LastSeenAt: u.Last, Count: u.Count}
	}
	return k.store.Update(ctx, func(tx *store.Tx) error { return tx.NoteUses(ctx, rows) })
}

// change runs fn in a transaction and tells the gate of the key that it returns, and what remembers the key's rules, before
// anything else can change.
func (k *Keys) change(ctx context.Context, fn func(tx *store.Tx) (*store.Key, error)) error {
	ctx, cancel := change.Whole(ctx)
	defer cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	var key *store.Key
	tried := false // fn was through: what failed then is the commit, of which nobody knows whether it is there
	err := k.store.Update(ctx, func(tx *store.Tx) error {
		var err error
		key, err = fn(tx)
		tried = err == nil && key != nil
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return &change.Error{Kind: change.NotFound, Reason: "there is no such key"}
	}
	if err != nil && tried {
		err = errors.Join(err, k.tellGateAgain(ctx, key.ID))
		k.changed(key.ID)
		return err
	}
	if err != nil {
		return err
	}
	if key == nil {
		return nil
	}
	err = k.tellGate(*key)
	k.changed(key.ID)
	return err
}

// tellGateAgain makes the gate know a key as the store has it, after a commit that may have happened or not.
func (k *Keys) tellGateAgain(ctx context.Context, keyID int64) error {
	for _, deleted := range []bool{false, true} {
		key, err := k.store.Key(ctx, store.OfOperator(), store.KeyFilter{ID: keyID, Deleted: deleted})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		return k.tellGate(key)
	}
	return nil
}

// tellGate makes the gate know a key as it now stands, or forget one that is deleted.
func (k *Keys) tellGate(key store.Key) error {
	api, err := credential.ParseAPIKey(key.APIKey)
	if err != nil {
		return fmt.Errorf("key %d: %w", key.ID, err)
	}
	if !key.DeletedAt.IsZero() {
		k.gate.Remove(api)
		return nil
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
		g.Secrets = append(g.Secrets, gate.Secret{ID: x.ID, Digest: credential.Digest(x.Digest), CreatedAt: x.CreatedAt, ExpiresAt: x.ExpiresAt})
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
