// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mailjet/mailjet-apiv3-go/v4"
	"github.com/mailjet/mailjet-apiv3-go/v4/resources"
)

// TestGoSDK is the official client, unchanged but for the host.
func TestGoSDK(t *testing.T) {
	w := newWorld(t)
	client := mailjet.NewMailjetClient(w.master.Key.APIKey, w.master.Secret, w.server.URL+"/v3")
	client.SetClient(w.client)

	var list []resources.Apikey
	count, total, err := client.List("apikey", &list, mailjet.Filter("IsActive", "true"), mailjet.Sort("Name", mailjet.SortDesc))
	if err != nil || count != 1 || total != 1 || list[0].APIKey != w.master.Key.APIKey || !list[0].IsMaster || list[0].CreatedAt == nil {
		t.Fatalf("%d %d %+v %v", count, total, list, err)
	}

	var made []resources.Apikey
	err = client.Post(&mailjet.FullRequest{Info: &mailjet.Request{Resource: "apikey"}, Payload: &resources.Apikey{Name: "Made by the SDK", IsActive: true}}, &made)
	if err != nil || len(made) != 1 || made[0].SecretKey == "" {
		t.Fatalf("%+v %v", made, err)
	}
	err = client.Put(&mailjet.FullRequest{Info: &mailjet.Request{Resource: "apikey", ID: made[0].ID}, Payload: &resources.Apikey{Name: "Renamed", IsActive: true}}, []string{"Name"})
	if err != nil {
		t.Fatal(err)
	}
	var one []resources.Apikey
	if err := client.Get(&mailjet.Request{Resource: "apikey", AltID: made[0].APIKey}, &one); err != nil || one[0].Name != "Renamed" || one[0].SecretKey != "" {
		t.Fatalf("%+v %v", one, err)
	}

	res, err := client.SendMailV31(&mailjet.MessagesV31{Info: []mailjet.InfoMessagesV31{{
		From:        &mailjet.RecipientV31{Email: "a@example.com", Name: "A"},
		To:          &mailjet.RecipientsV31{{Email: "b@example.org", Name: "B"}},
		Cc:          &mailjet.RecipientsV31{{Email: "c@example.org"}},
		Subject:     "From the SDK",
		TextPart:    "Hi",
		HTMLPart:    "<b>Hi</b>",
		CustomID:    "sdk",
		Headers:     map[string]interface{}{"X-Order": 7},
		Attachments: &mailjet.AttachmentsV31{{ContentType: "text/plain", Filename: "a.txt", Base64Content: "SGk="}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	r := res.ResultsV31[0]
	if r.Status != "success" || r.CustomID != "sdk" || len(r.To) != 1 || r.To[0].MessageID == 0 || r.To[0].MessageUUID == "" || len(r.Cc) != 1 {
		t.Fatalf("%+v", r)
	}

	var found []resources.Message
	if err := client.Get(&mailjet.Request{Resource: "message", ID: r.To[0].MessageID}, &found, mailjet.Filter("ShowSubject", "true")); err != nil || len(found) != 1 || found[0].Status != "queued" || found[0].Subject != "From the SDK" {
		t.Fatalf("%+v %v", found, err)
	}
	var history []resources.Messagehistory
	if err := client.Get(&mailjet.Request{Resource: "messagehistory", ID: r.To[0].MessageID}, &history); err != nil || len(history) != 0 {
		t.Fatalf("%+v %v", history, err)
	}
	var information []resources.Messageinformation
	if err := client.Get(&mailjet.Request{Resource: "messageinformation", ID: r.To[0].MessageID}, &information); err != nil || information[0].ID != r.To[0].MessageID {
		t.Fatalf("%+v %v", information, err)
	}
	for resource, into := range map[string]any{"sender": &[]resources.Sender{}, "user": &[]resources.User{}, "myprofile": &[]resources.Myprofile{}, "messagestate": &[]resources.Messagestate{}, "contact": &[]resources.Contact{}} {
		if _, _, err := client.List(resource, into); err != nil {
			t.Errorf("%s: %v", resource, err)
		}
	}
}

func TestGoSDKErrors(t *testing.T) {
	w := newWorld(t)
	client := mailjet.NewMailjetClient(w.master.Key.APIKey, w.master.Secret, w.server.URL+"/v3")
	client.SetClient(w.client)
	_, err := client.SendMailV31(&mailjet.MessagesV31{Info: []mailjet.InfoMessagesV31{{From: &mailjet.RecipientV31{Email: "x@elsewhere.example"}, To: &mailjet.RecipientsV31{{Email: "b@example.org"}}, TextPart: "x"}}})
	if err == nil || !strings.Contains(err.Error(), "send-0008") {
		t.Errorf("%v", err)
	}
	var one []resources.Message
	if err := client.Get(&mailjet.Request{Resource: "message", ID: 4711}, &one); err == nil || !strings.Contains(err.Error(), "Object not found") {
		t.Errorf("%v", err)
	}
	stranger := mailjet.NewMailjetClient(w.master.Key.APIKey, "wrong", w.server.URL+"/v3")
	stranger.SetClient(w.client)
	if _, _, err := stranger.List("apikey", &[]resources.Apikey{}); err == nil || !strings.Contains(err.Error(), strconv.Itoa(http.StatusUnauthorized)) && !strings.Contains(err.Error(), "authorization failure") {
		t.Errorf("%v", err)
	}
}
