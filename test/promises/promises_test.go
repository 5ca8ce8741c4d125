// SPDX-License-Identifier: Apache-2.0

// Package promises_test holds the promises that need the whole program, on both stores. A test is named after its
// promise; the others are held where they can be: accepted means kept in test/crash, every change is in the audit log
// in internal/backend, the cost of a check in internal/gate, counters are the sum of the events in internal/store.
package promises_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/store/storetest"
	"postern/test/program"
)

// each runs a test with a started server on each store.
func each(t *testing.T, test func(t *testing.T, s *program.Server)) {
	t.Helper()
	run := func(name string, database func(t *testing.T) string) {
		t.Run(name, func(t *testing.T) {
			s := program.New(t, database(t))
			s.Start(t)
			test(t, s)
		})
	}
	run("sqlite", func(*testing.T) string { return "" })
	run("postgres", func(t *testing.T) string { return storetest.Database(t) })
}

// key is an apikey as the API answers it.
type key struct {
	ID                      int64
	APIKey, SecretKey, Name string
	Secrets                 []struct {
		ID   int64
		Hint string
	}
}

// call makes a request that must be answered with status, and reads the first object of the answer.
func call(t *testing.T, s *program.Server, user, secret, method, path string, body any, status int) key {
	t.Helper()
	a, err := s.CallAs(t.Context(), user, secret, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if a.Status != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, a.Status, a.Body, status)
	}
	var out struct{ Data []key }
	if err := json.Unmarshal(a.Body, &out); err != nil && status < 300 {
		t.Fatalf("%s %s: %v in %s", method, path, err, a.Body)
	}
	if len(out.Data) == 0 {
		return key{}
	}
	return out.Data[0]
}

// Promise 1: in clear a secret exists in the answer that made it, and nowhere else: in no file of the data directory,
// no dump of the database, no line of the log, no other answer.
func TestASecretIsReadableOnce(t *testing.T) {
	each(t, func(t *testing.T, s *program.Server) {
		secrets := []string{s.SecretKey}
		sub := call(t, s, s.APIKey, s.SecretKey, http.MethodPost, "/v3/REST/apikey", map[string]any{"Name": "Shop"}, http.StatusCreated)
		secrets = append(secrets, sub.SecretKey)
		path := fmt.Sprintf("/v3/REST/apikey/%d", sub.ID)
		overlap := call(t, s, s.APIKey, s.SecretKey, http.MethodPost, path+"/reset", map[string]any{"OverlapSeconds": 3600}, http.StatusOK)
		at := call(t, s, s.APIKey, s.SecretKey, http.MethodPost, path+"/reset", map[string]any{}, http.StatusOK)
		secrets = append(secrets, overlap.SecretKey, at.SecretKey)
		// The wrong way round and mistyped, they must not come into the log.
		s.CallAs(t.Context(), sub.SecretKey, sub.APIKey, http.MethodGet, path, nil)    //nolint:errcheck // refused
		s.CallAs(t.Context(), sub.APIKey, at.SecretKey+"x", http.MethodGet, path, nil) //nolint:errcheck // refused
		for _, p := range []string{"/v3/REST/apikey", path, path + "/connections", "/v3/REST/audit", "/v3/REST/user", "/v3/REST/myprofile"} {
			a, err := s.Call(t.Context(), http.MethodGet, p, nil)
			if err != nil {
				t.Fatal(err)
			}
			search(t, "the answer of "+p, a.Body, secrets)
		}
		if err := s.Stop(t); err != nil {
			t.Fatal(err)
		}
		files := 0
		err := filepath.WalkDir(s.Data, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			files++
			search(t, path, b, secrets)
			return err
		})
		if err != nil || files == 0 {
			t.Fatalf("%d files were looked at, %v", files, err)
		}
		if s.Database != "" {
			search(t, "the database", dump(t, s.Database), secrets)
		}
	})
}

func search(t *testing.T, what string, in []byte, secrets []string) {
	t.Helper()
	for _, x := range secrets {
		if x == "" {
			t.Fatal("a secret was not answered where it was made")
		}
		if bytes.Contains(in, []byte(x)) {
			t.Errorf("a secret is in %s", what)
		}
	}
}

