// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/credential"
)

// Account is what concerns all keys of an account.
type Account struct {
	ID        int64
	Suspended bool              // by the operator: none of its keys authenticates anybody
	Policy    credential.Policy // how long its secrets live
}

// account is an account as its keys and sessions point to it.
type account struct {
	id    int64
	rules atomic.Pointer[rules] // read under the lock of the shard of the key that is checked
}

// rules are what an account says of all its keys. They are never changed: a PutAccount makes others.
type rules struct {
	suspended bool
	lifetime  int64 // of a secret in microseconds, after which it is refused; 0: no end
}

// stopped says whether a secret is overdue and refused.
func (r *rules) stopped(s *slot, now time.Time) bool {
	return r.lifetime != 0 && now.UnixMicro()-s.created >= r.lifetime
}

// accounts are those that were Put, or whose keys were.
type accounts struct {
	mu    sync.Mutex
	known map[int64]*account
}

// get finds an account. One that was not Put yet is suspended: what is not known authenticates nobody.
func (x *accounts) get(id int64) *account {
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.known[id]
	if a == nil {
		a = &account{id: id}
		a.rules.Store(&rules{suspended: true})
		x.known[id] = a
	}
	return a
}

// PutAccount adds an account or replaces it. Sessions of its keys that may not be any more are closed when PutAccount
// returns: all, when the account is suspended; those of secrets that its policy stops. It looks at open sessions and at
// no key, so it costs the same for an account of one key and of a million.
func (g *Gate) PutAccount(x Account) {
	r := &rules{suspended: x.Suspended}
	if x.Policy.Stop && x.Policy.Days > 0 {
		r.lifetime = x.Policy.EndOf(time.UnixMicro(0)).UnixMicro()
	}
	a := g.accounts.get(x.ID)
	a.rules.Store(r)

	// Who has read the former rules holds a shard's lock: when all of them were taken once, nobody does.
	now := g.config.Now()
	var dead, others []*session
	for i := range g.shards {
		dead, others = g.shards[i].takeOf(a, r, now, dead, others)
	}
	reason := "the secret key is overdue"
	if r.suspended {
		reason = "the account was suspended"
	}
	end(dead, reason)
	wait(others)
}

// takeOf moves the sessions of an account that end by its rules to those being closed, and appends them to dead; and to
// others those that somebody else is closing.
func (sh *shard) takeOf(a *account, r *rules, now time.Time, dead, others []*session) (mine, theirs []*session) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for s := range sh.closing {
		if s.account == a {
			others = append(others, s)
		}
	}
	for secretID, sessions := range sh.sessions {
		for s := range sessions { // one of them stands for all: they have one key
			if s.account == a && (r.suspended || sh.keys[s.key].stopped(secretID, r, now)) {
				dead = sh.take(secretID, dead)
			}
			break
		}
	}
	return dead, others
}

// stopped says whether a secret of the key is overdue and refused by rules.
func (e *entry) stopped(secretID int64, r *rules, now time.Time) bool {
	for _, s := range e.slots {
		if s != nil && s.secretID == secretID {
			return r.stopped(s, now)
		}
	}
	return false
}
