// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"postern/internal/sheet"
	"postern/internal/store"
)

// exported is how many entries an export reads at a time.
const exported = 500

// Format is what an export is written as.
type Format string

// The formats: a table with a header, and one array with an entry on each line.
const (
	CSV  Format = "csv"
	JSON Format = "json"
)

// Export writes the entries of the scope that match, the newest first, as they are read: what is exported need not fit
// into memory. open is asked for the writer once the first entries are read, so that an error before that leaves nothing
// written.
func (l *Log) Export(ctx context.Context, open func() io.Writer, scope store.Scope, f store.AuditFilter, as Format) error {
	p := store.Page{Limit: exported, Desc: true}
	list, err := l.Entries(ctx, scope, f, p)
	if err != nil {
		return err
	}
	w := newWriter(open(), as)
	for {
		for _, e := range list {
			if err := w.write(record(e)); err != nil {
				return err
			}
		}
		if len(list) < exported {
			return w.end()
		}
		f.Below = list[len(list)-1].ID
		if list, err = l.Entries(ctx, scope, f, p); err != nil {
			return err
		}
	}
}

// row is an entry as it is exported.
type row struct {
	Number    int64  `json:"number"`
	Time      string `json:"time"`
	AccountID int64  `json:"account_id,omitempty"`
	Actor     string `json:"actor"`
	Origin    string `json:"origin"`
	Action    string `json:"action"`
	Target    string `json:"target"`
	Detail    string `json:"detail"`
	Hash      string `json:"hash"`
}

func record(e Entry) row {
	return row{e.ID, e.At.UTC().Format("2006-01-02T15:04:05.000000Z"), e.AccountID, e.Actor, e.Origin, e.Action, e.Target, e.Detail, e.Hash}
}

// writer writes rows one after another.
type writer interface {
	write(x row) error
	end() error
}

func newWriter(w io.Writer, as Format) writer {
	if as == JSON {
		return &jsonWriter{w: w}
	}
	c := csvWriter{csv.NewWriter(w)}
	head := []string{"number", "time", "account_id", "actor", "origin", "action", "target", "detail", "hash"}
	c.w.Write(head) //nolint:errcheck // end says it
	return c
}

type csvWriter struct{ w *csv.Writer }

func (c csvWriter) write(x row) error {
	account := ""
	if x.AccountID != 0 {
		account = strconv.FormatInt(x.AccountID, 10)
	}
	return c.w.Write([]string{
		strconv.FormatInt(x.Number, 10), x.Time, account, sheet.Cell(x.Actor), sheet.Cell(x.Origin), sheet.Cell(x.Action),
		sheet.Cell(x.Target), sheet.Cell(x.Detail), x.Hash,
	})
}

func (c csvWriter) end() error {
	c.w.Flush()
	return c.w.Error()
}

type jsonWriter struct {
	w     io.Writer
	begun bool
}

func (j *jsonWriter) write(x row) error {
	line, err := json.Marshal(x)
	if err != nil {
		return err
	}
	before := "[\n"
	if j.begun {
		before = ",\n"
	}
	j.begun = true
	_, err = j.w.Write(append([]byte(before), line...))
	return err
}

func (j *jsonWriter) end() error {
	last := "[]\n"
	if j.begun {
		last = "\n]\n"
	}
	_, err := io.WriteString(j.w, last)
	return err
}
