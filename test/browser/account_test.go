// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/store"
)

// company fills the account with people, a plan and requests, and makes its owner an operator with other accounts to
// look at.
func (p *place) company() {
	t, ctx := p.t, p.t.Context()
	mara := change.Actor{Kind: change.User, Name: "mara@harbour-books.example", Origin: "203.0.113.40"}
	plan := func(plan store.Plan) store.Plan {
		made, err := p.Accounts.PutPlan(ctx, operator, plan)
		ok(t, err)
		return made
	}
	plan(store.Plan{Name: "Free", Subaccounts: 1, MonthMessages: 1000, HourMessages: 100, Users: 2, RetentionDays: 30})
	team := plan(store.Plan{Name: "Team", Subaccounts: 7, MonthMessages: 50_000, HourMessages: 20, Users: 12, RetentionDays: 365})
	ok(t, p.Accounts.AssignPlan(ctx, operator, p.signed.Account.ID, team.ID))
	invite := func(email, role string, keys ...string) {
		s := people.Share{Email: email, Role: role}
		for _, k := range keys {
			s.KeyIDs = append(s.KeyIDs, p.keys[k].ID)
		}
		_, err := p.People.Invite(ctx, mara, p.signed.Account.ID, s)
		ok(t, err)
	}
	join := func(email, role string, keys ...string) {
		invite(email, role, keys...)
		kept, err := p.store.DueNotices(ctx, p.signed.Account.CreatedAt.AddDate(1, 0, 0), 1000)
		ok(t, err)
		n, err := p.Notices.Open(kept[len(kept)-1])
		ok(t, err)
		_, err = p.People.Accept(ctx, strings.TrimPrefix(n.Link, "/invitation/"), nil, people.Browser{Address: p.signedFrom(), Client: "Firefox"})
		ok(t, err)
	}
	join("tomasz@harbour-books.example", access.Manager)
	join("auditor@accountants-with-a-long-name.example", access.Analyst)
	join("agency@letters-and-more.example", access.Sender, "Newsletter", "Shop")
	invite("new.colleague@harbour-books.example", access.Manager)
	invite("freelancer@example.com", access.Analyst, "Newsletter")
	q, err := p.Accounts.Ask(ctx, mara, p.signed.Account.ID, "mara@harbour-books.example", "users", 20, "The Rotterdam office joins in January.")
	ok(t, err)
	_, err = p.Accounts.Answer(ctx, operator, q.ID, true, 15, "Fifteen for now; ask again when they are there.")
	ok(t, err)
	_, err = p.Accounts.Ask(ctx, mara, p.signed.Account.ID, "mara@harbour-books.example", "hour", 500, "The autumn catalogue goes to all readers on one morning, and should be out before they open.")
	ok(t, err)
	ok(t, p.People.SetOperator(ctx, operator, "mara@harbour-books.example", true))
	ok(t, p.store.Update(ctx, func(tx *store.Tx) error {
		return tx.AddTOTP(ctx, store.TOTP{UserID: p.signed.User.ID, Secret: []byte("sealed")}) // operators have a second factor
	}))
	for i, name := range []string{"Lighthouse Insurance", "Alder & Ash Joinery", "Verein der Freunde des Stadtarchivs Rotterdam und Umgebung"} {
		x, err := p.Keys.SignUp(ctx, operator, name, fmt.Sprintf("owner@%c.example", 'a'+rune(i)))
		ok(t, err)
		if i == 1 {
			_, err = p.Keys.Suspend(ctx, operator, store.KeyFilter{ID: x.Key.ID}, "The lists were bought: 14 per cent bounce.")
			ok(t, err)
		}
	}
}

// lastLink is the link of the invitation that was made last.
func (p *place) lastLink() string {
	kept, err := p.store.DueNotices(p.t.Context(), p.signed.Account.CreatedAt.AddDate(1, 0, 0), 1000)
	ok(p.t, err)
	link := ""
	for _, k := range kept {
		n, err := p.Notices.Open(k)
		ok(p.t, err)
		if n.Kind == notice.Invitation {
			link = n.Link
		}
	}
	return link
}

