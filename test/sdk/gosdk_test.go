// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	mailjet "github.com/mailjet/mailjet-apiv3-go/v4"
	"github.com/mailjet/mailjet-apiv3-go/v4/resources"
)

// testGo drives every resource and both Send APIs by the official Go SDK.
func testGo(t *testing.T, w *world) {
	client := mailjet.NewMailjetClient(w.APIKey, w.SecretKey, "http://"+w.HTTP+"/v3")
	t.Run("read", func(t *testing.T) { goReads(t, w, client) })
	t.Run("apikey", func(t *testing.T) { goKeys(t, client) })
	t.Run("account", func(t *testing.T) { goAccount(t, client) })
	t.Run("apikeyaccess", func(t *testing.T) { goAccesses(t, w, client) })
	t.Run("sender", func(t *testing.T) { goSenders(t, w, client) })
	t.Run("eventcallbackurl", func(t *testing.T) { goWebhooks(t, w, client) })
	t.Run("campaign", func(t *testing.T) { goCampaign(t, w, client) })
	t.Run("send", func(t *testing.T) { goSends(t, w, client) })
}

// goReads reads all that compat.yaml asks for into the SDK's structs.
func goReads(t *testing.T, w *world, client *mailjet.Client) {
	for _, r := range w.Resources {
		if r.Go == "" || w.isPending(r.Resource) {
			continue
		}
		for _, ask := range r.Ask {
			path, known := w.named(ask)
			if !known {
				continue // testShapes says so
			}
			into := reflect.New(reflect.SliceOf(structs[r.Go]))
			request, filters := goRequest(t, path)
			if err := client.Get(request, into.Interface(), filters...); err != nil {
				t.Errorf("%s: %v", path, err)
			} else if into.Elem().Len() == 0 {
				t.Errorf("%s: no rows", path)
			}
		}
	}
}

// goRequest is a request of compat.yaml as the SDK has it.
func goRequest(t *testing.T, path string) (*mailjet.Request, []mailjet.RequestOptions) {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	var filters []mailjet.RequestOptions
	for name, v := range values {
		filters = append(filters, mailjet.Filter(name, v[0]))
	}
	resource, id, _ := strings.Cut(path, "/")
	return &mailjet.Request{Resource: resource, AltID: id}, filters
}

// goKeys makes, renames and deactivates a subaccount.
func goKeys(t *testing.T, client *mailjet.Client) {
	var made []resources.Apikey
	if err := client.Post(&mailjet.FullRequest{Info: &mailjet.Request{Resource: "apikey"}, Payload: &resources.Apikey{Name: "By the Go SDK", IsActive: true}}, &made); err != nil || len(made) != 1 || made[0].SecretKey == "" {
		t.Fatalf("%+v %v", made, err)
	}
	if err := client.Put(&mailjet.FullRequest{Info: &mailjet.Request{Resource: "apikey", ID: made[0].ID}, Payload: &resources.Apikey{Name: "Renamed"}}, []string{"Name", "IsActive"}); err != nil {
		t.Fatal(err)
	}
	var one []resources.Apikey
	if err := client.Get(&mailjet.Request{Resource: "apikey", AltID: made[0].APIKey}, &one); err != nil || one[0].Name != "Renamed" || one[0].IsActive || one[0].SecretKey != "" {
		t.Fatalf("%+v %v", one, err)
	}
	if err := client.Delete(&mailjet.Request{Resource: "apikey", ID: made[0].ID}); err != nil {
		t.Fatal(err)
	}
}

// post, put and get are the SDK's calls of a resource, with what came back.
func post[T any](t *testing.T, client *mailjet.Client, request mailjet.Request, payload any) T {
	t.Helper()
	var made []T
	if err := client.Post(&mailjet.FullRequest{Info: &request, Payload: payload}, &made); err != nil || len(made) != 1 {
		t.Fatalf("POST %+v: %+v %v", request, made, err)
	}
	return made[0]
}

func put(t *testing.T, client *mailjet.Client, request mailjet.Request, payload any, only ...string) {
	t.Helper()
	if err := client.Put(&mailjet.FullRequest{Info: &request, Payload: payload}, only); err != nil {
		t.Fatalf("PUT %+v: %v", request, err)
	}
}

