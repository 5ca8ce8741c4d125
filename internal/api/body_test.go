// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/api"
	"postern/internal/budget"
)

// zip is a text as gzip.
func zip(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// coded posts a body with a Content-Encoding.
func (w *world) coded(t testing.TB, path, coding, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(w.master.Key.APIKey, w.master.Secret)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", coding)
	return w.send(t, r)
}

func TestGzipIsRead(t *testing.T) {
	w := newWorld(t)
	for _, coding := range []string{"gzip", "x-gzip", "GZIP"} {
		if a := w.coded(t, "/v3.1/send", coding, zip(t, simple)); a.status != 200 {
			t.Errorf("%s: %d %s", coding, a.status, a.body)
		}
	}
	if a := w.coded(t, "/v3/send", "gzip", zip(t, simpleV3)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.coded(t, "/v3/REST/sender", "gzip", zip(t, `{"Email":"x@example.net"}`)); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.coded(t, "/v3.1/send", "identity", simple); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	large := call(with(obj{"Attachments": []any{attachment(obj{"Base64Content": big(9 << 20)})}}))
	if a := w.coded(t, "/v3.1/send", "gzip", zip(t, large)); a.status != 200 {
		t.Errorf("%d %.300s", a.status, a.body)
	}
}

func TestGzipIsBounded(t *testing.T) {
	w := newWorld(t)
	bomb := zip(t, simple+strings.Repeat(" ", 25<<20))
	for name, x := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"a send that unfolds":        {"/v3.1/send", bomb, 400, "mj-0011"},
		"a send by v3 that unfolds":  {"/v3/send", bomb, 413, "too large"},
		"a resource that unfolds":    {"/v3/REST/sender", zip(t, `{"Email":"x@example.net"}`+strings.Repeat(" ", 1<<20)), 413, "has more than 1048576 bytes"},
		"not gzip":                   {"/v3.1/send", simple, 400, "not gzip"},
		"not gzip, a resource":       {"/v3/REST/sender", `{"Email":"x@example.net"}`, 400, "not gzip"},
		"nothing at all":             {"/v3.1/send", "", 400, "not gzip"},
		"cut":                        {"/v3.1/send", zip(t, simple)[:60], 400, "ended early"},
		"a wrong checksum":           {"/v3.1/send", spoil(zip(t, simple), -6), 400, "not gzip"},
		"damaged":                    {"/v3.1/send", spoil(zip(t, simple), 12), 400, "not gzip"},
		"something else behind":      {"/v3.1/send", zip(t, simple) + "xxxxxxxxxxxxxxxx", 400, "not gzip"},
		"gzip in gzip, by one name":  {"/v3.1/send", zip(t, zip(t, simple)), 400, "mj-0002"},
		"two parts that are too big": {"/v3.1/send", bomb + bomb, 400, "mj-0011"},
	} {
		if a := w.coded(t, x.path, "gzip", x.body); a.status != x.status || !strings.Contains(a.body, x.says) {
			t.Errorf("%s: %d %.300s; want %d %q", name, a.status, a.body, x.status, x.says)
		}
	}
}

// A client that sends all of its body before it reads, as Python's do, learns that it was too large.
func TestWhoSendsTooMuchLearnsIt(t *testing.T) {
	w := newWorld(t)
	for _, length := range []string{"Content-Length: 28000000", "Content-Length: 45000000", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // of a test
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v3.1/send", http.NoBody)
		r.SetBasicAuth(w.master.Key.APIKey, w.master.Secret)
		fmt.Fprintf(conn, "POST /v3.1/send HTTP/1.1\r\nHost: mail.test\r\nAuthorization: %s\r\n%s\r\n\r\n", r.Header.Get("Authorization"), length)
		part := strings.Repeat(" ", 1000000)
		if strings.HasPrefix(length, "Transfer") {
			part = "f4240\r\n" + part + "\r\n"
		}
		sent := 28
		if strings.HasSuffix(length, "45000000") {
			sent = 45
		}
		for range sent {
			if _, err := io.WriteString(conn, part); err != nil {
				t.Errorf("%s: %v", length, err)
				break
			}
		}
		if strings.HasPrefix(length, "Transfer") {
			io.WriteString(conn, "0\r\n\r\n") //nolint:errcheck,gosec // the answer tells
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), r)
		if err != nil {
			t.Errorf("%s: %v", length, err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close() //nolint:errcheck,gosec // read
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "mj-0011") {
			t.Errorf("%s: %d %s, %v", length, resp.StatusCode, text, err)
		}
	}
}

func spoil(s string, at int) string {
	b := []byte(s)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0xff
	return string(b)
}

func TestOtherCodingsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, coding := range []string{"br", "deflate", "zstd", "compress", "gzip, gzip", "gzip, br", "aes128gcm", "none"} {
		for _, path := range []string{"/v3.1/send", "/v3/send", "/v3/REST/sender", "/v3/REST/leakedsecret", "/v3/REST/apikey"} {
			a := w.coded(t, path, coding, simple)
			if a.status != 415 || !strings.Contains(a.body, "Content-Encoding") || a.header.Get("Accept-Encoding") == "" {
				t.Errorf("%s, %s: %d %s", path, coding, a.status, a.body)
			}
		}
	}
}

