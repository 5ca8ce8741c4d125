// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"time"

	"postern/internal/store"
)

// Use is how many messages were accepted for this hour, day and month, in UTC as all limits are.
type Use struct{ ThisHour, ThisDay, ThisMonth int64 }

// MonthOf is the beginning of a time's month.
func MonthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// UseOf sums the hours of this month. What waits for its hour may be in the next month.
func UseOf(hours []store.HourUse, now time.Time) (u Use) {
	hour, day, next := now.UTC().Truncate(time.Hour), now.UTC().Truncate(24*time.Hour), MonthOf(now).AddDate(0, 1, 0)
	for _, h := range hours {
		if h.Hour.Equal(hour) {
			u.ThisHour += h.Messages
		}
		if !h.Hour.Before(day) && h.Hour.Before(day.AddDate(0, 0, 1)) {
			u.ThisDay += h.Messages
		}
		if h.Hour.Before(next) {
			u.ThisMonth += h.Messages
		}
	}
	return u
}
