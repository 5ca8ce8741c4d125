// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/notice"
	"postern/internal/store"
)

// Allowance is what an account may have: its plan's, and what the operator granted beyond it. 0 is no limit.
type Allowance struct {
	Plan          string // "" none
	Subaccounts   int64
	Month, Hour   int64 // messages
	Users         int64
	RetentionDays int
}

// AllowanceOf puts an account's plan and its grants together.
func AllowanceOf(a store.Account, p store.Plan) Allowance {
	out := Allowance{
		Plan: p.Name, Subaccounts: p.Subaccounts, Month: p.MonthMessages, Hour: p.HourMessages, Users: p.Users,
		RetentionDays: p.RetentionDays,
	}
	for _, x := range []struct {
		to   *int64
		more *int64
	}{{&out.Subaccounts, a.MaxSubaccounts}, {&out.Month, a.MaxMonth}, {&out.Hour, a.MaxHour}, {&out.Users, a.MaxUsers}} {
		if x.more != nil {
			*x.to = *x.more
		}
	}
	return out
}

// Allowance reads what an account may have.
func (k *Accounts) Allowance(ctx context.Context, accountID int64) (Allowance, error) {
	a, err := k.store.Account(ctx, accountID)
	if err != nil {
		return Allowance{}, err
	}
	if a.PlanID == 0 {
		return AllowanceOf(a, store.Plan{}), nil
	}
	p, err := k.store.Plan(ctx, a.PlanID)
	return AllowanceOf(a, p), err
}

// AllowanceTx reads it inside a transaction.
func (k *Accounts) AllowanceTx(ctx context.Context, tx *store.Tx, accountID int64) (Allowance, error) {
	a, err := tx.Account(ctx, accountID)
	if err != nil || a.PlanID == 0 {
		return AllowanceOf(a, store.Plan{}), err
	}
	p, err := tx.Plan(ctx, a.PlanID)
	return AllowanceOf(a, p), err
}

// RoomForSubaccount says no when the account's plan allows no further subaccount.
func (k *Accounts) RoomForSubaccount(ctx context.Context, tx *store.Tx, accountID int64) error {
	may, err := k.AllowanceTx(ctx, tx, accountID)
	if err != nil || may.Subaccounts == 0 {
		return err
	}
	n, err := tx.CountSubaccounts(ctx, accountID)
	if err != nil || n < may.Subaccounts {
		return err
	}
	return NoRoom(may, n)
}

// NoRoom says what to do when the plan allows no further subaccount.
func NoRoom(may Allowance, n int64) error {
	return &change.Error{Kind: change.LimitReached, Field: "Subaccounts", Reason: fmt.Sprintf("the plan%s allows %d subaccounts, "+
		"and the account has %d: ask the operator for more, on the Account page or by POST /v3/REST/subaccountrequest, or delete one",
		planText(may), may.Subaccounts, n)}
}

// RoomForPerson says no when the account's plan allows no further person.
func (k *Accounts) RoomForPerson(ctx context.Context, tx *store.Tx, accountID int64) error {
	may, err := k.AllowanceTx(ctx, tx, accountID)
	if err != nil || may.Users == 0 {
		return err
	}
	if err := tx.LockAccount(ctx, accountID); err != nil {
		return err
	}
	n, err := tx.CountPeople(ctx, accountID)
	if err != nil || n < may.Users {
		return err
	}
	return &change.Error{Kind: change.LimitReached, Field: "Users", Reason: fmt.Sprintf("the plan%s allows %d people, and the "+
		"account has %d, open invitations included: ask the operator for more on the Account page, or remove one", planText(may),
		may.Users, n)}
}

func planText(a Allowance) string {
	if a.Plan == "" {
		return ""
	}
	return " " + a.Plan
}

// checkPlan says what is wrong with a plan.
func checkPlan(p *store.Plan) error {
	var err error
	if p.Name, err = access.CleanName(p.Name); err != nil {
		return change.Wrong("Name", err)
	}
	for _, x := range []struct {
		field string
		n     int64
	}{
		{"Subaccounts", p.Subaccounts},
		{"MonthMessages", p.MonthMessages},
		{"HourMessages", p.HourMessages},
		{"Users", p.Users},
		{"RetentionDays", int64(p.RetentionDays)},
	} {
		if x.n < 0 || x.n > MaxLimit || x.field == "RetentionDays" && x.n > credential.MaxPolicyDays {
			return change.Wrong(x.field, errors.New("must be 0 (no limit) or a positive number of a sensible size"))
		}
	}
	return nil
}

