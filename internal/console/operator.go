// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"postern/internal/change"
	"postern/internal/store"
)

const (
	accountsAPage = 50
	ownersShown   = 20
)

// operatorBody is what the operator's pages share.
type operatorBody struct {
	Tab  string // "accounts", "requests", "plans", "operators", "audit"
	Open int    // requests that wait for an answer
	Done string
}

// operator is the frame of an operator's page.
func (c *console) operator(v *visit, tab string) (operatorBody, error) {
	_, open, err := c.Store.Requests(v.r.Context(), store.OfOperator(), store.RequestFilter{State: store.RequestOpen}, store.Page{Limit: 1})
	return operatorBody{Tab: tab, Open: open, Done: operatorWords(v.r.URL.Query().Get("done"))}, err
}

// operatorWords says what a form of the operator has done, by the word in the page's address.
func operatorWords(what string) string {
	return map[string]string{
		"plan":      "The account has its new plan.",
		"suspended": "Suspended. The owners are told the reason by mail.",
		"restored":  "Restored: it is again as it was before. The owners are told by mail.",
		"granted":   "Granted. Who asked is told by mail.",
		"declined":  "Declined. Who asked is told by mail.",
		"saved":     "The plan is saved. It binds the accounts that have it from now on.",
		"removed":   "The plan is removed.",
		"made":      "This person is an operator now.",
		"unmade":    "This person is not an operator any more.",
	}[what]
}

// operatorActor is an operator as the audit log names him.
func operatorActor(v *visit) change.Actor {
	return change.Actor{Kind: change.Operator, ID: v.user.ID, Name: v.user.Email, Origin: v.actor.Origin}
}

// accountsBody is the operator's list of accounts.
type accountsBody struct {
	operatorBody
	Rows  []store.AccountOverview
	Query string
	Pages pager
}

func (c *console) showAccounts(v *visit) error {
	frame, err := c.operator(v, "accounts")
	if err != nil {
		return err
	}
	q, n := clean(v.r.URL.Query().Get("q")), pageNumber(v.r)
	list, total, err := c.Store.AccountOverviews(v.r.Context(), q, c.Now(),
		store.Page{Limit: accountsAPage, Offset: (n - 1) * accountsAPage})
	if err != nil {
		return err
	}
	if len(list) == 0 && n > 1 {
		return v.redirect("/operator")
	}
	b := accountsBody{operatorBody: frame, Rows: list, Query: q, Pages: numbered("/operator", url.Values{"q": {q}}, n, accountsAPage,
		len(list), total)}
	return c.show(v, http.StatusOK, "operator-accounts", "Accounts", "operator", b)
}

// operatedBody is one account as the operator sees it.
type operatedBody struct {
	operatorBody
	Account     store.Account
	People      []personRow
	PeopleTotal int
	Plan        planView
	Granted     bool // beyond the plan
	Requests    []requestRow
	Keys        []keyRow
	KeysTotal   int
	Query       string
	Pages       pager
}

// accountOf reads the account that the address names. Postern's own is nobody's.
func (c *console) accountOf(v *visit) (store.Account, error) {
	a, err := c.Store.Account(v.r.Context(), numberOf(v))
	if errors.Is(err, store.ErrNotFound) || err == nil && a.System {
		return a, notFound("There is no such account.")
	}
	return a, err
}

func (c *console) showOperated(v *visit) error {
	ctx := v.r.Context()
	frame, err := c.operator(v, "accounts")
	if err != nil {
		return err
	}
	a, err := c.accountOf(v)
	if err != nil {
		return err
	}
	b := operatedBody{operatorBody: frame, Account: a, Query: clean(v.r.URL.Query().Get("q"))}
	b.Granted = a.MaxSubaccounts != nil || a.MaxMonth != nil || a.MaxHour != nil || a.MaxUsers != nil
	if b.Plan, err = c.planOf(ctx, a); err != nil {
		return err
	}
	list, err := c.Store.Accesses(ctx, store.OfAccount(a.ID), store.AccessFilter{})
	if err != nil {
		return err
	}
	people := peopleOf(list, v.user.ID)
	b.PeopleTotal, b.People = len(people), people[:min(len(people), ownersShown)]
	requests, _, err := c.Store.Requests(ctx, store.OfAccount(a.ID), store.RequestFilter{}, store.Page{Limit: 10})
	if err != nil {
		return err
	}
	b.Requests = requestRows(requests)
	if err := c.operatedKeys(v, &b); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "operator-account", a.Name+" · Accounts", "operator", b)
}

func (c *console) operatedKeys(v *visit, b *operatedBody) error {
	ctx, scope, n := v.r.Context(), store.OfAccount(b.Account.ID), pageNumber(v.r)
	keys, total, err := c.Keys.Keys(ctx, scope, store.KeyFilter{Search: b.Query, Sort: "IsMaster"},
		store.Page{Limit: keysAPage, Offset: (n - 1) * keysAPage, Desc: true})
	if err != nil {
		return err
	}
	for _, k := range keys {
		b.Keys = append(b.Keys, c.keyRow(v, k))
	}
	b.KeysTotal = total
	path := "/operator/accounts/" + strconv.FormatInt(b.Account.ID, 10)
	b.Pages = numbered(path, url.Values{"q": {b.Query}}, n, keysAPage, len(keys), total)
	return nil
}

