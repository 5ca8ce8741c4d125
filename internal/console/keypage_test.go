// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/internal/access"
	"postern/internal/accounts"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/people"
	"postern/internal/store"
	"postern/internal/submit"
)

// opensFrom says whether a secret opens the gate from an address.
func (w *world) opensFrom(x keys.Issued, address string) bool {
	_, err := w.gate.Verify(gate.Source{Protocol: "http", Addr: netip.MustParseAddr(address)}, x.Key.APIKey, x.Secret)
	return err == nil
}

// person is a user with the roles, each on a key or, with the zero key, on the whole account.
func (w *world) person(email string, roles map[string]store.Key) *browser {
	w.t.Helper()
	var u store.User
	ok(w.t, w.store.Update(w.t.Context(), func(tx *store.Tx) (err error) {
		if u, err = tx.AddUser(w.t.Context(), store.User{AccountID: w.signed.Account.ID, Email: email}); err != nil {
			return err
		}
		for role, k := range roles {
			if err = tx.PutAccess(w.t.Context(), u.ID, w.signed.Account.ID, k.ID, role); err != nil {
				return err
			}
		}
		return nil
	}))
	b := w.browser()
	b.signInAs(u)
	return b
}

func TestAKeysOwnPage(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	b.get("/keys").is(http.StatusOK)
	b.get(keyPage(sub.Key)).is(http.StatusOK).says("Shop", sub.Key.APIKey, "Nothing has ever used it.", "0 messages in 30 days", "The key has no sender yet", "any of its senders", "everywhere", "One person has the whole account", "Danger zone")
	w.change(sub.Key, keys.KeyChange{Reference: new("customer-42"), HourLimit: new(int64(2)), MonthLimit: new(int64(1000))})
	w.send(sub.Key, mailOf("One"), "a@example.org")
	w.send(sub.Key, mailOf("Two"), "b@example.org")
	dayLimit := int64(5)
	_, err := w.Accounts.ChangeAccount(t.Context(), operator, w.signed.Account.ID, accounts.AccountChange{DayLimit: &dayLimit})
	ok(t, err)
	a := b.get(keyPage(sub.Key)).says("customer-42", "2 messages in 30 days", "2 of 2", "2 of 5, the account’s limit", "2 of 1,000")
	if levels := []string{attr(a.all("progress")[0], "class"), attr(a.all("progress")[2], "class")}; levels[0] != "gauge overdue" || levels[1] != "gauge ok" {
		t.Errorf("the gauges are %v", levels)
	}
	b.get("/keys").says("customer-42")
	b.get("/keys?q=CUSTOMER-4").says("Shop")
	b.get(keyPage(w.signed.Key)).is(http.StatusOK).says("Primary").lacks("/delete")
}

func TestStatesOfAKeysPage(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	b.post(keyPath(sub.Key, "deactivate")+"?on=key", nil).at(keyPage(sub.Key)).says("The key is deactivated", "Activate")
	b.get(keyPath(sub.Key, "reset")).says("The key is deactivated: its new secret key opens nothing")
	_, err := w.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: sub.Key.ID}, "A list that was <b>bought</b>")
	ok(t, err)
	b.get(keyPage(sub.Key)).says("Suspended by the operator of this server. The reason: A list that was <b>bought</b>", "The API key is suspended: nothing is sent with it.").lacks("/activate?", "/deactivate?")
	w.subaccountWithoutSecret(sub.Key)
	b.get(keyPage(sub.Key)).says("There is no live secret key: nothing opens this API key.")
	b.get("/keys").says("none")

	for _, path := range []string{"/keys/999", "/keys/x", "/keys/0", "/keys/-1", "/keys/99999999999999999999"} {
		b.get(path).is(http.StatusNotFound).says("There is no such key in your account.")
	}
	other, err := w.Keys.SignUp(t.Context(), operator, "Other", "other@example.com")
	ok(t, err)
	b.get(keyPage(other.Key)).is(http.StatusNotFound).lacks(other.Key.APIKey)
	for _, page := range []string{"restrict", "delete", "reset", "smtp", "secrets/" + strconv.FormatInt(other.Key.Secrets[0].ID, 10) + "/retire"} {
		b.get(keyPath(other.Key, page)).is(http.StatusNotFound).lacks(other.Key.APIKey)
		if page != "smtp" {
			b.post(keyPath(other.Key, page), url.Values{"name": {"Other"}, "permission": {"send"}}).is(http.StatusNotFound)
		}
	}
	b.post(keyPath(other.Key, "test"), nil).is(http.StatusNotFound)
	b.get(retirePath(sub.Key, other.Key.Secrets[0])).is(http.StatusNotFound) // another key's secret under an own key
}

