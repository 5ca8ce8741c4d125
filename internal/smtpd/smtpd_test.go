// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/smtpd"
	"postern/internal/store"
)

func TestHandsOver(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	c.envelope()
	answer := c.data("250 2.0.0", mailOf("Hello\r\n..dot"))
	uuid := regexp.MustCompile(`[0-9a-f-]{36}\r\n$`).FindString(answer)
	if uuid == "" {
		t.Fatalf("the answer %q does not end with a UUID", answer)
	}
	got, err := w.store.Messages(t.Context(), store.OfKey(w.key.AccountID, w.key.ID), store.MessageFilter{}, store.Page{})
	if err != nil || len(got) != 1 || got[0].UUID.String() != strings.TrimSpace(uuid) {
		t.Fatalf("%+v, %v", got, err)
	}
	raw, err := w.store.Source(t.Context(), store.OfAccount(w.key.AccountID), got[0].ID)
	if err != nil || !strings.HasSuffix(string(raw), "\r\n\r\nHello\r\n.dot\r\n") || !strings.HasPrefix(string(raw), "Received: from client.example ([127.0.0.1])\r\n\tby mail.postern.example with ESMTPA;") {
		t.Errorf("kept %q, %v", raw, err)
	}
	for _, secret := range []string{w.secret, w.key.APIKey} {
		if strings.Contains(string(raw), secret) {
			t.Error("a credential is in the mail")
		}
	}
}

