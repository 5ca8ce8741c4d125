// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"postern/internal/credential"
	"postern/internal/keys"
)

// keyList is the answer of /apikey.
type keyList struct {
	Count, Total int
	Data         []struct {
		APIKey, Name, SecretKey, CreatedAt, ACL, Runlevel, Reference string
		ID, UserID                                                   int64
		IsActive, IsMaster                                           bool
		Secrets                                                      []struct {
			ID                                     int64
			CreatedAt, ExpiresAt, LastUsedAt, Hint string
		}
	}
}

func TestCreateSubaccount(t *testing.T) {
	w := newWorld(t)
	a := w.mustDo(t, w.master.Issued, http.StatusCreated, "POST", "/v3/REST/apikey", `{"name": "Shop", "ID": 7, "APIKey": "x", "IsMaster": true, "SecretKey": "mine", "Unknown": [1]}`)
	var made keyList
	a.decode(t, &made)
	k := made.Data[0]
	if made.Count != 1 || made.Total != 1 || k.Name != "Shop" || k.IsMaster || !k.IsActive || k.UserID != w.master.User.ID || credential.CheckSecret(k.SecretKey) != nil {
		t.Fatalf("%s", a.body)
	}
	if len(k.Secrets) != 1 || k.Secrets[0].Hint != credential.Hint(k.SecretKey) || k.Secrets[0].CreatedAt == "" {
		t.Errorf("Secrets: %s", a.body)
	}
	if a := w.as(t, k.APIKey, k.SecretKey, "GET", "/v3/REST/message", ""); a.status != 200 {
		t.Errorf("the new pair is answered with %d %s", a.status, a.body)
	}
	for _, path := range []string{"/v3/REST/apikey", "/v3/REST/apikey/" + k.APIKey, fmt.Sprint("/v3/REST/apikey/", k.ID), "/v3/REST/apikey?Name=Shop"} {
		if a := w.mustDo(t, w.master.Issued, 200, "GET", path, ""); strings.Contains(a.body, k.SecretKey) || !strings.Contains(a.body, `"SecretKey":""`) {
			t.Errorf("%s shows a secret: %s", path, a.body)
		}
	}
	if strings.Contains(w.log.String(), k.SecretKey) {
		t.Error("the secret is in the log")
	}
}

