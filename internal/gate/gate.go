// SPDX-License-Identifier: Apache-2.0

// Package gate lets callers in. It has all live credentials in memory, under
// their API keys, and answers for each request, in well under a microsecond and
// with no disk or network, who is calling: or why they are refused.
//
// # A check
//
// The work is the same whether the key exists or not: one HMAC-SHA-256 of the
// password, one look-up, two constant-time comparisons (with decoys for what is
// not there), and only then the state of the key. A user name that is no API key
// costs the same. What a wrong pair is answered depends on its form alone.
//
// # A change
//
// Put and Remove take a shard's lock for writing, a check takes it for reading,
// after the HMAC: so when Put returns, no check succeeds with a secret that Put
// took away. Sessions (of SMTP) are bound to the secret that opened them; Put
// calls the close function of each one that died, and waits for them. A secret
// may have an end (the overlap of a reset): checks look at it themselves, and
// Run closes its sessions when it comes. Callers order the changes of one key
// (two resets at once are theirs to put one after the other), and those of one
// account.
//
// What concerns all keys of an account, its suspension and its rotation policy, is
// kept once, by account: PutAccount costs the same for one key and for a million,
// and looks at the open sessions alone. Checks read it under their shard's lock,
// and PutAccount takes each shard's lock once after it has set it: so they are
// before or after it, as with Put. Keys of an account that was never Put are
// refused.
//
// # The throttle
//
// Wrong pairs are counted by where they come from: an IPv4 address or an IPv6
// /64. Each source has a bucket of Burst failures that refills by one every
// Refill; while it is empty the source is refused before the HMAC, right pair or
// not. Nothing is counted per key, so nobody can lock out a key's owner from
// another address. Right pairs, and right secrets of a deactivated key, are not
// counted; nor do they refill the bucket, or a caller with a key of his own could
// guess at others' without end. Checks under way at once may exceed the burst by
// their number. At most 65,536 sources are remembered; the one whose last
// failure is oldest is forgotten first. An IPv6 /48 has a bucket of ten times the
// size, so that who has one gains little by failing from each of its /64s; a /64
// from which somebody was let in lately is not held up by it.
//
// Behind one address (NAT, or a server with a forgotten job that still has the
// old secret) a guesser and an owner share a bucket. So that the owner is not
// locked out there either, a throttled source from which somebody was let in
// within the last day is still checked, and let in with a secret that was last
// used from this same source. Everything else is answered as throttled, right or
// wrong, so the exemption is no way to guess. It is a matter of memory: gone
// after a restart, and a secret used from many sources has it at the last one.
//
// # What it does not do
//
// It reads and writes no store: the caller Puts every key at the start, and Run
// hands out the uses of secrets through Config.Flush. Whether a key's permissions
// allow what its caller goes on to do is asked of the [Principal], or of Recheck.
//
// # Connections
//
// Each use is counted for its connection: secret, protocol, address and client.
// A secret remembers the connection that used it last, so that a steady caller
// costs two atomic additions; others are found in a map. What was counted is
// handed out every FlushEvery and added up by the store; a connection that rests
// for a minute is forgotten here.
package gate

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/throttle"
)

// State says whether a key may be used.
type State uint8

// The states of a key.
const (
	Active      State = iota
	Deactivated       // by its owner
	Suspended         // by the operator
)

// Secret is a live secret of a key. IDs are unique over all keys.
type Secret struct {
	ID        int64
	Digest    credential.Digest
	CreatedAt time.Time // from when its account's policy counts
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

	Permissions access.Permission // what the key may be used for; 0: everything
	Networks    []netip.Prefix    // where it may be used from; none: everywhere
}

// Principal is a caller who proved a secret. Principals can be compared.
type Principal struct {
	KeyID     int64
	AccountID int64
	SecretID  int64
	APIKey    string
	Master    bool

	Permissions access.Permission
}

// May says whether the key may be used for something.
func (p Principal) May(need access.Permission) bool { return p.Permissions&need == need }

