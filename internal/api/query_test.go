// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A filter whose value means nothing is refused by the name that the caller gave it, and a long value is not repeated.
func TestFiltersThatMeanNothing(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 5000)
	for query, words := range map[string]string{
		"audit?Action=foo":                              `Action: "foo" is neither an action such as key.reset nor a group of them: there are access,`,
		"audit?Action=foo.bar":                          `Action: "foo.bar"`,
		"sender?Status=foo":                             `Status: "foo" is none of Active, Inactive and Deleted.`,
		"eventcallbackurl?EventType=foo":                `EventType: "foo" is not among the events`,
		"eventcallbackurl?EventType=8":                  `EventType: "8"`,
		"eventcallbackurl?Status=foo":                   `Status: "foo" is neither alive nor dead.`,
		"eventcallbackurl?Version=9":                    `Version: "9" is neither 1 nor 2.`,
		"message?BounceReason=foo":                      `BounceReason: "foo" is not in the list`,
		"message?MessageState=foo":                      `MessageState: "foo" is not in the list`,
		"message?ContactAlt=" + long:                    `ContactAlt: "xxxx`,
		"message?Contact=x":                             `Contact: "x" is neither`,
		"message?MessageStatus=" + long:                 `MessageStatus: "xxxx`,
		"message?Sort=" + long:                          "Cannot sort on field xxxx",
		"apikeyaccess?RealUser=x":                       `RealUser: "x" is neither`,
		"messagestatistics?ContactAlt=x":                `ContactAlt: "x" is not an ID.`,
		"apikeyaccess?Role=king":                        `Role: "king" is not a role: there are`,
		"subaccountrequest?State=foo":                   `State: "foo" is none of open, granted and declined.`,
		"subaccountrequest?Kind=foo":                    `Kind: "foo" is none of`,
		"apikeyaccess?UserID=x":                         `UserID: "x" is neither`,
		"message?FromTS=9999999999999999":               `FromTS: "9999999999999999" is too large: Unix time is in seconds`,
		"message?FromTS=99999999999999999999":           `FromTS: "99999999999999999999" is too large`,
		"message?FromTS=-1":                             `FromTS: "-1" is neither a time`,
		"message?Limit=99999999999999999999":            `Limit: "99999999999999999999" is too large a number.`,
		"message?Limit=-99999999999999999999":           "is not a whole number of 0 or more",
		"message?SenderID=99999999999999999999":         `SenderID: "99999999999999999999" is too large to be an ID.`,
		"webhookdelivery?EventType=" + long:             `EventType: "xxxx`,
		"statcounters?CounterType=AMD&SourceID=" + long: `SourceID: "xxxx`,
		"statcounters?CounterType=AMD&SourceID=1" + strings.Repeat(",1", 1000):  "SourceID: these are more than 1000 IDs.",
		"statcounters?CounterType=AMD&SourceIDs=1" + strings.Repeat(",1", 1000): "SourceIDs: these are more than 1000 IDs.",
	} {
		a := w.mustDo(t, w.master.Issued, 400, "GET", "/v3/REST/"+query, "")
		var e struct{ ErrorMessage string }
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || !strings.Contains(e.ErrorMessage, words) || len(a.body) > 1000 {
			t.Errorf("%.60s: %.500s; want %s", query, a.body, words)
		}
	}
	// What Mailjet has beside is asked for by its own clients, and there is none of it.
	for _, query := range []string{"eventcallbackurl?EventType=typofix", "eventcallbackurl?EventType=newsenderautovalid", "sender?Status=INACTIVE", "audit?Action=profile"} {
		if p := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/"+query, ""); !strings.Contains(p.body, `"Count":0`) {
			t.Errorf("%s: %s", query, p.body)
		}
	}
	w.subaccount(t, "one")
	for _, action := range []string{"key", "KEY", "key.", "KEY.", "Key.Create"} {
		if p := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/audit?Action="+action, ""); !strings.Contains(p.body, "key.create") {
			t.Errorf("Action=%s: %s", action, p.body)
		}
	}
	if p := w.mustDo(t, w.master.Issued, 200, "GET", fmt.Sprint("/v3/REST/message?CampaignID=", 7, "&Campaign=x"), ""); !strings.Contains(p.body, `"Count":0`) {
		t.Error(p.body)
	}
}