// Every endpoint that takes a body refuses one that is not UTF-8, before anything is looked up or changed.
func TestNoEndpointReadsWhatIsNotUTF8(t *testing.T) {
	w := newWorld(t)
	bodiless := []string{"validate", "check", "test", "replay", "again"} // actions
	tried := 0
	for _, rt := range api.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		action := path[strings.LastIndex(path, "/")+1:]
		if method != "POST" && method != "PUT" || slices.Contains(bodiless, action) {
			continue
		}
		path = strings.ReplaceAll(path, "{id}", fmt.Sprint(w.master.Key.ID))
		for _, body := range []string{"{\"Name\":\"caf\xe9\"}", `{"Name":"\ud800"}`, "\xff\xfe{\x00}\x00"} {
			a := w.do(t, w.master.Issued, method, path, body)
			if a.status == 404 {
				continue // there is no such object
			}
			tried++
			if a.status != 400 || !strings.Contains(a.body, "not UTF-8") {
				t.Errorf("%s %s %q: %d %s", method, path, body, a.status, a.body)
			}
		}
	}
	if tried < 50 {
		t.Errorf("only %d were tried", tried)
	}
}

// half begins a request whose body does not end.
func (w *world) half(t testing.TB, path string, announced int, came string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck,gosec // never answered
	pair := base64.StdEncoding.EncodeToString([]byte(w.master.Key.APIKey + ":" + w.master.Secret))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n%s", path, pair, announced, came) //nolint:errcheck // as above
	return conn
}

// Memory is taken for what came, not for what was announced.
func TestAnnouncedBytesTakeNoMemory(t *testing.T) {
	for name, x := range map[string]struct {
		path           string
		announced      int
		came           int
		most, requests int64
	}{
		"a header only":              {"/v3.1/send", 1 << 20, 0, 4 << 10, 300},
		"a large one, a header only": {"/v3/send", 25 << 20, 0, 4 << 10, 300},
		"a resource":                 {"/v3/REST/sender", 1 << 20, 10, 4 << 10, 100},
		"a part of it":               {"/v3.1/send", 25 << 20, 10_000, 16 << 10, 100},
	} {
		t.Run(name, func(t *testing.T) {
			b := budget.New(256<<20, 0)
			w := newWorld(t, func(c *api.Config) { c.Budget = b })
			for range x.requests {
				w.half(t, x.path, x.announced, strings.Repeat(" ", x.came))
			}
			for end := time.Now().Add(2 * time.Minute); b.Stats().Used < x.requests*x.most; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%+v", b.Stats())
				}
			}
			if got := b.Stats(); got.Used > x.requests*x.most {
				t.Errorf("%d bytes for each request: %+v", got.Used/x.requests, got)
			}
			w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple)
		})
	}
}

// When too many large bodies are on their way in, the next one is told to come back, and what was taken is given back.
func TestTheServerIsBusyWithLargeBodies(t *testing.T) {
	b := budget.New(64<<20, 50*time.Millisecond)
	w := newWorld(t, func(c *api.Config) { c.Budget = b })
	var held []net.Conn
	for range 3 {
		held = append(held, w.half(t, "/v3.1/send", 20<<20, strings.Repeat(" ", 17<<20)))
	}
	for end := time.Now().Add(2 * time.Minute); b.Stats().Used < 40<<20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", b.Stats())
		}
	}
	large := call(with(obj{"Attachments": []any{attachment(obj{"Base64Content": big(9 << 20)})}}))
	a := w.do(t, w.master.Issued, "POST", "/v3.1/send", large)
	if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "busy") {
		t.Errorf("%d %.300s", a.status, a.body)
	}
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", simple) // ordinary mail goes on
	for _, c := range held {
		c.Close() //nolint:errcheck,gosec // their clients go away
	}
	for end := time.Now().Add(2 * time.Minute); b.Stats().Used > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", b.Stats())
		}
	}
	w.mustDo(t, w.master.Issued, 200, "POST", "/v3.1/send", large)
}
