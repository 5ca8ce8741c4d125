// SPDX-License-Identifier: Apache-2.0

package promises_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/test/program"
)

var seed = flag.Uint64("seed", 0, "of the random world of the isolation test; 0: the time")

// owned is something that one key owns, with words that must be seen by nobody else.
type owned struct {
	account int
	master  bool
	key     key
	markers []string // in its name, senders, subjects and recipients
	ids     []string // of its objects, by which others may ask for them
}

// Promise 4: subaccounts do not see each other. In a random world of accounts, subaccounts, senders and messages every
// key calls every GET route that the API describes, with every object's ID: nothing of another account, and for a
// subaccount nothing of another key, is ever in an answer. What it tries to change of others' stays as it is.
func TestSubaccountsDoNotSeeEachOther(t *testing.T) {
	each(t, func(t *testing.T, s *program.Server) {
		n := *seed
		if n == 0 {
			n = uint64(time.Now().UnixNano()) //nolint:gosec // any number does
		}
		t.Logf("-seed %d", n)
		random := rand.New(rand.NewPCG(n, 0)) //nolint:gosec // a test's world
		world := populate(t, s, random)
		routes := described(t, s)
		calls := 0
		for i := range world {
			for _, route := range routes {
				calls += look(t, s, world, i, route)
			}
		}
		if calls < 500 {
			t.Errorf("only %d calls were made", calls)
		}
		t.Logf("%d keys, %d routes, %d calls", len(world), len(routes), calls)
		meddle(t, s, world)
	})
}

// populate makes 3 accounts with up to 4 subaccounts each, all with senders and messages.
func populate(t *testing.T, s *program.Server, random *rand.Rand) []owned {
	t.Helper()
	var world []owned
	word := func() string { return "w" + strconv.FormatUint(random.Uint64(), 36) }
	for account := range 3 {
		var made struct {
			KeyID             int64
			APIKey, SecretKey string
		}
		name, email := word(), word()+"@example.com"
		if err := json.Unmarshal(s.Command(t, "account", "create", name, "--email", email, "--json"), &made); err != nil {
			t.Fatal(err)
		}
		master := owned{account: account, master: true, key: key{ID: made.KeyID, APIKey: made.APIKey, SecretKey: made.SecretKey}, markers: []string{name, email}}
		world = append(world, master)
		for range 1 + random.IntN(4) {
			name, reference := word(), word()
			k := call(t, s, made.APIKey, made.SecretKey, http.MethodPost, "/v3/REST/apikey", map[string]any{"Name": name, "Reference": reference}, http.StatusCreated)
			world = append(world, owned{account: account, key: k, markers: []string{name, reference}})
		}
	}
	for i := range world {
		fill(t, s, &world[i], word)
	}
	return world
}

// fill gives a key a sender and messages.
func fill(t *testing.T, s *program.Server, o *owned, word func() string) {
	t.Helper()
	domain := word() + ".example"
	s.Command(t, "sender", "add", domain, "--key", o.key.APIKey)
	o.markers = append(o.markers, domain, o.key.APIKey)
	o.ids = append(o.ids, strconv.FormatInt(o.key.ID, 10), o.key.APIKey, "*@"+domain, domain)
	for range 2 {
		subject, to := word(), word()+"@example.org"
		a, err := s.CallAs(t.Context(), o.key.APIKey, o.key.SecretKey, http.MethodPost, "/v3.1/send", map[string]any{"Messages": []any{map[string]any{
			"From": map[string]any{"Email": "a@" + domain}, "To": []any{map[string]any{"Email": to}}, "Subject": subject, "TextPart": "t", "CustomID": word(),
		}}})
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("send: %v %s", err, a.Body)
		}
		var out struct {
			Messages []struct {
				To []struct {
					MessageID   int64
					MessageUUID string
				}
			}
		}
		if err := json.Unmarshal(a.Body, &out); err != nil {
			t.Fatal(err)
		}
		o.markers = append(o.markers, subject, to)
		o.ids = append(o.ids, strconv.FormatInt(out.Messages[0].To[0].MessageID, 10), out.Messages[0].To[0].MessageUUID)
	}
}

