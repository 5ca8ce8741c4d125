// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"

	"postern/internal/courier"
)

// Courier makes one attempt at a job. It returns exactly one outcome for each of the job's recipients, always; when
// ctx ends before the other side has taken the mail, that outcome is Deferred.
type Courier interface {
	Attempt(ctx context.Context, job courier.Job) []courier.Outcome
}
