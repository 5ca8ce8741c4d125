// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"postern/test/program"
)

// TestAWholeRotation walks through a reset with an overlap, as its owner does it, with the real program and a client
// that really sends: who uses the old secret is named, the client moves over, nothing uses the old one any more, and it
// is retired.
func TestAWholeRotation(t *testing.T) {
	ctx := tab(t)
	s := program.New(t, "")
	s.Command(t, "user", "operator", s.Email, "--off") // operators need a second factor
	s.Start(t)
	base := "http://" + s.HTTP
	load(t, ctx, s.SignInURL, http.StatusOK)
	press(t, ctx, click("form button"))
	do(t, ctx, typed("input[name=password]", password), typed("input[name=repeat]", password))
	press(t, ctx, click("form.form button"))
	addSender(t, s, s.APIKey)
	if got := send(t, s, s.APIKey, s.SecretKey); got != http.StatusOK {
		t.Fatalf("the first secret is answered %d", got)
	}

	load(t, ctx, base+"/keys", http.StatusOK)
	press(t, ctx, click("tbody th.c-name a"))
	page := where(ctx)
	says(t, ctx, "One connection has used it in the last 24 hours.") // what is used is known after a few seconds
	says(t, ctx, "Go-http-client/1.1")

	// The dialog names what will break. An own number of hours is chosen by typing it.
	do(t, ctx, click(".title-actions a[data-dialog=reset]"), seen("#dialog-reset:modal"))
	if text := eval[string](t, ctx, `document.querySelector("#dialog-reset .breaks").textContent`); !strings.Contains(text, "Go-http-client/1.1") || !strings.Contains(text, "127.0.0.1") {
		t.Errorf("the dialog says of what will break: %q", text)
	}
	do(t, ctx, typed("#dialog-reset input[name=hours]", "72"))
	if !eval[bool](t, ctx, `document.querySelector("#dialog-reset input[value=own]").checked`) {
		t.Fatal("the hours that were typed are not chosen")
	}
	press(t, ctx, click("#dialog-reset form button"))
	fresh := shown(t, ctx)
	do(t, ctx, click("dialog.issued form button"))
	until(t, ctx, `!document.querySelector("dialog.issued")`)
	if at := where(ctx); at != page {
		t.Errorf("beneath the secret is %s, want %s", at, page)
	}
	gone(t, ctx, fresh)

	for name, secret := range map[string]string{"old": s.SecretKey, "new": fresh} {
		if got := send(t, s, s.APIKey, secret); got != http.StatusOK {
			t.Errorf("in the overlap the %s secret is answered %d", name, got)
		}
	}
	load(t, ctx, page, http.StatusOK)
	says(t, ctx, "ends in 3 days", "retire it, and it breaks")
	says(t, ctx, "One connection has used it in the last 24 hours.", "2 times") // all that the old one was used is known

	// A day without the old secret.
	age(t, s, 25*time.Hour)
	load(t, ctx, page, http.StatusOK)
	says(t, ctx, "Retiring it should break nothing.")
	press(t, ctx, click(".secret:last-of-type .secret-head a"))
	says(t, ctx, "Nothing has used it for 1 day.")
	press(t, ctx, click("form.form button"))
	if at := where(ctx); at != page {
		t.Errorf("after it was retired the browser is at %s", at)
	}
	if n := eval[int64](t, ctx, `document.querySelectorAll(".secret").length`); n != 1 {
		t.Errorf("%d secrets are live", n)
	}
	if got := send(t, s, s.APIKey, s.SecretKey); got != http.StatusUnauthorized {
		t.Errorf("the retired secret is answered %d", got)
	}
	if got := send(t, s, s.APIKey, fresh); got != http.StatusOK {
		t.Errorf("the new secret is answered %d", got)
	}

	press(t, ctx, click(`form[action$="/test"] button`))
	press(t, ctx, click("p.good a"))
	says(t, ctx, "Accepted from these pages")
}

// says waits, loading the page anew, until it has the words.
func says(t *testing.T, ctx context.Context, words ...string) {
	t.Helper()
	var text string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		text = eval[string](t, ctx, `document.querySelector("main").textContent.replace(/\s+/g, " ")`)
		missing := ""
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		press(t, ctx, chromedp.Reload())
	}
	t.Fatalf("%s does not come to say %q; it says %q", where(ctx), words, text)
}

// age puts what is known of the old secret's use back in time.
func age(t *testing.T, s *program.Server, by time.Duration) {
	t.Helper()
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(5000)", filepath.Join(s.Data, "postern.db")))
	ok(t, err)
	defer db.Close() //nolint:errcheck // written
	for _, q := range []string{
		"UPDATE connection SET last_seen_at = last_seen_at - $1 WHERE secret_id = (SELECT min(id) FROM secret WHERE ended_at IS NULL)",
		"UPDATE secret SET last_used_at = last_used_at - $1 WHERE id = (SELECT min(id) FROM secret WHERE ended_at IS NULL)",
	} {
		res, err := db.ExecContext(t.Context(), q, by.Microseconds())
		ok(t, err)
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			t.Fatalf("nothing was put back: %v", err)
		}
	}
}
