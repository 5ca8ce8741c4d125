// SPDX-License-Identifier: Apache-2.0

package gate

// Stats are the gate's numbers at one moment.
type Stats struct {
	Keys      int // in memory
	Secrets   int // live
	Sessions  int // bound
	Throttled int // sources that are refused now

	// Checks by Verify and Recheck since the start.
	Accepted uint64
	Refused  [refusalKinds]uint64 // by RefusalKind
}