func planDetail(p store.Plan) string {
	return fmt.Sprintf("subaccounts %s; messages a month %s, an hour %s; users %s; retention %s", LimitText(p.Subaccounts),
		LimitText(p.MonthMessages), LimitText(p.HourMessages), LimitText(p.Users), LimitText(int64(p.RetentionDays)))
}

// PutPlan makes a plan (ID 0) or changes one; accounts that have it are bound by it at once. Errors: *change.Error on a field.
func (k *Accounts) PutPlan(ctx context.Context, by change.Actor, p store.Plan) (store.Plan, error) {
	if err := checkPlan(&p); err != nil {
		return p, err
	}
	action := "plan.change"
	err := k.update(ctx, "plan", func(tx *store.Tx) error {
		var err error
		if p.ID == 0 {
			action = "plan.create"
			p.ID, err = tx.AddPlan(ctx, p)
		} else {
			err = tx.ChangePlan(ctx, p)
		}
		if errors.Is(err, store.ErrExists) {
			return change.Conflicting("Name", fmt.Sprintf("there is a plan named %q already", p.Name))
		}
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(0, action, "plan "+p.Name, planDetail(p)))
	})
	k.changed(0)
	return p, err
}

// RemovePlan removes a plan that no account has.
func (k *Accounts) RemovePlan(ctx context.Context, by change.Actor, id int64) error {
	return k.update(ctx, "plan", func(tx *store.Tx) error {
		p, err := tx.Plan(ctx, id)
		if err != nil {
			return err
		}
		if p.Accounts > 0 {
			return change.Conflicting("ID", fmt.Sprintf("%d accounts have the plan %s: give them another first", p.Accounts, p.Name))
		}
		if err := tx.RemovePlan(ctx, id); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(0, "plan.remove", "plan "+p.Name, planDetail(p)))
	})
}

// AssignPlan gives an account a plan (0: none). What was granted beyond an earlier plan is void.
func (k *Accounts) AssignPlan(ctx context.Context, by change.Actor, accountID, planID int64) error {
	err := k.update(ctx, "account or plan", func(tx *store.Tx) error {
		a, err := tx.Account(ctx, accountID)
		if err != nil {
			return err
		}
		name := func(id int64) (string, error) {
			if id == 0 {
				return "none", nil
			}
			p, err := tx.Plan(ctx, id)
			return p.Name, err
		}
		from, err := name(a.PlanID)
		if err != nil {
			return err
		}
		to, err := name(planID)
		if err != nil {
			return err
		}
		a.PlanID, a.MaxSubaccounts, a.MaxMonth, a.MaxHour, a.MaxUsers = planID, nil, nil, nil, nil
		if err := tx.ChangeAccount(ctx, a); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "account.plan", "account "+a.Name, "plan: "+from+" → "+to))
	})
	k.changed(0)
	return err
}

// AccountChange is what to change of an account; nil leaves a property as it is.
type AccountChange struct {
	Name        *string
	SecretDays  *int  // the rotation policy
	RemindDays  *int  //
	StopOverdue *bool //
	DayLimit    *int64

	SecondFactor *bool // everybody who may do something in the account must have one

	TrackOpens, TrackClicks *bool   // where a mail does not say
	Unsubscribe             *string // which mail gets a List-Unsubscribe field: never, campaigns, all
}

// ChangeAccount changes an account's name, rotation policy, the daily limit of keys that have none of their own, and
// what its mail tells of its recipients. It costs the same whatever the number of keys. When it has returned, overdue
// secrets are refused where the policy says so. Errors: *change.Error on the property.
func (k *Accounts) ChangeAccount(ctx context.Context, by change.Actor, accountID int64, c AccountChange) (store.Account, error) {
	limits := false
	out, err := k.changeInGate(ctx, accountID, func(ctx context.Context, tx *store.Tx, a store.Account) (store.Account, error) {
		var log change.Log
		was := a
		if err := c.apply(&a, &log); err != nil || log.Text == "" {
			return a, err
		}
		limits = a.DayLimit != was.DayLimit || a.Tracking != was.Tracking
		if err := tx.ChangeAccount(ctx, a); err != nil {
			return a, err
		}
		return a, tx.AddAudit(ctx, by.Entry(accountID, "account.change", "account "+a.Name, log.Text))
	})
	if limits {
		k.changed(0)
	}
	return out, err
}

