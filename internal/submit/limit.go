// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"postern/internal/gate"
	"postern/internal/store"
)

// maxWait is how long mail over an hourly limit may have to wait: what would wait longer is refused.
const maxWait = 24 * time.Hour

// maxMeters bounds the meters in memory. Past it those that rest are read again from the store.
const maxMeters = 100_000

// limiter counts what keys and accounts with limits send, and decides who has to wait. What it holds is read from the
// store's usage when a key first sends, and kept in step with it: a count is taken before the mail is kept, and given
// back when it is not. One server has the store, so nobody else counts.
type limiter struct {
	store *store.Store
	now   func() time.Time

	mu     sync.Mutex // also held while a meter is read, so that it is read once
	meters map[meterID]*meter
}

// meterID is a key, or the account when key is 0.
type meterID struct{ account, key int64 }

// meter counts messages by the hour in which they leave, of this month and later.
type meter struct {
	hours map[int64]int64 // by the hour's Unix seconds
	month time.Time       // from when it counts
	open  int             // reservations that are not in the store yet: without them it could not be read anew
	stale bool            // to be read anew
}

func newLimiter(st *store.Store, now func() time.Time) *limiter {
	return &limiter{store: st, now: now, meters: map[meterID]*meter{}}
}

func monthOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// meter returns what was counted of a key or account. l.mu is held.
func (l *limiter) meter(ctx context.Context, id meterID, now time.Time) (*meter, error) {
	month := monthOf(now)
	if m, ok := l.meters[id]; ok && (m.open > 0 || !m.stale && m.month.Equal(month)) {
		return m, nil
	}
	if len(l.meters) >= maxMeters {
		maps.DeleteFunc(l.meters, func(_ meterID, m *meter) bool { return m.open == 0 })
	}
	var used []store.HourUse
	var err error
	if id.key != 0 {
		used, err = l.store.KeyUse(ctx, id.key, month)
	} else {
		used, err = l.store.AccountUse(ctx, id.account, month)
	}
	if err != nil {
		return nil, &Error{Code: Unavailable, Reason: "What was sent so far could not be read; try again later.", Cause: err}
	}
	m := &meter{hours: map[int64]int64{}, month: month}
	for _, u := range used {
		m.hours[u.Hour.Unix()] += u.Messages
	}
	l.meters[id] = m
	return m, nil
}

// sum counts the hours from (included) to to (excluded).
func (m *meter) sum(from, to time.Time) (n int64) {
	a, b := from.Unix(), to.Unix()
	for hour, k := range m.hours {
		if hour >= a && hour < b {
			n += k
		}
	}
	return n
}

// window is one limit: how many messages in which time, and who set it.
type window struct {
	m        *meter
	limit    int64
	from, to time.Time
	field    string // property of the limit
	what     string // "of this API key", "of the account's plan"
	per      string // "hour"
}

// left is how many messages may still leave in the window.
func (w window) left() int64 { return max(0, w.limit-w.m.sum(w.from, w.to)) }

// reservation is what a submission took of its limits.
type reservation struct {
	meters []*meter
	hours  []int64 // one for each message, in Unix seconds
	now    int64   // this hour
}

// later counts the messages that wait for another hour than the first.
func (r *reservation) later() (n int64) {
	for _, h := range r.hours {
		if h > r.now {
			n++
		}
	}
	return n
}

// spread gives the recipients that are sent to their hours.
func (r *reservation) spread(recipients []store.Recipient) {
	next := 0
	for i := range recipients {
		if recipients[i].Refused == 0 {
			recipients[i].Hour = time.Unix(r.hours[next], 0).UTC()
			next++
		}
	}
}