// Who is on the key's suppression list is accepted like everybody, and blocked at once.
func TestSuppressedRecipient(t *testing.T) {
	w := start(t, nil)
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddSuppressions(t.Context(), w.key, []store.Suppression{{Email: "b@example.net", Reason: store.SuppressedUnsub}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := w.login(t)
	c.envelope()
	c.data("250 2.0.0", mailOf("Hello"))
	got, err := w.store.Messages(t.Context(), store.OfKey(w.key.AccountID, w.key.ID), store.MessageFilter{}, store.Page{})
	if err != nil || len(got) != 1 || got[0].Status != store.StatusBlocked || got[0].StateID != int(mail.StatePreblocked) {
		t.Errorf("%+v, %v", got, err)
	}
}

// What is wrong with an address is said once, and one that is far too long is not said back whole.
func TestWhatIsNoAddress(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	c.say("MAIL FROM:<a>", "553 5.1.7 the sender <a> is not an email address: it has no @\r\n")
	c.say("MAIL FROM:<"+strings.Repeat("a", 2000)+"@example.com>",
		"553 5.1.7 the sender <"+strings.Repeat("a", 100)+"...> is not an email address: it is longer than 254 octets\r\n")
	c.say("MAIL FROM:<a@example.com>", "250")
	c.say("RCPT TO:<b@>", "553 5.1.3 the recipient <b@> is not an email address: it needs a domain name after the @\r\n")
}

func TestEHLO(t *testing.T) {
	w := start(t, nil)
	ehlo := w.dial(t).say("EHLO client.example", "250")
	for _, ext := range []string{"SIZE 26214400", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "AUTH PLAIN LOGIN"} {
		if !regexp.MustCompile(`(?m)^250[- ]` + ext).MatchString(ehlo) {
			t.Errorf("%s is not offered in\n%s", ext, ehlo)
		}
	}
	if strings.Contains(ehlo, "STARTTLS") {
		t.Error("STARTTLS is offered without a certificate")
	}
}

func TestLogins(t *testing.T) {
	w := start(t, nil)
	b := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	key, secret := w.key.APIKey, w.secret
	for name, lines := range map[string][][2]string{
		"PLAIN in one step":            {{"AUTH PLAIN " + plain(key, secret), "235"}},
		"PLAIN in two steps":           {{"AUTH PLAIN", "334"}, {plain(key, secret), "235"}},
		"plain in lower case":          {{"auth plain " + plain(key, secret), "235"}},
		"with an equal identity":       {{"AUTH PLAIN " + b(key+"\x00"+key+"\x00"+secret), "235"}},
		"with another's identity":      {{"AUTH PLAIN " + b("somebody\x00"+key+"\x00"+secret), "535 5.7.8"}},
		"LOGIN":                        {{"AUTH LOGIN", "334 VXNlcm5hbWU6"}, {b(key), "334 UGFzc3dvcmQ6"}, {b(secret), "235"}},
		"LOGIN with the user at once":  {{"AUTH LOGIN " + b(key), "334 UGFzc3dvcmQ6"}, {b(secret), "235"}},
		"a wrong secret":               {{"AUTH PLAIN " + plain(key, secret[:39]+map[bool]string{false: "0", true: "1"}[secret[39] == '0']), "535 5.7.8"}},
		"swapped":                      {{"AUTH PLAIN " + plain(secret, key), "535 5.7.8"}},
		"an unknown key":               {{"AUTH PLAIN " + plain("0123456789abcdef0123456789abcdef", secret), "535 5.7.8"}},
		"nothing":                      {{"AUTH PLAIN " + plain("", ""), "535 5.7.8"}},
		"cancelled":                    {{"AUTH LOGIN", "334"}, {"*", "501"}},
		"an unknown mechanism":         {{"AUTH CRAM-MD5", "504 5.5.4"}},
		"an unknown one and no base64": {{"AUTH XOAUTH2 abc", "504 5.5.4"}},
		"no NULs":                      {{"AUTH PLAIN " + b(key+secret), "501 5.5.2"}},
		"twice":                        {{"AUTH PLAIN " + plain(key, secret), "235"}, {"AUTH PLAIN " + plain(key, secret), "503"}},
		"no AUTH before MAIL":          {{"MAIL FROM:<a@example.com>", "530 5.7.0"}},
		"RSET keeps login, not sender": {{"AUTH PLAIN " + plain(key, secret), "235"}, {"MAIL FROM:<a@example.com>", "250"}, {"RSET", "250"}, {"RCPT TO:<b@example.net>", "50"}, {"MAIL FROM:<a@example.com>", "250"}},
		"three failures":               {{"AUTH PLAIN " + plain(key, "x"), "535"}, {"AUTH PLAIN " + plain(key, "x"), "535"}, {"AUTH PLAIN " + plain(key, "x"), "535"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.dial(t)
			c.say("EHLO client.example", "250")
			for _, l := range lines {
				c.say(l[0], l[1])
			}
			if name == "three failures" {
				c.gone()
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	w := start(t, nil)
	for name, c := range map[string]struct{ text, want string }{
		"a stranger's From":        {"From: a@example.org\r\n\r\nx\r\n.\r\n", `550 5.7.1 "a@example.org"`},
		"no From":                  {"Subject: x\r\n\r\nx\r\n.\r\n", "554 5.6.0"},
		"a template":               {"From: a@example.com\r\nX-MJ-TemplateID: 7\r\n\r\nx\r\n.\r\n", "554 5.6.0 X-MJ-TemplateID: template \"7\""},
		"a loop":                   {"From: a@example.com\r\n" + strings.Repeat("Received: x\r\n", 101) + "\r\nx\r\n.\r\n", "554 5.4.6"},
		"the same, without a loop": {"From: a@example.com\r\n" + strings.Repeat("Received: x\r\n", 100) + "\r\nx\r\n.\r\n", "250 2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := w.login(t)
			cl.envelope()
			cl.data(c.want, c.text)
			cl.say("NOOP", "250") // the session goes on
		})
	}
	cl := w.login(t)
	cl.say("MAIL FROM:<bounces@elsewhere.example>", "250")
	cl.say("RCPT TO:<b@example.net>", "250")
	cl.data("550 5.7.1 MAIL FROM:<bounces@elsewhere.example>", mailOf("x"))
	cl.say("MAIL FROM:<b@bounces.example.com>", "250")
	cl.say("RCPT TO:<b@example.net>", "250")
	cl.data("250", mailOf("x"))
	cl.say("MAIL FROM:<>", "250")
	cl.say("RCPT TO:<b@example.net>", "250")
	cl.data("250", mailOf("x"))
	cl.say("MAIL FROM:<a@example.com> SIZE=99999999", "552 5.3.4")
	cl.say("MAIL FROM:<a@example.com>", "250")
	cl.say("RCPT TO:<nobody>", "5")
	for i := range 1000 {
		cl.say(fmt.Sprintf("RCPT TO:<r%d@example.net>", i), "250")
	}
	cl.say("RCPT TO:<onemore@example.net>", "452 4.5.3")
}

// SMTP smuggling: only CRLF.CRLF ends a message, whatever it was made to look like to others.
func TestNothingIsSmuggled(t *testing.T) {
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n\x00.\r\n", "\r\r\n.\r\r\n", "\n\n.\n\n"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			w := start(t, nil)
			c := w.login(t)
			c.envelope()
			c.say("DATA", "354")
			c.send("From: a@example.com\r\n\r\nfirst" + end + "MAIL FROM:<a@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nsmuggled\r\n.\r\n")
			line, err := c.r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			// A NUL is no line end; of ".\r" at a line's start go-smtp drops both, so that nothing bare is kept.
			if bare := end != "\r\n\x00.\r\n" && end != "\r\n.\r"; bare && !strings.HasPrefix(line, "554 5.6.0") {
				t.Errorf("answer %q", line)
			}
			c.say("NOOP", "250") // and nothing in between: no command of the text was obeyed
			got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range got {
				if m.Recipient != "b@example.net" {
					t.Errorf("a message to %s was smuggled in", m.Recipient)
				}
			}
		})
	}
}

// Promise 2 at this door: a reset closes the sessions of the old secret, wherever they are.
func TestAResetEndsSessions(t *testing.T) {
	w := start(t, nil)
	idle, inMail, inData := w.login(t), w.login(t), w.login(t)
	inMail.envelope()
	inData.envelope()
	inData.say("DATA", "354")
	inData.send("From: a@example.com\r\n\r\nhalf")
	w.reset(t)
	idle.gone()
	inMail.gone()
	inData.gone()
	if n := w.count(t); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
	c := w.login(t) // with the new secret
	c.envelope()
	c.data("250", mailOf("x"))
	off := false
	if _, err := w.Keys.Change(t.Context(), operator, store.OfAccount(w.key.AccountID), store.KeyFilter{ID: w.key.ID}, keys.KeyChange{Active: &off}, 0); err != nil {
		t.Fatal(err)
	}
	c.gone()
	d := w.dial(t)
	d.say("EHLO client.example", "250")
	d.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "535 5.7.8")
}

// A chunk so long that its length and what came before it overflow an int64 is too long like any other, and not read.
func TestBDATOverflow(t *testing.T) {
	w := start(t, nil)
	for _, size := range []string{"9223372036854775807", "9223372036854775798 LAST"} {
		c := w.login(t)
		c.envelope()
		c.send("BDAT 10\r\nFrom: a@exBDAT " + size + "\r\n")
		c.expect("250 2.0.0")
		c.expect("552 5.3.4")
		c.gone()
	}
}

func TestBDAT(t *testing.T) {
	w := start(t, nil)
	c := w.login(t)
	c.envelope()
	head := "From: a@example.com\r\n\r\n"
	c.send(fmt.Sprintf("BDAT %d\r\n%s", len(head), head))
	c.expect("250")
	c.send("BDAT 7 LAST\r\n.text\r\n")
	c.expect("250 2.0.0")
	c.envelope()
	c.send(fmt.Sprintf("BDAT %d\r\n%s", len(head), head))
	c.expect("250")
	c.say("BDAT 0 LAST", "250 2.0.0")
	if n := w.count(t); n != 2 {
		t.Errorf("%d messages", n)
	}
}

func TestLimitsOfConnections(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.Limits.PerSource = 2 })
	a, _ := w.dial(t), w.dial(t)
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b := make([]byte, 100)
	n, _ := nc.Read(b)
	if !strings.HasPrefix(string(b[:n]), "421 4.7.0") {
		t.Errorf("the third connection: %q", b[:n])
	}
	a.say("QUIT", "221")
	a.gone()
	for range 100 { // its place is free as soon as the server has noticed
		if nc, err := net.Dial("tcp", w.addr); err == nil {
			n, _ := nc.Read(b)
			nc.Close()
			if strings.HasPrefix(string(b[:n]), "220") {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the place was not given back")
}

func TestALoginHasItsTime(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.Limits.Login = 50 * time.Millisecond })
	c := w.dial(t)
	c.say("EHLO client.example", "250")
	c.expect("421 4.4.2")
	c.gone()
}

