// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/store"
	"postern/internal/submit"
)

// fault is why a request, or one message of it, is refused. The zero message of a 500 is ours.
type fault struct {
	status     int
	code       string   // of Send API v3.1, "" for none
	info       string   // ErrorInfo of v3
	message    string   // a sentence
	related    []string // properties of v3.1
	retryAfter time.Duration
	allow      string // for 405
	cause      error  // for the log alone
}

func (f *fault) Error() string { return f.message }

func (f *fault) Unwrap() error { return f.cause }

// badRequest is a 400 of /v3/REST.
func badRequest(message string) *fault {
	return &fault{status: http.StatusBadRequest, message: message}
}

func notFound() *fault {
	return &fault{status: http.StatusNotFound, message: "Object not found"}
}

func notAllowed(why string) *fault {
	return &fault{status: http.StatusForbidden, message: "Operation not allowed", info: why}
}

// faultOf maps the errors of the rooms behind this door, each once. What it does not know is a 500.
func faultOf(err error) *fault {
	var f *fault
	var refusal *gate.Refusal
	var refused *submit.Error
	var mistake *change.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refusal):
		return faultOfRefusal(refusal)
	case errors.As(err, &refused):
		return faultOfSubmit(refused)
	case errors.As(err, &mistake):
		return faultOfChange(mistake)
	case errors.Is(err, store.ErrNotFound):
		return notFound()
	case errors.Is(err, store.ErrNoRoom):
		return noRoom("The server has no room for this now; try again later.")
	}
	return &fault{status: http.StatusInternalServerError, cause: err}
}

// noRoom is the fault of a full disk, which the server's log has once, and not for each request.
func noRoom(message string) *fault {
	return &fault{status: http.StatusServiceUnavailable, message: message, retryAfter: time.Minute}
}

func faultOfRefusal(r *gate.Refusal) *fault {
	f := &fault{status: http.StatusUnauthorized, code: "mj-0015", message: r.Message}
	switch r.Kind {
	case gate.Throttled:
		f.status, f.code, f.retryAfter = http.StatusTooManyRequests, "", max(r.RetryAfter, time.Second)
	case gate.KeySuspended:
		f.code, f.message = "mj-0001", "Your account has been temporarily blocked. "+r.Message
	case gate.KeyDeactivated:
		f.message = gate.AuthFailure + " " + r.Message
	case gate.SecretOverdue:
		f.message = gate.AuthFailure + " " + r.Message
	case gate.NetworkNotAllowed, gate.NotPermitted:
		f.status, f.code, f.info = http.StatusForbidden, "", r.Message
	case gate.NoCredentials, gate.Wrong:
	}
	return f
}

func faultOfSubmit(e *submit.Error) *fault {
	f := &fault{status: http.StatusBadRequest, message: e.Reason, cause: e.Cause}
	switch e.Code {
	case submit.KeyMayNotSend:
		f.status, f.info = http.StatusForbidden, e.Reason
	case submit.SenderNotAllowed:
		f.status, f.code, f.related = http.StatusForbidden, "send-0008", []string{"From"}
		if e.Field == "Sender" {
			f.code, f.related = "send-0006", []string{"Sender"}
		}
	case submit.BadRecipient:
		f.code, f.related = "mj-0013", []string{"To", "Cc", "Bcc"}
	case submit.TooManyRecipients:
		f.code, f.related = "send-0015", []string{"To", "Cc", "Bcc"}
	case submit.TooLarge:
		f.code = "mj-0011"
	case submit.BadParameter:
	case submit.LimitReached:
		f.status, f.code, f.retryAfter = http.StatusTooManyRequests, "mj-0014", e.RetryAfter
	case submit.KeyReused:
		f.status = http.StatusConflict
	case submit.KeyBusy:
		f.status, f.retryAfter = http.StatusConflict, e.RetryAfter
	case submit.DiskFull:
		return noRoom(e.Reason)
	default: // Unavailable: ours
		f.status = http.StatusInternalServerError
		if errors.Is(e.Cause, context.Canceled) {
			f.cause = nil
		}
	}
	return f
}

func faultOfChange(e *change.Error) *fault {
	switch e.Kind {
	case change.NotFound:
		return notFound()
	case change.NotAllowed, change.LimitReached:
		f := notAllowed(sentence(e.Reason))
		f.message += ": " + e.Reason
		return f
	case change.LockOut:
		return &fault{
			status: http.StatusConflict, info: "would_lock_out", message: "Property " + e.Field + ": " + e.Reason +
				` with "Confirm": true.`,
		}
	case change.TooOften:
		return &fault{status: http.StatusTooManyRequests, message: sentence(e.Reason), retryAfter: time.Hour}
	case change.Invalid, change.Conflict:
		if e.Field == "" { // it is about the state of things
			return badRequest(sentence(e.Reason))
		}
	}
	// The reason may begin with a verb, and is no sentence without the property.
	field := e.Field
	if name, ok := wireNames[field]; ok {
		field = name
	}
	return badRequest("Property " + field + ": " + ended(e.Reason))
}

// wireNames are properties whose name on the wire is another one than in the domain.
var wireNames = map[string]string{"URL": "Url"}

// sentence makes a sentence of a reason: a capital and a full stop.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + strings.TrimRight(s[n:], ".") + "."
}