// reserve counts n messages against the limits, or says in an *Error which limit is reached and until when. What may wait
// by the key's choice is given later hours: there is one for each message.
func (l *limiter) reserve(ctx context.Context, p gate.Principal, r *rules, n int) (*reservation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now().UTC()
	key, err := l.meter(ctx, meterID{p.AccountID, p.KeyID}, now)
	if err != nil {
		return nil, err
	}
	res := &reservation{meters: []*meter{key}, now: now.Truncate(time.Hour).Unix()}
	var whole *meter
	if r.AccountHour > 0 || r.AccountMonth > 0 {
		if whole, err = l.meter(ctx, meterID{account: p.AccountID}, now); err != nil {
			return nil, err
		}
		res.meters = append(res.meters, whole)
	}
	hour, day, month := now.Truncate(time.Hour), now.Truncate(24*time.Hour), monthOf(now)
	fixed := []window{
		{key, r.DayLimit, day, day.AddDate(0, 0, 1), "DayLimit", "of this API key", "day"},
		{key, r.MonthLimit, month, month.AddDate(0, 1, 0), "MonthLimit", "of this API key", "month"},
		{whole, r.AccountMonth, month, month.AddDate(0, 1, 0), "MonthMessages", "of the account's plan", "month"},
		{whole, r.AccountHour, hour, hour.Add(time.Hour), "HourMessages", "of the account's plan", "hour"},
	}
	for _, w := range fixed {
		if w.limit > 0 && w.left() < int64(n) {
			return nil, w.refusal(n, now)
		}
	}
	if res.hours, err = hoursFor(key, r, hour, n, now); err != nil {
		return nil, err
	}
	for _, m := range res.meters {
		m.open++
		for _, h := range res.hours {
			m.hours[h]++
		}
	}
	return res, nil
}

// hoursFor finds the hours in which n messages of a key leave under its hourly limit.
func hoursFor(key *meter, r *rules, hour time.Time, n int, now time.Time) ([]int64, error) {
	hours := make([]int64, 0, n)
	for h := hour; len(hours) < n; h = h.Add(time.Hour) {
		w := window{key, r.HourLimit, h, h.Add(time.Hour), "HourLimit", "of this API key", "hour"}
		left := int64(n)
		if r.HourLimit > 0 {
			left = w.left()
		}
		if !r.OverHourWaits && left < int64(n) {
			return nil, w.refusal(n, now)
		}
		if h.Sub(hour) > maxWait {
			e := w.refusal(n, now)
			e.Reason = fmt.Sprintf("The hourly limit of this API key is %d messages, and what waits already fills the next %d hours.",
				r.HourLimit, int(maxWait.Hours()))
			e.RetryAfter = hour.Add(time.Hour).Sub(now)
			return nil, e
		}
		for ; left > 0 && len(hours) < n; left-- {
			hours = append(hours, h.Unix())
		}
	}
	return hours, nil
}

// refusal says that a limit is reached, and until when.
func (w window) refusal(n int, now time.Time) *Error {
	e := &Error{
		Code: LimitReached, Field: w.field, RetryAfter: max(w.to.Sub(now), time.Second),
		Reason: fmt.Sprintf("The limit %s is %d messages an %s, and %d of them are left.", w.what, w.limit, w.per, w.left()),
	}
	if w.per != "hour" {
		e.Reason = fmt.Sprintf("The limit %s is %d messages a %s, and %d of them are left.", w.what, w.limit, w.per, w.left())
	}
	if int64(n) > w.limit {
		e.Reason += fmt.Sprintf(" This mail has %d recipients: it can never be sent at once.", n)
	}
	e.Reason += " There is room again from " + w.to.Format("2006-01-02 15:04 UTC") + "."
	return e
}

// end ends a reservation: its mail is in the store, or it was not kept and counts no more.
func (l *limiter) end(res *reservation, kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range res.meters {
		m.open--
		for _, h := range res.hours {
			if !kept {
				m.hours[h]--
			}
		}
	}
}

// forget makes the next mail of a key, or with 0 of all, read its counts anew: a limit may have been set on a key that
// was not counted before. What has reservations under way is read when these have ended.
func (l *limiter) forget(p int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, m := range l.meters {
		if p == 0 || id.key == p {
			m.stale = true
		}
	}
}