// subaccountWithoutSecret ends a key's secrets.
func (w *world) subaccountWithoutSecret(k store.Key) {
	w.t.Helper()
	ok(w.t, w.store.Update(w.t.Context(), func(tx *store.Tx) error { _, err := tx.EndSecrets(w.t.Context(), k.ID); return err }))
}

func TestDeletingASubaccount(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	for _, c := range []struct {
		name, queue, said string
		left              int64
	}{{"Sends", "send", "2 messages of it wait", 2}, {"Cancels", "cancel", "2 messages of it wait", 0}} {
		sub := w.subaccount(c.name)
		w.send(sub.Key, mailOf("Waiting"), "a@example.org", "b@example.org")
		path := keyPath(sub.Key, "delete")
		form := b.get(path).is(http.StatusOK).says("Delete "+c.name+"?", c.said).form(path)
		form.Set("queue", c.queue)
		for _, wrong := range []string{"", "sends", c.name + "!"} {
			form.Set("name", wrong)
			a := b.post(path, form).is(http.StatusUnprocessableEntity).says("Type " + c.name + " exactly")
			if got := a.form(path); got.Get("queue") != c.queue || got.Get("name") != wrong {
				t.Errorf("the choice is gone: %v", got)
			}
		}
		if !w.opens(sub.Key.APIKey, sub.Secret) {
			t.Fatal("a key was deleted without its name")
		}
		form.Set("name", c.name)
		b.post(path, form).is(http.StatusOK).at("/keys").says("The subaccount with the API key " + sub.Key.APIKey + " is deleted.")
		if w.opens(sub.Key.APIKey, sub.Secret) {
			t.Error("a deleted key opens")
		}
		if n, err := w.store.CountQueued(t.Context(), store.OfAccount(sub.Key.AccountID), sub.Key.ID); err != nil || n != c.left {
			t.Errorf("%s: %d messages wait, want %d: %v", c.name, n, c.left, err)
		}
		b.get(keyPage(sub.Key)).is(http.StatusNotFound).says("This subaccount was deleted", sub.Key.APIKey)
		b.post(keyPath(sub.Key, "reset"), nil).is(http.StatusNotFound)
		b.get("/keys").lacks(sub.Key.APIKey)
	}
	b.get(keyPath(w.signed.Key, "delete")).is(http.StatusConflict).says("The primary key cannot be deleted")
	b.post(keyPath(w.signed.Key, "delete"), url.Values{"name": {"Acme"}}).is(http.StatusConflict)
	b.get(keyPage(w.signed.Key)).is(http.StatusOK)
}

func TestRestrictionsAreRefusedThenAllowed(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	w.used(w.live(sub.Key)[0], "smtp", "192.0.2.7", "postfix/3.7", time.Minute, 7)
	w.used(w.live(sub.Key)[0], "smtp", "192.0.2.9", "postfix/3.7", 3*24*time.Hour, 7)
	w.used(w.live(sub.Key)[0], "http", "2001:db8::1", "curl/8", 40*24*time.Hour, 7) // too long ago
	path := keyPath(sub.Key, "restrict")
	b.get(keyPage(sub.Key)).says("In 30 days it was used from one network:", "192.0.2.0/24", "Allow only this one?")
	form := b.get(path).is(http.StatusOK).says("From 30 days of use: 192.0.2.0/24").form(path)
	if form.Get("networks") != "" || len(form["permission"]) != 3 {
		t.Fatalf("the form begins with %v", form)
	}
	suggested := b.get(path + "?networks=suggested").says("Nothing is restricted until you save it.").form(path)
	if suggested.Get("networks") != "192.0.2.0/24" || !w.opensFrom(sub, "203.0.113.5") {
		t.Fatalf("the suggestion is %v, or was applied unasked", suggested)
	}
	b.post(path, suggested).is(http.StatusOK).at(keyPage(sub.Key)).says("192.0.2.0/24")
	if !w.opensFrom(sub, "192.0.2.200") || w.opensFrom(sub, "203.0.113.5") {
		t.Error("the networks are not kept to")
	}

	// Networks that would shut out what uses it now have to be meant.
	form.Set("networks", "203.0.113.0/24")
	a := b.post(path, form).is(http.StatusUnprocessableEntity).says("2 connections of the last 7 days would be refused", "postfix/3.7 from 192.0.2.7 by SMTP")
	if !w.opensFrom(sub, "192.0.2.7") {
		t.Error("a form that was refused has changed the networks")
	}
	form = a.form(path)
	form.Set("sure", "yes")
	b.post(path, form).is(http.StatusOK).at(keyPage(sub.Key))
	if w.opensFrom(sub, "192.0.2.7") || !w.opensFrom(sub, "203.0.113.5") {
		t.Error("the networks are not kept to")
	}
	form.Set("networks", "")
	b.post(path, form).at(keyPage(sub.Key)).says("everywhere")
	if !w.opensFrom(sub, "2001:db8::5") {
		t.Error("a restriction that was taken away still holds")
	}
}

