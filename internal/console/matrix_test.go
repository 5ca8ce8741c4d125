// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/console"
	"postern/internal/mail"
	"postern/internal/people"
	"postern/internal/store"
)

// persona is somebody whose rights are tried on every route.
type persona struct {
	name     string
	role     string // "" none
	key      bool   // on one subaccount only
	operator bool
}

func personas() []persona {
	var out []persona
	for _, r := range access.Roles() {
		out = append(out, persona{name: r + " of the account", role: r}, persona{name: r + " of a subaccount", role: r, key: true})
	}
	return append(out, persona{name: "nobody's"}, persona{name: "operator without a role", operator: true}, persona{name: "analyst and operator", role: access.Analyst, operator: true})
}

// may is what the rules say of a persona: independently of the pages, by the one table of roles.
func (p persona) may(a access.Action) bool {
	switch {
	case a == access.Own:
		return true
	case a == access.Operate:
		return p.operator
	case p.key && a.OfAccount():
		return false
	}
	return access.Allowed(p.role, a)
}

// grounds is an account with one of everything that a route can be about, of a subaccount that is shared and of one
// that is not.
type grounds struct {
	*world
	mine, other things
	plan        store.Plan
	user        store.User
	made        int // subaccounts for changes
}

// things are what an address can name.
type things struct {
	key, sender, message, access, invitation, suppression, hook, delivery int64
	apiKey                                                                string
}

func newGrounds(t *testing.T, p persona) *grounds {
	g := &grounds{world: newWorld(t)}
	mine, other := g.subaccount("Mine"), g.subaccount("Other")
	var err error
	g.plan, err = g.Accounts.PutPlan(t.Context(), operator, store.Plan{Name: "Starter", Subaccounts: 1000, Users: 1000})
	ok(t, err)
	ok(t, g.Accounts.AssignPlan(t.Context(), operator, g.signed.Account.ID, g.plan.ID))
	_, err = g.Accounts.Ask(t.Context(), operator, g.signed.Account.ID, "", "users", 2000, "More")
	ok(t, err)
	_, err = g.Webhooks.SetOfAccount(t.Context(), operator, g.signed.Account.ID, "https://hooks.example.com/postern")
	ok(t, err)
	g.mine, g.other = g.things(mine.Key), g.things(other.Key)
	if p.key {
		g.user = g.world.user("persona@example.com", p.role, mine.Key)
	} else {
		g.user = g.world.user("persona@example.com", p.role)
	}
	if p.operator {
		g.makeOperator(g.user)
	}
	return g
}

// things makes one of everything that belongs to a key.
func (g *grounds) things(key store.Key) things {
	t := g.t
	x := things{key: key.ID, apiKey: key.APIKey}
	r := g.send(key, mail.Draft{From: mail.Address{Email: strings.ToLower(key.Name) + "@acme.example"}, Subject: "About " + key.Name, Text: "Hello", HTML: "<p>Hello", Attachments: []mail.Part{{ContentType: "text/plain", Filename: "a.txt", Data: []byte("a")}}}, "reader@example.net")
	x.message = r.Messages[0].ID
	senders, _, err := g.store.FindSenders(t.Context(), store.OfKey(key.AccountID, key.ID), store.SenderFilter{}, store.Page{})
	ok(t, err)
	x.sender = senders[0].ID
	x.suppression = g.suppression(key, "gone."+strings.ToLower(key.Name)+"@example.net")
	x.hook, x.delivery = g.hook(key)
	u := g.world.user(strings.ToLower(key.Name)+".reader@example.com", access.Analyst, key)
	list, err := g.store.Accesses(t.Context(), store.OfAccount(key.AccountID), store.AccessFilter{UserID: u.ID})
	ok(t, err)
	x.access = list[0].ID
	i, err := g.People.Invite(t.Context(), operator, key.AccountID, people.Share{Email: strings.ToLower(key.Name) + ".invited@example.com", Role: access.Analyst, KeyIDs: []int64{key.ID}})
	ok(t, err)
	x.invitation = i.ID
	return x
}

var wildcard = regexp.MustCompile(`\{([a-z]+)\}`)

