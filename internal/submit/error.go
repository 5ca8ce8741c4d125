// SPDX-License-Identifier: Apache-2.0

package submit

import "time"

// Code is why a mail was not accepted. Each entry point maps it once to its protocol's words.
type Code int

// Codes of an Error.
const (
	KeyMayNotSend     Code = iota + 1 // the key is not active, was deleted, or its permissions lack sending
	SenderNotAllowed                  // an author, or the return path, is not an active sender of the key: Field says which
	BadRecipient                      // an address is not one
	TooManyRecipients                 //
	TooLarge                          //
	DiskFull                          // our disk is full: the same mail may be accepted later
	Unavailable                       // we failed: the same mail may be accepted later
	LimitReached                      // of messages in an hour, a day or a month: accepted again after RetryAfter
	KeyReused                         // an idempotency key that another body had
	KeyBusy                           // a call with the same idempotency key is under way: try again after RetryAfter
	BadKey                            // an idempotency key that is none
	BadParameter                      // a parameter of the envelope, as of RFC 3461, that is none: Field names it
)

// Temporary says whether the same mail may be accepted later.
func (c Code) Temporary() bool {
	return c == DiskFull || c == Unavailable || c == LimitReached || c == KeyBusy
}

// Error is why a mail was not accepted. Reason is a sentence for the caller; Cause is for the log alone.
type Error struct {
	Code   Code
	Field  string // the property or address that is wrong
	Reason string
	Cause  error
	// RetryAfter is when the same mail may be accepted, of LimitReached and KeyBusy.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Reason }

// Unwrap gives the inner error.
func (e *Error) Unwrap() error { return e.Cause }
