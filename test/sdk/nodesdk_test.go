// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nodeCall is a request that node/drive.js makes by node-mailjet.
type nodeCall struct {
	Method   string         `json:"method"`
	Resource string         `json:"resource"`
	ID       string         `json:"id,omitempty"`
	Action   string         `json:"action,omitempty"`
	Version  string         `json:"version,omitempty"`
	Params   map[string]any `json:"params,omitempty"`
	Body     any            `json:"body,omitempty"`

	want int // status
	rows string
}

// nodeAnswer is what the SDK gave back, or threw.
type nodeAnswer struct {
	Status  int             `json:"status"`
	Body    json.RawMessage `json:"body"`
	Message string          `json:"message"`
}

// testNode drives every resource and both Send APIs by the official Node SDK, over TLS with a CA of the test's own.
func testNode(t *testing.T, w *world) {
	calls := w.nodeCalls(t)
	answers := w.runNode(t, calls)
	for i, c := range calls {
		a := answers[i]
		if a.Status != c.want {
			t.Errorf("%s %s/%s %s: %d %s %s; want %d", c.Method, c.Resource, c.ID, c.Action, a.Status, a.Message, a.Body, c.want)
			continue
		}
		var body struct{ Data []map[string]json.RawMessage }
		if c.rows == "" {
			continue
		}
		if err := json.Unmarshal(a.Body, &body); err != nil || len(body.Data) == 0 {
			t.Errorf("%s/%s: %v %s", c.Resource, c.ID, err, a.Body)
			continue
		}
		for _, r := range w.Resources {
			if r.Resource != c.rows {
				continue
			}
			for _, problem := range w.shape(r.Resource, r.Properties, body.Data[0]) {
				t.Errorf("%s through node-mailjet: %s", r.Resource, problem)
			}
		}
	}
}

// nodeCalls are the requests: all that compat.yaml asks for, changes, and sends.
func (w *world) nodeCalls(t *testing.T) []nodeCall {
	t.Helper()
	var calls []nodeCall
	for _, r := range w.Resources {
		if len(r.Properties.names) == 0 || w.isPending(r.Resource) {
			continue
		}
		for _, ask := range r.Ask {
			if path, known := w.named(ask); known {
				calls = append(calls, nodeRequest(t, path, r.Resource))
			}
		}
	}
	mail := map[string]any{
		"From": map[string]any{"Email": "news@example.com", "Name": "News"}, "To": []any{map[string]any{"Email": "n@example.net"}},
		"Subject": "By the Node SDK", "TextPart": "Hi", "HTMLPart": "<b>Hi</b>", "CustomID": "node",
	}
	calls = append(calls,
		nodeCall{Method: "post", Resource: "send", Version: "v3.1", Body: map[string]any{"Messages": []any{mail}, "SandboxMode": false}, want: 200},
		nodeCall{Method: "post", Resource: "send", Version: "v3.1", Body: map[string]any{"Messages": []any{map[string]any{"To": mail["To"]}}}, want: 400},
		nodeCall{Method: "post", Resource: "apikey", Body: map[string]any{"Name": "By the Node SDK"}, want: 201, rows: "apikey"},
		nodeCall{Method: "put", Resource: "apikey", ID: w.names["subID"], Body: map[string]any{"Name": "Renamed by Node"}, want: 200, rows: "apikey"},
		nodeCall{Method: "put", Resource: "apikey", ID: w.names["subID"], Body: map[string]any{"Name": "Renamed by Node"}, want: 200, rows: "apikey"},
		nodeCall{Method: "get", Resource: "apikey", ID: "999999999", want: 404},
	)
	calls = append(calls, w.nodeChanges()...)
	if !w.isPending("v3/send") {
		calls = append(calls, nodeCall{Method: "post", Resource: "send", Version: "v3", Body: map[string]any{
			"FromEmail": "news@example.com", "Subject": "By the Node SDK, v3", "Text-part": "Hi", "Recipients": []any{map[string]any{"Email": "n@example.net"}},
		}, want: 200})
	}
	return calls
}

// nodeChanges make, change and delete one of each resource, addressed by its natural key.
func (w *world) nodeChanges() []nodeCall {
	body := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	all := []nodeCall{
		{Method: "put", Resource: "myprofile", Body: body("AddressCity", "Bonn", "Industry", 123), want: 200, rows: "myprofile"},
		{Method: "put", Resource: "user", ID: w.Email, Body: body("Locale", "de_DE"), want: 200, rows: "user"},
		{Method: "post", Resource: "apikeyaccess", Body: body("APIKeyID", json.Number(w.names["subID"]), "UserALT", w.Email, "AllowedAccess", "analyst"), want: 201, rows: "apikeyaccess"},
		{Method: "post", Resource: "sender", Body: body("Email", "node@node-sdk.example", "Name", "Node"), want: 201, rows: "sender"},
		{Method: "post", Resource: "sender", ID: "node@node-sdk.example", Action: "validate", want: 200, rows: "sender/{id}/validate"},
		{Method: "put", Resource: "sender", ID: "node@node-sdk.example", Body: body("Name", "Renamed"), want: 200, rows: "sender"},
		{Method: "post", Resource: "dns", ID: "node-sdk.example", Action: "check", want: 200, rows: "dns/{id}/check"},
		{Method: "delete", Resource: "sender", ID: "node@node-sdk.example", want: 204},
		{Method: "post", Resource: "metasender", Body: body("Email", "node@example.com", "Description", "Lent"), want: 201, rows: "metasender"},
		{Method: "put", Resource: "metasender", ID: "node@example.com", Body: body("IsEnabled", false), want: 200, rows: "metasender"},
		{Method: "post", Resource: "eventcallbackurl", Body: body("EventType", "click", "IsBackup", true, "Url", "http://127.0.0.1:9/node", "Version", 2), want: 201, rows: "eventcallbackurl"},
		{Method: "put", Resource: "eventcallbackurl", ID: "click|true", Body: body("Url", "http://127.0.0.1:9/changed"), want: 200, rows: "eventcallbackurl"},
		{Method: "delete", Resource: "eventcallbackurl", ID: "click|true", want: 204},
		{Method: "put", Resource: "campaign", ID: "autumn", Body: body("IsStarred", false), want: 200, rows: "campaign"},
	}
	var out []nodeCall
	for _, c := range all {
		if !w.isPending(c.Resource) {
			out = append(out, c)
		}
	}
	return out
}

// nodeRequest is a GET of compat.yaml as the SDK has it.
func nodeRequest(t *testing.T, path, rows string) nodeCall {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	c := nodeCall{Method: "get", want: 200, rows: rows}
	for name, v := range values {
		if c.Params == nil {
			c.Params = map[string]any{}
		}
		c.Params[name] = v[0]
	}
	c.Resource, c.ID, _ = strings.Cut(path, "/")
	if c.Resource == "statistics" { // a resource with a slash in its name, to the SDK
		c.Resource, c.ID = path, ""
	}
	if c.ID, err = url.PathUnescape(c.ID); err != nil {
		t.Fatal(err)
	}
	return c
}

// runNode runs the calls in one Node process.
func (w *world) runNode(t *testing.T, calls []nodeCall) []nodeAnswer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat("node/node_modules/node-mailjet")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("node-mailjet is not installed: run make test-tools")
	}
	in, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "drive.js", w.https, w.APIKey, w.SecretKey)
	if cmd.Dir, err = filepath.Abs("node"); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+w.ca)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	var answers []nodeAnswer
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(calls) {
		t.Fatalf("%v: %d answers to %d calls\n%s", err, len(answers), len(calls), out)
	}
	return answers
}
