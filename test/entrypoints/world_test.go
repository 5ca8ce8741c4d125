// SPDX-License-Identifier: Apache-2.0

// Package entrypoints_test asks each question and each change of the product at every entry point that has it: the API,
// the pages, the command line beside a running server and the command line alone. There is one answer.
package entrypoints_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // opens the database of a server that is stopped

	"postern/test/program"
)

// world is a server with something of everything, and who asks it.
type world struct {
	t      *testing.T
	server *program.Server
	pages  *http.Client
	keys   map[string]*key // by name
}

// key is an API key of the world.
type key struct {
	ID                int64 `json:"KeyID"`
	APIKey, SecretKey string
}

// pair is the key as it is written in a URL's credentials.
func (k *key) path(rest string) string { return fmt.Sprintf("/v3/REST/apikey/%d%s", k.ID, rest) }
func (k *key) page(rest string) string { return fmt.Sprintf("/keys/%d%s", k.ID, rest) }

// newWorld prepares a data directory, serves it and signs its owner in.
func newWorld(t *testing.T) *world {
	s := program.New(t, "", "--dns-server", "127.0.0.1:1")
	w := &world{t: t, server: s, keys: map[string]*key{"Primary": {APIKey: s.APIKey, SecretKey: s.SecretKey, ID: 1}}}
	for _, name := range []string{"News", "Mute", "Off", "Overlap", "Used", "Guarded", "Suspended"} {
		w.make(name)
	}
	w.do("sender", "add", "shop.test", "--key", "News")
	w.do("sender", "add", "mute.test", "--key", "Mute")
	w.do("sender", "add", "acme.test", "--key", "Primary")
	w.do("key", "restrict", "Mute", "--permissions", "statistics,manage")
	w.do("user", "operator", s.Email)
	w.do("plan", "create", "Small", "--subaccounts", "40")
	w.do("account", "plan", "Primary", "Small")
	w.do("plan", "create", "Other")
	w.do("request", "make", "subaccounts", "50", "--reason", "More shops")
	w.do("sender", "lend", "acme.test", "--key", "Primary")
	w.do("suppression", "add", "gone@one.test", "--key", "News")
	w.do("send", "gone@one.test", "--from", "a@shop.test", "--key", "News")
	w.do("webhook", "set", "https://hooks.test/mail", "open", "--key", "Mute")
	w.do("key", "deactivate", "Off")
	w.do("key", "reset", "Overlap", "--overlap", "24h")
	w.age("Off", "Overlap")
	s.Start(t)
	w.signIn()
	w.use("Used", "Guarded")
	w.do("key", "reset", "Used")
	return w
}

// make makes a subaccount.
func (w *world) make(name string) *key {
	w.t.Helper()
	k := &key{}
	if err := json.Unmarshal(w.server.Command(w.t, "key", "create", name, "--json"), k); err != nil {
		w.t.Fatal(err)
	}
	w.keys[name] = k
	return k
}

// age makes the oldest secret of some keys 100 days old.
func (w *world) age(names ...string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.server.Data, "postern.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // written already
	for _, name := range names {
		_, err := db.Exec(`UPDATE secret SET created_at = created_at - ? WHERE id = (SELECT MIN(id) FROM secret WHERE key_id = ?)`,
			(100 * 24 * time.Hour).Microseconds(), w.keys[name].ID)
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// use uses keys by the API, and waits until that is noted.
func (w *world) use(names ...string) {
	w.t.Helper()
	for _, name := range names {
		k := w.keys[name]
		if _, err := w.server.CallAs(w.t.Context(), k.APIKey, k.SecretKey, http.MethodGet, "/v3/REST/apikey", nil); err != nil {
			w.t.Fatal(err)
		}
		end := time.Now().Add(2 * time.Minute)
		for ; !strings.Contains(w.cli("key", "connections", name), `"http"`); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				w.t.Fatal("the use was never noted")
			}
		}
	}
}

