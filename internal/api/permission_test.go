// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postern/internal/access"
	"postern/internal/api"
	"postern/internal/keys"
	"postern/internal/people"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/webhooks"
)

// principal is a caller of the matrix, with an account of his own.
type principal struct {
	keys.Issued
	up     keys.SignedUp // his account
	master bool
	may    access.Permission
}

// principals are the kinds of callers: what a key is, and what it may do.
var principals = []struct {
	name   string
	master bool
	may    access.Permission
}{
	{"master", true, access.AllPermissions},
	{"subaccount", false, access.AllPermissions},
	{"master that may send", true, access.MaySend},
	{"master that may read", true, access.MayRead},
	{"master that may manage", true, access.MayManage},
	{"subaccount that may send", false, access.MaySend},
	{"subaccount that may read", false, access.MayRead},
	{"subaccount that may manage", false, access.MayManage},
}

// newPrincipal makes a caller, so that no cell of the matrix disturbs another.
func (w *world) newPrincipal(t testing.TB, n int, master bool, may access.Permission) principal {
	t.Helper()
	up, err := w.Keys.SignUp(t.Context(), operator, fmt.Sprint("Cell ", n), fmt.Sprintf("cell%d@example.com", n))
	if err != nil {
		t.Fatal(err)
	}
	p := principal{Issued: up.Issued, up: up, master: master, may: may}
	if !master {
		p.Issued = w.subaccountOf(t, up, keys.NewKey{Name: "caller"})
	}
	w.addSender(t, p.Key, "*@example.com")
	if _, err := w.Keys.Change(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: p.Key.ID}, keys.KeyChange{Permissions: &may}, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) subaccountOf(t testing.TB, up keys.SignedUp, n keys.NewKey) keys.Issued {
	t.Helper()
	sub, err := w.Keys.CreateSubaccount(t.Context(), operator, up.Account.ID, n)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// target is a key that the caller manages: a new subaccount of a master key, itself of another.
func (w *world) target(t testing.TB, p principal) keys.Issued {
	t.Helper()
	if p.master {
		return w.subaccountOf(t, p.up, keys.NewKey{Name: "target"})
	}
	return p.Issued
}

// cell is what a route asks of its caller, and a request that is answered with status when it is let in.
type cell struct {
	need         access.Permission
	master, open bool
	status       int
	request      func(t testing.TB, w *world, p principal) (path, body string)
}

// plain is a request that needs nothing made for it.
func plain(path, body string) func(testing.TB, *world, principal) (string, string) {
	return func(testing.TB, *world, principal) (string, string) { return path, body }
}

// ofTarget is a request about a key that the caller manages.
func ofTarget(rest, body string) func(testing.TB, *world, principal) (string, string) {
	return func(t testing.TB, w *world, p principal) (string, string) {
		return fmt.Sprintf("/v3/REST/apikey/%d%s", w.target(t, p).Key.ID, rest), body
	}
}

func retire(t testing.TB, w *world, p principal) (path, body string) {
	k := w.target(t, p)
	issued, err := w.Keys.Reset(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: k.Key.ID}, keys.Reset{Overlap: overlap})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/v3/REST/apikey/%d/retire", k.Key.ID), fmt.Sprintf(`{"SecretID": %d}`, issued.Key.Secrets[0].ID)
}

// ofAccess is a request about an access to the caller's account.
func ofAccess(body string) func(testing.TB, *world, principal) (string, string) {
	return func(t testing.TB, w *world, p principal) (string, string) {
		err := w.store.Update(t.Context(), func(tx *store.Tx) error {
			return tx.PutAccess(t.Context(), w.master.User.ID, p.up.Account.ID, 0, access.Analyst)
		})
		if err != nil {
			t.Fatal(err)
		}
		given, err := w.store.Accesses(t.Context(), store.OfAccount(p.up.Account.ID), store.AccessFilter{UserID: w.master.User.ID, Whole: true})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("/v3/REST/apikeyaccess/%d", given[0].ID), body
	}
}