// operateBody is a form about one account: Kind is plan, suspend or restore.
type operateBody struct {
	Kind    string
	Account store.Account
	Plans   []store.Plan
	PlanID  int64
	Granted bool
	Keys    int // that the form touches
	Own     int // keys that are suspended for themselves
	Reason  string
	Problem problem
}

func (c *console) showOperate(kind string) func(*visit) error {
	return func(v *visit) error {
		a, err := c.accountOf(v)
		if err != nil {
			return err
		}
		return c.operateForm(v, http.StatusOK, operateBody{Kind: kind, Account: a, PlanID: a.PlanID})
	}
}

func (c *console) operateForm(v *visit, status int, b operateBody) error {
	ctx, a := v.r.Context(), b.Account
	b.Granted = a.MaxSubaccounts != nil || a.MaxMonth != nil || a.MaxHour != nil || a.MaxUsers != nil
	var err error
	if b.Plans, err = c.Store.Plans(ctx); err != nil {
		return err
	}
	all, own, err := c.Store.CountSuspended(ctx, a.ID)
	if err != nil {
		return err
	}
	b.Keys, b.Own = all-own, own
	title := map[string]string{"plan": "Plan", "suspend": "Suspend", "restore": "Restore"}[b.Kind]
	return c.show(v, status, "operate", title+" · "+a.Name, "operator", b)
}

// operatedPath is the page of an account.
func operatedPath(id int64, done string) string {
	return "/operator/accounts/" + strconv.FormatInt(id, 10) + "?done=" + done
}