// Source is where a caller comes from. Callers without a valid address (a unix
// socket) are one source.
type Source struct {
	Addr     netip.Addr
	Protocol string // "http", "smtp"
	Client   string // what it calls itself: a User-Agent, an EHLO name
}

// Use is how a secret was used by one connection since the last flush. Times are
// to the second.
type Use struct {
	SecretID    int64
	Protocol    string
	Address     string // "" where the source has none
	Client      string // at most 200 bytes, printable
	First, Last time.Time
	Count       int64
}

// Config is what a gate needs.
type Config struct {
	Digester   *credential.Digester                     // required
	Burst      int                                      // failures a source may make at once; 0: 20
	Refill     time.Duration                            // time in which it may make one more; 0: 6 s
	Now        func() time.Time                         // nil: time.Now
	FlushEvery time.Duration                            // how often uses are handed out; 0: 5 s
	Flush      func(ctx context.Context, _ []Use) error // at most 1000 at a time; nil: uses are not counted
	Log        *slog.Logger                             // nil: none
}

const (
	defaultBurst      = 20
	defaultRefill     = 6 * time.Second
	defaultFlushEvery = 5 * time.Second

	networkSources = 10 // how many sources' failures an IPv6 /48 may make

	shards = 64 // so that a change of one key holds up few checks of others
)

// Gate lets callers in. It is safe for concurrent use.
type Gate struct {
	config   Config
	digest   func(secret string) credential.Digest
	decoy    slot
	throttle *throttle.Throttle
	accounts accounts
	shards   [shards]shard

	overlaps overlaps

	conns *connections

	accepted atomic.Uint64
	refused  [refusalKinds]atomic.Uint64
}

// shard is a part of the keys, by their first byte.
type shard struct {
	mu       sync.RWMutex
	keys     map[credential.APIKey]*entry
	sessions map[int64]map[*session]struct{} // by secret ID
	closing  map[*session]struct{}           // taken out of sessions, their close functions not yet done
	secrets  int
}

// entry is a key: 48 bytes, guarded by its shard's lock.
type entry struct {
	keyID   int64
	account *account
	slots   [2]*slot // nil: none
	rule    *rule    // nil: no restriction, as most keys have none
	state   State
	master  bool
}

// rule is what restricts a key. It is never changed: a Put makes another.
type rule struct {
	permissions access.Permission
	networks    []netip.Prefix
}

// slot is a live secret: 72 bytes.
type slot struct {
	secretID int64
	digest   credential.Digest
	created  int64 // Unix microseconds; guarded by the shard's lock, as expires is
	expires  int64 // Unix microseconds, 0: never

	from atomic.Uint64       // hash of the source that used it last
	at   atomic.Pointer[use] // by which connection, while that does not rest
}

// New returns a gate that knows no key yet.
func New(c Config) *Gate {
	if c.Burst <= 0 {
		c.Burst = defaultBurst
	}
	if c.Refill <= 0 {
		c.Refill = defaultRefill
	}
	if c.FlushEvery <= 0 {
		c.FlushEvery = defaultFlushEvery
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gate{
		config: c,
		digest: c.Digester.Digest,
		throttle: throttle.New(throttle.Config{
			Source:  throttle.Rate{Burst: c.Burst, Refill: c.Refill},
			Network: throttle.Rate{Burst: networkSources * c.Burst, Refill: c.Refill / networkSources},
		}),
		accounts: accounts{known: map[int64]*account{}},
		overlaps: overlaps{wake: make(chan struct{}, 1)},
		conns:    newConnections(),
	}
	rand.Read(g.decoy.digest[:]) //nolint:errcheck // never returns an error: it ends the program
	for i := range g.shards {
		g.shards[i].keys = map[credential.APIKey]*entry{}
		g.shards[i].sessions = map[int64]map[*session]struct{}{}
		g.shards[i].closing = map[*session]struct{}{}
	}
	return g
}

// shard returns where a key is, or would be. Keys are random, so shards are even.
func (g *Gate) shard(k credential.APIKey) *shard {
	return &g.shards[k[0]%shards]
}

func (s *slot) live(now time.Time) bool {
	return s.expires == 0 || now.UnixMicro() < s.expires
}
