// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"postern/internal/console"
	"postern/internal/mail"
)

// connects are ways by which HTML makes a browser connect to evil.example, as soon as it is shown.
func connects() []string {
	return []string{
		`<link rel=preconnect href=https://evil.example>`,
		`<LINK REL="dns-prefetch" HREF="//evil.example">`,
		`<link rel=prefetch href=https://evil.example/a><link rel=preload as=image href=https://evil.example/a><link rel=modulepreload href=https://evil.example/a>`,
		`<link rel=stylesheet href=https://evil.example/a.css><link rel="icon" href="https://evil.example/i">`,
		`<link rel=preload as=image imagesrcset="https://evil.example/a 1x">`,
		`<meta http-equiv=refresh content="0; url=https://evil.example/">`,
		`<meta http-equiv="x-dns-prefetch-control" content="on"><a href="https://evil.example/">x</a>`,
		`<meta http-equiv="Link" content="<https://evil.example>; rel=preconnect">`,
		`<base href="https://evil.example/"><img src="a.gif">`,
		`<img src=https://evil.example/a.gif><img src="//evil.example/a"><img srcset="https://evil.example/a 1x, https://evil.example/b 2x">`,
		`<picture><source srcset="https://evil.example/a"><img alt=x lowsrc=https://evil.example/a dynsrc=https://evil.example/a></picture>`,
		`<video poster=https://evil.example/p src=https://evil.example/v autoplay preload=auto><source src=https://evil.example/s><track src=https://evil.example/t default></video>`,
		`<audio src=https://evil.example/a autoplay></audio><bgsound src=https://evil.example/a>`,
		`<iframe src=https://evil.example/></iframe><iframe srcdoc="<link rel=preconnect href=https://evil.example>"></iframe>`,
		`<frameset><frame src=https://evil.example/></frameset>`,
		`<object data=https://evil.example/o><embed src=https://evil.example/e></object><applet codebase=https://evil.example/ code=a></applet>`,
		`<svg><use href="https://evil.example/a.svg#x"/><image href="https://evil.example/i" xlink:href="https://evil.example/i"/></svg>`,
		`<svg><style>@import "https://evil.example/a.css";</style><foreignObject><link rel=preconnect href=https://evil.example></foreignObject></svg>`,
		`<math><mi xlink:href="https://evil.example/">x</mi></math>`,
		`<form action=https://evil.example/><input type=image src=https://evil.example/i><button formaction=https://evil.example/>Press</button></form>`,
		`<input type=image src=https://evil.example/a.gif>`,
		`<script src=https://evil.example/a.js></script><script type=speculationrules>{"prefetch":[{"urls":["https://evil.example/"]}]}</script>`,
		`<noscript><link rel=preconnect href=https://evil.example></noscript>`,
		`<noscript><p title="</noscript><link rel=preconnect href=https://evil.example>">`,
		`<template><link rel=preconnect href=https://evil.example></template>`,
		`<body background=https://evil.example/b><table background=//evil.example/t><tr><td background="https://evil.example/c">x</td></tr></table>`,
		`<a href="https://evil.example/" ping="https://evil.example/ping" onmouseover="x()">x</a>`,
		`<html manifest=https://evil.example/m><head profile=https://evil.example/p>`,
		`<xmp><link rel=preconnect href=https://evil.example></xmp><listing><link rel=preconnect href=https://evil.example></listing>`,
		`<textarea><link rel=preconnect href=https://evil.example></textarea><title><link rel=preconnect href=https://evil.example></title>`,
		`<!--[if mso]><link rel=preconnect href=https://evil.example><![endif]--><!--><link rel=preconnect href=https://evil.example>-->`,
		`<plaintext><link rel=preconnect href=https://evil.example>`,
		`<noembed><link rel=preconnect href=https://evil.example></noembed><noframes><link rel=preconnect href=https://evil.example></noframes>`,
		`<portal src=https://evil.example/></portal><fencedframe src=https://evil.example/></fencedframe>`,
		`<math><mtext><table><mglyph><style><!--</style><img title="--><link rel=preconnect href=https://evil.example>">`,
	}
}

// loads says what of shown HTML a browser would go elsewhere for, "" for nothing. Styles are under a policy, and links are
// for people.
func loads(t *testing.T, shown string) string {
	t.Helper()
	doc, err := html.ParseWithOptions(strings.NewReader(shown), html.ParseOptionEnableScripting(false))
	ok(t, err)
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Namespace != "" || slices.Contains([]atom.Atom{
			atom.Link, atom.Meta, atom.Base, atom.Script, atom.Iframe, atom.Frame, atom.Object, atom.Embed, atom.Applet, atom.Form, atom.Input, atom.Button,
			atom.Video, atom.Audio, atom.Source, atom.Track, atom.Noscript, atom.Template, atom.Textarea, atom.Title, atom.Xmp, atom.Plaintext, atom.Noembed,
		}, n.DataAtom) {
			return "<" + n.Data + ">"
		}
		for _, a := range n.Attr {
			link := a.Key == "href" && (n.Data == "a" || n.Data == "area")
			picture := (a.Key == "src" && n.Data == "img" || a.Key == "background") && strings.HasPrefix(a.Val, "data:image/")
			if strings.HasPrefix(a.Key, "on") || !link && !picture && slices.Contains([]string{
				"src", "srcset", "href", "ping", "action", "formaction", "background", "poster", "data", "manifest", "profile", "codebase", "classid", "lowsrc", "dynsrc", "imagesrcset", "cite", "longdesc",
			}, a.Key) {
				return a.Key + "=" + a.Val
			}
		}
	}
	return ""
}

