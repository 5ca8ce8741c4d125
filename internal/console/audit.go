// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"postern/internal/auditlog"
	"postern/internal/change"
	"postern/internal/store"
)

const auditAPage = 50

// auditPages says which log pages show: the account's, or, for the operator, all accounts'.
type auditPages struct {
	path     string
	operator bool
}

var (
	accountLog = auditPages{path: "/audit"}
	wholeLog   = auditPages{path: "/operator/audit", operator: true}
)

func (l auditPages) scope(v *visit) store.Scope {
	if l.operator {
		return store.OfOperator()
	}
	return v.scope
}

// auditBody is the audit log.
type auditBody struct {
	operatorBody
	Path     string
	Operator bool // all accounts'
	Rows     []auditlog.Entry
	Query    string
	Group    string
	Groups   []auditlog.Group
	From, To string // dates
	Problem  string
	Filtered bool
	Newer    string
	Older    string
	CSV      string
	JSON     string
}

// auditFilter reads what to filter by. Dates are days of UTC; both are included.
func auditFilter(q url.Values) (b auditBody, f store.AuditFilter) {
	b = auditBody{
		Query: clean(q.Get("q")), Group: q.Get("action"), Groups: auditlog.Groups(),
		From: strings.TrimSpace(q.Get("from")), To: strings.TrimSpace(q.Get("to")),
	}
	if !slices.ContainsFunc(b.Groups, func(g auditlog.Group) bool { return g.Prefix == b.Group }) {
		b.Group = ""
	}
	f = store.AuditFilter{Search: b.Query, Action: b.Group}
	f.From, f.To, b.Problem = dates{From: b.From, To: b.To}.times()
	b.Filtered = b.Query != "" || b.Group != "" || b.From != "" || b.To != ""
	return b, f
}

// at is an address of the log with what it is filtered by.
func (b *auditBody) at(suffix string, more ...string) string {
	return pageAddress(b.Path+suffix, map[string]string{"q": b.Query, "action": b.Group, "from": b.From, "to": b.To}, more...)
}

func (c *console) showAudit(log auditPages) func(*visit) error {
	return func(v *visit) error {
		b, f := auditFilter(v.r.URL.Query())
		b.Path, b.Operator = log.path, log.operator
		section := "audit"
		if log.operator {
			var err error
			section = "operator"
			if b.operatorBody, err = c.operator(v, "audit"); err != nil {
				return err
			}
		}
		b.CSV, b.JSON = b.at(".csv"), b.at(".json")
		if b.Problem != "" {
			return c.show(v, http.StatusUnprocessableEntity, "audit", "Audit log", section, b)
		}
		if err := c.pageOfAudit(v, log, f, &b); err != nil {
			return err
		}
		return c.show(v, http.StatusOK, "audit", "Audit log", section, b)
	}
}

// pageOfAudit reads a page, newest first, and sets the links to its neighbours.
func (c *console) pageOfAudit(v *visit, log auditPages, f store.AuditFilter, b *auditBody) error {
	n := neighboursOf(v)
	f.Below, f.Above = n.below, n.above
	list, err := c.AuditLog.Entries(v.r.Context(), log.scope(v), f, n.page(auditAPage))
	if err != nil {
		return err
	}
	at := func(name, id string) string { return b.at("", name, id) }
	b.Rows, b.Newer, b.Older = around(n, auditAPage, list, func(e auditlog.Entry) int64 { return e.ID }, at)
	return c.AuditLog.Name(v.r.Context(), log.scope(v), b.Rows)
}

// exportAudit answers with all entries that match, newest first, as they are read. An error on the way breaks the answer
// off, so that nobody takes a part for the whole.
func (c *console) exportAudit(log auditPages, as auditlog.Format, contentType string) func(*visit) error {
	return func(v *visit) error {
		b, f := auditFilter(v.r.URL.Query())
		if b.Problem != "" {
			return &statusError{http.StatusUnprocessableEntity, "This cannot be exported", b.Problem}
		}
		begun := false
		begin := func() io.Writer {
			begun = true
			v.w.Header().Set("Content-Type", contentType)
			v.w.Header().Set("Content-Disposition", disposition("audit-log."+string(as)))
			return v.w
		}
		err := c.AuditLog.Export(v.r.Context(), begin, log.scope(v), f, as)
		if err != nil && begun {
			return c.brokenOff(v.r.Context(), err)
		}
		return err
	}
}

// brokenOff ends an answer that has begun: the connection is closed before its end.
func (c *console) brokenOff(ctx context.Context, err error) error {
	c.Log.WarnContext(ctx, "an export of the audit log was broken off", "error", err)
	panic(http.ErrAbortHandler)
}

// auditCheckBody is what a check of the whole log has found.
type auditCheckBody struct {
	operatorBody
	Path     string
	Operator bool
	Check    auditlog.Check
}

// verifyAudit checks the whole log, of all accounts, since its entries are one chain.
func (c *console) verifyAudit(log auditPages) func(*visit) error {
	return func(v *visit) error {
		check, err := c.AuditLog.Verify(v.r.Context())
		var mistake *change.Error
		if errors.As(err, &mistake) {
			return &statusError{
				http.StatusTooManyRequests, "A check is under way already", sentence(mistake.Reason) + " Try again in a minute.",
			}
		}
		if err != nil {
			return err
		}
		b := auditCheckBody{Path: log.path, Operator: log.operator, Check: check}
		section := "audit"
		if log.operator {
			section = "operator"
			if b.operatorBody, err = c.operator(v, "audit"); err != nil {
				return err
			}
		}
		return c.show(v, http.StatusOK, "audit-check", "Check of the audit log", section, b)
	}
}