func get[T any](t *testing.T, client *mailjet.Client, request mailjet.Request) T {
	t.Helper()
	var got []T
	if err := client.Get(&request, &got); err != nil || len(got) != 1 {
		t.Fatalf("GET %+v: %+v %v", request, got, err)
	}
	return got[0]
}

// goAccount changes the profile and the user: the whole struct, as a program does that read it before.
func goAccount(t *testing.T, client *mailjet.Client) {
	p := get[resources.Myprofile](t, client, mailjet.Request{Resource: "myprofile"})
	p.AddressCity, p.EstimatedVolume = "Bonn", 5000
	put(t, client, mailjet.Request{Resource: "myprofile"}, &p, "AddressCity", "EstimatedVolume")
	if p = get[resources.Myprofile](t, client, mailjet.Request{Resource: "myprofile"}); p.AddressCity != "Bonn" || p.EstimatedVolume != 5000 {
		t.Errorf("%+v", p)
	}
	u := get[resources.User](t, client, mailjet.Request{Resource: "user"})
	u.Timezone = "Europe/Berlin"
	put(t, client, mailjet.Request{Resource: "user", ID: u.ID}, &u, "Timezone", "Locale", "Email", "Username")
	if u = get[resources.User](t, client, mailjet.Request{Resource: "user", ID: u.ID}); u.Timezone != "Europe/Berlin" {
		t.Errorf("%+v", u)
	}
}

