// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailjet/mailjet-apiv3-go/v4/resources"

	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
)

// reported is a world in which mail was sent a week ago, and things happened to it since.
type reported struct {
	*world
	sub      keys.Issued
	sender   store.Sender
	campaign int64
	messages []int64 // a, b at gmail.com, c at example.net, d refused
	at       time.Time
}

func newReported(t *testing.T) *reported {
	w := &reported{world: newWorld(t), at: time.Now().UTC().Truncate(time.Second)}
	w.sub = w.subaccount(t, "shop")
	w.sender = w.addSender(t, w.sub.Key, "*@example.com")
	x := &store.Submission{
		AccountID: w.sub.Key.AccountID, KeyID: w.sub.Key.ID, SenderID: w.sender.ID, Source: "http", MailFrom: "a@example.com", HeaderFrom: "a@example.com", FromName: "Shop",
		Subject: "Hello", CustomID: "order-1", Campaign: "spring sale", HasHTML: true, Body: store.NewBody([]byte("Subject: Hello\r\n\r\nHello\r\n")), Lifetime: time.Hour,
		Recipients: []store.Recipient{
			{Email: "a@gmail.com", Domain: "gmail.com"},
			{Email: "b@googlemail.com", Domain: "googlemail.com"},
			{Email: "c@example.net", Domain: "example.net"},
			{Email: "d@example.net", Domain: "example.net", Refused: mail.StatePreblocked},
		},
	}
	if err := w.store.Accept(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	for _, r := range x.Recipients {
		w.messages = append(w.messages, r.ID)
	}
	got, err := w.store.Claim(t.Context(), store.MainLane, "test", time.Now().Add(time.Hour), time.Now().Add(2*time.Hour), 10)
	if err != nil || len(got) != 3 {
		t.Fatalf("claimed %d, %v", len(got), err)
	}
	var done []store.Completion
	for _, c := range got {
		d := store.Completion{Claimed: c, Owner: "test", Result: store.CompletedSent, At: w.at, Reply: store.Reply{Code: 250}}
		if c.MessageID == w.messages[2] {
			d.Result, d.Permanent, d.StateID, d.Reply = store.CompletedBounced, true, 1, store.Reply{Code: 550, Line: "no such user"}
		}
		done = append(done, d)
	}
	if err := w.store.Complete(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	for _, e := range []store.Engagement{
		{MessageID: w.messages[0], Type: store.EventOpen, Doing: store.Doing{Agent: firefox, IP: "192.0.2.1"}},
		{MessageID: w.messages[0], Type: store.EventOpen, Doing: store.Doing{Agent: firefox}},
		{MessageID: w.messages[1], Type: store.EventOpen, Doing: store.Doing{Agent: "GoogleImageProxy", Machine: true}},
		{MessageID: w.messages[0], Type: store.EventClick, Doing: store.Doing{Agent: firefox, URL: "https://example.com/a?x=1&y=2"}},
		{MessageID: w.messages[1], Type: store.EventClick, Doing: store.Doing{Agent: firefox, URL: "https://example.com/a?x=1&y=2"}},
		{MessageID: w.messages[1], Type: store.EventClick, Doing: store.Doing{Agent: firefox, URL: "https://example.com/b"}},
		{MessageID: w.messages[1], Type: store.EventSpam, Doing: store.Doing{Source: "JMRPP"}},
		{MessageID: w.messages[0], Type: store.EventUnsub},
	} {
		e.At = w.at.Add(10 * time.Second)
		if err := w.store.Engage(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: w.messages[0]})
	if err != nil {
		t.Fatal(err)
	}
	w.campaign = m.CampaignID
	return w
}

// rows makes a request as the subaccount and reads the rows of the answer.
func (w *reported) rows(t *testing.T, path string, values ...string) []map[string]any {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(values); i += 2 {
		q.Set(values[i], values[i+1])
	}
	a := w.mustDo(t, w.sub, http.StatusOK, "GET", "/v3/REST/"+path+"?"+q.Encode(), "")
	var out struct {
		Count, Total int
		Data         []map[string]any
	}
	a.decode(t, &out)
	if out.Count != len(out.Data) || out.Total < out.Count {
		t.Errorf("%s: Count %d, Total %d, %d rows", path, out.Count, out.Total, len(out.Data))
	}
	return out.Data
}

// has checks properties of a row.
func has(t *testing.T, what string, row map[string]any, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if n, ok := v.(int); ok {
			v = float64(n)
		}
		if got, ok := row[name]; !ok || got != v {
			t.Errorf("%s: %s is %v, want %v", what, name, got, v)
		}
	}
}

func TestStatistics(t *testing.T) {
	w := newReported(t)
	t.Run("counters", w.testCounters)
	t.Run("what counters refuse", w.testCounterErrors)
	t.Run("sums", w.testSums)
	t.Run("events", w.testEvents)
	t.Run("campaigns", w.testCampaigns)
	t.Run("others see nothing", w.testOthersSeeNothing)
	t.Run("the SDK's structs", w.testSDK)
	t.Run("old counters", w.testOldCounters)
}

// testOldCounters: where the slots of five minutes are gone, a period begins with the hour that FromTS is in.
func (w *reported) testOldCounters(t *testing.T) {
	if _, _, _, err := w.store.ForgetFiveMinutes(t.Context(), time.Now().AddDate(0, 0, 1), time.Second); err != nil {
		t.Fatal(err)
	}
	hour := w.at.UTC().Truncate(time.Hour)
	for _, from := range []time.Duration{0, 5 * time.Minute, 59 * time.Minute} {
		list := w.rows(t, "statcounters", "CounterSource", "APIKey", "CounterTiming", "Message", "CounterResolution", "Highest", "FromTS", fmt.Sprint(hour.Add(from).Unix()))
		if len(list) == 0 || list[0]["Timeslice"] != hour.Format(time.RFC3339) {
			t.Errorf("from %v after %v: %v", from, hour, list)
		}
	}
}

func (w *reported) testCounters(t *testing.T) {
	want := map[string]any{
		"Total": 4, "MessageSentCount": 2, "MessageHardBouncedCount": 1, "MessageBlockedCount": 1, "MessageQueuedCount": 0, "MessageOpenedCount": 1, "EventOpenedCount": 2,
		"MessageClickedCount": 2, "EventClickedCount": 3, "EventClickDelay": 30, "EventOpenDelay": 20, "MessageSpamCount": 1, "EventSpamCount": 1, "MessageUnsubscribedCount": 1,
		"MessageSoftBouncedCount": 0, "MessageWorkFlowExitedCount": 0, "EventWorkflowExitedCount": 0,
	}
	from := fmt.Sprint(w.at.Add(-24 * time.Hour).Unix())
	for source, id := range map[string]int64{"APIKey": 0, "Campaign": w.campaign, "Sender": w.sender.ID, "apikey": w.sub.Key.ID} {
		for _, timing := range []string{"Message", "Event"} {
			for _, step := range []string{"Highest", "Hour", "Day", "Lifetime"} {
				v := []string{"CounterSource", source, "CounterTiming", timing, "CounterResolution", step}
				if step != "Lifetime" {
					v = append(v, "FromTS", from)
				}
				if id != 0 {
					v = append(v, "SourceId", fmt.Sprint(id))
				}
				list := w.rows(t, "statcounters", v...)
				if len(list) == 0 {
					t.Fatalf("%s %s %s: no rows", source, timing, step)
				}
				sum := map[string]any{}
				for name := range want {
					n := 0.0
					for _, r := range list { // the mail and what followed may lie on both sides of a slot's end
						n += r[name].(float64)
					}
					sum[name] = n
				}
				has(t, source+" "+timing+" "+step, sum, want)
				if at := list[0]["Timeslice"].(string); (at == "") != (step == "Lifetime") {
					t.Errorf("%s: Timeslice %q", step, at)
				}
			}
		}
	}
	if list := w.rows(t, "statcounters", "CounterType", "cml", "CampaignID", "", "SourceID", fmt.Sprint(w.campaign)); len(list) != 1 || list[0]["Total"] != 4.0 {
		t.Errorf("by letters: %v", list)
	}
	if list := w.rows(t, "statcounters", "CounterTiming", "Message", "CounterResolution", "Lifetime", "CampaignID", fmt.Sprint(w.campaign)); len(list) != 1 || list[0]["SourceID"] != float64(w.campaign) {
		t.Errorf("by CampaignID: %v", list)
	}
	if list := w.rows(t, "statcounters", "CounterSource", "List", "CounterTiming", "Message", "CounterResolution", "Day", "SourceID", "1"); len(list) != 0 {
		t.Errorf("a list: %v", list)
	}
	a := w.mustDo(t, w.master.Issued, http.StatusOK, "GET", fmt.Sprintf("/v3/REST/statcounters?CounterSource=APIKey&CounterTiming=Message&CounterResolution=Lifetime&SourceID=%d", w.sub.Key.ID), "")
	if !strings.Contains(a.body, `"Total":4}`) {
		t.Errorf("the master key of its subaccount: %s", a.body)
	}
	a = w.mustDo(t, w.master.Issued, http.StatusOK, "GET", "/v3/REST/statcounters?CounterSource=APIKey&CounterTiming=Message&CounterResolution=Lifetime", "")
	if !strings.Contains(a.body, `"Total":0}`) {
		t.Errorf("the master key of itself: %s", a.body)
	}
}

func (w *reported) testCounterErrors(t *testing.T) {
	for query, words := range map[string]string{
		"CounterTiming=Message&CounterResolution=Day":                               "CounterSource is missing: give APIKey, Campaign, List or Sender.",
		"CounterSource=APIKey&CounterResolution=Day":                                "CounterTiming is missing",
		"CounterSource=APIKey&CounterTiming=Event":                                  "CounterResolution is missing",
		"CounterSource=Key&CounterTiming=Event&CounterResolution=Day":               `CounterSource: "Key" is not`,
		"CounterSource=Campaign&CounterTiming=Event&CounterResolution=Day":          "SourceID: say which campaign",
		"CounterSource=Sender&CounterTiming=Event&CounterResolution=Day&SourceID=x": `SourceID: "x"`,
		"CounterType=AX":                                    "CounterType",
		"CounterType=AML&FromTS=1":                          "FromTS: a Lifetime",
		"CounterType=AMD&FromTS=yesterday":                  "FromTS",
		"CounterType=AMD&FromTS=2026-01-02&ToTS=2026-01-01": "ToTS",
		"CounterSource=APIKey&CounterTiming=Message&CounterResolution=Highest&FromTS=2026-01-01&ToTS=nonsense": "ToTS",
	} {
		if a := w.mustDo(t, w.sub, http.StatusBadRequest, "GET", "/v3/REST/statcounters?"+query, ""); !strings.Contains(a.body, strings.ReplaceAll(words, `"`, `\"`)) {
			t.Errorf("%s: %s, want %s", query, a.body, words)
		}
	}
	for path, words := range map[string]string{
		"graphstatistics?Scale=Decade": "Scale", "messagestatistics?Period=Decade": "Period", "openstatistics?CampaignID=x": "CampaignID", "domainstatistics?CampaignID=1&FromID=1": "FromID",
		"statistics/link-click": "CampaignID is missing", "statistics/recipient-esp": "CampaignID is missing", "messagestatistics?MessageID=7": "MessageID",
		"statistics/recipient-esp?CampaignID=1&FromID=1": "FromID", "statistics/recipient-esp?CampaignID=1&EventFromTs=2026-01-02": "EventFromTs",
		"messagestatistics?FromTS=2026-01-01&EventFromTs=2026-01-01": "EventFromTs", "campaign?FromTS=2026-01-02&ToTS=2026-01-01": "ToTS",
		"bouncestatistics?EventFromTs=2026-01-02&EventToTs=2026-01-01": "EventToTs", "campaign?IsStarred=perhaps": "IsStarred", "clickstatistics?Sort=Url": "Cannot sort",
	} {
		if a := w.mustDo(t, w.sub, http.StatusBadRequest, "GET", "/v3/REST/"+path, ""); !strings.Contains(a.body, words) {
			t.Errorf("%s: %s, want %s", path, a.body, words)
		}
	}
}

func (w *reported) testSums(t *testing.T) {
	campaign := fmt.Sprint(w.campaign)
	day := []string{"FromTS", w.at.Add(-24 * time.Hour).Format(time.RFC3339)}
	for _, selected := range [][]string{day, {"CampaignID", campaign}, {"CustomCampaign", "spring sale"}, append(day, "FromID", fmt.Sprint(w.sender.ID)), append(day, "From", "*@example.com"), {"Period", "Year"}} {
		what := fmt.Sprint(selected)
		has(t, "totals of "+what, w.rows(t, "messagestatistics", selected...)[0], map[string]any{
			"ProcessedCount": 4, "DeliveredCount": 2, "BouncedCount": 1, "HardBouncedCount": 1, "BlockedCount": 1, "OpenedCount": 1, "TotalOpensCount": 2, "TotalClicksCount": 3, "AverageOpenDelay": 10,
			"AverageOpenedCount": 1, "CampaignCount": 1, "SpamComplaintCount": 1, "UnsubscribedCount": 1,
		})
		has(t, "opens of "+what, w.rows(t, "openstatistics", selected...)[0], map[string]any{"OpenedCount": 1, "OpenedDelay": 10, "ProcessedCount": 4})
		graph := w.rows(t, "graphstatistics", append(slices.Clone(selected), "Scale", "month")...)
		has(t, "graph of "+what, graph[0], map[string]any{"ProcessedCount": 4, "DeliveredCount": 2, "SpamcomplaintCount": 1})
	}
	// A period that begins within a slot has the slot, whatever its length.
	within := w.at.Truncate(time.Minute).Format(time.RFC3339)
	for _, scale := range []string{"Hour", "Day", "Week", "Month"} {
		if graph := w.rows(t, "graphstatistics", "FromTS", within, "Scale", scale); len(graph) != 1 || graph[0]["ProcessedCount"] != 4.0 {
			t.Errorf("graph by %s from %s: %v", scale, within, graph)
		}
	}
	if graph := w.rows(t, "graphstatistics", "FromTS", w.at.Add(-72*time.Hour).Format(time.RFC3339)); len(graph) != 1 || graph[0]["RefTimestamp"] != w.at.Format(time.DateOnly)+"T00:00:00Z" {
		t.Errorf("graph of three days until now: %v", graph)
	}
	if got := w.rows(t, "messagestatistics", "CustomCampaign", "autumn")[0]; got["ProcessedCount"] != 0.0 {
		t.Errorf("an unknown campaign: %v", got)
	}
	domains := w.rows(t, "domainstatistics", "CampaignID", campaign)
	if len(domains) != 3 || domains[0]["Domain"] != "example.net" || domains[0]["ProcessedCount"] != 2.0 || domains[0]["BouncedCount"] != 1.0 || domains[0]["ID"] != -1.0 {
		t.Errorf("domains: %v", domains)
	}
	if got := w.rows(t, "domainstatistics", "Sort", "Domain DESC", "Limit", "1"); len(got) != 1 || got[0]["Domain"] != "googlemail.com" {
		t.Errorf("domains sorted: %v", got)
	}
	esp := w.rows(t, "statistics/recipient-esp", "CampaignID", campaign)
	if len(esp) != 2 {
		t.Fatalf("providers: %v", esp)
	}
	has(t, "Gmail", w.rows(t, "statistics/recipient-esp", "CampaignID", campaign, "ESP_Name", "gmail")[0], map[string]any{"ESPName": "Gmail", "AttemptedMessagesCount": 2, "DeliveredMessagesCount": 2, "OpenRate": 0.5})
	has(t, "sender", w.rows(t, "senderstatistics")[0], map[string]any{"SenderID": int(w.sender.ID), "ProcessedCount": 4, "DeliveredCount": 2})
	has(t, "one sender", w.rows(t, "senderstatistics/*@example.com")[0], map[string]any{"SenderID": int(w.sender.ID), "ProcessedCount": 4})
	has(t, "geography", w.rows(t, "geostatistics")[0], map[string]any{"Country": "", "OpenedCount": 1, "ClickedCount": 2})
	agents := w.rows(t, "useragentstatistics")
	if len(agents) != 1 {
		t.Fatalf("agents: %v", agents)
	}
	has(t, "agent", agents[0], map[string]any{"UserAgent": "Firefox", "Platform": "Linux", "Count": 5, "DistinctCount": 2})
}

func (w *reported) testEvents(t *testing.T) {
	campaign := fmt.Sprint(w.campaign)
	bounces := w.rows(t, "bouncestatistics")
	if len(bounces) != 2 || bounces[0]["IsBlocked"] != true || bounces[1]["IsBlocked"] != false || bounces[1]["StateID"] != 1.0 || bounces[1]["ContactID"] != float64(mail.ContactID("c@example.net")) {
		t.Errorf("bounces: %v", bounces)
	}
	opens := w.rows(t, "openinformation", "CampaignID", campaign)
	if len(opens) != 2 {
		t.Fatalf("opens: %v; want those of people", opens)
	}
	has(t, "open", opens[0], map[string]any{"ID": -1, "MessageID": int(w.messages[0]), "CampaignID": int(w.campaign), "OpenedAt": w.at.Add(10 * time.Second).Format("2006-01-02T15:04:05Z")})
	if got := w.rows(t, fmt.Sprintf("openinformation/%d", w.messages[1])); len(got) != 0 {
		t.Errorf("opens of a message that a machine opened: %v", got)
	}
	clicks := w.rows(t, "clickstatistics", "Limit", "2", "Sort", "ID DESC")
	if len(clicks) != 2 || clicks[0]["Url"] != "https://example.com/b" || clicks[0]["ClickedDelay"] != 10.0 {
		t.Errorf("clicks: %v", clicks)
	}
	if got := w.rows(t, fmt.Sprintf("clickstatistics/%d", w.messages[0])); len(got) != 1 {
		t.Errorf("clicks of a message: %v", got)
	}
	if got := w.rows(t, "clickstatistics", "EventFromTs", w.at.Add(time.Hour).Format(time.RFC3339)); len(got) != 0 {
		t.Errorf("clicks of the next hour: %v", got)
	}
	has(t, "top link", w.rows(t, "toplinkclicked", "MessageID", "", "Contact", "b@googlemail.com")[0], map[string]any{"ClickedCount": 1, "Url": "https://example.com/a?x=1&y=2"})
	has(t, "link of a campaign", w.rows(t, "Statistics/Link-Click", "CampaignId", campaign)[0], map[string]any{"URL": "https://example.com/a?x=1&y=2", "ClickedEventsCount": 2, "ClickedMessagesCount": 2, "PositionIndex": 0})
	sent := w.rows(t, "messagesentstatistics", "CustomID", "order-1")
	if len(sent) != 4 {
		t.Fatalf("messages: %v", sent)
	}
	has(t, "sent", sent[1], map[string]any{"MessageID": int(w.messages[1]), "Sent": true, "Open": false, "Click": true, "Spam": true, "FBLSource": "JMRPP", "Status": "spam", "ToEmail": "b@googlemail.com"})
	one := w.rows(t, fmt.Sprintf("messagesentstatistics/%d", w.messages[2]))[0]
	has(t, "bounced", one, map[string]any{"Bounce": true, "Sent": false, "BounceReason": "user unknown", "Details": "no such user", "BounceDate": w.at.Format("2006-01-02T15:04:05Z")})
}

func (w *reported) testCampaigns(t *testing.T) {
	want := map[string]any{"ID": int(w.campaign), "CustomValue": "spring sale", "FromEmail": "a@example.com", "FirstMessageID": int(w.messages[0]), "Subject": "Hello", "HasHtmlCount": 1, "IsStarred": false}
	has(t, "listed", w.rows(t, "campaign")[0], want)
	has(t, "by ID", w.rows(t, fmt.Sprintf("Campaign/%d", w.campaign))[0], want)
	has(t, "by name", w.rows(t, "campaign/spring%20sale")[0], want)
	for _, c := range []struct{ body, property string }{{`{"IsStarred": true}`, "IsStarred"}, {`{"isdeleted": true, "Subject": "ignored"}`, "IsDeleted"}} {
		a := w.mustDo(t, w.sub, http.StatusOK, "PUT", "/v3/REST/campaign/spring%20sale", c.body)
		if !strings.Contains(a.body, `"`+c.property+`":true`) || !strings.Contains(a.body, `"IsStarred":true`) || !strings.Contains(a.body, `"Subject":"Hello"`) {
			t.Errorf("after %s: %s", c.body, a.body)
		}
	}
	if got := w.rows(t, "campaign"); len(got) != 0 {
		t.Errorf("what was deleted is listed: %v", got)
	}
	if got := w.rows(t, "campaign", "IsDeleted", "true", "IsStarred", "true"); len(got) != 1 {
		t.Errorf("what was deleted, asked for: %v", got)
	}
	w.mustDo(t, w.sub, http.StatusBadRequest, "PUT", "/v3/REST/campaign/spring%20sale", `{"IsStarred": "perhaps"}`)
}

// Promise 4: another subaccount sees none of it, whatever it names.
func (w *reported) testOthersSeeNothing(t *testing.T) {
	other := w.subaccount(t, "other")
	names := strings.NewReplacer("{campaign}", fmt.Sprint(w.campaign), "{sender}", fmt.Sprint(w.sender.ID), "{message}", fmt.Sprint(w.messages[0]), "{key}", fmt.Sprint(w.sub.Key.ID))
	for _, path := range []string{
		"statcounters?CounterSource=Campaign&CounterTiming=Message&CounterResolution=Lifetime&SourceID={campaign}", "statcounters?CounterSource=Sender&CounterTiming=Message&CounterResolution=Lifetime&SourceID={sender}",
		"statcounters?CounterSource=APIKey&CounterTiming=Message&CounterResolution=Lifetime&SourceID={key}", "graphstatistics?CampaignID={campaign}", "domainstatistics?CampaignID={campaign}", "domainstatistics", "senderstatistics?FromID={sender}",
		"bouncestatistics?CampaignID={campaign}", "openinformation/{message}", "clickstatistics/{message}", "clickstatistics?MessageID={message}", "messagesentstatistics?MessageID={message}", "toplinkclicked?CampaignID={campaign}",
		"statistics/link-click?CampaignID={campaign}", "statistics/recipient-esp?CampaignID={campaign}", "useragentstatistics?CampaignID={campaign}", "geostatistics?CampaignID={campaign}", "campaign?ID={campaign}&IsDeleted=true",
	} {
		path = names.Replace(path)
		if a := w.mustDo(t, other, http.StatusOK, "GET", "/v3/REST/"+path, ""); !strings.Contains(a.body, `"Data":[]`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	for _, path := range []string{"campaign/%d", "campaign/spring%%20sale%.0d"} {
		w.mustDo(t, other, http.StatusNotFound, "GET", "/v3/REST/"+fmt.Sprintf(path, w.campaign), "")
		w.mustDo(t, other, http.StatusNotFound, "PUT", "/v3/REST/"+fmt.Sprintf(path, w.campaign), `{"IsStarred": true}`)
	}
	w.mustDo(t, other, http.StatusNotFound, "GET", fmt.Sprintf("/v3/REST/messagesentstatistics/%d", w.messages[0]), "")
	a := w.mustDo(t, other, http.StatusOK, "GET", fmt.Sprintf("/v3/REST/messagestatistics?CampaignID=%d", w.campaign), "")
	if !strings.Contains(a.body, `"ProcessedCount":0,`) {
		t.Errorf("totals of another's campaign: %s", a.body)
	}
}

// Every row is read by the official SDK's struct; what the struct does not have is named here, from what was recorded.
func (w *reported) testSDK(t *testing.T) {
	more := map[string][]string{
		"graphstatistics": {"DeferredCount", "HardBouncedCount", "SoftBouncedCount"}, "openinformation": {"UserAgentID"}, "clickstatistics": {"UserAgentID"},
		"senderstatistics": {"DeferredCount", "HardBouncedCount", "PreQueuedCount", "SoftBouncedCount", "WorkFlowExitedCount"},
	}
	for path, into := range map[string]any{
		"graphstatistics": &resources.Graphstatistics{}, "bouncestatistics": &resources.Bouncestatistics{}, "openinformation": &resources.Openinformation{}, "clickstatistics": &resources.Clickstatistics{},
		"toplinkclicked": &resources.Toplinkclicked{}, "domainstatistics": &resources.Domainstatistics{}, "senderstatistics": &resources.Senderstatistics{}, "openstatistics": &resources.Openstatistics{},
		"messagesentstatistics": &resources.Messagesentstatistics{}, "geostatistics": &resources.Geostatistics{}, "useragentstatistics": &resources.Useragentstatistics{}, "campaign": &resources.Campaign{},
	} {
		var filter []string
		if path == "campaign" {
			filter = []string{"IsDeleted", "true"}
		}
		for _, row := range w.rows(t, path, filter...) {
			for _, name := range more[path] {
				if _, ok := row[name]; !ok {
					t.Errorf("%s: no %s", path, name)
				}
				delete(row, name)
			}
			text, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.DisallowUnknownFields()
			v := reflect.New(reflect.TypeOf(into).Elem()).Interface()
			if err := dec.Decode(v); err != nil {
				t.Errorf("%s: %v in %s", path, err, text)
			}
		}
	}
}
