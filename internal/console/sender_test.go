// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"postern/internal/access"
	"postern/internal/audit"
	"postern/internal/backend"
	"postern/internal/dns"
	"postern/internal/gate"
	"postern/internal/notice"
	"postern/internal/senders"
	"postern/internal/store"
)

// TestSPFOfAServerThatDoesNotKnowItsWayOut: a default installation whose host name has no dot.
func TestSPFOfAServerThatDoesNotKnowItsWayOut(t *testing.T) {
	w := newWorldOf(t, func(c *backend.Config) { c.Domain.SPF = nil })
	b := w.signedIn()
	added := b.post("/senders/new", url.Values{"sender": {"acme.example"}, "key": {w.signed.Key.APIKey}}).is(http.StatusOK).says("This server does not know what the record must have")
	b.post(added.path()+"/check", nil).is(http.StatusUnprocessableEntity).says("acme.example has no SPF record.", "This server does not know what the record must have: its operator sets --spf, or --hostname to a name with a dot.")
}

func TestSenders(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	key := w.signed.Key
	b.get("/senders").is(http.StatusOK).says("No key can send yet")
	add := func(sender string) answer {
		return b.post("/senders/new", url.Values{"sender": {sender}, "key": {key.APIKey}})
	}
	may := func(email string) error {
		_, err := w.submit.CheckSender(t.Context(), gate.Principal{KeyID: key.ID, AccountID: key.AccountID}, email)
		return err
	}
	if got := b.get("/senders/new?key=" + key.APIKey).is(http.StatusOK).lacks("without proof").first("option[selected]"); textOf(got) != "Acme" {
		t.Errorf("the form begins with %s", textOf(got))
	}
	add("").is(http.StatusUnprocessableEntity).says("Give an address or a domain.")
	add("not an address").is(http.StatusUnprocessableEntity).lacks("sql")
	b.post("/senders/new", url.Values{"sender": {"a@b.example"}, "key": {"nonsense"}}).is(http.StatusUnprocessableEntity).says("This is not an API key")
	add("hello@acme.example").is(http.StatusOK).says("hello@acme.example", "This address, for Acme", "Waits for proof", "._domainkey.acme.example", "v=DKIM1")
	add("hello@acme.example").is(http.StatusUnprocessableEntity).says("hello@acme.example is there already and waits to be proved.")
	// The word counts for operators alone.
	a := b.post("/senders/new", url.Values{"sender": {"shop.example"}, "key": {key.APIKey}, "word": {"yes"}}).is(http.StatusOK).says("Waits for proof", "Show that shop.example is yours")
	if may("anybody@shop.example") == nil {
		t.Error("an owner's word was taken for the operator's")
	}
	if back := attr(find(a.first("p.crumb"), "a")[0], "href"); back != "/senders" {
		t.Errorf("a sender leads back to %s", back)
	}
	b.post(a.path()+"/remove", nil).is(http.StatusOK).at("/senders")
	w.makeOperator(w.signed.User)
	b.get("/senders/new").says("Allow it at once, without proof")
	b.post("/senders/new", url.Values{"sender": {"shop.example"}, "key": {key.APIKey}, "word": {"yes"}}).is(http.StatusOK).says("Every address of the domain", "Allowed by the word of who operates this server.")
	if err := may("anybody@shop.example"); err != nil {
		t.Errorf("the key cannot send from the domain: %v", err)
	}
	for i := range 60 {
		_, err := w.Senders.AddSender(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: key.ID}, fmt.Sprintf("a%02d@acme.example", i), "")
		ok(t, err)
	}
	if list := b.get("/senders").says("1–50 of 62"); len(find(list.first("form.search"), "button")) != 1 {
		t.Error("the search has no button")
	}
	b.get("/senders?q=shop").says("shop.example", "DKIM: not looked at").lacks("hello@acme.example")
	b.get("/senders?q=none").says("No sender has “none” in it.")
	add("ann@shop.example").is(http.StatusOK).says("Its domain is proved")
	link := ""
	for _, n := range b.get("/senders?q=shop").all("a[href]") {
		if href := attr(n, "href"); strings.HasSuffix(href, "/remove") && link == "" {
			link = href
		}
	}
	b.get(link).is(http.StatusOK).says("Remove shop.example?", "ann@shop.example", "wait for one of their own")
	b.post(link, nil).is(http.StatusOK).at("/senders")
	if may("anybody@shop.example") == nil || may("ann@shop.example") == nil {
		t.Error("the key can still send from the domain")
	}
	b.post(link, nil).is(http.StatusNotFound)
}

