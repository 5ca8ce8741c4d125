// SPDX-License-Identifier: Apache-2.0

package suppress

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"postern/internal/change"
	"postern/internal/store"
)

// Limits of an import.
const (
	// MaxFile is the largest file, in bytes: some two million addresses.
	MaxFile = 128 << 20
	// MaxProblems is how many rows that are not taken a report lists; it counts the others.
	MaxProblems = 1000

	importBatch = 1000    // rows of a transaction
	maxRow      = 1 << 20 // bytes: after a quotation mark that is not closed, all of the file is one row
)

// Report says what became of a file.
type Report struct {
	Rows     int       // read so far, without the header
	Added    int       // new on the list, or there with a stronger reason now
	Known    int       // on the list already, or twice in the file
	Refused  int       // not taken
	Problems []Problem `json:",omitempty"` // of the refused the first MaxProblems
	Bytes    int64     `json:"-"`          // read so far
}

// Problem is a row that was not taken.
type Problem struct {
	Line   int
	Text   string `json:",omitempty"` // what stands there, or its beginning
	Reason string
}

// Import puts the addresses of a file on the list of a key of the scope. The file is CSV: addresses alone, or with a
// header of email and, if there are, reason and note; other columns are passed over. The columns of other services'
// exports are known where they are plain. reason is for rows without one, "" is manual; where it is given, words that are
// no reason (SendGrid's column has the server's) are kept as the note. Rows that cannot be taken are reported, the others
// are taken; giving the same file again changes nothing. progress, which may be nil, gets the report so far after each batch.
//
// The list is changed a batch at a time. The audit log has the beginning with the first batch and the counts with the
// last, or one entry where there is but one batch.
func (l *List) Import(
	ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, file io.Reader, reason string, progress func(Report),
) (Report, error) {
	fallback, err := parseReason(reason, store.SuppressedManual)
	if err != nil {
		return Report{}, err
	}
	if progress == nil {
		progress = func(Report) {}
	}
	in := newImporter(file, fallback)
	in.named = reason != ""
	for begun := false; ; begun = true {
		rows, end, err := in.batch(importBatch)
		if err != nil {
			return in.report, l.brokeOff(ctx, by, scope, f, in.report, begun, err)
		}
		added := 0
		err = l.update(ctx, func(tx *store.Tx) error {
			key, err := tx.Key(ctx, scope, f)
			if err != nil {
				return err
			}
			if added, err = tx.AddSuppressions(ctx, key, rows); err != nil {
				return err
			}
			switch {
			case end:
				done := in.report
				done.Added += added
				done.Known = done.Rows - done.Refused - done.Added
				return tx.AddAudit(ctx, entry(by, key, "suppression.import", "suppressions", done.String()))
			case !begun:
				return tx.AddAudit(ctx, entry(by, key, "suppression.import", "suppressions", "an import begins; its end has an "+
					"entry of its own"))
			}
			return nil
		})
		if err != nil {
			return in.report, l.brokeOff(ctx, by, scope, f, in.report, begun, err)
		}
		in.report.Added += added
		in.report.Known = in.report.Rows - in.report.Refused - in.report.Added
		l.imported.Add(int64(added))
		progress(in.report.clone())
		if end {
			return in.report, nil
		}
	}
}

// brokeOff tells the audit log how far an import came that had begun.
func (l *List) brokeOff(
	ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, r Report, begun bool, cause error,
) error {
	if !begun {
		return cause
	}
	ctx = context.WithoutCancel(ctx)
	return errors.Join(cause, l.update(ctx, func(tx *store.Tx) error {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, entry(by, key, "suppression.import", "suppressions", "broke off: "+r.String()))
	}))
}

// String is the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d rows: %d added, %d there already, %d not taken", r.Rows, r.Added, r.Known, r.Refused)
}

func (r Report) clone() Report {
	r.Problems = slices.Clone(r.Problems)
	return r
}

// importer reads a file row by row.
type importer struct {
	in       *csv.Reader
	fallback store.SuppressionReason
	named    bool           // the fallback was given
	columns  map[string]int // nil before the first row
	count    *counting
	report   Report
}

// counting bounds a reader and counts what came.
type counting struct {
	r   io.Reader
	n   int64
	row int64 // where the row that is being read began, or before
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); c.n > MaxFile {
		return 0, invalid("File", "it has more than %d MB: give it in parts", MaxFile>>20)
	}
	if c.n-c.row > maxRow {
		return 0, invalid("File", "there is a row of more than %d MB: perhaps a quotation mark is not closed", maxRow>>20)
	}
	return n, err
}

func newImporter(file io.Reader, fallback store.SuppressionReason) *importer {
	count := &counting{r: file}
	buf := bufio.NewReaderSize(count, 64<<10)
	if head, err := buf.Peek(3); err == nil && string(head) == "\ufeff" {
		buf.Discard(3) //nolint:errcheck,gosec // they were there
	}
	in := csv.NewReader(buf)
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	// Some spreadsheets write semicolons or tabs between.
	head, _ := buf.Peek(4096) // what there is
	line, _, _ := strings.Cut(string(head), "\n")
	if !strings.Contains(line, ",") {
		if strings.Contains(line, ";") {
			in.Comma = ';'
		} else if strings.Contains(line, "\t") {
			in.Comma = '\t'
		}
	}
	return &importer{in: in, fallback: fallback, count: count}
}

