// SPDX-License-Identifier: Apache-2.0

// Package config has the settings of Postern. A flag, an environment variable and a line of a file are one thing:
// --log-level, POSTERN_LOG_LEVEL and "log-level = …" in postern.conf. A flag goes before the environment, that before
// the file, and that before the default.
//
// The structs here are read by kong (package cli); their field tags are where each setting is described. Check finds
// what is wrong with values and says so in an [Error], which names the setting and the reason. Nothing is opened here
// but the file of settings.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"postern/internal/credential"
	"postern/internal/domain"
	"postern/internal/mail"
)

// Error is what is wrong with a setting.
type Error struct {
	Setting string // its name, as in --name
	Reason  string
	Err     error // the cause, may be nil
}

func (e *Error) Error() string { return "setting " + e.Setting + ": " + e.Reason }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

func wrong(setting, format string, args ...any) error {
	return &Error{Setting: setting, Reason: fmt.Sprintf(format, args...)}
}

// Common are the settings that every command knows.
type Common struct {
	Data      string `env:"POSTERN_DATA" default:"./postern-data" placeholder:"DIR" group:"settings" help:"Directory of the database, the server key and the control socket. Made when it is missing, for this user alone."`
	Config    string `env:"POSTERN_CONFIG" placeholder:"FILE" group:"settings" help:"File of settings, a 'name = value' on each line. Default: postern.conf in --data, if there is one."`
	Database  string `env:"POSTERN_DATABASE" placeholder:"URL" group:"settings" help:"PostgreSQL URL (postgres://…), or the path of a SQLite file. Default: postern.db in --data."`
	ServerKey string `env:"POSTERN_SERVER_KEY" placeholder:"HEX" group:"settings" help:"Key under which digests of secrets are made: 64 hexadecimal characters. Default: the file server.key in --data, made on the first start. Give it by the environment or the file: others can read a command line."`
	HTTP      string `name:"http" env:"POSTERN_HTTP" default:"127.0.0.1:8025" placeholder:"ADDRESS" group:"settings" help:"Where the API and the pages are served in clear HTTP; 'off' for nowhere."`
	HTTPS     string `name:"https" env:"POSTERN_HTTPS" default:"off" placeholder:"ADDRESS" group:"settings" help:"Where the API and the pages are served over TLS; needs --tls-cert and --tls-key."`
	BaseURL   string `name:"base-url" env:"POSTERN_BASE_URL" placeholder:"URL" group:"settings" help:"What links begin with, such as https://mail.example.com. Default: the address of --https or --http."`
	LogLevel  string `env:"POSTERN_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" group:"settings" help:"debug, info, warn or error."`
	LogFormat string `env:"POSTERN_LOG_FORMAT" enum:"auto,text,json" default:"auto" placeholder:"FORMAT" group:"settings" help:"text or json. Default (auto): text on a terminal, json elsewhere."`
}

// Owner is who signs in first: a setting of the commands that may make the first account.
type Owner struct {
	Owner string `env:"POSTERN_OWNER" aliases:"email" default:"owner@postern.localhost" placeholder:"EMAIL" group:"settings" help:"Email address that the owner of the first account signs in with. Also spelled --email. The default's domain is never anyone's (RFC 6761)."`
}