// What the operator restricted is marked on the key's page, and the form of the account's people does not loosen it.
func TestTheOperatorsRestrictionOnThePages(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	b.get(keyPage(sub.Key)).lacks("By the operator")
	w.change(sub.Key, keys.KeyChange{HourLimit: new(int64(10)), AllowedSenders: new("shop.example")})
	b.get(keyPage(sub.Key)).says("By the operator", "senders, messages an hour")
	path := keyPath(sub.Key, "restrict")
	form := b.get(path).form(path)
	form.Set("hour", "11")
	b.post(path, form).is(http.StatusForbidden).says("The operator restricted this")
	form.Set("hour", "9")
	b.post(path, form).is(http.StatusOK).at(keyPage(sub.Key))
	form.Set("senders", "")
	b.post(path, form).is(http.StatusForbidden).says("The operator restricted this")
}

func TestMistakesInRestrictionsAreSaidAtTheirField(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	path := keyPath(sub.Key, "restrict")
	for _, c := range []struct{ field, value, id, says string }{
		{"networks", "192.0.2.1/24", "networks-problem", "did you mean 192.0.2.0/24?"},
		{"networks", "here", "networks-problem", "is neither an address nor a network"},
		{"senders", "a@b@c", "senders-problem", "a@b@c"},
		{"hour", "many", "hour-problem", "Give a whole number of messages"},
		{"day", "-5", "day-problem", "Give a whole number of messages"},
		{"month", "1.5", "month-problem", "Give a whole number of messages"},
		{"month", "9000000000000000000", "month-problem", "1000000000000"},
		{"permission", "", "permissions-problem", "Choose at least one."},
	} {
		form := b.get(path).form(path)
		form.Set(c.field, c.value)
		a := b.post(path, form).is(http.StatusUnprocessableEntity)
		if got := a.text("span#" + c.id); !strings.Contains(got, c.says) {
			t.Errorf("%s %q: at its field stands %q", c.field, c.value, got)
		}
		if c.field != "permission" && a.form(path).Get(c.field) != c.value {
			t.Errorf("%s: what was typed is gone", c.field)
		}
	}
	got, err := w.store.Key(t.Context(), store.OfAccount(sub.Key.AccountID), store.KeyFilter{ID: sub.Key.ID})
	ok(t, err)
	if got.Limits != sub.Key.Limits {
		t.Errorf("a mistake has changed %+v", got.Limits)
	}

	w.send(sub.Key, mailOf("Before"), "a@example.org")
	form := b.get(path).form(path)
	form["permission"] = []string{"send"}
	form.Set("senders", "billing@acme.example, other.example")
	form.Set("hour", "1,000")
	form.Set("over", "wait")
	b.post(path, form).at(keyPage(sub.Key)).says("billing@acme.example", "other.example", "1 of 1,000", "mail waits for the next hour", "Read messages, events and statistics (not allowed)")
	p := gate.Principal{KeyID: sub.Key.ID, AccountID: sub.Key.AccountID}
	if _, err := w.submit.CheckSender(t.Context(), p, "hello@acme.example"); err == nil {
		t.Error("a sender that is not allowed sends")
	}
	b.get(keyPage(sub.Key)).says("its restrictions allow none of them")
	form.Set("senders", "acme.example")
	form.Set("hour", "")
	b.post(path, form).at(keyPage(sub.Key)).says("no limit")
	_, err = w.submit.CheckSender(t.Context(), p, "hello@acme.example")
	ok(t, err)
}

