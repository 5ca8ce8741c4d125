// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
	"testing"

	"postern/internal/dns"
	"postern/internal/keys"
	"postern/internal/store"
)

type senderList struct {
	Count, Total int
	Data         []struct {
		ID, DNSID                                int64
		Email, Name, Status, EmailType, Filename string
		IsDefaultSender                          bool
	}
}

// prove makes a key's domain the key's.
func (w *world) prove(t *testing.T, k keys.Issued, domain string) {
	t.Helper()
	d, err := w.store.Domain(t.Context(), store.OfOperator(), store.DomainFilter{KeyID: k.Key.ID, Domain: domain})
	if err == nil {
		err = w.Senders.ProveDomain(t.Context(), operator, store.OfOperator(), d.ID, store.ProofDNS)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestSenders(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	mail := call(with(obj{"From": obj{"Email": "news@shop.example"}}))
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", mail)
	var made, got senderList
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "news@SHOP.example", "Name": "Shop", "EmailType": "bulk", "IsDefaultSender": true}`).decode(t, &made)
	x := made.Data[0]
	if x.Email != "news@shop.example" || x.Name != "Shop" || x.Status != "Inactive" || x.ID == 0 || x.DNSID == 0 || x.EmailType != "bulk" || !x.IsDefaultSender || !strings.HasSuffix(x.Filename, ".txt") {
		t.Errorf("%+v", x)
	}
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", mail) // a key's word is no proof
	w.prove(t, sub, "shop.example")
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", mail)
	// The master key's own are others.
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/sender/news@shop.example", "")
	w.mustDo(t, w.master.Issued, 404, "DELETE", fmt.Sprint("/v3/REST/sender/", x.ID), "")
	w.mustDo(t, w.master.Issued, 404, "POST", fmt.Sprint("/v3/REST/sender/", x.ID, "/validate"), "")
	w.mustDo(t, w.master.Issued, 404, "GET", fmt.Sprint("/v3/REST/dns/", x.DNSID), "")
	w.mustDo(t, w.master.Issued, 404, "POST", "/v3/REST/dns/shop.example/check", "")
	w.mustDo(t, w.master.Issued, 403, "POST", "/v3.1/send", mail)

	w.mustDo(t, sub, 200, "PUT", "/v3/REST/sender/news@shop.example", `{"Name": "The shop", "Email": "News@shop.example", "EmailType": "transactional"}`).decode(t, &got)
	if got.Data[0].Name != "The shop" || got.Data[0].Email != "news@shop.example" || got.Data[0].ID != x.ID || got.Data[0].EmailType != "transactional" || got.Data[0].Status != "Active" {
		t.Errorf("%+v", got)
	}
	w.mustDo(t, sub, 200, "PUT", fmt.Sprint("/v3/REST/sender/", x.ID), `{}`).decode(t, &got)
	if got.Data[0].Name != "The shop" || !got.Data[0].IsDefaultSender {
		t.Errorf("%+v", got)
	}
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "new@other.example"}`)
	for _, c := range []struct{ method, path, body, words string }{
		{"POST", "", `{}`, "Property Email"},
		{"POST", "", `{"Email": "a b"}`, "Property Email"},
		{"POST", "", `{"Email": 5}`, "Property Email: expected a string"},
		{"POST", "", `{"Email": "news@shop.example"}`, `MJ18 A Sender resource with value \"news@shop.example\" for Email already exists.`},
		{"POST", "", `{"Email": "New@other.example"}`, `There is an already existing inactive sender with the same email. You can use \"validate\" action in order to activate it.`},
		{"POST", "", `{"Email": "b@shop.example", "Name": "` + strings.Repeat("x", 201) + `"}`, "Property Name"},
		{"POST", "", `{"Email": "b@shop.example", "EmailType": "spam"}`, "Property EmailType"},
		{"PUT", "/news@shop.example", `{"Name": "` + strings.Repeat("x", 201) + `"}`, "Property Name"},
		{"PUT", "/news@shop.example", `{"Email": "other@shop.example"}`, "Not allowed to change email address"},
		{"POST", "/news@shop.example/validate", ``, "active already"},
	} {
		if a := w.do(t, sub, c.method, "/v3/REST/sender"+c.path, c.body); a.status != 400 || !strings.Contains(a.body, c.words) {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
	t.Run("listing", func(t *testing.T) { listsSenders(t, w, sub, x.DNSID) })

	w.mustDo(t, sub, 204, "DELETE", fmt.Sprint("/v3/REST/sender/", x.ID), "")
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", mail)
	w.mustDo(t, sub, 404, "DELETE", "/v3/REST/sender/news@shop.example", "")
	w.mustDo(t, sub, 200, "GET", "/v3/REST/sender/news@shop.example", "").decode(t, &got)
	if got.Data[0].Status != "Deleted" {
		t.Errorf("%+v", got)
	}
	// POST revives it, and PUT does; with its last sender went the domain's proof.
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "news@shop.example"}`).decode(t, &got)
	if got.Data[0].ID != x.ID || got.Data[0].Status != "Inactive" || got.Data[0].DNSID != x.DNSID {
		t.Errorf("revived: %+v", got)
	}
	w.mustDo(t, sub, 204, "DELETE", fmt.Sprint("/v3/REST/sender/", x.ID), "")
	w.mustDo(t, sub, 200, "PUT", fmt.Sprint("/v3/REST/sender/", x.ID), `{"Name": "Again"}`).decode(t, &got)
	if got.Data[0].Status != "Inactive" || got.Data[0].Name != "Again" {
		t.Errorf("revived: %+v", got)
	}

	log, err := w.store.AuditEntries(t.Context(), store.OfAccount(w.master.Account.ID), store.AuditFilter{Actor: "key " + sub.Key.APIKey}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range log {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "sender.add sender.change sender.add sender.add sender.add sender.remove sender.remove sender.add sender.remove sender.add sender.change" {
		t.Error(got)
	}
}

func listsSenders(t *testing.T, w *world, sub keys.Issued, dnsID int64) {
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "*@whole.example", "IsDefaultSender": true}`)
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "gone@whole.example"}`)
	w.mustDo(t, sub, 204, "DELETE", "/v3/REST/sender/gone@whole.example", "")
	for query, want := range map[string]string{
		"":                                       "news@shop.example new@other.example *@whole.example",
		"?Sort=ID+DESC":                          "*@whole.example new@other.example news@shop.example",
		"?Sort=Email":                            "*@whole.example new@other.example news@shop.example",
		"?Limit=1&Offset=1":                      "new@other.example",
		"?Email=News@shop.example":               "news@shop.example",
		"?Domain=whole.example":                  "*@whole.example",
		"?LocalPart=new":                         "new@other.example",
		"?LocalPart=n_w":                         "",
		"?Status=Active":                         "news@shop.example",
		"?Status=Deleted":                        "gone@whole.example",
		"?ShowDeleted=true&Domain=whole.example": "*@whole.example gone@whole.example",
		"?IsDomainSender=true":                   "*@whole.example",
		"?IsDomainSender=false&Limit=1":          "news@shop.example",
		fmt.Sprint("?DnsID=", dnsID):             "news@shop.example",
		"?countOnly=1":                           "",
	} {
		var got senderList
		w.mustDo(t, sub, 200, "GET", "/v3/REST/sender"+query, "").decode(t, &got)
		var emails []string
		defaults := 0
		for _, x := range got.Data {
			emails = append(emails, x.Email)
			if x.IsDefaultSender {
				defaults++
			}
		}
		if strings.Join(emails, " ") != want || defaults > 1 {
			t.Errorf("%s: %v, %d defaults", query, emails, defaults)
		}
		if query == "?countOnly=1" && got.Total != 3 {
			t.Errorf("%d in all", got.Total)
		}
	}
	w.mustDo(t, sub, 400, "GET", "/v3/REST/sender?Sort=Filename", "")
}

// A name is changed without a word on whether the sender is validated.
func TestRenamingValidatesNothing(t *testing.T) {
	w := newWorld(t)
	var got senderList
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/sender", `{"Email": "new@shop.example"}`).decode(t, &got)
	a := w.mustDo(t, w.master.Issued, 200, "PUT", fmt.Sprint("/v3/REST/sender/", got.Data[0].ID), `{"Name": "New"}`)
	if !strings.Contains(a.body, `"Name":"New","Status":"Inactive"`) {
		t.Error(a.body)
	}
}

func TestDomains(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	type list struct {
		Total int
		Data  []struct {
			ID                                                                                                         int64
			Domain, DKIMRecordName, DKIMRecordValue, DKIMStatus, OwnerShipToken, OwnerShipTokenRecordName, LastCheckAt string
			SPFRecordValue, SPFStatus                                                                                  string
			IsCheckInProgress                                                                                          bool
		}
	}
	type validations struct {
		Data []struct {
			Errors                        map[string]string
			GlobalError, ValidationMethod string
		}
	}
	type checks struct {
		Data []struct {
			DKIMErrors, SPFErrors, SPFRecordsCurrentValues                       []string
			DKIMRecordCurrentValue, DKIMStatus, SPFRecordCurrentValue, SPFStatus string
		}
	}
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "*@shop.test"}`)
	var got list
	w.mustDo(t, sub, 200, "GET", "/v3/REST/dns/shop.test", "").decode(t, &got)
	d := got.Data[0]
	if d.Domain != "shop.test" || d.DKIMStatus != "Not checked" || d.SPFStatus != "Not checked" || d.LastCheckAt != "" || d.IsCheckInProgress || len(d.OwnerShipToken) != 32 ||
		d.OwnerShipTokenRecordName != "postern._"+d.OwnerShipToken[:8]+".shop.test." || !strings.HasSuffix(d.DKIMRecordName, "._domainkey.shop.test.") ||
		!strings.HasPrefix(d.DKIMRecordValue, "v=DKIM1; k=rsa; p=") || d.SPFRecordValue != "v=spf1 include:spf.mail.test ~all" {
		t.Errorf("%+v", d)
	}
	var v validations
	w.mustDo(t, sub, 200, "POST", "/v3/REST/sender/*@shop.test/validate", "").decode(t, &v)
	if x := v.Data[0]; x.ValidationMethod != "" || x.GlobalError == "" || !strings.Contains(x.Errors["DNSValidationError"], "no TXT record at postern._") || !strings.Contains(x.Errors["FileValidationError"], "no web server") {
		t.Errorf("%+v", x)
	}
	var c checks
	w.mustDo(t, sub, 200, "POST", "/v3/REST/dns/shop.test/check", "{}").decode(t, &c)
	if x := c.Data[0]; x.DKIMStatus != "Error" || x.SPFStatus != "Error" || len(x.DKIMErrors) != 1 || len(x.SPFErrors) != 1 || x.SPFRecordsCurrentValues == nil {
		t.Errorf("%+v", x)
	}
	// The records are published.
	w.dns[strings.TrimSuffix(d.OwnerShipTokenRecordName, ".")] = dns.Records{TXT: []string{d.OwnerShipToken}}
	w.dns[strings.TrimSuffix(d.DKIMRecordName, ".")] = dns.Records{TXT: []string{d.DKIMRecordValue}}
	w.dns["spf.mail.test"] = dns.Records{TXT: []string{"v=spf1 ip4:192.0.2.25 -all"}}
	w.dns["shop.test"] = dns.Records{TXT: []string{"something=else", d.SPFRecordValue}}
	w.mustDo(t, sub, 200, "POST", "/v3/REST/sender/*@shop.test/validate", "").decode(t, &v)
	if x := v.Data[0]; x.ValidationMethod != "DNS" || x.GlobalError != "" {
		t.Errorf("%+v", x)
	}
	w.mustDo(t, sub, 200, "POST", fmt.Sprint("/v3/REST/dns/", d.ID, "/check"), "").decode(t, &c)
	if x := c.Data[0]; x.DKIMStatus != "OK" || x.SPFStatus != "OK" || len(x.DKIMErrors)+len(x.SPFErrors) > 0 || x.DKIMRecordCurrentValue != d.DKIMRecordValue || x.SPFRecordCurrentValue != d.SPFRecordValue || len(x.SPFRecordsCurrentValues) != 1 {
		t.Errorf("%+v", x)
	}
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "anybody@shop.test"}})))
	// An address of a domain that is proved is active at once; one of another domain is mailed a link.
	var made senderList
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "ann@shop.test"}`).decode(t, &made)
	if made.Data[0].Status != "Active" {
		t.Errorf("%+v", made)
	}
	w.mustDo(t, sub, 201, "POST", "/v3/REST/sender", `{"Email": "ann@other.test"}`)
	v = validations{}
	w.mustDo(t, sub, 200, "POST", "/v3/REST/sender/ann@other.test/validate", "").decode(t, &v)
	if x := v.Data[0]; x.ValidationMethod != "ActivationEmail" || x.GlobalError != "" || len(x.Errors) != 0 {
		t.Errorf("%+v", x)
	}
	for query, want := range map[string]int{
		"": 2, "?Domain=shop.test": 1, "?SPFStatus=1": 1, "?SPFStatus=Not checked": 1, "?IsSenderIdentified=true": 1, "?IsCheckInProgress=false": 2, "?IsCheckInProgress=true": 0,
		"?MinLastCheckAt=2020-01-01": 1, "?MaxLastCheckAt=2020-01-01": 0, "?Sort=Domain+DESC&Limit=1": 2, "?countOnly=1": 2,
	} {
		w.mustDo(t, sub, 200, "GET", "/v3/REST/dns"+strings.ReplaceAll(query, " ", "%20"), "").decode(t, &got)
		if got.Total != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	w.mustDo(t, sub, 400, "GET", "/v3/REST/dns?SPFStatus=7", "")
	w.mustDo(t, sub, 404, "GET", "/v3/REST/dns/no.test", "")
	w.mustDo(t, sub, 405, "POST", "/v3/REST/dns", "{}")
	// Without a sender there is no row.
	w.mustDo(t, sub, 204, "DELETE", "/v3/REST/sender/ann@other.test", "")
	w.mustDo(t, sub, 404, "GET", "/v3/REST/dns/other.test", "")
}

func TestMetasenders(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	mail := call(with(obj{"From": obj{"Email": "news@lent.test"}}))
	type list struct {
		Total int
		Data  []struct {
			ID                                      int64
			CreatedAt, Description, Email, Filename string
			IsEnabled                               bool
		}
	}
	var made, got list
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/metasender", `{"Email": "*@lent.test", "Description": "All may"}`).decode(t, &made)
	if x := made.Data[0]; x.Email != "*@lent.test" || !x.IsEnabled || x.Description != "All may" || x.Filename == "" || x.CreatedAt == "" {
		t.Errorf("%+v", x)
	}
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", mail) // it is not proved yet
	w.prove(t, w.master.Issued, "lent.test")
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", mail)
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", mail)
	if a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3/REST/metasender", `{"Email": "*@lent.test"}`); !strings.Contains(a.body, "MJ18 A Metasender resource") {
		t.Error(a.body)
	}
	// Others of the master key are not lent; they can be.
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "a@example.com"}})))
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/metasender", `{"Email": "*@example.com", "IsEnabled": false}`)
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "a@example.com"}})))
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/metasender/*@example.com", `{"IsEnabled": true, "Description": "Too"}`)
	w.mustDo(t, sub, 200, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "a@example.com"}})))
	w.mustDo(t, w.master.Issued, 400, "PUT", "/v3/REST/metasender/*@example.com", `{"Email": "b@example.com"}`)
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/metasender?Sort=Email", "").decode(t, &got)
	if got.Total != 2 || got.Data[0].Email != "*@example.com" || got.Data[0].Description != "Too" {
		t.Errorf("%+v", got)
	}
	w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/metasender?DNS=lent.test", "").decode(t, &got)
	if got.Total != 1 {
		t.Errorf("%+v", got)
	}
	w.mustDo(t, sub, 403, "GET", "/v3/REST/metasender", "")
	w.mustDo(t, sub, 403, "POST", "/v3/REST/metasender", `{"Email": "x@lent.test"}`)
	w.mustDo(t, w.master.Issued, 404, "GET", "/v3/REST/metasender/none@lent.test", "")
	w.mustDo(t, w.master.Issued, 200, "PUT", fmt.Sprint("/v3/REST/metasender/", made.Data[0].ID), `{"IsEnabled": false}`)
	w.mustDo(t, sub, 403, "POST", "/v3.1/send", mail)
	w.mustDo(t, w.master.Issued, 405, "DELETE", "/v3/REST/metasender/*@lent.test", "")
	// A stranger's account has nothing of it.
	other, err := w.Keys.SignUp(t.Context(), operator, "Other", "other@example.net")
	if err != nil {
		t.Fatal(err)
	}
	w.mustDo(t, other.Issued, 403, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "a@example.com"}})))
	w.mustDo(t, other.Issued, 404, "GET", "/v3/REST/metasender/*@example.com", "")
}

// A word is no domain, at any door of the API; one of a single label is asked for with its *@.
func TestWordsAreNoSenders(t *testing.T) {
	w := newWorld(t)
	for path, words := range map[string]string{
		"POST sender":     "Property Email: it is neither an address nor a domain",
		"POST metasender": "Property Email: it is neither an address nor a domain",
		"POST apikey":     "Property AllowedSenders: ",
	} {
		method, resource, _ := strings.Cut(path, " ")
		if a := w.mustDo(t, w.master.Issued, 400, method, "/v3/REST/"+resource, `{"Email": "x", "Name": "x", "AllowedSenders": ["x"]}`); !strings.Contains(a.body, words) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/sender", `{"Email": "*@localhost"}`)
	for _, name := range []string{`\u202eevil`, `a\u200bb`} {
		if a := w.mustDo(t, w.master.Issued, 400, "POST", "/v3/REST/apikey", `{"Name": "`+name+`"}`); !strings.Contains(a.body, "Property Name: the name has an invisible character") {
			t.Error(a.body)
		}
	}
}