// Serve are the settings of the server.
type Serve struct {
	Owner

	SMTP           string        `name:"smtp" env:"POSTERN_SMTP" default:"127.0.0.1:2525" placeholder:"ADDRESS" group:"settings" help:"Where mail is taken by SMTP, with STARTTLS when there is a certificate; 'off' for nowhere."`
	SMTPS          string        `name:"smtps" env:"POSTERN_SMTPS" default:"off" placeholder:"ADDRESS" group:"settings" help:"Where mail is taken by SMTP over TLS from the first byte; needs --tls-cert and --tls-key."`
	TLSCert        string        `env:"POSTERN_TLS_CERT" placeholder:"FILE" group:"settings" help:"Certificate chain in PEM, for STARTTLS, --smtps and --https. A renewed file is taken up within a minute."`
	TLSKey         string        `env:"POSTERN_TLS_KEY" placeholder:"FILE" group:"settings" help:"Private key of --tls-cert in PEM."`
	Route          string        `env:"POSTERN_ROUTE" default:"capture" placeholder:"ROUTE" group:"settings" help:"How mail leaves: 'capture' keeps it here to look at, smtp://user:password@host:587 (or smtps://) hands it to another server, 'direct' delivers to the recipients' MX hosts."`
	Hostname       string        `env:"POSTERN_HOSTNAME" placeholder:"NAME" group:"settings" help:"The server's name in greetings, Received and Message-ID headers. Default: the machine's name."`
	DNSServer      string        `name:"dns-server" env:"POSTERN_DNS_SERVER" placeholder:"ADDRESS" group:"settings" help:"DNS server that is asked for MX hosts and the records of sending domains, such as 127.0.0.1:53. Default: the machine's own."`
	SPF            []string      `name:"spf" env:"POSTERN_SPF" sep:"," placeholder:"MECHANISM" group:"settings" help:"What the SPF record of a sending domain must have so that mail from here passes, such as include:spf.example.net or ip4:192.0.2.25; several with commas. Set it when mail leaves by another server's address (--route smtp://…). Default: a:HOSTNAME, when that is a name with a dot."`
	TrustedProxy   []string      `env:"POSTERN_TRUSTED_PROXY" sep:"," placeholder:"NETWORK" group:"settings" help:"Networks (such as 10.0.0.0/8) or addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; several with commas."`
	Retention      int           `env:"POSTERN_RETENTION" default:"0" placeholder:"DAYS" group:"settings" help:"How many days finished messages are kept, with history and source, where an account's plan does not say it; 0 keeps them for good."`
	MetricsToken   string        `env:"POSTERN_METRICS_TOKEN" placeholder:"TOKEN" group:"settings" help:"Bearer token that opens /metrics from anywhere; without one it answers this machine alone, and nothing that a proxy passes on."`
	OIDCIssuer     string        `name:"oidc-issuer" env:"POSTERN_OIDC_ISSUER" placeholder:"URL" group:"settings" help:"OpenID Connect provider that people may sign in by, such as https://id.example.com. Its redirect URI for this server is the base URL with /sign-in/oidc/callback."`
	OIDCClientID   string        `name:"oidc-client-id" env:"POSTERN_OIDC_CLIENT_ID" placeholder:"ID" group:"settings" help:"Client ID of this server at --oidc-issuer."`
	OIDCSecret     string        `name:"oidc-client-secret" env:"POSTERN_OIDC_CLIENT_SECRET" placeholder:"SECRET" group:"settings" help:"Client secret of this server at --oidc-issuer. Give it by the environment or the file: others can read a command line."`
	OIDCName       string        `name:"oidc-name" env:"POSTERN_OIDC_NAME" placeholder:"NAME" group:"settings" help:"What the button says: Sign in with NAME. Default: the host of --oidc-issuer."`
	Hold           bool          `env:"POSTERN_HOLD" group:"settings" help:"Accept and keep mail, but deliver nothing."`
	NotifyFrom     string        `env:"POSTERN_NOTIFY_FROM" placeholder:"ADDRESS" group:"settings" help:"Sender of the mail that Postern itself sends, such as invitations and reminders: an address, or 'Name <address>'. Default: Postern <postern@HOSTNAME>."`
	FailureNotices string        `env:"POSTERN_FAILURE_NOTICES" default:"smtp" enum:"smtp,asked" placeholder:"WHEN" group:"settings" help:"Which failures of messages the envelope sender is notified of by mail: 'smtp' for all mail by SMTP unless its NOTIFY parameter says otherwise (RFC 3461), 'asked' only where NOTIFY asks for it."`
	WebhookPrivate bool          `env:"POSTERN_WEBHOOK_PRIVATE" group:"settings" help:"Let webhooks lead into private networks, and be http. Whoever may set a webhook can then reach what this server can reach."`
	Drain          time.Duration `env:"POSTERN_DRAIN" default:"30s" placeholder:"DURATION" group:"settings" help:"How long, at the end, work under way may take before it is broken off and handed back."`
}

