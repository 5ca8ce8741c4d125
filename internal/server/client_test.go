// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"net/http"
	"net/netip"
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
		local  bool
	}{
		"direct, clear":                    {peer: "198.51.100.1:4", addr: "198.51.100.1"},
		"direct, TLS":                      {peer: "198.51.100.1:4", tls: true, addr: "198.51.100.1", secure: true},
		"this machine":                     {peer: "127.0.0.1:4", addr: "127.0.0.1", secure: true, local: true},
		"this machine, IPv6":               {peer: "[::1]:4", addr: "::1", secure: true, local: true},
		"this machine, mapped":             {peer: "[::ffff:127.0.0.1]:4", addr: "127.0.0.1", secure: true, local: true},
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
		if got := p.local(r); got != x.local {
			t.Errorf("%s: local=%v, want %v", name, got, x.local)
		}
	}
}
