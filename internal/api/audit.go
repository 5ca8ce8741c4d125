// SPDX-License-Identifier: Apache-2.0

package api

import (
	"postern/internal/auditlog"
	"postern/internal/store"
)

// auditEntry is an entry of the audit log on the wire.
type auditEntry struct {
	Action    string
	Actor     string
	CreatedAt string
	Detail    string
	Hash      string
	ID        int64
	Origin    string
	Target    string
}

func wireEntry(e auditlog.Entry) auditEntry {
	return auditEntry{
		Action: e.Action, Actor: e.Actor, CreatedAt: timestamp(e.At), Detail: e.Detail, Hash: e.Hash, ID: e.ID,
		Origin: e.Origin, Target: e.Target,
	}
}

// listAudit lists the account's entries of the audit log, newest first unless it is asked for otherwise.
func (a *api) listAudit(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	if l.sort == "" {
		l.Desc = true
	}
	f := store.AuditFilter{Search: q["search"], Actor: q["actor"], Target: q["target"], Action: q["action"]}
	if f.ID, err = q.id("id", "ID"); err != nil {
		return reply{}, err
	}
	if f.From, err = q.time("fromts", "FromTS"); err != nil {
		return reply{}, err
	}
	if f.To, err = q.time("tots", "ToTS"); err != nil {
		return reply{}, err
	}
	total, err := a.AuditLog.Count(c.Context(), c.managed(), f)
	if err != nil || l.countOnly {
		return rows[auditEntry](nil, total), filterFault(err)
	}
	list, err := a.AuditLog.Entries(c.Context(), c.managed(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	var out []auditEntry
	for _, e := range list {
		out = append(out, wireEntry(e))
	}
	return rows(out, total), nil
}
