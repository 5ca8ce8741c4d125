// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"io"

	"postern/internal/store"
	"postern/internal/suppress"
)

func (o *operator) listSuppressions(ctx context.Context, in SuppressionQuery) (out Suppressions, err error) {
	key, err := o.findKey(ctx, in.Key)
	if err != nil {
		return out, err
	}
	f := suppress.Filter{Search: in.Search, Reason: in.Reason}
	limit, err := listed(in.Limit, maxListed)
	if err != nil {
		return out, err
	}
	scope := store.OfKey(key.AccountID, key.ID)
	if in.Above != nil { // a walk through the whole list, which needs no count
		f.Above = *in.Above
	} else if out.Total, err = o.Suppress.Count(ctx, scope, f); err != nil {
		return out, misuse(err)
	}
	out.List, err = o.Suppress.Entries(ctx, scope, f, store.Page{Limit: limit, Desc: in.Above == nil})
	return out, misuse(err)
}

func (o *operator) addSuppressions(ctx context.Context, in NewSuppressions) ([]suppress.Suppression, error) {
	key, err := o.findKey(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	entries := make([]suppress.Entry, len(in.Emails))
	for i, email := range in.Emails {
		entries[i] = suppress.Entry{Email: email, Reason: in.Reason, Note: in.Note}
	}
	return o.Suppress.Add(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, entries)
}

func (o *operator) removeSuppression(ctx context.Context, which, email string) (suppress.Suppression, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return suppress.Suppression{}, err
	}
	return o.Suppress.Remove(ctx, actor(), store.OfKey(key.AccountID, key.ID), email)
}

func (o *operator) importSuppressions(ctx context.Context, which, reason string, file io.Reader) (suppress.Report, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return suppress.Report{}, err
	}
	return o.Suppress.Import(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, file, reason, nil)
}

func (o *operator) reportComplaint(ctx context.Context, which, source string, report io.Reader) (suppress.Complained, error) {
	raw, err := io.ReadAll(io.LimitReader(report, suppress.MaxReport+1))
	switch {
	case err != nil:
		return suppress.Complained{}, invalid("Report", "it cannot be read: %v", err)
	case len(raw) > suppress.MaxReport:
		return suppress.Complained{}, invalid("Report", "it has more than %d bytes", suppress.MaxReport)
	}
	scope := store.OfOperator()
	if which != "" {
		key, err := o.findKey(ctx, which)
		if err != nil {
			return suppress.Complained{}, err
		}
		scope = store.OfKey(key.AccountID, key.ID)
	}
	return o.Suppress.Complain(ctx, scope, suppress.Complaint{Report: raw, Source: source})
}
