// SPDX-License-Identifier: Apache-2.0

// Package throttle slows down who fails. A [Throttle] counts failures by where they come from, a [Queue] bounds how many
// wait for something slow. Nothing is counted by whom somebody claims to be, so that nobody can lock out another.
//
// Each source (see package origin) has a bucket of failures that refills with time, and so has the network around it: an IPv6
// /48, and where that is asked for an IPv4 /16. Who has many addresses has them there. A source from which somebody was let
// in within the last day is not held up by what its network does. It is a matter of memory: gone after a restart.
package throttle

import (
	"container/list"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/origin"
)

const (
	tableShards = 16
	maxSources  = 65536 // with failures, in all

	knownSources = 65536 // cells for sources that were let in
	knownHours   = 24
	hourBits     = 24
)

// Rate is how many failures there may be at once, and the time in which there may be one more.
type Rate struct {
	Burst  int
	Refill time.Duration
}

// Config of a Throttle.
type Config struct {
	Source      Rate
	Network     Rate // of the network around a source; zero: it is not counted
	NetworkIPv4 bool // count IPv4 networks, too
}

// Source is where a caller comes from, as a Throttle sees it.
type Source struct {
	id   uint64 // the IPv4 address, or the first 64 bits of the IPv6 address
	hash uint64 // of id, not 0
}

// Hash tells sources apart, for as long as the Throttle is there. It is never 0.
func (s Source) Hash() uint64 { return s.hash }

// ipv4 is where IPv4 sources are among IPv6 ones: in a multicast prefix, where none comes from.
const ipv4 = 0xffff_ffff_0000_0000

// network is the id of the network around a source: what is left without its last 16 bits is a /48, or a /16.
func (s Source) network() uint64 { return s.id &^ 0xffff }

// Throttle counts failures by source. It is safe for concurrent use.
type Throttle struct {
	c        Config
	seed     maphash.Seed
	sources  table
	networks table
	// Sources that were let in: the upper 40 bits of the hash and the hour. The place is the lower 16 bits; the last one
	// there wins.
	lately []atomic.Uint64
}

// New makes a Throttle.
func New(c Config) *Throttle {
	t := &Throttle{c: c, seed: maphash.MakeSeed(), lately: make([]atomic.Uint64, knownSources)}
	t.sources.begin(c.Source)
	t.networks.begin(c.Network)
	return t
}

// Of is the source of an address.
func (t *Throttle) Of(a netip.Addr) Source {
	p := origin.Of(a).Addr()
	var id uint64
	if p.Is4() {
		b := p.As4()
		id = ipv4 | uint64(binary.BigEndian.Uint32(b[:]))
	} else {
		b := p.As16()
		id = binary.BigEndian.Uint64(b[:8])
	}
	return Source{id, t.hash(id)}
}

func (t *Throttle) hash(id uint64) uint64 { return max(1, maphash.Comparable(t.seed, id)) }

// counted says whether the network of a source has a bucket.
func (t *Throttle) counted(s Source) bool {
	return t.c.Network.Burst > 0 && (t.c.NetworkIPv4 || s.id&ipv4 != ipv4)
}

// Wait returns how long a source is refused; 0: it may try.
func (t *Throttle) Wait(s Source, now time.Time) time.Duration {
	wait := t.sources.wait(s.id, s.hash, now)
	if wait > 0 || t.networks.size.Load() == 0 || !t.counted(s) || t.Known(s, now) {
		return wait
	}
	return t.networks.wait(s.network(), t.hash(s.network()), now)
}

// Fail counts a failure. Checks that were under way at once do not owe for longer than a burst.
func (t *Throttle) Fail(s Source, now time.Time) {
	t.sources.fail(s.id, s.hash, now)
	if t.counted(s) {
		t.networks.fail(s.network(), t.hash(s.network()), now)
	}
}

// Take counts an attempt as a failure before it is made, and says 0; or how long to wait for one. Who waits owes nothing
// more. GiveBack undoes it.
func (t *Throttle) Take(s Source, now time.Time) (wait time.Duration) {
	if wait = t.sources.take(s.id, s.hash, now); wait > 0 || !t.counted(s) {
		return wait
	}
	n, hash := s.network(), t.hash(s.network())
	if t.Known(s, now) {
		t.networks.fail(n, hash, now)
		return 0
	}
	if wait = t.networks.take(n, hash, now); wait > 0 {
		t.sources.giveBack(s.id, s.hash)
	}
	return wait
}

