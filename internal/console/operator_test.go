// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/store"
)

// operates makes the account's owner an operator, and returns his browser.
func (w *world) operates() *browser {
	w.t.Helper()
	w.makeOperator(w.signed.User)
	return w.signedIn()
}

func (w *world) signUp(name, email string) keys.SignedUp {
	w.t.Helper()
	x, err := w.Keys.SignUp(w.t.Context(), operator, name, email)
	ok(w.t, err)
	return x
}

func TestOperatorsSeeAllAccounts(t *testing.T) {
	w := newWorld(t)
	other := w.signUp("Lighthouse", "keeper@lighthouse.example")
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddSystemAccount(t.Context(), "The system's own")
		return err
	}))
	b := w.operates()
	b.get("/operator").is(http.StatusOK).reads("Accounts", "Acme owner@example.com none 0 0 Active", "Lighthouse keeper@lighthouse.example").lacks("The system")
	w.plan(store.Plan{Name: "Starter"})
	shop := w.subaccount("Shop")
	w.use(shop.Key, 7)
	_, err := w.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: shop.Key.ID}, "Spam")
	ok(t, err)
	_, err = w.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: other.Key.ID}, "Spam")
	ok(t, err)
	b.get("/operator").reads("Acme owner@example.com Starter 1 7 1 suspended", "Lighthouse keeper@lighthouse.example none 0 0 Suspended")
	b.get("/operator?q=LIGHT").says("Lighthouse").lacks("/operator/accounts/" + strconv.FormatInt(w.signed.Account.ID, 10) + `"`)
	b.get("/operator?q=owner@exam").reads("owner@example.com Starter").lacks("Lighthouse")
	b.get("/operator?q=" + shop.Key.APIKey[:12]).reads("owner@example.com Starter").lacks("Lighthouse")
	b.get("/operator?q=100%25").is(http.StatusOK).says("No account has “100%” in its name")
	b.get("/operator?page=2").is(http.StatusOK).at("/operator").says("Lighthouse")
}

func TestThousandsOfAccounts(t *testing.T) {
	w := newWorld(t)
	for i := range 70 {
		w.signUp(fmt.Sprintf("Account %03d", i), fmt.Sprintf("owner%d@many.example", i))
	}
	b := w.operates()
	b.get("/operator").says("1–50 of 71", "Account 048").lacks("Account 049")
	b.get("/operator?page=2").says("51–71 of 71", "Account 069")
}

func TestOnlyOperatorsOperate(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	for _, path := range []string{"/operator", "/operator/plans", "/operator/audit", "/operator/audit.csv", fmt.Sprintf("/operator/accounts/%d", w.signed.Account.ID)} {
		b.get(path).is(http.StatusForbidden).says("Your role does not allow this").lacks(`href="/operator"`)
	}
	op := w.operates()
	op.get("/keys").is(http.StatusOK)
	if len(op.get("/keys").all("a[href=/operator]")) != 1 {
		t.Error("an operator has no way to his pages")
	}
	// Who has no account of his own may operate still.
	u := w.user("admin@example.com", "")
	w.makeOperator(u)
	alone := w.browser()
	alone.signInAs(u)
	alone.get("/operator").is(http.StatusOK).says("Acme")
	alone.get("/keys").is(http.StatusForbidden)
}

