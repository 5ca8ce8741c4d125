// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"
	"strings"

	"postern/internal/accounts"
	"postern/internal/store"
)

// requestRow is a request for more as the pages show it.
type requestRow struct {
	store.Request
	What  string // "messages a month"
	By    string
	Many  string // the number that is wanted
	Level string // colours its state
}

func requestRows(list []store.Request) []requestRow {
	out := make([]requestRow, len(list))
	for i, q := range list {
		out[i] = requestRow{
			q, accounts.RequestWords(q.Kind), who(q.AskedBy), number(int(q.Wanted)),
			map[string]string{store.RequestOpen: "wait", store.RequestGranted: "ok", store.RequestDeclined: "bad"}[q.State],
		}
	}
	return out
}

// askBody is the form that asks the operator for more.
type askBody struct {
	Kind, Wanted, Reason string
	Limits               []limitRow // that there are, and for which nothing is asked yet
	Plan                 string
	Problem              problem
}

func (c *console) showAsk(v *visit) error {
	return c.askForm(v, http.StatusOK, askBody{Kind: v.r.URL.Query().Get("kind"), Wanted: v.r.URL.Query().Get("wanted")})
}

func (c *console) askForm(v *visit, status int, b askBody) error {
	plan, err := c.planOf(v.r.Context(), v.account)
	if err != nil {
		return err
	}
	b.Plan = plan.Name
	for _, l := range plan.Limits {
		if l.Limited && !l.Asked {
			b.Limits = append(b.Limits, l)
		}
	}
	return c.show(v, status, "ask", "Ask for more", "account", b)
}

func (c *console) ask(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	b := askBody{Kind: f.Get("kind"), Wanted: strings.TrimSpace(f.Get("wanted")), Reason: clean(f.Get("reason"))}
	wanted, ok := formNumber(b.Wanted)
	if !ok || wanted == 0 {
		b.Problem = problem{"Wanted", "Give the number that you need."}
		return c.askForm(v, http.StatusUnprocessableEntity, b)
	}
	_, err := c.Accounts.Ask(v.r.Context(), v.actor, v.account.ID, v.user.Email, b.Kind, wanted, b.Reason)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Kind", "Wanted", "Reason")
		return c.askForm(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/account?done=asked")
}