func TestShutdownLetsAMessageFinish(t *testing.T) {
	w := start(t, nil)
	idle, busy := w.login(t), w.login(t)
	busy.envelope()
	busy.say("DATA", "354")
	busy.send("From: a@example.com\r\n\r\nhalf")
	for w.server.Stats().Open != 2 {
		time.Sleep(time.Millisecond)
	}
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- w.server.Shutdown(ctx)
	}()
	idle.expect("421 4.3.2")
	busy.send(" and half\r\n.\r\n")
	busy.expect("250 2.0.0")
	busy.gone()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := w.count(t); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestCommandsWithoutProgressEnd(t *testing.T) {
	w := start(t, func(c *smtpd.Config) { c.Limits.Commands = 20 })
	noops := func(c *client, limit int) {
		t.Helper()
		for i := range limit + 5 {
			c.send("NOOP\r\n")
			line, err := c.r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "421 4.7.0") {
				if i < limit-5 {
					t.Errorf("the limit of %d was %d", limit, i)
				}
				c.gone()
				return
			}
		}
		t.Errorf("more than %d commands were answered", limit)
	}
	noops(w.dial(t), 20)
	c := w.login(t)
	for range 20 { // far more than the limit, but with a message now and then
		for range 50 {
			c.say("RSET", "250")
		}
		c.envelope()
		c.data("250", mailOf("x"))
	}
	noops(c, 30*20)
}
