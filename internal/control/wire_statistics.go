// SPDX-License-Identifier: Apache-2.0

package control

import (
	"time"

	"postern/internal/store"
)

// StatisticsQuery is what is asked for: the last Days, or From To; of all of an account, or of Keys.
type StatisticsQuery struct {
	Keys       []string
	Account    string
	Days       *int
	From, To   time.Time
	By         string // key, domain, campaign, sender; "" over time
	Resolution string // hour, day, total; "" as fits
	Timing     string // message, event; "" message
	Limit      *int   // of what they are by
}

// Statistics are what became of mail in a period.
type Statistics struct {
	From, To   time.Time // To is excluded
	Resolution string    // hour, day or total
	Timing     string    // message or event
	By         string    `json:",omitempty"` // key, domain, campaign or sender
	BySeveral  bool      `json:",omitempty"` // of campaigns and senders: a row for each key that sent
	Rows       []StatisticsRow
	More       bool          // there are more than Rows: smaller ones
	All        StatisticsRow // all mail together, not Rows alone
}

// StatisticsRow is one slot, or one of what the statistics are by, or both.
type StatisticsRow struct {
	At      time.Time `json:",omitzero"`  // when the slot begins
	Name    string    `json:",omitempty"` // of the key, the domain, the campaign or the sender
	KeyName string    `json:",omitempty"` // whose campaign or sender it is, where several keys are counted
	APIKey  string    `json:",omitempty"`
	store.Counts
	Waiting int64 // messages that have not ended yet
}
