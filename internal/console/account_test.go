// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/internal/access"
	"postern/internal/audit"
	"postern/internal/change"
	"postern/internal/console"
	"postern/internal/mail"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/store"
)

// user makes a person with a role on the account, or on some keys of it.
func (w *world) user(email, role string, keys ...store.Key) store.User {
	w.t.Helper()
	var u store.User
	ok(w.t, w.store.Update(w.t.Context(), func(tx *store.Tx) (err error) {
		if u, err = tx.AddUser(w.t.Context(), store.User{AccountID: w.signed.Account.ID, Email: email}); err != nil || role == "" {
			return err
		}
		for _, k := range keys {
			if err := tx.PutAccess(w.t.Context(), u.ID, k.AccountID, k.ID, role); err != nil {
				return err
			}
		}
		if len(keys) == 0 {
			return tx.PutAccess(w.t.Context(), u.ID, w.signed.Account.ID, 0, role)
		}
		return nil
	}))
	return u
}

func (w *world) as(u store.User) *browser {
	w.t.Helper()
	b := w.browser()
	b.signInAs(u)
	return b
}

// told are the notices of a kind that wait to be sent, the latest last.
func (w *world) told(kind string) []notice.Notice {
	w.t.Helper()
	kept, err := w.store.DueNotices(w.t.Context(), time.Now().Add(time.Hour), 1000)
	ok(w.t, err)
	var out []notice.Notice
	for _, k := range kept {
		n, err := w.Notices.Open(k)
		ok(w.t, err)
		if n.Kind == kind {
			out = append(out, n)
		}
	}
	return out
}

// reads is says for words that stand in elements beside each other.
func (a answer) reads(words ...string) answer {
	a.t.Helper()
	var parts []string
	for n := range a.doc.Descendants() {
		if n.Type == html.TextNode {
			parts = append(parts, n.Data)
		}
	}
	text := strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
	for _, w := range words {
		if !strings.Contains(text, w) {
			a.t.Errorf("%s does not say %q; it says %q", a.url.Path, w, text)
		}
	}
	return a
}

// log are the account's audit entries of an action, newest first.
func (w *world) log(action string) []audit.Entry {
	w.t.Helper()
	list, err := w.store.AuditEntries(w.t.Context(), store.OfOperator(), store.AuditFilter{Action: action}, store.Page{Desc: true})
	ok(w.t, err)
	return list
}

// plan gives the account a plan.
func (w *world) plan(p store.Plan) store.Plan {
	w.t.Helper()
	p, err := w.Accounts.PutPlan(w.t.Context(), operator, p)
	ok(w.t, err)
	ok(w.t, w.Accounts.AssignPlan(w.t.Context(), operator, w.signed.Account.ID, p.ID))
	return p
}

// use notes that messages leave this hour.
func (w *world) use(key store.Key, n int) {
	w.t.Helper()
	_, err := w.Senders.AddSender(w.t.Context(), operator, store.OfAccount(key.AccountID), store.KeyFilter{ID: key.ID}, "hello@acme.example", "")
	ok(w.t, err)
	for i := range n {
		w.sendRaw(key, mail.Draft{From: mail.Address{Email: "hello@acme.example"}}, []byte("Subject: x\r\n\r\nx\r\n"), fmt.Sprintf("r%d@example.net", i))
	}
}

func TestTheAccountPageOfANewAccount(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn().get("/account").is(http.StatusOK)
	a.reads("Acme", "owner@example.com", "you", "owner", "Whole account", "no plan: nothing is limited", "0 · no limit", "Secret keys are due after 90 days", "on day 76", "go on working", "Overdue now none", "no limit For each key")
	if got := attr(a.first("a[aria-current=page]"), "href"); got != "/account" {
		t.Errorf("the navigation is at %q", got)
	}
}

