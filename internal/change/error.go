// SPDX-License-Identifier: Apache-2.0

package change

import "fmt"

// ErrorKind is what sort of mistake an Error is.
type ErrorKind int

// Kinds of an Error.
const (
	Invalid      ErrorKind = iota + 1 // the value of Field is wrong
	Conflict                          // the value of Field is taken, or does not go with the state of things
	NotFound                          // there is no such thing, or it is not the caller's
	NotAllowed                        // the caller may not do that
	LockOut                           // the caller would shut themselves out, and has not confirmed that
	LimitReached                      // the account's plan, or a bound of the server, allows no more of it
	TooOften                          // it was done as often as a day allows: wait
)

// Error is what a caller did wrong. Field is the property by its name in the domain; each entry point has one table to
// its own words. Reason is a sentence's worth without a full stop, starting in lower case.
type Error struct {
	Kind   ErrorKind
	Field  string
	Reason string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Errorf makes an Error; the reason is formatted.
func Errorf(kind ErrorKind, field, format string, args ...any) error {
	return &Error{Kind: kind, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// Wrong is an Error of the kind Invalid, with the text of err as its reason.
func Wrong(field string, err error) error {
	return &Error{Kind: Invalid, Field: field, Reason: err.Error()}
}

// Missing is an Error of the kind NotFound about a thing: "key".
func Missing(what string) error {
	return &Error{Kind: NotFound, Reason: "there is no such " + what}
}

// Conflicting is an Error of the kind Conflict.
func Conflicting(field, reason string) error {
	return &Error{Kind: Conflict, Field: field, Reason: reason}
}

// Forbidden is an Error of the kind NotAllowed.
func Forbidden(field, reason string) error {
	return &Error{Kind: NotAllowed, Field: field, Reason: reason}
}

// Or is err, or what else is wrong where nothing is.
func Or(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
