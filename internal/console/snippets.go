// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"net"
	"text/template"
)

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
		{"postfix", "Postfix", postfix},
		{"msmtp", "msmtp", msmtp},
		{"node", "nodemailer", nodemailer},
		{"python", "Python", python},
		{"go", "Go", golang},
		{"php", "PHP", php},
		{"swaks", "swaks", swaks},
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

	// Postfix keeps the secret in a file of root's, since it has no environment to read it from. texthash works on every
	// system, whichever databases its Postfix was built with.
	postfix = `# As root. Postfix hands all its mail over, with this key.
postconf -e 'relayhost = [{{.Host}}]:{{.Port}}' \
  'smtp_sasl_auth_enable = yes' \
  'smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd' \
  'smtp_sasl_security_options = noanonymous' \
  'smtp_tls_security_level = {{if .StartTLS}}encrypt{{else}}may{{end}}'

read -rsp 'Secret key: ' POSTERN_SECRET_KEY
umask 077
echo "[{{.Host}}]:{{.Port}} {{.APIKey}}:$POSTERN_SECRET_KEY" > /etc/postfix/sasl_passwd
systemctl reload postfix`

	msmtp = `cat > msmtprc <<'END'
defaults
auth           plain
{{if .StartTLS}}tls            on
tls_starttls   on{{else}}tls            off{{end}}

account        postern
host           {{.Host}}
port           {{.Port}}
from           {{.From}}
user           {{.APIKey}}
passwordeval   printenv POSTERN_SECRET_KEY

account default: postern
END
chmod 600 msmtprc
export POSTERN_SECRET_KEY='your secret key'

msmtp --file=msmtprc {{.To}} <<'END'
From: {{.From}}
To: {{.To}}
Subject: Hello

It works.
END`

	php = `<?php
// composer require phpmailer/phpmailer
require "vendor/autoload.php";

$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = "{{.Host}}";
$mail->Port = {{.Port}};
$mail->SMTPAuth = true;{{if .StartTLS}}
$mail->SMTPSecure = "tls";{{else}}
$mail->SMTPAutoTLS = false;{{end}}
$mail->Username = "{{.APIKey}}";
$mail->Password = getenv("POSTERN_SECRET_KEY");
$mail->setFrom("{{.From}}");
$mail->addAddress("{{.To}}");
$mail->Subject = "Hello";
$mail->Body = "It works.";
$mail->send();`
)