func TestInvite(t *testing.T) {
	w := newWorld(t)
	shop, billing := w.subaccount("Shop"), w.subaccount("Billing")
	b := w.signedIn()
	form := b.get("/account/invite?key=" + strconv.FormatInt(shop.Key.ID, 10)).is(http.StatusOK)
	form.says("May do everything.", "May do everything but invite and remove people or change the policy.", "May see keys and senders, read messages and send test mail.", "May see keys and senders and read messages.", "On chosen subaccounts no role may create subaccounts", "Shop", "Billing").lacks("primary key")
	checked := map[string]bool{}
	for _, in := range form.all("input") {
		if has(in, "checked") {
			checked[attr(in, "name")+"="+attr(in, "value")] = true
		}
	}
	if len(checked) != 2 || !checked["on=keys"] || !checked["key="+strconv.FormatInt(shop.Key.ID, 10)] {
		t.Errorf("the link fills in %v", checked)
	}

	bad := func(field, says string, f url.Values) {
		t.Helper()
		a := b.post("/account/invite", f).is(http.StatusUnprocessableEntity).says(says)
		if a.text("#problem-"+field) == "" {
			t.Errorf("%q does not stand at %s", says, field)
		}
	}
	bad("Email", "Give the address", url.Values{"role": {"sender"}, "on": {"account"}})
	bad("Email", "Email address: has no @.", url.Values{"email": {"nobody"}, "role": {"sender"}, "on": {"account"}})
	bad("Role", "Choose a role.", url.Values{"email": {"new@example.org"}, "on": {"account"}})
	bad("Role", "is not a role", url.Values{"email": {"new@example.org"}, "role": {"king"}, "on": {"account"}})
	bad("Days", "Give 1 to 30 days.", url.Values{"email": {"new@example.org"}, "role": {"sender"}, "on": {"account"}, "days": {"31"}})
	bad("Keys", "Choose at least one subaccount", url.Values{"email": {"new@example.org"}, "role": {"sender"}, "on": {"keys"}})
	b.post("/account/invite", url.Values{"email": {"new@example.org"}, "role": {"sender"}, "on": {"keys"}, "key": {"99999"}}).is(http.StatusNotFound)
	if len(w.told(notice.Invitation)) != 0 {
		t.Fatal("a refused form has invited somebody")
	}

	b.post("/account/invite", url.Values{"email": {"New@Example.org"}, "role": {"sender"}, "on": {"keys"}, "key": {strconv.FormatInt(shop.Key.ID, 10), strconv.FormatInt(billing.Key.ID, 10)}, "days": {"3"}}).
		is(http.StatusOK).at("/account").says("The invitation is on its way by mail.", "new@example.org", "Shop, Billing", "Withdraw")
	n := w.told(notice.Invitation)
	if len(n) != 1 || n[0].Role != access.Sender || len(n[0].KeyNames) != 2 || time.Until(n[0].Until).Round(time.Hour) != 72*time.Hour {
		t.Errorf("told: %+v", n)
	}
	if e := w.log("access.invite"); len(e) != 1 || e[0].Actor != "user owner@example.com" || e[0].Origin != "192.0.2.7" {
		t.Errorf("logged: %+v", e)
	}
	// The page does not show the token.
	b.get("/account").lacks(strings.TrimPrefix(n[0].Link, "/invitation/"))
}

func TestInviteToOneOfThousandsOfSubaccounts(t *testing.T) {
	w := newWorld(t)
	for i := range 120 {
		w.subaccount(fmt.Sprintf("Customer %03d", i))
	}
	b := w.signedIn()
	page := b.get("/account/invite").is(http.StatusOK).says("and 70 more: search for them by name.")
	if n := len(page.all("input[name=key]")); n != 50 {
		t.Errorf("%d keys are listed", n)
	}
	page = b.get("/account/invite?q=customer+117&email=x@example.org&role=analyst&on=keys").is(http.StatusOK)
	if n := len(page.all("input[name=key]")); n != 1 {
		t.Fatalf("%d keys match", n)
	}
	id := attr(page.first("input[name=key]"), "value")
	// What was chosen stays chosen while one looks for more.
	page = b.get("/account/invite?q=customer+003&email=x@example.org&role=analyst&on=keys&key="+id).is(http.StatusOK).says("Customer 117", "Customer 003")
	if n := len(page.all("input[checked]")); n != 3 { // the role, what is shared, the key
		t.Errorf("%d inputs are checked", n)
	}
	b.get("/account/invite?q=nothing").is(http.StatusOK).says("No subaccount has “nothing” in its name.")
}

