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

// SuppressionOf names an entry.
type SuppressionOf struct {
	Key   string
	Email string
}
