// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"postern/internal/server"
)

func basic(key, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(key + ":" + secret))
}

// pairIn finds the API key and its secret in what a first start prints.
func pairIn(t *testing.T, text string) (key, secret string) {
	t.Helper()
	key, secret = regexp.MustCompile(`\b[0-9a-f]{32}\b`).FindString(text), regexp.MustCompile(`pstn[0-9A-Za-z]{36}`).FindString(text)
	if key == "" || secret == "" {
		t.Fatalf("no pair in %q", text)
	}
	return key, secret
}

func TestConnectionsFollowTheDescriptors(t *testing.T) {
	all := [4]int{1000, 64, 64, 512}
	for descriptors, want := range map[uint64][4]int{
		20: {4, 4, 6, 6}, 64: {10, 4, 6, 6}, 256: {91, 9, 18, 18}, 1024: {365, 38, 64, 164}, 4096: all, 1 << 20: all, 1<<64 - 1: all,
	} {
		got := server.Shares(descriptors, 2)
		if got != want {
			t.Errorf("of %d descriptors: %v, want %v", descriptors, got, want)
		}
		if sum := uint64(2*got[0] + got[1] + got[2] + got[3] + 28); descriptors >= 64 && sum > descriptors {
			t.Errorf("of %d descriptors %d are given out", descriptors, sum)
		}
	}
	if got := server.Shares(1024, 3)[0]; got != 243 {
		t.Errorf("%d for each of three ports", got)
	}
}

// hold opens a connection from an address of loopback and leaves it idle after one request.
func hold(t *testing.T, from, to string) (*http.Response, string) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck,gosec // the test is over
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// One address cannot take all connections: the next reads why, in JSON, and others are served, by HTTP and by SMTP.
func TestOneSourceCannotTakeAllConnections(t *testing.T) {
	c, s := settings(t)
	srv, out := start(t, c, s)
	<-out
	u, err := url.Parse(srv.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	_, metrics := get(t, http.DefaultClient, srv.BaseURL()+"/metrics")
	_, after, _ := strings.Cut(metrics, "\npostern_http_connections_limit ")
	all, err := strconv.Atoi(after[:strings.IndexByte(after, '\n')])
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	var served, refused int
	for range all/2 + 36 {
		res, body := hold(t, "127.0.0.9", u.Host)
		switch res.StatusCode {
		case http.StatusOK:
			served++
		case http.StatusServiceUnavailable:
			refused++
			if !json.Valid([]byte(body)) || !strings.Contains(body, "connections from your address") || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s %v", body, res.Header)
			}
		default:
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	if served != all/2 || refused != 36 {
		t.Errorf("%d of %d were served and %d refused, want half and 36", served, all, refused)
	}
	if res, body := hold(t, "127.0.0.10", u.Host); res.StatusCode != http.StatusOK {
		t.Errorf("another address: %d %s", res.StatusCode, body)
	}
	smtp, err := net.Dial("tcp", srv.SMTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer smtp.Close() //nolint:errcheck // the test is over
	if line, err := bufio.NewReader(smtp).ReadString('\n'); err != nil || !strings.HasPrefix(line, "220 ") {
		t.Errorf("SMTP: %q %v", line, err)
	}
	if _, metrics := get(t, http.DefaultClient, srv.BaseURL()+"/metrics"); !strings.Contains(metrics, `postern_http_connections_refused_total{bound="source"} 36`) {
		t.Error("the refusals are not counted")
	}
}

// The connections of a proxy that is named are many people's.
func TestATrustedProxyIsNoSource(t *testing.T) {
	c, s := settings(t)
	s.TrustedProxy = []string{"127.0.0.9"}
	srv, out := start(t, c, s)
	<-out
	u, err := url.Parse(srv.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	for range 150 {
		if res, body := hold(t, "127.0.0.9", u.Host); res.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
}
