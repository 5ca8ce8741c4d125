// SPDX-License-Identifier: Apache-2.0

package gate

// Stats are the gate's numbers at one moment.
type Stats struct {
	Keys      int // in memory
	Secrets   int // live
	Sessions  int // bound
	Sources   int // with failures that are not forgotten
	Throttled int // of these, refused now

	Connections int // remembered, of those that use secrets

	// Checks since the start.
	Accepted uint64               // by Verify and Recheck
	Refused  [refusalKinds]uint64 // by Verify, Recheck and Bind; the index is the RefusalKind
}

// Stats returns the numbers for metrics. It looks at every shard and at every
// source with failures: once a second is fine.
func (g *Gate) Stats() Stats {
	var s Stats
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.RLock()
		s.Keys += len(sh.keys)
		s.Secrets += sh.secrets
		for _, x := range sh.sessions {
			s.Sessions += len(x)
		}
		sh.mu.RUnlock()
	}
	s.Sources, s.Throttled = g.throttle.Count(g.config.Now())
	s.Connections = g.conns.count()
	s.Accepted = g.accepted.Load()
	for i := range s.Refused {
		s.Refused[i] = g.refused[i].Load()
	}
	return s
}
