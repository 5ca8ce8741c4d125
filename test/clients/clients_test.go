// SPDX-License-Identifier: Apache-2.0

// Package clients_test sends through a freshly started server with the real clients that people use, each from its
// own package: Mailjet's Go SDK, Django's anymail, Python's smtplib, Ruby's and Perl's Net::SMTP, Email::Sender, JavaMail,
// PHPMailer, nodemailer, swaks, curl, msmtp, s-nail and git send-email, and Postfix, Exim and OpenSMTPD as relaying
// clients. Each mail arrives at a real SMTP server with the same content: text and attachments out of their transfer
// encodings, and all fields but those that a submission server adds.
package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	mailjet "github.com/mailjet/mailjet-apiv3-go/v4"

	"postern/test/corpus"
	"postern/test/postfix"
	"postern/test/program"
	"postern/test/sink"
)

// world is a server that relays to a sink.
type world struct {
	*program.Server
	sink *sink.Sink
}

func start(t *testing.T) *world {
	t.Helper()
	out := sink.Start(t, true)
	s := program.New(t, "", "--route", "smtp://"+out.Addr)
	s.Command(t, "sender", "add", "*@example.com")
	s.Start(t)
	return &world{s, out}
}

// need finds a program, or skips; in CI a missing one fails, since `make test` installs it.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed")
	}
	return path
}

func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// run runs a client and returns what it printed.
func run(t *testing.T, dir string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// arrived waits for the mail with a subject at the sink.
func (w *world) arrived(t *testing.T, subject string) sink.Mail {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		for _, m := range w.sink.Mails() {
			if bytes.Contains(m.Raw, []byte("Subject: "+subject+"\r\n")) {
				return m
			}
		}
		select {
		case <-w.sink.Got():
		case <-time.After(200 * time.Millisecond):
		case <-deadline.C:
			t.Fatalf("%q did not arrive\n%s", subject, w.Tail())
		}
	}
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// history finds a message by its ID or UUID over the API and waits until its history says that it was sent.
func (w *world) history(t *testing.T, id string) {
	t.Helper()
	var list struct{ Data []struct{ ID int64 } }
	w.read(t, "/v3/REST/message/"+id, &list)
	if len(list.Data) != 1 {
		t.Fatalf("message %s is not found", id)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		var h struct {
			Data []struct{ EventType, Comment string }
		}
		w.read(t, fmt.Sprintf("/v3/REST/messagehistory/%d", list.Data[0].ID), &h)
		if len(h.Data) == 1 && h.Data[0].EventType == "sent" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("history of %s: %+v", id, h.Data)
		}
		time.Sleep(20 * time.Millisecond) // it has arrived; its record follows
	}
}

func (w *world) read(t *testing.T, path string, into any) {
	t.Helper()
	a, err := w.Call(t.Context(), http.MethodGet, path, nil)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("GET %s: %v %d %s", path, err, a.Status, a.Body)
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatal(err)
	}
}

// handed is a mail with what is easily broken on the way: 8-bit text, lines of dots, trailing blanks, folded headers,
// control headers and Bcc (which are taken out).
func handed(subject string) (full, expected string) {
	head := "From: =?utf-8?q?J=C3=BCrgen?= <a@example.com>\r\nTo: b@example.net,\r\n c@example.net\r\nSubject: " + subject + "\r\nX-Folded: one\r\n\ttwo  three\r\n"
	taken := "X-MJ-CustomID: order-7\r\nX-Mailjet-Campaign: autumn\r\nBcc: secret@example.net\r\n"
	rest := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u00fc\u00dfe  \r\n.\r\n..\r\n.dots\r\n\r\n\tend \r\n"
	return head + taken + rest, head + rest
}

