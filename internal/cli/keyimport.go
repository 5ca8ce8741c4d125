// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/keys"
	"postern/internal/sheet"
)

type keyImportCmd struct {
	File      string `arg:"" optional:"" help:"CSV with a header, or a JSON array, of name, api_key, secret_key and reference; - is the standard input."`
	Name      string `placeholder:"NAME" help:"Instead of a file: the name of one key. Its secret is asked for, or read from the standard input."`
	APIKey    string `placeholder:"KEY" help:"Its API key."`
	Reference string `placeholder:"ID" help:"Your own ID for it."`
	Account   string `placeholder:"ACCOUNT" help:"Under this account, by number or name; needed when there are several."`
	DryRun    bool   `help:"Check all, and bring in none."`
	asJSON
}

// Help teaches.
func (keyImportCmd) Help() string {
	return `Each pair becomes a subaccount, and clients that have it need no change but of the server. A secret must be able to hold 128 bits (32 hexadecimal characters do). It is digested at once and never kept: delete the file afterwards.

Lines that cannot be brought in are named with the reason, the others are brought in; the exit code is 1 if there was one. A line that is in already is named too: so the same file can be given again. --dry-run checks all and changes nothing.

Examples:
  postern key import pairs.csv --dry-run
  postern key import pairs.csv
  postern key import --name Newsletter --api-key 0123456789abcdef0123456789abcdef < secret.txt

A file:
  name,api_key,secret_key,reference
  Newsletter,0123456789abcdef0123456789abcdef,89abcdef0123456701234567fedcba98,customer-1`
}

// importLine is a pair to bring in, and where it is from.
type importLine struct {
	Line    int
	pair    control.ImportedKey
	Name    string
	APIKey  string
	KeyID   int64  `json:",omitempty"`
	Problem string `json:",omitempty"`
	checked bool   // it was answered for
}

// importResult is what import prints with --json.
type importResult struct {
	DryRun   bool
	Imported int // or would be
	Failed   int
	// Unchecked is how many lines nobody has looked at, because of an error; they are not in Lines.
	Unchecked int `json:",omitempty"`
	Lines     []importLine
}

// count sums up the lines.
func (r *importResult) count() {
	for _, l := range r.Lines {
		if l.Problem != "" {
			r.Failed++
		} else {
			r.Imported++
		}
	}
}

// Run imports pairs.
func (c *keyImportCmd) Run(common *config.Common, s *streams) error {
	lines, err := c.read(s)
	if err != nil {
		return err
	}
	twice(lines)
	return operate(common, s, func(ctx context.Context, calls control.Calls) error { return c.bring(ctx, calls, s, lines) })
}

// bring imports the lines, and says what became of them.
func (c *keyImportCmd) bring(ctx context.Context, calls control.Calls, s *streams, lines []importLine) error {
	if err := c.send(ctx, calls, s, lines); err != nil {
		return c.broken(s, lines, err)
	}
	out := importResult{DryRun: c.DryRun, Lines: lines}
	out.count()
	return c.tell(s, out)
}

// broken says what came of the lines that were answered for before err kept the others from being. There is no sum:
// nobody has looked at the others.
func (c *keyImportCmd) broken(s *streams, lines []importLine, err error) error {
	known := make([]importLine, 0, len(lines))
	for _, l := range lines {
		if l.checked || l.Problem != "" {
			known = append(known, l)
		}
	}
	out := importResult{DryRun: c.DryRun, Lines: known, Unchecked: len(lines) - len(known)}
	switch {
	case !slices.ContainsFunc(lines, func(l importLine) bool { return l.checked }):
		return err
	case c.JSON:
		out.count()
		return errors.Join(err, s.printJSON(out))
	}
	c.problems(s, out)
	did := "imported, or named above with the reason; the same file can be given again"
	if c.DryRun {
		did = "checked"
	}
	return fmt.Errorf("%w\nbefore that %d of %d keys were %s", err, len(known), len(lines), did)
}

// problems names the lines that cannot be brought in.
func (c *keyImportCmd) problems(s *streams, out importResult) {
	for _, l := range out.Lines {
		if l.Problem != "" {
			fmt.Fprintf(s.err, "line %d: %s\n", l.Line, plain(l.Problem)) //nolint:errcheck // the error that follows counts them
		}
	}
}

