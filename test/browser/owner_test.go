// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pquerna/otp/totp"

	"postern/internal/credential"
	"postern/test/program"
)

const password = "a boat, a book, a bell"

// TestTheWayOfANewOwner is the first hour with the program: the printed link, a password, a subaccount, its secret
// read and used, and reset.
func TestTheWayOfANewOwner(t *testing.T) {
	ctx := tab(t)
	s := program.New(t, "")
	s.Start(t)
	base := "http://" + s.HTTP

	load(t, ctx, s.SignInURL, http.StatusOK)
	press(t, ctx, click("form button"))
	do(t, ctx, typed("input[name=password]", password), typed("input[name=repeat]", password))
	press(t, ctx, click("form.form button"))

	// Who sets a server up is its operator, and needs a second factor.
	if at := where(ctx); at != base+"/second-factor" {
		t.Fatalf("the new operator is at %s", at)
	}
	press(t, ctx, click("a[href='/security/app']"))
	code, err := totp.GenerateCode(strings.ReplaceAll(eval[string](t, ctx, `document.querySelector("code.key").textContent`), " ", ""), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, typed("input[name=code]", code))
	press(t, ctx, click("form.form button"))

	secret := createSubaccount(t, ctx, base)
	key := eval[string](t, ctx, `document.querySelector(".issued #issued-key").textContent`)
	press(t, ctx, chromedp.Reload())
	gone(t, ctx, secret)
	if at := where(ctx); at != base+"/keys" {
		t.Errorf("after the reload the browser is at %s", at)
	}

	addSender(t, s, key)
	if got := send(t, s, key, secret); got != http.StatusOK {
		t.Fatalf("the new pair is answered %d", got)
	}
	load(t, ctx, base+"/messages", http.StatusOK)
	press(t, ctx, click("a.row-link"))
	do(t, ctx, seen("iframe.mail-html"))

	fresh := resetByKeyboard(t, ctx, base, key)
	if fresh == secret {
		t.Fatal("the reset gave the old secret")
	}
	if got := send(t, s, key, secret); got != http.StatusUnauthorized {
		t.Errorf("the old secret is answered %d", got)
	}
	if got := send(t, s, key, fresh); got != http.StatusOK {
		t.Errorf("the new secret is answered %d", got)
	}
	press(t, ctx, chromedp.Reload())
	gone(t, ctx, fresh)
	eval[bool](t, ctx, `window.left = true; history.back(); true`)
	until(t, ctx, `!window.left && document.readyState === "complete"`)
	gone(t, ctx, fresh)

	load(t, ctx, base+"/keys", http.StatusOK)
	do(t, ctx, click("details.who summary"))
	press(t, ctx, click("form[action='/sign-out'] button"))
	load(t, ctx, base+"/keys", http.StatusOK)
	do(t, ctx, typed("input[name=email]", s.Email), typed("input[name=password]", password))
	press(t, ctx, click("form button"))
	if at := where(ctx); at != base+"/sign-in/second?next=%2Fkeys" {
		t.Errorf("after the password the browser is at %s", at)
	}
}

// createSubaccount makes one in the dialog and returns the secret that the page shows.
func createSubaccount(t *testing.T, ctx context.Context, base string) string {
	t.Helper()
	load(t, ctx, base+"/keys", http.StatusOK)
	do(t, ctx, click(".title a[data-dialog=new]"), seen("#dialog-new:modal"), typed("#dialog-new input[name=name]", "Shop"))
	press(t, ctx, click("#dialog-new form button"))
	return shown(t, ctx)
}

// shown is the secret in the dialog that shows it once.
func shown(t *testing.T, ctx context.Context) string {
	t.Helper()
	do(t, ctx, seen("dialog.issued:modal"))
	secret := eval[string](t, ctx, `document.querySelector(".issued #issued-secret").textContent`)
	if err := credential.CheckSecret(secret); err != nil {
		t.Fatalf("the page shows %q: %v", secret, err)
	}
	if strings.Contains(where(ctx), secret) {
		t.Error("the secret is in the address")
	}
	return secret
}

// gone fails when a secret is still in the page or in what the page has kept.
func gone(t *testing.T, ctx context.Context, secret string) {
	t.Helper()
	kept := eval[string](t, ctx, `document.documentElement.outerHTML + JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie + JSON.stringify(history.state)`)
	if strings.Contains(kept, secret) || strings.Contains(kept, "issued-secret") {
		t.Errorf("the secret is still there at %s", where(ctx))
	}
}

