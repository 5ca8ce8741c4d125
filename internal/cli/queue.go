// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strconv"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/messages"
)

type queueCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows the queue.
func (c *queueCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (messages.Queue, error) {
		return calls.ShowQueue(ctx)
	}, func(q messages.Queue) error {
		n := func(v int64) string { return strconv.FormatInt(v, 10) }
		rows := [][]string{{"being delivered", n(q.Waiting.Held)}, {"in the careful lane", n(q.Waiting.Careful)}}
		if !q.Waiting.Oldest.IsZero() {
			ago := time.Since(q.Waiting.Oldest).Truncate(time.Second)
			rows = append(rows, []string{"oldest arrived", when(q.Waiting.Oldest, "") + " (" + ago.String() + " ago)"})
		}
		if r := q.Running; r != nil {
			rows = append(rows, []string{"sent since the start", n(r.Sent)}, []string{"deferred", n(r.Deferred)},
				[]string{"bounced", n(r.Bounced)}, []string{"errors of the queue", n(r.Errors)})
		} else {
			rows = append(rows, []string{"server", "not running"})
		}
		return s.table([]string{"waiting", n(q.Waiting.Waiting)}, rows)
	})
}