// tell says what became of the lines.
func (c *keyImportCmd) tell(s *streams, out importResult) error {
	if c.JSON {
		if err := s.printJSON(out); err != nil {
			return err
		}
	} else {
		c.problems(s, out)
		did := "imported %d of %d keys\n"
		if c.DryRun {
			did = "%d of %d keys can be imported; nothing was changed\n"
		}
		if err := s.printf(did, out.Imported, len(out.Lines)); err != nil {
			return err
		}
	}
	if out.Failed > 0 {
		return fmt.Errorf("%d of %d keys cannot be imported", out.Failed, len(out.Lines))
	}
	return nil
}

// send imports the lines, some at a time.
func (c *keyImportCmd) send(ctx context.Context, calls control.Calls, s *streams, lines []importLine) error {
	say := s.progress("importing")
	defer say.end()
	good := int64(0)
	for at := 0; at < len(lines); {
		in := control.KeyImport{Account: c.Account, DryRun: c.DryRun, After: good}
		var from []*importLine
		for ; at < len(lines) && len(from) < control.MaxImport; at++ {
			if lines[at].Problem == "" {
				in.Keys, from = append(in.Keys, lines[at].pair), append(from, &lines[at])
			}
		}
		if len(in.Keys) == 0 {
			return nil
		}
		out, err := calls.ImportKeys(ctx, in)
		if err != nil {
			return err
		}
		if len(out) != len(from) {
			return errors.New("the server answered for other keys than these")
		}
		for i, o := range out {
			from[i].KeyID, from[i].Problem, from[i].checked = o.KeyID, o.Reason, true
			if o.Reason == "" {
				good++
			} else if o.Field != "" {
				from[i].Problem = o.Field + ": " + o.Reason
			}
		}
		say.at(int64(at), int64(len(lines)))
	}
	return nil
}

// twice marks lines that say the same as an earlier one where it has to differ.
func twice(lines []importLine) {
	seen := map[string]int{}
	for i := range lines {
		l := &lines[i]
		for _, x := range []struct{ field, value string }{
			{"Name", l.pair.Name}, {"APIKey", l.pair.APIKey}, {"SecretKey", l.pair.SecretKey}, {"Reference", l.pair.Reference},
		} {
			if x.value == "" || l.Problem != "" {
				continue
			}
			if first, is := seen[x.field+x.value]; is {
				l.Problem = fmt.Sprintf("%s: line %d has the same", x.field, first)
			}
		}
		if l.Problem == "" {
			for field, value := range map[string]string{
				"Name": l.pair.Name, "APIKey": l.pair.APIKey, "SecretKey": l.pair.SecretKey, "Reference": l.pair.Reference,
			} {
				seen[field+value] = l.Line
			}
		}
	}
}

