// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// An alias never refuses a mail, whatever its value: what it says is understood where it can be, else ignored.
func TestAliasesRefuseNoMail(t *testing.T) {
	w := newWorld(t)
	odd := []any{"1", "0", 1, 0, 2, -1, 1.5, true, false, "true", "yes", "", "enabled", "ENABLED", "account_default", "perhaps", []any{}, []any{1}, obj{}, obj{"a": 1}, nil, strings.Repeat("x", 1000)}
	for _, name := range []string{"TrackOpen", "TrackClick", "trackopen", "TemplateErrorDelivery", "Text-Part", "Html-Part"} {
		for _, v := range odd {
			w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{name: v})))
		}
	}
	for _, name := range []string{"X-Mailjet-DeduplicateCampaign", "X-MJ-MonitoringCategory", "x-mailjet-deduplicatecampaign"} {
		for _, v := range []any{"1", "0", "true", "yes", "", "perhaps", 1, true, false, nil} {
			w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"Headers": obj{name: v}})))
		}
	}
	file := obj{"Content-Type": "text/plain", "Filename": "a.txt", "Content": "SGk="}
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"Attachments": []any{file}})))
	both := obj{"Content-Type": 5, "ContentType": "text/plain", "Filename": "a.txt", "Content": []any{}, "Base64Content": "SGk="}
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"Attachments": []any{both}})))
	for _, v := range odd {
		body := obj{"Messages": []any{with(nil)}, "SandBoxMode": v}
		if v == nil {
			continue
		}
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", text(body))
	}
}

func TestAliasesAreUnderstood(t *testing.T) {
	w := newWorld(t)
	for _, x := range []struct {
		change obj
		opens  int
	}{
		{obj{"TrackOpen": "1"}, 2},
		{obj{"TrackOpen": "0"}, 1},
		{obj{"TrackOpen": 1}, 2},
		{obj{"TrackOpen": false}, 1},
		{obj{"TrackOpen": "enabled"}, 2},
		{obj{"TrackOpen": " Disabled "}, 1},
		{obj{"TrackOpen": "account_default"}, 1},
		{obj{"TrackOpen": "perhaps"}, 1},
		{obj{"TrackOpen": "1", "TrackOpens": "disabled"}, 1},
		{obj{"TrackOpens": "disabled", "TrackOpen": "1"}, 1},
		{obj{"TrackOpens": nil, "TrackOpen": "1"}, 2},
	} {
		var got results
		x.change["HTMLPart"] = "<p>Hi</p>"
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(x.change))).decode(t, &got)
		m, _ := w.kept(t, got.Messages[0].To[0].MessageID)
		if m.TrackOpens != x.opens {
			t.Errorf("%v: %d, want %d", x.change, m.TrackOpens, x.opens)
		}
	}
	// A second mail of a campaign to one address is left out, as DeduplicateCampaign says.
	campaign := with(obj{"CustomCampaign": "c", "Headers": obj{"X-Mailjet-DeduplicateCampaign": "1"}})
	var got results
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(campaign))
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(campaign)).decode(t, &got)
	m, v := w.kept(t, got.Messages[0].To[0].MessageID)
	if fmt.Sprint(m.Status) != "blocked" {
		t.Errorf("the second is %s", m.Status)
	}
	if header(v, "X-Mailjet-DeduplicateCampaign") != "" {
		t.Error("the control header is in the mail")
	}
	// The sandbox by its other spelling, in PHP's types.
	for _, v := range []any{true, "true", 1, "1"} {
		before := w.total(t)
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", text(obj{"Messages": []any{with(nil)}, "SandBoxMode": v}))
		if w.total(t) != before {
			t.Errorf("SandBoxMode %v sent a mail", v)
		}
	}
}