func TestTheOperatorSuspendsAndRestores(t *testing.T) {
	w := newWorld(t)
	shop := w.subaccount("Shop")
	quiet := w.subaccount("Quiet")
	_, err := w.Keys.Change(t.Context(), operator, store.OfAccount(w.signed.Account.ID), store.KeyFilter{ID: quiet.Key.ID}, keys.KeyChange{Active: new(false)}, 0)
	ok(t, err)
	b := w.operates()
	page := fmt.Sprintf("/operator/accounts/%d", w.signed.Account.ID)
	b.get(page).is(http.StatusOK).reads("Acme primary", "Shop", "Suspend the account", "owner@example.com owner").lacks("Restore the account")
	_ = shop

	suspend := fmt.Sprintf("/operator/keys/%d/suspend", shop.Key.ID)
	b.get(suspend).is(http.StatusOK).says("Suspend Shop?", "Of the account Acme.")
	b.post(suspend, url.Values{"reason": {"  "}}).is(http.StatusUnprocessableEntity).says("Give a reason: the owners are told it.")
	b.post(suspend, url.Values{"reason": {strings.Repeat("x", 1001)}}).is(http.StatusUnprocessableEntity).says("A reason of up to 1000 bytes is needed")
	if !w.opens(shop.Key.APIKey, shop.Secret) {
		t.Fatal("it is suspended without a reason")
	}
	b.post(suspend, url.Values{"reason": {"Bought lists"}}).is(http.StatusOK).at(page).says("Suspended. The owners are told the reason by mail.", "Bought lists")
	if w.opens(shop.Key.APIKey, shop.Secret) {
		t.Error("a suspended key opens")
	}
	b.post(suspend, url.Values{"reason": {"Again"}}).is(http.StatusUnprocessableEntity).says("The key is suspended already.")
	if n := w.told(notice.KeySuspended); len(n) != 1 || n[0].Reason != "Bought lists" {
		t.Errorf("told: %+v", n)
	}
	if e := w.log("key.suspend"); len(e) != 1 || e[0].Actor != "operator owner@example.com" || e[0].Origin != "192.0.2.7" {
		t.Errorf("logged: %+v", e)
	}
	restore := fmt.Sprintf("/operator/keys/%d/restore", shop.Key.ID)
	b.get(restore).is(http.StatusOK).says("It was suspended with the words: Bought lists", "It is again what it was before: active.")
	b.post(restore, nil).at(page).says("Restored")
	if !w.opens(shop.Key.APIKey, shop.Secret) {
		t.Error("a restored key does not open")
	}
	b.post(restore, nil).is(http.StatusUnprocessableEntity).says("The key is not suspended.")

	b.get(page + "/suspend").is(http.StatusOK).says("The account’s 3 keys are closed at once")
	b.post(page+"/suspend", url.Values{"reason": {""}}).is(http.StatusUnprocessableEntity)
	b.post(page+"/suspend", url.Values{"reason": {strings.Repeat("x", 1001)}}).is(http.StatusUnprocessableEntity).says("A reason of up to 1000 bytes is needed")
	b.post(page+"/suspend", url.Values{"reason": {"Not paid"}}).at(page).says("Not paid", "Restore the account").lacks("Suspend the account")
	if w.opens(shop.Key.APIKey, shop.Secret) || w.opens(w.signed.Key.APIKey, w.signed.Secret) {
		t.Error("a key of a suspended account opens")
	}
	b.get(page + "/restore").is(http.StatusOK).says("3 suspended keys are again what they were before.")
	b.post(page+"/restore", nil).at(page)
	if !w.opens(shop.Key.APIKey, shop.Secret) || !w.opens(w.signed.Key.APIKey, w.signed.Secret) || w.opens(quiet.Key.APIKey, quiet.Secret) {
		t.Error("not every key is what it was before")
	}
	for _, path := range []string{"/operator/keys/9999/suspend", "/operator/keys/x/suspend", "/operator/accounts/9999", "/operator/accounts/0/plan", "/operator/accounts/9999/suspend"} {
		b.get(path).is(http.StatusNotFound)
		if !strings.HasSuffix(path, "9999") {
			b.post(path, url.Values{"reason": {"x"}, "plan": {"0"}}).is(http.StatusNotFound)
		}
	}
}

func TestPostersOwnAccountIsNotOperated(t *testing.T) {
	w := newWorld(t)
	var a store.Account
	var key store.Key
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) (err error) {
		if a, err = tx.AddSystemAccount(t.Context(), "Postern"); err != nil {
			return err
		}
		key, err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, Name: "Postern", APIKey: strings.Repeat("ab", 16), Master: true, State: store.KeyActive})
		return err
	}))
	b := w.operates()
	b.get(fmt.Sprintf("/operator/accounts/%d", a.ID)).is(http.StatusNotFound)
	b.post(fmt.Sprintf("/operator/accounts/%d/suspend", a.ID), url.Values{"reason": {"x"}}).is(http.StatusNotFound)
	b.post(fmt.Sprintf("/operator/keys/%d/suspend", key.ID), url.Values{"reason": {"x"}}).is(http.StatusNotFound)
}