func (w *world) signIn() {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.pages = &http.Client{Jar: jar}
	u, err := url.Parse(w.server.SignInURL)
	if err != nil {
		w.t.Fatal(err)
	}
	if text := w.visit("POST "+u.Path, nil); !strings.Contains(text, "Set your password") {
		w.t.Fatalf("not signed in: %s", text)
	}
	// Operators have a second factor.
	db, err := sql.Open("sqlite", filepath.Join(w.server.Data, "postern.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // written already
	if _, err := db.Exec("INSERT INTO totp (user_id, secret, last_step, created_at) SELECT id, x'00', 0, 1 FROM users WHERE is_operator"); err != nil {
		w.t.Fatal(err)
	}
}

// do runs a command that has to work.
func (w *world) do(args ...string) { w.t.Helper(); w.server.Command(w.t, args...) }

// cli runs a command with --json and returns all that it says, whatever its exit code is.
func (w *world) cli(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), program.Build(w.t), append(args, "--json")...)
	cmd.Env = append(os.Environ(), "POSTERN_DATA="+w.server.Data)
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited { //nolint:errorlint // it is that one
		w.t.Fatal(err)
	}
	return string(out)
}

// api asks the API as a key, by "METHOD /path".
func (w *world) api(as, what string, body any) string {
	w.t.Helper()
	method, path, _ := strings.Cut(what, " ")
	k := w.keys[as]
	a, err := w.server.CallAs(w.t.Context(), k.APIKey, k.SecretKey, method, path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(a.Body)
}

var space = regexp.MustCompile(`\s+`)

// visit asks for a page or posts a form, by "METHOD /path", and returns the page's HTML, entities resolved.
func (w *world) visit(what string, form url.Values) string {
	w.t.Helper()
	method, path, _ := strings.Cut(what, " ")
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+w.server.HTTP+path, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		w.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := w.pages.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	text := space.ReplaceAllString(html.UnescapeString(string(raw)), " ")
	if _, main, ok := strings.Cut(text, "<main"); ok {
		return main
	}
	return text
}

// The columns of a row: what is asked, to be asked when its turn comes.

func (w *world) cmd(args ...string) func() string { return func() string { return w.cli(args...) } }

func (w *world) cmdAll(property string, args ...string) func() string {
	return func() string { return all(property, w.cli(args...)) }
}

func (w *world) call(as, what string, body any) func() string {
	return func() string { return w.api(as, what, body) }
}

func (w *world) callAll(property, as, what string) func() string {
	return func() string { return all(property, w.api(as, what, nil)) }
}

func (w *world) see(what string, pairs ...string) func() string {
	return func() string { return w.visit(what, form(pairs...)) }
}

func (w *world) seeAll(pattern, what string, pairs ...string) func() string {
	return func() string { return matches(pattern, w.visit(what, form(pairs...))) }
}

// once posts a form that may be sent once.
func (w *world) once(path string, pairs ...string) func() string {
	return func() string {
		nonce := matches(`name="nonce" value="([^"]*)"`, w.visit("GET "+path, nil))
		return w.visit("POST "+path, form(append(pairs, "nonce", nonce)...))
	}
}

// file is a file with a text in it.
func (w *world) file(text string) string {
	if w.server == nil {
		return ""
	}
	f, err := os.CreateTemp(w.server.Data, "file-*")
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		w.t.Fatal(err)
	}
	return f.Name()
}

// upload gives a file of suppressions of News to a form, and returns the page that says what became of it.
func (w *world) upload(path, text, says string) func() string {
	return func() string {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		part, err := m.CreateFormFile("file", "list.csv")
		if err == nil {
			_, err = io.WriteString(part, text)
		}
		err = errors.Join(err, m.WriteField("key", w.key("News").APIKey), m.WriteField("reason", "manual"), m.Close())
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+w.server.HTTP+path, &body)
		if err != nil {
			w.t.Fatal(err)
		}
		r.Header.Set("Content-Type", m.FormDataContentType())
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := w.pages.Do(r)
		if err != nil {
			w.t.Fatal(err)
		}
		res.Body.Close() //nolint:errcheck,gosec // the page that it led to is asked for again
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
			page := w.visit("GET "+res.Request.URL.RequestURI(), nil)
			if strings.Contains(page, says) || time.Now().After(end) {
				return page
			}
		}
	}
}

// form is a form of names and values.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// all are the values of a property anywhere in JSON, each once, sorted.
func all(property, text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return text
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				if list, ok := x.([]any); ok && k == property {
					for _, y := range list {
						out = append(out, fmt.Sprint(y))
					}
				} else if k == property {
					out = append(out, fmt.Sprint(x))
				}
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
	return sorted(out)
}

// matches are the first groups of a pattern in a page, each once, sorted.
func matches(pattern, page string) string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return sorted(out)
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