// A file name that would mislead who opens it is refused.
func TestFileNamesThatMislead(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{"a\tb.txt", "a\u202egpj.exe", "a\u2066b\u2069.txt", "\u202a.txt", "a\u2028b", "a\u0085b", "a\nb", "a\x00b", "a\x7fb"} {
		for _, list := range []string{"Attachments", "InlinedAttachments"} {
			a := w.do(t, w.master.Issued, "POST", "/v3.1/send", call(with(obj{list: []any{attachment(obj{"Filename": bad})}})))
			if a.status != 400 || !strings.Contains(a.body, "mj-0005") || !strings.Contains(a.body, list+"[0].Filename") {
				t.Errorf("%s %q: %d %s", list, bad, a.status, a.body)
			}
		}
	}
	for _, good := range []string{"Übersicht 2026.pdf", "資料.pdf", "تقرير\u200f.pdf", "it's (1).txt", "a\u200db.txt"} {
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"Attachments": []any{attachment(obj{"Filename": good})}})))
	}
}

// Filters that Mailjet's metadata lists work, or are refused by name; they never answer for everything.
func TestFiltersOfMailjetsMetadata(t *testing.T) {
	w := newWorld(t)
	w.addSender(t, w.master.Key, "me@example.net")
	for _, x := range []obj{
		{"From": obj{"Email": "a@example.com"}, "CustomCampaign": "one"}, {"From": obj{"Email": "a@example.com"}, "CustomCampaign": "two"}, {"From": obj{"Email": "me@example.net"}, "CustomCampaign": "three"},
	} {
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(x)))
	}
	w.mustDo(t, w.master.Issued, 201, "POST", "/v3/REST/metasender", `{"Email":"*@example.com"}`)
	for path, want := range map[string]int{
		"campaign?From=a@example.com": 2, "campaign?From=A@EXAMPLE.com": 2, "campaign?From=nobody@example.com": 0, "campaign?From=*@example.net": 1, "campaign?FromDomain=example.com": 2,
		"campaign?FromDomain=EXAMPLE.net": 1, "campaign?FromDomain=xample.com": 0, "campaign?FromDomain=%25": 0, "campaign?FromType=1": 3, "campaign?FromType=2": 0,
		"metasender?User=owner@example.com": 1, "metasender?User=other@example.com": 0, "metasender?User=999999": 0, "metasender": 1,
		"senderstatistics?Email=me@example.net": 1, "senderstatistics?Email=nobody@example.net": 0, "senderstatistics?Sort=ProcessedCount": 2, "senderstatistics?Sort=ProcessedCount+DESC": 2,
		"messagesentstatistics?Sort=ArrivalTs": 3, "messagesentstatistics?Sort=ArrivalTS+DESC": 3, "messagesentstatistics?FromType=2": 0, "domainstatistics?Sort=ProcessedCount": 1,
		"openstatistics?Sort=ProcessedCount": 1, "messagesentstatistics?IsNewsletterTool=false": 3, "message?NoSuchFilter=1": 3,
	} {
		var got struct{ Count int }
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/"+path, "").decode(t, &got)
		if got.Count != want {
			t.Errorf("%s: %d rows, want %d", path, got.Count, want)
		}
	}
	for _, path := range []string{
		"message?PlanSubscription=1", "apikey?ConfirmKey=x", "apikeyaccess?Token=x", "dns?IsYahooFBL=true", "user?NewEmail=a@example.com", "campaign?CampaignStatus=1",
		"campaign?ContactsList=1", "campaign?IsNewsletterTool=true", "messagesentstatistics?FromDomain=example.com", "bouncestatistics?IsStarred=false", "openinformation?MessageStatus=2",
		"clickstatistics?ContactsList=1", "graphstatistics?CampaignStatus=1", "domainstatistics?IsDeleted=true", "messagesentstatistics?EventFromTs=1", "MessageInformation?period=Day",
		"domainstatistics?EventFromTs=1", "messagestatistics?EventFromTs=1&FromTS=1",
	} {
		a := w.do(t, w.master.Issued, "GET", "/v3/REST/"+path, "")
		_, query, _ := strings.Cut(path, "?")
		name, _, _ := strings.Cut(query, "=")
		if a.status != http.StatusBadRequest || !strings.Contains(strings.ToLower(a.body), strings.ToLower(name)) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
