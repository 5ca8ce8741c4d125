// SPDX-License-Identifier: Apache-2.0

// Package keyring makes, resets and ends what opens doors: API keys with their secrets, senders, and people's
// passwords, links and sessions. The pages, the API and the command line all change them here, by the same rules.
//
// A change, its audit entry and nothing else are one transaction; the gate knows of it before the method returns, so
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

	"postern/internal/account"
	"postern/internal/audit"
	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
)

// Actor is who makes a change, for the audit log.
type Actor struct {
	Name   string // "operator", "user a@example.com", "key 0123…"
	Origin string // an address, or "command line"
}

// Keyring changes credentials. Make it with New.
type Keyring struct {
	store    *store.Store
	gate     *gate.Gate
	digester *credential.Digester
	seal     *credential.Sealer
	changed  func(keyID int64) // the senders of a key have changed
	now      func() time.Time
	log      *slog.Logger

	pendingKey []byte // signs half-finished sign-ins
	handleKey  []byte // makes the user handles of passkeys

	// mu makes the gate see changes in the order in which the store committed them.
	mu sync.Mutex
	// hashing bounds the Argon2id computations that run at a time: each takes 19 MiB and tens of milliseconds.
	hashing chan struct{}
}

// Config of a Keyring.
type Config struct {
	Store          *store.Store
	Gate           *gate.Gate
	Digester       *credential.Digester
	ServerKey      []byte            // seals the DKIM keys
	SendersChanged func(keyID int64) // may be nil
	Now            func() time.Time  // the clock of people's sign-ins; nil: time.Now
	Log            *slog.Logger
}

// New makes a keyring.
func New(c Config) (*Keyring, error) {
	seal, err := credential.NewSealer(c.ServerKey)
	if err != nil {
		return nil, err
	}
	if c.SendersChanged == nil {
		c.SendersChanged = func(int64) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	k := &Keyring{store: c.Store, gate: c.Gate, digester: c.Digester, seal: seal, changed: c.SendersChanged, now: c.Now, log: c.Log, hashing: make(chan struct{}, 2)}
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
	n := 0
	err := k.store.EachKey(ctx, func(key store.Key) error {
		n++
		return k.tellGate(key)
	})
	return n, err
}

// NoteUses stores when secrets were last used; the gate calls it every few seconds.
func (k *Keyring) NoteUses(ctx context.Context, uses []gate.Use) error {
	rows := make([]store.Connection, len(uses))
	for i, u := range uses {
		rows[i] = store.Connection{SecretID: u.SecretID, FirstSeenAt: u.LastUsed, LastSeenAt: u.LastUsed, Count: 1}
	}
	return k.store.Update(ctx, func(tx *store.Tx) error { return tx.NoteUses(ctx, rows) })
}

// Issued is a key with its secret in clear: to be shown once and then forgotten.
type Issued struct {
	Key    store.Key
	Secret string
}

// SignedUp is a new primary account with its owner and master key.
type SignedUp struct {
	Account store.Account
	User    store.User
	Issued
}

// SignUp makes a primary account with an owner and a master key. Errors: *Error on Name or Email.
func (k *Keyring) SignUp(ctx context.Context, by Actor, name, email string) (SignedUp, error) {
	name, err := account.CleanName(name)
	if err != nil {
		return SignedUp{}, invalid("Name", err)
	}
	if err := mail.CheckEmail(email); err != nil {
		return SignedUp{}, invalid("Email", err)
	}
	var out SignedUp
	err = k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		var err error
		if out.Account, err = tx.AddAccount(ctx, name); err != nil {
			return nil, err
		}
		out.User, err = tx.AddUser(ctx, store.User{AccountID: out.Account.ID, Email: mail.Canonical(email)})
		if errors.Is(err, store.ErrExists) {
			return nil, conflict("Email", fmt.Sprintf("a user with the email address %s exists already", email))
		}
		if err != nil {
			return nil, err
		}
		if err := tx.PutAccess(ctx, out.User.ID, out.Account.ID, 0, account.Owner); err != nil {
			return nil, err
		}
		if err := tx.AddAudit(ctx, entry(by, out.Account.ID, "account.create", "account "+name, "owner "+out.User.Email)); err != nil {
			return nil, err
		}
		out.Issued, err = k.issue(ctx, tx, by, store.Key{AccountID: out.Account.ID, Name: name, Master: true})
		return &out.Key, err
	})
	return out, err
}

// CreateSubaccount makes a subaccount of the account, with an API key and secret of its own. Errors: *Error on Name.
func (k *Keyring) CreateSubaccount(ctx context.Context, by Actor, accountID int64, name string) (Issued, error) {
	name, err := account.CleanName(name)
	if err != nil {
		return Issued{}, invalid("Name", err)
	}
	var out Issued
	err = k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		var err error
		out, err = k.issue(ctx, tx, by, store.Key{AccountID: accountID, Name: name})
		return &out.Key, err
	})
	return out, err
}

