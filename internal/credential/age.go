// SPDX-License-Identifier: Apache-2.0

package credential

import "time"

// The rotation policy where an account has no other: a secret lives 90 days,
// and from day 76 its owner is reminded.
const (
	MaxAgeDays  = 90
	ReminderDay = 76
)

const day = 24 * time.Hour

// Age is how old a secret is, seen from a rotation policy.
type Age struct {
	Days     int  // whole days since it was made; 0 on the first
	DaysLeft int  // to the last day of the policy; negative when that is past
	Due      bool // a reminder is in place: also when overdue
	Overdue  bool // older than the policy allows
}

// AgeOf returns the age at now of a secret made at createdAt under a policy of
// maxDays. The reminder begins 14 days before the end (day 76 of 90), of a short
// policy in its last sixth. A policy of 0 days or less is none: never due.
func AgeOf(createdAt, now time.Time, maxDays int) Age {
	old := max(0, now.Sub(createdAt))
	a := Age{Days: int(old / day)}
	if maxDays <= 0 {
		return a
	}
	a.DaysLeft = maxDays - a.Days
	a.Due = a.Days >= max(maxDays-(MaxAgeDays-ReminderDay), maxDays*ReminderDay/MaxAgeDays)
	a.Overdue = a.Days > maxDays || a.Days == maxDays && old%day > 0
	return a
}
