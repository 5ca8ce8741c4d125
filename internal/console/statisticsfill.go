// SPDX-License-Identifier: Apache-2.0

package console

import (
	"slices"

	"postern/internal/report"
	"postern/internal/store"
)

// drawn is one source of the page, with a row for each slot.
type drawn struct {
	name string
	rows []report.Row
}

// fill makes headlines, charts and the table of what was counted.
func (b *statisticsBody) fill() {
	all := []drawn{{"All API keys", b.counted.Rows}}
	for i, k := range b.Chosen {
		others := func(x report.Row) bool { return x.APIKey != "" && x.APIKey != k.APIKey }
		all = append(all[:i], drawn{k.Name, slices.DeleteFunc(slices.Clone(b.counted.Rows), others)})
	}
	b.Empty = true
	for i, d := range all {
		sum := report.Sum(d.rows)
		b.Empty = b.Empty && sum == store.Counts{}
		h := headlines{Name: d.name, Numbers: b.headline(sum)}
		if len(all) > 1 {
			h.Mark = legendMark(i)
		}
		b.Headlines = append(b.Headlines, h)
	}
	b.draw(all)
	b.table()
}

// headline are the sums with their rates. Counted by event there are none: what is opened in a period was not sent in it.
func (b *statisticsBody) headline(c store.Counts) []headline {
	var out []headline
	for _, m := range report.Measures() {
		h := headline{Name: m.Name, Value: m.Of(c)}
		if !b.ByEvent {
			h.Rate = m.Rate(c)
		}
		if m.ID == "bounced" && h.Value > 0 {
			h.Note = number(int(c.Hard)) + " hard, " + number(int(c.Soft)) + " soft"
		}
		out = append(out, h)
	}
	return out
}

func (b *statisticsBody) draw(all []drawn) {
	hourly := report.Step(b.counted.Resolution) == report.Hourly
	for _, m := range report.Measures() {
		c := chart{ID: "chart-" + m.ID, Title: m.Name}
		for _, r := range all[0].rows {
			c.Slots = append(c.Slots, slotName(r.At, hourly))
		}
		for _, d := range all {
			l := chartLine{Name: d.name}
			for _, r := range d.rows {
				l.Values = append(l.Values, m.Of(r.Counts))
			}
			c.Lines = append(c.Lines, l)
		}
		b.Charts = append(b.Charts, c)
	}
}

// table makes the rows, the newest slot last, as in the charts and in the file.
func (b *statisticsBody) table() {
	b.Columns = b.counted.Head()
	ms := report.Measures()
	for _, m := range ms {
		b.Columns = append(b.Columns, m.Name)
	}
	for _, x := range b.counted.Rows {
		when := report.Step(b.counted.Resolution).Format(x.At)
		b.Rows = append(b.Rows, statisticRow{At: x.At, When: when, Key: x.Name, Numbers: report.Numbers(x.Counts, ms)})
	}
}

// breakdowns reads the largest recipient domains, campaigns and senders.
func (c *console) breakdowns(v *visit, b *statisticsBody, q report.Query) error {
	if b.Empty {
		return nil
	}
	ms := report.MessageMeasures(false)
	q.Timing, q.Resolution = "", ""
	for _, x := range []struct {
		by       report.By
		name, of string
	}{
		{report.ByDomain, "Recipient domains", "Domain"},
		{report.ByCampaign, "Campaigns", "Campaign"},
		{report.BySender, "Senders", "Sender"},
	} {
		q.By = x.by
		got, err := c.Report.Largest(v.r.Context(), v.scope, q)
		if err != nil {
			return err
		}
		d := breakdown{Name: x.name, Of: x.of, ByKey: got.BySeveral}
		for _, r := range got.Rows {
			d.Rows = append(d.Rows, breakdownRow{r.Name, r.KeyName, report.Numbers(r.Counts, ms)})
		}
		b.Breakdowns = append(b.Breakdowns, d)
	}
	return nil
}
