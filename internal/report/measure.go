// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"time"

	"postern/internal/store"
)

// Measure is one of the numbers that people look at.
type Measure struct {
	ID, Name string
	Of       func(store.Counts) int64
	Base     func(store.Counts) int64 // what its rate is of; nil: it has none
}

// Measures are the numbers of charts, tables and files, in their order. Opens by machines are the last, apart.
func Measures() []Measure {
	return []Measure{
		{"accepted", "Accepted", accepted, nil},
		{"delivered", "Delivered", sent, accepted},
		{"opened", "Opened", func(c store.Counts) int64 { return c.Opened }, sent},
		{"clicked", "Clicked", func(c store.Counts) int64 { return c.Clicked }, sent},
		{"bounced", "Bounced", func(c store.Counts) int64 { return c.Hard + c.Soft }, accepted},
		{"blocked", "Blocked", func(c store.Counts) int64 { return c.Blocked }, accepted},
		{"spam", "Spam", func(c store.Counts) int64 { return c.Spam }, sent},
		{"unsub", "Unsubscribed", func(c store.Counts) int64 { return c.Unsub }, sent},
		{"machine", "Machine opens", func(c store.Counts) int64 { return c.MachineOpens }, nil},
	}
}

// bounces are the two kinds of what is bounced.
func bounces() []Measure {
	return []Measure{
		{"hard", "Hard bounces", func(c store.Counts) int64 { return c.Hard }, accepted},
		{"soft", "Soft bounces", func(c store.Counts) int64 { return c.Soft }, accepted},
	}
}

// FileMeasures are Measures with the two kinds of bounces after them.
func FileMeasures() []Measure { return append(Measures(), bounces()...) }

// MessageMeasures are Measures without what machines do, which is not counted of domains; apart puts the two kinds of
// bounces instead of their sum.
func MessageMeasures(apart bool) []Measure {
	out := slices.DeleteFunc(Measures(), func(m Measure) bool { return m.ID == "machine" })
	if i := slices.IndexFunc(out, func(m Measure) bool { return m.ID == "bounced" }); apart {
		out = slices.Replace(out, i, i+1, bounces()...)
	}
	return out
}

func accepted(c store.Counts) int64 { return c.Total }
func sent(c store.Counts) int64     { return c.Sent }

// Rate is the measure's share in percent: "" of nothing, or where there is none.
func (m Measure) Rate(c store.Counts) string {
	if m.Base == nil || m.Base(c) == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*float64(m.Of(c))/float64(m.Base(c)))
}

// Numbers are what the measures say of counts.
func Numbers(c store.Counts, ms []Measure) []int64 {
	out := make([]int64, 0, len(ms))
	for _, m := range ms {
		out = append(out, m.Of(c))
	}
	return out
}

// Heading is what stands over the slots of a step in a table.
func (s Step) Heading() string {
	if s == Hourly {
		return "Hour (UTC)"
	}
	return "Day (UTC)"
}

// Format is a slot in a table.
func (s Step) Format(t time.Time) string {
	if s == Hourly {
		return t.UTC().Format("2006-01-02 15:04")
	}
	return t.UTC().Format(time.DateOnly)
}
