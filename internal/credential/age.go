// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"errors"
	"fmt"
	"time"
)

// The rotation policy where an account has no other: a secret lives 90 days,
// and from day 76 its owner is reminded.
const (
	MaxAgeDays = 90
	RemindDays = 14
)

// Bounds of the overlap of a reset, in which the old secret goes on working.
const (
	MinOverlap = time.Minute
	MaxOverlap = 30 * 24 * time.Hour
)

const day = 24 * time.Hour

// Policy is how long secrets live.
type Policy struct {
	Days       int  // until a reset is due; 0: never
	RemindDays int  // reminders begin this many days before
	Stop       bool // an overdue secret stops working
}

// The bounds of a policy in days.
const (
	MinPolicyDays = 1
	MaxPolicyDays = 3650
)

// Check says what is wrong with a policy, naming the property.
func (p Policy) Check() (property string, err error) {
	switch {
	case p.Days < MinPolicyDays || p.Days > MaxPolicyDays:
		return "SecretDays", fmt.Errorf("must be %d to %d days", MinPolicyDays, MaxPolicyDays)
	case p.RemindDays < 0 || p.RemindDays >= p.Days:
		return "RemindDays", errors.New("must be 0 or more, and fewer than the days that a secret lives")
	}
	return "", nil
}

// EndOf is when a secret made at createdAt is overdue.
func (p Policy) EndOf(createdAt time.Time) time.Time {
	return createdAt.Add(time.Duration(p.Days) * day)
}

// Age is how old a secret is, seen from a rotation policy.
type Age struct {
	Days     int  // whole days since it was made; 0 on the first
	DaysLeft int  // to the last day of the policy; negative when that is past
	Due      bool // a reminder is in place: also when overdue
	Overdue  bool // older than the policy allows
}

// AgeOf returns the age at now of a secret made at createdAt. The reminder
// begins RemindDays before the end (day 76 of 90).
func (p Policy) AgeOf(createdAt, now time.Time) Age {
	old := max(0, now.Sub(createdAt))
	a := Age{Days: int(old / day)}
	if p.Days <= 0 {
		return a
	}
	a.DaysLeft = p.Days - a.Days
	a.Due = a.Days >= p.Days-p.RemindDays
	a.Overdue = a.Days > p.Days || a.Days == p.Days && old%day > 0
	return a
}

// CheckOverlap says what is wrong with the overlap of a reset; 0 is none.
func CheckOverlap(d time.Duration) error {
	if d != 0 && (d < MinOverlap || d > MaxOverlap) {
		return errors.New("must be 0, or from 1 minute to 30 days")
	}
	return nil
}
