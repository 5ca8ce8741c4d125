// SPDX-License-Identifier: Apache-2.0

package messages

import (
	"context"

	"postern/internal/queue"
	"postern/internal/store"
)

// Queue is what waits and what was done. Running is nil when no server runs.
type Queue struct {
	Waiting store.QueueStats
	Running *queue.Stats `json:",omitempty"`
}

// Queue counts what waits; what was done is the queue's to say.
func (m *Messages) Queue(ctx context.Context) (q Queue, err error) {
	q.Waiting, err = m.c.Store.QueueStats(ctx)
	return q, err
}
