// SPDX-License-Identifier: Apache-2.0

// Package gate lets callers in.
package gate

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"postern/internal/credential"
)

// State says whether a key may be used.
type State uint8

// The states of a key.
const (
	Active      State = iota
	Deactivated       // by its owner
	Suspended         // by the operator
)

// Secret is a live secret of a key.
type Secret struct {
	ID        int64
	Digest    credential.Digest
	ExpiresAt time.Time // the end of an overlap; zero: none
}

// Key is an API key with its live secrets: at most two.
type Key struct {
	ID        int64
	AccountID int64
	APIKey    credential.APIKey
	Master    bool
	State     State
	Secrets   []Secret
}

// Principal is a caller who proved a secret.
type Principal struct {
	KeyID     int64
	AccountID int64
	SecretID  int64
	APIKey    string
	Master    bool
}

// Source is where a caller comes from.
type Source struct {
	Addr     netip.Addr
	Protocol string // "http", "smtp"
}

// Use is the latest use of a secret, to the second.
type Use struct {
	SecretID int64
	LastUsed time.Time
}

// Config is what a gate needs.
type Config struct {
	Digester   *credential.Digester                     // required
	Burst      int                                      // failures a source may make at once; 0: 20
	Refill     time.Duration                            // time in which it may make one more; 0: 6 s
	Now        func() time.Time                         // nil: time.Now
	FlushEvery time.Duration                            // how often last uses are written; 0: 5 s
	Flush      func(ctx context.Context, _ []Use) error // nil: last uses are not kept
	Log        *slog.Logger                             // nil: none
}

// Gate lets callers in.
type Gate struct{}

// New returns an empty gate.
func New(Config) *Gate { return &Gate{} }

// Put adds or replaces a key.
func (g *Gate) Put(Key) {}

// Remove forgets a key.
func (g *Gate) Remove(credential.APIKey) {}

// Verify checks a user name and password.
func (g *Gate) Verify(from Source, user, password string) (Principal, error) {
	return Principal{}, &Refusal{}
}

// Recheck says whether a principal's secret is still live.
func (g *Gate) Recheck(p Principal) error { return &Refusal{} }

// Bind ties a session to the secret that opened it.
func (g *Gate) Bind(p Principal, closeSession func(reason string)) (unbind func(), err error) {
	return func() {}, nil
}

// Run flushes last uses and ends overlaps.
func (g *Gate) Run(ctx context.Context) error { return nil }

// Stats returns the numbers for metrics.
func (g *Gate) Stats() Stats { return Stats{} }
