// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"postern/internal/accounts"
	"postern/internal/mail"
	"postern/internal/store"
)

// plan is what an account may have, and how much of it is used. A limit of 0 is none.
type plan struct {
	HourMessages      int64
	HourMessagesUsed  int64
	MonthMessages     int64
	MonthMessagesUsed int64
	Name              string // "": no plan
	RetentionDays     int    // that finished messages are kept; 0: for good
	Subaccounts       int64
	SubaccountsUsed   int64
	Users             int64
	UsersUsed         int64 // open invitations included
}

func (a *api) getPlan(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("Name")
	if err != nil {
		return reply{}, err
	}
	may, err := a.Accounts.Allowance(c.Context(), c.who.AccountID)
	if err != nil {
		return reply{}, err
	}
	out := plan{
		HourMessages: may.Hour, MonthMessages: may.Month, Name: may.Plan, RetentionDays: may.RetentionDays, Subaccounts: may.Subaccounts,
		Users: may.Users,
	}
	if err := a.used(c.Context(), c.managed(), &out); err != nil {
		return reply{}, err
	}
	return pageOf(l, []plan{out}), nil
}

// used counts what an account uses of its plan.
func (a *api) used(ctx context.Context, scope store.Scope, out *plan) error {
	no := false
	_, n, err := a.Store.Keys(ctx, scope, store.KeyFilter{Master: &no}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	out.SubaccountsUsed = int64(n)
	if out.UsersUsed, err = a.Store.CountPeople(ctx, scope.AccountID()); err != nil {
		return err
	}
	now := time.Now().UTC()
	month, hour := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), now.Truncate(time.Hour)
	uses, err := a.Store.AccountUse(ctx, scope.AccountID(), month)
	for _, u := range uses {
		if u.Hour.Before(month.AddDate(0, 1, 0)) { // what waits may leave in the next
			out.MonthMessagesUsed += u.Messages
		}
		if u.Hour.Equal(hour) {
			out.HourMessagesUsed += u.Messages
		}
	}
	return err
}

// subaccountRequest asks the operator for more than the plan gives.
type subaccountRequest struct {
	Answer     string
	AnsweredAt string
	AskedBy    string
	CreatedAt  string
	Email      string
	ID         int64
	Kind       string
	Reason     string
	State      string
	Wanted     int64
}

func wireRequest(q store.Request) subaccountRequest {
	return subaccountRequest{
		Answer: q.Answer, AnsweredAt: timestamp(q.AnsweredAt), AskedBy: q.AskedBy, CreatedAt: timestamp(q.CreatedAt), Email: q.Email,
		ID:   q.ID,
		Kind: q.Kind, Reason: q.Reason, State: q.State, Wanted: q.Wanted,
	}
}

// listRequests lists the account's requests, newest first.
func (a *api) listRequests(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing()
	if err != nil {
		return reply{}, err
	}
	f := store.RequestFilter{State: strings.ToLower(q["state"]), Kind: strings.ToLower(q["kind"])}
	switch f.State {
	case "", store.RequestOpen, store.RequestGranted, store.RequestDeclined:
	default:
		return reply{}, badRequest(fmt.Sprintf("State: %q is none of open, granted and declined.", cut(q["state"])))
	}
	if f.Kind != "" && accounts.RequestWords(f.Kind) == "" {
		return reply{}, badRequest(fmt.Sprintf("Kind: %q is none of subaccounts, month, hour and users.", cut(q["kind"])))
	}
	if f.ID, err = q.id("id", "ID"); err != nil {
		return reply{}, err
	}
	list, total, err := a.Store.Requests(c.Context(), c.managed(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	if l.countOnly {
		list = nil
	}
	var out []subaccountRequest
	for _, x := range list {
		out = append(out, wireRequest(x))
	}
	return rows(out, total), nil
}

func (a *api) getRequest(c *call) (reply, error) {
	id, err := c.pathID()
	if err != nil {
		return reply{}, err
	}
	list, _, err := a.Store.Requests(c.Context(), c.managed(), store.RequestFilter{ID: id}, store.Page{Limit: 1})
	if err != nil {
		return reply{}, err
	}
	if len(list) == 0 {
		return reply{}, notFound()
	}
	return one(wireRequest(list[0])), nil
}

func (a *api) createRequest(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	kind, _, err := body.firstText("Kind")
	if err != nil {
		return reply{}, err
	}
	if kind == "" {
		kind = "subaccounts"
	}
	wanted, err := body.whole("Wanted")
	if err != nil {
		return reply{}, err
	}
	if wanted == nil {
		return reply{}, badRequest("Property Wanted: the new limit is needed, a whole number.")
	}
	reason, _, err := body.firstText("Reason")
	if err != nil {
		return reply{}, err
	}
	email, _, err := body.firstText("Email")
	if err != nil {
		return reply{}, err
	}
	if email = strings.TrimSpace(email); email != "" {
		if err := mail.CheckEmail(email); err != nil {
			return reply{}, badRequest(fmt.Sprintf("Property Email: %v.", err))
		}
		email = mail.Canonical(email)
	}
	q, err := a.Accounts.Ask(c.Context(), c.actor(), c.who.AccountID, email, strings.ToLower(kind), *wanted, reason)
	if err != nil {
		return reply{}, err
	}
	r := one(wireRequest(q))
	r.status = http.StatusCreated
	return r, nil
}
