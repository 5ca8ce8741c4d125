// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/test/program"
)

// TestTheSnippetsSend runs what the SMTP settings page gives to copy, as it stands there, with the secret in the
// environment.
func TestTheSnippetsSend(t *testing.T) {
	ctx := tab(t)
	s := program.New(t, "")
	s.Command(t, "user", "operator", s.Email, "--off") // operators need a second factor
	s.Start(t)
	load(t, ctx, s.SignInURL, http.StatusOK)
	press(t, ctx, click("form button"))
	addSender(t, s, s.APIKey)
	load(t, ctx, "http://"+s.HTTP+"/keys", http.StatusOK)
	press(t, ctx, click("tr summary"), click(`tr a[href$="/smtp"]`))
	snippets := eval[map[string]string](t, ctx, `Object.fromEntries([...document.querySelectorAll(".tabs input")].map(i => [i.id, i.nextElementSibling.nextElementSibling.querySelector("pre").textContent]))`)

	sent := 0
	for id, run := range map[string]struct{ program, file string }{
		"s-curl-api": {"curl", ""}, "s-curl-smtp": {"curl", ""}, "s-swaks": {"swaks", ""}, "s-python": {"python3", "send.py"}, "s-go": {"go", "send.go"}, "s-msmtp": {"msmtp", ""},
	} {
		if _, err := exec.LookPath(run.program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Errorf("there is no %s", run.program)
			}
			t.Logf("SKIPPED: there is no %s", run.program)
			continue
		}
		sent++
		cmd := exec.CommandContext(t.Context(), "bash", "-ec", strings.Replace(snippets[id], "export POSTERN_SECRET_KEY='your secret key'\n", "", 1))
		if run.file != "" {
			path := filepath.Join(t.TempDir(), run.file)
			ok(t, os.WriteFile(path, []byte(snippets[id]), 0o600))
			args := []string{path}
			if run.program == "go" {
				args = []string{"run", path}
			}
			cmd = exec.CommandContext(t.Context(), run.program, args...)
		}
		if run.file == "" {
			cmd.Dir = t.TempDir()
		}
		cmd.Env = append(os.Environ(), "POSTERN_SECRET_KEY="+s.SecretKey)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), `"error"`) {
			t.Errorf("%s: %v\n%s\n%s", id, err, snippets[id], out)
		}
	}
	a, err := s.Call(t.Context(), http.MethodGet, "/v3/REST/message", nil)
	ok(t, err)
	var list struct{ Count int }
	ok(t, json.Unmarshal(a.Body, &list))
	if list.Count != sent {
		t.Errorf("%d messages have arrived of %d", list.Count, sent)
	}
}
