// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
)

func (o *operator) listPlans(ctx context.Context) ([]Plan, error) {
	plans, err := o.Store.Plans(ctx)
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

func (o *operator) createPlan(ctx context.Context, in PlanChange) (Plan, error) {
	return o.putPlan(ctx, store.Plan{}, in)
}

func (o *operator) changePlan(ctx context.Context, plan string, in PlanChange) (Plan, error) {
	p, err := o.findPlan(ctx, plan)
	if err != nil {
		return Plan{}, err
	}
	return o.putPlan(ctx, p, in)
}

func (o *operator) putPlan(ctx context.Context, p store.Plan, c PlanChange) (Plan, error) {
	c.apply(&p)
	p, err := o.Accounts.PutPlan(ctx, actor(), p)
	if err != nil {
		return Plan{}, err
	}
	p, err = o.Store.Plan(ctx, p.ID)
	return planOf(p), err
}

func (o *operator) removePlan(ctx context.Context, plan string) error {
	p, err := o.findPlan(ctx, plan)
	if err != nil {
		return err
	}
	return o.Accounts.RemovePlan(ctx, actor(), p.ID)
}

func (o *operator) assignPlan(ctx context.Context, account, plan string) (AccountDetails, error) {
	a, err := o.findAccount(ctx, account)
	if err != nil {
		return AccountDetails{}, err
	}
	var p store.Plan
	if plan != "" {
		if p, err = o.findPlan(ctx, plan); err != nil {
			return AccountDetails{}, err
		}
	}
	if err := o.Accounts.AssignPlan(ctx, actor(), a.ID, p.ID); err != nil {
		return AccountDetails{}, err
	}
	return o.accountDetails(ctx, a.ID)
}

func (o *operator) listRequests(ctx context.Context, all bool) ([]Request, error) {
	f := store.RequestFilter{State: store.RequestOpen}
	if all {
		f.State = ""
	}
	return o.requests(ctx, store.OfOperator(), f)
}

// requests lists requests of a scope, the newest first.
func (o *operator) requests(ctx context.Context, scope store.Scope, f store.RequestFilter) ([]Request, error) {
	out := []Request{}
	for {
		list, total, err := o.Store.Requests(ctx, scope, f, store.Page{Limit: 1000, Offset: len(out)})
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

func (o *operator) makeRequest(ctx context.Context, in NewRequest) (Request, error) {
	if in.Email != "" {
		if err := mail.CheckEmail(in.Email); err != nil {
			return Request{}, invalid("Email", "%v", err)
		}
	}
	a, err := o.findAccount(ctx, in.Account)
	if err != nil {
		return Request{}, err
	}
	q, err := o.Accounts.Ask(ctx, actor(), a.ID, in.Email, in.Kind, in.Wanted, in.Reason)
	return requestOf(q), err
}

func (o *operator) grantRequest(ctx context.Context, id, limit int64, note string) (Request, error) {
	return o.answerRequest(ctx, id, true, limit, note)
}

func (o *operator) declineRequest(ctx context.Context, id int64, reason string) (Request, error) {
	return o.answerRequest(ctx, id, false, 0, reason)
}

func (o *operator) answerRequest(ctx context.Context, id int64, grant bool, limit int64, words string) (Request, error) {
	q, err := o.Accounts.Answer(ctx, actor(), id, grant, limit, words)
	if failureOf(err).Kind == change.NotFound {
		err = notFound("ID", "there is no request %d", id)
	}
	return requestOf(q), err
}
