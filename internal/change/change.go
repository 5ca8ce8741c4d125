// SPDX-License-Identifier: Apache-2.0

// Package change has what all changes of the product have in common: who makes one, what can be wrong with it, and what
// of it stands in the audit log.
package change

import (
	"postern/internal/audit"
)

// Kind is what sort of caller makes a change.
type Kind int

// Kinds of callers.
const (
	Server   Kind = iota // Postern itself
	Operator             // at the command line, or a user with operator access on the pages
	User                 // a person, signed in
	Key                  // a program, with an API key and its secret
	Stranger             // nobody who is signed in: the bearer of a link, or of a leaked secret
)

// Actor is who makes a change.
type Actor struct {
	Kind   Kind
	ID     int64  // of the user or the key, where there is one
	Name   string // the email address of a user, the API key of a key, words for a stranger
	Origin string // an address, or where else it came from: "command line"
}

// String is the actor in the audit log: "operator", "user a@example.com", "key 0123…", "postern".
func (a Actor) String() string {
	switch a.Kind {
	case Operator:
		if a.Name == "" {
			return "operator"
		}
		return "operator " + a.Name
	case User:
		return "user " + a.Name
	case Key:
		return "key " + a.Name
	case Stranger:
		return a.Name
	}
	return "postern"
}

// Entry is what stands in the audit log of a change that the actor makes to an account; 0 is the server's own log.
func (a Actor) Entry(accountID int64, action, target, detail string) audit.Entry {
	return audit.Entry{AccountID: accountID, Actor: a.String(), Origin: a.Origin, Action: action, Target: target, Detail: detail}
}

// Log gathers what is different, for the audit log: "name: a → b; state: active → deactivated".
type Log struct{ Text string }

// Note adds a property, if it is different. A nil Log takes nothing.
func (l *Log) Note(what, from, to string) {
	if l == nil || from == to {
		return
	}
	if l.Text != "" {
		l.Text += "; "
	}
	l.Text += what + ": " + orNone(from) + " → " + orNone(to)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
