// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"postern/internal/console"
	"postern/internal/openapi"
)

// withDescription makes a server describe the real API.
func withDescription(t *testing.T) (func(*console.Config), *openapi.Document) {
	t.Helper()
	text, err := os.ReadFile("../api/openapi.yaml")
	ok(t, err)
	doc, err := openapi.Parse(text)
	ok(t, err)
	return func(c *console.Config) { c.Description = text }, doc
}

// Every operation, parameter and object of the description is on its page, for anybody, and each link leads to a place.
func TestTheAPIIsDescribed(t *testing.T) {
	describe, doc := withDescription(t)
	w := newWorld(t, describe)
	b := w.browser()
	a := b.get("/openapi").is(http.StatusOK)
	if a.url.Path != "/openapi" || len(a.all("header")) > 0 {
		t.Errorf("signed out: %s", a.url)
	}
	ids := map[string]*html.Node{}
	for n := range a.doc.Descendants() {
		if id := attr(n, "id"); n.Type == html.ElementNode && id != "" {
			ids[id] = n
		}
	}
	operations := 0
	for _, g := range doc.Groups {
		for _, op := range g.Operations {
			operations++
			n := ids[op.ID]
			if n == nil {
				t.Errorf("%s %s is not on the page", op.Method, op.Path)
				continue
			}
			text := strings.Join(strings.Fields(textOf(n.Parent)), " ")
			for _, words := range []string{op.Method, op.Path, op.Summary, op.Curl} {
				if !strings.Contains(text, strings.Join(strings.Fields(words), " ")) {
					t.Errorf("%s: %q is not in %.300q", op.ID, words, text)
				}
			}
			for _, p := range op.Parameters {
				if !strings.Contains(text, p.Name) {
					t.Errorf("%s: the parameter %s is not there", op.ID, p.Name)
				}
			}
		}
	}
	if described := strings.Count(string(mustRead(t, "../api/openapi.yaml")), "operationId:"); operations != described {
		t.Errorf("%d operations are in groups, %d are described", operations, described)
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		if ids[m[1]] == nil {
			t.Errorf("the link #%s leads nowhere", m[1])
		}
	}
	if signed := w.signedIn().get("/openapi").is(http.StatusOK); len(signed.all("header")) != 1 || len(signed.all("footer")) != 1 {
		t.Error("signed in: there is no frame")
	}
}

func TestAServerWithoutADescription(t *testing.T) {
	newWorld(t).browser().get("/openapi").is(http.StatusNotFound)
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	ok(t, err)
	return b
}