// fill puts the numbers of things into a pattern. What a route of another room names besides is 1.
func (g *grounds) fill(pattern string, x things) string {
	pattern = strings.TrimSuffix(pattern, "{$}")
	first := true
	return wildcard.ReplaceAllStringFunc(pattern, func(string) string {
		if !first {
			if strings.HasPrefix(pattern, "/keys/") {
				return strconv.FormatInt(g.secretOf(x.key), 10)
			}
			return "1"
		}
		first = false
		id := int64(1)
		switch head, _, _ := strings.Cut(pattern, "{"); head {
		case "/keys/", "/operator/keys/":
			id = x.key
		case "/senders/":
			id = x.sender
		case "/messages/":
			id = x.message
		case "/suppressions/":
			id = x.suppression
		case "/webhooks/":
			id = x.hook
		case "/deliveries/":
			id = x.delivery
		case "/account/people/":
			id = x.access
		case "/account/invitations/":
			id = x.invitation
		case "/operator/accounts/":
			id = g.signed.Account.ID
		case "/operator/plans/":
			id = g.plan.ID
		case "/operator/operators/":
			id = g.user.ID
		}
		return strconv.FormatInt(id, 10)
	})
}

func (g *grounds) secretOf(keyID int64) int64 {
	k, err := g.store.Key(g.t.Context(), store.OfOperator(), store.KeyFilter{ID: keyID})
	if err != nil || len(k.Secrets) == 0 {
		return 1
	}
	return k.Secrets[0].ID
}

// form has what the forms of all routes ask for, about things.
func (g *grounds) form(b *browser, x things) url.Values {
	return url.Values{
		"name": {"Changed"}, "key": {x.apiKey}, "sender": {"new@acme.example"}, "email": {"invited@example.org"}, "role": {access.Analyst}, "on": {"account"}, "reason": {"A reason"}, "answer": {"decline"}, "words": {"No"},
		"days": {"20"}, "remind": {"5"}, "limit": {"5"}, "plan": {"0"}, "kind": {"subaccounts"}, "wanted": {"2000"}, "account": {"1"}, "url": {"https://hooks.example.com/postern"}, "emails": {"new@example.net"}, "note": {"x"}, "unsubscribe": {"all"}, "host": {""}, "type": {"open"}, "version": {"1"}, "hours": {"24"},
	}
}

// TestEveryRouteAgainstEveryRole asks every route as everybody. A route is refused when the table of roles refuses its
// action, and only then; what is about a subaccount that is not shared is not there.
func TestEveryRouteAgainstEveryRole(t *testing.T) {
	for _, p := range personas() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			g := newGrounds(t, p)
			b := g.as(g.user)
			b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			routes := console.Routes()
			for _, rt := range routes {
				if rt.Action == "" {
					t.Errorf("%s %s has no action", rt.Method, rt.Pattern)
				}
				if rt.Action != access.Own && rt.Action != access.Operate && !slices.Contains(access.Actions(), rt.Action) {
					t.Errorf("%s %s has the action %q, which no role knows", rt.Method, rt.Pattern, rt.Action)
				}
			}
			// First all that must be refused, which leaves everything as it is; then the pages; then what changes things.
			before := g.mark()
			for _, rt := range routes {
				if !p.may(rt.Action) {
					g.tryRefused(b, rt)
				}
			}
			if p.key {
				for _, rt := range routes {
					g.tryForeign(b, rt, p)
				}
			}
			if after := g.mark(); after != before {
				t.Errorf("what was refused has changed something:\n%s\n%s", before, after)
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				for _, rt := range routes {
					if rt.Method == method && p.may(rt.Action) {
						g.tryAllowed(b, rt)
					}
				}
			}
		})
	}
}

func (g *grounds) try(b *browser, rt console.Route, x things) answer {
	g.t.Helper()
	if rt.Method == http.MethodGet {
		return b.get(g.fill(rt.Pattern, x))
	}
	return b.post(g.fill(rt.Pattern, x), g.form(b, x))
}

