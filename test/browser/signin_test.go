// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"postern/internal/notice"
)

// securityKey plugs an authenticator into the browser that agrees to everything.
func securityKey(t *testing.T, ctx context.Context) {
	t.Helper()
	do(t, ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Ctap2version: "ctap2_1", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	}))
}

// stale makes all proofs as old as the epoch.
func (p *place) stale() {
	p.t.Helper()
	db, err := sql.Open("sqlite", p.file+"?_pragma=busy_timeout(5000)")
	ok(p.t, err)
	defer db.Close() //nolint:errcheck // written
	_, err = db.ExecContext(p.t.Context(), "UPDATE session SET confirmed_at = 0")
	ok(p.t, err)
}

// at fails unless the browser is at a page.
func (p *place) at(ctx context.Context, path string) {
	p.t.Helper()
	if got := where(ctx); !strings.HasPrefix(got, p.base+path) {
		p.t.Fatalf("the browser is at %s, want %s", got, path)
	}
}

func signOut(t *testing.T, ctx context.Context) {
	t.Helper()
	do(t, ctx, click("details.who summary"))
	press(t, ctx, click("form[action='/sign-out'] button"))
}

// TestPasskeysAndCodes: a passkey is made and used by the pages' script with a real browser's WebAuthn, alone, after the
// password and to confirm; an authenticator app is set up beside it. Every page of it is looked at.
func TestPasskeysAndCodes(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	tour := &tour{t, ctx, os.Getenv("POSTERN_SCREENSHOTS")}
	securityKey(t, ctx)
	load(t, ctx, p.link(), 200)
	press(t, ctx, click("button"))
	do(t, ctx, typed("input[name=password]", password), typed("input[name=repeat]", password))
	press(t, ctx, click("form.form button"))
	load(t, ctx, p.base+"/security", 200)
	tour.look("security-first")

	press(t, ctx, click("a[href='/security/passkeys/new']"))
	tour.look("passkey-new")
	do(t, ctx, typed("input[name=name]", "This laptop"))
	press(t, ctx, click("form[data-passkey] button"))
	if n := eval[int64](t, ctx, "document.querySelectorAll('.codes li').length"); n != 10 {
		t.Fatalf("%d recovery codes at %s", n, where(ctx))
	}
	tour.look("recovery-codes")
	press(t, ctx, click(".actions a.button"))
	p.at(ctx, "/security")
	signOut(t, ctx)

	load(t, ctx, p.base+"/sign-in?next=/senders", 200)
	tour.look("sign-in-passkey")
	press(t, ctx, click("form[data-passkey] button"))
	p.at(ctx, "/senders")

	p.stale()
	load(t, ctx, p.base+"/security/app", 200)
	p.at(ctx, "/confirm")
	tour.look("confirm")
	press(t, ctx, click("form[data-passkey] button"))
	p.at(ctx, "/security/app")
	tour.look("app")
	secret := eval[string](t, ctx, `document.querySelector("code.key").textContent.replaceAll(" ", "")`)
	code, err := totp.GenerateCode(secret, time.Now())
	ok(t, err)
	do(t, ctx, typed("input[name=code]", code))
	press(t, ctx, click("form[action='/security/app'] button"))
	load(t, ctx, p.base+"/security", 200)
	tour.look("security")
	press(t, ctx, click("a[href='/security/codes']"))
	tour.look("codes-new")
	load(t, ctx, p.base+"/security/app/remove", 200)
	tour.look("app-remove")
	load(t, ctx, p.base+"/security", 200)
	press(t, ctx, click("ul.rows a"))
	tour.look("passkey-remove")
	signOut(t, ctx)

	do(t, ctx, typed("input[name=email]", p.signed.User.Email), typed("input[name=password]", password))
	press(t, ctx, click("form button"))
	p.at(ctx, "/sign-in/second")
	tour.look("second-step")
	press(t, ctx, click("form[data-passkey] button"))
	p.at(ctx, "/keys")
	signOut(t, ctx)

	press(t, ctx, click("a[href='/forgot']"))
	tour.look("forgot")
	do(t, ctx, typed("input[name=email]", p.signed.User.Email))
	press(t, ctx, click("form button"))
	tour.look("forgot-sent")
	kept, err := p.store.DueNotices(t.Context(), time.Now().Add(time.Hour), 100)
	ok(t, err)
	for _, x := range kept {
		n, err := p.Notices.Open(x)
		ok(t, err)
		if n.Kind == notice.PasswordReset {
			load(t, ctx, p.base+n.Link, 200)
		}
	}
	p.at(ctx, "/reset/")
	tour.look("reset")
}
