// SPDX-License-Identifier: Apache-2.0

//go:build race

package credential_test

// underRace: the race detector makes sync.Pool forget, so allocations say nothing.
const underRace = true