func TestMailThatIsShownConnectsNowhere(t *testing.T) {
	for _, source := range connects() {
		for _, around := range [][2]string{{"", ""}, {"<!doctype html><html><head>", "</head><body>Hello</body></html>"}, {"<html><body><p>Hello ", "</p></body></html>"}, {"<table><tr>", "</table>"}} {
			got, err := console.ShownHTML(around[0]+source+around[1], nil)
			if err != nil {
				t.Errorf("%s: %v", source, err)
			}
			if what := loads(t, got); what != "" {
				t.Errorf("%s is shown as %s, which has %s", source, got, what)
			}
		}
	}
}

// What a mail is laid out with stays.
func TestMailIsShownAsItIs(t *testing.T) {
	for source, want := range map[string]string{
		`<p style="color:red" class=x onclick=x()>Hi <b>you</b> &lt;script&gt; &amp; co</p>`:                  `<p style="color:red" class="x">Hi <b>you</b> &lt;script&gt; &amp; co</p>`,
		`<a href="https://shop.example/?a=1&amp;b=2" target=_blank title="The shop">Shop</a>`:                 `<a href="https://shop.example/?a=1&amp;b=2" title="The shop">Shop</a>`,
		`<style media=screen>td > p { color: red } </style>`:                                                  `<style media="screen">td > p { color: red } </style>`,
		`<table width=600 cellpadding="0" bgcolor=#ffffff><tr><td align=center colspan=2>x</td></tr></table>`: `<table width="600" cellpadding="0" bgcolor="#ffffff"><tbody><tr><td align="center" colspan="2">x</td></tr></tbody></table>`,
		`<img src="data:image/png;base64,AAAA" alt="A &quot;logo&quot;" width=10><br>`:                        `<img src="data:image/png;base64,AAAA" alt="A &#34;logo&#34;" width="10"><br>`,
		`<o:p>Outlook</o:p><form><button>Press</button></form>`:                                               `Outlook` + `Press`,
		`<img src="https://shop.example/logo.png" alt="Shop">`:                                                `<img alt="Shop">`,
		"<pre>\n\n two lines</pre>":                            "<pre>\n\n two lines</pre>",
		`<img src="cid:a@b"><img src="cid:none" alt=none><td>`: `<img src="data:image/png;base64,UElDVFVSRQ=="><img alt="none">`,
	} {
		got, err := console.ShownHTML(source, []mail.ViewPart{{ContentType: "image/png", ContentID: "<a@b>", Data: []byte("PICTURE")}})
		got = strings.NewReplacer("<html>", "", "</html>", "", "<head>", "", "</head>", "", "<body>", "", "</body>", "").Replace(got)
		if err != nil || got != want {
			t.Errorf("%s\n is shown as %s, %v\n       want %s", source, got, err, want)
		}
	}
	if got, err := console.ShownHTML("<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\"><p>x", nil); err != nil || !strings.HasPrefix(got, "<!DOCTYPE html PUBLIC") {
		t.Errorf("its mode is lost: %s, %v", got, err)
	}
	for what, source := range map[string]string{"tags": strings.Repeat("<b>", 200_001), "depth": strings.Repeat("<div>", 10_000), "size": strings.Repeat("x", 17<<20)} {
		if _, err := console.ShownHTML(source, nil); err == nil {
			t.Errorf("%s without end are shown", what)
		}
	}
}

func TestPagesPrefetchNoNames(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	d := mailOf("Links")
	d.HTML = `<p><a href="https://shop.example/">x</a></p>`
	id := w.send(w.signed.Key, d, "a@example.org").Messages[0].ID
	for _, path := range []string{"/sign-in", "/keys", messagePath(id), messagePath(id) + "/html", "/none"} {
		if got := b.get(path).header.Get("X-DNS-Prefetch-Control"); got != "off" {
			t.Errorf("%s: X-DNS-Prefetch-Control %q", path, got)
		}
	}
	deep := mailOf("Deep")
	deep.HTML = strings.Repeat("<div>", 10_000)
	b.get(messagePath(w.send(w.signed.Key, deep, "a@example.org").Messages[0].ID) + "/html").is(http.StatusUnprocessableEntity).says("nested too deeply")
}
