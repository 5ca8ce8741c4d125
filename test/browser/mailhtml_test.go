// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/internal/mail"
)

// counted is a port that takes connections and tells of each.
func counted(t *testing.T) (address string, connections <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	t.Cleanup(func() { l.Close() }) //nolint:errcheck,gosec // the test is over
	out := make(chan string, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()                                    //nolint:errcheck // it was counted
				c.SetReadDeadline(time.Now().Add(2 * time.Second)) //nolint:errcheck,gosec // a preconnection says nothing
				var b [200]byte
				n, _ := c.Read(b[:]) //nolint:errcheck // as above
				first, _, _ := strings.Cut(string(b[:n]), "\r\n")
				out <- first
			}()
		}
	}()
	return l.Addr().String(), out
}

// TestMailConnectsNowhere: a mail's HTML that is looked at makes a real browser connect to nobody, by none of the ways that
// there are. That the browser would is shown by the same HTML on a page of another server.
func TestMailConnectsNowhere(t *testing.T) {
	ctx := loggingTab(t)
	p := newPlace(t)
	load(t, ctx, p.link(), http.StatusOK)
	press(t, ctx, click("button"))

	to, connections := counted(t)
	source := strings.ReplaceAll(`<html><head><link rel=preconnect href=http://TO/preconnect><link rel=dns-prefetch href=http://TO/>
<link rel=prefetch href=http://TO/prefetch><link rel=preload as=image href=http://TO/preload><link rel=modulepreload href=http://TO/module>
<link rel=stylesheet href=http://TO/link.css><link rel=icon href=http://TO/icon><style>@import "http://TO/import.css"; @font-face { font-family: F; src: url(http://TO/font) }
body { font-family: F; background: url(http://TO/body) } p { list-style: u\72l(http://TO/escaped); background-image: image-set("http://TO/set" 1x) }</style></head>
<body background=http://TO/background><p style="background:url('http://TO/style')">Hello</p><img src=http://TO/img srcset="http://TO/srcset 1x">
<picture><source srcset=http://TO/source><img src=x></picture><video poster=http://TO/poster src=http://TO/video preload=auto autoplay></video><audio src=http://TO/audio preload=auto></audio>
<iframe src=http://TO/iframe></iframe><object data=http://TO/object></object><embed src=http://TO/embed><input type=image src=http://TO/input>
<svg><use href="http://TO/use.svg#x"/><image href="http://TO/svgimage" width=9 height=9 /></svg><script src=http://TO/script></script>
<noscript><link rel=preconnect href=http://TO/noscript></noscript><a id=a href=http://TO/link ping=http://TO/ping>A link</a><meta http-equiv=refresh content="1; url=http://TO/refresh"></body></html>`, "TO", to)
	key := "Harbour Books"
	p.sender(key, "*@harbour-books.example")
	id := p.send(key, mail.Draft{From: mail.Address{Email: "a@harbour-books.example"}, To: []mail.Address{{Email: "b@example.org"}}, Subject: "x", Text: "x", HTML: source})
	load(t, ctx, fmt.Sprintf("%s/messages/%d", p.base, id), http.StatusOK)
	do(t, ctx, seen("iframe.mail-html"))
	load(t, ctx, fmt.Sprintf("%s/messages/%d/html", p.base, id), http.StatusOK) // and alone
	do(t, ctx, seen("#a"))

	// The other server's page comes later: what the mail began has come before it.
	control, came := counted(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><link rel=preconnect href=http://%s><p id=b>x", control)
	}))
	defer other.Close()
	load(t, ctx, other.URL, http.StatusOK)
	select {
	case <-came:
	case <-time.After(time.Minute):
		t.Error("this browser does not preconnect, so that nothing is shown by its silence")
	}
	for len(connections) > 0 {
		t.Errorf("the browser connected: %q", <-connections)
	}
}
