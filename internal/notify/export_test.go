// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"context"

	"postern/internal/store"
)

// Round looks for secrets that are due and sends all notices that are due, once.
func (n *Notify) Round(ctx context.Context) {
	n.remind(ctx)
	n.round(ctx)
}

// SendAndCrash has the mail of a notice accepted and goes no further.
func (n *Notify) SendAndCrash(ctx context.Context, kept store.Notice) error {
	notice, err := n.Notices.Open(kept)
	if err != nil {
		return err
	}
	return n.send(ctx, kept, notice, n.Log)
}