func TestSendingATest(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	test := keyPath(sub.Key, "test")
	b.post(test, nil).is(http.StatusUnprocessableEntity).says("has no sender yet: add the address or domain")
	_, err := w.Senders.AddSender(t.Context(), operator, store.OfAccount(sub.Key.AccountID), store.KeyFilter{ID: sub.Key.ID}, "acme.example", "")
	ok(t, err)
	b.get(keyPage(sub.Key)).says("A mail from postern@acme.example to you, owner@example.com.")
	a := b.post(test, nil).is(http.StatusOK).at(keyPage(sub.Key)).says("The test is on its way to owner@example.com.")
	link := attr(find(a.first("p.good"), "a")[0], "href")
	b.get(link).is(http.StatusOK).says("A test with Shop", "postern@acme.example", "Accepted from these pages")
	list, err := w.store.Messages(t.Context(), store.OfAccount(sub.Key.AccountID), store.MessageFilter{}, store.Page{})
	ok(t, err)
	if len(list) != 1 || list[0].KeyID != sub.Key.ID || list[0].Recipient != "owner@example.com" || list[0].Source != "console" {
		t.Errorf("what was sent is %+v", list)
	}
	theirs := w.send(sub.Key, mailOf("Not a test"), "x@example.org")
	b.get(keyPage(sub.Key) + "?sent=" + strconv.FormatInt(theirs.Messages[0].ID, 10)).lacks("on its way to x@example.org")
	b.get(keyPage(sub.Key) + "?sent=999").is(http.StatusOK)

	w.change(sub.Key, keys.KeyChange{DayLimit: new(int64(1))})
	b.post(test, nil).is(http.StatusUnprocessableEntity).says("The limit of this API key is 1 messages a day")
	read := access.MayRead
	w.change(sub.Key, keys.KeyChange{DayLimit: new(int64(0)), Permissions: &read})
	b.post(test, nil).is(http.StatusUnprocessableEntity).says("The API key is not allowed to send")
	w.change(sub.Key, keys.KeyChange{Active: new(false)})
	b.post(test, nil).is(http.StatusUnprocessableEntity).says("The API key is deactivated: nothing is sent with it.")
	var e *submit.Error
	if n, err := w.store.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{}); n != 2 || errors.As(err, &e) {
		t.Errorf("%d messages are kept, want 2", n)
	}
}

// menuOf are the addresses in a key's menu on the list.
func menuOf(a answer, name string) []string {
	a.t.Helper()
	for _, row := range a.all("tr") {
		if th := find(row, "th.c-name"); len(th) == 1 && strings.TrimSpace(textOf(th[0])) == name {
			var out []string
			for _, l := range find(find(row, "td.c-menu")[0], "a") {
				parts := strings.Split(attr(l, "href"), "/")
				out = append(out, strings.SplitN(parts[len(parts)-1], "?", 2)[0])
			}
			return out
		}
	}
	a.t.Fatalf("%s has no row %s", a.url.Path, name)
	return nil
}