func TestATourOfAccountAndOperator(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	l := &tour{t, ctx, screenshots()}
	load(t, ctx, p.link(), 200)
	press(t, ctx, click("button"))
	load(t, ctx, p.base+"/account", 200)
	l.look("account-new")
	p.past()
	p.company()
	list, err := p.store.Accesses(ctx, store.OfAccount(p.signed.Account.ID), store.AccessFilter{})
	ok(t, err)
	open, err := p.store.Invitations(ctx, p.signed.Account.ID)
	ok(t, err)
	for _, c := range []struct{ name, path string }{
		{"account", "/account"},
		{"account-people-none-match", "/account?q=nobody"},
		{"account-name", "/account/name"},
		{"account-limit", "/account/limit"},
		{"account-policy", "/account/policy"},
		{"account-tracking", "/account/tracking"},
		{"account-invite", fmt.Sprintf("/account/invite?key=%d", p.keys["Shop"].ID)},
		{"account-role", fmt.Sprintf("/account/people/%d/role", list[0].ID)},
		{"account-remove", fmt.Sprintf("/account/people/%d/remove", list[0].ID)},
		{"account-withdraw", fmt.Sprintf("/account/invitations/%d/withdraw", open[0].ID)},
		{"account-ask", "/account/requests/new?kind=subaccounts"},
		{"audit", "/audit"},
		{"audit-none-match", "/audit?q=nothing"},
		{"operator", "/operator"},
		{"operator-account", fmt.Sprintf("/operator/accounts/%d", p.signed.Account.ID)},
		{"operator-plan", fmt.Sprintf("/operator/accounts/%d/plan", p.signed.Account.ID)},
		{"operator-suspend-all", fmt.Sprintf("/operator/accounts/%d/suspend", p.signed.Account.ID)},
		{"operator-suspend", fmt.Sprintf("/operator/keys/%d/suspend", p.keys["Shop"].ID)},
		{"operator-requests", "/operator/requests?show=all"},
		{"operator-request", "/operator/requests/2"},
		{"operator-plans", "/operator/plans"},
		{"operator-plan-new", "/operator/plans/new"},
		{"operator-operators", "/operator/operators"},
		{"operator-operator-new", "/operator/operators/new"},
		{"operator-audit", "/operator/audit"},
	} {
		load(t, ctx, p.base+c.path, 200)
		l.look(c.name)
	}
	_, err = p.Webhooks.SetOfAccount(ctx, operator, p.signed.Account.ID, "https://hooks.harbour-books.example/postern")
	ok(t, err)
	for name, path := range map[string]string{"account-webhook-set": "/account", "account-webhook": "/account/webhook", "account-webhook-remove": "/account/webhook/remove"} {
		load(t, ctx, p.base+path, 200)
		l.look(name)
	}
	load(t, ctx, p.base+"/account/webhook", 200)
	do(t, ctx, typed("input[name=url]", "https://hooks.harbour-books.example/new"))
	press(t, ctx, click(".form button"))
	l.look("account-webhook-secret")
	load(t, ctx, p.base+"/account/policy", 200)
	do(t, ctx, chromedp.SetValue(chromedp.CSS("input[name=days]"), "60"), click("input[name=stop]"))
	press(t, ctx, click(".form button"))
	l.look("account-policy-confirm")
	load(t, ctx, p.base+"/audit", 200)
	press(t, ctx, click(".title form button"))
	l.look("audit-check")
	load(t, ctx, p.base+p.lastLink(), 200)
	l.look("invitation-other")
	press(t, ctx, click("button[name=sign-out]"))
	l.look("invitation")
	// Without operator access and without a second factor the link signs in at once.
	ok(t, p.People.SetOperator(ctx, operator, p.signed.User.Email, false))
	rescue, err := p.People.NewRescueLink(ctx, operator, p.signed.User)
	ok(t, err)
	load(t, ctx, p.base+"/welcome/"+rescue, 200)
	press(t, ctx, click("button"))
	load(t, ctx, p.base+"/account/invite", 200)
	do(t, ctx, click("input[name=on][value=keys]"), seen(".pick"))
}
