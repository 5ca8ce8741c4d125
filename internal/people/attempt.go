// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"net/netip"
	"time"

	"postern/internal/throttle"
)

// Attempts of people to prove something, by where they come from: ten at once, then one every half minute; of a whole network
// (an IPv4 /16, an IPv6 /48) ten times as many. Nothing is counted by user, so that nobody can lock out another.
const (
	AttemptBurst  = 10 // at once
	attemptRefill = 30 * time.Second
	ofNetwork     = 10
)

// Argon2id computations at a time, and those that wait for a place: of strangers few, so that a flood of wrong passwords from
// many addresses is answered at once, and does not hold up those from where somebody signed in lately.
const (
	hashesAtOnce  = 2
	hashesWaiting = 8
	hashesOfKnown = 64
)

func newAttempts() *throttle.Throttle {
	return throttle.New(throttle.Config{
		Source:  throttle.Rate{Burst: AttemptBurst, Refill: attemptRefill},
		Network: throttle.Rate{Burst: ofNetwork * AttemptBurst, Refill: attemptRefill / ofNetwork}, NetworkIPv4: true,
	})
}

// Attempt counts an attempt to prove something before it is made, since passwords are slow to check; or it says how long to
// wait for the next. ProvedBy takes it back.
func (k *People) Attempt(from netip.Addr) (wait time.Duration) {
	return k.attempts.Take(k.attempts.Of(from), k.now())
}

// ProvedBy takes back an attempt that was right.
func (k *People) ProvedBy(from netip.Addr) { k.attempts.GiveBack(k.attempts.Of(from)) }

// signedInFrom notes that somebody signed in from an address: who comes from there next is no stranger.
func (k *People) signedInFrom(from netip.Addr) { k.attempts.Remember(k.attempts.Of(from), k.now()) }

func (k *People) knows(from netip.Addr) bool { return k.attempts.Known(k.attempts.Of(from), k.now()) }

// whileHashing runs fn when there is a place for a slow hash. Error: throttle.ErrFull, at once.
func (k *People) whileHashing(ctx context.Context, known bool, fn func() error) error {
	leave, err := k.hashing.Enter(ctx, known)
	if err != nil {
		return err
	}
	defer leave()
	return fn()
}
