// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"time"

	"postern/internal/change"
)

// Bounds of statistics, in days.
const (
	usualDays  = 30   // when no period is said
	hourlyDays = 100  // at the resolution of an hour
	dailyDays  = 3660 // at the resolution of a day
)

// plan checks a query and fills in what it does not say.
func plan(q Query) (*asked, error) {
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	a := &asked{by: q.By, keys: q.Keys, limit: max(q.Limit, 1)}
	a.Statistics = Statistics{By: string(q.By), Timing: q.Timing, Resolution: q.Resolution, Rows: []Row{}}
	var err error
	if a.period, err = periodOf(q); err != nil {
		return nil, err
	}
	a.usual()
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, a.cut(q.Now)
}

// periodOf is the period that a query says.
func periodOf(q Query) (Period, error) {
	if q.Days != nil {
		if *q.Days < 1 || *q.Days > dailyDays {
			return Period{}, change.Errorf(change.Invalid, "Days", "%d is not between 1 and %d", *q.Days, dailyDays)
		}
		return Last(*q.Days, q.Now), nil
	}
	p := Period{q.From.UTC(), q.To.UTC()}
	if q.To.IsZero() {
		p.To = Last(1, q.Now).To
	}
	if q.From.IsZero() {
		p.From = p.To.AddDate(0, 0, -usualDays)
	}
	switch {
	case p.From.After(q.Now):
		return p, notBegun()
	case !p.From.Before(p.To):
		return p, change.Errorf(change.Invalid, "To", "the period ends before it begins")
	}
	return p, nil
}

func notBegun() error { return change.Errorf(change.Invalid, "From", "the period has not begun yet") }

// usual fills in what was not said.
func (a *asked) usual() {
	if a.Timing == "" {
		a.Timing = "message"
	}
	switch {
	case a.Resolution != "" && a.Resolution != Suitable:
	case a.by != "" && a.Resolution != Suitable:
		a.Resolution = Total
	case a.period.Days() <= 3:
		a.Resolution = string(Hourly)
	default: // nobody asked for days, so that a period which is not made of them has the days that it begins and ends in
		a.Resolution = string(Daily)
		a.period = a.period.WholeDays()
	}
}

// check refuses what does not go together.
func (a *asked) check() error {
	invalid := func(field, format string, args ...any) error {
		return change.Errorf(change.Invalid, field, format, args...)
	}
	whole := func(d time.Duration) bool {
		return a.period.From.Equal(a.period.From.Truncate(d)) && a.period.To.Equal(a.period.To.Truncate(d))
	}
	most := map[string]int{string(Hourly): hourlyDays, string(Daily): dailyDays}[a.Resolution]
	sources := a.by != "" && a.by != ByKey
	switch {
	case !slices.Contains([]By{"", ByKey, ByDomain, ByCampaign, BySender}, a.by):
		return invalid("By", "%q is none of key, domain, campaign and sender", a.by)
	case a.Timing != "message" && a.Timing != "event":
		return invalid("Timing", "%q is neither message nor event", a.Timing)
	case most == 0 && a.Resolution != Total:
		return invalid("Resolution", "%q is none of hour, day and total", a.Resolution)
	case sources && a.Resolution != Total:
		return invalid("Resolution", "by %s there is the total alone", a.by)
	case sources && a.Timing == "event":
		return invalid("Timing", "by %s mail is counted by the time of the message alone", a.by)
	case most != 0 && a.period.Days() > most:
		return invalid("From",
			"the period has %d days, and at the resolution %s at most %d are shown: give a shorter one, or a coarser resolution",
			a.period.Days(), a.Resolution, most)
	case (sources || a.Resolution == string(Daily)) && !whole(Day):
		return invalid("From", "the period begins or ends within a day: give days, or the resolution hour or total of all mail or by key")
	case !whole(time.Hour):
		return invalid("From", "the period begins or ends within an hour: give full hours")
	}
	return nil
}

// cut leaves out what has not come yet.
func (a *asked) cut(now time.Time) error {
	a.step = Daily
	if a.Resolution == string(Hourly) || !a.period.From.Equal(Daily.Of(a.period.From)) || !a.period.To.Equal(Daily.Of(a.period.To)) {
		a.step = Hourly
	}
	var begun bool
	if a.period, begun = a.period.Until(now, a.step); !begun {
		return notBegun()
	}
	a.From, a.To = a.period.From, a.period.To
	return nil
}
