// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// object is a resource's body: what was given and is not null, under folded names.
type object map[string]value

// object is what a JSON object says.
func (v value) object() object {
	out := object{}
	for name, x := range v.members() {
		if !x.isNull() {
			out[fold(name)] = x
		}
	}
	return out
}

// only refuses other properties than the known ones. A call that ends something for good is not done when it says more
// than is understood: with a misspelt OverlapSeconds the old secret would end immediately.
func (o object) only(known ...string) error {
	if name := unknownIn(o, known); name != "" {
		return badRequest(fmt.Sprintf("Property %q is not known here; nothing was changed. %s.", cut(name), properties(known)))
	}
	return nil
}

// only is the same for parameters of the query.
func (q query) only(known ...string) error {
	if name := unknownIn(q, known); name != "" {
		return badRequest(fmt.Sprintf("The parameter %q is not known here; nothing was changed. %s.", cut(name), properties(known)))
	}
	return nil
}

// unknownIn names the first key of m, by the alphabet, that is not one of known; "" when all are.
func unknownIn[V any](m map[string]V, known []string) string {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.ContainsFunc(known, func(k string) bool { return fold(k) == name }) {
			return name
		}
	}
	return ""
}

func properties(known []string) string {
	if len(known) == 0 {
		return "There are none"
	}
	return "Known are: " + strings.Join(known, ", ")
}

// text reads a property that is a string, nil when it is not given.
func (o object) text(property string) (*string, error) {
	v, given := o[fold(property)]
	if !given {
		return nil, nil //nolint:nilnil // not given
	}
	s, ok := v.str()
	if !ok {
		return nil, badRequest("Property " + property + ": expected a string.")
	}
	if !storable(s) {
		return nil, badRequest("Property " + property + ": it has a NUL character.")
	}
	return &s, nil
}

// storable says whether a text can be kept and looked for: PostgreSQL takes no NUL, and nothing that is not UTF-8.
func storable(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }

// textOrNumber reads a property that is a string, or a whole number that some SDKs declare it to be; nil when it is not
// given.
func (o object) textOrNumber(property string) (*string, error) {
	if v, given := o[fold(property)]; given {
		if n, ok := v.integer(); ok {
			s := strconv.FormatInt(n, 10)
			return &s, nil
		}
	}
	return o.text(property)
}

// date reads a property that is a time of RFC 3339 or a date, the zero time when it is "" and nil when it is not given.
func (o object) date(property string) (*time.Time, error) {
	s, err := o.text(property)
	if err != nil || s == nil {
		return nil, err
	}
	var at time.Time
	if *s == "" {
		return &at, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err = time.Parse(layout, *s); err == nil {
			return &at, nil
		}
	}
	return nil, badRequest(fmt.Sprintf("Property %s: %q is neither a time of RFC 3339 (1990-11-23T00:00:00Z) nor a date (1990-11-23).",
		property, cut(*s)))
}

// firstText reads the first of some properties that is given; names beyond the first are other spellings of it. The
// property is the one that was found.
func (o object) firstText(properties ...string) (s, property string, err error) {
	for _, p := range properties {
		if got, err := o.text(p); err != nil || got != nil {
			return orEmpty(got), p, err
		}
	}
	return "", properties[0], nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// flag reads a property that is true or false, nil when it is not given.
func (o object) flag(property string) (*bool, error) {
	v, given := o[fold(property)]
	if !given {
		return nil, nil //nolint:nilnil // not given
	}
	is, ok := v.boolean()
	if !ok {
		return nil, badRequest("Property " + property + ": expected true or false.")
	}
	return &is, nil
}

// whole reads a property that is a whole number of 0 or more, nil when it is not given.
func (o object) whole(property string) (*int64, error) {
	v, given := o[fold(property)]
	if !given {
		return nil, nil //nolint:nilnil // not given
	}
	n, ok := v.integer()
	if !ok || n < 0 {
		return nil, badRequest("Property " + property + ": expected a whole number of 0 or more.")
	}
	return &n, nil
}

// id reads a property that is an object's ID, 0 when it is not given.
func (o object) id(property string) (int64, error) {
	v, given := o[fold(property)]
	if !given {
		return 0, nil
	}
	n, ok := v.integer()
	if !ok || n <= 0 {
		return 0, badRequest("Property " + property + ": expected an ID.")
	}
	return n, nil
}

// list reads a property that is an array of strings, nil when it is not given. One string is taken for its parts, with
// commas or white space between.
func (o object) list(property string) ([]string, error) {
	v, given := o[fold(property)]
	if !given {
		return nil, nil
	}
	if s, ok := v.str(); ok {
		if !storable(s) {
			return nil, badRequest("Property " + property + ": it has a NUL character.")
		}
		return append([]string{},
			strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })...), nil
	}
	if !v.isArray() {
		return nil, badRequest("Property " + property + ": expected an array of strings.")
	}
	out := []string{}
	for x := range v.elements() {
		s, ok := x.str()
		if !ok || !storable(s) {
			return nil, badRequest(fmt.Sprintf("Property %s[%d]: expected a string, without NUL characters.", property, len(out)))
		}
		out = append(out, s)
	}
	return out, nil
}

// joined is list as one text, nil when it is not given.
func (o object) joined(property string) (*string, error) {
	l, err := o.list(property)
	if err != nil || l == nil {
		return nil, err
	}
	s := strings.Join(l, " ")
	return &s, nil
}
