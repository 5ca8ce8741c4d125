// SPDX-License-Identifier: Apache-2.0

package control

import (
	"io"
	"net/http"

	"postern/internal/store"
	"postern/internal/suppress"
)

func (d *door) listSuppressions(r *http.Request) (any, error) {
	q := r.URL.Query()
	key, err := d.findKey(r.Context(), q.Get("key"))
	if err != nil {
		return nil, err
	}
	f := suppress.Filter{Search: q.Get("search"), Reason: q.Get("reason")}
	limit, err := listed(r, maxListed)
	if err != nil {
		return nil, err
	}
	scope := store.OfKey(key.AccountID, key.ID)
	var out Suppressions
	all := q.Has("above") // a walk through the whole list, which needs no count
	if !all {
		if out.Total, err = d.Suppress.Count(r.Context(), scope, f); err != nil {
			return nil, misuse(err)
		}
	}
	if f.Above, err = number(r, "above"); err != nil {
		return nil, err
	}
	out.List, err = d.Suppress.Entries(r.Context(), scope, f, store.Page{Limit: limit, Desc: !all})
	return out, misuse(err)
}

func (d *door) addSuppressions(r *http.Request) (any, error) {
	var in NewSuppressions
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), in.Key)
	if err != nil {
		return nil, err
	}
	entries := make([]suppress.Entry, len(in.Emails))
	for i, email := range in.Emails {
		entries[i] = suppress.Entry{Email: email, Reason: in.Reason, Note: in.Note}
	}
	return d.Suppress.Add(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, entries)
}

func (d *door) removeSuppression(r *http.Request) (any, error) {
	var in SuppressionOf
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), in.Key)
	if err != nil {
		return nil, err
	}
	return d.Suppress.Remove(r.Context(), operator(), store.OfKey(key.AccountID, key.ID), in.Email)
}

// importSuppressions takes a CSV file as the request's body.
func (d *door) importSuppressions(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.URL.Query().Get("key"))
	if err != nil {
		return nil, err
	}
	reason := r.URL.Query().Get("reason")
	return d.Suppress.Import(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, r.Body, reason, nil)
}

// reportComplaint takes a mailbox provider's report of a complaint as the request's body.
func (d *door) reportComplaint(r *http.Request) (any, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalid("Report", "it cannot be read: %v", err)
	}
	scope := store.OfOperator()
	if which := r.URL.Query().Get("key"); which != "" {
		key, err := d.findKey(r.Context(), which)
		if err != nil {
			return nil, err
		}
		scope = store.OfKey(key.AccountID, key.ID)
	}
	return d.Suppress.Complain(r.Context(), scope, suppress.Complaint{Report: raw, Source: r.URL.Query().Get("source")})
}
