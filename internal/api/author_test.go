// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"postern/internal/store"
)

// Who a mail is from is checked as at the SMTP server: From and Sender, however they are written, and no header gives
// another author.
func TestAuthorship(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		change obj
		status int
		code   string
	}{
		{"the key's", obj{"From": obj{"Email": `"App"@EXAMPLE.com`}}, 200, ""},
		{"a stranger", obj{"From": obj{"Email": "ceo@bank.example"}}, 403, "send-0008"},
		{"a stranger in quotes", obj{"From": obj{"Email": `"ceo"@bank.example`}}, 403, "send-0008"},
		{"below the domain", obj{"From": obj{"Email": "a@sub.example.com"}}, 403, "send-0008"},
		{"a stranger in the local part", obj{"From": obj{"Email": `"ceo@bank.example <x>"@example.com`}}, 403, "send-0008"},
		{"two in one", obj{"From": obj{"Email": "a@example.com, ceo@bank.example"}}, 400, "mj-0013"},
		{"a stranger as the name", obj{"From": obj{"Email": "a@example.com", "Name": "<ceo@bank.example>, x"}}, 200, ""},
		{"a stranger as Sender", obj{"Sender": obj{"Email": "ceo@bank.example"}}, 403, "send-0006"},
		{"a stranger in Sender's local part", obj{"Sender": obj{"Email": `"ceo@bank.example <x>"@example.com`}}, 403, "send-0006"},
		{"the key's as Sender", obj{"Sender": obj{"Email": `"b"@Example.com`}}, 200, ""},
		{"Sender as header", obj{"Headers": obj{"sender": "ceo@bank.example"}}, 400, "send-0011"},
		{"From as header", obj{"Headers": obj{"FROM": "ceo@bank.example"}}, 400, "send-0011"},
		{"sent on by a stranger", obj{"Headers": obj{"Resent-From": "ceo@bank.example"}}, 400, "send-0011"},
		{"sent on by a stranger for others", obj{"Headers": obj{"resent-sender": "ceo@bank.example"}}, 400, "send-0011"},
		{"a header that looks like From", obj{"Headers": obj{"From ": "ceo@bank.example"}}, 400, "mj-0005"},
		{"a header in a header", obj{"Headers": obj{"X-A": "x\r\nSender: ceo@bank.example"}}, 400, "mj-0005"},
	} {
		a := w.do(t, w.master.Issued, "POST", "/v3.1/send", call(with(c.change)))
		if a.status != c.status || c.code != "" && !strings.Contains(a.body, `"ErrorCode":"`+c.code+`"`) {
			t.Errorf("%s: %d %s; want %d %s", c.name, a.status, a.body, c.status, c.code)
		}
	}
}

// A name in any charset is no matter for the addresses of v3, and what cannot be read is refused with the true reason.
func TestAddressListsOfV3(t *testing.T) {
	w := newWorld(t)
	for to, want := range map[string]string{
		`=?windows-1252?Q?J=FCrgen?= <b@example.org>, [Shop] Orders <c@example.org>, d@example.org <d@example.org>`: "",
		`team: b@example.org, "c"@example.org;`: "",
		`Müller, Jürgen <b@example.org>`:        "the display name needs quotation marks: it has a comma",
		`b@example.org <c@example.org>`:         "the display name needs quotation marks: it has an @",
		`b@example.org; c@example.org`:          "has a ; where a comma belongs",
	} {
		a := w.do(t, w.master.Issued, "POST", "/v3/send", text(obj{"FromEmail": "a@example.com", "Subject": "x", "Text-part": "x", "To": to}))
		if want == "" && a.status != 200 || want != "" && (a.status != 400 || !strings.Contains(a.body, want)) {
			t.Errorf("%s: %d %s, want %q", to, a.status, a.body, want)
		}
	}
}

// A mailbox is one however it is written: on the suppression list, in To, Cc and Bcc, in filters.
func TestSpellingsOfAddresses(t *testing.T) {
	w := newWorld(t)
	for _, email := range []string{`"Sup"@example.org`, "jo\u0308rg@BÜCHER.example"} {
		w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/suppression", text(obj{"Email": email}))
	}
	for _, spelling := range []string{"sup@example.org", `"s\up"@EXAMPLE.org`, "jörg@bücher.example", `"jörg"@xn--bcher-kva.example`} {
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/suppression/"+url.PathEscape(spelling), "")
		if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/suppression?Email="+url.QueryEscape(spelling), ""); !strings.Contains(a.body, `"Count":1`) {
			t.Errorf("Email=%s: %s", spelling, a.body)
		}
		if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/suppression?Search="+url.QueryEscape(spelling), ""); !strings.Contains(a.body, `"Count":1`) {
			t.Errorf("Search=%s: %s", spelling, a.body)
		}
	}
	a := w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"To": []any{
		obj{"Email": "sup@example.org"}, obj{"Email": `"sup"@example.org`}, obj{"Email": "jo\u0308rg@bücher.example"}, obj{"Email": `"a b"@example.org`}, obj{"Email": `"a\ b"@example.org`},
	}})))
	ids, statuses := w.statuses(t, a.body)
	if len(ids) != 5 || ids[0] != ids[1] || ids[3] != ids[4] || ids[0] == ids[2] ||
		statuses[0] != store.StatusBlocked || statuses[2] != store.StatusBlocked || statuses[3] == store.StatusBlocked {
		t.Errorf("messages %v, %v", ids, statuses)
	}
	for _, spelling := range []string{`"a b"@example.org`, `"A\ b"@EXAMPLE.org`} {
		if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/message?ContactAlt="+url.QueryEscape(spelling), ""); !strings.Contains(a.body, `"ID":`+strconv.FormatInt(ids[3], 10)) {
			t.Errorf("ContactAlt=%s: %s", spelling, a.body)
		}
	}
	w.mustDo(t, w.master.Issued, 204, "DELETE", "/v3/REST/suppression/"+url.PathEscape(`"SUP"@example.org`), "")
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/suppression", ""); !strings.Contains(a.body, `"Count":1`) {
		t.Errorf("after the removal: %s", a.body)
	}
}

// Senders are found, and written by, however they are spelled; an address in quotes never is a whole domain.
func TestSpellingsOfSenders(t *testing.T) {
	w := newWorld(t)
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/sender", text(obj{"Email": `"News"@BÜCHER.example`}))
	for _, spelling := range []string{"news@xn--bcher-kva.example", `"n\ews"@bücher.example`} {
		if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/sender?Email="+url.QueryEscape(spelling), ""); !strings.Contains(a.body, `"Email":"news@xn--bcher-kva.example"`) {
			t.Errorf("Email=%s: %s", spelling, a.body)
		}
	}
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/sender?Domain="+url.QueryEscape("BÜCHER.example")+"&LocalPart="+url.QueryEscape(`"news"`), ""); !strings.Contains(a.body, `"Count":1`) {
		t.Errorf("by domain and local part: %s", a.body)
	}
	a := w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/sender", text(obj{"Email": `"*"@freemail.example`}))
	if !strings.Contains(a.body, `"Status":"Inactive"`) || !strings.Contains(a.body, `"Email":"*@freemail.example"`) {
		t.Errorf("a domain that has to be proved: %s", a.body)
	}
	if a := w.do(t, w.master.Issued, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "x@freemail.example"}}))); a.status != 403 {
		t.Errorf("sent from it: %s", a.body)
	}
}
