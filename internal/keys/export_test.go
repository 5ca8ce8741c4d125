// SPDX-License-Identifier: Apache-2.0

package keys

// For tests.
var (
	Refresh       = (*Keys).refresh
	RefreshClosed = (*Keys).refreshClosed
)
