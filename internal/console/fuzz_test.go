// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"mime"
	"net/url"
	"strings"
	"testing"

	"postern/internal/console"
	"postern/internal/mail"
)

// FuzzShownHTML: whatever a mail has in it, what is shown of it loads nothing, also when it is parsed once more, as a browser
// does; and a picture comes from the mail alone.
func FuzzShownHTML(f *testing.F) {
	for _, s := range connects() {
		f.Add(s)
	}
	for _, s := range []string{"", "<p>Hi", `<img src="cid:a@b">`, `<IMG SRC='CID:a%40b' >`, `<td background=cid:a@b>`, "<!--", "<img src=cid:\xff", `<a b="cid:`, "<A", "<style><!--</style><link rel=preconnect href=//x>-->", "<pre>\n\nx"} {
		f.Add(s)
	}
	parts := []mail.ViewPart{{ContentType: "image/png", ContentID: "a@b", Data: []byte("PICTURE")}, {ContentType: "text/html", ContentID: "x@y", Data: []byte("<script>")}}
	f.Fuzz(func(t *testing.T, source string) {
		got, err := console.ShownHTML(source, parts)
		if err != nil {
			return
		}
		if strings.Contains(got, "data:text/html") && !strings.Contains(source, "data:text/html") {
			t.Errorf("%q shows a part that is no picture: %q", source, got)
		}
		if what := loads(t, got); what != "" {
			t.Errorf("%q is shown as %q, which has %s", source, got, what)
		}
	})
}

// FuzzWhereSignInLeads: to a page of this site, whatever a link says.
func FuzzWhereSignInLeads(f *testing.F) {
	for _, s := range []string{"/keys", "//evil.example", `/\\evil.example`, "/%2f/evil", "https://evil.example", "/a?next=//b", "javascript:alert(1)"} {
		f.Add(s)
	}
	base, err := url.Parse("https://here.example/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		to, err := base.Parse(console.LocalPath(next))
		if err != nil || to.Host != "here.example" || to.Scheme != "https" {
			t.Errorf("%q leads to %v (%v)", next, to, err)
		}
	})
}

// FuzzDisposition: a file's name never leaves its header field.
func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"a.pdf", "a\r\nb", `a"b`, "ü", "", "\xff", `a\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		h := console.Disposition(name)
		for i := range len(h) {
			if h[i] < ' ' || h[i] >= 0x7f {
				t.Fatalf("%q: byte %#x in %q", name, h[i], h)
			}
		}
		if d, _, err := mime.ParseMediaType(h); d != "attachment" || err != nil {
			t.Errorf("%q: %q reads as %q (%v)", name, h, d, err)
		}
	})
}