// described are the GET routes of the server's own description.
func described(t *testing.T, s *program.Server) []string {
	t.Helper()
	a, err := s.Call(t.Context(), http.MethodGet, "/openapi.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	path := ""
	for line := range strings.SplitSeq(string(a.Body), "\n") {
		switch {
		case strings.HasPrefix(line, "  /v3"):
			path = strings.TrimSuffix(strings.TrimSpace(line), ":")
		case line == "    get:" && path != "":
			out = append(out, path)
		}
	}
	if len(out) < 15 {
		t.Fatalf("the description has only these GET routes: %v", out)
	}
	return out
}

// look calls a route as one key, with every ID of the world, and says how many calls it made.
func look(t *testing.T, s *program.Server, world []owned, as int, route string) (calls int) {
	t.Helper()
	me := world[as]
	paths := []string{route + "?Limit=1000&ShowSubject=true&ShowContactAlt=true&ShowCustomID=true"}
	if strings.Contains(route, "{") {
		paths = nil
		before, rest, _ := strings.Cut(route, "{")
		_, after, _ := strings.Cut(rest, "}")
		for _, o := range world {
			for _, id := range o.ids {
				paths = append(paths, before+id+after+"?ShowSubject=true&ShowContactAlt=true")
			}
		}
	}
	for _, p := range paths {
		a, err := s.CallAs(t.Context(), me.key.APIKey, me.key.SecretKey, http.MethodGet, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		calls++
		if a.Status >= 500 {
			t.Errorf("GET %s: %d %s", p, a.Status, a.Body)
		}
		for i, o := range world {
			if i == as || o.account == me.account && me.master {
				continue
			}
			for _, m := range o.markers {
				if strings.Contains(string(a.Body), m) && !strings.Contains(p, m) {
					t.Errorf("key %d (account %d, master %v) sees %q of key %d (account %d) at GET %s: %s", as, me.account, me.master, m, i, o.account, p, a.Body)
				}
			}
		}
	}
	return calls
}

// meddle tries to change others' keys, and checks that nothing is different.
func meddle(t *testing.T, s *program.Server, world []owned) {
	t.Helper()
	before := keysOf(t, s)
	for i, me := range world {
		for j, o := range world {
			if i == j || o.account == me.account && me.master {
				continue
			}
			for _, id := range []string{strconv.FormatInt(o.key.ID, 10), o.key.APIKey} {
				path := "/v3/REST/apikey/" + id
				for _, c := range []struct {
					method, path string
					body         any
				}{
					{http.MethodPut, path, map[string]any{"Name": "taken", "IsActive": false}},
					{http.MethodPost, path + "/reset", map[string]any{}},
					{http.MethodPost, path + "/retire", map[string]any{"SecretID": 1}},
					{http.MethodDelete, path, nil},
				} {
					a, err := s.CallAs(t.Context(), me.key.APIKey, me.key.SecretKey, c.method, c.path, c.body)
					if err != nil {
						t.Fatal(err)
					}
					if a.Status != http.StatusNotFound && a.Status != http.StatusForbidden {
						t.Errorf("key %d does %s %s: %d %s", i, c.method, c.path, a.Status, a.Body)
					}
				}
			}
		}
	}
	if after := keysOf(t, s); after != before {
		t.Errorf("keys were changed by others:\n%s\nwas\n%s", after, before)
	}
	for i, o := range world {
		a, err := s.CallAs(t.Context(), o.key.APIKey, o.key.SecretKey, http.MethodGet, "/v3/REST/apikey/"+o.key.APIKey, nil)
		if err != nil || a.Status != http.StatusOK {
			t.Errorf("the secret of key %d works no more: %v %d", i, err, a.Status)
		}
	}
}

func keysOf(t *testing.T, s *program.Server) string {
	t.Helper()
	var keys []struct {
		ID                              int64
		APIKey, Name, State, SecretHint string
	}
	if err := json.Unmarshal(s.Command(t, "key", "list", "--json"), &keys); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(keys)
}
