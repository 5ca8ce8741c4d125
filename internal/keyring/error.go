// SPDX-License-Identifier: Apache-2.0

package keyring

// Kind is what sort of mistake an Error is.
type Kind int

// Kinds of an Error.
const (
	Invalid      Kind = iota + 1 // the value of Field is wrong
	Conflict                     // the value of Field is taken
	NotFound                     // there is no such thing, or it is not the caller's
	NotAllowed                   // the caller may not do that
	LimitReached                 // the account's plan allows no more of it
)

// Error is what a caller did wrong. Reason is a sentence's worth without a full stop, starting in lower case.
type Error struct {
	Kind   Kind
	Field  string
	Reason string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

func invalid(field string, err error) error {
	return &Error{Kind: Invalid, Field: field, Reason: err.Error()}
}

func conflict(field, reason string) error {
	return &Error{Kind: Conflict, Field: field, Reason: reason}
}

func notAllowed(field, reason string) error {
	return &Error{Kind: NotAllowed, Field: field, Reason: reason}
}
