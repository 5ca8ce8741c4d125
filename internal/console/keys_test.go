// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/console"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/store"
)

func keyPath(k store.Key, page string) string {
	return "/keys/" + strconv.FormatInt(k.ID, 10) + "/" + page
}

var secretForm = regexp.MustCompile(credential.SecretPattern)

// secretIn is the one secret that a page shows in its dialog.
func secretIn(a answer) string {
	a.t.Helper()
	s := strings.TrimSpace(textOf(a.first("#issued-secret")))
	if credential.CheckSecret(s) != nil {
		a.t.Fatalf("the dialog shows %q", s)
	}
	return s
}

func TestTheSecretOfANewSubaccountIsShownOnce(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/keys").is(http.StatusOK).says("API Key Management", "Primary API key", "Subaccount API keys", "One key for each team, product or customer", w.signed.Key.APIKey)
	form := b.get("/keys/new").is(http.StatusOK).form("/keys/new")
	form.Set("name", "  Shop <b> ")
	a := b.post("/keys/new", form).is(http.StatusOK).says("Shop <b> is ready", "This secret key is shown only once.")
	secret, apiKey := secretIn(a), strings.TrimSpace(textOf(a.first("#issued-key")))
	if !w.opens(apiKey, secret) {
		t.Fatal("the pair that was shown opens nothing")
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Location") != "" || strings.Contains(a.url.String(), secret) {
		t.Error("the answer with the secret may be kept")
	}
	if c := a.header.Get("Set-Cookie"); strings.Contains(c, secret) {
		t.Errorf("the secret is in a cookie: %s", c)
	}
	b.get("/keys").is(http.StatusOK).says("Shop <b>", apiKey).lacks(secret, "issued-secret")

	again := b.post("/keys/new", form).is(http.StatusConflict).says("The secret key was shown already")
	again.lacks(secret)
	if secretForm.MatchString(again.body) {
		t.Error("a reload shows a secret")
	}
	if n := len(b.get("/keys").all("code.key")); n != 2+3 { // two rows, and three dialogs to be filled
		t.Errorf("there are %d keys: a reload has made another", n)
	}
}

func TestResetEndsTheOldSecret(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	form := b.get(keyPath(sub.Key, "reset")).is(http.StatusOK).says("Reset the secret key of Shop?", "Nothing has ever used it", "At once Programs that use it are refused").form(keyPath(sub.Key, "reset"))
	a := b.post(keyPath(sub.Key, "reset"), form).is(http.StatusOK).says("The new secret key of Shop")
	secret := secretIn(a)
	if w.opens(sub.Key.APIKey, sub.Secret) || !w.opens(sub.Key.APIKey, secret) {
		t.Error("after the reset the old secret opens, or the new one does not")
	}
	b.post(keyPath(sub.Key, "reset"), form).is(http.StatusConflict)
	if !w.opens(sub.Key.APIKey, secret) {
		t.Error("a reload has reset the secret again")
	}
	b.post(keyPath(sub.Key, "reset"), url.Values{}).is(http.StatusConflict)
	b.post(keyPath(sub.Key, "reset"), url.Values{"nonce": {"made up"}}).is(http.StatusConflict)
	if !w.opens(sub.Key.APIKey, secret) {
		t.Error("a form without a nonce has reset the secret")
	}
	entries, err := w.store.Audit(t.Context(), 0, 100)
	ok(t, err)
	if !slices.ContainsFunc(entries, func(e auditEntry) bool {
		return e.Action == "key.reset" && e.Actor == "user owner@example.com" && e.Origin == "192.0.2.7"
	}) {
		t.Errorf("the audit log does not say who has reset it: %+v", entries)
	}
}

func TestRename(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub, other := w.subaccount("Shop"), w.subaccount("Billing")
	path := keyPath(sub.Key, "rename")
	if got := b.get(path).is(http.StatusOK).form(path).Get("name"); got != "Shop" {
		t.Errorf("the form begins with %q", got)
	}
	b.post(path, url.Values{"name": {""}}).is(http.StatusUnprocessableEntity).says("A name is needed.")
	b.post(path, url.Values{"name": {other.Key.Name}}).is(http.StatusUnprocessableEntity).says("already")
	b.post(path, url.Values{"name": {"Web shop"}}).is(http.StatusOK).at("/keys").says("Web shop")
	form := b.get("/keys").form("/keys/new")
	form.Set("name", "Web shop")
	form = b.post("/keys/new", form).is(http.StatusUnprocessableEntity).says("already").form("/keys/new")
	form.Set("name", "Another") // the form that came back works
	secretIn(b.post("/keys/new", form).is(http.StatusOK))
}

