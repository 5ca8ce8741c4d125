// SPDX-License-Identifier: Apache-2.0

// Package keyring makes, resets and ends what opens doors: API keys with their secrets, senders, and people's
// passwords, links, sessions and shares. The pages, the API and the command line all change them here, by the same
// rules.
//
// A change, its audit entry and its notices are one transaction; the gate knows of it before the method returns, so
// that a dead secret opens nothing from then on (promise 2). A secret is in clear in the answer of the method that
// made it, and nowhere else (promise 1).
package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"postern/internal/change"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/notice"
	"postern/internal/store"
	"postern/internal/webhook"
)

// Keyring changes credentials. Make it with New.
type Keyring struct {
	store     *store.Store
	gate      *gate.Gate
	digester  *credential.Digester
	seal      *credential.Sealer
	changed   func(keyID int64) // what mail of a key is checked against has changed
	notices   *notice.Outbox
	ownHost   func(string) bool // may be nil
	webhook   *webhook.Webhook
	retention int
	now       func() time.Time
	log       *slog.Logger

	pendingKey []byte // signs half-finished sign-ins
	handleKey  []byte // makes the user handles of passkeys

	// mu makes the gate see changes in the order in which the store committed them.
	mu sync.Mutex
	// hashing bounds the Argon2id computations that run at a time: each takes 19 MiB and tens of milliseconds.
	hashing chan struct{}

	tidied tidied
	codes  wrongCodes
}

// Config of a Keyring.
type Config struct {
	Store        *store.Store
	Gate         *gate.Gate
	Digester     *credential.Digester
	ServerKey    []byte            // seals what must be read again
	RulesChanged func(keyID int64) // state, permissions, senders or limits of a key (0: of all keys) have changed; may be nil
	OwnHost      func(string) bool // says whether a host name is the server's own; may be nil
	Notices      *notice.Outbox
	Webhook      *webhook.Webhook // tells accounts' URLs; nil: what is to be told is queued for one that runs later
	Now          func() time.Time // the clock of people's sign-ins; nil: time.Now
	Retention    int              // days that messages of accounts are kept whose plans say nothing; 0: for good
	Log          *slog.Logger
}

// New makes a keyring.
func New(c Config) (*Keyring, error) {
	seal, err := credential.NewSealer(c.ServerKey)
	if err != nil {
		return nil, err
	}
	if c.RulesChanged == nil {
		c.RulesChanged = func(int64) {}
	}
	if c.Notices == nil {
		if c.Notices, err = notice.New(c.ServerKey, nil); err != nil {
			return nil, err
		}
	}
	if c.Webhook == nil {
		if c.Webhook, err = webhook.New(webhook.Config{Store: c.Store, ServerKey: c.ServerKey, Log: c.Log}); err != nil {
			return nil, err
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	k := &Keyring{
		webhook: c.Webhook, retention: c.Retention,
		store: c.Store, gate: c.Gate, digester: c.Digester, seal: seal, changed: c.RulesChanged, notices: c.Notices, ownHost: c.OwnHost, now: c.Now, log: c.Log,
		hashing: make(chan struct{}, 2),
	}
	k.webhook.OnDead(k.hooksDied)
	if k.pendingKey, err = hkdf.Key(sha256.New, c.ServerKey, nil, "postern pending sign-in 1", sha256.Size); err != nil {
		return nil, err
	}
	k.handleKey, err = hkdf.Key(sha256.New, c.ServerKey, nil, "postern user handle 1", sha256.Size)
	return k, err
}

// Warm puts all keys into the gate, and says how many there are.
func (k *Keyring) Warm(ctx context.Context) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	policies := map[int64]credential.Policy{}
	accounts, err := k.store.Accounts(ctx)
	if err != nil {
		return 0, err
	}
	for _, a := range accounts {
		policies[a.ID] = PolicyOf(a)
	}
	n := 0
	err = k.store.EachCredential(ctx, func(key store.Key) error {
		n++
		return k.tellGate(key, policies[key.AccountID])
	})
	return n, err
}

// PolicyOf is an account's rotation policy.
func PolicyOf(a store.Account) credential.Policy {
	return credential.Policy{Days: a.SecretDays, RemindDays: a.RemindDays, Stop: a.StopOverdue}
}

// NoteUses stores how secrets were used; the gate calls it every few seconds.
func (k *Keyring) NoteUses(ctx context.Context, uses []gate.Use) error {
	rows := make([]store.Connection, len(uses))
	for i, u := range uses {
		rows[i] = store.Connection{SecretID: u.SecretID, Protocol: u.Protocol, Address: u.Address, Client: u.Client, FirstSeenAt: u.First, LastSeenAt: u.Last, Count: u.Count}
	}
	return k.store.Update(ctx, func(tx *store.Tx) error { return tx.NoteUses(ctx, rows) })
}

// change runs fn in a transaction and tells the gate of the key that it returns, and what remembers the key's rules, before
// anything else can change.
func (k *Keyring) change(ctx context.Context, fn func(tx *store.Tx) (*store.Key, error)) error {
	ctx, cancel := whole(ctx)
	defer cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	var key *store.Key
	var owner store.Account
	tried := false // fn was through: what failed then is the commit, of which nobody knows whether it is there
	err := k.store.Update(ctx, func(tx *store.Tx) error {
		tried = false
		var err error
		if key, err = fn(tx); err != nil || key == nil {
			return err
		}
		owner, err = tx.Account(ctx, key.AccountID)
		tried = err == nil
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
	err = k.tellGate(*key, PolicyOf(owner))
	k.changed(key.ID)
	return err
}

// changeTime bounds a change.
const changeTime = time.Minute

// whole lets a change be carried to its end when its caller hangs up: a commit without the gate's knowing of it would
// leave a dead secret alive.
func whole(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), changeTime)
}

// tellGateAgain makes the gate know a key as the store has it, after a commit that may have happened or not.
func (k *Keyring) tellGateAgain(ctx context.Context, keyID int64) error {
	for _, deleted := range []bool{false, true} {
		key, err := k.store.Key(ctx, store.OfOperator(), store.KeyFilter{ID: keyID, Deleted: deleted})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		a, err := k.store.Account(ctx, key.AccountID)
		if err != nil {
			return err
		}
		return k.tellGate(key, PolicyOf(a))
	}
	return nil
}

// update is change for what concerns no key: the gate is not told. A missing row is *change.Error NotFound about what.
func (k *Keyring) update(ctx context.Context, what string, fn func(tx *store.Tx) error) error {
	err := k.store.Update(ctx, fn)
	if errors.Is(err, store.ErrNotFound) {
		return &change.Error{Kind: change.NotFound, Reason: "there is no such " + what}
	}
	return err
}

// tellGate makes the gate know a key as it now stands, or forget one that is deleted.
func (k *Keyring) tellGate(key store.Key, policy credential.Policy) error {
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

func conflict(field, reason string) error {
	return &change.Error{Kind: change.Conflict, Field: field, Reason: reason}
}

func notAllowed(field, reason string) error {
	return &change.Error{Kind: change.NotAllowed, Field: field, Reason: reason}
}

// OpenNotice reads a notice as it was added.
func (k *Keyring) OpenNotice(kept store.Notice) (notice.Notice, error) { return k.notices.Open(kept) }
