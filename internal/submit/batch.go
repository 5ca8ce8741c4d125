// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"

	"postern/internal/gate"
	"postern/internal/store"
)

// Item is one mail of a batch.
type Item struct {
	Envelope Envelope
	Message  Message
}

// Batch is what one call hands over. Its accepted items are made durable in one transaction.
type Batch struct {
	Items   []Item
	Whole   bool  // all items or none
	Once    *Once // the call's idempotency key; nil: it has none
	Sandbox bool  // check all, keep nothing
}

// Outcome is what became of an item: a receipt, or an error as of Accept.
type Outcome struct {
	Receipt Receipt
	Err     error
}

// AcceptBatch is Accept for the mails of a call: each is checked by itself and counts against the limits by itself, in
// order. When one is refused the others are kept; when the batch is Whole, none is.
func (s *Submit) AcceptBatch(ctx context.Context, p gate.Principal, b Batch) []Outcome {
	out := make([]Outcome, len(b.Items))
	list := make([]*pending, 0, len(b.Items))
	which := make([]int, 0, len(b.Items)) // the item of each in list
	for i := range b.Items {
		d, err := s.prepare(ctx, p, b.Items[i].Envelope, b.Items[i].Message)
		if err == nil {
			list, which = append(list, d), append(which, i)
			continue
		}
		s.countRefused(err)
		out[i].Err = err
		if b.Whole {
			s.end(list, false)
			for j := range out {
				out[j].Err = err
			}
			return out
		}
	}
	if len(list) == 0 {
		return out
	}
	receipts := func() {
		for i, d := range list {
			out[which[i]].Receipt = d.receipt()
		}
	}
	var once *store.Once
	if b.Once != nil && !b.Sandbox {
		once = &store.Once{KeyID: p.KeyID, Key: b.Once.Key, Hash: b.Once.Hash, Answer: func() []byte {
			receipts() // the IDs are known now
			return b.Once.Answer(out)
		}}
	}
	if err := s.keep(ctx, list, b.Sandbox, once); err != nil {
		for _, i := range which {
			s.countRefused(err)
			out[i] = Outcome{Err: err}
		}
		return out
	}
	receipts()
	if !b.Sandbox {
		s.accepted.Add(int64(len(list)))
		s.arrived()
	}
	return out
}