// DSN is what the store opens.
func (c *Common) DSN() string {
	if c.Database != "" {
		return c.Database
	}
	return filepath.Join(c.Data, "postern.db")
}

// Off says whether an address setting says: nowhere.
func Off(address string) bool { return address == "" || address == "off" }

// Check finds what is wrong with the common settings.
func (c *Common) Check() error {
	if c.Data == "" {
		return wrong("data", "it is empty; name a directory")
	}
	if c.ServerKey != "" {
		if _, err := credential.ParseServerKey(c.ServerKey); err != nil {
			return &Error{Setting: "server-key", Reason: err.Error()}
		}
	}
	if scheme, _, ok := strings.Cut(c.Database, "://"); ok && scheme != "postgres" && scheme != "postgresql" {
		return wrong("database", "%s:// is not a database that can be used; give postgres://… or the path of a SQLite file", scheme)
	}
	if err := checkAddress("http", c.HTTP); err != nil {
		return err
	}
	if err := checkAddress("https", c.HTTPS); err != nil {
		return err
	}
	return c.checkBaseURL()
}

func (c *Common) checkBaseURL() error {
	if c.BaseURL == "" {
		return nil
	}
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return wrong("base-url", "%q is not an http:// or https:// URL", c.BaseURL)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.Trim(u.Path, "/") != "":
		return wrong("base-url", "%q has more than scheme, host and port; the pages are served at the root of a host", c.BaseURL)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	return nil
}

// Check finds what is wrong with the server's settings, given the common ones.
func (s *Serve) Check(c *Common) error {
	if err := c.Check(); err != nil {
		return err
	}
	if err := checkAddress("smtp", s.SMTP); err != nil {
		return err
	}
	if err := checkAddress("smtps", s.SMTPS); err != nil {
		return err
	}
	if err := s.checkTLS(c); err != nil {
		return err
	}
	if _, err := s.Proxies(); err != nil {
		return err
	}
	if s.Hostname != "" && !isHostname(s.Hostname) {
		return wrong("hostname", "%q is not the name of a host: letters, digits and hyphens, with dots between (a name in other letters as xn--…)", s.Hostname)
	}
	if _, err := s.Notifier(s.Hostname); err != nil {
		return err
	}
	if s.DNSServer != "" {
		if err := checkAddress("dns-server", s.DNSServer); err != nil || Off(s.DNSServer) {
			return wrong("dns-server", "%q is not an address such as 127.0.0.1:53", s.DNSServer)
		}
	}
	if err := domain.ParseSPF(s.SPF); err != nil {
		return wrong("spf", "%v", err)
	}
	if s.Drain < 0 || s.Drain > time.Hour {
		return wrong("drain", "%v is not between 0s and 1h", s.Drain)
	}
	if s.Retention < 0 || s.Retention > 36500 {
		return wrong("retention", "%d is not between 0 and 36500 days", s.Retention)
	}
	if s.MetricsToken != "" && len(s.MetricsToken) < 16 {
		return wrong("metrics-token", "it is shorter than 16 characters and could be guessed")
	}
	return s.checkOIDC()
}

// isHostname says whether a name can stand in a greeting (RFC 5321 2.3.5).
func isHostname(name string) bool {
	name = strings.TrimSuffix(name, ".")
	for label := range strings.SplitSeq(name, ".") {
		bad := func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, bad) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(name) <= 253
}

