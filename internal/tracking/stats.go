// SPDX-License-Identifier: Apache-2.0

package tracking

import "sync/atomic"

type kind struct {
	person, machine, repeated, unknown, refused, shed, failed atomic.Int64
}

type counters struct{ open, click, unsub kind }

// Kind are counts of one kind of link since the start.
type Kind struct {
	Person   int64 // written down as a recipient's doing
	Machine  int64 // written down as a machine's
	Repeated int64 // the same from the same address within a moment: let go
	Unknown  int64 // of a message that is not kept any more; an unsubscription is honoured all the same
	Refused  int64 // not signed by us
	Shed     int64 // let go, since too much came at once
	Failed   int64 // not written down: the store failed
}

// Stats are counts since the start, and what waits to be written down.
type Stats struct {
	Open, Click, Unsub Kind
	Waiting            int
}

// Stats reads the counts.
func (h *Server) Stats() Stats {
	of := func(k *kind) Kind {
		return Kind{
			Person: k.person.Load(), Machine: k.machine.Load(), Repeated: k.repeated.Load(), Unknown: k.unknown.Load(),
			Refused: k.refused.Load(), Shed: k.shed.Load(), Failed: k.failed.Load(),
		}
	}
	return Stats{Open: of(&h.stats.open), Click: of(&h.stats.click), Unsub: of(&h.stats.unsub), Waiting: len(h.queue)}
}
