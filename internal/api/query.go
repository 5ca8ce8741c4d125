// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postern/internal/store"
)

// Bounds of a listing and of a resource's body.
const (
	defaultLimit = 10
	largestLimit = 1000
	maxResource  = 1 << 20
)

// query are the filters of a request under their folded names. Of a repeated one the first wins.
type query map[string]string

func (c *call) query() (query, error) {
	q := query{}
	for pair := range strings.SplitSeq(c.URL.RawQuery, "&") {
		name, v, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			v, err = url.QueryUnescape(v)
		}
		if err != nil || strings.Contains(pair, ";") {
			return nil, badRequest("The query string is not well escaped.")
		}
		if !storable(name) || !storable(v) {
			return nil, badRequest("The query string has a NUL character, or bytes that are not UTF-8.")
		}
		name = fold(name)
		if _, twice := q[name]; !twice && v != "" {
			q[name] = v
		}
	}
	return q, q.checkServed(c.resource())
}

// resource is the name of the resource in the path: message, statistics/link-click.
func (c *call) resource() string {
	_, name, _ := strings.Cut(c.URL.Path, "/REST/")
	first, rest, _ := strings.Cut(name, "/")
	if first == "statistics" {
		second, _, _ := strings.Cut(rest, "/")
		return first + "/" + second
	}
	return first
}

// first returns the first filter of these names that is given.
func (q query) first(names ...string) string {
	v, _ := q.firstNamed(names...)
	return v
}

// firstNamed returns the first of these filters that is given, and which one it is: an error names what the caller wrote.
func (q query) firstNamed(properties ...string) (v, property string) {
	for _, p := range properties {
		if v, ok := q[fold(p)]; ok {
			return v, p
		}
	}
	return "", ""
}

// tooLarge says whether a text is a whole number that is too large to count with.
func tooLarge(v string) bool {
	_, err := strconv.ParseInt(v, 10, 64)
	return errors.Is(err, strconv.ErrRange) && v[0] != '-'
}

// listing is what a request wants to see of a list.
type listing struct {
	store.Page
	sort      string // a property in its own spelling, "" for the usual order
	countOnly bool
}

// listing reads Limit, Offset, Sort and countOnly. sortable are the properties that can be sorted by.
func (q query) listing(sortable ...string) (listing, error) {
	var l listing
	var err error
	if l.Limit, err = q.number("limit", "Limit", defaultLimit); err != nil {
		return l, err
	}
	if l.Limit == 0 || l.Limit > largestLimit {
		l.Limit = largestLimit
	}
	if l.Offset, err = q.number("offset", "Offset", 0); err != nil {
		return l, err
	}
	l.Offset = min(l.Offset, 1<<40) // the end of a page is a number, too
	if l.countOnly, err = q.flag("countonly", "countOnly"); err != nil {
		return l, err
	}
	spec := q["sort"]
	name, direction, _ := strings.Cut(strings.ReplaceAll(spec, "+", " "), " ")
	switch strings.ToUpper(strings.TrimSpace(direction)) {
	case "", "ASC":
	case "DESC":
		l.Desc = true
	default:
		return l, badSort(spec)
	}
	for _, s := range sortable {
		if strings.EqualFold(s, name) {
			l.sort = s
			return l, nil
		}
	}
	if name != "" {
		return l, badSort(name)
	}
	return l, nil
}

func badSort(spec string) error {
	return badRequest("Unexpected error during GET: Invalid sort specification: Cannot sort on field " + cut(spec))
}

func (q query) number(name, property string, usual int) (int, error) {
	v, ok := q[name]
	if !ok {
		return usual, nil
	}
	n, err := strconv.Atoi(v)
	switch {
	case tooLarge(v):
		return 0, badRequest(fmt.Sprintf("%s: %q is too large a number.", property, cut(v)))
	case err != nil || n < 0:
		return 0, badRequest(fmt.Sprintf("%s: %q is not a whole number of 0 or more.", property, cut(v)))
	}
	return n, nil
}

// id reads a filter that is an object's ID.
func (q query) id(name, property string) (int64, error) {
	v, ok := q[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	switch {
	case tooLarge(v):
		return 0, badRequest(fmt.Sprintf("%s: %q is too large to be an ID.", property, cut(v)))
	case err != nil || n <= 0:
		return 0, badRequest(fmt.Sprintf("%s: %q is not an ID.", property, cut(v)))
	}
	return n, nil
}

func (q query) flag(name, property string) (bool, error) {
	set, err := q.choice(name, property)
	return set != nil && *set, err
}

// choice reads a filter that is true, false or not given.
func (q query) choice(name, property string) (*bool, error) {
	v, ok := q[name]
	if !ok {
		return nil, nil //nolint:nilnil // not given
	}
	is, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return nil, badRequest(fmt.Sprintf("%s: %q is neither true nor false.", property, cut(v)))
	}
	return &is, nil
}

// time reads a filter that is RFC 3339 or Unix seconds; zero when it is not given.
func (q query) time(name, property string) (time.Time, error) {
	v, ok := q[name]
	if !ok {
		return time.Time{}, nil
	}
	switch n, err := strconv.ParseInt(v, 10, 64); {
	case err == nil && n >= 0 && n < 1<<40:
		return time.Unix(n, 0), nil
	case err == nil && n > 0, tooLarge(v):
		return time.Time{}, badRequest(fmt.Sprintf("%s: %q is too large: Unix time is in seconds here, not in milliseconds.", property,
			cut(v)))
	}
	if len(v) == len("2026-11-23T10:00:00 01:00") && v[19] == ' ' {
		v = v[:19] + "+" + v[20:] // the + of a zone that was not escaped
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, nil
		}
	}
	return time.Time{}, badRequest(fmt.Sprintf("%s: %q is neither a time of RFC 3339 (2026-11-23T10:00:00Z) nor Unix seconds.", property,
		cut(v)))
}

// pathID reads the path's ID. What is none names no object.
func (c *call) pathID() (int64, error) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, notFound()
	}
	return id, nil
}