func (s *Serve) checkOIDC() error {
	if s.OIDCIssuer == "" {
		for name, value := range map[string]string{"oidc-client-id": s.OIDCClientID, "oidc-client-secret": s.OIDCSecret, "oidc-name": s.OIDCName} {
			if value != "" {
				return wrong(name, "it needs --oidc-issuer, the provider that it is for")
			}
		}
		return nil
	}
	u, err := url.Parse(s.OIDCIssuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return wrong("oidc-issuer", "%q is not the https:// URL of a provider", s.OIDCIssuer)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return wrong("oidc-issuer", "%q is not https: who is on the way to it could sign in as anybody", s.OIDCIssuer)
	case s.OIDCClientID == "":
		return wrong("oidc-client-id", "it is missing: --oidc-issuer needs the ID under which the provider knows this server")
	case len(s.OIDCName) > 50:
		return wrong("oidc-name", "it is longer than 50 bytes, too long for a button")
	}
	return nil
}

// notifyName and notifyLocal are the sender's name and local part where the setting has none. notifyDomain stands in for
// a host name that is no domain; it is never anyone's (RFC 6761).
const (
	notifyName   = "Postern"
	notifyLocal  = "postern"
	notifyDomain = "postern.localhost"
)

// Notifier is the sender of Postern's own mail, on a server with that name.
func (s *Serve) Notifier(hostname string) (mail.Address, error) {
	if s.NotifyFrom == "" {
		a := mail.Address{Name: notifyName, Email: notifyLocal + "@" + strings.TrimSuffix(strings.ToLower(hostname), ".")}
		if _, err := netip.ParseAddr(hostname); err == nil || !strings.Contains(hostname, ".") || mail.CheckEmail(a.Email) != nil {
			a.Email = notifyLocal + "@" + notifyDomain
		}
		return a, nil
	}
	a, err := mail.ParseAddress(s.NotifyFrom)
	if err != nil {
		return a, wrong("notify-from", "%q is neither an address nor of the form 'Name <address>': %v", s.NotifyFrom, err)
	}
	if a.Name == "" {
		a.Name = notifyName
	}
	return a, nil
}

// SPFMechanisms are what a sending domain's SPF record must have, on a server with that name; none when nothing is known.
func (s *Serve) SPFMechanisms(hostname string) []string {
	if len(s.SPF) > 0 {
		return s.SPF
	}
	name := strings.TrimSuffix(strings.ToLower(hostname), ".")
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") || domain.ParseSPF([]string{"a:" + name}) != nil {
		return nil
	}
	return []string{"a:" + name}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (s *Serve) checkTLS(c *Common) error {
	switch {
	case s.TLSCert != "" && s.TLSKey == "":
		return wrong("tls-key", "it is missing: --tls-cert needs the private key of its certificate")
	case s.TLSCert == "" && s.TLSKey != "":
		return wrong("tls-cert", "it is missing: --tls-key needs the certificate that it belongs to")
	case s.TLSCert == "" && !Off(c.HTTPS):
		return wrong("https", "it needs a certificate: set --tls-cert and --tls-key")
	case s.TLSCert == "" && !Off(s.SMTPS):
		return wrong("smtps", "it needs a certificate: set --tls-cert and --tls-key")
	}
	return nil
}

// Proxies reads the trusted proxies as networks; an address is a network of one.
func (s *Serve) Proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range s.TrustedProxy {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if addr, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, wrong("trusted-proxy", "%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		if p != p.Masked() {
			return nil, wrong("trusted-proxy", "%s has bits beyond its mask; did you mean %s?", p, p.Masked())
		}
		out = append(out, p)
	}
	return out, nil
}

// checkAddress wants host:port, with a numeric or named port, or off.
func checkAddress(setting, address string) error {
	if Off(address) {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return wrong(setting, "%q is not an address such as 127.0.0.1:8025, nor 'off'", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return wrong(setting, "%q is not a port (0 to 65535)", port)
	}
	return nil
}
