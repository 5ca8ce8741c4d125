// SPDX-License-Identifier: Apache-2.0

package suppress_test

import (
	"strings"
	"testing"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// The files that other services export are taken as they are.
func TestImportOfOtherServicesExports(t *testing.T) {
	for name, x := range map[string]struct {
		reason, file string
		want         store.SuppressionReason
		note         string
		refused      int
	}{
		"SendGrid, bounces":                      {"hard_bounce", "email,created,reason,status\r\nb@example.org,1700000000,\"550 5.1.1 The email account that you tried to reach does not exist.\",5.1.1\r\n", store.SuppressedBounce, "550 5.1.1 The email account that you tried to reach does not exist.", 0},
		"SendGrid, invalid":                      {"hard_bounce", "email,created,reason\nb@example.org,2026-01-01,Mail domain mentioned in email address is unknown\n", store.SuppressedBounce, "Mail domain mentioned in email address is unknown", 0},
		"SendGrid, spam":                         {"complaint", "email,created,ip\nb@example.org,1700000000,192.0.2.1\n", store.SuppressedComplaint, "", 0},
		"SendGrid, the words of another charset": {"hard_bounce", "email,created,reason,status\nb@example.org,1,550 unbekannter Empf\xe4nger,5.1.1\n", store.SuppressedBounce, "550 unbekannter Empfänger", 0},
		"SendGrid, without a reason":             {"", "email,created,reason,status\nb@example.org,1,550 no such user,5.1.1\n", 0, "", 1},
		"Mailgun, bounces":                       {"hard_bounce", "address,code,error,created_at\nb@example.org,550,5.1.1 no such user,\"Mon, 01 Jan 2026\"\n", store.SuppressedBounce, "5.1.1 no such user", 0},
		"Mailgun, unsubscribes":                  {"unsubscribe", "address,tags,created_at\nb@example.org,*,x\n", store.SuppressedUnsub, "", 0},
		"Postmark":                               {"", "EmailAddress,SuppressionReason,Origin,CreatedAt\nb@example.org,HardBounce,Recipient,2026\n", store.SuppressedBounce, "", 0},
		"Postmark, a complaint":                  {"", "EmailAddress,SuppressionReason,Origin,CreatedAt\nb@example.org,SpamComplaint,Recipient,2026\n", store.SuppressedComplaint, "", 0},
		"Amazon SES":                             {"", "EmailAddress,Reason,LastUpdateTime\nb@example.org,BOUNCE,2026\n", store.SuppressedBounce, "", 0},
		"SparkPost":                              {"", "recipient,description,source,type\nb@example.org,550 no,Bounce Rule,transactional\n", store.SuppressedBounce, "550 no", 0},
		"Mailchimp, unsubscribed":                {"", "Email Address,First Name,UNSUB_TIME,UNSUB_REASON\nb@example.org,B,2026,NORMAL\n", store.SuppressedUnsub, "NORMAL", 0},
		"Mailchimp, cleaned":                     {"", "Email Address,First Name,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE\nb@example.org,B,2026,x\n", store.SuppressedBounce, "", 0},
		"Brevo":                                  {"", "email;reason\nb@example.org;unsubscribed\n", store.SuppressedUnsub, "", 0},
		"a reason and a type":                    {"manual", "email,type,reason\nb@example.org,bounce,mailbox is full\n", store.SuppressedBounce, "mailbox is full", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storetest.New(t))
			r, err := w.imports(t, strings.NewReader(x.file), x.reason)
			if err != nil || r.Refused != x.refused || r.Rows != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			if x.refused > 0 {
				if !strings.Contains(r.Problems[0].Reason, "give the reason of all rows") {
					t.Errorf("%+v", r.Problems)
				}
				return
			}
			list, err := w.store.Suppressions(t.Context(), w.scope(), store.SuppressionFilter{}, store.Page{})
			if err != nil || len(list) != 1 || list[0].Email != "b@example.org" || list[0].Reason != x.want || list[0].Note != x.note {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
}
