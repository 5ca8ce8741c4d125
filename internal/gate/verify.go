// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"crypto/subtle"
	"net/netip"
	"time"

	"postern/internal/access"
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
	rule      *rule
	suspended bool // the account is
	stopped   bool // the secret is overdue, and the account's policy stops it
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
	src := g.throttle.Of(from.Addr)
	wait := g.throttle.Wait(src, now)
	if wait > 0 && !g.throttle.Known(src, now) {
		return Principal{}, g.refuseThrottled(wait)
	}
	f, ok := g.prove(user, password, now)
	switch {
	case wait > 0 && (!ok || f.slot.from.Load() != src.Hash()):
		return Principal{}, g.refuseThrottled(wait)
	case !ok:
		g.throttle.Fail(src, now)
		return Principal{}, g.refuseWrong(user, password)
	}
	if err := g.admit(f, from.Addr); err != nil {
		return Principal{}, err
	}
	if f.slot.from.Load() != src.Hash() {
		f.slot.from.Store(src.Hash())
	}
	g.throttle.Remember(src, now)
	g.use(f.slot, from, now)
	g.accepted.Add(1)
	return f.principal, nil
}

// admit says why a caller is not let in though his secret is right: nil or a *Refusal.
func (g *Gate) admit(f found, from netip.Addr) error {
	if err := g.refuseClosed(f); err != nil {
		return err
	}
	if !f.rule.admits(from) {
		return g.refuseNetwork(from)
	}
	return nil
}

// refuseClosed says why a key or secret authenticates nobody, wherever they are: nil or a *Refusal.
func (g *Gate) refuseClosed(f found) error {
	switch {
	case f.suspended:
		return g.refuse(KeySuspended, "The account of this API key is suspended by the operator of this service: ask the operator.")
	case f.state != Active:
		return g.refuseState(f.state)
	case f.stopped:
		return g.refuseOverdue()
	}
	return nil
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
	return e.found(s, user, now), true
}

// found copies out what a check needs of a key and its secret. The shard's lock is held.
func (e *entry) found(s *slot, user string, now time.Time) found {
	rules := e.account.rules.Load()
	return found{
		principal: Principal{
			KeyID: e.keyID, AccountID: e.account.id, SecretID: s.secretID, APIKey: user, Master: e.master, Permissions: e.permissions(),
		},
		slot: s, state: e.state, rule: e.rule, suspended: rules.suspended, stopped: rules.stopped(s, now),
	}
}

// Recheck says whether a principal would still be let in from where he is, for
// something that needs permissions: nil or a *Refusal. It costs a look-up, and
// counts as a use of the secret.
func (g *Gate) Recheck(from Source, p Principal, need access.Permission) error {
	now := g.config.Now()
	f, err := g.still(from.Addr, p, need, now)
	if err != nil {
		return err
	}
	g.use(f.slot, from, now)
	g.accepted.Add(1)
	return nil
}

// Still is Recheck for what was counted already: the same request, some time later.
func (g *Gate) Still(from netip.Addr, p Principal, need access.Permission) error {
	_, err := g.still(from, p, need, g.config.Now())
	return err
}

func (g *Gate) still(from netip.Addr, p Principal, need access.Permission, now time.Time) (found, error) {
	key, err := credential.ParseAPIKey(p.APIKey)
	if err != nil {
		return found{}, g.refuseDead()
	}
	sh := g.shard(key)
	sh.mu.RLock()
	f, ok := sh.find(key, p, now)
	sh.mu.RUnlock()
	if !ok {
		return found{}, g.refuseDead()
	}
	if err := g.admit(f, from); err != nil {
		return found{}, err
	}
	if !f.principal.May(need) {
		return found{}, g.RefuseNotPermitted(f.principal, need)
	}
	return f, nil
}

func (g *Gate) refuseDead() *Refusal {
	return g.refuse(Wrong, "The secret key that opened this session is no longer valid.")
}

// find looks up the live secret of a principal. The shard's lock is held.
func (sh *shard) find(key credential.APIKey, p Principal, now time.Time) (found, bool) {
	e, ok := sh.keys[key]
	if !ok || e.keyID != p.KeyID || e.account.id != p.AccountID || e.master != p.Master {
		return found{}, false
	}
	for _, s := range e.slots {
		if s != nil && s.secretID == p.SecretID && s.live(now) {
			return e.found(s, p.APIKey, now), true
		}
	}
	return found{}, false
}

// Shown is a user name as it may stand in a log: an API key that there is, whole;
// of another text of that form, which may be an imported secret in the wrong place,
// the beginning; of anything else, the length alone.
func (g *Gate) Shown(user string) string {
	key, err := credential.ParseAPIKey(user)
	if err != nil {
		return credential.Shown(user)
	}
	sh := g.shard(key)
	sh.mu.RLock()
	_, known := sh.keys[key]
	sh.mu.RUnlock()
	if known {
		return user
	}
	return user[:6] + "… (not a key of this server)"
}
