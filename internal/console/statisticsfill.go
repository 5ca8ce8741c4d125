// SPDX-License-Identifier: Apache-2.0

package console

import (
	"postern/internal/report"
	"postern/internal/store"
)

// drawn is one source of the page, with a row for each slot.
type drawn struct {
	name string
	rows []store.SeriesRow
}

// fill makes headlines, charts and the table of the counters.
func (b *statisticsBody) fill(rows []store.SeriesRow) {
	byKey := map[int64][]store.SeriesRow{}
	for _, r := range rows {
		byKey[r.KeyID] = append(byKey[r.KeyID], r)
	}
	var all []drawn
	for _, k := range b.Chosen {
		all = append(all, drawn{k.Name, report.Fill(byKey[k.ID], b.period, b.step)})
	}
	if len(all) == 0 {
		all = []drawn{{"All API keys", report.Fill(rows, b.period, b.step)}}
	}
	b.Empty = true
	for i, d := range all {
		sum := report.Total(d.rows)
		b.Empty = b.Empty && sum == store.SeriesRow{}
		h := headlines{Name: d.name, Numbers: b.headline(sum.Counts)}
		if len(all) > 1 {
			h.Mark = legendMark(i)
		}
		b.Headlines = append(b.Headlines, h)
	}
	b.draw(all)
	b.table(all)
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
	hourly := b.step == report.Hourly
	for _, m := range report.Measures() {
		c := chart{ID: "chart-" + m.ID, Title: m.Name}
		for _, t := range b.period.Slots(b.step) {
			c.Slots = append(c.Slots, slotName(t, hourly))
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
func (b *statisticsBody) table(all []drawn) {
	b.Columns = []string{b.step.Heading()}
	if len(all) > 1 {
		b.Columns = append(b.Columns, "API key")
	}
	ms := report.Measures()
	for _, m := range ms {
		b.Columns = append(b.Columns, m.Name)
	}
	for i, t := range b.period.Slots(b.step) {
		for _, d := range all {
			n := d.rows[i].Counts
			b.Rows = append(b.Rows, statisticRow{At: t, When: b.step.Format(t), Key: d.name, Numbers: report.Numbers(n, ms), counts: n})
		}
	}
}

// breakdowns reads the largest recipient domains, campaigns and senders. Campaigns and senders of several keys may have
// one name: then each row says whose mail it was.
func (c *console) breakdowns(v *visit, b *statisticsBody) error {
	if b.Empty {
		return nil
	}
	q := store.BreakdownQuery{From: b.period.From, To: b.period.To, Page: store.Page{Limit: breakdownALevel}}
	for _, k := range b.Chosen {
		q.KeyIDs = append(q.KeyIDs, k.ID)
	}
	ms := report.MessageMeasures(false)
	for _, x := range []struct {
		by             report.By
		name, of, none string
	}{
		{report.ByDomain, "Recipient domains", "Domain", ""},
		{report.ByCampaign, "Campaigns", "Campaign", "(removed)"},
		{report.BySender, "Senders", "Sender", "(removed)"},
	} {
		q.ByKey = b.Several && x.by != report.ByDomain
		rows, err := c.Report.Top(v.r.Context(), v.scope, x.by, q)
		if err != nil {
			return err
		}
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r.KeyID
		}
		keys, err := c.Store.KeysByID(v.r.Context(), v.scope, ids)
		if err != nil {
			return err
		}
		d := breakdown{Name: x.name, Of: x.of, ByKey: q.ByKey}
		for _, r := range rows {
			name := r.Name
			if name == "" {
				name = x.none
			}
			d.Rows = append(d.Rows, breakdownRow{name, keys[r.KeyID].Name, report.Numbers(r.Counts, ms)})
		}
		b.Breakdowns = append(b.Breakdowns, d)
	}
	return nil
}
