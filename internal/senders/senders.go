// SPDX-License-Identifier: Apache-2.0

// Package senders has the addresses and domains that keys may send from, how it is shown that they are their owner's, and
// the DKIM keys of the domains.
package senders

import (
	"context"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/notice"
	"postern/internal/store"
)

// Senders changes senders. Make it with New.
type Senders struct {
	store   *store.Store
	notices *notice.Outbox
	seal    *credential.Sealer
	changed func(keyID int64)
}

// Config of Senders.
type Config struct {
	Store     *store.Store
	Notices   *notice.Outbox
	ServerKey []byte            // seals DKIM keys
	Changed   func(keyID int64) // senders of a key (0: of all keys) have changed
}

// New makes Senders.
func New(c Config) (*Senders, error) {
	seal, err := credential.NewSealer(c.ServerKey)
	return &Senders{store: c.Store, notices: c.Notices, seal: seal, changed: c.Changed}, err
}

func (s *Senders) update(ctx context.Context, what string, fn func(tx *store.Tx) error) error {
	return change.Update(ctx, s.store, what, fn)
}