// issue adds a key with its first secret.
func (k *Keyring) issue(ctx context.Context, tx *store.Tx, by Actor, key store.Key) (Issued, error) {
	key.APIKey, key.State = credential.NewAPIKey().String(), store.KeyActive
	added, err := tx.AddKey(ctx, key)
	if errors.Is(err, store.ErrExists) {
		return Issued{}, conflict("Name", fmt.Sprintf("the account has a key named %q already", key.Name))
	}
	if err != nil {
		return Issued{}, err
	}
	if err := tx.AddAudit(ctx, entry(by, key.AccountID, "key.create", "key "+key.APIKey, "name "+key.Name)); err != nil {
		return Issued{}, err
	}
	return k.newSecret(ctx, tx, added)
}

func (k *Keyring) newSecret(ctx context.Context, tx *store.Tx, key store.Key) (Issued, error) {
	secret := credential.NewSecret()
	digest := k.digester.Digest(secret)
	kept, err := tx.AddSecret(ctx, key.ID, digest[:], credential.Hint(secret))
	if err != nil {
		return Issued{}, err
	}
	key.Secrets = []store.Secret{kept}
	return Issued{Key: key, Secret: secret}, nil
}

// Reset ends all live secrets of a key of the scope and gives it a new one. When it has returned, no request with an
// old secret is accepted and the SMTP sessions that it opened are closed.
func (k *Keyring) Reset(ctx context.Context, by Actor, scope store.Scope, f store.KeyFilter) (Issued, error) {
	var out Issued
	err := k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		if _, err := tx.EndSecrets(ctx, key.ID); err != nil {
			return nil, err
		}
		if out, err = k.newSecret(ctx, tx, key); err != nil {
			return nil, err
		}
		return &out.Key, tx.AddAudit(ctx, entry(by, key.AccountID, "key.reset", "key "+key.APIKey, "the old secret ended at once"))
	})
	return out, err
}

// KeyChange is what to change of a key; nil leaves a property as it is.
type KeyChange struct {
	Name   *string
	ACL    *string
	Active *bool
}

// Change renames, deactivates or activates a key of the scope. self is the ID of the key that asks, 0 when a person
// does: a master key cannot deactivate itself. Errors: *Error on Name, ACL or IsActive.
func (k *Keyring) Change(ctx context.Context, by Actor, scope store.Scope, f store.KeyFilter, c KeyChange, self int64) (store.Key, error) {
	var out store.Key
	err := k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		detail, err := c.apply(&key, self)
		if err != nil {
			return nil, err
		}
		out = key
		if detail == "" {
			return nil, nil
		}
		err = tx.ChangeKey(ctx, key)
		if errors.Is(err, store.ErrExists) {
			return nil, conflict("Name", fmt.Sprintf("the account has a key named %q already", key.Name))
		}
		if err != nil {
			return nil, err
		}
		return &key, tx.AddAudit(ctx, entry(by, key.AccountID, "key.change", "key "+key.APIKey, detail))
	})
	return out, err
}

// apply changes key and says what is different, "" when nothing is.
func (c KeyChange) apply(key *store.Key, self int64) (string, error) {
	detail := ""
	note := func(what, from, to string) {
		if detail != "" {
			detail += "; "
		}
		detail += what + ": " + from + " → " + to
	}
	if c.Name != nil {
		name, err := account.CleanName(*c.Name)
		if err != nil {
			return "", invalid("Name", err)
		}
		if name != key.Name {
			note("name", key.Name, name)
			key.Name = name
		}
	}
	if c.ACL != nil && *c.ACL != key.ACL {
		if len(*c.ACL) > 1000 {
			return "", invalid("ACL", errors.New("the ACL is longer than 1000 bytes"))
		}
		note("ACL", key.ACL, *c.ACL)
		key.ACL = *c.ACL
	}
	if c.Active != nil {
		switch {
		case key.State == store.KeySuspended:
			return "", notAllowed("IsActive", "the key is suspended by the operator")
		case !*c.Active && key.ID == self:
			return "", notAllowed("IsActive", "a key cannot deactivate itself")
		}
		state := store.KeyDeactivated
		if *c.Active {
			state = store.KeyActive
		}
		if state != key.State {
			note("state", key.State, state)
			key.State = state
		}
	}
	return detail, nil
}

// change runs fn in a transaction and tells the gate of the key that it returns, before anything else can change.
func (k *Keyring) change(ctx context.Context, fn func(tx *store.Tx) (*store.Key, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var key *store.Key
	err := k.store.Update(ctx, func(tx *store.Tx) error {
		var err error
		key, err = fn(tx)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: NotFound, Reason: "no such key"}
	}
	if err != nil || key == nil {
		return err
	}
	return k.tellGate(*key)
}

// tellGate makes the gate know a key as it now stands.
func (k *Keyring) tellGate(key store.Key) error {
	api, err := credential.ParseAPIKey(key.APIKey)
	if err != nil {
		return fmt.Errorf("key %d: %w", key.ID, err)
	}
	g := gate.Key{ID: key.ID, AccountID: key.AccountID, APIKey: api, Master: key.Master, State: gateState(key.State)}
	for _, x := range key.Secrets {
		g.Secrets = append(g.Secrets, gate.Secret{ID: x.ID, Digest: credential.Digest(x.Digest), ExpiresAt: x.ExpiresAt})
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

func entry(by Actor, accountID int64, action, target, detail string) audit.Entry {
	return audit.Entry{AccountID: accountID, Actor: by.Name, Origin: by.Origin, Action: action, Target: target, Detail: detail}
}
