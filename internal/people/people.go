// SPDX-License-Identifier: Apache-2.0

// Package people has the users of the pages: how they sign in (password, passkey, provider, link) and with which second
// factor, their sessions, and what is shared with them.
package people

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"log/slog"
	"time"

	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/notice"
	"postern/internal/store"
	"postern/internal/throttle"
)

// People signs users in and shares with them. Make it with New.
type People struct {
	store    *store.Store
	accounts *accounts.Accounts
	notices  *notice.Outbox
	digester *credential.Digester
	seal     *credential.Sealer
	now      func() time.Time
	log      *slog.Logger
	hosts    []string

	pendingKey []byte // signs half-finished sign-ins
	handleKey  []byte // makes the user handles of passkeys

	attempts *throttle.Throttle
	// hashing bounds the Argon2id computations that run at a time and those that wait: each takes 19 MiB and tens of
	// milliseconds.
	hashing *throttle.Queue
	codes   wrongCodes
}

// Config of People.
type Config struct {
	Store     *store.Store
	Accounts  *accounts.Accounts
	Notices   *notice.Outbox
	Digester  *credential.Digester
	ServerKey []byte           // seals what must be read again
	Hashing   *throttle.Queue  // bounds slow hashes; nil: one of its own
	Now       func() time.Time // the clock of sign-ins; nil: time.Now
	Hosts     []string         // names of the server, which no password is made of
	Log       *slog.Logger
}

// New makes People.
func New(c Config) (*People, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Hashing == nil {
		c.Hashing = throttle.NewQueue(hashesAtOnce, hashesWaiting, hashesOfKnown)
	}
	k := &People{
		store: c.Store, accounts: c.Accounts, notices: c.Notices, digester: c.Digester, now: c.Now, log: c.Log, hosts: c.Hosts,
		attempts: newAttempts(), hashing: c.Hashing,
	}
	var err error
	if k.seal, err = credential.NewSealer(c.ServerKey); err != nil {
		return nil, err
	}
	if k.pendingKey, err = hkdf.Key(sha256.New, c.ServerKey, nil, "postern pending sign-in 1", sha256.Size); err != nil {
		return nil, err
	}
	k.handleKey, err = hkdf.Key(sha256.New, c.ServerKey, nil, "postern user handle 1", sha256.Size)
	return k, err
}

func (k *People) update(ctx context.Context, what string, fn func(tx *store.Tx) error) error {
	return change.Update(ctx, k.store, what, fn)
}
