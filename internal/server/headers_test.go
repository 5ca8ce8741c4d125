// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/server"
)

// None of the handlers leaves it to the browser what an answer is.
func TestNothingIsSniffed(t *testing.T) {
	c, s := settings(t)
	srv, out := start(t, c, s)
	<-out
	for _, path := range []string{
		"/healthz", "/metrics", "/", "/sign-in", "/static/none.css", "/openapi", "/openapi.yaml", "/openapi.json", "/v3/REST/apikey", "/v4/none", "/o/none.gif",
		"/c/none/none", "/u/none/none", "/u/page.css", "/none", "//healthz", "/healthz/",
	} {
		res, err := http.Get(srv.BaseURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close() //nolint:errcheck,gosec // only its header counts
		if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s is answered %d with X-Content-Type-Options %q", path, res.StatusCode, got)
		}
		if got := res.Header.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%s in clear: Strict-Transport-Security %q", path, got)
		}
	}
}

// startTLS serves with a certificate until the test ends, and says where.
func startTLS(t *testing.T, c *config.Common, s *config.Serve) (http, https, smtps string) {
	t.Helper()
	s.TLSCert, s.TLSKey = filepath.Join(c.Data, "cert.pem"), filepath.Join(c.Data, "key.pem")
	writeCertificate(t, s.TLSCert, s.TLSKey)
	c.HTTPS, s.SMTPS = "127.0.0.1:0", "127.0.0.1:0"
	srv, err := server.New(t.Context(), c, s, io.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return server.Listening(srv)
}

// Who came by https is told to come by https from now on: by every handler of the server's own name, and at no other name.
func TestHTTPSStaysHTTPS(t *testing.T) {
	c, s := settings(t)
	s.TrustedProxy = []string{"127.0.0.9"}
	http1, https, _ := startTLS(t, c, s)
	ask := func(address, from, host, path string, header http.Header) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		for k, v := range header {
			r.Header[k] = v
		}
		client := &http.Client{
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, //nolint:gosec // it is ours
				DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close() //nolint:errcheck,gosec // only its header counts
		return res.Header.Get("Strict-Transport-Security")
	}
	for _, path := range []string{"/healthz", "/sign-in", "/v3/REST/apikey", "/openapi.yaml", "/none"} {
		if got := ask("https://"+https, "", "mail.example.com", path, nil); got != "max-age=31536000" {
			t.Errorf("%s by https: %q", path, got)
		}
	}
	for _, host := range []string{"localhost", "localhost:8443", "127.0.0.1", "[::1]:443"} {
		if got := ask("https://"+https, "", host, "/sign-in", nil); got != "" {
			t.Errorf("to %s: %q", host, got)
		}
	}
	https443 := http.Header{"X-Forwarded-Proto": {"https"}}
	if got := ask("http://"+http1, "127.0.0.9", "mail.example.com", "/sign-in", https443); got != "max-age=31536000" {
		t.Errorf("by a named proxy that says https: %q", got)
	}
	if got := ask("https://"+https, "127.0.0.9", "mail.example.com", "/sign-in", http.Header{"X-Forwarded-Proto": {"http"}}); got != "" {
		t.Errorf("by a named proxy that says http: %q", got)
	}
	if got := ask("http://"+http1, "", "mail.example.com", "/sign-in", https443); got != "" {
		t.Errorf("by a stranger's word: %q", got)
	}
}

// TLS 1.2 is spoken by suites with authenticated encryption and forward secrecy alone, by HTTP and by SMTP.
func TestWeakSuitesAreRefused(t *testing.T) {
	c, s := settings(t)
	_, https, smtps := startTLS(t, c, s)
	shake := func(address string, suite uint16) error {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}) //nolint:gosec // that is what is tried
		if err == nil {
			conn.Close() //nolint:errcheck,gosec // it was made
		}
		return err
	}
	strong := map[uint16]bool{}
	for _, id := range []uint16{ // the certificate is of ECDSA
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	} {
		strong[id] = true
	}
	for _, address := range []string{https, smtps} {
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if suite.SupportedVersions[0] == tls.VersionTLS13 {
				continue
			}
			if err := shake(address, suite.ID); (err == nil) != strong[suite.ID] {
				t.Errorf("%s: %s: %v", address, suite.Name, err)
			}
		}
	}
}

// Signing out leaves nothing behind in the browser.
func TestSignOutClearsTheBrowser(t *testing.T) {
	c, s := settings(t)
	srv, out := start(t, c, s)
	link := regexp.MustCompile(`http://\S+/welcome/\S+`).FindString(<-out)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, address := range []string{link, srv.BaseURL() + "/sign-out"} {
		res, err := client.Post(address, "application/x-www-form-urlencoded", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body) //nolint:errcheck,gosec // it is in memory
		res.Body.Close()              //nolint:errcheck,gosec // read whole
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %s", address, res.Status)
		}
		want := ""
		if strings.HasSuffix(address, "/sign-out") {
			want = `"cache", "storage"`
		}
		if got := res.Header.Get("Clear-Site-Data"); got != want {
			t.Errorf("%s: Clear-Site-Data %q, want %q", address, got, want)
		}
	}
	u, err := url.Parse(srv.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	if left := jar.Cookies(u); len(left) != 0 {
		t.Errorf("cookies that stay: %v", left)
	}
}