func (c *AccountChange) apply(a *store.Account, log *change.Log) error {
	if c.Name != nil && *c.Name != a.Name { // one that was taken stays good
		name, err := access.CleanName(*c.Name)
		if err != nil {
			return change.Wrong("Name", err)
		}
		log.Note("name", a.Name, name)
		a.Name = name
	}
	was := PolicyOf(*a)
	if c.SecretDays != nil {
		a.SecretDays = *c.SecretDays
	}
	if c.RemindDays != nil {
		a.RemindDays = *c.RemindDays
	}
	if c.StopOverdue != nil {
		a.StopOverdue = *c.StopOverdue
	}
	is := PolicyOf(*a)
	if property, err := is.Check(); err != nil && is != was {
		return change.Wrong(property, err)
	}
	log.Note("secret keys are due after", fmt.Sprintf("%d days", was.Days), fmt.Sprintf("%d days", is.Days))
	log.Note("reminders begin", fmt.Sprintf("%d days before", was.RemindDays), fmt.Sprintf("%d days before", is.RemindDays))
	say := map[bool]string{false: "go on working", true: "stop working"}
	log.Note("overdue secret keys", say[was.Stop], say[is.Stop])
	if c.SecondFactor != nil {
		say := map[bool]string{false: "optional", true: "required"}
		log.Note("second factor", say[a.SecondFactor], say[*c.SecondFactor])
		a.SecondFactor = *c.SecondFactor
	}
	if c.DayLimit != nil {
		if *c.DayLimit < 0 || *c.DayLimit > MaxLimit {
			return change.Wrong("DayLimit", fmt.Errorf("must be 0 (no limit) to %d messages", int64(MaxLimit)))
		}
		log.Note("messages a day of each key", LimitText(a.DayLimit), LimitText(*c.DayLimit))
		a.DayLimit = *c.DayLimit
	}
	return c.track(&a.Tracking, log)
}

// requestKinds are what can be asked for more of, and how it is called.
func requestKinds() map[string]string {
	return map[string]string{"subaccounts": "subaccounts", "month": "messages a month", "hour": "messages an hour", "users": "people"}
}

// RequestWords says what a kind of request asks for more of.
func RequestWords(kind string) string { return requestKinds()[kind] }

// limitOf is the allowance's limit of a kind, and the account's own place for a grant of it.
func limitOf(a *store.Account, may Allowance, kind string) (limit int64, more **int64) {
	switch kind {
	case "subaccounts":
		return may.Subaccounts, &a.MaxSubaccounts
	case "month":
		return may.Month, &a.MaxMonth
	case "hour":
		return may.Hour, &a.MaxHour
	}
	return may.Users, &a.MaxUsers
}