// batch reads up to n rows that can be taken, and says whether that was the end.
func (in *importer) batch(n int) (rows []store.Suppression, end bool, err error) {
	defer func() { in.report.Bytes = in.count.n }()
	// A file of nothing but bad rows is reported on now and then, too.
	for start := in.report.Rows; len(rows) < n && in.report.Rows-start < 10*n; {
		in.count.row = in.count.n
		record, err := in.in.Read()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return rows, true, nil
		case errors.As(err, &bad):
			in.report.Rows++
			in.refuse(bad.StartLine, "", "it is no line of a CSV file: "+bad.Err.Error())
			continue
		case err != nil:
			return rows, false, err
		}
		line, _ := in.in.FieldPos(0)
		if in.columns == nil && in.header(record) {
			continue
		}
		if len(record) == 1 && strings.TrimSpace(record[0]) == "" {
			continue
		}
		in.report.Rows++
		if row, ok := in.row(line, record); ok {
			rows = append(rows, row)
		}
	}
	return rows, false, nil
}

func (in *importer) refuse(line int, text, reason string) {
	in.report.Refused++
	if len(in.report.Problems) < MaxProblems {
		in.report.Problems = append(in.report.Problems, Problem{line, shorten(strings.ToValidUTF8(text, "\uFFFD")), reason})
	}
}

// header reads the first row: it is a header when nothing in it is an address.
func (in *importer) header(record []string) bool {
	in.columns = map[string]int{}
	for _, x := range record {
		if strings.Contains(x, "@") {
			in.columns["email"] = 0
			return false
		}
	}
	for i, x := range record {
		name := ""
		switch strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(strings.TrimSpace(x))) {
		// Mailgun: address; SparkPost: recipient; Amazon SES: EmailAddress.
		case "email", "emailaddress", "address", "recipient", "mail":
			name = "email"
		case "reason", "suppressionreason": // Postmark: SuppressionReason
			name = "reason"
		case "type", "kind":
			name = "type"
		case "source": // SparkPost
			name = "source"
		// Mailgun: error; Postmark: Details; Mailchimp: UNSUB_REASON.
		case "note", "comment", "error", "description", "details", "unsubreason":
			name = "note"
		case "unsubtime": // Mailchimp's unsubscribed contacts
			in.assume(store.SuppressedUnsub)
		case "cleantime": // and its cleaned ones, which bounced
			in.assume(store.SuppressedBounce)
		}
		if _, twice := in.columns[name]; name != "" && !twice {
			in.columns[name] = i
		}
	}
	if _, ok := in.columns["email"]; !ok {
		in.columns["email"] = 0
		return false // it is refused as a row, with the reason
	}
	return true
}

// assume takes a reason from what the file is, where none was given.
func (in *importer) assume(r store.SuppressionReason) {
	if !in.named {
		in.fallback = r
	}
}

// why is the reason of a row, "" for the fallback, and a remark that belongs into the note. A column that is called reason
// or type, or SparkPost's source, may have the one or the other.
func (in *importer) why(field func(string) string) (reason, remark string) {
	for _, name := range []string{"reason", "type", "source"} {
		word := ourReason(field(name))
		switch {
		case word == "":
		case store.ParseSuppressionReason(word) != 0:
			if reason == "" || store.ParseSuppressionReason(reason) == 0 {
				if reason != "" {
					remark = reason
				}
				reason = word
			}
		case reason == "" && name != "source":
			reason = word
		}
	}
	if in.named && reason != "" && store.ParseSuppressionReason(reason) == 0 {
		return "", reason
	}
	return reason, remark
}

// text is a field in UTF-8: of what is not, each byte is a character of Latin-1.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]rune, len(s))
	for i := range len(s) {
		out[i] = rune(s[i])
	}
	return string(out)
}

func (in *importer) row(line int, record []string) (store.Suppression, bool) {
	field := func(name string) string {
		if i, ok := in.columns[name]; ok && i < len(record) {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	// Who guards a table against formulas puts an apostrophe before what looks like one.
	reason, remark := in.why(field)
	e := Entry{Email: strings.TrimPrefix(field("email"), "'"), Reason: reason, Note: text(field("note"))}
	if e.Note == "" {
		e.Note = text(remark)
	}
	if len(e.Note) > MaxNote {
		e.Note = strings.ToValidUTF8(e.Note[:MaxNote-2], "")
	}
	row, err := e.check()
	if err != nil && strings.HasPrefix(field("email"), "'") {
		e.Email = field("email") // an address may begin with one
		row, err = e.check()
	}
	if err != nil {
		reason = err.Error()
		var mistake *change.Error
		if errors.As(err, &mistake) {
			reason = mistake.Reason
		}
		if mistake != nil && mistake.Field == "Reason" {
			reason += "; give the reason of all rows, and such words are kept as their notes"
		}
		in.refuse(line, field("email"), reason)
		return row, false
	}
	if e.Reason == "" {
		row.Reason = in.fallback
	}
	return row, true
}

// ourReason is the reason that other services call otherwise; what is none stays what it is.
func ourReason(s string) string {
	switch strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s)) {
	case "hardbounce", "bounce", "bounced", "hard", "invalid", "permanent", "bouncerule", "invalidemail", "cleaned":
		return "hard_bounce"
	case "complaint", "complained", "spam", "spamcomplaint", "spamreport", "abuse":
		return "complaint"
	case "unsubscribe", "unsubscribed", "unsub", "optout", "unsubscribelink", "listunsubscribe":
		return "unsubscribe"
	case "manual", "manually", "manualsuppression", "manuallyadded", "blocked", "customer":
		return "manual"
	}
	return s
}
