// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"
	"time"

	"postern/internal/auditlog"
	"postern/internal/store"
)

// listAudit lists entries, the newest first; with "above", those after that number, the oldest first: to read all.
func (d *door) listAudit(r *http.Request) (any, error) {
	q := r.URL.Query()
	f := store.AuditFilter{Search: q.Get("search"), Action: q.Get("action")}
	scope := store.OfOperator()
	if which := q.Get("account"); which != "" {
		a, err := d.findAccount(r.Context(), which)
		if err != nil {
			return nil, err
		}
		scope = store.OfAccount(a.ID)
	}
	var err error
	if f.From, err = moment(r, "from", false); err != nil {
		return nil, err
	}
	if f.To, err = moment(r, "to", true); err != nil {
		return nil, err
	}
	limit, err := listed(r, maxListed)
	if err != nil {
		return nil, err
	}
	if f.Above, err = number(r, "above"); err != nil {
		return nil, err
	}
	list, err := d.AuditLog.Entries(r.Context(), scope, f, store.Page{Limit: limit, Desc: !q.Has("above")})
	return list, misuse(err)
}

// moment reads a date or a time of the query. A date as an end is the end of that day, in UTC.
func moment(r *http.Request, name string, end bool) (time.Time, error) {
	return momentOf(name, r.URL.Query().Get(name), end)
}

func momentOf(name, text string, end bool) (time.Time, error) {
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
		return t, misused(name, "%q is neither a date (2026-01-31) nor a time (2026-01-31T12:00:00Z)", text)
	}
	return t, nil
}

// checkAudit goes on with a check of the log's chain, from where the caller says that it has come to.
func (d *door) checkAudit(r *http.Request) (any, error) {
	var in auditlog.Check
	if err := read(r, &in); err != nil {
		return nil, err
	}
	return d.AuditLog.Continue(r.Context(), in)
}
