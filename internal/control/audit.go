// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/hex"
	"net/http"
	"time"

	"postern/internal/audit"
	"postern/internal/store"
)

// listAudit lists entries, the newest first; with "above", those after that number, the oldest first: to read all.
func (d *door) listAudit(r *http.Request) (any, error) {
	q := r.URL.Query()
	action, err := audit.Filter(q.Get("action"))
	if err != nil {
		return nil, misused("action", "%v", err)
	}
	f := store.AuditFilter{Search: q.Get("search"), Action: action}
	scope := store.OfOperator()
	if which := q.Get("account"); which != "" {
		a, err := d.findAccount(r.Context(), which)
		if err != nil {
			return nil, err
		}
		scope = store.OfAccount(a.ID)
	}
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
	var entries []audit.Entry
	if q.Has("above") && scope.AccountID() == 0 && f == (store.AuditFilter{Above: f.Above}) {
		entries, err = d.Store.Audit(r.Context(), f.Above, limit) // all of them: nothing has to be counted
	} else {
		entries, _, err = d.Store.FindAudit(r.Context(), scope, f, store.Page{Limit: limit, Desc: !q.Has("above")})
	}
	out := make([]AuditEntry, 0, len(entries))
	for _, e := range entries {
		out = append(out, auditEntryOf(e))
	}
	return out, err
}

func auditEntryOf(e audit.Entry) AuditEntry {
	return AuditEntry{
		ID: e.ID, At: e.At, AccountID: e.AccountID, Actor: e.Actor, Origin: e.Origin, Action: e.Action, Target: e.Target, Detail: e.Detail,
		Hash: hex.EncodeToString(e.Hash),
	}
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

// checkedAtOnce is how many entries one request checks.
const checkedAtOnce = 20_000

// checkAudit goes on with a check of the log's chain, from where the caller says that it has come to.
func (d *door) checkAudit(r *http.Request) (any, error) {
	var in AuditCheck
	if err := read(r, &in); err != nil {
		return nil, err
	}
	hash, err := hex.DecodeString(in.Hash)
	if err != nil || in.Entries < 0 {
		return nil, invalid("Hash", "it is not a hash in hexadecimal")
	}
	c, err := d.Store.CheckAudit(r.Context(), store.AuditCheck{Entries: in.Entries, Hash: hash}, checkedAtOnce)
	return AuditCheck{
		Entries: c.Entries, Hash: hex.EncodeToString(c.Hash), Total: c.Total, Done: c.Done, BrokenAt: c.BrokenAt, Reason: c.Reason,
	}, err
}
