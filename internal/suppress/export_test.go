// SPDX-License-Identifier: Apache-2.0

package suppress

import "time"

// Left says when an import that began so long ago and has read so much of its file is to be over.
func Left(spent time.Duration, read, size int64) string {
	now := time.Now()
	j := Job{Size: size, Report: Report{Bytes: read}, begunAt: now.Add(-spent)}
	return inAbout(j.left(now))
}
