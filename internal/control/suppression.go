// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"io"
	"net/http"

	"postern/internal/store"
	"postern/internal/suppress"
)

func suppressionOf(x store.Suppression, k store.Key) Suppression {
	return Suppression{ID: x.ID, Email: x.Email, Reason: x.Reason.String(), Note: x.Note, MessageID: x.MessageID, APIKey: k.APIKey, KeyName: k.Name, CreatedAt: x.CreatedAt}
}

func (d *door) listSuppressions(r *http.Request) (any, error) {
	q := r.URL.Query()
	key, err := d.findKey(r.Context(), q.Get("key"))
	if err != nil {
		return nil, err
	}
	f := store.SuppressionFilter{Search: q.Get("search")}
	if v := q.Get("reason"); v != "" {
		if f.Reason = store.ParseSuppressionReason(v); f.Reason == 0 {
			return nil, misused("Reason", "%q is none of hard_bounce, complaint, unsubscribe and manual", v)
		}
	}
	limit, err := listed(r, maxListed)
	if err != nil {
		return nil, err
	}
	scope := store.OfKey(key.AccountID, key.ID)
	var counts store.SuppressionCounts
	all := q.Has("above") // a walk through the whole list, which needs no count
	if !all {
		if counts, err = d.Store.CountSuppressions(r.Context(), scope, f); err != nil {
			return nil, err
		}
	}
	if f.Above, err = number(r, "above"); err != nil {
		return nil, err
	}
	list, err := d.Store.Suppressions(r.Context(), scope, f, store.Page{Limit: limit, Desc: !all})
	if err != nil {
		return nil, err
	}
	out := Suppressions{Total: counts.Total(), List: make([]Suppression, 0, len(list))}
	for _, x := range list {
		out.List = append(out.List, suppressionOf(x, key))
	}
	return out, nil
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
	made, err := d.Suppress.Add(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, entries)
	if err != nil {
		return nil, err
	}
	out := make([]Suppression, 0, len(made))
	for _, x := range made {
		out = append(out, suppressionOf(x, key))
	}
	return out, nil
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
	x, err := d.Store.Suppression(r.Context(), store.OfKey(key.AccountID, key.ID), store.SuppressionFilter{Email: in.Email})
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Email", "%s is not on the suppression list of the key", in.Email)
	}
	if err != nil {
		return nil, err
	}
	if x, err = d.Suppress.Remove(r.Context(), operator(), store.OfOperator(), x.ID); err != nil {
		return nil, err
	}
	return suppressionOf(x, key), nil
}

// importSuppressions takes a CSV file as the request's body.
func (d *door) importSuppressions(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.URL.Query().Get("key"))
	if err != nil {
		return nil, err
	}
	got, err := d.Suppress.Import(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, r.Body, r.URL.Query().Get("reason"), nil)
	if err != nil {
		return nil, err
	}
	out := SuppressionImport{Rows: got.Rows, Added: got.Added, Known: got.Known, Refused: got.Refused}
	for _, p := range got.Problems {
		out.Problems = append(out.Problems, SuppressionProblem(p))
	}
	return out, nil
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
	done, err := d.Suppress.Complain(r.Context(), scope, suppress.Complaint{Report: raw, Source: r.URL.Query().Get("source")})
	if err != nil {
		return nil, err
	}
	keys, err := d.Store.KeysByID(r.Context(), store.OfOperator(), []int64{done.Message.KeyID})
	if err != nil {
		return nil, err
	}
	return Complaint{
		Recorded: done.Recorded, Type: done.Type, MessageID: done.Message.ID, UUID: done.Message.UUID.String(), Email: done.Message.Recipient,
		KeyName: keys[done.Message.KeyID].Name,
	}, nil
}
