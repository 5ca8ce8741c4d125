// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"postern/internal/server"
)

// raw sends a request with its path as it is written, follows nothing, and returns the answer.
func raw(t *testing.T, srv *server.Server, method, path, header, body string) (*http.Response, string) {
	t.Helper()
	u, err := url.Parse(srv.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()                                                                                                                                    //nolint:errcheck // read whole
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s", method, path, u.Host, len(body), header, body) //nolint:errcheck // the answer tells
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// Whatever the path, a program gets an answer of the API: never a redirect, never a page.
func TestProgramsGetJSONForAnyPath(t *testing.T) {
	c, s := settings(t)
	srv, out := start(t, c, s)
	printed := <-out
	key, secret := pairIn(t, printed)
	auth := "Authorization: Basic " + basic(key, secret) + "\r\nContent-Type: application/json\r\n"
	for _, x := range []struct {
		method, path, header string
		status               int
	}{
		// The one endpoint, in the spellings of base URLs that end with a slash.
		{"POST", "/v3.1/send", "", 400},
		{"POST", "//v3.1/send", "", 400},
		{"POST", "/v3.1//send", "", 400},
		{"POST", "/v3.1/send/", "", 400},
		{"POST", "/V3.1/Send", "", 400},
		{"POST", "///V3.1///SEND//", "", 400},
		{"POST", "//v3/send", "", 400},
		{"GET", "/v3//REST/apikey", "", 200},
		{"GET", "//v3/rest/APIKEY/", "", 200},
		{"GET", "//openapi.json", "", 200},
		// What there is not.
		{"POST", "/v1/send", "", 404},
		{"POST", "/v4/send", "", 404},
		{"GET", "/v2/REST/apikey", "", 404},
		{"GET", "/v3.2/REST/apikey", "", 404},
		{"GET", "/REST/apikey", "", 404},
		{"POST", "/send", "", 404},
		{"POST", "//send", "", 404},
		{"POST", "/./send", "", 404},
		{"PUT", "/no/such/thing", "", 404},
		{"DELETE", "//no//such", "", 404},
		{"GET", "/no/such/thing", "Accept: */*\r\n", 404},
		{"GET", "/no/such/thing", "Accept: application/json\r\n", 404},
		{"GET", "//no/such/thing", "", 404},
		{"GET", "/v3/../v3/REST/apikey", "", 404},
		{"PATCH", "/v3/REST/apikey", "", 405},
		{"GET", "/v3.1/send", "", 405},
		{"TRACE", "/v3.1/send", "", 405},
		{"BREW", "/v3/REST/apikey", "", 405},
	} {
		res, body := raw(t, srv, x.method, x.path, auth+x.header, "")
		if !json.Valid([]byte(body)) || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") || res.StatusCode != x.status {
			t.Errorf("%s %s: %d %s %.200s; want %d", x.method, x.path, res.StatusCode, res.Header.Get("Content-Type"), body, x.status)
		}
	}
	// Without credentials, too.
	for _, path := range []string{"/v4/send", "//v3.1/send", "/no/such/thing", "//x"} {
		res, body := raw(t, srv, "POST", path, "", "{}")
		if !json.Valid([]byte(body)) || res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %.200s", path, res.StatusCode, body)
		}
	}
}

// A browser gets a page all the same.
func TestBrowsersGetPages(t *testing.T) {
	c, s := settings(t)
	srv, out := start(t, c, s)
	<-out
	accept := "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
	if res, body := raw(t, srv, "GET", "/no/such/thing", accept, ""); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "<html") {
		t.Errorf("%d %.200s", res.StatusCode, body)
	}
	if res, _ := raw(t, srv, "GET", "//keys", accept, ""); res.StatusCode != http.StatusTemporaryRedirect || res.Header.Get("Location") != "/keys" {
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
}