func TestWithdrawAnInvitation(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	i, err := w.People.Invite(t.Context(), operator, w.signed.Account.ID, people.Share{Email: "new@example.org", Role: access.Manager})
	ok(t, err)
	link := w.told(notice.Invitation)[0].Link
	path := fmt.Sprintf("/account/invitations/%d/withdraw", i.ID)
	b.get(path).is(http.StatusOK).says("Withdraw the invitation of new@example.org?", "Whole account")
	w.browser().get(link).is(http.StatusOK)
	b.post(path, nil).is(http.StatusOK).at("/account").says("The invitation is withdrawn").lacks("new@example.org")
	w.browser().get(link).is(http.StatusNotFound).says("This invitation does not work any more")
	w.browser().post(link, nil).is(http.StatusNotFound)
	b.get(path).is(http.StatusNotFound)
	b.post(path, nil).is(http.StatusNotFound)
	if len(w.log("access.withdraw")) != 1 {
		t.Error("it is not in the audit log once")
	}
}

func TestAnInvitationThatEndedIsSentAgain(t *testing.T) {
	w := newWorld(t)
	shop := w.subaccount("Shop")
	_, err := w.People.Invite(t.Context(), operator, w.signed.Account.ID, people.Share{Email: "late@example.org", Role: access.Sender, KeyIDs: []int64{shop.Key.ID}, Days: 1})
	ok(t, err)
	w.now = w.now.Add(48 * time.Hour)
	b := w.signedIn()
	page := b.get("/account").says("late@example.org", "ended", "Invite again").lacks("/withdraw")
	var again string
	for _, l := range page.all("a") {
		if strings.HasPrefix(attr(l, "href"), "/account/invite?") {
			again = attr(l, "href")
		}
	}
	form := b.get(again).is(http.StatusOK)
	if attr(form.first("input[name=email]"), "value") != "late@example.org" || len(form.all("input[checked]")) != 3 {
		t.Errorf("%s fills in %q", again, attr(form.first("input[name=email]"), "value"))
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	b.get("/account").lacks("late@example.org")
}

func TestANewPersonAcceptsAnInvitation(t *testing.T) {
	w := newWorld(t)
	shop := w.subaccount("Shop")
	w.subaccount("Secret project")
	_, err := w.People.Invite(t.Context(), change.Actor{Kind: change.User, Name: "owner@example.com"}, w.signed.Account.ID, people.Share{Email: "new@example.org", Role: access.Sender, KeyIDs: []int64{shop.Key.ID}})
	ok(t, err)
	link := w.told(notice.Invitation)[0].Link
	b := w.browser()
	for range 3 { // what programs that look into mail do uses nothing up
		b.get(link).is(http.StatusOK).reads("You are invited to Acme", "By owner@example.com", "For new@example.org", "To Shop", "sender", "May see keys and senders, read messages and send test mail.", "Next you choose a password").lacks("Secret project")
	}
	b.post(link, nil).is(http.StatusOK).at("/password").says("Set your password", "new@example.org")
	b.get("/keys").is(http.StatusOK).says("Shop").lacks("Secret project")
	b.get("/account").is(http.StatusForbidden)
	w.browser().post(link, nil).is(http.StatusNotFound).says("This invitation does not work any more")
	w.browser().get("/invitation/" + strings.Repeat("A", 52)).is(http.StatusNotFound)
	w.signedIn().get("/account").reads("new@example.org", "sender Shop")
}

func TestAKnownPersonSignsInToAccept(t *testing.T) {
	w := newWorld(t)
	other, err := w.Keys.SignUp(t.Context(), operator, "Other Ltd", "known@other.example")
	ok(t, err)
	_, err = w.People.Invite(t.Context(), operator, w.signed.Account.ID, people.Share{Email: "known@other.example", Role: access.Manager})
	ok(t, err)
	link := w.told(notice.Invitation)[0].Link

	b := w.browser()
	page := b.get(link).is(http.StatusOK).says("You have an account here already. Sign in as known@other.example, and accept.")
	if len(page.all("form")) != 0 {
		t.Error("it can be accepted without signing in")
	}
	if got, want := attr(page.first("a.button"), "href"), "/sign-in?next="+url.QueryEscape(link); got != want {
		t.Errorf("it leads to %s, want %s", got, want)
	}
	b.post(link, nil).is(http.StatusForbidden).says("sign in to accept the invitation")

	wrong := w.signedIn()
	wrong.get(link).is(http.StatusOK).says("You are signed in as owner@example.com", "the invitation is for another address")
	wrong.post(link, nil).is(http.StatusForbidden).says("and you are signed in as owner@example.com")
	wrong.post(link, url.Values{"sign-out": {"1"}}).is(http.StatusOK).at(link).says("Sign in as known@other.example")
	wrong.get("/keys").at("/sign-in")

	b.signInAs(other.User)
	b.get("/keys").says("Other Ltd")
	b.get(link).is(http.StatusOK).says("You are signed in as known@other.example.")
	b.post(link, nil).is(http.StatusOK).at("/keys").says("Acme", "Switch to Other Ltd")
	b.post("/switch", url.Values{"account": {strconv.FormatInt(other.Account.ID, 10)}}).at("/keys").says("Switch to Acme")
}

func TestALinkInAMailFindsTheSession(t *testing.T) {
	w := newWorld(t)
	_, err := w.People.Invite(t.Context(), operator, w.signed.Account.ID, people.Share{Email: "new@example.org", Role: access.Manager})
	ok(t, err)
	link := w.told(notice.Invitation)[0].Link
	a := w.browser().do(http.MethodGet, link, nil, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).is(http.StatusOK)
	if got := attr(a.first("meta[http-equiv=refresh]"), "content"); got != "0;url="+link {
		t.Errorf("it goes on to %q", got)
	}
}

func TestRolesAreChangedAndAccessIsRemoved(t *testing.T) {
	w := newWorld(t)
	shop := w.subaccount("Shop")
	u := w.user("mate@example.com", access.Manager)
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutAccess(t.Context(), u.ID, w.signed.Account.ID, shop.Key.ID, access.Sender)
	}))
	b, mate := w.signedIn(), w.as(u)
	list, err := w.store.Accesses(t.Context(), store.OfAccount(w.signed.Account.ID), store.AccessFilter{})
	ok(t, err)
	id := map[string]int64{}
	for _, x := range list {
		id[x.Email+x.KeyName] = x.ID
	}
	path := func(who, what string) string { return fmt.Sprintf("/account/people/%d/%s", id[who], what) }

	b.get(path("mate@example.com", "role")).is(http.StatusOK).says("Role of mate@example.com", "On the whole account")
	b.get(path("mate@example.comShop", "role")).is(http.StatusOK).says("On the subaccount Shop")
	mate.get("/account").is(http.StatusOK).lacks("/account/invite", "/role", "/remove")
	b.post(path("mate@example.com", "role"), url.Values{"role": {"emperor"}}).is(http.StatusUnprocessableEntity).says("is not a role")
	b.post(path("mate@example.com", "role"), url.Values{"role": {access.Analyst}}).is(http.StatusOK).at("/account").says("The role is changed.", "analyst")
	mate.get("/account").is(http.StatusForbidden) // with the next click
	mate.get("/keys").is(http.StatusOK)

	b.get(path("mate@example.com", "remove")).is(http.StatusOK).says("Remove mate@example.com?", "this account")
	b.post(path("mate@example.com", "remove"), nil).at("/account").reads("The access is removed.", "sender Shop")
	b.post(path("mate@example.comShop", "remove"), nil).at("/account").lacks("mate@example.com")
	mate.get("/keys").is(http.StatusForbidden).says("Nothing is shared with you")
	b.get(path("mate@example.com", "role")).is(http.StatusNotFound)
	b.post(path("mate@example.com", "remove"), nil).is(http.StatusNotFound)

	// The last owner stays.
	b.post(path("owner@example.com", "role"), url.Values{"role": {access.Analyst}}).is(http.StatusUnprocessableEntity).says("would be left without an owner", "This is your own role.")
	b.post(path("owner@example.com", "remove"), nil).is(http.StatusUnprocessableEntity).says("would be left without an owner")
	w.user("second@example.com", access.Owner)
	b.post(path("owner@example.com", "role"), url.Values{"role": {access.Analyst}}).is(http.StatusOK).at("/keys")
	b.get("/account").is(http.StatusForbidden)
	if got := len(w.log("access.change")) + len(w.log("access.remove")); got != 4 {
		t.Errorf("%d changes are in the audit log", got)
	}
}