// addSender lets a key send from acme.example, as the operator.
func addSender(t *testing.T, s *program.Server, key string) {
	t.Helper()
	s.Command(t, "sender", "add", "acme.example", "--key", key)
}

func send(t *testing.T, s *program.Server, key, secret string) int {
	t.Helper()
	a, err := s.CallAs(t.Context(), key, secret, http.MethodPost, "/v3.1/send", map[string]any{"Messages": []any{map[string]any{
		"From": map[string]string{"Email": "hello@acme.example"}, "To": []any{map[string]string{"Email": "a@example.org"}},
		"Subject": "From the browser test", "HTMLPart": "<p>Hello</p>",
	}}})
	ok(t, err)
	return a.Status
}

// resetByKeyboard resets the key's secret with Tab and Enter alone.
func resetByKeyboard(t *testing.T, ctx context.Context, base, key string) string {
	t.Helper()
	load(t, ctx, base+"/keys", http.StatusOK)
	tabTo(t, ctx, `document.activeElement.matches("summary") && document.activeElement.closest("tr")?.textContent.includes("`+key+`")`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	tabTo(t, ctx, `document.activeElement.matches("a[data-dialog=reset]") && document.activeElement.dataset.key === "`+key+`"`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter), seen("#dialog-reset:modal"))

	// Escape leaves, and the focus is where it was.
	do(t, ctx, chromedp.KeyEvent(kb.Escape))
	until(t, ctx, `!document.querySelector("dialog[open]") && document.activeElement.matches("tr summary")`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	tabTo(t, ctx, `document.activeElement.matches("a[data-dialog=reset]")`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter), seen("#dialog-reset:modal"))
	tabTo(t, ctx, `document.activeElement.matches("#dialog-reset form button")`)
	press(t, ctx, chromedp.KeyEvent(kb.Enter))
	secret := shown(t, ctx)

	do(t, ctx, chromedp.KeyEvent(kb.Enter)) // a key too many does not lose the secret
	for range 4 {
		do(t, ctx, chromedp.KeyEvent(kb.Escape))
	}
	if !eval[bool](t, ctx, `document.querySelector("dialog.issued").matches(":modal")`) {
		t.Error("the secret is gone by a slip")
	}
	tabTo(t, ctx, `document.activeElement.matches("dialog.issued form button")`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(t, ctx, `!document.querySelector("dialog.issued")`)
	gone(t, ctx, secret)
	return secret
}

// tabTo presses Tab until a JavaScript expression holds.
func tabTo(t *testing.T, ctx context.Context, js string) {
	t.Helper()
	for range 40 {
		if eval[bool](t, ctx, "!!("+js+")") {
			return
		}
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
	}
	t.Fatalf("Tab does not lead to %s", js)
}

// TestWithoutAScript is the main path in a browser that runs none: each dialog is a page of its own.
func TestWithoutAScript(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	do(t, ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	load(t, ctx, p.link(), http.StatusOK)
	press(t, ctx, click("form button"))
	load(t, ctx, p.base+"/keys", http.StatusOK)
	press(t, ctx, click(".title a.button"))
	do(t, ctx, typed("input[name=name]", "Shop"))
	press(t, ctx, click("form.form button"))
	do(t, ctx, seen("dialog.issued[open]"))
	secret := eval[string](t, ctx, `document.querySelector("#issued-secret").textContent`)
	if err := credential.CheckSecret(secret); err != nil {
		t.Fatalf("the page shows %q: %v", secret, err)
	}
	(&tour{t, ctx, os.Getenv("POSTERN_SCREENSHOTS")}).look("no-script-secret")
	do(t, ctx, click("dialog.issued form button")) // closes by itself
	if eval[bool](t, ctx, `!!document.querySelector("dialog[open]")`) {
		t.Error("the dialog does not close")
	}
	load(t, ctx, p.base+"/keys", http.StatusOK)
	gone(t, ctx, secret)
	do(t, ctx, click("table:last-of-type tr summary"))
	press(t, ctx, click(`details[open] a[href$="/reset"]`))
	press(t, ctx, click("form.form button"))
	if fresh := eval[string](t, ctx, `document.querySelector("#issued-secret").textContent`); fresh == secret || credential.CheckSecret(fresh) != nil {
		t.Errorf("the reset shows %q", fresh)
	}
}