func TestDeactivateAndActivate(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	sub := w.subaccount("Shop")
	b.get(keyPath(sub.Key, "deactivate")).is(http.StatusOK).says("Deactivate Shop?", sub.Key.APIKey)
	b.post(keyPath(sub.Key, "deactivate"), nil).at("/keys").says("Deactivated")
	if w.opens(sub.Key.APIKey, sub.Secret) {
		t.Error("a deactivated key opens")
	}
	b.get(keyPath(sub.Key, "activate")).is(http.StatusOK).says("Activate Shop?")
	b.post(keyPath(sub.Key, "activate"), nil).at("/keys")
	if !w.opens(sub.Key.APIKey, sub.Secret) {
		t.Error("an activated key does not open")
	}
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) error {
		k := sub.Key
		k.Own.State = store.KeySuspended
		return tx.ChangeKey(t.Context(), k)
	}))
	b.get("/keys").says("Suspended")
	b.post(keyPath(sub.Key, "activate"), nil).is(http.StatusUnprocessableEntity).says("suspended by the operator")
}

func TestTheAgeOfASecret(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	for _, c := range []struct {
		days              int
		level, sign, text string
	}{
		{0, "ok", "90", "days left"},
		{10, "ok", "80", "days left"},
		{75, "ok", "15", "days left"},
		{76, "due", "14", "days left"},
		{89, "due", "1", "day left"},
		{90, "overdue", "!", "overdue"},
		{200, "overdue", "!", "overdue"},
	} {
		w.now = w.signed.Key.Secrets[0].CreatedAt.Add(time.Duration(c.days)*24*time.Hour + time.Hour)
		b.signInAs(w.signed.User)
		m := b.get("/keys").first("span.meter")
		if attr(m, "class") != "meter "+c.level || strings.TrimSpace(textOf(find(m, "text")[0])) != c.sign || !strings.Contains(textOf(m), c.text) {
			t.Errorf("day %d: %s %q", c.days, attr(m, "class"), textOf(m))
		}
	}
}

func TestLastUsed(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/keys").says("never")
	ok(t, w.Keys.NoteUses(t.Context(), []gateUse{{SecretID: w.signed.Key.Secrets[0].ID, Protocol: "http", First: w.now.Add(-3 * time.Hour), Last: w.now.Add(-3 * time.Hour), Count: 1}}))
	b.get("/keys").says("3 hours ago")
}

func TestManySubaccounts(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	var last keys.Issued
	for i := range 120 {
		last = w.subaccount(fmt.Sprintf("Customer %03d", i))
	}
	a := b.get("/keys").is(http.StatusOK).says("Customer 000", "Customer 049", "1–50 of 120")
	a.lacks("Customer 050")
	next := attr(a.first("a[rel=next]"), "href")
	a = b.get(next).says("Customer 050", "51–100 of 120")
	a = b.get(attr(a.first("a[rel=next]"), "href")).says("Customer 119", "101–120 of 120")
	if len(a.all("a[rel=next]")) != 0 {
		t.Error("there is a page after the last")
	}
	b.get("/keys?q=customer+11").says("Customer 110", "Customer 119").lacks("Customer 100")
	b.get("/keys?q=" + last.Key.APIKey[:9]).says("Customer 119").lacks("Customer 118")
	b.get("/keys?q=%25").says("No subaccount has “%” in its name")
	b.get("/keys?page=99999999999999999999").is(http.StatusOK)
	b.get("/keys?page=50").is(http.StatusOK).says("Customer 000") // past the end: from the beginning
	b.get("/senders?page=50").is(http.StatusOK)
	for _, odd := range []string{"%00", "%ff", "a%00b", "%27", "!", "_"} {
		for _, path := range []string{"/keys?q=", "/messages?q=", "/messages?key=", "/messages?state=", "/senders?q=", "/senders/new?key="} {
			b.get(path + odd).is(http.StatusOK)
		}
	}
	b.get("/messages?key=nothing").is(http.StatusOK).says("No message matches.") // a typed key, when a list would be too long
	b.get("/senders/new").is(http.StatusOK)
}

