// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"postern/internal/access"
	"postern/internal/report"
	"postern/internal/store"
)

const (
	keysSideBySide  = 6   // more lines cannot be distinguished
	statisticsDays  = 366 // the longest period of the page, in days
	breakdownALevel = 20
)

func (c *console) statisticRoutes() []route {
	return []route{
		{"GET", "/statistics", access.ReadMessages, false, c.showStatistics},
		{"GET", "/statistics.csv", access.ReadMessages, false, c.exportStatistics},
	}
}

// statisticsBody is the page of statistics.
type statisticsBody struct {
	Period  dates
	Preset  string
	Presets []preset
	ByEvent bool
	Keys    []statisticKey // to choose from
	Many    bool
	Problem string
	CSV     string

	Chosen     []store.Key // side by side; none: all together
	Headlines  []headlines
	Charts     []chart
	Columns    []string
	Rows       []statisticRow
	Breakdowns []breakdown
	Empty      bool // nothing happened

	counted report.Statistics
}

type preset struct{ Value, Name string }

type statisticKey struct {
	store.Key
	Checked bool
}

// headlines are the sums of a period.
type headlines struct {
	Name    string
	Mark    template.HTML
	Numbers []headline
}

type headline struct {
	Name  string
	Value int64
	Rate  string // "" where there is none
	Note  string // what it is made of, "" where it is one thing
}

// statisticRow is one line of the table.
type statisticRow struct {
	At      time.Time
	When    string
	Key     string
	Numbers []int64
}

type breakdown struct {
	Name, Of string
	ByKey    bool
	Rows     []breakdownRow
}

type breakdownRow struct {
	Name    string
	Key     string // whose mail it was, where the table says so
	Numbers []int64
}

func (c *console) showStatistics(v *visit) error {
	b, q, err := c.statistics(v)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if b.Problem != "" {
		status = http.StatusUnprocessableEntity
	} else if err := c.breakdowns(v, b, q); err != nil {
		return err
	}
	// The table begins with today; the file is in the order of time.
	slices.SortStableFunc(b.Rows, func(x, y statisticRow) int { return y.At.Compare(x.At) })
	return c.show(v, status, "statistics", "Statistics", "statistics", *b)
}

// exportStatistics writes the rows of the page's table, the oldest first.
func (c *console) exportStatistics(v *visit) error {
	b, _, err := c.statistics(v)
	if err != nil {
		return err
	}
	if b.Problem != "" {
		return &statusError{http.StatusUnprocessableEntity, "No such statistics", b.Problem}
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="statistics-`+b.Period.From+`-`+b.Period.To+`.csv"`)
	b.counted.WriteCSV(v.w) //nolint:errcheck,gosec // the browser has gone
	return nil
}

// statistics reads what was asked for, and the counters of it.
func (c *console) statistics(v *visit) (*statisticsBody, report.Query, error) {
	b := &statisticsBody{
		ByEvent: v.r.URL.Query().Get("timing") == "event",
		Presets: []preset{{"today", "Today"}, {"7", "7 days"}, {"30", "30 days"}, {"90", "90 days"}, {"month", "This month"}},
	}
	q := report.Query{Timing: "message", Now: c.Now()}
	if b.ByEvent {
		q.Timing = "event"
	}
	b.choosePeriod(v.r.URL.Query(), &q)
	if err := c.chooseKeys(v, b); err != nil || b.Problem != "" {
		return b, q, err
	}
	if q.Keys, q.Limit = b.Chosen, breakdownALevel; len(b.Chosen) > 1 {
		q.By = report.ByKey
		q.Resolution = report.Suitable
	}
	var err error
	b.counted, err = c.Report.Statistics(v.r.Context(), v.scope, q)
	if e := userError(err); e != nil {
		b.Problem = sentence(e.Reason)
		return b, q, nil
	}
	if err != nil {
		return nil, q, err
	}
	b.Period = dates{From: b.counted.From.Format(time.DateOnly), To: b.counted.To.Add(-time.Second).Format(time.DateOnly)}
	b.CSV = "/statistics.csv?" + b.values().Encode()
	b.fill()
	return b, q, nil
}

// choosePeriod reads a preset or, without one, two days.
func (b *statisticsBody) choosePeriod(v url.Values, q *report.Query) {
	b.Preset, b.Period = v.Get("period"), dates{From: clean(v.Get("from")), To: clean(v.Get("to"))}
	if b.Preset == "" && b.Period.From == "" && b.Period.To == "" {
		b.Preset = "30"
	}
	switch b.Preset {
	case "today":
		q.Days = new(1)
	case "7", "30", "90":
		days, _ := strconv.Atoi(b.Preset) //nolint:errcheck // one of three
		q.Days = &days
	case "month":
		p, _ := report.Current("month", q.Now)
		q.From, q.To = p.From, p.To
	case "":
		q.From, q.To, b.Problem = b.Period.times()
		if p := (report.Period{From: q.From, To: q.To}); b.Problem == "" && !p.From.IsZero() {
			if p.To.IsZero() {
				p.To = q.Now
			}
			if p.Days() > statisticsDays {
				b.Problem = fmt.Sprintf("From and to are more than %d days apart: choose a shorter period.", statisticsDays)
			}
		}
	default:
		b.Problem = "There is no such period. Choose one of the buttons, or two days."
	}
}

// chooseKeys reads which keys are looked at. One that is not the user's is as one that there is not.
func (c *console) chooseKeys(v *visit, b *statisticsBody) error {
	pick, err := c.keyPicker(v, "")
	if err != nil {
		return err
	}
	for _, s := range v.r.URL.Query()["key"] {
		if s = clean(s); s == "" {
			continue
		}
		k, err := c.chosen(v, s)
		if isMissing(err) {
			b.Problem = "There is no such API key. Choose one of the list, or look at all of them."
			continue
		}
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(b.Chosen, func(x store.Key) bool { return x.ID == k.ID }) {
			b.Chosen = append(b.Chosen, k)
		}
	}
	if len(b.Chosen) > keysSideBySide {
		b.Problem = fmt.Sprintf("%d API keys are chosen: at most %d stand side by side.", len(b.Chosen), keysSideBySide)
	}
	if b.Many = pick.ManyKeys; b.Many { // those that are looked at, and a field for one more
		for _, k := range b.Chosen {
			b.Keys = append(b.Keys, statisticKey{k, true})
		}
	}
	for _, k := range pick.Keys {
		b.Keys = append(b.Keys, statisticKey{k.Record, slices.ContainsFunc(b.Chosen, func(x store.Key) bool { return x.ID == k.ID })})
	}
	return nil
}

// values is the page as its address has it.
func (b *statisticsBody) values() url.Values {
	q := url.Values{}
	if b.Preset != "" {
		q.Set("period", b.Preset)
	} else {
		q.Set("from", b.Period.From)
		q.Set("to", b.Period.To)
	}
	if b.ByEvent {
		q.Set("timing", "event")
	}
	for _, k := range b.Chosen {
		q.Add("key", k.APIKey)
	}
	return q
}
