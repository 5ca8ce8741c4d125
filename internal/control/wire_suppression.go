// SPDX-License-Identifier: Apache-2.0

package control

import "time"

// Suppression is an address that a key sends nothing to.
type Suppression struct {
	ID        int64
	Email     string
	Reason    string // hard_bounce, complaint, unsubscribe or manual
	Note      string `json:",omitempty"`
	MessageID int64  `json:",omitempty"`
	APIKey    string
	KeyName   string
	CreatedAt time.Time `json:",omitzero"`
}

// Suppressions is a page of a list, and how many there are in all.
type Suppressions struct {
	Total int
	List  []Suppression
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

// SuppressionImport is what became of a file.
type SuppressionImport struct {
	Rows, Added, Known, Refused int
	Problems                    []SuppressionProblem `json:",omitempty"` // of the refused the first 1,000
}

// SuppressionProblem is a row that was not taken.
type SuppressionProblem struct {
	Line   int
	Text   string `json:",omitempty"`
	Reason string
}

// Complaint is what became of a report of a complaint.
type Complaint struct {
	Recorded  bool   // not when it was recorded before, nor of a report that is no complaint
	Type      string // of the report: abuse, not-spam, …
	MessageID int64
	UUID      string
	Email     string
	KeyName   string
}
