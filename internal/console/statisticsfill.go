// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"time"

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
	for _, m := range measures() {
		h := headline{Name: m.name, Value: m.of(c)}
		if m.base != nil && !b.ByEvent {
			h.Rate = rate(h.Value, m.base(c))
		}
		if m.id == "bounced" && h.Value > 0 {
			h.Note = number(int(c.Hard)) + " hard, " + number(int(c.Soft)) + " soft"
		}
		out = append(out, h)
	}
	return out
}

// rate is a share in percent, "" of nothing.
func rate(n, of int64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of))
}

func (b *statisticsBody) draw(all []drawn) {
	hourly := b.step == report.Hourly
	for _, m := range measures() {
		c := chart{ID: "chart-" + m.id, Title: m.name}
		for _, t := range b.period.Slots(b.step) {
			c.Slots = append(c.Slots, slotName(t, hourly))
		}
		for _, d := range all {
			l := chartLine{Name: d.name}
			for _, r := range d.rows {
				l.Values = append(l.Values, m.of(r.Counts))
			}
			c.Lines = append(c.Lines, l)
		}
		b.Charts = append(b.Charts, c)
	}
}

// table makes the rows, the newest slot last, as in the charts.
func (b *statisticsBody) table(all []drawn) {
	form := time.DateOnly
	b.Columns = []string{"Day (UTC)"}
	if b.step == report.Hourly {
		form, b.Columns = "2006-01-02 15:04", []string{"Hour (UTC)"}
	}
	if len(all) > 1 {
		b.Columns = append(b.Columns, "API key")
	}
	ms := measures()
	for _, m := range ms {
		b.Columns = append(b.Columns, m.name)
	}
	for i, t := range b.period.Slots(b.step) {
		for _, d := range all {
			n := d.rows[i].Counts
			b.Rows = append(b.Rows, statisticRow{At: t, When: t.Format(form), Key: d.name, Numbers: numbersOf(n, ms), hard: n.Hard, soft: n.Soft})
		}
	}
}

// breakdowns reads the largest recipient domains, campaigns and senders.
func (c *console) breakdowns(v *visit, b *statisticsBody) error {
	if b.Empty {
		return nil
	}
	q := store.BreakdownQuery{From: b.period.From, To: b.period.To, Page: store.Page{Limit: breakdownALevel}}
	for _, k := range b.Chosen {
		q.KeyIDs = append(q.KeyIDs, k.ID)
	}
	ms := measures()
	ms = ms[:len(ms)-1] // domains do not count what machines do
	for _, x := range []struct {
		by             report.By
		name, of, none string
	}{
		{report.ByDomain, "Recipient domains", "Domain", ""},
		{report.ByCampaign, "Campaigns", "Campaign", "(removed)"},
		{report.BySender, "Senders", "Sender", "(removed)"},
	} {
		rows, err := report.New(c.Store).Top(v.r.Context(), v.scope, x.by, q)
		if err != nil {
			return err
		}
		d := breakdown{Name: x.name, Of: x.of}
		for _, r := range rows {
			name := r.Name
			if name == "" {
				name = x.none
			}
			d.Rows = append(d.Rows, breakdownRow{name, numbersOf(r.Counts, ms)})
		}
		b.Breakdowns = append(b.Breakdowns, d)
	}
	return nil
}