func TestManyPeople(t *testing.T) {
	w := newWorld(t)
	keys := make([]store.Key, 9)
	for i := range keys {
		keys[i] = w.subaccount(fmt.Sprintf("Customer %d", i)).Key
	}
	w.user("everywhere@example.com", access.Sender, keys...)
	for i := range 60 {
		w.user(fmt.Sprintf("person%02d@example.com", i), access.Analyst)
	}
	b := w.signedIn()
	page := b.get("/account").is(http.StatusOK).says("People 62", "1–50 of 62")
	if first := textOf(page.all("th.c-who")[1]); !strings.Contains(first, "owner@example.com") {
		t.Errorf("the first is %q, not an owner", first)
	}
	b.get("/account?page=2").is(http.StatusOK).says("51–62 of 62", "everywhere@example.com", "and 4 more")
	b.get("/account?page=3").is(http.StatusOK).at("/account").says("1–50 of 62")
	b.get("/account?q=PERSON07").says("person07@example.com").lacks("person08@example.com")
	b.get("/account?q=customer+3").says("everywhere@example.com").lacks("person07@example.com")
	b.get("/account?q=nobody").is(http.StatusOK).says("Nobody here has “nobody”")
}

func TestAccountSettings(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/account/name").is(http.StatusOK)
	b.post("/account/name", url.Values{"name": {" "}}).is(http.StatusUnprocessableEntity).says("A name is needed.")
	b.post("/account/name", url.Values{"name": {"Acme & Sons"}}).at("/account").says("Acme & Sons", "The account has its new name.")

	b.get("/account/limit").is(http.StatusOK)
	b.post("/account/limit", url.Values{"limit": {"many"}}).is(http.StatusUnprocessableEntity).says("This is not a whole number.")
	b.post("/account/limit", url.Values{"limit": {"-1"}}).is(http.StatusUnprocessableEntity)
	b.post("/account/limit", url.Values{"limit": {"9999999999999"}}).is(http.StatusUnprocessableEntity).says("Must be 0 (no limit) to 1000000000000 messages.")
	b.post("/account/limit", url.Values{"limit": {"10,000"}}).at("/account").says("10,000 messages a day")
	if v := attr(b.get("/account/limit").first("input[name=limit]"), "value"); v != "10000" {
		t.Errorf("the form has %q", v)
	}
	b.post("/account/limit", url.Values{"limit": {""}}).at("/account").says("no limit For each key")
	if e := w.log("account.change"); len(e) != 3 || e[1].Detail != "messages a day of each key: no limit → 10000" {
		t.Errorf("logged: %+v", e)
	}
}

