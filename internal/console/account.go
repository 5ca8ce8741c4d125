// SPDX-License-Identifier: Apache-2.0

package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/store"
)

// peopleAPage is how many people stand on a page.
const peopleAPage = 50

// accountBody is the Account page.
type accountBody struct {
	Account     store.Account
	Done        string // what was done just now, "" nothing
	People      []personRow
	PeopleTotal int
	Query       string
	Pages       pager
	Invitations []invitationRow
	Plan        planView
	Requests    []requestRow
	Policy      policyView
	DayLimit    string
	Webhook     accountWebhook
}

// personRow is somebody with access, and what he has.
type personRow struct {
	UserID       int64
	Email, Name  string
	You          bool
	LastSignInAt time.Time
	Grants       []store.Access
}

// invitationRow is an invitation that is open, or ended not long ago without an answer.
type invitationRow struct {
	store.Invitation
	Open  bool
	By    string
	Keys  []string
	Again string // address of the form that invites once more
}

// planView is what an account may have, and what it uses of it.
type planView struct {
	Name          string
	RetentionDays int
	Limits        []limitRow
}

// limitRow is one limit as a bar.
type limitRow struct {
	Kind, Name string // "month", "Messages this month"
	Used, Of   string // Of is "" without a limit
	Percent    int
	Level      string // "ok", "wait", "bad"
	Limited    bool
	Asked      bool // a request for more is open
}

// policyView is the rotation policy, and what it means now.
type policyView struct {
	Days, RemindDays, FirstDay int
	Stop                       bool
	Overdue                    int // keys that work with a secret that is overdue
}

// doneWords says what a form has done, by the word in the page's address.
func doneWords(what string) string {
	return map[string]string{
		"invited":   "The invitation is on its way by mail.",
		"withdrawn": "The invitation is withdrawn: its link does not work any more.",
		"role":      "The role is changed.",
		"removed":   "The access is removed. What was open ends with the next click.",
		"renamed":   "The account has its new name.",
		"policy":    "The rotation policy is changed.",
		"limit":     "The daily limit is changed.",
		"factor":    "The setting is changed.",
		"tracking":  "What mail tells of its recipients is changed. It holds for mail from now on.",
		"tested":    "A test is on its way. What comes of it stands at the webhook in a moment.",
		"unhooked":  "The webhook is removed.",
		"asked":     "The operator has your request. The answer comes by mail, and stands here.",
	}[what]
}

func (c *console) showAccount(v *visit) error {
	ctx := v.r.Context()
	b := accountBody{
		Account: v.account, Done: doneWords(v.r.URL.Query().Get("done")), Query: clean(v.r.URL.Query().Get("q")),
		DayLimit: limitWords(v.account.DayLimit, "messages a day"), Webhook: c.accountWebhook(v),
	}
	if err := c.people(v, &b); err != nil {
		return err
	}
	if len(b.People) == 0 && b.Pages.Prev != "" {
		return v.redirect("/account")
	}
	var err error
	if b.Invitations, err = c.invitations(ctx, v); err != nil {
		return err
	}
	requests, _, err := c.Store.Requests(ctx, v.scope, store.RequestFilter{}, store.Page{Limit: 20, Desc: true})
	if err != nil {
		return err
	}
	b.Requests = requestRows(requests)
	if b.Plan, err = c.planOf(ctx, v.account); err != nil {
		return err
	}
	if b.Policy, err = c.policyOf(ctx, v.account, v.account.SecretDays); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "account", "Account", "account", b)
}

// people fills in a page of the people of the account.
func (c *console) people(v *visit, b *accountBody) error {
	list, err := c.Store.Accesses(v.r.Context(), v.scope, store.AccessFilter{})
	if err != nil {
		return err
	}
	all := peopleOf(list, v.user.ID)
	b.PeopleTotal = len(all)
	if q := strings.ToLower(b.Query); q != "" {
		all = slices.DeleteFunc(all, func(p personRow) bool {
			return !strings.Contains(p.Email, q) && !strings.Contains(strings.ToLower(p.Name), q) &&
				!slices.ContainsFunc(p.Grants, func(x store.Access) bool { return strings.Contains(strings.ToLower(x.KeyName), q) })
		})
	}
	n := pageNumber(v.r)
	from := min(len(all), (n-1)*peopleAPage)
	b.People = all[from:min(len(all), from+peopleAPage)]
	b.Pages = numbered("/account", url.Values{"q": {b.Query}}, n, peopleAPage, len(b.People), len(all))
	return nil
}