func TestGoSDK(t *testing.T) {
	w := start(t)
	c := mailjet.NewMailjetClient(w.APIKey, w.SecretKey, "http://"+w.HTTP+"/v3")
	res, err := c.SendMailV31(&mailjet.MessagesV31{Info: []mailjet.InfoMessagesV31{{
		From: &mailjet.RecipientV31{Email: "a@example.com", Name: "A"}, To: &mailjet.RecipientsV31{{Email: "b@example.net", Name: "B"}},
		Subject: "by the Go SDK", TextPart: "Hello", HTMLPart: "<p>Hello</p>", CustomID: "sdk-1",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	to := res.ResultsV31[0].To[0]
	w.history(t, fmt.Sprint(to.MessageID))
	w.history(t, to.MessageUUID)
	m := w.arrived(t, "by the Go SDK")
	if m.From == "" || len(m.To) != 1 || m.To[0] != "b@example.net" || !bytes.Contains(m.Raw, []byte("<p>Hello</p>")) {
		t.Errorf("arrived: %+v %s", m, m.Raw)
	}
	if !bytes.Contains(m.Raw, []byte("DKIM-Signature:")) {
		t.Error("the mail is not signed")
	}
}

func TestCurl(t *testing.T) {
	w := start(t)
	curl := need(t, "curl")
	t.Run("http", func(t *testing.T) {
		out := run(t, "", curl, "-sS", "--fail-with-body", "-u", w.APIKey+":"+w.SecretKey, "http://"+w.HTTP+"/v3.1/send", "-H", "Content-Type: application/json",
			"-d", `{"Messages":[{"From":{"Email":"a@example.com"},"To":[{"Email":"b@example.net"}],"Subject":"by curl","TextPart":"Hello"}]}`)
		w.history(t, uuidPattern.FindString(out))
		w.arrived(t, "by curl")
	})
	t.Run("smtp", func(t *testing.T) {
		full, expected := handed("by curl smtp")
		file := filepath.Join(t.TempDir(), "mail.eml")
		if err := os.WriteFile(file, []byte(full), 0o600); err != nil {
			t.Fatal(err)
		}
		out := run(t, "", curl, "-sSv", "--url", "smtp://"+w.SMTP+"/client.example", "--mail-from", "a@example.com", "--mail-rcpt", "b@example.net", "--mail-rcpt", "c@example.net", "-u", w.APIKey+":"+w.SecretKey, "--upload-file", file)
		w.history(t, uuidPattern.FindString(out))
		m := w.arrived(t, "by curl smtp")
		if err := corpus.Same([]byte(expected), m.Raw); err != nil {
			t.Error(err)
		}
		if len(m.To) != 2 {
			t.Errorf("one transaction for both recipients: %v", m.To)
		}
	})
}

func TestSwaks(t *testing.T) {
	w := start(t)
	swaks := need(t, "swaks")
	for _, auth := range []string{"PLAIN", "LOGIN"} {
		full, expected := handed("by swaks " + auth)
		out := run(t, "", swaks, "--server", host(w.SMTP), "--port", port(w.SMTP), "--auth", auth, "--auth-user", w.APIKey, "--auth-password", w.SecretKey,
			"--from", "a@example.com", "--to", "b@example.net", "--data", strings.TrimSuffix(strings.ReplaceAll(full, "\r\n", "\n"), "\n")) // swaks ends the text itself
		w.history(t, uuidPattern.FindString(out))
		m := w.arrived(t, "by swaks "+auth)
		if err := corpus.Same([]byte(expected), m.Raw); err != nil {
			t.Error(err)
		}
	}
}

func host(addr string) string { h, _, _ := net.SplitHostPort(addr); return h }
func port(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }

const python = `
import smtplib, sys
host, port, user, password, path = sys.argv[1:]
with smtplib.SMTP(host, int(port)) as s:
    s.login(user, password)
    s.mail("a@example.com")
    s.rcpt("b@example.net")
    print(s.data(open(path, "rb").read()))
`

func TestPythonSmtplib(t *testing.T) {
	w := start(t)
	full, expected := handed("by smtplib")
	file := filepath.Join(t.TempDir(), "mail.eml")
	if err := os.WriteFile(file, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, "", need(t, "python3"), "-c", python, host(w.SMTP), port(w.SMTP), w.APIKey, w.SecretKey, file)
	w.history(t, uuidPattern.FindString(out))
	if err := corpus.Same([]byte(expected), w.arrived(t, "by smtplib").Raw); err != nil {
		t.Error(err)
	}
}

const node = `
const nodemailer = require("nodemailer");
const [host, port, user, pass] = process.argv.slice(1);
const t = nodemailer.createTransport({ host, port: Number(port), auth: { user, pass } });
t.sendMail({
  from: '"J\u00fcrgen" <a@example.com>', to: "b@example.net", bcc: "c@example.net", subject: "by nodemailer",
  text: "Hello", html: "<p>Hello <img src='cid:x'></p>", attachments: [{ filename: "a.txt", content: "attached" }, { filename: "x.png", content: "x", cid: "x" }],
}).then((i) => console.log(i.response), (e) => { console.error(e); process.exit(1); });
`

func TestNodemailer(t *testing.T) {
	w := start(t)
	nodejs := need(t, "node")
	if _, err := os.Stat("node/node_modules/nodemailer"); err != nil {
		missing(t, "nodemailer is not installed: run make test")
	}
	dir, err := filepath.Abs("node")
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, dir, nodejs, "-e", node, host(w.SMTP), port(w.SMTP), w.APIKey, w.SecretKey)
	w.history(t, uuidPattern.FindString(out))
	m := w.arrived(t, "by nodemailer")
	if len(m.To) != 2 || bytes.Contains(m.Raw, []byte("c@example.net")) {
		t.Errorf("to %v; the blind copy must not be seen in:\n%s", m.To, m.Raw)
	}
}

// Postfix takes mail from its own clients and relays it with SASL, as on a machine that sends through Postern.
func TestPostfixRelays(t *testing.T) {
	w := start(t)
	if err := postfix.Available(); err != nil {
		missing(t, err.Error())
	}
	p, err := postfix.Start(t.Context(), postfix.Config{Dir: filepath.Join(t.TempDir(), "postfix"), Relay: w.SMTP, User: w.APIKey, Password: w.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop() //nolint:errcheck // the test is over
	full, expected := handed("by postfix")
	file := filepath.Join(t.TempDir(), "mail.eml")
	if err := os.WriteFile(file, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", need(t, "curl"), "-sS", "--url", "smtp://"+p.Addr+"/client.example", "--mail-from", "a@example.com", "--mail-rcpt", "b@example.net", "--mail-rcpt", "c@example.net", "--upload-file", file)
	m := w.arrived(t, "by postfix")
	if err := corpus.Same([]byte(expected), m.Raw); err != nil {
		t.Errorf("%v\n%s", err, p.Log())
	}
	emptied(t, p)
	ids := uuidPattern.FindAllString(p.Log(), -1)
	if len(ids) == 0 {
		t.Fatalf("Postfix's log does not have the UUID:\n%s", p.Log())
	}
	w.history(t, ids[len(ids)-1])
}

// emptied waits until nothing stays with Postfix: it has then logged what became of its mail.
func emptied(t *testing.T, p *postfix.Instance) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		n, err := p.Queued()
		if n == 0 && err == nil && strings.Contains(p.Log(), ": removed") {
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d mails stay with Postfix, %v\n%s", n, err, p.Log())
		}
		time.Sleep(20 * time.Millisecond) // its mail has arrived; its log follows
	}
}
