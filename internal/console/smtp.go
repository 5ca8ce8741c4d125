// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/template"

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

func (c *console) smtpBody(v *visit, k store.Key) (smtpBody, error) {
	b := smtpBody{Key: c.keyRow(v, k), API: c.BaseURL, From: exampleSender, To: "someone@example.org", Security: "none: this machine only"}
	b.Host, b.Port = c.reachable(c.SMTPAddr)
	if c.SMTPTLS {
		b.Security = "STARTTLS"
	}
	if c.SMTPSAddr != "" {
		_, b.TLSPort = c.reachable(c.SMTPSAddr)
	}
	if list, _, err := c.Store.FindSenders(v.r.Context(), v.scope, store.SenderFilter{KeyID: k.ID}, store.Page{Limit: 1}); err != nil {
		return b, err
	} else if len(list) == 1 {
		b.From = addressOf(list[0])
	}
	var err error
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

func (b smtpBody) snippets(startTLS bool) ([]snippet, error) {
	values := struct {
		smtpBody
		APIKey   string
		HostPort string
		StartTLS bool
	}{b, b.Key.APIKey, net.JoinHostPort(b.Host, b.Port), startTLS}
	var out []snippet
	for _, s := range []snippet{
		{"curl-api", "curl, HTTP API", curlAPI},
		{"curl-smtp", "curl, SMTP", curlSMTP},
		{"swaks", "swaks", swaks},
		{"python", "Python", python},
		{"go", "Go", golang},
		{"node", "nodemailer", nodemailer},
	} {
		t, err := template.New(s.ID).Parse(s.Text)
		if err != nil {
			return nil, err
		}
		var text bytes.Buffer
		if err := t.Execute(&text, values); err != nil {
			return nil, err
		}
		out = append(out, snippet{s.ID, s.Name, text.String()})
	}
	return out, nil
}

// The snippets. Addresses in them are of plain characters (addressOf) or constants; they are escaped as HTML where they
// are shown.
const (
	curlAPI = `export POSTERN_SECRET_KEY='your secret key'

curl --user "{{.APIKey}}:$POSTERN_SECRET_KEY" \
  {{.API}}/v3.1/send \
  --json '{"Messages": [{
    "From": {"Email": "{{.From}}"},
    "To": [{"Email": "{{.To}}"}],
    "Subject": "Hello",
    "TextPart": "It works."
  }]}'`

	curlSMTP = `export POSTERN_SECRET_KEY='your secret key'

curl{{if .StartTLS}} --ssl-reqd{{end}} smtp://{{.HostPort}} \
  --user "{{.APIKey}}:$POSTERN_SECRET_KEY" \
  --mail-from {{.From}} \
  --mail-rcpt {{.To}} \
  --crlf --upload-file - <<'END'
From: {{.From}}
To: {{.To}}
Subject: Hello

It works.
END`

	swaks = `export POSTERN_SECRET_KEY='your secret key'

swaks --server {{.HostPort}}{{if .StartTLS}} --tls{{end}} \
  --auth PLAIN \
  --auth-user {{.APIKey}} \
  --auth-password "$POSTERN_SECRET_KEY" \
  --from {{.From}} \
  --to {{.To}} \
  --header 'Subject: Hello' \
  --body 'It works.'`

	python = `import os
import smtplib
from email.message import EmailMessage

mail = EmailMessage()
mail["From"] = "{{.From}}"
mail["To"] = "{{.To}}"
mail["Subject"] = "Hello"
mail.set_content("It works.")

with smtplib.SMTP("{{.Host}}", {{.Port}}) as smtp:{{if .StartTLS}}
    smtp.starttls(){{end}}
    smtp.login("{{.APIKey}}", os.environ["POSTERN_SECRET_KEY"])
    smtp.send_message(mail)`

	golang = `package main

import (
	"log"
	"net/smtp"
	"os"
)

func main() {
	auth := smtp.PlainAuth("", "{{.APIKey}}",
		os.Getenv("POSTERN_SECRET_KEY"), "{{.Host}}")
	mail := []byte("From: {{.From}}\r\n" +
		"To: {{.To}}\r\n" +
		"Subject: Hello\r\n\r\n" +
		"It works.\r\n")
	err := smtp.SendMail("{{.HostPort}}", auth,
		"{{.From}}", []string{"{{.To}}"}, mail)
	if err != nil {
		log.Fatal(err)
	}
}`

	nodemailer = `import nodemailer from "nodemailer";

const transport = nodemailer.createTransport({
  host: "{{.Host}}",
  port: {{.Port}},{{if .StartTLS}}
  requireTLS: true,{{end}}
  auth: {
    user: "{{.APIKey}}",
    pass: process.env.POSTERN_SECRET_KEY,
  },
});

await transport.sendMail({
  from: "{{.From}}",
  to: "{{.To}}",
  subject: "Hello",
  text: "It works.",
});`
)