func (c *console) assignPlan(v *visit) error {
	a, err := c.accountOf(v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := operateBody{Kind: "plan", Account: a}
	if b.PlanID, err = strconv.ParseInt(v.r.PostForm.Get("plan"), 10, 64); err != nil {
		b.Problem = problem{"Plan", "Choose a plan, or none."}
		return c.operateForm(v, http.StatusUnprocessableEntity, b)
	}
	err = c.Accounts.AssignPlan(v.r.Context(), operatorActor(v), a.ID, b.PlanID)
	var e *change.Error
	if errors.As(err, &e) {
		b.Problem = problem{"Plan", "There is no such plan any more."}
		return c.operateForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect(operatedPath(a.ID, "plan"))
}

func (c *console) suspendAccount(v *visit) error {
	a, err := c.accountOf(v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := operateBody{Kind: "suspend", Account: a, Reason: clean(v.r.PostForm.Get("reason"))}
	if b.Reason == "" {
		b.Problem = problem{"Reason", "Give a reason: the owners are told it."}
		return c.operateForm(v, http.StatusUnprocessableEntity, b)
	}
	_, err = c.Accounts.Suspend(v.r.Context(), operatorActor(v), a.ID, b.Reason)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Reason")
		return c.operateForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect(operatedPath(a.ID, "suspended"))
}

func (c *console) restoreAccount(v *visit) error {
	a, err := c.accountOf(v)
	if err != nil {
		return err
	}
	if _, err := c.Accounts.Restore(v.r.Context(), operatorActor(v), a.ID); err != nil {
		return err
	}
	return v.redirect(operatedPath(a.ID, "restored"))
}

// suspensionBody is a form about one key: Kind is suspend or restore.
type suspensionBody struct {
	Kind    string
	Key     store.Key
	Account store.Account
	Reason  string
	Problem problem
}

// operatedKey reads the key that the address names, of any account but Postern's own.
func (c *console) operatedKey(v *visit) (b suspensionBody, err error) {
	missing := notFound("There is no such key. It may be deleted by now.")
	id := numberOf(v)
	if id == 0 {
		return b, missing
	}
	b.Key, err = c.Store.Key(v.r.Context(), store.OfOperator(), store.KeyFilter{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return b, missing
	}
	if err != nil {
		return b, err
	}
	if b.Account, err = c.Store.Account(v.r.Context(), b.Key.AccountID); err == nil && b.Account.System {
		return b, missing
	}
	return b, err
}

func (c *console) showSuspension(kind string) func(*visit) error {
	return func(v *visit) error {
		b, err := c.operatedKey(v)
		if err != nil {
			return err
		}
		b.Kind = kind
		return c.suspensionForm(v, http.StatusOK, b)
	}
}

func (c *console) suspensionForm(v *visit, status int, b suspensionBody) error {
	title := map[string]string{"suspend": "Suspend", "restore": "Restore"}[b.Kind]
	return c.show(v, status, "suspension", title+" · "+b.Key.Name, "operator", b)
}

func (c *console) suspendKey(v *visit) error {
	b, err := c.operatedKey(v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	b.Kind, b.Reason = "suspend", clean(v.r.PostForm.Get("reason"))
	if b.Reason == "" {
		b.Problem = problem{"Reason", "Give a reason: the owners are told it."}
		return c.suspensionForm(v, http.StatusUnprocessableEntity, b)
	}
	_, err = c.Keys.Suspend(v.r.Context(), operatorActor(v), store.KeyFilter{ID: b.Key.ID}, b.Reason)
	return c.suspended(v, b, err, "suspended")
}

func (c *console) restoreKey(v *visit) error {
	b, err := c.operatedKey(v)
	if err != nil {
		return err
	}
	b.Kind = "restore"
	_, err = c.Keys.Restore(v.r.Context(), operatorActor(v), store.KeyFilter{ID: b.Key.ID})
	return c.suspended(v, b, err, "restored")
}

func (c *console) suspended(v *visit, b suspensionBody, err error, done string) error {
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Reason")
		return c.suspensionForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect(operatedPath(b.Account.ID, done))
}

// requestsBody is the operator's list of requests.
type requestsBody struct {
	operatorBody
	Rows  []requestRow
	All   bool // the answered ones too
	Pages pager
}

func (c *console) showRequests(v *visit) error {
	frame, err := c.operator(v, "requests")
	if err != nil {
		return err
	}
	b := requestsBody{operatorBody: frame, All: v.r.URL.Query().Get("show") == "all"}
	f, q := store.RequestFilter{State: store.RequestOpen}, url.Values{}
	if b.All {
		f.State = ""
		q.Set("show", "all")
	}
	n := pageNumber(v.r)
	list, total, err := c.Store.Requests(v.r.Context(), store.OfOperator(), f,
		store.Page{Limit: accountsAPage, Offset: (n - 1) * accountsAPage})
	if err != nil {
		return err
	}
	if len(list) == 0 && n > 1 {
		return v.redirect("/operator/requests?" + q.Encode())
	}
	b.Rows, b.Pages = requestRows(list), numbered("/operator/requests", q, n, accountsAPage, len(list), total)
	return c.show(v, http.StatusOK, "operator-requests", "Requests", "operator", b)
}

// requestBody is one request with the form that answers it.
type requestBody struct {
	operatorBody
	Request requestRow
	Now     limitRow // what the account has and uses
	Plan    string
	Limit   string
	Words   string
	Problem problem
}

// requestOf reads the request that the address names.
func (c *console) requestOf(v *visit) (requestBody, error) {
	var b requestBody
	var err error
	if b.operatorBody, err = c.operator(v, "requests"); err != nil {
		return b, err
	}
	missing := notFound("There is no such request.")
	id := numberOf(v)
	if id == 0 {
		return b, missing
	}
	list, _, err := c.Store.Requests(v.r.Context(), store.OfOperator(), store.RequestFilter{ID: id}, store.Page{Limit: 1})
	if err != nil {
		return b, err
	}
	if len(list) == 0 {
		return b, missing
	}
	b.Request, b.Limit = requestRows(list)[0], strconv.FormatInt(list[0].Wanted, 10)
	a, err := c.Store.Account(v.r.Context(), list[0].AccountID)
	if err != nil {
		return b, err
	}
	plan, err := c.planOf(v.r.Context(), a)
	for _, l := range plan.Limits {
		if l.Kind == list[0].Kind {
			b.Now = l
		}
	}
	b.Plan = plan.Name
	return b, err
}

func (c *console) showRequest(v *visit) error {
	b, err := c.requestOf(v)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "operator-request", "Request of "+b.Request.AccountName, "operator", b)
}

func (c *console) answerRequest(v *visit) error {
	b, err := c.requestOf(v)
	if err != nil {
		return err
	}
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	b.Limit, b.Words = strings.TrimSpace(f.Get("limit")), clean(f.Get("words"))
	again := func(p problem) error {
		b.Problem = p
		return c.show(v, http.StatusUnprocessableEntity, "operator-request", "Request of "+b.Request.AccountName, "operator", b)
	}
	grant := f.Get("answer") == "grant"
	limit, ok := formNumber(b.Limit)
	switch {
	case !grant && f.Get("answer") != "decline":
		return again(problem{"", "Grant or decline."})
	case grant && (!ok || limit == 0):
		return again(problem{"Limit", "Give the new limit."})
	case !grant && b.Words == "":
		return again(problem{"Reason", "Give a reason: who asked is told it."})
	}
	_, err = c.Accounts.Answer(v.r.Context(), operatorActor(v), b.Request.ID, grant, limit, b.Words)
	if e := userError(err); e != nil {
		return again(problemOf(e, "Limit", "Reason"))
	}
	if err != nil {
		return err
	}
	return v.redirect("/operator/requests?done=" + map[bool]string{true: "granted", false: "declined"}[grant])
}