func dump(t *testing.T, database string) []byte {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no pg_dump: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), found[len(found)-1], "--inserts", database).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("INSERT INTO public.secret")) {
		t.Fatal("the dump has no secrets' digests in it: it is not what was to be searched")
	}
	return out
}

// Promise 8: bad input gets a clear error that names the field and the reason, and nothing half-done is left behind.
func TestBadInputGetsAClearError(t *testing.T) {
	each(t, func(t *testing.T, s *program.Server) {
		before := state(t, s)
		message := func(change map[string]any) map[string]any {
			m := map[string]any{"From": map[string]any{"Email": "you@example.com"}, "To": []any{map[string]any{"Email": "a@example.org"}}, "Subject": "s", "TextPart": "t"}
			for k, v := range change {
				m[k] = v
			}
			return map[string]any{"Messages": []any{m}}
		}
		for _, c := range []struct {
			method, path string
			body         any
			status       int
			says         []string
		}{
			{"POST", "/v3.1/send", message(map[string]any{"To": []any{map[string]any{"Email": "nobody"}}}), 400, []string{"mj-0013", "nobody"}},
			{"POST", "/v3.1/send", message(map[string]any{"TextPart": nil}), 400, []string{"send-0003", "TextPart"}},
			{"POST", "/v3.1/send", message(map[string]any{"From": map[string]any{"Email": "me@stranger.example"}}), 403, []string{"send-0008", "me@stranger.example"}},
			{"POST", "/v3.1/send", "not an object", 400, []string{"mj-0002", "expected an object"}},
			{"POST", "/v3/REST/apikey", map[string]any{}, 400, []string{"Name", "a name is needed"}},
			{"POST", "/v3/REST/apikey", map[string]any{"Name": "x", "Reference": "a/b"}, 400, []string{"Reference", "slash"}},
			{"POST", "/v3/REST/apikey", map[string]any{"Name": "x", "Networks": []string{"300.1.2.3"}}, 400, []string{"Networks", "300.1.2.3"}},
			{"PUT", "/v3/REST/apikey/" + s.APIKey, map[string]any{"IsActive": "maybe"}, 400, []string{"IsActive"}},
			{"PUT", "/v3/REST/apikey/" + s.APIKey, map[string]any{"IsActive": false}, 403, []string{"itself"}},
			{"PUT", "/v3/REST/apikey/" + s.APIKey, map[string]any{"HourLimit": -1}, 400, []string{"HourLimit"}},
			{"POST", "/v3/REST/apikey/" + s.APIKey + "/reset", map[string]any{"OverlapSeconds": 5}, 400, []string{"OverlapSeconds", "1 minute to 30 days"}},
			{"POST", "/v3/REST/apikey/" + s.APIKey + "/retire", map[string]any{"SecretID": 12345}, 400, []string{"SecretID"}},
			{"POST", "/v3/REST/apikey/12345/reset", map[string]any{}, 404, []string{"not found"}},
			{"GET", "/v3/REST/message?Limit=many", nil, 400, []string{"Limit", "many"}},
		} {
			a, err := s.Call(t.Context(), c.method, c.path, c.body)
			if err != nil {
				t.Fatal(err)
			}
			if a.Status != c.status {
				t.Errorf("%s %s %v: %d %s, want %d", c.method, c.path, c.body, a.Status, a.Body, c.status)
			}
			for _, w := range c.says {
				if !strings.Contains(string(a.Body), w) {
					t.Errorf("%s %s %v does not say %q: %s", c.method, c.path, c.body, w, a.Body)
				}
			}
		}
		if after := state(t, s); after != before {
			t.Errorf("something was left behind:\n%s\nwas\n%s", after, before)
		}
	})
}

// state is what the server has, but for uses of the key.
func state(t *testing.T, s *program.Server) string {
	t.Helper()
	var keys []struct{ APIKey, Name, State string }
	if err := json.Unmarshal(s.Command(t, "key", "list", "--json"), &keys); err != nil {
		t.Fatal(err)
	}
	a, err := s.Call(t.Context(), http.MethodGet, "/v3/REST/message?countOnly=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(keys, string(a.Body))
}
