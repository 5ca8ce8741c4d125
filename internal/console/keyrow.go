// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/store"
)

// keyRow is a key as the pages show it.
type keyRow struct {
	store.Key
	Meter    meter
	LastUsed time.Time
	Hint     string       // the last four characters of its newest secret
	Old      *keys.Secret // the one that goes on beside the newest, until its end
	OldLeft  string       // how long, in words
	Volume   volume
	May      keyRights
}

// keyRights is what the user may do to one key: somebody may be manager of one and analyst of another.
type keyRights struct{ Send, Manage, Rotate, Restrict, Delete bool }

// Active says whether the key opens anything.
func (k keyRow) Active() bool { return k.State == store.KeyActive }

// Suspended says whether the operator closed it.
func (k keyRow) Suspended() bool { return k.State == store.KeySuspended }

// Restricted says whether anything bounds what the key may do.
func (k keyRow) Restricted() bool {
	l := k.Limits
	return l.Permissions != store.AllPermissions || l.Networks != "" || l.AllowedSenders != "" || l.HourLimit > 0 || l.DayLimit > 0 ||
		l.MonthLimit > 0
}

// meter is the age of a secret as a ring, or how long it still works: Level is "ok", "due" or "overdue".
type meter struct {
	Days      int    // how old it is
	Max, Left int    // days of the whole ring, and of its part that is still to come
	Level     string // colours it
	Sign      string // in the middle of the ring
	Text      string
	Tip       string // what the ring says, in full
}

func (c *console) meter(secret keys.Secret, maxDays int) meter {
	if !secret.ExpiresAt.IsZero() {
		return c.endMeter(secret)
	}
	m := meter{Days: secret.AgeDays, Max: maxDays, Left: max(secret.DaysLeft,
		0), Level: "ok", Sign: strconv.Itoa(max(secret.DaysLeft, 0)), Text: "days left"}
	switch {
	case secret.Overdue:
		m.Level, m.Left, m.Sign, m.Text = "overdue", maxDays, "!", "overdue"
	case secret.Due && secret.DaysLeft == 0:
		m.Level, m.Text = "due", "reset today"
	case secret.DaysLeft == 1:
		m.Text = "day left"
	}
	if secret.Due && !secret.Overdue {
		m.Level = "due"
	}
	m.Tip = fmt.Sprintf("The secret key was made %s ago; it is due for a reset every %d days.", count(secret.AgeDays, "day"), maxDays)
	return m
}

// endMeter is the ring of a secret that ends by itself: when it is due for a reset means nothing any more. It is full
// with the longest overlap, and counts as ahead does.
func (c *console) endMeter(secret keys.Secret) meter {
	const day = 24 * time.Hour
	left, words := secret.ExpiresAt.Sub(c.Now()), ahead(secret.ExpiresAt, c.Now())
	m := meter{
		Days: secret.AgeDays, Max: int(credential.MaxOverlap / day), Level: "due", Text: "ends " + words, Tip: "The secret key ends " +
			words + ".",
	}
	m.Left = min(max(int(left.Round(day)/day), 0), m.Max)
	switch {
	case left < time.Hour:
		m.Sign = strconv.Itoa(max(int(left/time.Minute), 0)) + "m"
	case left < 2*day:
		m.Sign = strconv.Itoa(int(left.Round(time.Hour)/time.Hour)) + "h"
	default:
		m.Sign = strconv.Itoa(int(left.Round(day) / day))
	}
	return m
}

func (c *console) keyRow(v *visit, k keys.Key) keyRow {
	row := keyRow{Key: k.Record, LastUsed: k.LastUsedAt, Hint: k.SecretHint, May: keyRights{
		Send: v.may(access.SendTest, k.ID), Manage: v.may(access.ManageKeys, k.ID), Rotate: v.mayRotate(k),
		Restrict: v.may(access.RestrictKeys, k.ID), Delete: v.may(access.DeleteKeys, k.ID) && !k.Master,
	}}
	for i, x := range k.Secrets {
		if i == 0 {
			row.Meter = c.meter(x, v.account.SecretDays)
		} else {
			row.Old, row.OldLeft = &k.Secrets[i], strings.TrimPrefix(ahead(x.ExpiresAt, c.Now()), "in ")
		}
	}
	return row
}

// keyRows are keys with their volume.
func (c *console) keyRows(v *visit, list []keys.Key) ([]keyRow, error) {
	volumes, err := c.Keys.Volumes(v.r.Context(), v.scope, list)
	rows := make([]keyRow, len(list))
	for i, k := range list {
		rows[i] = c.keyRow(v, k)
		rows[i].Volume = volumeOf(volumes[k.ID])
	}
	return rows, err
}

// volume is how many messages a key had on each of the last days, as a drawing. Each day is three units wide.
type volume struct {
	Total, Most int
	Days        []int
	Path        string // of the bars
}

// sparkHeight is the drawing's height in its own units, volumeWidth its width.
const (
	sparkHeight = 24
	volumeWidth = 3 * keys.VolumeDays
)

func volumeOf(days []int64) volume {
	var v volume
	for _, n := range days {
		v.Days = append(v.Days, int(n))
		v.Total += int(n)
		v.Most = max(v.Most, int(n))
	}
	var path strings.Builder
	for i, n := range v.Days {
		if n > 0 { // the smallest number is still to be seen
			height := max(1.5, float64(n)/float64(v.Most)*(sparkHeight-2))
			fmt.Fprintf(&path, "M%.1f %dv-%.1f", 3*float64(i)+1.5, sparkHeight-1, height)
		}
	}
	v.Path = path.String()
	return v
}

// ahead says in words how long it is until t.
func ahead(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d < time.Minute:
		return "in a moment"
	case d < time.Hour:
		return "in " + count(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return "in " + count(int(d.Round(time.Hour)/time.Hour), "hour")
	}
	return "in " + count(int(d.Round(24*time.Hour)/(24*time.Hour)), "day")
}
