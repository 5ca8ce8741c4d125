// SPDX-License-Identifier: Apache-2.0

package control

import (
	"time"

	"postern/internal/queue"
	"postern/internal/store"
)

// Account is a primary account.
type Account struct {
	ID        int64
	Name      string
	Users     []string // email addresses
	APIKey    string   // of the master key
	Keys      int      // with the master key
	CreatedAt time.Time
}

// NewAccount asks for a primary account.
type NewAccount struct{ Name, Email string }

// Credential is an account or key with its secret in clear: to be shown once.
type Credential struct {
	AccountID int64
	KeyID     int64
	Name      string
	Email     string `json:",omitempty"` // of a new account's owner
	APIKey    string
	SecretKey string
	SignInURL string `json:",omitempty"` // of a new account
}

// Link is a one-time sign-in link.
type Link struct {
	Email     string
	SignInURL string
	ExpiresAt time.Time
}

// NewLink asks for a sign-in link; Email may be empty when there is one user.
type NewLink struct {
	Email               string
	ForgetsSecondFactor bool `json:",omitempty"` // using it removes the second factor and the passkeys
}

// Key is an API key. Times are zero for "never".
type Key struct {
	ID              int64
	AccountID       int64
	APIKey          string
	Name            string
	Master          bool
	State           string
	CreatedAt       time.Time
	SecretHint      string // the last four characters of the live secret
	SecretCreatedAt time.Time
	SecretDaysLeft  int // to the reset that the account's policy asks for
	LastUsedAt      time.Time
}

// NewKey asks for a subaccount. Account is a number or a name, and may be empty when there is one.
type NewKey struct{ Account, Name string }

// KeyChange is what to change of a key; nil leaves a property as it is.
type KeyChange struct {
	Name   *string `json:",omitempty"`
	Active *bool   `json:",omitempty"`
}

// Sender is an address or *@domain that a key may send from.
type Sender struct {
	Email     string
	Name      string `json:",omitempty"`
	Status    string
	APIKey    string
	KeyName   string
	CreatedAt time.Time
}

// SenderOf names a sender of a key. Key may be empty: the only account's master key.
type SenderOf struct{ Key, Email, Name string }

// Message is a message in a listing.
type Message struct {
	ID         int64
	UUID       string
	ArrivedAt  time.Time
	DoneAt     time.Time
	Status     string
	State      string `json:",omitempty"` // why it did not arrive
	From       string
	To         string
	Subject    string
	MessageID  string // of its header
	CustomID   string `json:",omitempty"`
	Source     string // the door: http, smtp, cli
	Client     string
	APIKey     string
	KeyName    string
	Attempts   int
	Size       int64 // bytes
	Submission int64
	// NextAttempt is when the message is tried again; zero when it is not waiting for that.
	NextAttempt time.Time
	History     []Event `json:",omitempty"`
}

// Event is a line of a message's history.
type Event struct {
	At       time.Time
	Type     string
	Attempt  int
	Code     int    `json:",omitempty"`
	Enhanced string `json:",omitempty"`
	Reply    string
	Host     string `json:",omitempty"`
	TLS      string `json:",omitempty"`
	State    string `json:",omitempty"`
}

// Source is a message's source, RFC 5322.
type Source struct{ Raw []byte }

// NewMail asks for a mail to be sent. Empty: the only account's master key; a sender of the key; some words.
type NewMail struct {
	Key           string
	From          string
	To            []string
	Subject, Text string
}

// Sent says what became of it.
type Sent struct {
	From     string
	Messages []SentTo
}

// SentTo is one recipient's message.
type SentTo struct {
	To   string
	ID   int64
	UUID string
}

// Queue is what waits and what was done. Running is nil when no server runs.
type Queue struct {
	Waiting store.QueueStats
	Running *queue.Stats `json:",omitempty"`
}
