// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestClient(t *testing.T) {
	p := proxies{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for name, x := range map[string]struct {
		peer   string
		tls    bool
		header http.Header
		addr   string
		secure bool
	}{
		"direct, clear":                    {peer: "198.51.100.1:4", addr: "198.51.100.1"},
		"direct, TLS":                      {peer: "198.51.100.1:4", tls: true, addr: "198.51.100.1", secure: true},
		"this machine":                     {peer: "127.0.0.1:4", addr: "127.0.0.1", secure: true},
		"this machine, IPv6":               {peer: "[::1]:4", addr: "::1", secure: true},
		"this machine, mapped":             {peer: "[::ffff:127.0.0.1]:4", addr: "127.0.0.1", secure: true},
		"unnamed proxy on this machine":    {peer: "127.0.0.1:4", header: http.Header{"X-Forwarded-For": {"203.0.113.5"}}, addr: "127.0.0.1", secure: true},
		"a stranger's forwarded headers":   {peer: "198.51.100.1:4", header: http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"https"}}, addr: "198.51.100.1"},
		"proxy says https":                 {peer: "192.0.2.1:4", header: http.Header{"X-Forwarded-For": {"203.0.113.5"}, "X-Forwarded-Proto": {"https"}}, addr: "203.0.113.5", secure: true},
		"proxy says http":                  {peer: "192.0.2.1:4", header: http.Header{"X-Forwarded-For": {"203.0.113.5"}, "X-Forwarded-Proto": {"http"}}, addr: "203.0.113.5"},
		"proxy says http, over TLS":        {peer: "192.0.2.1:4", tls: true, header: http.Header{"X-Forwarded-For": {"203.0.113.5"}, "X-Forwarded-Proto": {"http"}}, addr: "203.0.113.5"},
		"proxy says nothing":               {peer: "192.0.2.1:4", header: http.Header{"X-Forwarded-For": {"203.0.113.5"}}, addr: "203.0.113.5"},
		"the proxy's own request":          {peer: "192.0.2.1:4", addr: "192.0.2.1"},
		"invented before the true address": {peer: "192.0.2.1:4", header: http.Header{"X-Forwarded-For": {"127.0.0.1, 203.0.113.5, 192.0.2.9"}, "X-Forwarded-Proto": {"https"}}, addr: "203.0.113.5", secure: true},
		"several headers":                  {peer: "192.0.2.1:4", header: http.Header{"X-Forwarded-For": {"10.0.0.1", "203.0.113.5"}, "X-Forwarded-Proto": {"http, https"}}, addr: "203.0.113.5", secure: true},
		"rubbish stops the walk":           {peer: "192.0.2.1:4", header: http.Header{"X-Forwarded-For": {"203.0.113.5, unknown"}, "X-Forwarded-Proto": {"https"}}, addr: "192.0.2.1", secure: true},
		"with a port, IPv6":                {peer: "192.0.2.1:4", header: http.Header{"X-Forwarded-For": {"[2001:db9::5]:80"}, "X-Forwarded-Proto": {"HTTPS"}}, addr: "2001:db9::5", secure: true},
	} {
		r := &http.Request{RemoteAddr: x.peer, Header: x.header}
		if x.header == nil {
			r.Header = http.Header{}
		}
		if x.tls {
			r.TLS = &tls.ConnectionState{}
		}
		addr, secure := p.client(r)
		if addr.String() != x.addr || secure != x.secure {
			t.Errorf("%s: %v secure=%v, want %v secure=%v", name, addr, secure, x.addr, x.secure)
		}
	}
}

// The metrics are for who asks on this machine for this machine: not for what a proxy on it, named or not, lets through, nor
// for a page whose name was made to lead here.
func TestLocal(t *testing.T) {
	for name, x := range map[string]struct {
		peer, host string
		header     string // "Name: value"
		minor      int    // of HTTP/1
		want       bool
	}{
		"this machine":                {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, want: true},
		"by its name":                 {peer: "127.0.0.1:4", host: "localhost:8025", minor: 1, want: true},
		"by its name, spelled out":    {peer: "127.0.0.1:4", host: "LocalHost.", minor: 1, want: true},
		"IPv6":                        {peer: "[::1]:4", host: "[::1]:8025", minor: 1, want: true},
		"IPv6 without a port":         {peer: "[::1]:4", host: "[::1]", minor: 1, want: true},
		"mapped":                      {peer: "[::ffff:127.0.0.1]:4", host: "127.0.0.2", minor: 1, want: true},
		"elsewhere":                   {peer: "192.0.2.1:4", host: "localhost", minor: 1},
		"a foreign name (rebinding)":  {peer: "127.0.0.1:4", host: "evil.example:8025", minor: 1},
		"a name that looks like it":   {peer: "127.0.0.1:4", host: "localhost.evil.example", minor: 1},
		"another that looks like it":  {peer: "127.0.0.1:4", host: "127.0.0.1.evil.example", minor: 1},
		"the public name, by a proxy": {peer: "127.0.0.1:4", host: "mail.example.com", minor: 1},
		"no name":                     {peer: "127.0.0.1:4", minor: 1},
		"nginx as it comes":           {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 0},
		"Apache":                      {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "X-Forwarded-Server: mail.example.com"},
		"Caddy":                       {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "X-Forwarded-Proto: https"},
		"a proxy by RFC 7239":         {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "Forwarded: for=127.0.0.1"},
		"a proxy by RFC 9110":         {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "Via: 1.1 proxy"},
		"a tunnel":                    {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "Cf-Connecting-Ip: 127.0.0.1"},
		"another proxy's word":        {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "X-Real-Ip: 127.0.0.1"},
		"one more":                    {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "True-Client-Ip: 127.0.0.1"},
		"a header that is no proxy's": {peer: "127.0.0.1:4", host: "127.0.0.1:8025", minor: 1, header: "X-Prometheus-Scrape-Timeout-Seconds: 10", want: true},
	} {
		r := &http.Request{RemoteAddr: x.peer, Host: x.host, ProtoMajor: 1, ProtoMinor: x.minor, Header: http.Header{}}
		if k, v, ok := strings.Cut(x.header, ": "); ok {
			r.Header.Set(k, v)
		}
		if got := local(r); got != x.want {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
}
