// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"container/list"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	throttleShards = 16
	maxSources     = 65536 // with failures, in all

	knownSources = 65536 // cells for sources that were let in
	knownHours   = 24
	hourBits     = 24
)

// source is where a caller comes from, as the throttle sees it.
type source struct {
	id   uint64 // the IPv4 address, or the first 64 bits of the IPv6 address
	hash uint64 // of id, not 0
}

// throttle counts failures by source.
type throttle struct {
	seed   maphash.Seed
	room   time.Duration // what a source may owe and still try: Burst-1 refills
	refill time.Duration
	size   atomic.Int64 // sources with failures: in a quiet time no lock is taken
	shards [throttleShards]throttleShard
	// Sources that were let in: the upper 40 bits of the hash and the hour.
	// The place is the lower 16 bits; the last one there wins.
	lately []atomic.Uint64
}

type throttleShard struct {
	mu      sync.Mutex
	sources map[uint64]*list.Element // of *bucket
	oldest  list.List                // by the last failure, oldest first
}

// bucket is a source that failed. It owes a refill for each failure; free is
// when all is paid. (A token bucket kept as one time: GCRA.)
type bucket struct {
	id   uint64
	free time.Time
}

func newThrottle(burst int, refill time.Duration) *throttle {
	t := &throttle{
		seed:   maphash.MakeSeed(),
		room:   time.Duration(burst-1) * refill,
		refill: refill,
		lately: make([]atomic.Uint64, knownSources),
	}
	for i := range t.shards {
		t.shards[i].sources = map[uint64]*list.Element{}
	}
	return t
}

// source returns the source of an address. An IPv6 subscriber has a /64 at
// least (RFC 6177), so one address of it says nothing. IPv4 addresses come in
// IPv6 clothes as well: mapped (RFC 4291) and through NAT64 (RFC 6052).
func (t *throttle) source(a netip.Addr) source {
	a = a.Unmap()
	var s source
	switch {
	case a.Is4():
		b := a.As4()
		s.id = v4ID(b[:])
	case a.Is6():
		b := a.As16()
		s.id = binary.BigEndian.Uint64(b[:8])
		if s.id == 0x0064_ff9b_0000_0000 && b[8]|b[9]|b[10]|b[11] == 0 {
			s.id = v4ID(b[12:])
		}
	}
	s.hash = max(1, maphash.Comparable(t.seed, s.id))
	return s
}

// v4ID puts an IPv4 address where no IPv6 source can be: in a multicast prefix.
func v4ID(b []byte) uint64 {
	return 0xffff_ffff_0000_0000 | uint64(binary.BigEndian.Uint32(b))
}

func (t *throttle) shard(s source) *throttleShard {
	return &t.shards[s.hash>>60]
}

// wait returns how long a source is refused; 0: it may try.
func (t *throttle) wait(s source, now time.Time) time.Duration {
	if t.size.Load() == 0 {
		return 0
	}
	sh := t.shard(s)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.sources[s.id]
	if !ok {
		return 0
	}
	return max(0, e.Value.(*bucket).free.Sub(now)-t.room) //nolint:forcetypeassert // the list holds nothing else
}

// fail counts a failure.
func (t *throttle) fail(s source, now time.Time) {
	sh := t.shard(s)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.sources[s.id]
	if ok {
		sh.oldest.MoveToBack(e)
	} else {
		e = sh.oldest.PushBack(&bucket{id: s.id, free: now})
		sh.sources[s.id] = e
		t.size.Add(1)
	}
	b := e.Value.(*bucket) //nolint:forcetypeassert // the list holds nothing else
	if b.free.Before(now) {
		b.free = now
	}
	// Checks that were under way at once must not owe for longer.
	b.free = b.free.Add(t.refill)
	if most := now.Add(t.room + t.refill); b.free.After(most) {
		b.free = most
	}
	for {
		front := sh.oldest.Front()
		b := front.Value.(*bucket) //nolint:forcetypeassert // the list holds nothing else
		if len(sh.sources) <= maxSources/throttleShards && b.free.After(now) {
			return
		}
		sh.oldest.Remove(front)
		delete(sh.sources, b.id)
		t.size.Add(-1)
	}
}

// remember notes that somebody was let in from a source. It writes once an hour.
func (t *throttle) remember(s source, now time.Time) {
	cell := &t.lately[s.hash%knownSources]
	if v := s.hash>>hourBits<<hourBits | hour(now); cell.Load() != v {
		cell.Store(v)
	}
}

// known says whether somebody was let in from a source within the last day.
func (t *throttle) known(s source, now time.Time) bool {
	v := t.lately[s.hash%knownSources].Load()
	return v>>hourBits == s.hash>>hourBits && hour(now)-v&(1<<hourBits-1) <= knownHours
}

// hour returns the hours since 1970: they fit into 24 bits until the year 3883.
func hour(now time.Time) uint64 {
	return uint64(now.Unix()/3600) & (1<<hourBits - 1) //nolint:gosec // masked
}

// count returns the sources with failures, and how many of them are refused now.
func (t *throttle) count(now time.Time) (sources, refused int) {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		sources += len(sh.sources)
		for e := sh.oldest.Front(); e != nil; e = e.Next() {
			if e.Value.(*bucket).free.Sub(now) > t.room { //nolint:forcetypeassert // the list holds nothing else
				refused++
			}
		}
		sh.mu.Unlock()
	}
	return sources, refused
}
