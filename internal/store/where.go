// SPDX-License-Identifier: Apache-2.0

package store

import (
	"strconv"
	"strings"
)

// where builds a query whose conditions depend on what was asked. Each ? becomes the next $n, so that parameters
// stand in the order of their first use. Only constant text goes in; values are parameters.
type where struct {
	text strings.Builder
	args []any
	any  bool
}

func newWhere(head string, args ...any) *where {
	w := &where{}
	w.add(head, args...)
	return w
}

// add appends text as it is.
func (w *where) add(text string, args ...any) {
	for {
		before, after, ok := strings.Cut(text, "?")
		w.text.WriteString(before)
		if !ok {
			return
		}
		w.args = append(w.args, args[0])
		args = args[1:]
		w.text.WriteString("$" + strconv.Itoa(len(w.args)))
		text = after
	}
}

// and adds a condition.
func (w *where) and(cond string, args ...any) {
	if w.any {
		w.text.WriteString(" AND ")
	} else {
		w.text.WriteString(" WHERE ")
		w.any = true
	}
	w.add(cond, args...)
}

func (w *where) String() string { return w.text.String() }

// Page bounds a listing.
type Page struct {
	Limit, Offset int // Limit 0 is 1,000
	Desc          bool
}

func (p Page) limit() int {
	if p.Limit <= 0 || p.Limit > 1000 {
		return 1000
	}
	return p.Limit
}

func (w *where) page(p Page, column string) {
	w.order(p, column)
	w.add(" LIMIT ? OFFSET ?", p.limit(), max(p.Offset, 0))
}

func (w *where) order(p Page, column string) {
	w.text.WriteString(" ORDER BY " + column)
	if p.Desc {
		w.text.WriteString(" DESC")
	}
}

// escapeLike makes s match itself in LIKE … ESCAPE '!', in lower case.
func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(strings.ToLower(s))
}
