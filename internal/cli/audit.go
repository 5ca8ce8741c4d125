// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postern/internal/auditlog"
	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/sheet"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"List entries, the newest first."`
	Verify auditVerifyCmd `cmd:"" help:"Check that no entry was changed or is missing."`
	Export auditExportCmd `cmd:"" help:"Print entries for a file, the oldest first."`
}

// auditFilter is which entries are wanted.
type auditFilter struct {
	Account string `placeholder:"ACCOUNT" help:"Only of this account, by number or name."`
	Action  string `placeholder:"ACTION" help:"Only this action, such as key.reset, or a group of them, such as key."`
	Search  string `placeholder:"TEXT" help:"Only entries with this in who did it, from where, to what, or in the detail."`
	From    string `placeholder:"TIME" help:"From this day (2026-01-31) or time (2026-01-31T12:00:00Z) on, in UTC."`
	To      string `placeholder:"TIME" help:"To the end of this day, or before this time."`
}

// query is the filter in the form that it is asked in.
func (f auditFilter) query() (q control.AuditQuery, err error) {
	q = control.AuditQuery{Account: f.Account, Action: f.Action, Search: f.Search}
	if q.From, err = moment("--from", f.From, false); err == nil {
		q.To, err = moment("--to", f.To, true)
	}
	return q, err
}

// moment is the date or time of an option, zero for none. A date as an end is the end of that day, in UTC.
func moment(flag, text string, end bool) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		err = &usageError{fmt.Errorf("%s: %q is neither a date (2026-01-31) nor a time (2026-01-31T12:00:00Z)", flag, text)}
	}
	return t, err
}

type auditListCmd struct {
	auditFilter
	Limit int `default:"50" placeholder:"N" help:"How many; at most 1000."`
	asJSON
}

// Help teaches.
func (auditListCmd) Help() string {
	return `Examples:
  postern audit list --action key.reset --from 2026-01-01
  postern audit list --search ann@example.com
  postern audit list --account "Acme Ltd" --action access`
}

// Run lists entries.
func (c *auditListCmd) Run(common *config.Common, s *streams) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	q.Limit = &c.Limit
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]auditlog.Entry, error) {
		return calls.ListAudit(ctx, q)
	}, func(list []auditlog.Entry) error {
		rows := make([][]string, 0, len(list))
		for _, e := range list {
			rows = append(rows, []string{number(e.ID), when(e.At, ""), e.Actor, e.Origin, e.Action, e.Target, e.Detail})
		}
		return s.table([]string{"ENTRY", "TIME (UTC)", "WHO", "FROM", "ACTION", "WHAT", "DETAIL"}, rows)
	})
}

type auditVerifyCmd struct {
	Known string `placeholder:"NUMBER:HASH" help:"An end that an earlier run printed: it must still be there."`
	asJSON
}

// Help teaches.
func (auditVerifyCmd) Help() string {
	return `Each entry's hash covers the entry and the hash before it, and the last one is noted apart: a changed entry is found, a missing one, and a missing end. Exit code 1 then.

Who can write to the database could make all of it anew. Keep the end that is printed in another place, and give it with --known the next time: then that is found too.

Examples:
  postern audit verify
  postern audit verify --known 1042:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef`
}

// Run verifies the log.
func (c *auditVerifyCmd) Run(common *config.Common, s *streams) error {
	id, hash, err := c.known()
	if err != nil {
		return &usageError{err}
	}
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		check, err := walkAudit(ctx, calls, s)
		if err != nil {
			return err
		}
		if check.BrokenAt == 0 && id != 0 {
			if err := compareKnown(ctx, calls, &check, id, hash); err != nil {
				return err
			}
		}
		if c.JSON {
			if err := s.printJSON(check); err != nil {
				return err
			}
		}
		switch {
		case check.BrokenAt != 0:
			return fmt.Errorf("the audit log is not as it was written: %s; %d entries before it are", check.Reason, check.BrokenAt-1)
		case c.JSON:
			return nil
		}
		return s.printf("%d entries, all as they were written. The end: %d:%s\n", check.Entries, check.Entries, check.Hash)
	})
}

