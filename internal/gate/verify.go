// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"crypto/subtle"
	"time"

	"postern/internal/credential"
)

// decoyPassword stands in for a password that is too long for any secret, so
// that it costs what others do.
const decoyPassword = "pstn000000000000000000000000000000000000"

// found is what a look-up copies out of a shard.
type found struct {
	principal Principal
	slot      *slot
	state     State
}

// Verify says who the caller with this user name (API key) and password (secret
// key) is. An error is a *Refusal. To allocate nothing, Principal.APIKey is user
// itself: who cut it out of a text that holds the password too, and keeps the
// principal for long, clones it before.
func (g *Gate) Verify(from Source, user, password string) (Principal, error) {
	if user == "" && password == "" {
		return Principal{}, g.refuse(NoCredentials, credential.Diagnose("", ""))
	}
	now := g.config.Now()
	src := g.throttle.source(from.Addr)
	wait := g.throttle.wait(src, now)
	if wait > 0 && !g.throttle.known(src, now) {
		return Principal{}, g.refuseThrottled(wait)
	}
	f, ok := g.prove(user, password, now)
	switch {
	case wait > 0 && (!ok || f.slot.from.Load() != src.hash):
		return Principal{}, g.refuseThrottled(wait)
	case !ok:
		g.throttle.fail(src, now)
		return Principal{}, g.refuseWrong(user, password)
	case f.state != Active:
		return Principal{}, g.refuseState(f.state)
	}
	if f.slot.from.Load() != src.hash {
		f.slot.from.Store(src.hash)
	}
	g.throttle.remember(src, now)
	g.use(f.slot, now)
	g.accepted.Add(1)
	return f.principal, nil
}

// prove does the work of a check, which is the same for any user and password.
func (g *Gate) prove(user, password string, now time.Time) (found, bool) {
	tooLong := len(password) > credential.MaxSecretChars
	if tooLong {
		password = decoyPassword
	}
	digest := g.digest(password)
	key, err := credential.ParseAPIKey(user)

	// From here under the lock, so that a check is before or after a Put.
	sh := g.shard(key)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	e, known := sh.keys[key]
	slots := [2]*slot{&g.decoy, &g.decoy}
	if known {
		for i, s := range e.slots {
			if s != nil {
				slots[i] = s
			}
		}
	}
	first := subtle.ConstantTimeCompare(slots[0].digest[:], digest[:])
	second := subtle.ConstantTimeCompare(slots[1].digest[:], digest[:])
	if first|second == 0 {
		return found{}, false
	}
	s := slots[second]
	if err != nil || tooLong || s == &g.decoy || !s.live(now) {
		return found{}, false
	}
	return found{
		principal: Principal{KeyID: e.keyID, AccountID: e.accountID, SecretID: s.secretID, APIKey: user, Master: e.master},
		slot:      s,
		state:     e.state,
	}, true
}

// Recheck says whether a principal would still be let in: nil or a *Refusal. It
// costs a look-up, and counts as a use of the secret.
func (g *Gate) Recheck(p Principal) error {
	now := g.config.Now()
	key, err := credential.ParseAPIKey(p.APIKey)
	if err != nil {
		return g.refuseDead()
	}
	sh := g.shard(key)
	sh.mu.RLock()
	s, state := sh.find(key, p, now)
	sh.mu.RUnlock()
	if s == nil {
		return g.refuseDead()
	}
	if state != Active {
		return g.refuseState(state)
	}
	g.use(s, now)
	g.accepted.Add(1)
	return nil
}

func (g *Gate) refuseDead() *Refusal {
	return g.refuse(Wrong, "The secret key that opened this session is no longer valid.")
}

// find returns the live secret of a principal and the state of its key, or nil.
// The shard's lock is held.
func (sh *shard) find(key credential.APIKey, p Principal, now time.Time) (*slot, State) {
	e, ok := sh.keys[key]
	if !ok || e.keyID != p.KeyID || e.accountID != p.AccountID || e.master != p.Master {
		return nil, Active
	}
	for _, s := range e.slots {
		if s != nil && s.secretID == p.SecretID && s.live(now) {
			return s, e.state
		}
	}
	return nil, Active
}

// use notes that a secret was used, to the second. The order matters: flush
// takes the mark away before it reads the time.
func (g *Gate) use(s *slot, now time.Time) {
	seconds := uint32(now.Unix()) //nolint:gosec // good until the year 2106
	if s.used.Load() == seconds {
		return
	}
	s.used.Store(seconds)
	if g.config.Flush != nil && s.dirty.CompareAndSwap(false, true) {
		g.usesMu.Lock()
		g.uses = append(g.uses, s)
		g.usesMu.Unlock()
	}
}