func TestTheOperatorMakesAndAssignsPlans(t *testing.T) {
	w := newWorld(t)
	b := w.operates()
	b.get("/operator/plans").is(http.StatusOK).says("No plan yet")
	b.get("/operator/plans/new").is(http.StatusOK)
	b.post("/operator/plans/new", url.Values{"name": {""}}).is(http.StatusUnprocessableEntity).says("A name is needed.")
	a := b.post("/operator/plans/new", url.Values{"name": {"Team"}, "month": {"a lot"}}).is(http.StatusUnprocessableEntity)
	if a.text("#problem-MonthMessages") != "This is not a whole number." {
		t.Errorf("the problem is %q", a.text("#problem-MonthMessages"))
	}
	b.post("/operator/plans/new", url.Values{"name": {"Team"}, "retention": {"4000"}}).is(http.StatusUnprocessableEntity).says("Must be 0 (no limit) or a positive number of a sensible size.")
	b.post("/operator/plans/new", url.Values{"name": {"Team"}, "subaccounts": {"25"}, "month": {"50 000"}, "hour": {""}, "people": {"10"}, "retention": {"90"}}).
		at("/operator/plans").reads("The plan is saved.", "Team no account 25 50,000 no limit 10 90 days")
	b.post("/operator/plans/new", url.Values{"name": {"Team"}}).is(http.StatusUnprocessableEntity).says("There is a plan named \"Team\" already.")
	plans, err := w.store.Plans(t.Context())
	ok(t, err)
	plan := fmt.Sprintf("/operator/plans/%d", plans[0].ID)
	if v := attr(b.get(plan).is(http.StatusOK).first("input[name=month]"), "value"); v != "50000" {
		t.Errorf("the form has %q", v)
	}

	acme := fmt.Sprintf("/operator/accounts/%d", w.signed.Account.ID)
	id := strconv.FormatInt(plans[0].ID, 10)
	b.get(acme + "/plan").is(http.StatusOK).says("Plan of Acme")
	b.post(acme+"/plan", url.Values{"plan": {"x"}}).is(http.StatusUnprocessableEntity)
	b.post(acme+"/plan", url.Values{"plan": {"999"}}).is(http.StatusUnprocessableEntity).says("There is no such plan any more.")
	b.post(acme+"/plan", url.Values{"plan": {id}}).at(acme).reads("The account has its new plan.", "Subaccounts 0 of 25")
	b.get(plan).says("1 account has it, and is bound by a change at once.")
	b.post(plan, url.Values{"name": {"Team"}, "subaccounts": {"30"}}).at("/operator/plans").reads("Team 1 account 30 no limit no limit no limit for good")
	b.get(acme).reads("Subaccounts 0 of 30")

	b.get(plan + "/remove").is(http.StatusOK).says("1 account has it. Give them another first.")
	b.post(plan+"/remove", nil).is(http.StatusUnprocessableEntity).says("1 accounts have the plan Team")
	b.post(acme+"/plan", url.Values{"plan": {"0"}}).at(acme)
	b.get(plan + "/remove").is(http.StatusOK).says("No account has it.")
	b.post(plan+"/remove", nil).at("/operator/plans").says("The plan is removed.", "No plan yet")
	b.get(plan).is(http.StatusNotFound)
	b.post(plan, url.Values{"name": {"Team"}}).is(http.StatusNotFound)
	for _, e := range w.log("plan.") {
		if e.Actor != "operator owner@example.com" || e.AccountID != 0 {
			t.Errorf("logged: %+v", e)
		}
	}
}

