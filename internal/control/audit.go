// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"postern/internal/auditlog"
	"postern/internal/store"
)

// listAudit lists entries, the newest first; with Above, those after that number, the oldest first: to read all.
func (o *operator) listAudit(ctx context.Context, in AuditQuery) ([]auditlog.Entry, error) {
	f := store.AuditFilter{Search: in.Search, Action: in.Action, From: in.From, To: in.To}
	scope := store.OfOperator()
	if in.Account != "" {
		a, err := o.findAccount(ctx, in.Account)
		if err != nil {
			return nil, err
		}
		scope = store.OfAccount(a.ID)
	}
	limit, err := listed(in.Limit, maxListed)
	if err != nil {
		return nil, err
	}
	if in.Above != nil {
		f.Above = *in.Above
	}
	list, err := o.AuditLog.Entries(ctx, scope, f, store.Page{Limit: limit, Desc: in.Above == nil})
	return list, misuse(err)
}

// checkAudit goes on with a check of the log's chain, from where the caller says that it has come to.
func (o *operator) checkAudit(ctx context.Context, in auditlog.Check) (auditlog.Check, error) {
	return o.AuditLog.Continue(ctx, in)
}
