// SPDX-License-Identifier: Apache-2.0

package gate

import "time"

// RefusalKind is why a caller was not let in.
type RefusalKind uint8

// The kinds of refusals.
const (
	NoCredentials  RefusalKind = iota // neither user name nor password
	Wrong                             // no such key, or not its secret: which, nobody is told
	Throttled                         // too many failures from this source: see RetryAfter
	KeyDeactivated                    // the secret was right, but the owner deactivated the key
	KeySuspended                      // the secret was right, but the operator suspended the key
	refusalKinds
)

// Refusal is the error of a caller who is not let in.
type Refusal struct {
	Kind       RefusalKind
	Message    string        // for the HTTP API: the words clients match on, then Detail
	Detail     string        // one sentence, for SMTP; may be ""
	RetryAfter time.Duration // of Throttled: when to try again
}

// Error returns Message.
func (r *Refusal) Error() string { return r.Message }
