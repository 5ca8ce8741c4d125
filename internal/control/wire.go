// SPDX-License-Identifier: Apache-2.0

package control

import (
	"time"

	"postern/internal/queue"
	"postern/internal/store"
)

// Message is a message in a listing.
type Message struct {
	ID         int64
	UUID       string
	ArrivedAt  time.Time `json:",omitzero"`
	DoneAt     time.Time `json:",omitzero"`
	Status     string
	State      string `json:",omitempty"` // why it did not arrive
	From       string
	To         string
	Subject    string
	MessageID  string // of its header
	CustomID   string `json:",omitempty"`
	Campaign   string `json:",omitempty"`
	ResentOf   int64  `json:",omitempty"` // the message that this one sends again
	Source     string // the door: http, smtp, cli
	Client     string
	APIKey     string
	KeyName    string
	Attempts   int
	Size       int64 // bytes
	Submission int64
	// NextAttempt is when the message is tried again; zero when it is not waiting for that.
	NextAttempt time.Time `json:",omitzero"`
	History     []Event   `json:",omitempty"`
	Notify      string    `json:",omitempty"` // which delivery status notifications were asked for
	Notices     []Notice  `json:",omitempty"` // delivery status notifications about it
}

// Notice is a delivery status notification about a message.
type Notice struct {
	Kind  string    // failed, delayed, relayed or delivered
	State string    // sent, waiting or dropped
	At    time.Time `json:",omitzero"`
}

// Event is a line of a message's history.
type Event struct {
	At       time.Time `json:",omitzero"`
	Type     string
	Attempt  int
	Code     int    `json:",omitempty"`
	Enhanced string `json:",omitempty"`
	Reply    string
	Host     string `json:",omitempty"`
	TLS      string `json:",omitempty"`
	State    string `json:",omitempty"`
	IP       string `json:",omitempty"`
	Agent    string `json:",omitempty"`
	URL      string `json:",omitempty"`
	Machine  bool   `json:",omitempty"` // no person did it
}

// MessageQuery is which messages are wanted: the newest first. What is empty bounds nothing.
type MessageQuery struct {
	Search, CustomID, Campaign, Key string
	Status                          string // "queued", "sent", …
	State                           string // of the catalogue, by name or number
	From, To                        time.Time
	Limit                           *int
}

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
