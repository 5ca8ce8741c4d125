// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/url"
	"slices"
	"strconv"

	"postern/internal/store"
)

// neighbours say where in a list, newest first, a page lies: below a row, above one, or, with neither, at the newest. While
// new rows are written, nothing is skipped or seen twice.
type neighbours struct{ below, above int64 }

// neighboursOf reads before and after of the address.
func neighboursOf(v *visit) (n neighbours) {
	q := v.r.URL.Query()
	n.below, _ = strconv.ParseInt(q.Get("before"), 10, 64) //nolint:errcheck // without a number: from the newest
	n.above, _ = strconv.ParseInt(q.Get("after"), 10, 64)  //nolint:errcheck // same
	return n
}

// page is what to read for a page of some rows: one row more, and towards the newest where the page lies above a row.
func (n neighbours) page(rows int) store.Page { return store.Page{Limit: rows + 1, Desc: n.above == 0} }

// around makes a page of what was read for it, newest first, and the addresses of its neighbours: at makes one of the
// name of a parameter and a row's ID.
func around[T any](n neighbours, rows int, list []T, id func(T) int64, at func(name, id string) string) (page []T, newer, older string) {
	more := len(list) > rows
	list = list[:min(len(list), rows)]
	isNewer, isOlder := n.below != 0, more
	if n.above != 0 {
		slices.Reverse(list)
		isNewer, isOlder = more, true
	}
	if len(list) > 0 && isNewer {
		newer = at("after", strconv.FormatInt(id(list[0]), 10))
	}
	if len(list) > 0 && isOlder {
		older = at("before", strconv.FormatInt(id(list[len(list)-1]), 10))
	}
	return list, newer, older
}

// pageAddress is a page's address with those of its parameters that say something, and more, in pairs.
func pageAddress(path string, params map[string]string, more ...string) string {
	q := url.Values{}
	for k, s := range params {
		if s != "" {
			q.Set(k, s)
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