func TestKeyRefusals(t *testing.T) {
	w := newWorld(t)
	sub, other := w.subaccount(t, "sub"), w.subaccount(t, "other")
	for _, c := range []struct {
		name         string
		as           keys.Issued
		method, path string
		body         string
		status       int
		words        string
	}{
		{"no name", w.master.Issued, "POST", "", `{}`, 400, "Property Name: a name is needed"},
		{"no body", w.master.Issued, "POST", "", ``, 400, "Property Name"},
		{"null name", w.master.Issued, "POST", "", `{"Name": null}`, 400, "Property Name"},
		{"empty name", w.master.Issued, "POST", "", `{"Name": " "}`, 400, "Property Name"},
		{"name of another type", w.master.Issued, "POST", "", `{"Name": 5}`, 400, "Property Name: expected a string"},
		{"name with a line break", w.master.Issued, "POST", "", `{"Name": "a\nb"}`, 400, "Property Name"},
		{"taken name", w.master.Issued, "POST", "", `{"Name": "sub"}`, 400, "already"},
		{"not JSON", w.master.Issued, "POST", "", `{"Name": `, 400, "Invalid json input"},
		{"not an object", w.master.Issued, "POST", "", `["Name"]`, 400, "Invalid json input"},
		{"deep", w.master.Issued, "POST", "", strings.Repeat("[", 100) + strings.Repeat("]", 100), 400, "nested"},
		{"large", w.master.Issued, "POST", "", `{"Name": "` + strings.Repeat("x", 2<<20) + `"}`, 413, "bytes"},
		{"rename to a taken name", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"Name": "other"}`, 400, "already"},
		{"IsActive of another type", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"IsActive": "no"}`, 400, "Property IsActive"},
		{"master deactivates itself", w.master.Issued, "PUT", "/" + w.master.Key.APIKey, `{"IsActive": false}`, 403, "cannot deactivate itself"},
		{"unknown key", w.master.Issued, "PUT", "/99999", `{"Name": "x"}`, 404, "Object not found"},
		{"no key", w.master.Issued, "GET", "/nonsense", ``, 404, "Object not found"},
		{"short overlap", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/reset", `{"OverlapSeconds": 59}`, 400, "Property OverlapSeconds: must be 0, or from 1 minute to 30 days"},
		{"long overlap", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/reset", `{"OverlapSeconds": 9007199254740992}`, 400, "Property OverlapSeconds: must be"},
		{"negative overlap", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/reset", `{"OverlapSeconds": -60}`, 400, "Property OverlapSeconds"},
		{"end of nonsense", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/reset", `{"OverlapSeconds": 60, "EndSecretID": "x"}`, 400, "Property EndSecretID"},
		{"retire of nothing", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/retire", `{}`, 400, "Property SecretID"},
		{"retire of another's secret", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/retire", fmt.Sprintf(`{"SecretID": %d}`, other.Key.Secrets[0].ID), 400, "Property SecretID: it names no live secret key"},
		{"retire of the only secret", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/retire", fmt.Sprintf(`{"SecretID": %d}`, sub.Key.Secrets[0].ID), 403, "the only live secret key"},
		{"no permission", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"Permissions": []}`, 400, "Property Permissions: at least one"},
		{"unknown permission", w.master.Issued, "POST", "", `{"Name": "x", "Permissions": ["send", "fly"]}`, 400, `Property Permissions: \"fly\"`},
		{"permissions of another type", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"Permissions": ["send", 1]}`, 400, "Property Permissions[1]: expected a string"},
		{"network with bits beyond its mask", w.master.Issued, "POST", "", `{"Name": "x", "Networks": ["192.0.2.1/24"]}`, 400, "Property Networks"},
		{"networks of another type", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"Networks": {"a": 1}}`, 400, "Property Networks: expected an array"},
		{"senders that are none", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"AllowedSenders": ["a@b@c"]}`, 400, "Property AllowedSenders"},
		{"negative limit", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"DayLimit": -1}`, 400, "Property DayLimit"},
		{"limit of a fraction", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"HourLimit": 1.5}`, 400, "Property HourLimit"},
		{"OverHourWaits of another type", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"OverHourWaits": 1}`, 400, "Property OverHourWaits"},
		{"reference with a slash", w.master.Issued, "PUT", "/" + sub.Key.APIKey, `{"Reference": "a/b"}`, 400, "Property Reference"},
		{"delete of the master", w.master.Issued, "DELETE", "/" + w.master.Key.APIKey, ``, 403, "cannot be deleted"},
		{"delete in another way", w.master.Issued, "DELETE", "/" + sub.Key.APIKey + "?Queued=keep", ``, 400, "Queued"},
		{"delete of no key", w.master.Issued, "DELETE", "/99999", ``, 404, "Object not found"},
		{"no state", w.master.Issued, "GET", "?State=asleep", ``, 400, "State"},
		{"no reference", w.master.Issued, "GET", "/ref:", ``, 404, "Object not found"},
		{"no ID", w.master.Issued, "GET", "/99999999999999999999", ``, 404, "Object not found"},
		{"sub lifts its limit", sub, "PUT", "/" + sub.Key.APIKey, `{"DayLimit": 5}`, 403, "cannot change its own restrictions"},
		{"sub deletes itself", sub, "DELETE", "/" + sub.Key.APIKey, ``, 403, "master key"},
		{"sub reads another's connections", sub, "GET", "/" + other.Key.APIKey + "/connections", ``, 404, "Object not found"},
		{"sub reads another's networks", sub, "GET", "/" + other.Key.APIKey + "/networks", ``, 404, "Object not found"},
		{"sub retires another's secret", sub, "POST", "/" + other.Key.APIKey + "/retire", fmt.Sprintf(`{"SecretID": %d}`, other.Key.Secrets[0].ID), 404, "Object not found"},
		{"reset with nonsense", w.master.Issued, "POST", "/" + sub.Key.APIKey + "/reset", `{"OverlapSeconds": "x"}`, 400, "OverlapSeconds"},
		{"reset of no key", w.master.Issued, "POST", "/99999/reset", ``, 404, "Object not found"},
		{"sub creates", sub, "POST", "", `{"Name": "x"}`, 403, "Operation not allowed"},
		{"sub renames another", sub, "PUT", "/" + other.Key.APIKey, `{"Name": "x"}`, 403, "Operation not allowed"},
		{"sub reads another", sub, "GET", "/" + other.Key.APIKey, ``, 404, "Object not found"},
		{"sub reads another by ID", sub, "GET", "/" + strconv.FormatInt(other.Key.ID, 10), ``, 404, "Object not found"},
		{"sub reads its master", sub, "GET", "/" + w.master.Key.APIKey, ``, 404, "Object not found"},
		{"sub resets another", sub, "POST", "/" + other.Key.APIKey + "/reset", ``, 404, "Object not found"},
		{"sub deactivates itself", sub, "PUT", "/" + sub.Key.APIKey, `{"IsActive": false}`, 403, "cannot deactivate itself"},
		{"bad filter", w.master.Issued, "GET", "?IsActive=perhaps", ``, 400, "IsActive"},
		{"bad limit", w.master.Issued, "GET", "?Limit=-1", ``, 400, "Limit"},
		{"bad sort", w.master.Issued, "GET", "?Sort=SecretKey", ``, 400, "Cannot sort on field SecretKey"},
		{"bad direction", w.master.Issued, "GET", "?Sort=ID+UP", ``, 400, "Cannot sort"},
		{"bad escape", w.master.Issued, "GET", "?Name=%zz", ``, 400, "escaped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do(t, c.as, c.method, "/v3/REST/apikey"+c.path, c.body)
			if a.status != c.status || !strings.Contains(a.body, c.words) || !strings.Contains(a.body, fmt.Sprintf(`"StatusCode":%d`, c.status)) {
				t.Errorf("%d %s; want %d and %q", a.status, a.body, c.status, c.words)
			}
		})
	}
	// Nothing half-done is left.
	if a := w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey?countOnly=1", ""); a.body != `{"Count":0,"Data":[],"Total":3}` {
		t.Error(a.body)
	}
	w.mustDo(t, other, 200, "GET", "/v3/REST/apikey", "")
}

func TestListKeys(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"b", "a", "d", "c"} {
		w.subaccount(t, name)
	}
	w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/4", `{"IsActive":false}`)
	for _, c := range []struct {
		query string
		total int
		names string
	}{
		{"", 5, "Example b a d c"},
		{"?Sort=Name", 5, "a b c d Example"},
		{"?sort=name+DESC", 5, "Example d c b a"},
		{"?Sort=name%20desc&limit=2&OFFSET=1", 5, "d c"},
		{"?Sort=ID%2BDESC&Limit=1", 5, "c"},
		{"?isactive=false", 1, "d"},
		{"?IsActive=1&IsMaster=0", 3, "b a c"},
		{"?IsMaster=true", 1, "Example"},
		{"?Name=a", 1, "a"},
		{"?Name=a&Name=b&Unknown=1", 1, "a"},
		{"?Limit=0", 5, "Example b a d c"},
		{"?Limit=5000&countRecords=1", 5, "Example b a d c"},
		{"?countOnly=1", 5, ""},
		{"?Offset=10", 5, ""},
		{"?APIKey=" + strings.ToUpper(w.master.Key.APIKey), 1, "Example"},
		{"?APIKey=00000000000000000000000000000000", 0, ""},
	} {
		var list keyList
		w.mustDo(t, w.master.Issued, 200, "GET", "/v3/REST/apikey"+c.query, "").decode(t, &list)
		var names []string
		for _, k := range list.Data {
			names = append(names, k.Name)
		}
		if got := strings.Join(names, " "); got != c.names || list.Total != c.total || list.Count != len(names) {
			t.Errorf("%q: %s, Count %d, Total %d; want %s, Total %d", c.query, got, list.Count, list.Total, c.names, c.total)
		}
	}
}