func TestNothingOfAnotherAccountIsShown(t *testing.T) {
	w := newWorld(t)
	other, err := w.Keys.SignUp(t.Context(), operator, "Other", "other@example.com")
	ok(t, err)
	receipt := w.send(other.Key, mailOf("Theirs"), "to@example.org")
	senders, _, err := w.store.FindSenders(t.Context(), store.OfAccount(other.Account.ID), store.SenderFilter{}, store.Page{})
	ok(t, err)
	b := w.signedIn()
	nonce := b.get("/keys").form("/keys/new")
	message := "/messages/" + strconv.FormatInt(receipt.Messages[0].ID, 10)
	sender := "/senders/" + strconv.FormatInt(senders[0].ID, 10) + "/remove"
	for _, path := range []string{
		keyPath(other.Key, "reset"), keyPath(other.Key, "rename"), keyPath(other.Key, "deactivate"), keyPath(other.Key, "activate"), keyPath(other.Key, "smtp"),
		message, message + "/html", message + "/source", message + "/parts/1", sender,
	} {
		b.get(path).is(http.StatusNotFound).lacks("Theirs", other.Key.APIKey)
	}
	for _, path := range []string{keyPath(other.Key, "reset"), keyPath(other.Key, "rename"), keyPath(other.Key, "deactivate"), keyPath(other.Key, "activate"), sender} {
		b.post(path, url.Values{"nonce": nonce["nonce"], "name": {"Mine"}}).is(http.StatusNotFound)
	}
	b.post("/senders/new", url.Values{"sender": {"a@b.example"}, "key": {other.Key.APIKey}}).is(http.StatusNotFound)
	for _, path := range []string{"/keys", "/messages", "/messages?q=Theirs", "/messages?key=" + other.Key.APIKey, "/messages?q=" + receipt.Messages[0].UUID, "/senders"} {
		b.get(path).is(http.StatusOK).lacks("/messages/"+strconv.FormatInt(receipt.Messages[0].ID, 10), "hello@acme.example", ">Other<")
	}
	if !w.opens(other.Key.APIKey, other.Secret) {
		t.Error("another account's key was changed")
	}
}

func TestSMTPSettings(t *testing.T) {
	w := newWorld(t, func(c *console.Config) { c.SMTPAddr, c.SMTPTLS, c.SMTPSAddr = ":587", true, ":465" })
	b := w.signedIn()
	a := b.get(keyPath(w.signed.Key, "smtp")).is(http.StatusOK).says("mail.example.com", "587", "STARTTLS", "465", w.signed.Key.APIKey, "the secret key", "swaks --server mail.example.com:587", "smtp.starttls()", "you@example.com",
		"relayhost = [mail.example.com]:587", "smtp_tls_security_level = encrypt", "tls_starttls on", `$mail->Port = 587;`, `$mail->SMTPSecure = "tls";`)
	a.lacks(w.signed.Secret)
	_, err := w.Senders.AddSender(t.Context(), operator, store.OfAccount(w.signed.Account.ID), store.KeyFilter{ID: w.signed.Key.ID}, "acme.example", "")
	ok(t, err)
	b.get(keyPath(w.signed.Key, "smtp")).says("--mail-from hello@acme.example")
	ok(t, w.Senders.RemoveSender(t.Context(), operator, store.OfAccount(w.signed.Account.ID), store.KeyFilter{ID: w.signed.Key.ID}, "acme.example"))
	// A backtick is allowed in an address, and would run a command in the shell that a snippet is pasted into.
	_, err = w.Senders.AddSender(t.Context(), operator, store.OfAccount(w.signed.Account.ID), store.KeyFilter{ID: w.signed.Key.ID}, "`id`@acme.example", "")
	ok(t, err)
	b.get(keyPath(w.signed.Key, "smtp")).says("you@example.com").lacks("`id`")
}

func TestNonces(t *testing.T) {
	now := time.Now()
	f := console.NewForms(func() time.Time { return now })
	n := f.Nonce(1)
	if f.Use(2, n) || f.Use(1, "") || f.Use(1, n[:len(n)-1]+"A"+n[:1]) {
		t.Error("a nonce of another user, or a broken one, is good")
	}
	if !f.Use(1, n) || f.Use(1, n) {
		t.Error("a nonce is not good just once")
	}
	late := f.Nonce(1)
	now = now.Add(13 * time.Hour)
	if f.Use(1, late) {
		t.Error("a nonce of yesterday is good")
	}
	if f.Use(1, n) || console.NewForms(time.Now).Use(1, f.Nonce(1)) {
		t.Error("a used nonce, or one of another process, is good")
	}
}
