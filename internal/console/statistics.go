// SPDX-License-Identifier: Apache-2.0

package console

import (
	"encoding/csv"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"postern/internal/access"
	"postern/internal/credential"
	"postern/internal/report"
	"postern/internal/sheet"
	"postern/internal/store"
)

const (
	keysSideBySide  = 6   // more lines are not told apart
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
	Several bool // more than one key is counted
	Problem string
	CSV     string

	Chosen     []store.Key // side by side; none: all together
	Headlines  []headlines
	Charts     []chart
	Columns    []string
	Rows       []statisticRow
	Breakdowns []breakdown
	Empty      bool // nothing happened

	period report.Period
	step   report.Step
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

// statisticRow is one line of the table, and of the file.
type statisticRow struct {
	At      time.Time
	When    string
	Key     string
	Numbers []int64

	counts store.Counts // for the file
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
	b, err := c.statistics(v)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if b.Problem != "" {
		status = http.StatusUnprocessableEntity
	} else if err := c.breakdowns(v, b); err != nil {
		return err
	}
	// The table begins with today; the file is in the order of time.
	slices.SortStableFunc(b.Rows, func(x, y statisticRow) int { return y.At.Compare(x.At) })
	return c.show(v, status, "statistics", "Statistics", "statistics", *b)
}

// exportStatistics writes the rows of the page's table, the oldest first.
func (c *console) exportStatistics(v *visit) error {
	b, err := c.statistics(v)
	if err != nil {
		return err
	}
	if b.Problem != "" {
		return &statusError{http.StatusUnprocessableEntity, "No such statistics", b.Problem}
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="statistics-`+b.Period.From+`-`+b.Period.To+`.csv"`)
	out := csv.NewWriter(v.w)
	ms := report.FileMeasures()
	head := b.Columns[:len(b.Columns)-len(report.Measures())]
	for _, m := range ms {
		head = append(head, m.Name)
	}
	out.Write(head) //nolint:errcheck // Flush
	for _, r := range b.Rows {
		record := []string{r.When}
		if len(b.Chosen) > 1 {
			record = append(record, sheet.Cell(r.Key))
		}
		for _, n := range report.Numbers(r.counts, ms) {
			record = append(record, strconv.FormatInt(n, 10))
		}
		out.Write(record) //nolint:errcheck // Flush
	}
	out.Flush() // an error: the browser has gone
	return nil
}

// statistics reads what was asked for, and the counters of it.
func (c *console) statistics(v *visit) (*statisticsBody, error) {
	q := v.r.URL.Query()
	b := &statisticsBody{ByEvent: q.Get("timing") == "event", Presets: []preset{{"today", "Today"}, {"7", "7 days"}, {"30", "30 days"}, {"90", "90 days"}, {"month", "This month"}}}
	b.choosePeriod(q, c.Now())
	if err := c.chooseKeys(v, b); err != nil || b.Problem != "" {
		return b, err
	}
	b.CSV = "/statistics.csv?" + b.values().Encode()
	sq := store.SeriesQuery{Source: store.OfKeyItself, Timing: store.ByMessage, Step: b.step.Length(), From: b.period.From, To: b.period.To, Together: len(b.Chosen) == 0}
	if b.ByEvent {
		sq.Timing = store.ByEvent
	}
	for _, k := range b.Chosen {
		sq.KeyIDs = append(sq.KeyIDs, k.ID)
	}
	rows, err := c.Store.Series(v.r.Context(), v.scope, sq)
	if err != nil {
		return nil, err
	}
	b.fill(rows)
	return b, nil
}

// choosePeriod reads a preset or, without one, two days. What has not come yet is left out.
func (b *statisticsBody) choosePeriod(q url.Values, now time.Time) {
	b.Preset, b.Period = q.Get("period"), dates{From: clean(q.Get("from")), To: clean(q.Get("to"))}
	if b.Preset == "" && b.Period.From == "" && b.Period.To == "" {
		b.Preset = "30"
	}
	switch b.Preset {
	case "today":
		b.period = report.Last(1, now)
	case "7", "30", "90":
		days, _ := strconv.Atoi(b.Preset) //nolint:errcheck // one of three
		b.period = report.Last(days, now)
	case "month":
		b.period, _ = report.Current("month", now)
	case "":
		b.typedPeriod(now)
	default:
		b.Problem = "There is no such period. Choose one of the buttons, or two days."
	}
	if b.Problem != "" {
		return
	}
	b.step = report.Daily
	if b.period.Days() <= 3 {
		b.step = report.Hourly
	}
	var begun bool
	if b.period, begun = b.period.Until(now, b.step); !begun {
		b.Problem = "The period has not begun yet: choose days up to today."
		return
	}
	b.Period.From, b.Period.To = b.period.From.Format(time.DateOnly), b.period.To.Add(-time.Second).Format(time.DateOnly)
}

func (b *statisticsBody) typedPeriod(now time.Time) {
	from, to, problem := b.Period.times()
	if to.IsZero() {
		to = now.UTC().Truncate(report.Day).Add(report.Day)
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, -30)
	}
	b.period = report.Period{From: from, To: to}
	switch {
	case problem != "":
		b.Problem = problem
	case !from.Before(to):
		b.Problem = "The period has not begun yet: choose days up to today."
	case b.period.Days() > statisticsDays:
		b.Problem = fmt.Sprintf("From and to are more than %d days apart: choose a shorter period.", statisticsDays)
	}
}

// chooseKeys reads which keys are looked at. One that is not the user's is not told from one that there is not.
func (c *console) chooseKeys(v *visit, b *statisticsBody) error {
	ctx := v.r.Context()
	keys, total, err := c.Store.Keys(ctx, v.scope, store.KeyFilter{}, store.Page{Limit: keysToChoose})
	if err != nil {
		return err
	}
	for _, s := range v.r.URL.Query()["key"] {
		if s = clean(s); s == "" {
			continue
		}
		f := store.KeyFilter{Name: s}
		if _, err := credential.ParseAPIKey(s); err == nil {
			f = store.KeyFilter{APIKey: s}
		}
		k, err := c.Store.Key(ctx, v.scope, f)
		if errors.Is(err, store.ErrNotFound) {
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
	b.Several = len(b.Chosen) > 1 || len(b.Chosen) == 0 && total > 1
	if b.Many = total > len(keys); b.Many {
		keys = b.Chosen // those that are looked at, and a field for one more
	}
	for _, k := range keys {
		b.Keys = append(b.Keys, statisticKey{k, slices.ContainsFunc(b.Chosen, func(x store.Key) bool { return x.ID == k.ID })})
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
