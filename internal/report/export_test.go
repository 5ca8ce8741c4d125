// SPDX-License-Identifier: Apache-2.0

package report

// Bound sets how many counters a question may be about.
func (r *Report) Bound(n int) { r.most = n }