// peopleOf puts accesses together by person: owners of the account first, then by address.
func peopleOf(list []store.Access, self int64) []personRow {
	var out []personRow
	for _, x := range list {
		if n := len(out); n == 0 || out[n-1].UserID != x.UserID {
			out = append(out, personRow{
				UserID: x.UserID, Email: x.Email, Name: x.UserName, You: x.UserID == self, LastSignInAt: x.LastSignInAt,
			})
		}
		out[len(out)-1].Grants = append(out[len(out)-1].Grants, x)
	}
	rank := func(p personRow) int {
		if x := p.Grants[0]; x.KeyID == 0 {
			return slices.Index(access.Roles(), x.Role)
		}
		return len(access.Roles())
	}
	slices.SortStableFunc(out, func(a, b personRow) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

// shownEnded is how long an invitation that nobody answered still stands on the page.
const shownEnded = 30 * 24 * time.Hour

func (c *console) invitations(ctx context.Context, v *visit) ([]invitationRow, error) {
	list, err := c.Store.Invitations(ctx, v.account.ID)
	if err != nil {
		return nil, err
	}
	var out []invitationRow
	var ids []int64
	for _, i := range list {
		if !i.WithdrawnAt.IsZero() || c.Now().Sub(i.ExpiresAt) > shownEnded {
			continue
		}
		row := invitationRow{Invitation: i, Open: i.Open(c.Now()), By: who(i.InvitedBy)}
		q := url.Values{"email": {i.Email}, "role": {i.Role}}
		if len(i.KeyIDs) > 0 {
			q.Set("on", onKeys)
		}
		for _, id := range i.KeyIDs {
			q.Add("key", strconv.FormatInt(id, 10))
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		row.Again = "/account/invite?" + q.Encode()
		out = append(out, row)
	}
	names, err := c.keyNames(ctx, v.scope, ids)
	for i := range out {
		out[i].Keys = namesOf(out[i].KeyIDs, names)
	}
	return out, err
}

// keyNames reads the names of keys of the scope.
func (c *console) keyNames(ctx context.Context, scope store.Scope, ids []int64) (map[int64]string, error) {
	keys, err := c.Store.KeysByID(ctx, scope, ids)
	names := make(map[int64]string, len(keys))
	for id, k := range keys {
		names[id] = k.Name
	}
	return names, err
}

func namesOf(ids []int64, names map[int64]string) []string {
	var out []string
	for _, id := range ids {
		if n := names[id]; n != "" {
			out = append(out, n)
		}
	}
	return out
}

// who is an actor for people: "user a@example.com" is a@example.com.
func who(actor string) string {
	if email, ok := strings.CutPrefix(actor, "user "); ok {
		return email
	}
	if key, ok := strings.CutPrefix(actor, "key "); ok {
		return "the API key " + key
	}
	return actor
}

// planOf says what an account may have and uses.
func (c *console) planOf(ctx context.Context, a store.Account) (planView, error) {
	may, err := c.Accounts.Allowance(ctx, a.ID)
	if err != nil {
		return planView{}, err
	}
	used, err := c.Store.AccountUsage(ctx, a.ID, c.Now())
	if err != nil {
		return planView{}, err
	}
	open, _, err := c.Store.Requests(ctx, store.OfAccount(a.ID), store.RequestFilter{State: store.RequestOpen}, store.Page{Limit: 10})
	if err != nil {
		return planView{}, err
	}
	p := planView{Name: may.Plan, RetentionDays: may.RetentionDays}
	for _, x := range []struct {
		kind, name string
		used, of   int64
	}{
		{"subaccounts", "Subaccounts", used.Subaccounts, may.Subaccounts},
		{"users", "People", used.People, may.Users},
		{"month", "Messages this month", used.Month, may.Month},
		{"hour", "Messages this hour", used.Hour, may.Hour},
	} {
		row := limitRow{Kind: x.kind, Name: x.name, Used: number(int(x.used)), Level: "ok"}
		if x.of > 0 {
			row.Limited, row.Of, row.Percent = true, number(int(x.of)), int(min(100, float64(x.used)/float64(x.of)*100))
		}
		switch {
		case x.of > 0 && x.used >= x.of:
			row.Level = "bad"
		case row.Percent >= 80:
			row.Level = "wait"
		}
		row.Asked = slices.ContainsFunc(open, func(q store.Request) bool { return q.Kind == x.kind })
		p.Limits = append(p.Limits, row)
	}
	return p, nil
}

// policyOf says what a policy of that many days means for the keys of an account now.
func (c *console) policyOf(ctx context.Context, a store.Account, days int) (policyView, error) {
	p := policyView{Days: days, RemindDays: a.RemindDays, FirstDay: days - a.RemindDays, Stop: a.StopOverdue}
	if days <= 0 || days > 100*365 {
		return p, nil
	}
	var err error
	_, p.Overdue, err = c.Store.Keys(ctx, store.OfAccount(a.ID),
		store.KeyFilter{Active: new(true), DueBefore: c.Now().AddDate(0, 0, -days)}, store.Page{Limit: 1})
	return p, err
}

// limitWords is a limit for people.
func limitWords(n int64, of string) string {
	if n == 0 {
		return "no limit"
	}
	return number(int(n)) + " " + of
}

// problem is what is wrong with one field of a form.
type problem struct{ Field, Text string }

// At says whether the problem is that field's.
func (p problem) At(field string) bool { return p.Field == field }

// problemOf is a mistake that the user can mend. One about a field that the form does not have stands above it.
func problemOf(e *change.Error, fields ...string) problem {
	if slices.Contains(fields, e.Field) {
		return problem{e.Field, sentence(e.Reason)}
	}
	return problem{"", sentence(e.Reason)}
}

// settingBody is a page with one form about the account: Kind is name, limit or policy.
type settingBody struct {
	Kind         string
	Name, Limit  string
	Days, Remind string
	Stop         bool
	Policy       policyView
	Confirm      bool // secrets would stop at once: it must be said that this is meant
	Problem      problem
}

func (c *console) showSetting(kind string) func(*visit) error {
	return func(v *visit) error {
		a := v.account
		b := settingBody{
			Kind: kind, Name: a.Name, Limit: plainLimit(a.DayLimit), Days: strconv.Itoa(a.SecretDays), Remind: strconv.Itoa(a.RemindDays),
			Stop: a.StopOverdue,
		}
		var err error
		if b.Policy, err = c.policyOf(v.r.Context(), a, a.SecretDays); err != nil {
			return err
		}
		return c.setting(v, http.StatusOK, b)
	}
}

func (c *console) setting(v *visit, status int, b settingBody) error {
	title := map[string]string{"name": "Rename the account", "limit": "Daily limit of keys", "policy": "Rotation policy"}[b.Kind]
	return c.show(v, status, "account-form", title, "account", b)
}

func (c *console) renameAccount(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	name := v.r.PostForm.Get("name")
	return c.changeAccount(v, settingBody{Kind: "name", Name: name}, accounts.AccountChange{Name: &name}, "renamed")
}

func (c *console) setDayLimit(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	b := settingBody{Kind: "limit", Limit: v.r.PostForm.Get("limit")}
	n, ok := formNumber(b.Limit)
	if !ok {
		b.Problem = problem{"DayLimit", notANumber}
		return c.setting(v, http.StatusUnprocessableEntity, b)
	}
	return c.changeAccount(v, b, accounts.AccountChange{DayLimit: &n}, "limit")
}

const notANumber = "This is not a whole number."

// formNumber reads a number as people write it: "10 000", "10,000" or "". The empty one is 0.
func formNumber(s string) (int64, bool) {
	s = strings.NewReplacer(" ", "", ",", "", "\u00a0", "", "\u202f", "", "'", "", "_", "").Replace(strings.TrimSpace(s))
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// plainLimit is a limit as a form has it: empty for none.
func plainLimit(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (c *console) setPolicy(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	b := settingBody{Kind: "policy", Days: f.Get("days"), Remind: f.Get("remind"), Stop: f.Get("stop") != ""}
	days, ok1 := formNumber(b.Days)
	remind, ok2 := formNumber(b.Remind)
	switch {
	case !ok1 || days > 1_000_000:
		b.Problem = problem{"SecretDays", notANumber}
	case !ok2 || remind > 1_000_000:
		b.Problem = problem{"RemindDays", notANumber}
	}
	if b.Problem != (problem{}) {
		return c.setting(v, http.StatusUnprocessableEntity, b)
	}
	change := accounts.AccountChange{SecretDays: new(int(days)), RemindDays: new(int(remind)), StopOverdue: &b.Stop}
	var err error
	if b.Policy, err = c.policyOf(v.r.Context(), v.account, int(days)); err != nil {
		return err
	}
	stricter := b.Stop && (!v.account.StopOverdue || int(days) < v.account.SecretDays)
	if stricter && b.Policy.Overdue > 0 && f.Get("sure") == "" {
		b.Confirm = true
		return c.setting(v, http.StatusUnprocessableEntity, b)
	}
	return c.changeAccount(v, b, change, "policy")
}

// changeAccount makes a change, or shows its form again.
func (c *console) changeAccount(v *visit, b settingBody, change accounts.AccountChange, done string) error {
	_, err := c.Accounts.ChangeAccount(v.r.Context(), v.actor, v.account.ID, change)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Name", "DayLimit", "SecretDays", "RemindDays")
		return c.setting(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/account?done=" + done)
}
