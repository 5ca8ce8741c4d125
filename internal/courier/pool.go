// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"sync"
	"time"
)

// Limits of connections kept for the next mail.
const (
	idleLife    = 20 * time.Second // many servers close an idle connection after 30 s to 5 min
	checkAfter  = 2 * time.Second  // idle for longer, a connection is asked whether it lives
	maxIdle     = 128              // for all destinations together
	maxPerLogin = 200              // transactions on one connection
)

// pool keeps connections for the next mail to the same destination (a domain, or "" for the relay), for a while.
type pool struct {
	mu     sync.Mutex
	idle   map[string][]*conn // the longest idle first
	count  int
	closed bool
	sweep  *time.Timer // ends what has been idle for too long; nil when none is
}

// get takes a living connection to a destination, or nil.
func (p *pool) get(ctx context.Context, destination string) *conn {
	for {
		p.mu.Lock()
		list := p.idle[destination]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := list[len(list)-1]
		p.idle[destination] = list[:len(list)-1]
		if len(list) == 1 {
			delete(p.idle, destination)
		}
		p.count--
		p.mu.Unlock()
		rested := time.Since(c.idle)
		stop := c.watch(ctx)
		usable := rested < checkAfter || rested < idleLife && c.alive()
		stop()
		if usable {
			return c
		}
		c.Close() //nolint:errcheck,gosec // it was dead or old
	}
}

// put keeps a connection for the next, unless it has done its share.
func (p *pool) put(destination string, c *conn) {
	c.kept, c.idle = true, time.Now()
	p.mu.Lock()
	full := p.closed || p.count >= maxIdle || c.sent >= maxPerLogin
	if !full {
		if p.idle == nil {
			p.idle = map[string][]*conn{}
		}
		p.idle[destination] = append(p.idle[destination], c)
		p.count++
		if p.sweep == nil {
			p.sweep = time.AfterFunc(idleLife, p.endOld)
		}
	}
	p.mu.Unlock()
	if full {
		c.quit()
	}
}

// endOld ends connections that nobody has wanted for too long.
func (p *pool) endOld() {
	var old []*conn
	p.mu.Lock()
	for destination, list := range p.idle {
		for len(list) > 0 && time.Since(list[0].idle) >= idleLife {
			old = append(old, list[0])
			list = list[1:]
			p.count--
		}
		if p.idle[destination] = list; len(list) == 0 {
			delete(p.idle, destination)
		}
	}
	p.sweep = nil
	if p.count > 0 {
		p.sweep = time.AfterFunc(idleLife/4, p.endOld)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.quit()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	all := p.idle
	p.idle, p.count = nil, 0
	if p.sweep != nil {
		p.sweep.Stop()
	}
	p.mu.Unlock()
	for _, list := range all {
		for _, c := range list {
			c.quit()
		}
	}
}