func (g *grounds) tryRefused(b *browser, rt console.Route) {
	g.t.Helper()
	if a := g.try(b, rt, g.mine); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
		g.t.Errorf("%s %s (%s) answered %d", rt.Method, rt.Pattern, rt.Action, a.status)
	}
}

// tryForeign asks for what belongs to a subaccount that is not shared.
func (g *grounds) tryForeign(b *browser, rt console.Route, p persona) {
	g.t.Helper()
	if !strings.Contains(rt.Pattern, "{") || strings.Contains(rt.Pattern, "{$}") || rt.Action == access.Own || !p.may(rt.Action) {
		return
	}
	if a := g.try(b, rt, g.other); a.status != http.StatusNotFound {
		g.t.Errorf("%s %s of a foreign subaccount answered %d", rt.Method, rt.Pattern, a.status)
	}
}

// tryAllowed asks for what the persona may. Each change gets a subaccount of its own, since some end what they are
// about.
func (g *grounds) tryAllowed(b *browser, rt console.Route) {
	g.t.Helper()
	if rt.Action == access.Own && rt.Method == http.MethodPost {
		return // his own password and sessions: other tests
	}
	x := g.mine
	if rt.Method == http.MethodPost {
		g.made++
		// An operator may just have suspended them.
		if _, err := g.Keys.Restore(g.t.Context(), operator, store.KeyFilter{ID: g.signed.Key.ID}); err != nil && userIs(err) == nil {
			g.t.Fatal(err)
		}
		_, err := g.Accounts.Restore(g.t.Context(), operator, g.signed.Account.ID)
		ok(g.t, err)
		fresh := g.subaccount(fmt.Sprintf("Made%d", g.made))
		x = g.things(fresh.Key)
		if list, err := g.store.AccessesOf(g.t.Context(), g.user.ID); err == nil && len(list) > 0 && list[0].KeyID != 0 {
			ok(g.t, g.store.Update(g.t.Context(), func(tx *store.Tx) error {
				return tx.PutAccess(g.t.Context(), g.user.ID, fresh.Key.AccountID, fresh.Key.ID, list[0].Role)
			}))
		}
	}
	a := g.try(b, rt, x)
	refused := a.status == http.StatusForbidden && slices.Contains([]string{"Your role does not allow this", "Nothing is shared with you"}, a.text("h1"))
	if unknown := strings.Count(rt.Pattern, "{") > 1 || rt.Action == access.Own; refused || a.status >= 500 || a.status == http.StatusNotFound && !unknown {
		g.t.Errorf("%s %s (%s) answered %d: %s", rt.Method, rt.Pattern, rt.Action, a.status, a.text("main"))
	}
}

// mark is the state of all that could be changed, as far as the audit log and the listings know it.
func (g *grounds) mark() string {
	t, ctx := g.t, g.t.Context()
	last, _, err := g.store.AuditHead(ctx)
	ok(t, err)
	keys, _, err := g.store.Keys(ctx, store.OfOperator(), store.KeyFilter{}, store.Page{})
	ok(t, err)
	access, err := g.store.Accesses(ctx, store.OfOperator(), store.AccessFilter{})
	ok(t, err)
	senders, err := g.store.Senders(ctx, store.OfOperator())
	ok(t, err)
	accounts, err := g.store.Accounts(ctx)
	ok(t, err)
	n, err := g.store.CountMessages(ctx, store.OfOperator(), store.MessageFilter{})
	ok(t, err)
	q, err := g.store.QueueStats(ctx)
	ok(t, err)
	s := fmt.Sprintf("audit %d, waiting %d, messages %d, senders %d, accesses %d;", last, q.Waiting, n, len(senders), len(access))
	for _, k := range keys {
		s += fmt.Sprintf(" %s %s %s %d secrets;", k.Name, k.State, k.Reference, len(k.Secrets))
	}
	for _, a := range accounts {
		s += fmt.Sprintf(" %s %d %d %v %d %d;", a.Name, a.SecretDays, a.RemindDays, a.StopOverdue, a.DayLimit, a.PlanID)
	}
	return s
}

// userIs is a mistake of the caller, or nil.
func userIs(err error) *change.Error {
	var e *change.Error
	errors.As(err, &e)
	return e
}
