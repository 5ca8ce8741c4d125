// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/sheet"
	"postern/internal/suppress"
)

type suppressionCmd struct {
	List   suppressionListCmd   `cmd:"" help:"List the addresses that a key sends nothing to."`
	Add    suppressionAddCmd    `cmd:"" help:"Have a key send an address nothing more."`
	Remove suppressionRemoveCmd `cmd:"" help:"Let a key send to an address again."`
	Import suppressionImportCmd `cmd:"" help:"Put the addresses of a file on a key's list."`
	Export suppressionExportCmd `cmd:"" help:"Print a key's list as CSV."`
}

type suppressionListCmd struct {
	ofKey
	Search string `placeholder:"TEXT" help:"Only addresses that begin so, or of a domain: @example.com."`
	Reason string `placeholder:"REASON" enum:"hard_bounce,complaint,unsubscribe,manual," default:"" help:"Only these: hard_bounce, complaint, unsubscribe or manual."`
	Limit  int    `default:"50" placeholder:"N" help:"How many; at most 1000."`
	asJSON
}

// Help teaches.
func (suppressionListCmd) Help() string {
	return `The newest come first. A mail to such an address is accepted and blocked at once (preblocked).

Examples:
  postern suppression list --key Newsletter
  postern suppression list --search anna@ --reason complaint`
}

// Run lists suppressions.
func (c *suppressionListCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (control.Suppressions, error) {
		return calls.ListSuppressions(ctx, control.SuppressionQuery{Key: c.Key, Search: c.Search, Reason: c.Reason, Limit: &c.Limit})
	}, func(got control.Suppressions) error {
		rows := make([][]string, 0, len(got.List))
		for _, x := range got.List {
			rows = append(rows, []string{x.Email, x.Reason, when(x.CreatedAt, ""), x.Note})
		}
		if err := s.table([]string{"ADDRESS", "REASON", "SINCE (UTC)", "NOTE"}, rows); err != nil || got.Total <= len(got.List) {
			return err
		}
		return s.printf("%d of %d; postern suppression export prints all\n", len(got.List), got.Total)
	})
}

type suppressionAddCmd struct {
	Emails []string `arg:"" name:"email" help:"Addresses."`
	ofKey
	Reason string `placeholder:"REASON" enum:"hard_bounce,complaint,unsubscribe,manual" default:"manual" help:"Why: hard_bounce, complaint, unsubscribe or manual."`
	Note   string `placeholder:"TEXT" help:"A note for who reads the list."`
	asJSON
}

// Help teaches.
func (suppressionAddCmd) Help() string {
	return `Hard bounces, complaints and unsubscribes come onto the list by themselves. What still waits for the address is given up.

Example:
  postern suppression add anna@example.net --note "asked by phone"`
}

// Run adds suppressions.
func (c *suppressionAddCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]suppress.Suppression, error) {
		return calls.AddSuppressions(ctx, control.NewSuppressions{Key: c.Key, Emails: c.Emails, Reason: c.Reason, Note: c.Note})
	}, func(made []suppress.Suppression) error {
		for _, x := range made {
			if err := s.printf("%s sends nothing to %s (%s)\n", plain(x.KeyName), x.Email, x.Reason); err != nil {
				return err
			}
		}
		return nil
	})
}

type suppressionRemoveCmd struct {
	Email string `arg:"" help:"The address."`
	ofKey
	asJSON
}

// Help teaches.
func (suppressionRemoveCmd) Help() string {
	return `Who unsubscribed or complained does not want the mail: remove an address only when its owner asks for it.

Example:
  postern suppression remove anna@example.net`
}

// Run removes a suppression.
func (c *suppressionRemoveCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) (suppress.Suppression, error) {
		return calls.RemoveSuppression(ctx, c.Key, c.Email)
	}, func(gone suppress.Suppression) error {
		return s.printf("%s sends to %s again (it was there for %s)\n", plain(gone.KeyName), gone.Email, gone.Reason)
	})
}

type suppressionImportCmd struct {
	File string `arg:"" help:"CSV: addresses, or a header with email and, if you like, reason and note; - is the standard input."`
	ofKey
	Reason string `placeholder:"REASON" enum:"hard_bounce,complaint,unsubscribe,manual" default:"manual" help:"Of rows that say none: hard_bounce, complaint, unsubscribe or manual."`
	asJSON
}

// Help teaches.
func (suppressionImportCmd) Help() string {
	return `Rows that are no address are named with the reason, the others are taken; the exit code is 1 if there was one. Giving the same file again changes nothing. Other services' words for a reason (bounce, spam, unsub) are understood.

Examples:
  postern suppression import bounces.csv --reason hard_bounce --key Newsletter
  postern suppression import - < addresses.txt`
}

// Run imports a file.
func (c *suppressionImportCmd) Run(common *config.Common, s *streams) error {
	file, size, err := s.open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		say := s.progress("importing, bytes")
		got, err := calls.ImportSuppressions(ctx, c.Key, c.Reason, &watched{file, size, 0, say})
		say.end()
		if err != nil {
			return err
		}
		if c.JSON {
			err = s.printJSON(got)
		} else {
			for _, p := range got.Problems {
				fmt.Fprintf(s.err, "line %d: %s\n", p.Line, plain(p.Reason)) //nolint:errcheck // the error below counts them
			}
			err = s.printf("%d rows: %d added, %d there already, %d not taken\n", got.Rows, got.Added, got.Known, got.Refused)
		}
		if err == nil && got.Refused > 0 {
			err = fmt.Errorf("%d of %d rows were not taken", got.Refused, got.Rows)
		}
		return err
	})
}

// open opens a file to read, or the standard input for -, of which nobody knows the size.
func (s *streams) open(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(s.in), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// watched is a file that says how much of it was read.
type watched struct {
	io.Reader
	size, read int64
	say        *progress
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.read += int64(n)
	w.say.at(w.read, max(w.size, w.read))
	return n, err
}

type suppressionExportCmd struct {
	ofKey
	asJSON
}

// Help teaches.
func (suppressionExportCmd) Help() string {
	return `The oldest come first. postern suppression import reads what it prints. A text that a spreadsheet would take for a formula begins with an apostrophe.

Example:
  postern suppression export --key Newsletter > suppressed.csv`
}

// Run exports a list.
func (c *suppressionExportCmd) Run(common *config.Common, s *streams) error {
	return operate(common, s, func(ctx context.Context, calls control.Calls) error {
		out := csv.NewWriter(s.out)
		if !c.JSON {
			out.Write([]string{"email", "reason", "note", "created_at", "message_id", "api_key"}) //nolint:errcheck // Flush says it
		}
		all := []suppress.Suppression{}
		for above := int64(0); ; {
			got, err := calls.ListSuppressions(ctx, control.SuppressionQuery{Key: c.Key, Above: &above})
			if err != nil {
				return err
			}
			for _, x := range got.List {
				above = x.ID
				if c.JSON {
					all = append(all, x)
					continue
				}
				message := ""
				if x.MessageID != 0 {
					message = number(x.MessageID)
				}
				out.Write([]string{sheet.Cell(x.Email), x.Reason, sheet.Cell(x.Note), stamp(x.CreatedAt), message, x.APIKey}) //nolint:errcheck // Flush says it
			}
			if out.Flush(); out.Error() != nil {
				return out.Error()
			}
			if len(got.List) == 0 && c.JSON {
				return s.printJSON(all)
			}
			if len(got.List) == 0 {
				return nil
			}
		}
	})
}