func TestEachRowOffersWhatTheUserMayDoToIt(t *testing.T) {
	w := newWorld(t)
	mine, seen, hidden := w.subaccount("Mine"), w.subaccount("Seen"), w.subaccount("Hidden")
	b := w.person("mixed@example.com", map[string]store.Key{access.Manager: mine.Key, access.Analyst: seen.Key})
	a := b.get("/keys").is(http.StatusOK).lacks("Hidden", "Primary API key", "Create subaccount", w.signed.Key.APIKey)
	if got := menuOf(a, "Mine"); !slices.Equal(got, []string{"reset", "rename", "smtp", "messages", "deactivate"}) {
		t.Errorf("a manager of one key is offered %v", got)
	}
	if got := menuOf(a, "Seen"); !slices.Equal(got, []string{"smtp", "messages"}) {
		t.Errorf("an analyst is offered %v", got)
	}
	if got := menuOf(w.signedIn().get("/keys"), "Mine"); !slices.Equal(got, []string{"reset", "rename", "restrict", "smtp", "messages", "deactivate", "delete"}) {
		t.Errorf("an owner is offered %v", got)
	}
	b.get(keyPage(mine.Key)).is(http.StatusOK).says("Reset Secret Key", "Try it").lacks("/restrict", "/delete", "Sharing")
	b.get(keyPage(seen.Key)).is(http.StatusOK).lacks("/reset", "/retire", "/test", "Danger zone", "/restrict", "Send me a test")
	b.get(keyPage(hidden.Key)).is(http.StatusNotFound).lacks("Hidden")
	nonce := b.get(keyPath(mine.Key, "reset")).is(http.StatusOK).form(keyPath(mine.Key, "reset"))
	for _, k := range []store.Key{seen.Key, hidden.Key, w.signed.Key} {
		for _, page := range []string{"reset", "rename", "deactivate", "test", "secrets/" + strconv.FormatInt(k.Secrets[0].ID, 10) + "/retire"} {
			b.post(keyPath(k, page), nonce).is(http.StatusNotFound)
		}
	}
	for _, k := range []store.Key{mine.Key, seen.Key, hidden.Key} {
		for _, page := range []string{"restrict", "delete"} {
			b.post(keyPath(k, page), url.Values{"name": {k.Name}, "permission": {"send"}}).is(http.StatusForbidden)
		}
	}
	for _, x := range []keys.Issued{mine, seen, hidden} {
		if !w.opens(x.Key.APIKey, x.Secret) {
			t.Errorf("%s was changed", x.Key.Name)
		}
	}
	if a := b.get("/keys.csv").is(http.StatusOK); strings.Contains(a.body, "Hidden") || !strings.Contains(a.body, "Seen") {
		t.Errorf("the file has %s", a.body)
	}
	secretIn(b.post(keyPath(mine.Key, "reset"), nonce).is(http.StatusOK))

	// An owner sees who has which key.
	_, err := w.People.Invite(t.Context(), operator, w.signed.Account.ID, people.Share{Email: "new@example.com", Role: access.Sender, KeyIDs: []int64{mine.Key.ID}})
	ok(t, err)
	w.signedIn().get(keyPage(mine.Key)).says("mixed@example.com", "manager", "new@example.com", "invited, until", "sender")
}

func TestTheFileOfKeys(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	evil := w.subaccount(`=HYPERLINK("http://evil.example","Shop")`)
	w.change(evil.Key, keys.KeyChange{Reference: new("@SUM(1)")})
	shop := w.subaccount("Shop, \"the\" first")
	for i := range 12 {
		w.send(shop.Key, mailOf(fmt.Sprint(i)), "a@example.org")
	}
	w.change(shop.Key, keys.KeyChange{Active: new(false)})
	at := w.now.Add(-time.Hour).UTC().Truncate(time.Second)
	w.used(w.live(shop.Key)[0], "http", "192.0.2.7", "curl/8", time.Hour, 1)
	a := b.get("/keys.csv").is(http.StatusOK)
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("its headers are %v", a.header)
	}
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	ok(t, err)
	if len(rows) != 4 || rows[1][1] != "" || rows[1][3] != "primary" || rows[2][0] != `'=HYPERLINK("http://evil.example","Shop")` || rows[2][1] != "'@SUM(1)" {
		t.Fatalf("the file has %q", rows)
	}
	got := rows[3]
	used, err := time.Parse(time.RFC3339, got[6])
	if err != nil || used.Sub(at).Abs() > time.Second {
		t.Errorf("last used is %q", got[6])
	}
	want := []string{"Shop, \"the\" first", "", shop.Key.APIKey, "subaccount", "deactivated", got[5], got[6], "0", "1", "12"}
	if !slices.Equal(got, want) {
		t.Errorf("the row is %q, want %q", got, want)
	}
	for _, secret := range []string{w.signed.Secret, shop.Secret, evil.Secret, w.live(shop.Key)[0].Hint + ","} {
		if strings.Contains(a.body, secret) {
			t.Error("a secret is in the file")
		}
	}
	if only := b.get("/keys.csv?show=deactivated").body; strings.Count(only, "\n") != 2 || !strings.Contains(only, shop.Key.APIKey) {
		t.Errorf("the file of deactivated keys has %q", only)
	}
	if none := b.get("/keys.csv?q=nothing+such").is(http.StatusOK).body; strings.Count(none, "\n") != 1 {
		t.Errorf("the file of no keys has %q", none)
	}
}