// path is where the answer is from.
func (a answer) path() string { return a.url.Path }

// TestSenderIsProved goes the two ways: the records of a domain, and a link that is mailed to an address.
func TestSenderIsProved(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	key := w.signed.Key
	page := b.post("/senders/new", url.Values{"sender": {"shop.test"}, "key": {key.APIKey}}).is(http.StatusOK).path()
	d, err := w.store.Domain(t.Context(), store.OfOperator(), store.DomainFilter{Domain: "shop.test"})
	ok(t, err)
	b.get(page).says(senders.OwnershipRecordName(d), d.Token, "http://shop.test/"+d.Filename, "v=spf1 include:spf.mail.test ~all", "The DNS was not looked at yet.")
	b.post(page+"/check", nil).is(http.StatusUnprocessableEntity).says("The domain is not proved yet.", "There is no TXT record at "+senders.OwnershipRecordName(d), "no web server",
		"There is no TXT record at postern", "shop.test has no SPF record.", "Last looked at just now", "Waits for proof")
	dkim, value, err := w.Senders.DKIMRecord(t.Context(), key.AccountID, "shop.test")
	ok(t, err)
	w.dns[senders.OwnershipRecordName(d)] = dns.Records{TXT: []string{d.Token}}
	w.dns[dkim] = dns.Records{TXT: []string{value}}
	w.dns["shop.test"] = dns.Records{TXT: []string{"v=spf1 include:elsewhere.test <b>-all"}}
	w.dns["_dmarc.shop.test"] = dns.Records{TXT: []string{"v=DMARC1; p=none"}}
	b.post(page+"/check", nil).is(http.StatusOK).at(page).says("The DNS was looked at just now.", "proved by its TXT record", "cannot be read", "There now", "With p=none")
	w.dns["shop.test"] = dns.Records{TXT: []string{"v=spf1 include:spf.mail.test -all"}}
	w.dns["spf.mail.test"] = dns.Records{TXT: []string{"v=spf1 ip4:192.0.2.25 -all"}}
	b.post(page+"/check", nil).is(http.StatusOK)
	b.get("/senders").says("DKIM: in order", "SPF: in order")

	page = b.post("/senders/new", url.Values{"sender": {"Ann@other.test"}, "key": {key.APIKey}}).is(http.StatusOK).says("refused until somebody follows the link").path()
	b.post(page+"/mail", nil).is(http.StatusOK).says("A new link is on its way to ann@other.test.")
	links := w.told(notice.SenderLink)
	if len(links) != 2 || links[1].To[0] != "ann@other.test" {
		t.Fatalf("%+v", links)
	}
	stranger := w.browser()
	stranger.get(links[1].Link).is(http.StatusOK).says("May Acme send mail from this address?", "ann@other.test")
	b.get(page).says("Waits for proof") // to look is no word
	stranger.post(links[1].Link, nil).is(http.StatusOK).says("ann@other.test may be sent from")
	stranger.post(links[1].Link, nil).is(http.StatusNotFound).says("This link does not work any more")
	stranger.get(links[1].Link).is(http.StatusNotFound)
	stranger.get("/sender-link/" + strings.Repeat("A", 52)).is(http.StatusNotFound)
	b.get(page).says("Somebody who reads mail at this address has allowed it.")
	b.post(page+"/mail", nil).is(http.StatusUnprocessableEntity).says("not an address that waits")
	b.post(page+"/name", url.Values{"name": {" Ann <of> Other "}}).is(http.StatusOK).at(page).says("The sender has its new name.", "Ann <of> Other. This address, for Acme")
	b.get("/senders").says("Ann <of> Other. This address")
	b.post(page+"/name", url.Values{"name": {strings.Repeat("x", 201)}}).is(http.StatusUnprocessableEntity).says("It has more than 200 characters").lacks("Ann <of> Otherx")
	b.post(page+"/name", url.Values{"name": {"a\x1bb"}}).is(http.StatusUnprocessableEntity).says("It has a control character in it")
	if log := w.audit("sender.change"); len(log) != 1 || !strings.Contains(log[0].Detail, "Ann <of> Other") {
		t.Errorf("%+v", log)
	}
	b.post(page+"/name", url.Values{"name": {""}}).is(http.StatusOK).lacks("Ann <of>")
	if got := b.get(page).first("option[selected]"); textOf(got) != "not said" {
		t.Errorf("a new sender is for %q mail", textOf(got))
	}
	b.get("/senders").lacks("bulk")
	got := b.post(page+"/type", url.Values{"emailtype": {"bulk"}}).is(http.StatusOK).at(page).says("The sender has its new type.").first("option[selected]")
	if textOf(got) != "bulk" {
		t.Errorf("the sender is for %q mail", textOf(got))
	}
	b.get("/senders").says("bulk")
	b.post(page+"/type", url.Values{"emailtype": {"<spam>"}}).is(http.StatusUnprocessableEntity).says("is none of transactional, bulk and unknown")
	b.post(page+"/type", url.Values{"emailtype": {"unknown"}}).is(http.StatusOK)
	b.get("/senders").lacks("bulk")
	log := w.audit("sender.validate")
	if len(log) != 2 || log[0].Actor != "who reads ann@other.test" {
		t.Errorf("%+v", log)
	}
	// Mails to one address are few, whoever asks for them.
	page = b.post("/senders/new", url.Values{"sender": {"bob@other.test"}, "key": {key.APIKey}}).path()
	for range 4 {
		b.post(page+"/mail", nil).is(http.StatusOK)
	}
	b.post(page+"/mail", nil).is(http.StatusUnprocessableEntity).says("bob@other.test was mailed 5 links within a day")
	b.post(page+"/remove", nil).is(http.StatusOK)
	b.get(w.told(notice.SenderLink)[3].Link).is(http.StatusNotFound)
}

