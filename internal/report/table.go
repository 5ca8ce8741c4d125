// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"postern/internal/sheet"
	"postern/internal/store"
)

// Sum adds rows up.
func Sum(rows []Row) store.Counts {
	var out store.Counts
	for _, x := range rows {
		out.Add(x.Counts)
	}
	return out
}

// Head is what stands over the beginnings of rows: over the slot, the name and the key, where there are such columns.
func (s *Statistics) Head() []string {
	var out []string
	if s.Resolution != Total {
		out = append(out, Step(s.Resolution).Heading())
	}
	if name := map[By]string{ByKey: "API key", ByDomain: "Domain", ByCampaign: "Campaign", BySender: "Sender"}[By(s.By)]; name != "" {
		out = append(out, name)
	}
	if s.BySeveral {
		out = append(out, "API key")
	}
	if len(out) == 0 {
		out = append(out, "Period")
	}
	return out
}

// Line is how a row begins, under Head.
func (s *Statistics) Line(x Row) []string {
	var out []string
	if s.Resolution != Total {
		out = append(out, Step(s.Resolution).Format(x.At))
	}
	if s.By != "" {
		out = append(out, x.Name)
	}
	if s.BySeveral {
		out = append(out, x.KeyName)
	}
	if len(out) == 0 {
		out = append(out, s.From.UTC().Format(time.RFC3339)+"/"+s.To.UTC().Format(time.RFC3339)) // ISO 8601
	}
	return out
}

// WriteCSV writes the rows as a file, with all that is counted of them; of a total over time it is all mail together.
func (s *Statistics) WriteCSV(w io.Writer) error {
	ms := FileMeasures()
	if s.By != "" && By(s.By) != ByKey {
		ms = MessageMeasures(true)
	}
	head := s.Head()
	for _, m := range ms {
		head = append(head, m.Name)
	}
	rows := s.Rows
	if s.By == "" && s.Resolution == Total {
		rows = []Row{s.All}
	}
	out := csv.NewWriter(w)
	out.Write(head) //nolint:errcheck // Flush says it
	for _, x := range rows {
		line := s.Line(x)
		for i := range line {
			line[i] = sheet.Cell(line[i])
		}
		for _, n := range Numbers(x.Counts, ms) {
			line = append(line, strconv.FormatInt(n, 10))
		}
		out.Write(line) //nolint:errcheck // Flush says it
	}
	out.Flush()
	return out.Error()
}
