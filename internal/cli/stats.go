// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"postern/internal/config"
	"postern/internal/control"
	reports "postern/internal/report" // report prints errors here
	"postern/internal/store"
)

type statsCmd struct {
	Key        []string `placeholder:"KEY" sep:"none" help:"Of this key, by API key, name or number; several are summed, or side by side with --by key. Default: all of the account."`
	Account    string   `placeholder:"ACCOUNT" help:"Of this account, by number or name; needed when there are several and no key is named."`
	Days       *int     `placeholder:"N" help:"The last N days, today included. Default: 30."`
	From       string   `placeholder:"TIME" help:"From this day (2026-01-31) or hour (2026-01-31T12:00:00Z) on, in UTC."`
	To         string   `placeholder:"TIME" help:"To the end of this day, or before this hour."`
	By         string   `placeholder:"WHAT" enum:"key,domain,campaign,sender," default:"" help:"A line for each key, recipient domain, campaign or sender, the largest first."`
	Resolution string   `placeholder:"STEP" enum:"hour,day,total," default:"" help:"A line for each hour, each day, or one for the period. Default: hour up to three days, then day, with the days that the period begins and ends in counted whole; total with --by."`
	Timing     string   `placeholder:"WHEN" enum:"message,event," default:"" help:"Count an open, a bounce and so on when its message arrived (message, the default) or when it happened (event)."`
	Limit      *int     `placeholder:"N" help:"With --by, how many lines; at most 1000. Default: 50."`
	CSV        bool     `name:"csv" xor:"form" help:"Print CSV, as the Statistics page exports it."`
	JSON       bool     `name:"json" xor:"form" help:"Print JSON."`
}

// Help teaches.
func (statsCmd) Help() string {
	return `A message counts once, however often it is opened. Rates are of the messages that were accepted, and of opened, clicked, spam and unsub of those that were delivered. By event there are none: what is opened in a period was not sent in it. By domain, campaign and sender whole days are counted, by message.

Examples:
  postern stats
  postern stats --key Newsletter --days 7 --resolution total
  postern stats --by key --account "Acme Ltd" --from 2026-01-01 --to 2026-01-31
  postern stats --key Newsletter --by domain --limit 10
  postern stats --key Newsletter --key Shop --by key --resolution day --csv > january.csv`
}

// Run shows statistics.
func (c *statsCmd) Run(common *config.Common, s *streams) error {
	switch {
	case c.Days != nil && (c.From != "" || c.To != ""):
		return &usageError{errors.New("--days: say a number of days, or --from and --to")}
	case c.Limit != nil && c.By == "":
		return &usageError{errors.New("--limit: it bounds the lines of --by, and without that there is one for each hour or day")}
	}
	q := control.StatisticsQuery{
		Keys: c.Key, Account: c.Account, Days: c.Days, By: c.By, Resolution: c.Resolution, Timing: c.Timing, Limit: c.Limit,
	}
	var err error
	if q.From, err = moment("--from", c.From, false); err != nil {
		return err
	}
	if q.To, err = moment("--to", c.To, true); err != nil {
		return err
	}
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (reports.Statistics, error) {
		return calls.ShowStatistics(ctx, q)
	}, func(got reports.Statistics) error {
		if c.CSV {
			return got.WriteCSV(s.out)
		}
		return s.statistics(got)
	})
}

// statistics prints a table with a line for the whole and one of rates.
func (s *streams) statistics(got reports.Statistics) error {
	ms := reports.MessageMeasures(true)
	head := got.Head()
	for i := range head {
		head[i] = strings.ToUpper(head[i])
	}
	for _, m := range ms {
		head = append(head, strings.ToUpper(m.ID))
	}
	line := func(begin []string, c store.Counts) []string {
		for _, n := range reports.Numbers(c, ms) {
			begin = append(begin, number(n))
		}
		return begin
	}
	var rows [][]string
	for _, x := range got.Rows {
		rows = append(rows, line(got.Line(x), x.Counts))
	}
	begin := make([]string, len(got.Head()))
	begin[0] = "all mail"
	rows = append(rows, line(slices.Clone(begin), got.All.Counts))
	if got.Timing == "message" && got.All.Total > 0 {
		rates := begin
		rates[0] = "rates"
		for _, m := range ms {
			rates = append(rates, m.Rate(got.All.Counts))
		}
		rows = append(rows, rates)
	}
	if err := s.table(head, rows); err != nil {
		return err
	}
	if got.More {
		if err := s.printf("The %d largest; --limit shows more.\n", len(got.Rows)); err != nil {
			return err
		}
	}
	const form = "2006-01-02 15:04"
	when := map[bool]string{true: "when it happened", false: "when the message arrived"}[got.Timing == "event"]
	return s.printf("From %s to %s UTC, counted by %s.\n", got.From.Format(form), got.To.Format(form), when)
}