// TestLentSenders: a sender of the primary key is lent, seen by who shares a subaccount, and taken back.
func TestLentSenders(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	shop := w.subaccount("Shop")
	x, err := w.Senders.AddSender(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: w.signed.Key.ID}, "acme.example", "")
	ok(t, err)
	own, err := w.Senders.AddSender(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: shop.Key.ID}, "shop.example", "")
	ok(t, err)
	mate := w.as(w.user("mate@example.com", access.Manager, shop.Key))
	mate.get("/senders").lacks("acme.example")
	page := fmt.Sprintf("/senders/%d", x.ID)
	b.get(page).says("Lend it to all subaccounts")
	b.post(page+"/lend", url.Values{"lend": {"yes"}}).is(http.StatusOK).says("lent to all subaccounts", "Lend it no more")
	mate.get("/senders").says("Lent by the primary account", "acme.example")
	mate.get(page).is(http.StatusNotFound)
	mate.post(page+"/lend", url.Values{"lend": {"no"}}).is(http.StatusNotFound)
	may := func() error {
		_, err := w.submit.CheckSender(t.Context(), gate.Principal{KeyID: shop.Key.ID, AccountID: shop.Key.AccountID}, "a@acme.example")
		return err
	}
	if err := may(); err != nil {
		t.Error(err)
	}
	b.post(page+"/lend", url.Values{"lend": {"no"}}).is(http.StatusOK)
	if may() == nil {
		t.Error("it is still lent")
	}
	b.post(fmt.Sprintf("/senders/%d/lend", own.ID), url.Values{"lend": {"yes"}}).is(http.StatusUnprocessableEntity).says("Only a sender of the account")
}

// audit are the entries of an action, the newest first.
func (w *world) audit(action string) []audit.Entry {
	w.t.Helper()
	list, err := w.store.AuditEntries(w.t.Context(), store.OfOperator(), store.AuditFilter{Action: action}, store.Page{Desc: true})
	ok(w.t, err)
	return list
}
