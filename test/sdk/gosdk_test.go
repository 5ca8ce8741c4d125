// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"net/url"
	"reflect"
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
