// SPDX-License-Identifier: Apache-2.0

package control

import "postern/internal/keys"

// Credential is an account or key with its secret in clear: to be shown once.
type Credential struct {
	AccountID int64
	KeyID     int64
	Name      string
	Email     string `json:",omitempty"` // of a new account's owner
	APIKey    string
	SecretKey string
	SignInURL string        `json:",omitempty"` // of a new account
	Old       []keys.Secret `json:",omitempty"` // after a reset with an overlap: what still works, and until when
}

// KeyList is which keys are wanted. What is empty bounds nothing.
type KeyList struct {
	Account, Search, State string
	Due, Overdue           bool
	Deleted                bool // instead of those that are not
}

// NewKey asks for a subaccount. Account is a number or a name, and may be empty when there is one.
type NewKey struct {
	Account   string
	Name      string
	Reference string `json:",omitempty"`
}

// KeyChange is what to change of a key; nil leaves a property as it is.
type KeyChange struct {
	Name           *string   `json:",omitempty"`
	Reference      *string   `json:",omitempty"`
	Active         *bool     `json:",omitempty"`
	TrackHost      *string   `json:",omitempty"`
	Permissions    *[]string `json:",omitempty"` // of send, statistics, manage
	Networks       *string   `json:",omitempty"` // with white space or commas between; "" from everywhere
	AllowedSenders *string   `json:",omitempty"` // likewise
	HourLimit      *int64    `json:",omitempty"` // messages; 0: no limit
	DayLimit       *int64    `json:",omitempty"`
	MonthLimit     *int64    `json:",omitempty"`
	OverHourWaits  *bool     `json:",omitempty"`
}

// ChangedKey is a key after a change, and whom its networks now shut out of those seen within seven days.
type ChangedKey struct {
	keys.Details
	ShutOut []keys.Connection `json:",omitempty"`
}

// LeakAnswer says whether a leaked secret opened something.
type LeakAnswer struct{ Live bool }

// MaxImport is how many keys an import brings in with one request.
const MaxImport = 100

// KeyImport brings in pairs of another service: at most MaxImport.
type KeyImport struct {
	Account string
	DryRun  bool  `json:",omitempty"` // only check
	After   int64 `json:",omitempty"` // of a dry run: how many were found good before these
	Keys    []ImportedKey
}

// ImportedKey is a pair of another service.
type ImportedKey struct{ Name, APIKey, SecretKey, Reference string }

// Imported says what became of a pair; Reason is empty when it was brought in, or would be.
type Imported struct {
	KeyID  int64  `json:",omitempty"`
	Field  string `json:",omitempty"`
	Reason string `json:",omitempty"`
}
