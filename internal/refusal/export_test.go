// SPDX-License-Identifier: Apache-2.0

package refusal

import "context"

// Tick does what Run does each few seconds.
func (r *Recorder) Tick(ctx context.Context) {
	r.sumUp(ctx, r.now())
	r.flush(ctx)
}
