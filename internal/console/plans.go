// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strings"

	"postern/internal/change"
	"postern/internal/store"
)

// plansBody is the operator's list of plans.
type plansBody struct {
	operatorBody
	Rows []planRow
}

// planRow is a plan with its limits in words.
type planRow struct {
	store.Plan
	SubaccountsText, MonthText, HourText, UsersText, RetentionText string
}

func planRowOf(p store.Plan) planRow {
	row := planRow{p, limitOr(p.Subaccounts), limitOr(p.MonthMessages), limitOr(p.HourMessages), limitOr(p.Users), "for good"}
	if p.RetentionDays > 0 {
		row.RetentionText = count(p.RetentionDays, "day")
	}
	return row
}

// limitOr is a limit as a number, or that there is none.
func limitOr(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return number(int(n))
}

func (c *console) showPlans(v *visit) error {
	frame, err := c.operator(v, "plans")
	if err != nil {
		return err
	}
	list, err := c.Store.Plans(v.r.Context())
	if err != nil {
		return err
	}
	b := plansBody{operatorBody: frame}
	for _, p := range list {
		b.Rows = append(b.Rows, planRowOf(p))
	}
	return c.show(v, http.StatusOK, "operator-plans", "Plans", "operator", b)
}

// planBody is the form of a plan: Kind is new, plan or remove.
type planBody struct {
	Kind                                        string
	Plan                                        planRow
	Name                                        string
	Subaccounts, Month, Hour, People, Retention string
	Problem                                     problem
}

// planField is a limit of the form.
type planField struct {
	Name, Property, Label, Help, Value string
	Problem                            string
}

// Fields are the limits that the form asks for.
func (b planBody) Fields() []planField {
	fields := []planField{
		{"subaccounts", "Subaccounts", "Subaccounts", "", b.Subaccounts, ""},
		{"month", "MonthMessages", "Messages a month", "The calendar month, by UTC.", b.Month, ""},
		{"hour", "HourMessages", "Messages an hour", "", b.Hour, ""},
		{"people", "Users", "People", "Open invitations count.", b.People, ""},
		{"retention", "RetentionDays", "Days that finished messages are kept", "Empty: for good.", b.Retention, ""},
	}
	for i := range fields {
		if b.Problem.At(fields[i].Property) {
			fields[i].Problem = b.Problem.Text
		}
	}
	return fields
}

func (c *console) showNewPlan(v *visit) error {
	return c.planForm(v, http.StatusOK, planBody{Kind: "new"})
}

func (c *console) planForm(v *visit, status int, b planBody) error {
	title := map[string]string{"new": "New plan", "plan": "Plan " + b.Plan.Name, "remove": "Remove the plan " + b.Plan.Name}[b.Kind]
	return c.show(v, status, "plan-form", title, "operator", b)
}

// planOfAddress reads the plan that the address names.
func (c *console) planOfAddress(v *visit) (store.Plan, error) {
	p, err := c.Store.Plan(v.r.Context(), numberOf(v))
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("There is no such plan. It may be removed by now.")
	}
	return p, err
}

func (c *console) showPlan(kind string) func(*visit) error {
	return func(v *visit) error {
		p, err := c.planOfAddress(v)
		if err != nil {
			return err
		}
		return c.planForm(v, http.StatusOK, planBody{
			Kind: kind, Plan: planRowOf(p), Name: p.Name, Subaccounts: plainLimit(p.Subaccounts), Month: plainLimit(p.MonthMessages),
			Hour: plainLimit(p.HourMessages), People: plainLimit(p.Users), Retention: plainLimit(int64(p.RetentionDays)),
		})
	}
}

