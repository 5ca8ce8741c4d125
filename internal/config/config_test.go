// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"postern/internal/config"
)

func TestParse(t *testing.T) {
	lines, err := config.Parse([]byte("\uFEFF# a comment\n\n  http = 127.0.0.1:1 \r\nroute=smtp://u:p=q@host\nhostname = \" a b \"\nhold =\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Line{{"http", "127.0.0.1:1", 3}, {"route", "smtp://u:p=q@host", 4}, {"hostname", " a b ", 5}, {"hold", "", 6}}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d: %v", len(lines), len(want), lines)
	}
	for i, l := range lines {
		if l != want[i] {
			t.Errorf("line %+v, want %+v", l, want[i])
		}
	}
	for text, reason := range map[string]string{
		"http":                              "line 1: not of the form",
		"\n= x":                             "line 2: not of the form",
		"a = 1\nb = 2\na=":                  "line 3: a stands on line 1 already",
		"x = " + strings.Repeat("y", 1<<17): "too long",
	} {
		if _, err := config.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.20q: %v, want %q", text, err, reason)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("http = 127.0.0.1:1\n# x\nroute=\"capture\"\n"))
	f.Add([]byte("=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := config.Parse(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, l := range lines {
			if l.Name == "" || seen[l.Name] || l.Name != strings.TrimSpace(l.Name) || l.Number < 1 {
				t.Errorf("%q gave %+v", text, l)
			}
			seen[l.Name] = true
		}
	})
}

// good are settings without fault, for each case to spoil.
func good() (*config.Common, *config.Serve) {
	return &config.Common{Data: "d", HTTP: "127.0.0.1:8025", HTTPS: "off"},
		&config.Serve{SMTP: ":2525", SMTPS: "off", Drain: time.Second}
}

func TestCheck(t *testing.T) {
	c, s := good()
	if err := s.Check(c); err != nil {
		t.Fatalf("good settings: %v", err)
	}
	for name, x := range map[string]struct {
		setting string
		spoil   func(c *config.Common, s *config.Serve)
	}{
		"no data":              {"data", func(c *config.Common, _ *config.Serve) { c.Data = "" }},
		"no port":              {"http", func(c *config.Common, _ *config.Serve) { c.HTTP = "localhost" }},
		"port too big":         {"smtp", func(_ *config.Common, s *config.Serve) { s.SMTP = "localhost:70000" }},
		"smtps without cert":   {"smtps", func(_ *config.Common, s *config.Serve) { s.SMTPS = ":465" }},
		"https without cert":   {"https", func(c *config.Common, _ *config.Serve) { c.HTTPS = ":443" }},
		"key without cert":     {"tls-cert", func(_ *config.Common, s *config.Serve) { s.TLSKey = "k" }},
		"cert without key":     {"tls-key", func(_ *config.Common, s *config.Serve) { s.TLSCert = "c" }},
		"base with path":       {"base-url", func(c *config.Common, _ *config.Serve) { c.BaseURL = "https://h/p" }},
		"base of other scheme": {"base-url", func(c *config.Common, _ *config.Serve) { c.BaseURL = "ftp://h" }},
		"database":             {"database", func(c *config.Common, _ *config.Serve) { c.Database = "mysql://h" }},
		"proxy":                {"trusted-proxy", func(_ *config.Common, s *config.Serve) { s.TrustedProxy = []string{"10.0.0.0/8", "x"} }},
		"hostname":             {"hostname", func(_ *config.Common, s *config.Serve) { s.Hostname = "a\r\nb" }},
		"drain":                {"drain", func(_ *config.Common, s *config.Serve) { s.Drain = -1 }},
		"retention":            {"retention", func(_ *config.Common, s *config.Serve) { s.Retention = -1 }},
		"sender":               {"notify-from", func(_ *config.Common, s *config.Serve) { s.NotifyFrom = "Postern <nobody>" }},
		"token":                {"metrics-token", func(_ *config.Common, s *config.Serve) { s.MetricsToken = "x" }},
		"issuer in clear":      {"oidc-issuer", func(_ *config.Common, s *config.Serve) { s.OIDCIssuer, s.OIDCClientID = "http://id.example.com", "x" }},
		"issuer is no URL":     {"oidc-issuer", func(_ *config.Common, s *config.Serve) { s.OIDCIssuer, s.OIDCClientID = "id.example.com", "x" }},
		"issuer without ID":    {"oidc-client-id", func(_ *config.Common, s *config.Serve) { s.OIDCIssuer = "https://id.example.com" }},
		"ID without issuer":    {"oidc-client-id", func(_ *config.Common, s *config.Serve) { s.OIDCClientID = "x" }},
		"name without issuer":  {"oidc-name", func(_ *config.Common, s *config.Serve) { s.OIDCName = "x" }},
		"long OIDC name": {"oidc-name", func(_ *config.Common, s *config.Serve) {
			s.OIDCIssuer, s.OIDCClientID, s.OIDCName = "http://127.0.0.1:1/x", "x", strings.Repeat("x", 51)
		}},
		"server key": {"server-key", func(c *config.Common, _ *config.Serve) { c.ServerKey = "x" }},
	} {
		c, s := good()
		x.spoil(c, s)
		var e *config.Error
		if err := s.Check(c); !errors.As(err, &e) || e.Setting != x.setting || e.Reason == "" {
			t.Errorf("%s: %v, want an error of the setting %s", name, err, x.setting)
		}
	}
}

func TestProxies(t *testing.T) {
	s := config.Serve{TrustedProxy: []string{" 192.0.2.1", "10.0.0.0/8", "", "2001:db8::/32", "::ffff:192.0.2.9"}}
	got, err := s.Proxies()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"192.0.2.1/32", "10.0.0.0/8", "2001:db8::/32", "192.0.2.9/32"}
	for i, p := range got {
		if len(got) != len(want) || p.String() != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func TestBaseURLLosesItsSlash(t *testing.T) {
	c, _ := good()
	c.BaseURL = "https://mail.example.com/"
	if err := c.Check(); err != nil || c.BaseURL != "https://mail.example.com" {
		t.Errorf("%q, %v", c.BaseURL, err)
	}
}

func TestNotifier(t *testing.T) {
	for _, x := range []struct{ setting, hostname, name, email string }{
		{"", "mail.example.com", "Postern", "postern@mail.example.com"},
		{"", "Mail.Example.com.", "Postern", "postern@mail.example.com"},
		{"", "vm", "Postern", "postern@postern.localhost"},
		{"", "localhost", "Postern", "postern@postern.localhost"},
		{"", "192.0.2.1", "Postern", "postern@postern.localhost"},
		{"", "a..b", "Postern", "postern@postern.localhost"},
		{"ops@example.com", "vm", "Postern", "ops@example.com"},
		{"Our mail <ops@example.com>", "vm", "Our mail", "ops@example.com"},
	} {
		s := config.Serve{NotifyFrom: x.setting}
		if a, err := s.Notifier(x.hostname); err != nil || a.Name != x.name || a.Email != x.email {
			t.Errorf("%q on %s: %+v, %v", x.setting, x.hostname, a, err)
		}
	}
}
