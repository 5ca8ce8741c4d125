// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"
	"strconv"

	"postern/internal/mail"
	"postern/internal/store"
)

func (d *door) listPlans(r *http.Request) (any, error) {
	plans, err := d.Store.Plans(r.Context())
	out := make([]Plan, 0, len(plans))
	for _, p := range plans {
		out = append(out, planOf(p))
	}
	return out, err
}

func planOf(p store.Plan) Plan {
	return Plan{
		ID: p.ID, Name: p.Name, Subaccounts: p.Subaccounts, MonthMessages: p.MonthMessages, HourMessages: p.HourMessages, Users: p.Users,
		RetentionDays: p.RetentionDays, Accounts: p.Accounts, CreatedAt: p.CreatedAt,
	}
}

func (c *PlanChange) apply(p *store.Plan) {
	set(c.Name, &p.Name)
	set(c.Subaccounts, &p.Subaccounts)
	set(c.MonthMessages, &p.MonthMessages)
	set(c.HourMessages, &p.HourMessages)
	set(c.Users, &p.Users)
	set(c.RetentionDays, &p.RetentionDays)
}

func set[T any](from, to *T) {
	if from != nil {
		*to = *from
	}
}

func (d *door) createPlan(r *http.Request) (any, error) {
	var in PlanChange
	if err := read(r, &in); err != nil {
		return nil, err
	}
	return d.putPlan(r, store.Plan{}, in)
}

func (d *door) changePlan(r *http.Request) (any, error) {
	var in PlanChange
	if err := read(r, &in); err != nil {
		return nil, err
	}
	p, err := d.findPlan(r.Context(), r.PathValue("plan"))
	if err != nil {
		return nil, err
	}
	return d.putPlan(r, p, in)
}

func (d *door) putPlan(r *http.Request, p store.Plan, c PlanChange) (any, error) {
	c.apply(&p)
	p, err := d.Accounts.PutPlan(r.Context(), operator(), p)
	if err != nil {
		return nil, err
	}
	p, err = d.Store.Plan(r.Context(), p.ID)
	return planOf(p), err
}

func (d *door) removePlan(r *http.Request) (any, error) {
	p, err := d.findPlan(r.Context(), r.PathValue("plan"))
	if err != nil {
		return nil, err
	}
	return struct{}{}, d.Accounts.RemovePlan(r.Context(), operator(), p.ID)
}

func (d *door) assignPlan(r *http.Request) (any, error) {
	var in PlanOf
	if err := read(r, &in); err != nil {
		return nil, err
	}
	a, err := d.findAccount(r.Context(), r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	var p store.Plan
	if in.Plan != "" {
		if p, err = d.findPlan(r.Context(), in.Plan); err != nil {
			return nil, err
		}
	}
	if err := d.Accounts.AssignPlan(r.Context(), operator(), a.ID, p.ID); err != nil {
		return nil, err
	}
	return d.accountDetails(r, a.ID)
}

func (d *door) listRequests(r *http.Request) (any, error) {
	f := store.RequestFilter{State: store.RequestOpen}
	if yes(r, "all") {
		f.State = ""
	}
	return d.requests(r, store.OfOperator(), f)
}

// requests lists requests of a scope, the newest first.
func (d *door) requests(r *http.Request, scope store.Scope, f store.RequestFilter) ([]Request, error) {
	out := []Request{}
	for {
		list, total, err := d.Store.Requests(r.Context(), scope, f, store.Page{Limit: 1000, Offset: len(out)})
		for _, q := range list {
			out = append(out, requestOf(q))
		}
		if err != nil || len(list) == 0 || len(out) >= total {
			return out, err
		}
	}
}

func requestOf(q store.Request) Request {
	return Request{
		ID: q.ID, AccountID: q.AccountID, AccountName: q.AccountName, AskedBy: q.AskedBy, Email: q.Email, Kind: q.Kind, Wanted: q.Wanted,
		Reason: q.Reason, State: q.State, Answer: q.Answer, CreatedAt: q.CreatedAt, AnsweredAt: q.AnsweredAt,
	}
}

func (d *door) makeRequest(r *http.Request) (any, error) {
	var in NewRequest
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.Email != "" {
		if err := mail.CheckEmail(in.Email); err != nil {
			return nil, invalid("Email", "%v", err)
		}
	}
	a, err := d.findAccount(r.Context(), in.Account)
	if err != nil {
		return nil, err
	}
	q, err := d.Accounts.Ask(r.Context(), operator(), a.ID, in.Email, in.Kind, in.Wanted, in.Reason)
	return requestOf(q), err
}

func (d *door) grantRequest(r *http.Request) (any, error)   { return d.answerRequest(r, true) }
func (d *door) declineRequest(r *http.Request) (any, error) { return d.answerRequest(r, false) }

func (d *door) answerRequest(r *http.Request, grant bool) (any, error) {
	var in RequestAnswer
	if err := read(r, &in); err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, misused("ID", "%q is not the number of a request", r.PathValue("id"))
	}
	q, err := d.Accounts.Answer(r.Context(), operator(), id, grant, in.Limit, in.Words)
	if err != nil && errorOf(err).Status == http.StatusNotFound {
		err = notFound("ID", "there is no request %d", id)
	}
	return requestOf(q), err
}
