// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// chunks are how many rows one statement takes, largest first. Few sizes keep the number of statements that an
// engine has to prepare small; 64 rows stay below SQLite's limit of 32,766 parameters.
var chunks = [...]int{64, 32, 16, 8, 4, 2, 1}

// bulk is an insert, or another statement over a list of rows, that is run in chunks.
type bulk struct {
	head, tail string
	fixed      int                           // parameters of head, before the rows
	columns    int                           // parameters of a row
	rest       string                        // of each row, after the parameters: what is the same in all
	list       bool                          // plain values, not rows
	texts      map[bool]*[len(chunks)]string // by whether parameters are numbered
}

// newInsert makes the bulk form of INSERT INTO table (columns…).
func newInsert(table string, columns ...string) *bulk {
	b := &bulk{head: "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ", columns: len(columns)}
	b.build()
	return b
}

// newUsual is newInsert for rows that have the usual values, which stand in the statement, in some of the columns: each
// parameter costs SQLite about as much as a column of a row.
func newUsual(table string, columns []string, usual ...string) *bulk {
	b := newInsert(table, columns...)
	b.columns -= len(usual)
	b.rest = ", " + strings.Join(usual, ", ")
	b.build()
	return b
}

// newInList makes the bulk form of a statement with "IN (…)" between head and tail. head has parameters $1 to $fixed.
func newInList(head string, fixed int, tail string) *bulk {
	b := &bulk{head: head + " IN (", fixed: fixed, tail: ")" + tail, columns: 1, list: true}
	b.build()
	return b
}

func (b *bulk) build() {
	b.texts = map[bool]*[len(chunks)]string{false: {}, true: {}}
	for i, n := range chunks {
		b.texts[false][i], b.texts[true][i] = b.text(n, false), b.text(n, true)
	}
}

// text writes the statement for n rows. SQLite looks up "$1" by name, one after the other, so there parameters are
// plain question marks: they stand in order anyway.
func (b *bulk) text(n int, numbered bool) string {
	var s strings.Builder
	s.WriteString(b.head)
	p := b.fixed
	for row := range n {
		if row > 0 {
			s.WriteString(", ")
		}
		if !b.list {
			s.WriteByte('(')
		}
		for c := range b.columns {
			if c > 0 {
				s.WriteString(", ")
			}
			if p++; numbered {
				s.WriteString("$" + strconv.Itoa(p))
			} else {
				s.WriteByte('?')
			}
		}
		s.WriteString(b.rest)
		if !b.list {
			s.WriteByte(')')
		}
	}
	s.WriteString(b.tail)
	return s.String()
}

// run executes the statement for all args, which hold the rows one after the other.
func (b *bulk) run(ctx context.Context, tx *Tx, fixed []any, args []any) error {
	return b.each(tx, fixed, args, func(text string, args []any) error {
		_, err := tx.exec(ctx, text, args...)
		return err
	})
}

// ids runs a statement that ends in RETURNING one ID and collects the IDs.
func (b *bulk) ids(ctx context.Context, tx *Tx, fixed []any, args []any) (map[int64]bool, error) {
	got := make(map[int64]bool, len(args))
	err := b.each(tx, fixed, args, func(text string, args []any) error {
		rows, err := tx.rows(ctx, text, args...)
		if err != nil {
			return tx.s.wrap(err)
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			got[id] = true
		}
		return tx.s.wrap(rows.Err())
	})
	return got, err
}

func (b *bulk) each(tx *Tx, fixed []any, args []any, do func(text string, args []any) error) error {
	return b.chunked(tx.s.d.numbered, fixed, args, do)
}

// chunked is each for statements that are not of a transaction.
func (b *bulk) chunked(numbered bool, fixed []any, args []any, do func(text string, args []any) error) error {
	var buf []any
	for i, n := range chunks {
		for size := n * b.columns; len(args) > 0 && len(args) >= size; args = args[size:] {
			buf = args[:size:size]
			if len(fixed) > 0 {
				buf = slices.Concat(fixed, buf)
			}
			if err := do(b.texts[numbered][i], buf); err != nil {
				return err
			}
		}
	}
	return nil
}
