// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/store"
)

// The host name of a key's links is changed by PUT, where the key's own domain has it.
func TestTrackHost(t *testing.T) {
	w := newWorld(t)
	sub, other := w.subaccount(t, "sub"), w.subaccount(t, "other")
	for key, sender := range map[int64]string{w.master.Key.ID: "*@master.example", sub.Key.ID: "*@sub.example", other.Key.ID: "*@other.example"} {
		if _, err := w.Senders.AddSender(t.Context(), change.Actor{Kind: change.Operator}, store.OfOperator(), store.KeyFilter{ID: key}, sender, ""); err != nil {
			t.Fatal(err)
		}
	}
	path := "/v3/REST/apikey/" + sub.Key.APIKey
	for name, c := range map[string]struct {
		as     keys.Issued
		host   string
		status int
		words  string
	}{
		"its own domain":       {w.master.Issued, "Links.SUB.example", 200, `"TrackHost":"links.sub.example"`},
		"the domain itself":    {w.master.Issued, "sub.example", 200, `"TrackHost":"sub.example"`},
		"by itself":            {sub, "l.m.sub.example", 200, `"TrackHost":"l.m.sub.example"`},
		"a sibling's":          {sub, "links.other.example", 400, "Property TrackHost: links.other.example is in no domain that this key may send from"},
		"the master key's":     {sub, "links.master.example", 400, "Property TrackHost: links.master.example is in no domain"},
		"a top-level domain":   {w.master.Issued, "example", 400, "Property TrackHost"},
		"a URL":                {w.master.Issued, "https://links.sub.example/", 400, "Property TrackHost"},
		"a port":               {w.master.Issued, "links.sub.example:80", 400, "Property TrackHost"},
		"an address":           {w.master.Issued, "192.0.2.1", 400, "Property TrackHost"},
		"an address, IPv6":     {w.master.Issued, "2001:db8::1", 400, "Property TrackHost"},
		"two":                  {w.master.Issued, "a.sub.example b.sub.example", 400, "Property TrackHost"},
		"an address of a mail": {w.master.Issued, "x@links.sub.example", 400, "Property TrackHost"},
		"not its end alone":    {w.master.Issued, "linkssub.example", 400, "Property TrackHost"},
	} {
		a := w.do(t, c.as, "PUT", path, fmt.Sprintf(`{"trackhost": %q}`, c.host))
		if a.status != c.status || !strings.Contains(a.body, c.words) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	w.mustDo(t, w.master.Issued, http.StatusOK, "PUT", path, `{"TrackHost": ""}`)
	if a := w.mustDo(t, sub, http.StatusOK, "GET", path, ""); !strings.Contains(a.body, `"TrackHost":""`) {
		t.Errorf("%s", a.body)
	}
}
