// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postern/internal/api"
)

// listed are what a listing needs to be asked: most need nothing. CAMPAIGN is a campaign's ID.
var listed = map[string]string{
	"statcounters":             "CounterSource=APIKey&CounterTiming=Message&CounterResolution=Hour",
	"statistics/link-click":    "CampaignId=CAMPAIGN",
	"statistics/recipient-esp": "CampaignID=CAMPAIGN",
}

// listings are the resources that answer a list, with what they must be asked.
func listings() []string {
	var out []string
	for _, route := range api.Routes() {
		method, pattern, _ := strings.Cut(route, " ")
		if method == http.MethodGet && strings.HasPrefix(pattern, "/v3/REST/") && !strings.Contains(pattern, "{") {
			query, ok := listed[strings.TrimPrefix(pattern, "/v3/REST/")]
			if !ok {
				query = "x=y"
			}
			out = append(out, pattern+"?"+query)
		}
	}
	return out
}

// page is a listing's envelope.
type page struct {
	Count, Total *int
	Data         []map[string]any
}

// Every listing keeps the conventions of /v3/REST.
func TestListingsKeepTheConventions(t *testing.T) {
	w := newWorld(t)
	for range 12 {
		w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", call(with(obj{"CustomCampaign": "autumn"})))
	}
	campaign := fmt.Sprint(int64(w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/campaign/autumn", "").first(t)["ID"].(float64)))
	for _, name := range []string{"one", "two", "three"} {
		w.subaccount(t, name)
		w.addSender(t, w.master.Key, name+"@example.net")
	}
	ask := func(t *testing.T, path string) page {
		t.Helper()
		a := w.mustDo(t, w.master.Issued, 200, "GET", path, "")
		var p page
		a.decode(t, &p)
		if p.Count == nil || p.Total == nil || p.Data == nil || *p.Count != len(p.Data) || *p.Total < *p.Count || a.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %v %s", path, a.header, a.body)
		}
		return p
	}
	for _, path := range listings() {
		path = strings.ReplaceAll(path, "CAMPAIGN", campaign)
		t.Run(strings.TrimPrefix(path, "/v3/REST/"), func(t *testing.T) {
			all := ask(t, path+"&Limit=0")
			if len(all.Data) != min(*all.Total, 1000) {
				t.Errorf("Limit=0: %d rows of %d", len(all.Data), *all.Total)
			}
			if p := ask(t, path); len(p.Data) != min(*all.Total, 10) || *p.Total != *all.Total {
				t.Errorf("by default: %d rows of %d", len(p.Data), *p.Total)
			}
			if p := ask(t, path+"&countOnly=1"); len(p.Data) != 0 || *p.Total != *all.Total {
				t.Errorf("countOnly: %d rows of %d", len(p.Data), *p.Total)
			}
			if p := ask(t, path+"&countrecords=1&limit=1"); len(p.Data) != min(*all.Total, 1) || *p.Total != *all.Total {
				t.Errorf("countRecords: %d rows of %d", len(p.Data), *p.Total)
			}
			if p := ask(t, path+"&Limit=1&limit=5&Limit=2"); len(p.Data) != min(*all.Total, 1) {
				t.Errorf("of a repeated filter the first wins: %d rows", len(p.Data))
			}
			if p := ask(t, path+"&Offset=100000"); len(p.Data) != 0 || *p.Total != *all.Total {
				t.Errorf("behind the end: %d rows of %d", len(p.Data), *p.Total)
			}
			if p := ask(t, path+"&NoSuchFilter=1"); *p.Total != *all.Total {
				t.Errorf("an unknown filter: %d", *p.Total)
			}
			for _, wrong := range []string{"Limit=-1", "Limit=x", "Offset=-1", "Sort=NoSuchProperty", "Sort=ID+SIDEWAYS", "countOnly=perhaps"} {
				if a := w.do(t, w.master.Issued, "GET", path+"&"+wrong, ""); a.status != 400 && len(all.Data) > 0 {
					t.Errorf("%s: %d %s", wrong, a.status, a.body)
				}
			}
			sorts(t, all, func(spec string) page { return ask(t, path+"&Limit=0&Sort="+spec) })
			if a := w.do(t, w.master.Issued, "HEAD", path, ""); a.status != 200 || a.body != "" {
				t.Errorf("HEAD: %d %q", a.status, a.body)
			}
		})
	}
}

// sorts checks that a list with IDs can be had both ways.
func sorts(t *testing.T, all page, ask func(spec string) page) {
	t.Helper()
	if len(all.Data) < 2 || all.Data[0]["ID"] == nil || all.Data[0]["ID"] == -1.0 {
		return
	}
	for _, x := range []struct {
		spec string
		desc bool
	}{{"ID", false}, {"id+ASC", false}, {"ID+DESC", true}, {"ID%20DESC", true}, {"ID%2BDESC", true}} {
		rows := ask(x.spec).Data
		for i := 1; i < len(rows); i++ {
			if rows[i-1]["ID"].(float64) >= rows[i]["ID"].(float64) != x.desc {
				t.Fatalf("Sort=%s: %v before %v", x.spec, rows[i-1]["ID"], rows[i]["ID"])
			}
		}
	}
}

// A body that is too large is refused in words, and so is one that is none.
func TestBodies(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		path, body string
		status     int
		words      string
	}{
		{"/v3/REST/apikey", `{"Name": "` + strings.Repeat("x", 2<<20) + `"}`, 413, "bytes"},
		{"/v3/REST/apikey", `{"Name": `, 400, "Invalid json input"},
		{"/v3/REST/apikey", `"Name"`, 400, "expected an object"},
	} {
		if a := w.do(t, w.master.Issued, "POST", c.path, c.body); a.status != c.status || !strings.Contains(a.body, c.words) {
			t.Errorf("POST %s: %d %s", c.path, a.status, a.body)
		}
	}
}

// TestTextsThatNoStoreTakes: PostgreSQL refuses NUL and what is not UTF-8. It is refused at the door, on both engines.
func TestTextsThatNoStoreTakes(t *testing.T) {
	w := newWorld(t)
	for _, odd := range []string{"%00", "a%00b", "%FF%FE"} {
		for _, q := range []string{"apikey?Name=", "apikey?Search=", "suppression?Email=", "suppression?Search=", "sender?Status=", "dns?Domain=", "message?CustomID=", "message?Campaign=", "domainstatistics?CustomCampaign=", "audit?Search="} {
			w.mustDo(t, w.master.Issued, http.StatusBadRequest, "GET", "/v3/REST/"+q+odd, "")
		}
		for _, path := range []string{"apikey/", "suppression/", "campaign/", "sender/", "eventcallbackurl/"} {
			w.mustDo(t, w.master.Issued, http.StatusNotFound, "GET", "/v3/REST/"+path+odd, "")
		}
	}
	for path, body := range map[string]string{
		"sender": `{"Email": "a@example.net", "Name": "a\u0000b"}`, "suppression": `{"Email": "a\u0000@example.net"}`, "eventcallbackurl": `{"Url": "https://example.com/\u0000"}`,
		"apikey": `{"Name": "shop", "Networks": ["\u0000"]}`,
	} {
		if a := w.mustDo(t, w.master.Issued, http.StatusBadRequest, "POST", "/v3/REST/"+path, body); !strings.Contains(a.body, "NUL") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	w.mustDo(t, w.master.Issued, http.StatusOK, "GET", "/v3/REST/suppression?Offset=9223372036854775807", "")
	w.mustDo(t, w.master.Issued, http.StatusBadRequest, "GET", "/v3/REST/eventcallbackurl?Version=1099511627775", "")
}
