// SPDX-License-Identifier: Apache-2.0

package control

import "time"

// Webhook is where one type of a key's events is told.
type Webhook struct {
	ID           int64
	Event        string
	Backup       bool
	URL          string    // a password in it reads xxxxx; "" when it cannot be read under this server key
	Version      int       // 1: an event a request; 2: an array of them
	State        string    // works, fails, dead or unused
	LastAt       time.Time `json:",omitzero"`
	LastStatus   int       // of the answer; 0: there was none
	LastError    string    `json:",omitempty"`
	FailingSince time.Time `json:",omitzero"`
	DeadAt       time.Time `json:",omitzero"`
	Waiting      int       // events, counted up to WaitingCounted
	Told         int64     // events that its URL was told
	Dropped      int64     // events that were given up
	APIKey       string
	KeyName      string
}

// WebhookSet says where a key's events are to be told. Those that are there are changed.
type WebhookSet struct {
	Key     string
	URL     string // xxxxx for a password keeps the one that is there
	Events  []string
	Version int // 0: as it is, or 2
	Backup  bool
}

// WebhookOf names webhooks of a key.
type WebhookOf struct {
	Key    string
	Events []string
	Backup bool
}

// Delivery is one request to a webhook's URL.
type Delivery struct {
	ID        int64
	At        time.Time `json:",omitzero"`
	Events    []string  // types
	Count     int       // of events
	Sample    bool      `json:",omitempty"` // of no event: somebody tried the webhook
	Version   int
	Attempt   int
	Result    string // delivered, failed (it is tried again) or dropped
	Status    int    // of the answer; 0: there was none
	Error     string `json:",omitempty"`
	TookMS    int64
	Target    string // scheme and host
	WebhookID string
	APIKey    string
	KeyName   string
	Body      string `json:",omitempty"` // of one alone: of the events that are still kept
	Kept      int    `json:",omitempty"` // how many those are
}

// DeliveryQuery is which requests are wanted: the newest first. What is empty bounds nothing.
type DeliveryQuery struct {
	Key, Event string
	Failed     bool
	From, To   time.Time
	Limit      *int
}

// Replayed says how many events are told again.
type Replayed struct{ Events int }

// WebhookSecret is the signing secret of a key's webhooks: not what it is, but in the answer that made it.
type WebhookSecret struct {
	CreatedAt time.Time `json:",omitzero"` // zero: there is none, requests are not signed
	OldEndsAt time.Time `json:",omitzero"` // until when the one before signs beside it
	Secret    string    `json:",omitempty"`
	APIKey    string
	KeyName   string
}

// AccountWebhook is where an account is told of what happens to its credentials.
type AccountWebhook struct {
	AccountID    int64
	AccountName  string
	URL          string    // a password in it reads xxxxx; "" when it cannot be read under this server key
	State        string    // works, fails or unused
	CreatedAt    time.Time `json:",omitzero"`
	LastAt       time.Time `json:",omitzero"`
	LastStatus   int       // of the answer; 0: there was none
	LastError    string    `json:",omitempty"`
	FailingSince time.Time `json:",omitzero"`
	Waiting      int64     // deliveries
	Dropped      int64     // deliveries that were given up
	Secret       string    `json:",omitempty"` // signs deliveries: in the answer that made it, and in no other
}

// Sample is what came of a post to try an account's webhook.
type Sample struct {
	Target    string // scheme and host
	WebhookID string
	Result    string // delivered or failed
	Status    int    // of the answer; 0: there was none
	Error     string `json:",omitempty"`
	TookMS    int64
}
