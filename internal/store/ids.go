// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync"
)

// idBlock is how many IDs are reserved at a time. A crash wastes at most one block; at a thousand messages a second
// 2^53 lasts 285,000 years.
const idBlock = 10_000

// idBlocks hands out the IDs of submissions, messages and events from blocks reserved in the sequence table. IDs are
// below 2^53, so that JavaScript keeps them exact.
type idBlocks struct {
	mu   sync.Mutex
	next map[string]*idRange
}

type idRange struct{ next, end int64 }

// take returns the first of n consecutive IDs of the named sequence.
func (b *idBlocks) take(ctx context.Context, s *Store, name string, n int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = map[string]*idRange{}
	}
	r := b.next[name]
	if r == nil {
		r = &idRange{}
		b.next[name] = r
	}
	if r.end-r.next < int64(n) {
		size := int64(max(n, idBlock))
		err := s.Update(ctx, func(tx *Tx) error {
			return tx.row(ctx, "UPDATE sequence SET next = next + $1 WHERE name = $2 RETURNING next", size, name).scan(&r.end)
		})
		if err != nil {
			return 0, err
		}
		r.next = r.end - size
	}
	first := r.next
	r.next += int64(n)
	return first, nil
}
