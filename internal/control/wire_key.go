// SPDX-License-Identifier: Apache-2.0

package control

import "time"

// Credential is an account or key with its secret in clear: to be shown once.
type Credential struct {
	AccountID int64
	KeyID     int64
	Name      string
	Email     string `json:",omitempty"` // of a new account's owner
	APIKey    string
	SecretKey string
	SignInURL string   `json:",omitempty"` // of a new account
	Old       []Secret `json:",omitempty"` // after a reset with an overlap: what still works, and until when
}

// Key is an API key. Times are zero for "never".
type Key struct {
	ID              int64
	AccountID       int64
	APIKey          string
	Name            string
	Reference       string `json:",omitempty"` // the customer's own ID
	TrackHost       string `json:",omitempty"` // host name of the links in its mail; none: the server's
	Master          bool
	State           string
	StateReason     string    `json:",omitempty"` // why the operator suspended it
	CreatedAt       time.Time `json:",omitzero"`
	DeletedAt       time.Time `json:",omitzero"`
	SecretHint      string    // the last four characters of the newest live secret
	SecretCreatedAt time.Time `json:",omitzero"`
	SecretDaysLeft  int       // to the reset that the account's policy asks for
	LastUsedAt      time.Time `json:",omitzero"`
	Secrets         []Secret  // the live ones, the newest first
}

// Secret is what is known of a live secret key: not the secret.
type Secret struct {
	ID         int64
	Hint       string    // its last four characters
	CreatedAt  time.Time `json:",omitzero"`
	AgeDays    int
	DaysLeft   int       // to the reset that the policy asks for; negative: overdue
	Due        bool      // its owners are reminded; not when it ends by itself
	Overdue    bool      //
	ExpiresAt  time.Time `json:",omitzero"` // the end of an overlap
	StopsAt    time.Time `json:",omitzero"` // when it is overdue and refused, by the account's policy
	LastUsedAt time.Time `json:",omitzero"`
}

// KeyDetails is all of a key.
type KeyDetails struct {
	Key
	AccountName  string
	ACL          string `json:",omitempty"`
	Restrictions Restrictions
	Use          Use
	Senders      []string
	Connections  []Connection // of the live secrets
}

// Restrictions of a key. Empty lists and 0 restrict nothing.
type Restrictions struct {
	Permissions    []string // all three: nothing is restricted
	Networks       []string
	AllowedSenders []string
	HourLimit      int64
	DayLimit       int64
	MonthLimit     int64
	OverHour       string // "refuse" or "wait"
	AccountDay     int64  // the account's daily limit of keys that have none of their own
}

// Use is how many messages were accepted.
type Use struct{ ThisHour, ThisDay, ThisMonth int64 }

// Connection is a way in which a live secret is used.
type Connection struct {
	SecretID    int64
	SecretHint  string
	Protocol    string    // "http", "smtp"
	Address     string    // "" where there is none
	Client      string    // User-Agent, or EHLO name
	FirstSeenAt time.Time `json:",omitzero"`
	LastSeenAt  time.Time `json:",omitzero"`
	Count       int64
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
	KeyDetails
	ShutOut []Connection `json:",omitempty"`
}

// Suggestion is networks that hold all addresses from which a key was used in the last 30 days.
type Suggestion struct {
	Networks  []string
	Addresses int // that they are made of
	Unknown   int // connections without an address, which no network holds
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
