// SPDX-License-Identifier: Apache-2.0

// Package keys has API keys with their secrets: what is asked about them, and what changes them. The pages, the API and
// the command line all come here, by the same rules.
//
// A change, its audit entry and its notices are one transaction; the gate knows of it before the method returns, so that a
// dead secret authenticates nothing from then on (promise 2). A secret is in clear in the answer of the method that made it,
// and nowhere else (promise 1).
//
// # The order of changes
//
// A transaction that changes a key has its row to itself (store.Tx.KeyToChange), on every node. After its commit a change
// takes the lock of its key, reads the key from the store, and puts into the gate what it read. Each change reads after its
// own commit, and readings of one key follow each other: so whatever the order of the commits was, the gate ends up with the
// last of them, and no call returns before the gate has at least its own. There is a lock for each key and none for all, and
// none is held during a transaction: nobody waits for work about another key, such as an SMTP session that is closed after
// the mail that it commits. A key that cannot be read after a commit is closed until it can be.
package keys

import (
	"context"
	"log/slog"
	"time"

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
	now      func() time.Time
	log      *slog.Logger

	locks  change.Locks // of keys that are made known to the gate
	closed closed

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
	Now      func() time.Time
	Log      *slog.Logger
}

// New makes Keys.
func New(c Config) *Keys {
	return &Keys{
		store: c.Store, gate: c.Gate, digester: c.Digester, notices: c.Notices, accounts: c.Accounts, changed: c.Changed,
		ownHost: c.OwnHost,
		now:     c.Now, log: c.Log,
	}
}

// NoteUses stores how secrets were used; the gate calls it every few seconds.
func (k *Keys) NoteUses(ctx context.Context, uses []gate.Use) error {
	rows := make([]store.Connection, len(uses))
	for i, u := range uses {
		rows[i] = store.Connection{
			SecretID: u.SecretID, Protocol: u.Protocol, Address: u.Address, Client: u.Client, FirstSeenAt: u.First, LastSeenAt: u.Last,
			Count: u.Count,
		}
	}
	return k.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.NeedRoom(); err != nil {
			return err
		}
		return tx.NoteUses(ctx, rows)
	})
}
