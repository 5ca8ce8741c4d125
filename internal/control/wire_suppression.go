// SPDX-License-Identifier: Apache-2.0

package control

import "postern/internal/suppress"

// Suppressions is a page of a list, and how many there are in all.
type Suppressions struct {
	Total int
	List  []suppress.Suppression
}

// NewSuppressions puts addresses on a key's list.
type NewSuppressions struct {
	Key    string
	Emails []string
	Reason string // "": manual
	Note   string
}

// SuppressionQuery is which entries of a key's list are wanted: the newest, or those Above a number, the oldest first.
type SuppressionQuery struct {
	Key, Search, Reason string
	Above               *int64
	Limit               *int
}