// walkAudit checks the chain from its beginning to its end.
func walkAudit(ctx context.Context, calls control.Calls, s *streams) (check auditlog.Check, err error) {
	say := s.progress("checking")
	defer say.end()
	for !check.Done {
		if check, err = calls.CheckAudit(ctx, check); err != nil {
			return check, err
		}
		say.at(check.Entries, check.Total)
	}
	return check, nil
}

// known reads --known.
func (c *auditVerifyCmd) known() (id int64, hash string, err error) {
	if c.Known == "" {
		return 0, "", nil
	}
	number, hash, _ := strings.Cut(c.Known, ":")
	id, err = strconv.ParseInt(number, 10, 64)
	if err != nil || id < 1 || len(hash) != 64 {
		return 0, "", fmt.Errorf("--known: %q is not an entry's number, a colon and its hash", c.Known)
	}
	return id, strings.ToLower(hash), nil
}

// compareKnown looks whether an entry that was there is there: the chain itself is whole.
func compareKnown(ctx context.Context, calls control.Calls, check *auditlog.Check, id int64, hash string) error {
	list, err := calls.ListAudit(ctx, control.AuditQuery{Above: new(id - 1), Limit: new(1)})
	if err != nil {
		return err
	}
	switch {
	case len(list) == 0 || list[0].ID != id:
		check.BrokenAt, check.Reason = check.Entries+1,
			fmt.Sprintf("the known entry %d is missing: the log was cut off after entry %d", id, check.Entries)
	case list[0].Hash != hash:
		check.BrokenAt, check.Reason = 1, fmt.Sprintf("entry %d is not the known one: it, or one before it, was written anew", id)
	}
	return nil
}

type auditExportCmd struct {
	auditFilter
	Format string `enum:"csv,json" default:"csv" help:"csv, or json with the hashes."`
	asJSON
}

// Help teaches.
func (auditExportCmd) Help() string {
	return `JSON is exact. In CSV, a text that a spreadsheet would take for a formula begins with an apostrophe.

Examples:
  postern audit export --from 2026-01-01 --to 2026-03-31 > audit.csv
  postern audit export --format json > audit.json`
}

// Run exports entries.
func (c *auditExportCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		if c.JSON || c.Format == "json" {
			return c.json(ctx, calls, s)
		}
		w := csv.NewWriter(s.out)
		if err := w.Write([]string{"entry", "at", "account", "actor", "origin", "action", "target", "detail", "hash"}); err != nil {
			return err
		}
		err := c.each(ctx, calls, func(e auditlog.Entry) error {
			return w.Write([]string{
				number(e.ID), e.At.UTC().Format(time.RFC3339Nano), number(e.AccountID), sheet.Cell(e.Actor), sheet.Cell(e.Origin),
				e.Action, sheet.Cell(e.Target), sheet.Cell(e.Detail), e.Hash,
			})
		})
		w.Flush()
		if err != nil {
			return err
		}
		return w.Error()
	})
}

// json prints an array, entry by entry: the log may be long.
func (c *auditExportCmd) json(ctx context.Context, calls control.Calls, s *streams) error {
	before := "[\n  "
	err := c.each(ctx, calls, func(e auditlog.Entry) error {
		raw, err := json.Marshal(e)
		if err != nil {
			return err
		}
		err = s.printf("%s%s", before, raw)
		before = ",\n  "
		return err
	})
	switch {
	case err != nil:
		return err
	case before[0] == '[':
		return s.printf("[]\n")
	}
	return s.printf("\n]\n")
}

// each reads the entries that are wanted, the oldest first.
func (c *auditExportCmd) each(ctx context.Context, calls control.Calls, fn func(auditlog.Entry) error) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	for above := int64(0); ; {
		q.Above = &above
		list, err := calls.ListAudit(ctx, q)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			if err := fn(e); err != nil {
				return err
			}
			above = e.ID
		}
	}
}
