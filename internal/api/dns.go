// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strings"
	"time"

	"postern/internal/domain"
	"postern/internal/store"
)

// domainRow is a domain with the records that it publishes, on the wire.
type domainRow struct {
	DKIMRecordName           string
	DKIMRecordValue          string
	DKIMStatus               string
	Domain                   string
	ID                       int64
	IsCheckInProgress        bool
	LastCheckAt              string
	OwnerShipToken           string
	OwnerShipTokenRecordName string
	SPFRecordValue           string
	SPFStatus                string
}

// recordStatuses are those of Mailjet.
func recordStatus(status string) string {
	return map[string]string{store.RecordUnchecked: "Not checked", store.RecordOK: "OK", store.RecordError: "Error"}[status]
}

func wireDomain(d domain.Domain) domainRow {
	return domainRow{
		DKIMRecordName: d.DKIM.Name + ".", DKIMRecordValue: d.DKIM.Value, DKIMStatus: recordStatus(d.DKIM.Status),
		Domain: d.Domain.Domain, ID: d.ID, IsCheckInProgress: d.Busy, LastCheckAt: timestamp(d.CheckedAt),
		OwnerShipToken: d.Token, OwnerShipTokenRecordName: d.Records.Ownership.Name + ".",
		SPFRecordValue: d.SPF.Value, SPFStatus: recordStatus(d.SPF.Status),
	}
}

// spfStatuses are the numbers of the filter SPFStatus.
var spfStatuses = map[string]string{
	"0": store.RecordUnchecked, "1": store.RecordOK, "2": store.RecordError,
	"not checked": store.RecordUnchecked, "ok": store.RecordOK, "error": store.RecordError,
}

func (a *api) listDomains(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID", "Domain", "LastCheckAt")
	if err != nil {
		return reply{}, err
	}
	f := store.DomainFilter{KeyID: c.who.KeyID, Domain: strings.ToLower(q["domain"]), Sort: l.sort, Now: time.Now()}
	if f.Busy, err = q.choice("ischeckinprogress", "IsCheckInProgress"); err != nil {
		return reply{}, err
	}
	if f.Proved, err = q.choice("issenderidentified", "IsSenderIdentified"); err != nil {
		return reply{}, err
	}
	if f.CheckedBefore, err = q.time("maxlastcheckat", "MaxLastCheckAt"); err != nil {
		return reply{}, err
	}
	if f.CheckedAfter, err = q.time("minlastcheckat", "MinLastCheckAt"); err != nil {
		return reply{}, err
	}
	if v, given := q["spfstatus"]; given {
		status, known := spfStatuses[strings.ToLower(v)]
		if !known {
			return reply{}, badRequest("SPFStatus: it is one of 0 (Not checked), 1 (OK) and 2 (Error).")
		}
		f.SPF = &status
	}
	list, total, err := a.Domains.List(c.Context(), c.own(), c.who.AccountID, f, l.Page)
	if err != nil {
		return reply{}, err
	}
	if l.countOnly {
		return rows[domainRow](nil, total), nil
	}
	out := make([]domainRow, 0, len(list))
	for _, d := range list {
		out = append(out, wireDomain(d))
	}
	return rows(out, total), nil
}

// domainNamed reads the domain that the path names by its ID or name.
func (a *api) domainNamed(c *call) (domain.Domain, error) {
	return a.Domains.Named(c.Context(), c.own(), c.who.AccountID, c.who.KeyID, c.PathValue("id"))
}

func (a *api) getDomain(c *call) (reply, error) {
	d, err := a.domainNamed(c)
	if err != nil {
		return reply{}, err
	}
	return one(wireDomain(d)), nil
}

// domainCheck is what was seen of a domain's records just now.
type domainCheck struct {
	DKIMErrors              []string
	DKIMRecordCurrentValue  string
	DKIMStatus              string
	SPFErrors               []string
	SPFRecordCurrentValue   string // of one record; the Go SDK reads it
	SPFRecordsCurrentValues []string
	SPFStatus               string
}

func (a *api) checkDomain(c *call) (reply, error) {
	named, err := a.domainNamed(c)
	if err != nil {
		return reply{}, err
	}
	d, err := a.Domains.Check(c.Context(), c.actor(), c.own(), named.ID)
	if err != nil {
		return reply{}, err
	}
	out := domainCheck{
		DKIMErrors: append([]string{}, d.DKIM.Errors...), DKIMRecordCurrentValue: strings.Join(d.DKIM.Current, "\n"),
		DKIMStatus: recordStatus(d.DKIM.Status),
		SPFErrors:  append([]string{}, d.SPF.Errors...), SPFRecordsCurrentValues: append([]string{}, d.SPF.Current...),
		SPFStatus: recordStatus(d.SPF.Status),
	}
	if len(d.SPF.Current) > 0 {
		out.SPFRecordCurrentValue = d.SPF.Current[0]
	}
	return one(out), nil
}