// Ask asks the operator for more than the account's plan gives: wanted is the new limit. The operators are told by
// mail. email is where the answer goes, "" for the account's owners. Errors: *change.Error on Kind, Wanted or Reason.
func (k *Accounts) Ask(ctx context.Context, by change.Actor, accountID int64, email, kind string, wanted int64,
	reason string,
) (store.Request, error) {
	reason = strings.TrimSpace(reason)
	switch {
	case requestKinds()[kind] == "":
		return store.Request{},
			change.Wrong("Kind", fmt.Errorf("%q cannot be asked for: there are subaccounts, month, hour and users", access.Short(kind)))
	case reason == "" || len(reason) > 2000:
		return store.Request{}, change.Wrong("Reason", errors.New("a reason of up to 2000 bytes is needed: the operator reads it"))
	}
	var out store.Request
	err := k.update(ctx, "account", func(tx *store.Tx) error {
		a, err := tx.Account(ctx, accountID)
		if err != nil {
			return err
		}
		may, err := k.AllowanceTx(ctx, tx, accountID)
		if err != nil {
			return err
		}
		if limit, _ := limitOf(&a, may, kind); limit == 0 {
			return change.Conflicting("Kind", "there is no limit of "+requestKinds()[kind]+" on this account")
		} else if wanted <= limit || wanted > MaxLimit {
			return change.Wrong("Wanted", fmt.Errorf("must be more than the %d that there are", limit))
		}
		if n, err := tx.CountOpenRequests(ctx, accountID, kind); err != nil || n > 0 {
			return change.Or(err, change.Conflicting("Kind", "a request for more "+requestKinds()[kind]+" is open already: the "+
				"operator answers it by mail"))
		}
		id, err := tx.AddRequest(ctx,
			store.Request{AccountID: accountID, AskedBy: by.String(), Email: email, Kind: kind, Wanted: wanted, Reason: reason})
		if err != nil {
			return err
		}
		if out, err = tx.Request(ctx, id); err != nil {
			return err
		}
		n := notice.Notice{
			Kind: notice.RequestMade, AccountName: a.Name, By: by.String(), What: requestKinds()[kind], Wanted: wanted, Reason: reason,
			Link: fmt.Sprintf("/operator/requests/%d", id),
		}
		if err := k.notices.AddAsked(ctx, tx, accountID, 0, n); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(accountID, "request.make", fmt.Sprintf("request %d", id),
			fmt.Sprintf("%s: %d; reason: %s", requestKinds()[kind], wanted, reason)))
	})
	return out, err
}

// Answer grants an open request, which raises the account's limit to what was wanted, or to limit when that is not 0;
// or declines it, with a reason. Who asked is told by mail. Errors: *change.Error on ID, Limit or Reason.
func (k *Accounts) Answer(ctx context.Context, by change.Actor, id int64, grant bool, limit int64, words string) (store.Request, error) {
	words = strings.TrimSpace(words)
	if !grant && words == "" || len(words) > 2000 {
		return store.Request{}, change.Wrong("Reason", errors.New("a reason of up to 2000 bytes is needed: who asked is told it"))
	}
	var out store.Request
	err := k.update(ctx, "request", func(tx *store.Tx) error {
		q, err := tx.Request(ctx, id)
		if err != nil {
			return err
		}
		if q.State != store.RequestOpen {
			return change.Conflicting("ID", "the request is "+q.State+" already")
		}
		state, kind, detail := store.RequestDeclined, notice.RequestDeclined, "reason: "+words
		if grant {
			state, kind = store.RequestGranted, notice.RequestGranted
			if detail, err = k.raise(ctx, tx, q, &limit); err != nil {
				return err
			}
		}
		if err := tx.AnswerRequest(ctx, id, state, words); err != nil {
			return err
		}
		n := notice.Notice{
			Kind: kind, AccountName: q.AccountName, What: requestKinds()[q.Kind], Wanted: q.Wanted, Reason: words, Link: "/account",
		}
		if grant {
			n.Wanted = limit
		}
		if q.Email != "" {
			n.To = []string{q.Email}
		}
		if err := k.notices.Add(ctx, tx, q.AccountID, n); err != nil {
			return err
		}
		if out, err = tx.Request(ctx, id); err != nil {
			return err
		}
		action := map[bool]string{true: "request.grant", false: "request.decline"}[grant]
		return tx.AddAudit(ctx, by.Entry(q.AccountID, action, fmt.Sprintf("request %d", id), detail))
	})
	k.changed(0)
	return out, err
}

// raise gives the account of a request its new limit.
func (k *Accounts) raise(ctx context.Context, tx *store.Tx, q store.Request, limit *int64) (detail string, err error) {
	a, err := tx.Account(ctx, q.AccountID)
	if err != nil {
		return "", err
	}
	may, err := k.AllowanceTx(ctx, tx, q.AccountID)
	if err != nil {
		return "", err
	}
	was, more := limitOf(&a, may, q.Kind)
	if *limit == 0 {
		*limit = q.Wanted
	}
	if *limit <= was || *limit > MaxLimit {
		return "", change.Wrong("Limit", fmt.Errorf("must be more than the %d that there are", was))
	}
	*more = limit
	return fmt.Sprintf("%s: %d → %d", requestKinds()[q.Kind], was, *limit), tx.ChangeAccount(ctx, a)
}
