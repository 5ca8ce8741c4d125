// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"postern/internal/keys"
	"postern/internal/store"
)

// smtpBody is what a program needs to send with a key.
type smtpBody struct {
	Key      keyRow
	Host     string
	Port     string
	Security string
	TLSPort  string // of implicit TLS, "" for none
	API      string
	From, To string
	Snippets []snippet
}

const exampleSender = "you@example.com"

// snippet is a program to copy. The secret is not in it: it is read from the environment.
type snippet struct{ ID, Name, Text string }

func (c *console) showSMTP(v *visit) error {
	k, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	b, err := c.smtpBody(v, k)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "smtp", "SMTP settings · "+k.Name, "keys", b)
}

func (c *console) smtpBody(v *visit, k keys.Key) (smtpBody, error) {
	b := smtpBody{Key: c.keyRow(v, k), API: c.BaseURL, From: exampleSender, To: "someone@example.org", Security: "none: this machine only"}
	b.Host, b.Port = c.reachable(c.SMTPAddr)
	if c.SMTPTLS {
		b.Security = "STARTTLS"
	}
	if c.SMTPSAddr != "" {
		_, b.TLSPort = c.reachable(c.SMTPSAddr)
	}
	usable, err := c.Senders.Usable(v.r.Context(), k.ID)
	if err != nil {
		return b, err
	}
	if len(usable) > 0 {
		b.From = addressOf(usable[0])
	}
	b.Snippets, err = b.snippets(c.SMTPTLS)
	return b, err
}

// addressOf is an address that may be sent from. It stands in snippets that people paste into shells, so one with
// other characters than these (`$` and the backtick are allowed in addresses) is not used.
func addressOf(x store.Sender) string {
	email := x.Email
	if email == "*@"+x.Domain {
		email = "hello@" + x.Domain
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@._+-", r)
	}
	if strings.ContainsFunc(email, func(r rune) bool { return !plain(r) }) || strings.HasPrefix(email, "-") {
		return exampleSender
	}
	return email
}

// reachable is where a program connects to reach what listens on addr.
func (c *console) reachable(addr string) (host, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return c.Hostname, ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = c.Hostname
		if u, err := url.Parse(c.BaseURL); err == nil && host == "" {
			host = u.Hostname()
		}
	}
	return host, port
}