func TestAFileOfManyKeysIsWhole(t *testing.T) {
	w := newWorld(t)
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 1203 {
			if _, err := tx.AddKey(t.Context(), store.Key{AccountID: w.signed.Account.ID, Name: fmt.Sprintf("Customer %04d", i), APIKey: fmt.Sprintf("%032x", i), State: store.KeyActive}); err != nil {
				return err
			}
		}
		return nil
	}))
	rows, err := csv.NewReader(strings.NewReader(w.signedIn().get("/keys.csv").is(http.StatusOK).body)).ReadAll()
	ok(t, err)
	seen := map[string]bool{}
	for _, r := range rows[1:] {
		seen[r[2]] = true
	}
	if len(rows) != 1+1+1203 || len(seen) != 1204 {
		t.Errorf("the file has %d rows, %d different", len(rows), len(seen))
	}
}

func TestFiltersAndOrders(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	var made []keys.Issued
	for _, name := range []string{"delta", "Alpha", "charlie", "Bravo", "Echo", "foxtrot"} {
		made = append(made, w.subaccount(name))
	}
	delta, alpha, charlie := made[0], made[1], made[2]
	w.change(alpha.Key, keys.KeyChange{Active: new(false)})
	_, err := w.Keys.Suspend(t.Context(), operator, store.KeyFilter{ID: charlie.Key.ID}, "Why")
	ok(t, err)
	names := func(a answer) (out []string) {
		for _, th := range a.is(http.StatusOK).all("th.c-name") {
			if l := find(th, "a"); len(l) == 1 {
				out = append(out, strings.TrimSpace(textOf(l[0])))
			}
		}
		return out
	}
	same := func(path string, want ...string) {
		t.Helper()
		if got := names(b.get(path)); !slices.Equal(got, want) {
			t.Errorf("%s lists %v, want %v", path, got, want)
		}
	}
	same("/keys", "Acme", "Alpha", "Bravo", "charlie", "delta", "Echo", "foxtrot")
	same("/keys?sort=created", "Acme", "foxtrot", "Echo", "Bravo", "charlie", "Alpha", "delta")
	same("/keys?show=deactivated", "Alpha")
	same("/keys?show=suspended", "charlie")
	same("/keys?show=active&q=o", "Bravo", "Echo", "foxtrot")
	same("/keys?show=nonsense&sort=nonsense&q=delta", "delta")
	b.get("/keys?show=due").says("No subaccount’s secret key is due for a reset.").lacks("banner")
	b.get("/keys?show=suspended&q=delta").says("among those that you chose to see")

	w.now = w.now.Add(31 * 24 * time.Hour)
	b.signInAs(w.signed.User)
	w.used(w.live(delta.Key)[0], "http", "192.0.2.1", "curl", time.Hour, 1)
	w.used(w.live(made[4].Key)[0], "http", "192.0.2.1", "curl", 10*24*time.Hour, 1)
	same("/keys?sort=used", "Acme", "delta", "Echo", "foxtrot", "Bravo", "charlie", "Alpha")
	same("/keys?sort=rested&show=active", "Acme", "Bravo", "foxtrot", "Echo", "delta")
	same("/keys?show=unused", "Acme", "Alpha", "Bravo", "charlie", "foxtrot")
	// The last use is the key's: a reset does not make it look unused.
	_, err = w.Keys.Reset(t.Context(), operator, store.OfAccount(delta.Key.AccountID), store.KeyFilter{ID: delta.Key.ID}, keys.Reset{})
	ok(t, err)
	b.get("/keys?q=delta").says("1 hour ago")

	b.get("/keys").lacks("banner")
	w.now = w.signed.Key.Secrets[0].CreatedAt.Add(76*24*time.Hour + time.Hour)
	b.signInAs(w.signed.User)
	b.get("/keys").says("5 secret keys are due for a reset soon.", "Show them") // the deactivated and the suspended are nobody's worry
	same("/keys?show=due", "Acme", "Bravo", "delta", "Echo", "foxtrot")
	w.now = w.signed.Key.Secrets[0].CreatedAt.Add(90*24*time.Hour + time.Hour)
	b.signInAs(w.signed.User)
	a := b.get("/keys").says("5 secret keys are overdue for a reset.")
	if got := attr(find(a.first("div.banner"), "a")[0], "href"); got != "/keys?show=due" {
		t.Errorf("the banner leads to %q", got)
	}
	stop := true
	_, err = w.Accounts.ChangeAccount(t.Context(), operator, w.signed.Account.ID, accounts.AccountChange{StopOverdue: &stop})
	ok(t, err)
	b.get("/keys").says("5 secret keys are overdue for a reset and refused.")
}