func TestSubaccountSeesItselfAlone(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	w.subaccount(t, "other")
	for _, query := range []string{"", "?IsMaster=false", "?Name=sub", "?Name=other", "?APIKey=" + w.master.Key.APIKey, "?ID=1"} {
		var list keyList
		w.mustDo(t, sub, 200, "GET", "/v3/REST/apikey"+query, "").decode(t, &list)
		for _, k := range list.Data {
			if k.APIKey != sub.Key.APIKey {
				t.Errorf("%s shows %+v", query, k)
			}
		}
		if list.Total > 1 {
			t.Errorf("%s: Total %d", query, list.Total)
		}
	}
	w.mustDo(t, sub, 403, "PUT", "/v3/REST/apikey/"+sub.Key.APIKey, `{"NAME":"mine"}`) // a taken name would tell of others
	a := w.mustDo(t, sub, 200, "PUT", "/v3/REST/apikey/"+sub.Key.APIKey, `{"acl":"x"}`)
	if !strings.Contains(a.body, `"ACL":"x"`) {
		t.Error(a.body)
	}
}

func TestPutThatChangesNothing(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	for _, body := range []string{``, `{}`, `{"Name":"sub"}`, `{"CreatedAt":"2020-01-01","ID":1,"SecretKey":"x"}`} {
		a := w.mustDo(t, w.master.Issued, 200, "PUT", "/v3/REST/apikey/"+sub.Key.APIKey, body)
		if !strings.Contains(a.body, `"Name":"sub"`) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
}

func TestReset(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount(t, "sub")
	for _, c := range []struct {
		name, body string
		as         func() keys.Issued
	}{
		{"by the master", ``, func() keys.Issued { return w.master.Issued }},
		{"by itself", `{"overlapSeconds": 0}`, func() keys.Issued { return sub }},
	} {
		old := sub.Secret
		var got keyList
		w.mustDo(t, c.as(), 200, "POST", "/v3/REST/apikey/"+sub.Key.APIKey+"/reset", c.body).decode(t, &got)
		k := got.Data[0]
		if credential.CheckSecret(k.SecretKey) != nil || k.SecretKey == old || len(k.Secrets) != 1 {
			t.Fatalf("%s: %+v", c.name, got)
		}
		if a := w.do(t, sub, "GET", "/v3/REST/apikey", ""); a.status != 401 {
			t.Errorf("%s: the old secret is answered with %d", c.name, a.status)
		}
		sub.Secret = k.SecretKey
		w.mustDo(t, sub, 200, "GET", "/v3/REST/apikey", "")
	}
	entries, err := w.store.Audit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range entries {
		found = found || e.Action == "key.reset" && e.Actor == "key "+sub.Key.APIKey && e.Origin == "127.0.0.1"
	}
	if !found {
		t.Errorf("the reset is not in the audit log: %+v", entries)
	}
}