func TestTheRotationPolicyStopsOnlyWhatIsMeant(t *testing.T) {
	w := newWorld(t)
	shop := w.subaccount("Shop")
	b := w.signedIn()
	b.get("/account/policy").is(http.StatusOK).says("None is overdue now.")
	bad := func(field string, f url.Values) {
		t.Helper()
		if b.post("/account/policy", f).is(http.StatusUnprocessableEntity).text("#problem-"+field) == "" {
			t.Errorf("%v: nothing stands at %s", f, field)
		}
	}
	bad("SecretDays", url.Values{"days": {"0"}, "remind": {"0"}})
	bad("SecretDays", url.Values{"days": {"soon"}, "remind": {"0"}})
	bad("SecretDays", url.Values{"days": {"99999999"}, "remind": {"0"}})
	bad("RemindDays", url.Values{"days": {"30"}, "remind": {"30"}})
	bad("RemindDays", url.Values{"days": {"30"}, "remind": {"x"}})
	b.post("/account/policy", url.Values{"days": {"30"}, "remind": {"7"}, "stop": {"1"}}).at("/account").reads("The rotation policy is changed.", "after 30 days", "on day 23", "stop working")

	b.post("/account/policy", url.Values{"days": {"60"}, "remind": {"7"}}).at("/account").says("go on working")
	w.now = w.now.Add(45 * 24 * time.Hour)
	b.signInAs(w.signed.User)
	b.get("/account").reads("Overdue now none")
	strict := url.Values{"days": {"30"}, "remind": {"7"}, "stop": {"1"}}
	b.post("/account/policy", strict).is(http.StatusUnprocessableEntity).says("By a policy of 30 days 2 keys are overdue now", "2 keys stop working the moment this is saved. That is meant.")
	if a, err := w.store.Account(t.Context(), w.signed.Account.ID); err != nil || a.StopOverdue || a.SecretDays != 60 {
		t.Errorf("the policy was changed before it was confirmed: %+v, %v", a, err)
	}
	if !w.opens(shop.Key.APIKey, shop.Secret) {
		t.Error("the key stopped before it was confirmed")
	}
	strict.Set("sure", "1")
	b.post("/account/policy", strict).at("/account").reads("Overdue now 2 keys", "stop working")
}

