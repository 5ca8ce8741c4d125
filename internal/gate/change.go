// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/netip"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
)

// Put adds a key or replaces it. Sessions bound to a secret that is no longer
// live, or to a key that is no longer active, are closed when Put returns.
// Secrets past their end are left out; of more than two the first two are taken.
func (g *Gate) Put(k Key) {
	now := g.config.Now()
	a := g.accounts.get(k.AccountID)
	sh := g.shard(k.APIKey)
	sh.mu.Lock()
	e, ok := sh.keys[k.APIKey]
	if !ok {
		e = &entry{}
		sh.keys[k.APIKey] = e
	}
	old := e.slots
	// Another key under the same name has nothing to do with the old one.
	same := e.keyID == k.ID && e.account == a && e.master == k.Master
	e.keyID, e.account, e.master, e.state = k.ID, a, k.Master, k.State
	ends := e.fill(old, same, k.Secrets, now)
	e.rule = ruleOf(k)
	rules := a.rules.Load()
	var dead []*session
	for _, s := range old {
		if s == nil {
			continue
		}
		sh.secrets--
		if k.State != Active || s != e.slots[0] && s != e.slots[1] || rules.suspended || rules.stopped(s, now) {
			dead = sh.take(s.secretID, dead)
		}
	}
	for _, s := range e.slots {
		if s != nil {
			sh.secrets++
		}
	}
	others := sh.underWay(k.APIKey, dead)
	sh.mu.Unlock()

	if len(k.Secrets) > len(e.slots) {
		g.config.Log.Error("gate: a key has more live secrets than two: the others are not accepted", "key_id", k.ID, "secrets",
			len(k.Secrets))
	}
	for _, end := range ends {
		end.key = k.APIKey
		g.overlaps.add(end)
	}
	end(dead, reasonOf(k.State))
	wait(others)
}

// fill sets the slots from the secrets. A slot that stays is kept, with its last
// use. A new one begins with the source that used the key last: programs that
// still have the old secret empty that source's bucket, and the new secret must be
// let in from there all the same. It returns the ends of overlaps that are new.
func (e *entry) fill(old [2]*slot, same bool, secrets []Secret, now time.Time) []overlap {
	e.slots = [2]*slot{}
	var ends []overlap
	n := 0
	for _, x := range secrets {
		s := &slot{secretID: x.ID, digest: x.Digest}
		if same && old[0] != nil {
			s.from.Store(old[0].from.Load())
		}
		for _, o := range old {
			if same && o != nil && o.secretID == x.ID && o.digest == x.Digest {
				s = o
			}
		}
		was := s.expires
		s.created, s.expires = x.CreatedAt.UnixMicro(), 0
		if !x.ExpiresAt.IsZero() {
			s.expires = x.ExpiresAt.UnixMicro()
		}
		if n == len(e.slots) || !s.live(now) {
			continue
		}
		e.slots[n] = s
		n++
		if s.expires != 0 && s.expires != was {
			ends = append(ends, overlap{at: s.expires, secretID: s.secretID})
		}
	}
	return ends
}

// ruleOf gathers the restrictions of a key, nil when there are none.
func ruleOf(k Key) *rule {
	r := &rule{permissions: k.Permissions, networks: k.Networks}
	if r.permissions == 0 {
		r.permissions = access.AllPermissions
	}
	if r.permissions == access.AllPermissions && len(r.networks) == 0 {
		return nil
	}
	return r
}

// permissions are what the key may be used for.
func (e *entry) permissions() access.Permission {
	if e.rule == nil {
		return access.AllPermissions
	}
	return e.rule.permissions
}

// admits says whether the key may be used from an address. One that is not known
// (a unix socket) is in no network.
func (r *rule) admits(a netip.Addr) bool {
	if r == nil || len(r.networks) == 0 {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, n := range r.networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// Remove forgets a key. Its sessions are closed when Remove returns.
func (g *Gate) Remove(k credential.APIKey) {
	sh := g.shard(k)
	sh.mu.Lock()
	var dead []*session
	if e, ok := sh.keys[k]; ok {
		for _, s := range e.slots {
			if s != nil {
				sh.secrets--
				dead = sh.take(s.secretID, dead)
			}
		}
		delete(sh.keys, k)
	}
	others := sh.underWay(k, dead)
	sh.mu.Unlock()
	end(dead, "the API key was removed")
	wait(others)
}

func reasonOf(s State) string {
	switch s {
	case Deactivated:
		return "the API key was deactivated"
	case Suspended:
		return "the API key was suspended"
	default:
		return "the secret key was reset"
	}
}