func TestTheOperatorAnswersRequests(t *testing.T) {
	w := newWorld(t)
	w.plan(store.Plan{Name: "Starter", Subaccounts: 2, HourMessages: 100, Users: 5})
	b := w.operates()
	b.get("/operator/requests").is(http.StatusOK).says("No request is open")
	ask := func(kind string, wanted int64) string {
		t.Helper()
		q, err := w.Accounts.Ask(t.Context(), change.Actor{Kind: change.User, Name: "owner@example.com"}, w.signed.Account.ID, "owner@example.com", kind, wanted, "We grow <fast>")
		ok(t, err)
		return fmt.Sprintf("/operator/requests/%d", q.ID)
	}
	one, two := ask("subaccounts", 20), ask("hour", 1000)
	if n := w.told(notice.RequestMade); n[0].Link != one {
		t.Errorf("the mail leads to %q, the request is at %s", n[0].Link, one)
	}
	b.get("/operator/requests").reads("1,000 messages an hour Acme We grow <fast>", "20 subaccounts", "Requests 2 open")
	b.get(one).is(http.StatusOK).reads("20 subaccounts for Acme", "0 used of 2", "owner@example.com, just now")
	b.post(one, nil).is(http.StatusUnprocessableEntity).says("Grant or decline.")
	b.post(one, url.Values{"answer": {"grant"}, "limit": {"some"}}).is(http.StatusUnprocessableEntity).says("Give the new limit.")
	b.post(one, url.Values{"answer": {"grant"}, "limit": {"2"}}).is(http.StatusUnprocessableEntity).says("Must be more than the 2 that there are.")
	b.post(one, url.Values{"answer": {"grant"}, "limit": {"10"}, "words": {"Ten for now"}}).at("/operator/requests").reads("Granted. Who asked is told by mail.", "Requests 1 open")
	b.get(one).says("granted", "Ten for now").lacks("<textarea")
	b.post(one, url.Values{"answer": {"grant"}, "limit": {"50"}}).is(http.StatusUnprocessableEntity).says("The request is granted already.")
	if may, err := w.Accounts.Allowance(t.Context(), w.signed.Account.ID); err != nil || may.Subaccounts != 10 {
		t.Errorf("the account may have %+v, %v", may, err)
	}
	b.get(fmt.Sprintf("/operator/accounts/%d", w.signed.Account.ID)).says("with more granted")
	b.get(fmt.Sprintf("/operator/accounts/%d/plan", w.signed.Account.ID)).says("With another plan that is void.")

	b.post(two, url.Values{"answer": {"decline"}, "limit": {"1000"}}).is(http.StatusUnprocessableEntity).says("Give a reason: who asked is told it.")
	b.post(two, url.Values{"answer": {"decline"}, "words": {"Not before January"}}).at("/operator/requests").says("Declined.", "No request is open")
	b.get("/operator/requests?show=all").says("declined", "granted")
	if n := w.told(notice.RequestDeclined); len(n) != 1 || n[0].To[0] != "owner@example.com" || n[0].Reason != "Not before January" {
		t.Errorf("told: %+v", n)
	}
	b.get("/operator/requests/9999").is(http.StatusNotFound)
	b.post("/operator/requests/x", url.Values{"answer": {"grant"}}).is(http.StatusNotFound)
}

func TestOperatorsMakeAndUnmakeOperators(t *testing.T) {
	w := newWorld(t)
	u := w.user("mate@example.com", access.Sender)
	b := w.operates()
	b.get("/operator/operators").is(http.StatusOK).reads("owner@example.com you")
	own := fmt.Sprintf("/operator/operators/%d/remove", w.signed.User.ID)
	b.get(own).is(http.StatusOK).says("There is no other operator: add one first.")
	b.post(own, nil).is(http.StatusUnprocessableEntity).says("Nobody would be left to operate this server.")

	b.get("/operator/operators/new").is(http.StatusOK)
	b.post("/operator/operators/new", url.Values{"email": {"stranger@example.com"}}).is(http.StatusUnprocessableEntity).says("There is no user with this address.")
	b.post("/operator/operators/new", url.Values{"email": {"x"}}).is(http.StatusUnprocessableEntity)
	mate := w.as(u)
	mate.get("/operator").is(http.StatusForbidden)
	b.post("/operator/operators/new", url.Values{"email": {"Mate@example.com"}}).at("/operator/operators").says("This person is an operator now.", "mate@example.com")
	mate.get("/operator").is(http.StatusOK)
	path := fmt.Sprintf("/operator/operators/%d/remove", u.ID)
	b.get(path).is(http.StatusOK).says("Remove mate@example.com as an operator?")
	b.post(path, nil).at("/operator/operators").says("This person is not an operator any more.").lacks("mate@example.com")
	mate.get("/operator").is(http.StatusForbidden)
	b.get(path).is(http.StatusNotFound)
	b.post("/operator/operators/new", url.Values{"email": {"mate@example.com"}})
	b.post(own, nil).at("/keys")
	b.get("/operator").is(http.StatusForbidden)
	if e := w.log("user.operator"); len(e) != 5 || e[0].Actor != "operator owner@example.com" {
		t.Errorf("logged: %+v", e)
	}
}