func TestThePlanAndAskingForMore(t *testing.T) {
	w := newWorld(t)
	w.plan(store.Plan{Name: "Starter", Subaccounts: 2, Users: 10, HourMessages: 4, RetentionDays: 30})
	w.subaccount("Shop")
	w.subaccount("Billing")
	w.use(w.signed.Key, 3)
	_, err := w.People.Invite(t.Context(), operator, w.signed.Account.ID, people.Share{Email: "new@example.org", Role: access.Sender})
	ok(t, err)
	b := w.signedIn()
	page := b.get("/account").reads("Plan Starter", "Subaccounts 2 of 2", "People 2 of 10", "Messages this month 3 · no limit", "Messages this hour 3 of 4", "Finished messages are kept for 30 days.")
	var widths []string
	for _, r := range page.all("rect.value") {
		widths = append(widths, attr(r, "width"))
	}
	if fmt.Sprint(widths) != "[100% 20% 75%]" || len(page.all("svg.bad")) != 1 {
		t.Errorf("the bars are %v", widths)
	}

	form := b.get("/account/requests/new?kind=hour").is(http.StatusOK).says("Your plan is Starter.", "Subaccounts: 2 of 2 used").lacks(`value="month"`)
	if got := attr(form.first("option[selected]"), "value"); got != "hour" {
		t.Errorf("chosen is %q", got)
	}
	b.post("/account/requests/new", url.Values{"kind": {"subaccounts"}, "reason": {"x"}}).is(http.StatusUnprocessableEntity).says("Give the number that you need.")
	b.post("/account/requests/new", url.Values{"kind": {"subaccounts"}, "wanted": {"2"}, "reason": {"x"}}).is(http.StatusUnprocessableEntity).says("Must be more than the 2 that there are.")
	b.post("/account/requests/new", url.Values{"kind": {"subaccounts"}, "wanted": {"20"}}).is(http.StatusUnprocessableEntity).says("A reason of up to 2000 bytes is needed")
	b.post("/account/requests/new", url.Values{"kind": {"month"}, "wanted": {"20"}, "reason": {"x"}}).is(http.StatusUnprocessableEntity).says("There is no limit of messages a month on this account.")
	b.post("/account/requests/new", url.Values{"kind": {"subaccounts"}, "wanted": {"20"}, "reason": {"Twelve new shops"}}).at("/account").
		says("The operator has your request.", "20 subaccounts", "open", "Asked just now by owner@example.com: Twelve new shops", "You have asked for more.")
	b.post("/account/requests/new", url.Values{"kind": {"subaccounts"}, "wanted": {"30"}, "reason": {"More"}}).is(http.StatusUnprocessableEntity).says("is open already")
	if n := w.told(notice.RequestMade); len(n) != 1 || n[0].Wanted != 20 || n[0].Reason != "Twelve new shops" {
		t.Errorf("told: %+v", n)
	}
	list, _, err := w.store.Requests(t.Context(), store.OfOperator(), store.RequestFilter{}, store.Page{})
	ok(t, err)
	if len(list) != 1 || list[0].Email != "owner@example.com" {
		t.Errorf("the requests are %+v", list)
	}
	_, err = w.Accounts.Answer(t.Context(), operator, list[0].ID, false, 0, "Not before January")
	ok(t, err)
	b.get("/account").says("declined", "Answer: Not before January")
}