// GiveBack undoes a Take: the attempt was right.
func (t *Throttle) GiveBack(s Source) {
	t.sources.giveBack(s.id, s.hash)
	if t.counted(s) {
		t.networks.giveBack(s.network(), t.hash(s.network()))
	}
}

// Remember notes that somebody was let in from a source. It writes once an hour.
func (t *Throttle) Remember(s Source, now time.Time) {
	cell := &t.lately[s.hash%knownSources]
	if v := s.hash>>hourBits<<hourBits | hour(now); cell.Load() != v {
		cell.Store(v)
	}
}

// Known says whether somebody was let in from a source within the last day.
func (t *Throttle) Known(s Source, now time.Time) bool {
	v := t.lately[s.hash%knownSources].Load()
	return v>>hourBits == s.hash>>hourBits && hour(now)-v&(1<<hourBits-1) <= knownHours
}

// hour returns the hours since 1970: they fit into 24 bits until the year 3883.
func hour(now time.Time) uint64 {
	return uint64(now.Unix()/3600) & (1<<hourBits - 1) //nolint:gosec // masked
}

// Count returns the sources with failures, and how many of them are refused now for their own.
func (t *Throttle) Count(now time.Time) (sources, refused int) { return t.sources.count(now) }

// table has the buckets of sources, or of networks, in shards by the hash of their ids.
type table struct {
	room   time.Duration // what one may owe and still try: Burst-1 refills
	refill time.Duration
	size   atomic.Int64 // buckets: in a quiet time no lock is taken
	shards [tableShards]shard
}

type shard struct {
	mu      sync.Mutex
	buckets map[uint64]*list.Element // of *bucket
	oldest  list.List                // by the last failure, oldest first
}

// bucket owes a refill for each failure; free is when all is paid. (A token bucket kept as one time: GCRA.)
type bucket struct {
	id   uint64
	free time.Time
}

func (t *table) begin(r Rate) {
	t.room, t.refill = time.Duration(r.Burst-1)*r.Refill, r.Refill
	for i := range t.shards {
		t.shards[i].buckets = map[uint64]*list.Element{}
	}
}

func (t *table) wait(id, hash uint64, now time.Time) time.Duration {
	if t.size.Load() == 0 {
		return 0
	}
	sh := &t.shards[hash>>60]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.buckets[id]
	if !ok {
		return 0
	}
	return max(0, of(e).free.Sub(now)-t.room)
}

func (t *table) fail(id, hash uint64, now time.Time) {
	sh := &t.shards[hash>>60]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t.owe(sh, id, now)
}

func (t *table) take(id, hash uint64, now time.Time) (wait time.Duration) {
	sh := &t.shards[hash>>60]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e, ok := sh.buckets[id]; ok {
		if wait = of(e).free.Sub(now) - t.room; wait > 0 {
			return wait
		}
	}
	t.owe(sh, id, now)
	return 0
}

func (t *table) giveBack(id, hash uint64) {
	sh := &t.shards[hash>>60]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e, ok := sh.buckets[id]; ok {
		of(e).free = of(e).free.Add(-t.refill)
	}
}

// owe counts a failure. The shard's lock is held.
func (t *table) owe(sh *shard, id uint64, now time.Time) {
	e, ok := sh.buckets[id]
	if ok {
		sh.oldest.MoveToBack(e)
	} else {
		e = sh.oldest.PushBack(&bucket{id: id, free: now})
		sh.buckets[id] = e
		t.size.Add(1)
	}
	b := of(e)
	if b.free.Before(now) {
		b.free = now
	}
	b.free = b.free.Add(t.refill)
	if most := now.Add(t.room + t.refill); b.free.After(most) {
		b.free = most
	}
	for {
		front := sh.oldest.Front()
		b := of(front)
		if len(sh.buckets) <= maxSources/tableShards && b.free.After(now) {
			return
		}
		sh.oldest.Remove(front)
		delete(sh.buckets, b.id)
		t.size.Add(-1)
	}
}

func (t *table) count(now time.Time) (buckets, refused int) {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		buckets += len(sh.buckets)
		for e := sh.oldest.Front(); e != nil; e = e.Next() {
			if of(e).free.Sub(now) > t.room {
				refused++
			}
		}
		sh.mu.Unlock()
	}
	return buckets, refused
}

func of(e *list.Element) *bucket { return e.Value.(*bucket) } //nolint:forcetypeassert // the list holds nothing else