// goAccesses shares a key, changes the role, and takes the access away.
func goAccesses(t *testing.T, w *world, client *mailjet.Client) {
	sub, err := strconv.ParseInt(w.names["subID"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	x := post[resources.Apikeyaccess](t, client, mailjet.Request{Resource: "apikeyaccess"}, &resources.Apikeyaccess{APIKeyID: sub, UserALT: w.Email, AllowedAccess: "analyst"})
	if x.APIKeyID != sub || x.RealUserALT != w.Email || !x.IsActive {
		t.Fatalf("%+v", x)
	}
	put(t, client, mailjet.Request{Resource: "apikeyaccess", ID: x.ID}, &resources.Apikeyaccess{AllowedAccess: "manager"}, "AllowedAccess")
	if x = get[resources.Apikeyaccess](t, client, mailjet.Request{Resource: "apikeyaccess", ID: x.ID}); x.AllowedAccess != "manager" {
		t.Errorf("%+v", x)
	}
	if err := client.Delete(&mailjet.Request{Resource: "apikeyaccess", ID: x.ID}); err != nil {
		t.Fatal(err)
	}
}

// goSenders makes a sender, has it checked, renames it, deletes it, and revives it.
func goSenders(t *testing.T, w *world, client *mailjet.Client) {
	x := post[resources.Sender](t, client, mailjet.Request{Resource: "sender"}, &resources.Sender{Email: "go@go-sdk.example", Name: "Go"})
	if !w.isPending("sender/{id}/validate") {
		if x.Status != "Inactive" {
			t.Errorf("a sender without a proof is %s", x.Status)
		}
		v := post[resources.SenderValidate](t, client, mailjet.Request{Resource: "sender", ID: x.ID, Action: "validate"}, nil)
		if v.ValidationMethod == "" && v.GlobalError == "" {
			t.Errorf("%+v", v)
		}
	}
	put(t, client, mailjet.Request{Resource: "sender", ID: x.ID}, &resources.Sender{Name: "Renamed"}, "Name")
	if x = get[resources.Sender](t, client, mailjet.Request{Resource: "sender", AltID: "go@go-sdk.example"}); x.Name != "Renamed" {
		t.Errorf("%+v", x)
	}
	if err := client.Delete(&mailjet.Request{Resource: "sender", ID: x.ID}); err != nil {
		t.Fatal(err)
	}
	post[resources.Sender](t, client, mailjet.Request{Resource: "sender"}, &resources.Sender{Email: "go@go-sdk.example", Name: "Go"})
	if w.isPending("metasender") {
		return
	}
	m := post[resources.Metasender](t, client, mailjet.Request{Resource: "metasender"}, &resources.Metasender{Email: "meta@example.com", Description: "Lent"})
	put(t, client, mailjet.Request{Resource: "metasender", ID: m.ID}, &resources.Metasender{Description: "Changed", IsEnabled: false}, "Description", "IsEnabled")
	if m = get[resources.Metasender](t, client, mailjet.Request{Resource: "metasender", ID: m.ID}); m.Description != "Changed" || m.IsEnabled {
		t.Errorf("%+v", m)
	}
	if c := post[resources.DnsCheck](t, client, mailjet.Request{Resource: "dns", AltID: "go-sdk.example", Action: "check"}, nil); c.DKIMStatus == "" || c.SPFStatus == "" {
		t.Errorf("%+v", c)
	}
}

// goWebhooks makes a backup URL, changes and deletes it.
func goWebhooks(t *testing.T, w *world, client *mailjet.Client) {
	if w.isPending("eventcallbackurl") {
		t.Skip("not yet")
	}
	x := post[resources.Eventcallbackurl](t, client, mailjet.Request{Resource: "eventcallbackurl"}, &resources.Eventcallbackurl{EventType: "open", IsBackup: true, URL: "http://user:word@127.0.0.1:9/a", Version: 2})
	if x.Status != "alive" || !x.IsBackup || x.Version != 2 {
		t.Errorf("%+v", x)
	}
	put(t, client, mailjet.Request{Resource: "eventcallbackurl", ID: x.ID}, &resources.Eventcallbackurl{URL: "http://127.0.0.1:9/b"}, "URL")
	if x = get[resources.Eventcallbackurl](t, client, mailjet.Request{Resource: "eventcallbackurl", ID: x.ID}); x.URL != "http://127.0.0.1:9/b" {
		t.Errorf("%+v", x)
	}
	if err := client.Delete(&mailjet.Request{Resource: "eventcallbackurl", ID: x.ID}); err != nil {
		t.Fatal(err)
	}
}

// goCampaign stars a campaign.
func goCampaign(t *testing.T, w *world, client *mailjet.Client) {
	if w.isPending("campaign") {
		t.Skip("not yet")
	}
	x := get[resources.Campaign](t, client, mailjet.Request{Resource: "campaign", AltID: "autumn"})
	put(t, client, mailjet.Request{Resource: "campaign", ID: x.ID}, &resources.Campaign{IsStarred: true}, "IsStarred")
	if x = get[resources.Campaign](t, client, mailjet.Request{Resource: "campaign", ID: x.ID}); !x.IsStarred {
		t.Errorf("%+v", x)
	}
}

// goSends sends by both Send APIs.
func goSends(t *testing.T, w *world, client *mailjet.Client) {
	res, err := client.SendMailV31(&mailjet.MessagesV31{Info: []mailjet.InfoMessagesV31{{
		From: &mailjet.RecipientV31{Email: "news@example.com", Name: "News"}, To: &mailjet.RecipientsV31{{Email: "b@example.net", Name: "B"}}, Cc: &mailjet.RecipientsV31{{Email: "c@example.net"}},
		Subject: "By the Go SDK", TextPart: "Hi", HTMLPart: "<b>Hi</b>", CustomID: "sdk", CustomCampaign: "winter", Headers: map[string]any{"X-Order": 7},
		Attachments: &mailjet.AttachmentsV31{{ContentType: "text/plain", Filename: "a.txt", Base64Content: "SGk="}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if r := res.ResultsV31[0]; r.Status != "success" || r.CustomID != "sdk" || len(r.To) != 1 || r.To[0].MessageID == 0 || r.To[0].MessageUUID == "" || len(r.Cc) != 1 {
		t.Fatalf("%+v", r)
	}
	if w.isPending("v3/send") {
		return
	}
	sent, err := client.SendMail(&mailjet.InfoSendMail{
		FromEmail: "news@example.com", FromName: "News", Recipients: []mailjet.Recipient{{Email: "b@example.net"}, {Email: "c@example.net", Name: "C"}},
		Subject: "By the Go SDK, v3", TextPart: "Hi", HTMLPart: "<b>Hi</b>", MjCustomID: "sdk3", MjCampaign: "winter", Headers: map[string]string{"X-Order": "7"},
		Attachments: []mailjet.Attachment{{ContentType: "text/plain", Content: "SGk=", Filename: "a.txt"}},
	})
	if err != nil || len(sent.Sent) != 2 || sent.Sent[0].MessageID == 0 || sent.Sent[1].Email != "c@example.net" {
		t.Fatalf("%+v %v", sent, err)
	}
}