func TestNothingToAskFor(t *testing.T) {
	w := newWorld(t)
	w.signedIn().get("/account/requests/new").is(http.StatusOK).says("There is nothing to ask for")
}

func TestEveryActionHasWords(t *testing.T) {
	for _, a := range access.Actions() {
		if console.ActionWords(a) == "" {
			t.Errorf("no words say what %q is", a)
		}
	}
}

func TestSharingIsChangedByWhoIsThere(t *testing.T) {
	w := newWorld(t)
	u := w.user("mate@example.com", access.Analyst)
	b := w.operates()
	b.post("/password", url.Values{"password": {password}, "repeat": {password}}).is(http.StatusOK)
	list, err := w.store.Accesses(t.Context(), store.OfAccount(w.signed.Account.ID), store.AccessFilter{UserID: u.ID})
	ok(t, err)
	w.now = w.now.Add(time.Hour)
	b.get("/account").is(http.StatusOK)
	b.get("/account/invite?key=7").at("/confirm").says("Confirm that it is you")
	for path, form := range map[string]url.Values{
		"/account/invite": {"email": {"new@example.org"}, "role": {"owner"}, "on": {"account"}},
		fmt.Sprintf("/account/people/%d/role", list[0].ID):             {"role": {access.Owner}},
		fmt.Sprintf("/account/people/%d/remove", list[0].ID):           nil,
		fmt.Sprintf("/operator/keys/%d/suspend", w.signed.Key.ID):      {"reason": {"x"}},
		fmt.Sprintf("/operator/accounts/%d/plan", w.signed.Account.ID): {"plan": {"0"}},
		"/operator/operators/new":                                      {"email": {"mate@example.com"}},
		"/operator/plans/new":                                          {"name": {"Free"}},
	} {
		b.post(path, form).at("/confirm")
	}
	if n := len(w.log("access.")) + len(w.log("plan.")) + len(w.log("key.suspend")) + len(w.log("user.operator")); n != 1 {
		t.Errorf("%d changes were made by somebody who was not asked", n-1)
	}
	b.post("/confirm", url.Values{"password": {password}, "next": {"/account/invite?key=7"}}).is(http.StatusOK)
}