// lent is a request about a metasender of the caller's.
func lent(t testing.TB, w *world, p principal) (path, body string) {
	email := "lent" + p.Key.APIKey[:8] + "@example.net"
	n := senders.NewSender{Email: email, Meta: p.Key.Master}
	if _, err := w.Senders.ProposeSender(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: p.Key.ID}, n); err != nil {
		t.Fatal(err)
	}
	return "/v3/REST/metasender/" + email, `{"Description": "All"}`
}

// askMore gives the caller's account a plan, so that there is something to ask for.
func askMore(t testing.TB, w *world, p principal) (path, body string) {
	w.plan(t, p.up.Account.ID, store.Plan{Subaccounts: 5})
	return "/v3/REST/subaccountrequest", `{"Wanted": 9, "Reason": "We grow."}`
}

func asked(t testing.TB, w *world, p principal) (path, body string) {
	w.plan(t, p.up.Account.ID, store.Plan{Subaccounts: 5})
	q, err := w.Accounts.Ask(t.Context(), operator, p.up.Account.ID, "", "subaccounts", 9, "We grow.")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/v3/REST/subaccountrequest/%d", q.ID), ""
}

// plan gives an account a plan of its own.
func (w *world) plan(t testing.TB, accountID int64, p store.Plan) {
	t.Helper()
	p.Name = "plan of " + strconv.FormatInt(accountID, 10)
	made, err := w.Accounts.PutPlan(t.Context(), operator, p)
	if err == nil {
		err = w.Accounts.AssignPlan(t.Context(), operator, accountID, made.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ofUser is a request about the caller's account's owner.
func ofUser(body string) func(testing.TB, *world, principal) (string, string) {
	return func(_ testing.TB, _ *world, p principal) (string, string) {
		return fmt.Sprintf("/v3/REST/user/%d", p.up.User.ID), body
	}
}

// ofProfile is a request about the caller's account's profile.
func ofProfile(body string) func(testing.TB, *world, principal) (string, string) {
	return func(_ testing.TB, _ *world, p principal) (string, string) {
		return fmt.Sprintf("/v3/REST/myprofile/%d", p.up.Account.ID), body
	}
}

// ofHook is a request about a URL of the caller's own.
func ofHook(rest, body string) func(testing.TB, *world, principal) (string, string) {
	return func(t testing.TB, w *world, p principal) (string, string) {
		list, err := w.Webhooks.Set(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: p.Key.ID}, webhooks.Setting{URL: "https://hooks.example.com/", Types: []store.EventType{store.EventSpam}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("/v3/REST/eventcallbackurl/%d%s", list[0].ID, rest), body
	}
}

// matrix says for each route who is let in. A route that is not in it fails the test: who may call it has to be said.
func matrix() map[string]cell {
	const send, read, manage = access.MaySend, access.MayRead, access.MayManage
	m := map[string]cell{
		"POST /v3.1/send":       {need: send, status: 200, request: plain("/v3.1/send", simple)},
		"POST /v3/send":         {need: send, status: 200, request: plain("/v3/send", simpleV3)},
		"POST /v3/send/message": {need: send, status: 200, request: plain("/v3/send/message", simpleV3)},

		"GET /v3/REST/apikey":                  {status: 200},
		"POST /v3/REST/apikey":                 {need: manage, master: true, status: 201, request: plain("/v3/REST/apikey", `{"Name": "new"}`)},
		"GET /v3/REST/apikey/{id}":             {status: 200, request: ofTarget("", "")},
		"PUT /v3/REST/apikey/{id}":             {need: manage, status: 200, request: ofTarget("", `{"ACL": "changed"}`)},
		"DELETE /v3/REST/apikey/{id}":          {need: manage, master: true, status: 204, request: ofTarget("", "")},
		"POST /v3/REST/apikey/{id}/reset":      {need: manage, status: 200, request: ofTarget("/reset", "")},
		"POST /v3/REST/apikey/{id}/retire":     {need: manage, status: 200, request: retire},
		"GET /v3/REST/apikey/{id}/connections": {need: manage, status: 200, request: ofTarget("/connections", "")},
		"GET /v3/REST/apikey/{id}/networks":    {need: manage, status: 200, request: ofTarget("/networks", "")},
		"POST /v3/REST/leakedsecret":           {open: true, status: 200, request: plain("/v3/REST/leakedsecret", `{"SecretKey": "x"}`)},

		"GET /v3/REST/apikeyaccess":           {need: manage, master: true, status: 200},
		"POST /v3/REST/apikeyaccess":          {need: manage, master: true, status: 201, request: plain("/v3/REST/apikeyaccess", `{"IsWholeAccount": true, "UserALT": "owner@example.com"}`)},
		"GET /v3/REST/apikeyaccess/{id}":      {need: manage, master: true, status: 200, request: ofAccess("")},
		"PUT /v3/REST/apikeyaccess/{id}":      {need: manage, master: true, status: 200, request: ofAccess(`{"Role": "manager"}`)},
		"DELETE /v3/REST/apikeyaccess/{id}":   {need: manage, master: true, status: 204, request: ofAccess("")},
		"GET /v3/REST/plan":                   {need: manage, master: true, status: 200},
		"GET /v3/REST/subaccountrequest":      {need: manage, master: true, status: 200},
		"POST /v3/REST/subaccountrequest":     {need: manage, master: true, status: 201, request: askMore},
		"GET /v3/REST/subaccountrequest/{id}": {need: manage, master: true, status: 200, request: asked},
		"GET /v3/REST/audit":                  {need: manage, master: true, status: 200},

		"GET /v3/REST/message":                 {need: read, status: 200},
		"GET /v3/REST/message/{id}":            {need: read, status: 404, request: plain("/v3/REST/message/99999", "")},
		"GET /v3/REST/messagehistory/{id}":     {need: read, status: 200, request: plain("/v3/REST/messagehistory/99999", "")},
		"POST /v3/REST/message/{id}/retry":     {need: send, status: 404, request: plain("/v3/REST/message/99999/retry", "")},
		"POST /v3/REST/message/{id}/cancel":    {need: send, status: 404, request: plain("/v3/REST/message/99999/cancel", "")},
		"POST /v3/REST/message/{id}/resend":    {need: send, status: 404, request: plain("/v3/REST/message/99999/resend", "")},
		"GET /v3/REST/messageinformation":      {need: read, status: 200, request: plain("/v3/REST/messageinformation", "")},
		"GET /v3/REST/messageinformation/{id}": {need: read, status: 404, request: plain("/v3/REST/messageinformation/99999", "")},
		"GET /v3/REST/messagestate":            {status: 200},
		"GET /v3/REST/messagestate/{id}":       {status: 200, request: plain("/v3/REST/messagestate/1", "")},

		"GET /v3/REST/sender":                {need: manage, status: 200},
		"POST /v3/REST/sender":               {need: manage, status: 201, request: plain("/v3/REST/sender", `{"Email": "new@example.com"}`)},
		"GET /v3/REST/sender/{id}":           {need: manage, status: 200, request: plain("/v3/REST/sender/*@example.com", "")},
		"PUT /v3/REST/sender/{id}":           {need: manage, status: 200, request: plain("/v3/REST/sender/*@example.com", `{"Name": "Shop"}`)},
		"DELETE /v3/REST/sender/{id}":        {need: manage, status: 204, request: plain("/v3/REST/sender/*@example.com", "")},
		"POST /v3/REST/sender/{id}/validate": {need: manage, status: 400, request: plain("/v3/REST/sender/*@example.com/validate", "")}, // it is active
		"GET /v3/REST/dns":                   {need: manage, status: 200},
		"GET /v3/REST/dns/{id}":              {need: manage, status: 200, request: plain("/v3/REST/dns/example.com", "")},
		"POST /v3/REST/dns/{id}/check":       {need: manage, status: 200, request: plain("/v3/REST/dns/example.com/check", "")},
		"GET /v3/REST/metasender":            {need: manage, master: true, status: 200},
		"POST /v3/REST/metasender":           {need: manage, master: true, status: 201, request: plain("/v3/REST/metasender", `{"Email": "*@example.com"}`)},
		"GET /v3/REST/metasender/{id}":       {need: manage, master: true, status: 200, request: lent},
		"PUT /v3/REST/metasender/{id}":       {need: manage, master: true, status: 200, request: lent},
		"GET /v3/REST/apikeytotals":          {need: read, status: 200},
		"GET /v3/REST/user":                  {status: 200},
		"PUT /v3/REST/user":                  {need: manage, master: true, status: 200, request: plain("/v3/REST/user", `{"Locale": "de_DE"}`)},
		"GET /v3/REST/user/{id}":             {status: 200, request: ofUser("")},
		"PUT /v3/REST/user/{id}":             {need: manage, master: true, status: 200, request: ofUser(`{"Locale": "de_DE"}`)},
		"GET /v3/REST/myprofile":             {status: 200},
		"PUT /v3/REST/myprofile":             {need: manage, master: true, status: 200, request: plain("/v3/REST/myprofile", `{"AddressCity": "Bonn"}`)},
		"GET /v3/REST/myprofile/{id}":        {status: 200, request: ofProfile("")},
		"PUT /v3/REST/myprofile/{id}":        {need: manage, master: true, status: 200, request: ofProfile(`{"AddressCity": "Bonn"}`)},
		"GET /openapi.yaml":                  {open: true, status: 200},
		"GET /openapi.json":                  {open: true, status: 200},

		"GET /v3/REST/eventcallbackurl":             {need: manage, status: 200},
		"POST /v3/REST/eventcallbackurl":            {need: manage, status: 201, request: plain("/v3/REST/eventcallbackurl", `{"Url": "https://hooks.example.com/"}`)},
		"GET /v3/REST/eventcallbackurl/{id}":        {need: manage, status: 200, request: ofHook("", "")},
		"PUT /v3/REST/eventcallbackurl/{id}":        {need: manage, status: 200, request: ofHook("", `{"Version": 2}`)},
		"DELETE /v3/REST/eventcallbackurl/{id}":     {need: manage, status: 204, request: ofHook("", "")},
		"POST /v3/REST/eventcallbackurl/{id}/test":  {need: manage, status: 404, request: plain("/v3/REST/eventcallbackurl/99999/test", "")},
		"GET /v3/REST/suppression":                  {need: read, status: 200},
		"POST /v3/REST/suppression":                 {need: manage, status: 201, request: plain("/v3/REST/suppression", `{"Email": "a@example.net"}`)},
		"GET /v3/REST/suppression/{id}":             {need: read, status: 404, request: plain("/v3/REST/suppression/a@example.net", "")},
		"PUT /v3/REST/suppression/{id}":             {need: manage, status: 404, request: plain("/v3/REST/suppression/a@example.net", `{"Note": "x"}`)},
		"DELETE /v3/REST/suppression/{id}":          {need: manage, status: 404, request: plain("/v3/REST/suppression/a@example.net", "")},
		"POST /v3/REST/complaint":                   {need: manage, status: 400, request: plain("/v3/REST/complaint", "{}")},
		"GET /v3/REST/webhooksecret":                {need: manage, status: 200},
		"POST /v3/REST/webhooksecret":               {need: manage, status: 201, request: plain("/v3/REST/webhooksecret", "")},
		"GET /v3/REST/webhookdelivery":              {need: read, status: 200},
		"POST /v3/REST/webhookdelivery":             {need: manage, status: 200, request: plain("/v3/REST/webhookdelivery", `{"Since": 0}`)},
		"GET /v3/REST/webhookdelivery/{id}":         {need: read, status: 404, request: plain("/v3/REST/webhookdelivery/99999", "")},
		"POST /v3/REST/webhookdelivery/{id}/replay": {need: manage, status: 404, request: plain("/v3/REST/webhookdelivery/99999/replay", "")},
	}
	reports(m)
	for _, name := range []string{"contact", "contactslist", "contactmetadata", "listrecipient", "template", "newsletter"} {
		m["GET /v3/REST/"+name] = cell{status: 200}
	}
	return m
}

// reports adds the resources of statistics.
func reports(m map[string]cell) {
	const read, manage = access.MayRead, access.MayManage
	for _, name := range []string{
		"graphstatistics", "messagestatistics", "openstatistics", "domainstatistics", "senderstatistics", "geostatistics", "useragentstatistics", "toplinkclicked",
		"bouncestatistics", "openinformation", "clickstatistics", "messagesentstatistics", "campaign",
	} {
		m["GET /v3/REST/"+name] = cell{need: read, status: 200}
	}
	for _, name := range []string{"bouncestatistics", "openinformation", "clickstatistics"} {
		m["GET /v3/REST/"+name+"/{id}"] = cell{need: read, status: 200, request: plain("/v3/REST/"+name+"/99999", "")}
	}
	for _, name := range []string{"link-click", "recipient-esp"} {
		m["GET /v3/REST/statistics/"+name] = cell{need: read, status: 200, request: plain("/v3/REST/statistics/"+name+"?CampaignID=99999", "")}
	}
	for _, name := range []string{"messagesentstatistics", "senderstatistics", "campaign"} {
		m["GET /v3/REST/"+name+"/{id}"] = cell{need: read, status: 404, request: plain("/v3/REST/"+name+"/99999", "")}
	}
	m["PUT /v3/REST/campaign/{id}"] = cell{need: manage, status: 404, request: plain("/v3/REST/campaign/99999", `{"IsStarred": true}`)}
	m["GET /v3/REST/statcounters"] = cell{need: read, status: 200, request: plain("/v3/REST/statcounters?CounterSource=APIKey&CounterTiming=Message&CounterResolution=Day", "")}
}

// permissionNames are the words for what a key lacks.
var permissionNames = map[access.Permission]string{access.MaySend: "send", access.MayRead: "statistics", access.MayManage: "manage"}

// Each route is called by each kind of caller; who lacks a permission, or is no master key where one is asked for, is
// refused in words, and everybody else is let in.
func TestWhoMayDoWhat(t *testing.T) {
	m := matrix()
	routes := api.Routes()
	for _, route := range routes {
		if _, ok := m[route]; !ok {
			t.Errorf("%s is not in the matrix: say who may call it", route)
		}
	}
	for route := range m {
		if !slices.Contains(routes, route) {
			t.Errorf("%s is in the matrix and is no route", route)
		}
	}
	w := newWorld(t)
	n := 0
	for route, c := range m {
		method, pattern, _ := strings.Cut(route, " ")
		for _, kind := range principals {
			n++
			p := w.newPrincipal(t, n, kind.master, kind.may)
			path, body := pattern, ""
			if c.request != nil {
				path, body = c.request(t, w, p)
			}
			a := w.do(t, p.Issued, method, path, body)
			status, words := c.status, ""
			switch {
			case c.open:
			case kind.may&c.need != c.need:
				status, words = http.StatusForbidden, "lacks the permission "+permissionNames[c.need]+" (it has: "
			case c.master && !kind.master:
				status, words = http.StatusForbidden, "master key"
			}
			if a.status != status || !strings.Contains(a.body, words) {
				t.Errorf("%s by a %s: %d %s; want %d %s", route, kind.name, a.status, a.body, status, words)
			}
			anonymous := w.as(t, "", "", method, path, body)
			if c.open != (anonymous.status != http.StatusUnauthorized) {
				t.Errorf("%s by nobody: %d %s", route, anonymous.status, anonymous.body)
			}
		}
	}
}

// A caller who is not theirs meets each route with the names of somebody else's things: nothing of them is in an
// answer, and nothing of them is changed.
func TestNobodySeesOrChangesAnothers(t *testing.T) {
	w := newWorld(t)
	victim := w.subaccountOf(t, w.master, keys.NewKey{Name: "victim-name", Reference: "victim-reference"})
	w.addSender(t, victim.Key, "victim@victim.example")
	mustSend := func() int64 {
		var sent struct {
			Messages []struct{ To []struct{ MessageID int64 } }
		}
		w.mustDo(t, victim, 200, "POST", "/v3.1/send", call(with(obj{"From": obj{"Email": "victim@victim.example"}, "To": []any{obj{"Email": "victim-reader@example.org"}}, "Subject": "victim-subject", "CustomID": "victim-custom"}))).decode(t, &sent)
		return sent.Messages[0].To[0].MessageID
	}
	message := mustSend()
	given, _, err := w.People.Give(t.Context(), operator, w.master.Account.ID, people.Share{Email: w.master.User.Email, Role: access.Analyst, KeyIDs: []int64{victim.Key.ID}})
	if err != nil {
		t.Fatal(err)
	}
	w.plan(t, w.master.Account.ID, store.Plan{Subaccounts: 5})
	q, err := w.Accounts.Ask(t.Context(), operator, w.master.Account.ID, "", "subaccounts", 9, "victim-reason")
	if err != nil {
		t.Fatal(err)
	}
	senders, err := w.store.Senders(t.Context(), store.OfKey(w.master.Account.ID, victim.Key.ID))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		strconv.FormatInt(victim.Key.ID, 10), victim.Key.APIKey, "victim-reference", "ref:victim-reference", strconv.FormatInt(message, 10),
		strconv.FormatInt(senders[0].ID, 10), "victim@victim.example", strconv.FormatInt(q.ID, 10),
	}
	for _, x := range given {
		names = append(names, strconv.FormatInt(x.ID, 10))
	}
	hooks, err := w.Webhooks.Set(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: victim.Key.ID}, webhooks.Setting{URL: "https://victim.example/", Types: []store.EventType{store.EventSpam}})
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, strconv.FormatInt(hooks[0].ID, 10), "spam%7Cfalse")
	before := w.picture(t, victim)
	for _, s := range []struct {
		name string
		as   keys.Issued
	}{
		{"a sibling", w.subaccountOf(t, w.master, keys.NewKey{Name: "sibling"})},
		{"another account", w.newPrincipal(t, 1, true, access.AllPermissions).Issued},
	} {
		for _, route := range api.Routes() {
			method, pattern, _ := strings.Cut(route, " ")
			paths := []string{pattern + "?Limit=0&ShowSubject=1&ShowContactAlt=1&ShowCustomID=1"}
			if strings.Contains(pattern, "{id}") {
				paths = nil
				for _, name := range names {
					paths = append(paths, strings.Replace(pattern, "{id}", name, 1))
				}
			}
			for _, path := range paths {
				if own := strings.Contains(path, fmt.Sprintf("/apikey/%d", s.as.Key.ID)); own {
					continue // an ID of something else is the stranger's own key's
				}
				body := fmt.Sprintf(`{"Name": "stolen", "IsActive": false, "Role": "owner", "SecretID": %d, "APIKeyID": %d, "UserALT": "thief@example.com"}`, victim.Key.Secrets[0].ID, victim.Key.ID)
				if pattern == "/v3/REST/leakedsecret" {
					body = `{"SecretKey": "none"}`
				}
				a := w.do(t, s.as, method, path, body)
				if strings.Contains(a.body, "victim-") || strings.Contains(a.body, victim.Key.APIKey) && !strings.Contains(path, victim.Key.APIKey) || strings.Contains(a.body, "victim.example") {
					t.Errorf("%s %s shows %s what is not his: %s", method, path, s.name, a.body)
				}
			}
		}
		for _, query := range []string{"?Reference=victim-reference", "?Search=victim", "?ID=" + names[0], "?APIKey=" + victim.Key.APIKey} {
			if a := w.do(t, s.as, "GET", "/v3/REST/apikey"+query, ""); !strings.Contains(a.body, `"Total":0`) {
				t.Errorf("%s finds %s: %s", s.name, query, a.body)
			}
		}
	}
	if after := w.picture(t, victim); after != before {
		t.Errorf("a stranger has changed something:\n%s\n%s", before, after)
	}
}

// picture is all that a stranger must not change of a key.
func (w *world) picture(t testing.TB, k keys.Issued) string {
	t.Helper()
	scope := store.OfKey(k.Key.AccountID, k.Key.ID)
	key, err := w.store.Key(t.Context(), scope, store.KeyFilter{})
	if err != nil {
		t.Fatal(err)
	}
	senders, err := w.store.Senders(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	shares, err := w.store.Accesses(t.Context(), store.OfAccount(k.Key.AccountID), store.AccessFilter{})
	if err != nil {
		t.Fatal(err)
	}
	asked, _, err := w.store.Requests(t.Context(), store.OfAccount(k.Key.AccountID), store.RequestFilter{}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v\n%+v\n%+v\n%+v", key, senders, shares, asked)
}