// read reads the pairs to bring in.
func (c *keyImportCmd) read(s *streams) ([]importLine, error) {
	switch {
	case c.File != "" && (c.Name != "" || c.APIKey != "" || c.Reference != ""):
		return nil, &usageError{errors.New("give a file, or --name and --api-key, not both")}
	case c.File == "" && (c.Name == "" || c.APIKey == ""):
		return nil, &usageError{errors.New("give a file, or --name and --api-key with the secret on the standard input")}
	case c.File == "":
		secret, err := s.secret("Secret key")
		return []importLine{newImportLine(1,
			control.ImportedKey{Name: c.Name, APIKey: c.APIKey, SecretKey: secret, Reference: c.Reference})}, err
	}
	var raw []byte
	var err error
	if c.File == "-" {
		raw, err = io.ReadAll(s.in)
	} else {
		raw, err = os.ReadFile(c.File)
	}
	if err != nil {
		return nil, err
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	var lines []importLine
	if text := bytes.TrimSpace(raw); len(text) > 0 && text[0] == '[' {
		lines, err = readJSON(text)
	} else {
		lines, err = readCSV(raw)
	}
	if err == nil && len(lines) == 0 {
		err = errors.New("there is no key in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return lines, nil
}

func newImportLine(n int, k control.ImportedKey) importLine {
	k = control.ImportedKey{
		Name: strings.TrimSpace(k.Name), APIKey: strings.ToLower(strings.TrimSpace(k.APIKey)), SecretKey: strings.TrimSpace(k.SecretKey),
		Reference: strings.TrimSpace(k.Reference),
	}
	return importLine{Line: n, pair: k, Name: k.Name, APIKey: k.APIKey}
}

// readJSON reads an array of objects; a line's number is its place in it.
func readJSON(raw []byte) ([]importLine, error) {
	var list []struct {
		Name      string `json:"name"`
		APIKey    string `json:"api_key"`
		SecretKey string `json:"secret_key"`
		Reference string `json:"reference"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&list); err != nil {
		return nil, err
	}
	out := make([]importLine, 0, len(list))
	for i, k := range list {
		out = append(out, newImportLine(i+1, control.ImportedKey(k)))
	}
	return out, nil
}

// readCSV reads a table whose header says what its columns are, with commas or, as some spreadsheets write it,
// semicolons between. A line that is no line of it is kept with what is wrong.
func readCSV(raw []byte) ([]importLine, error) {
	r := csv.NewReader(bytes.NewReader(raw))
	if first, _, _ := bytes.Cut(raw, []byte("\n")); !bytes.ContainsRune(first, ',') && bytes.ContainsRune(first, ';') {
		r.Comma = ';'
	}
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	columns, err := columnsOf(head)
	if err != nil {
		return nil, err
	}
	var out []importLine
	for {
		record, err := r.Read()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.As(err, &bad):
			out = append(out, importLine{Line: bad.StartLine, Problem: bad.Err.Error()})
			continue
		case err != nil:
			return nil, err
		}
		field := func(name string) string {
			if i, ok := columns[name]; ok {
				return record[i]
			}
			return ""
		}
		line, _ := r.FieldPos(0)
		out = append(out, newImportLine(line,
			control.ImportedKey{
				Name: field("name"), APIKey: field("api_key"), SecretKey: field("secret_key"), Reference: field("reference"),
			}))
	}
}

// columnsOf reads the header.
func columnsOf(head []string) (map[string]int, error) {
	columns := map[string]int{}
	for i, h := range head {
		name := strings.ToLower(strings.TrimSpace(h))
		switch name {
		case "name", "api_key", "secret_key", "reference":
		default:
			// What stands there is not shown: without a header it is a pair.
			return nil, fmt.Errorf("line 1, column %d: it names no column: a header of name, api_key, secret_key and, if you like, "+
				"reference is needed", i+1)
		}
		if _, twice := columns[name]; twice {
			return nil, fmt.Errorf("line 1: there are two columns %s", name)
		}
		columns[name] = i
	}
	for _, name := range []string{"name", "api_key", "secret_key"} {
		if _, ok := columns[name]; !ok {
			return nil, fmt.Errorf("line 1: there is no column %s", name)
		}
	}
	return columns, nil
}

type keyExportCmd struct {
	Account string `placeholder:"ACCOUNT" help:"Only of this account, by number or name."`
	asJSON
}

// Help teaches.
func (keyExportCmd) Help() string {
	return `There are no secrets in it: the server has none. A text that a spreadsheet would take for a formula begins with an apostrophe.

Example:
  postern key export > keys.csv`
}

// Run exports keys.
func (c *keyExportCmd) Run(common *config.Common, s *streams) error {
	return show(common, s, c.JSON, func(ctx context.Context, calls control.Calls) ([]keys.Key, error) {
		return calls.ListKeys(ctx, control.KeyList{Account: c.Account})
	}, func(list []keys.Key) error {
		w := csv.NewWriter(s.out)
		rows := [][]string{
			{
				"key", "account", "name", "kind", "api_key", "reference", "state", "created_at", "secret_hint",
				"secret_created_at", "secret_days_left", "last_used_at",
			},
		}
		for _, k := range list {
			rows = append(rows, []string{
				number(k.ID), number(k.AccountID), sheet.Cell(k.Name), kind(k), k.APIKey, sheet.Cell(k.Reference), k.State,
				stamp(k.CreatedAt), sheet.Cell(k.SecretHint),
				stamp(k.SecretCreatedAt), number(int64(k.SecretDaysLeft)), stamp(k.LastUsedAt),
			})
		}
		return w.WriteAll(rows)
	})
}

// stamp is a time in a file: RFC 3339 in UTC, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
