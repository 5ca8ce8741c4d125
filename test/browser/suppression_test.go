// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postern/internal/store"
	"postern/internal/suppress"
)

func TestATourOfSuppressions(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	tour := &tour{t, ctx, screenshots()}
	load(t, ctx, p.link(), 200)
	press(t, ctx, click("button"))
	load(t, ctx, p.base+"/suppressions", 200)
	tour.look("suppressions-empty")
	p.past()
	shop := p.keys["Shop"]
	for i, e := range []suppress.Entry{
		{Email: "jonas.weber@post.example", Reason: "complaint", Note: "Post-FBL/2.0"},
		{Email: "ines@post.example", Reason: "unsubscribe"},
		{Email: "long.name.of.a.person.with.several.names@subdomain.of.a.company.example", Note: "asked by phone, and again by letter of the third of November"},
	} {
		key := []store.Key{shop, p.keys["Newsletter"], shop}[i]
		_, err := p.suppress.Add(t.Context(), operator, store.OfOperator(), store.KeyFilter{ID: key.ID}, []suppress.Entry{e})
		ok(t, err)
	}
	x, err := p.store.Suppression(t.Context(), store.OfOperator(), store.SuppressionFilter{Email: "gone@post.example"})
	ok(t, err) // it came by itself
	for _, c := range []struct{ name, path string }{
		{"suppressions", "/suppressions"},
		{"suppressions-none-match", "/suppressions?q=nobody"},
		{"suppression-new", "/suppressions/new"},
		{"suppression-import", "/suppressions/import?key=" + shop.APIKey},
		{"suppression", fmt.Sprintf("/suppressions/%d", x.ID)},
		{"suppression-remove", fmt.Sprintf("/suppressions/%d/remove", x.ID)},
	} {
		load(t, ctx, p.base+c.path, 200)
		tour.look(c.name)
	}
	for _, path := range []string{"/suppressions", "/messages"} {
		load(t, ctx, p.base+path, 200)
		do(t, ctx, chromedp.EmulateViewport(360, 740))
		if !eval[bool](t, ctx, `[...document.querySelectorAll("tbody tr")].every((r) => { const by = r.querySelector(".c-by"); return by.textContent && by.checkVisibility(); })`) {
			t.Errorf("%s does not say on a telephone of which key a line is", path)
		}
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 800))
	load(t, ctx, p.base+"/suppressions/new?key="+shop.APIKey, 200)
	do(t, ctx, typed("textarea", "anna@post.example, not an address"))
	press(t, ctx, click("form.form button"))
	tour.look("suppression-new-refused")

	// A file, by the browser's own form.
	file := filepath.Join(t.TempDir(), "former-service.csv")
	ok(t, os.WriteFile(file, []byte("email,reason\n"+strings.Repeat("x\n", 3)+"lena@post.example,bounce\njonas.weber@post.example,spam\nlena@post.example,tired\n"), 0o600))
	load(t, ctx, p.base+"/suppressions/import?key="+shop.APIKey, 200)
	do(t, ctx, chromedp.SetUploadFiles("input[type=file]", []string{file}))
	press(t, ctx, click("form.form button"))
	p.suppress.Wait()
	at := eval[string](t, ctx, "location.href")
	u, err := url.Parse(at)
	ok(t, err)
	load(t, ctx, at, 200)
	tour.look("suppression-job")
	j, err := p.suppress.Job(t.Context(), store.OfOperator(), u.Query().Get("job"))
	if err != nil || j.Report.Added != 1 || j.Report.Known != 2 || j.Report.Refused != 3 || j.Name != "former-service.csv" {
		t.Errorf("the import at %s: %+v, %v", at, j, err)
	}
}