func TestThePlansLimitLeadsToARequest(t *testing.T) {
	w := newWorld(t)
	plan, err := w.Accounts.PutPlan(t.Context(), operator, store.Plan{Name: "Small", Subaccounts: 2})
	ok(t, err)
	ok(t, w.Accounts.AssignPlan(t.Context(), operator, w.signed.Account.ID, plan.ID))
	b := w.signedIn()
	w.subaccount("One")
	form := b.get("/keys").says("Create subaccount", "1 of 2").form("/keys/new")
	w.subaccount("Two")
	asks := func(a answer) bool {
		return slices.ContainsFunc(a.all("a"), func(l *html.Node) bool { return attr(l, "href") == "/account/requests/new?kind=subaccounts" })
	}
	a := b.get("/keys").says("The plan Small allows 2 subaccounts, and 2 of them are in use.")
	if !asks(a) || len(a.all("form[action=/keys/new]")) != 0 {
		t.Error("the list does not lead to the request")
	}
	if !asks(b.get("/keys/new").is(http.StatusOK).says("The plan Small allows 2 subaccounts")) {
		t.Error("the form does not lead to the request")
	}
	form.Set("name", "Three")
	if !asks(b.post("/keys/new", form).is(http.StatusUnprocessableEntity).says("The plan Small allows 2 subaccounts")) {
		t.Error("the refusal does not lead to the request")
	}
	m := w.person("manager@example.com", map[string]store.Key{access.Manager: {}})
	if asks(m.get("/keys").says("The plan Small allows 2 subaccounts")) {
		t.Error("a manager, who may not ask, is led to the request")
	}
	m.get("/keys/new").says("An owner of the account can ask")
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	form := b.get("/keys").form("/keys/new")
	form.Set("name", "Shop")
	form.Set("reference", "customer/42")
	form = b.post("/keys/new", form).is(http.StatusUnprocessableEntity).says("slash").form("/keys/new")
	if form.Get("reference") != "customer/42" || form.Get("name") != "Shop" {
		t.Errorf("what was typed is gone: %v", form)
	}
	form.Set("reference", " customer-42 ")
	secretIn(b.post("/keys/new", form).is(http.StatusOK))
	other := w.subaccount("Other")
	path := keyPath(other.Key, "rename")
	a := b.post(path, url.Values{"name": {"Other"}, "reference": {"customer-42"}}).is(http.StatusUnprocessableEntity)
	if got := a.text("span#reference-problem"); !strings.Contains(got, "already") {
		t.Errorf("at the reference stands %q", got)
	}
	b.post(path+"?on=key", url.Values{"name": {"Other"}, "reference": {"customer-43"}}).at(keyPage(other.Key)).says("customer-43")
}

func TestVolumesAreDrawn(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	w.send(sub.Key, mail.Draft{Subject: "One", Text: "x", MessageID: "1@acme.example"}, "a@example.org", "b@example.org", "c@example.org")
	drawn := func() (label, path string) {
		for _, row := range b.get("/keys").all("tr") {
			if strings.Contains(textOf(row), "Shop") {
				svg := find(find(row, "td.c-volume")[0], "svg")[0]
				return attr(svg, "aria-label"), attr(find(svg, "path.bars")[0], "d")
			}
		}
		return "", ""
	}
	if label, path := drawn(); label != "3 in 30 days" || path != "M88.5 23v-22.0" {
		t.Errorf("today's mail is %q, drawn %q", label, path)
	}
	w.now = w.now.Add(29 * 24 * time.Hour)
	b.signInAs(w.signed.User)
	if label, path := drawn(); label != "3 in 30 days" || path != "M1.5 23v-22.0" {
		t.Errorf("29 days later it is %q, drawn %q", label, path)
	}
	b.get(keyPage(sub.Key)).says("3 messages in 30 days", w.now.AddDate(0, 0, -29).UTC().Format("2 Jan 2006")+"3")
	w.now = w.now.Add(24 * time.Hour)
	if label, path := drawn(); label != "0 in 30 days" || path != "" {
		t.Errorf("30 days later it is %q, drawn %q", label, path)
	}
}
