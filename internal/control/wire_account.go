// SPDX-License-Identifier: Apache-2.0

package control

import "time"

// Account is a primary account.
type Account struct {
	ID        int64
	Name      string
	Users     []string  // email addresses
	APIKey    string    // of the master key
	Keys      int       // with the master key
	Plan      string    `json:",omitempty"`
	CreatedAt time.Time `json:",omitzero"`
}

// NewAccount asks for a primary account.
type NewAccount struct{ Name, Email string }

// AccountDetails is all of an account.
type AccountDetails struct {
	Account
	Policy    Policy
	Tracking  Tracking
	DayLimit  int64 // messages a day of each key that has no limit of its own; 0: none
	Allowance Allowance
	Used      Allowance // the same of what there is; RetentionDays and Plan say nothing here
	States    map[string]int
	People    []Person
	Requests  []Request // open ones
}

// Policy is an account's rotation policy.
type Policy struct {
	SecretDays  int  // until a secret is due
	RemindDays  int  // before that, its owners are reminded
	StopOverdue bool // an overdue secret stops working

	SecondFactor bool `json:",omitempty"` // everybody who may do something in the account must have one
}

// Tracking is what an account's mail tells of its recipients, where the mail itself does not say.
type Tracking struct {
	Opens, Clicks bool
	Unsubscribe   string // which mail gets a List-Unsubscribe field: never, campaigns, all
}

// Allowance is what an account may have, by its plan and what was granted beyond. 0 is no limit.
type Allowance struct {
	Plan          string `json:",omitempty"`
	Subaccounts   int64
	Month, Hour   int64 // messages
	Users         int64
	RetentionDays int
}

// AccountChange is what to change of an account; nil leaves a property as it is.
type AccountChange struct {
	Name        *string `json:",omitempty"`
	SecretDays  *int    `json:",omitempty"`
	RemindDays  *int    `json:",omitempty"`
	StopOverdue *bool   `json:",omitempty"`

	SecondFactor *bool `json:",omitempty"`

	DayLimit    *int64  `json:",omitempty"`
	TrackOpens  *bool   `json:",omitempty"`
	TrackClicks *bool   `json:",omitempty"`
	Unsubscribe *string `json:",omitempty"` // never, campaigns, all
}

// Plan says what an account may have. 0 is no limit.
type Plan struct {
	ID            int64
	Name          string
	Subaccounts   int64
	MonthMessages int64
	HourMessages  int64
	Users         int64
	RetentionDays int
	Accounts      int64     // that have it
	CreatedAt     time.Time `json:",omitzero"`
}

// PlanChange makes or changes a plan; nil leaves a property as it is.
type PlanChange struct {
	Name          *string `json:",omitempty"`
	Subaccounts   *int64  `json:",omitempty"`
	MonthMessages *int64  `json:",omitempty"`
	HourMessages  *int64  `json:",omitempty"`
	Users         *int64  `json:",omitempty"`
	RetentionDays *int    `json:",omitempty"`
}

// Request asks for more than an account's plan gives.
type Request struct {
	ID          int64
	AccountID   int64
	AccountName string
	AskedBy     string
	Email       string `json:",omitempty"` // where the answer goes
	Kind        string // subaccounts, month, hour, users
	Wanted      int64
	Reason      string
	State       string    // open, granted, declined
	Answer      string    `json:",omitempty"`
	CreatedAt   time.Time `json:",omitzero"`
	AnsweredAt  time.Time `json:",omitzero"`
}

// NewRequest asks for more on behalf of an account that asked by other ways.
type NewRequest struct {
	Account string
	Email   string `json:",omitempty"` // where the answer goes; none: to the account's owners
	Kind    string
	Wanted  int64
	Reason  string
}

// Person is what somebody may do: on an account, or on one key of it; or an open invitation to that.
type Person struct {
	Email        string
	AccountID    int64     `json:",omitempty"`
	AccountName  string    `json:",omitempty"`
	Role         string    `json:",omitempty"`
	APIKey       string    `json:",omitempty"` // of the key, "" for the whole account
	KeyName      string    `json:",omitempty"`
	Operator     bool      // sees the operator's pages
	Invited      bool      // has not accepted yet
	Since        time.Time `json:",omitzero"`
	Until        time.Time `json:",omitzero"` // of an invitation
	LastSignInAt time.Time `json:",omitzero"`
}

// Share gives somebody a role on an account, or on some keys of it.
type Share struct {
	Account string
	Email   string
	Role    string   `json:",omitempty"` // to take it away it need not be said
	Keys    []string `json:",omitempty"` // by API key, name or number; none: the whole account
	Days    int      `json:",omitempty"` // until an invitation ends
}

// Shared says what was taken away.
type Shared struct{ Accesses, Invitations int }

// OperatorOf says whether a user sees the operator's pages.
type OperatorOf struct {
	Email    string
	Operator bool
}

// Link is a one-time sign-in link.
type Link struct {
	Email     string
	SignInURL string
	ExpiresAt time.Time `json:",omitzero"`
}

// AuditQuery is which entries of the audit log are wanted. What is empty bounds nothing.
type AuditQuery struct {
	Account, Action, Search string
	From, To                time.Time
	Above                   *int64 // those after this number, the oldest first: to read all
	Limit                   *int
}