// putPlan makes a plan, or changes the one that the address names.
func (c *console) putPlan(v *visit) error {
	b := planBody{Kind: "new"}
	if v.r.PathValue("id") != "" {
		p, err := c.planOfAddress(v)
		if err != nil {
			return err
		}
		b.Kind, b.Plan = "plan", planRowOf(p)
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	b.Name, b.Subaccounts, b.Month, b.Hour, b.People, b.Retention = strings.TrimSpace(f.Get("name")), f.Get("subaccounts"),
		f.Get("month"), f.Get("hour"), f.Get("people"), f.Get("retention")
	p := store.Plan{ID: b.Plan.ID, Name: b.Name}
	var days int64
	for _, x := range []struct {
		property, text string
		to             *int64
	}{
		{"Subaccounts", b.Subaccounts, &p.Subaccounts},
		{"MonthMessages", b.Month, &p.MonthMessages},
		{"HourMessages", b.Hour, &p.HourMessages},
		{"Users", b.People, &p.Users},
		{"RetentionDays", b.Retention, &days},
	} {
		n, ok := formNumber(x.text)
		if !ok {
			b.Problem = problem{x.property, notANumber}
			return c.planForm(v, http.StatusUnprocessableEntity, b)
		}
		*x.to = n
	}
	p.RetentionDays = int(days)
	_, err := c.Accounts.PutPlan(v.r.Context(), operatorActor(v), p)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Name", "Subaccounts", "MonthMessages", "HourMessages", "Users", "RetentionDays")
		return c.planForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/operator/plans?done=saved")
}

func (c *console) removePlan(v *visit) error {
	p, err := c.planOfAddress(v)
	if err != nil {
		return err
	}
	err = c.Accounts.RemovePlan(v.r.Context(), operatorActor(v), p.ID)
	if e := userError(err); e != nil {
		return c.planForm(v, http.StatusUnprocessableEntity, planBody{Kind: "remove", Plan: planRowOf(p), Problem: problemOf(e)})
	}
	if err != nil {
		return err
	}
	return v.redirect("/operator/plans?done=removed")
}

// operatorsBody lists who sees the operator's pages.
type operatorsBody struct {
	operatorBody
	Rows []operatorRow
}

type operatorRow struct {
	store.User
	You bool
}

func (c *console) showOperators(v *visit) error {
	frame, err := c.operator(v, "operators")
	if err != nil {
		return err
	}
	b := operatorsBody{operatorBody: frame}
	if b.Rows, err = c.operators(v); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "operator-operators", "Operators", "operator", b)
}

func (c *console) operators(v *visit) ([]operatorRow, error) {
	list, err := c.Store.Operators(v.r.Context())
	var out []operatorRow
	for _, u := range list {
		out = append(out, operatorRow{u, u.ID == v.user.ID})
	}
	return out, err
}

// operatorFormBody is a form about an operator: Kind is make or unmake.
type operatorFormBody struct {
	Kind    string
	User    operatorRow
	Last    bool // there is no other
	Email   string
	Problem problem
}

func (c *console) operatorForm(v *visit, status int, b operatorFormBody) error {
	title := map[string]string{"make": "Add an operator", "unmake": "Remove an operator"}[b.Kind]
	return c.show(v, status, "operator-form", title, "operator", b)
}

func (c *console) showNewOperator(v *visit) error {
	return c.operatorForm(v, http.StatusOK, operatorFormBody{Kind: "make"})
}

func (c *console) makeOperator(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := operatorFormBody{Kind: "make", Email: clean(v.r.PostForm.Get("email"))}
	err := c.People.SetOperator(v.r.Context(), operatorActor(v), b.Email, true)
	var e *change.Error
	if errors.As(err, &e) {
		if b.Problem = problemOf(e, "Email"); e.Kind == change.NotFound {
			b.Problem = problem{"Email", "There is no user with this address. Who is to be an operator has to be invited to an " +
				"account first."}
		}
		return c.operatorForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/operator/operators?done=made")
}

// operatorOf reads the operator that the address names.
func (c *console) operatorOf(v *visit) (operatorFormBody, error) {
	list, err := c.operators(v)
	if err != nil {
		return operatorFormBody{}, err
	}
	for _, u := range list {
		if u.ID == numberOf(v) {
			return operatorFormBody{Kind: "unmake", User: u, Last: len(list) == 1}, nil
		}
	}
	return operatorFormBody{}, notFound("There is no such operator.")
}

func (c *console) showUnmakeOperator(v *visit) error {
	b, err := c.operatorOf(v)
	if err != nil {
		return err
	}
	return c.operatorForm(v, http.StatusOK, b)
}

// unmakeOperator leaves one operator at least: who is the last gives the pages to somebody else first.
func (c *console) unmakeOperator(v *visit) error {
	b, err := c.operatorOf(v)
	if err != nil {
		return err
	}
	if b.Last {
		b.Problem = problem{"", "Nobody would be left to operate this server. Add another operator first."}
		return c.operatorForm(v, http.StatusUnprocessableEntity, b)
	}
	if err := c.People.SetOperator(v.r.Context(), operatorActor(v), b.User.Email, false); err != nil {
		return err
	}
	if b.User.You {
		return v.redirect("/keys")
	}
	return v.redirect("/operator/operators?done=unmade")
}
