// SPDX-License-Identifier: Apache-2.0

// Package outcome says what came of an attempt: which event it is (sent, bounce, blocked, or deferred while it will be
// tried again), when the next attempt is due, and when a message is given up.
//
// It decides; the store records the event with the message's state and the hourly counters in one transaction, so
// that statistics and history cannot disagree (promise 7).
package outcome

import (
	"math/rand/v2"
	"time"

	"postern/internal/courier"
	"postern/internal/mail"
	"postern/internal/store"
)

// Retry times. RFC 5321 §4.5.4.1 asks for at least 30 minutes between attempts as a rule, and for the first ones to be
// sooner: a grey list lets a mail in after a minute or five.
const (
	firstRetry = time.Minute
	lastRetry  = 4 * time.Hour
)

// Delay is how long to wait after the given failed attempt (from 1): doubling from a minute to four hours, give or
// take a fifth, so that what failed together does not come back together.
func Delay(attempt int) time.Duration {
	d := lastRetry
	if attempt < 9 {
		d = min(lastRetry, firstRetry<<max(attempt-1, 0))
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // spreads load, guards nothing
}

// Of turns the outcome of an attempt at a claimed message into what is recorded.
func Of(c store.Claimed, owner string, o courier.Outcome, now time.Time) store.Completion {
	done := store.Completion{
		Claimed: c, Owner: owner, At: now, StateID: int(o.State),
		Reply: store.Reply{Code: o.Code, Enhanced: o.Enhanced, Line: o.Line, Host: o.Host, TLS: o.TLS},
	}
	switch o.Result {
	case courier.Delivered:
		done.Result, done.StateID = store.CompletedSent, 0
		switch {
		case o.Captured:
			done.Notice = store.NoticeDelivered
		case !o.Notifies: // RFC 3461 §5.2.2: nobody behind it will
			done.Notice = store.NoticeRelayed
		}
	case courier.Bounced:
		done.Result = store.CompletedBounced
		// A mailbox that is full may have room tomorrow: the mail is refused for good, the address is not (RFC 3463 §3.3).
		done.Permanent = o.State != mail.StateQuotaExceeded
		done.Blocked = blocked(o.State)
	default:
		done.Result = store.CompletedDeferred
		if !now.Before(c.ExpiresAt) {
			done.Result = store.CompletedBounced // tried for as long as we try: a soft bounce
			return done
		}
		done.Due = now.Add(Delay(c.Attempt))
		if done.Due.After(c.ExpiresAt) {
			done.Due = c.ExpiresAt // one last attempt
		}
	}
	return done
}

// Returned hands a claimed message back without an attempt, due after wait.
func Returned(c store.Claimed, owner string, now time.Time, wait time.Duration) store.Completion {
	return store.Completion{Claimed: c, Owner: owner, At: now, Result: store.CompletedReturned, Due: now.Add(wait)}
}

// blocked says whether a refusal is about who we are or what we send, rather than about the recipient.
func blocked(s mail.State) bool {
	switch s.RelatedTo() {
	case "spam", "mailjet":
		return true
	}
	return false
}
