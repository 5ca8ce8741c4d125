// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
)

const (
	connectionShards = 16
	maxConnections   = 65536 // remembered, in all
	maxClient        = 200   // bytes kept of what a client calls itself
	restAfter        = 60    // seconds without a use, after which a connection is forgotten
)

// use is the uses of one secret by one connection that are not handed out yet.
type use struct {
	id    useID
	slot  *slot
	first int64        // Unix seconds
	last  atomic.Int64 // Unix seconds
	count atomic.Int64 // since the last flush
	dirty atomic.Bool  // in connections.used
}

// useID is what makes a connection one.
type useID struct {
	secretID int64
	addr     netip.Addr
	protocol string
	client   string
}

// connections remembers who uses secrets.
type connections struct {
	shards [connectionShards]connectionShard

	mu   sync.Mutex
	used []*use // since the last flush; each has dirty set
}

type connectionShard struct {
	mu  sync.RWMutex
	all map[useID]*use
}

func newConnections() *connections {
	c := &connections{}
	for i := range c.shards {
		c.shards[i].all = map[useID]*use{}
	}
	return c
}

// use counts a use of a secret. The order matters: the count is there before the
// mark, and flush takes the mark away before it reads the count.
func (g *Gate) use(s *slot, from Source, now time.Time) {
	if g.config.Flush == nil {
		return
	}
	client := from.Client[:min(len(from.Client), maxClient)]
	u := s.at.Load()
	if u == nil || u.id.addr != from.Addr || u.id.client != client || u.id.protocol != from.Protocol {
		u = g.conns.find(s, useID{s.secretID, from.Addr, from.Protocol, client}, now)
		s.at.Store(u)
	}
	u.count.Add(1)
	if seconds := now.Unix(); u.last.Load() != seconds {
		u.last.Store(seconds)
	}
	if !u.dirty.Load() && u.dirty.CompareAndSwap(false, true) {
		g.conns.mu.Lock()
		g.conns.used = append(g.conns.used, u)
		g.conns.mu.Unlock()
	}
}

// find returns the connection of a secret, making it when there is none.
func (c *connections) find(s *slot, id useID, now time.Time) *use {
	sh := &c.shards[uint64(s.secretID)%connectionShards] //nolint:gosec // IDs are positive
	sh.mu.RLock()
	u, ok := sh.all[id]
	sh.mu.RUnlock()
	if ok && u.slot == s {
		return u
	}
	// A header's string holds on to the memory of the whole request.
	id.client, id.protocol = strings.Clone(id.client), strings.Clone(id.protocol)
	u = &use{id: id, slot: s, first: now.Unix()}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if other, ok := sh.all[id]; ok && other.slot == s {
		return other
	}
	// Past the bound a connection is known to its secret alone, until another uses it.
	if len(sh.all) < maxConnections/connectionShards {
		sh.all[id] = u
	}
	return u
}

// taken returns the connections that were used since it was last called.
func (c *connections) taken() []*use {
	c.mu.Lock()
	defer c.mu.Unlock()
	used := c.used
	c.used = nil
	return used
}

// take returns what was counted, and whether there is anything.
func (u *use) take() (Use, bool) {
	u.dirty.Store(false)
	n := u.count.Swap(0)
	if n == 0 {
		return Use{}, false
	}
	x := Use{SecretID: u.id.secretID, Protocol: u.id.protocol, Client: printable(u.id.client), First: time.Unix(u.first,
		0).UTC(), Last: time.Unix(u.last.Load(), 0).UTC(), Count: n}
	if u.id.addr.IsValid() {
		x.Address = u.id.addr.Unmap().WithZone("").String()
	}
	return x, true
}

// putBack gives what a failed flush took back to where it is from.
func (c *connections) putBack(from []*use, uses []Use) {
	for i, u := range from {
		u.count.Add(uses[i].Count)
		if u.dirty.CompareAndSwap(false, true) {
			c.mu.Lock()
			c.used = append(c.used, u)
			c.mu.Unlock()
		}
	}
}

// rest forgets the connections that were not used for a while.
func (c *connections) rest(now time.Time) {
	before := now.Unix() - restAfter
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		for id, u := range sh.all {
			if u.last.Load() < before && !u.dirty.Load() {
				delete(sh.all, id)
				u.slot.at.CompareAndSwap(u, nil)
			}
		}
		sh.mu.Unlock()
	}
}

// count returns how many connections are remembered.
func (c *connections) count() (n int) {
	for i := range c.shards {
		c.shards[i].mu.RLock()
		n += len(c.shards[i].all)
		c.shards[i].mu.RUnlock()
	}
	return n
}

// printable is what a client calls itself without what is not text.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}
