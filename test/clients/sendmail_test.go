// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/test/corpus"
	"postern/test/postfix"
)

// runWith is run for a program that reads a mail.
func runWith(t *testing.T, input string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Env = strings.NewReader(input), append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// unix is a mail as programs of Unix read it: they end the lines themselves.
func unix(mail string) string { return strings.ReplaceAll(mail, "\r\n", "\n") }

func TestMsmtp(t *testing.T) {
	w := start(t)
	msmtp := need(t, "msmtp")
	for _, auth := range []string{"plain", "login"} {
		full, expected := handed("by msmtp " + auth)
		out := runWith(t, unix(full), []string{"POSTERN_SECRET=" + w.SecretKey}, msmtp, "--host="+host(w.SMTP), "--port="+port(w.SMTP), "--auth="+auth, "--user="+w.APIKey, "--passwordeval=echo $POSTERN_SECRET",
			"--tls=off", "--domain=client.example", "--from=a@example.com", "--logfile=-", "b@example.net", "c@example.net")
		w.history(t, uuidPattern.FindString(out))
		// msmtp takes Bcc out and adds Date and Message-ID itself.
		if err := corpus.Same([]byte(expected), w.arrived(t, "by msmtp "+auth).Raw); err != nil {
			t.Error(err)
		}
	}
}

// s-nail writes the mail itself, from a text.
func TestSNail(t *testing.T) {
	w := start(t)
	out := runWith(t, "Grüße\n.\n..dots\n", []string{"LC_ALL=C.UTF-8"}, need(t, "s-nail"), "-:/", "-v", "-v", "-S", "v15-compat", "-S", "ttycharset=utf-8", "-S", "mta=smtp://"+w.APIKey+":"+w.SecretKey+"@"+w.SMTP,
		"-S", "smtp-auth=plain", "-S", "DEAD=/dev/null", "-S", "from=a@example.com", "-S", "sendwait", "-s", "by s-nail", "b@example.net")
	w.history(t, uuidPattern.FindString(out))
	m := w.arrived(t, "by s-nail")
	if len(m.To) != 1 || m.To[0] != "b@example.net" || !bytes.Contains(m.Raw, []byte("dots")) {
		t.Errorf("%v %s", m.To, m.Raw)
	}
}

// Two senders of one Postfix are two subaccounts' here: what each sends is its own.
func TestPostfixSendsForTwoSubaccounts(t *testing.T) {
	w := start(t)
	if err := postfix.Available(); err != nil {
		missing(t, err.Error())
	}
	c := postfix.Config{Dir: filepath.Join(t.TempDir(), "postfix"), Relay: w.SMTP, User: w.APIKey, Password: w.SecretKey, BySender: map[string]postfix.Login{}}
	keys := map[string]postfix.Login{}
	for _, name := range []string{"shop", "billing"} {
		l := w.subaccount(t, name)
		w.Command(t, "sender", "add", "*@"+name+".example", "--key", name)
		c.BySender["@"+name+".example"], keys[name] = l, l
	}
	p, err := postfix.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop() //nolint:errcheck // the test is over
	for _, from := range []string{"shop@shop.example", "billing@billing.example", "a@example.com"} {
		mail := strings.Replace("From: FROM\r\nTo: b@example.net\r\nSubject: from FROM\r\n\r\nHello\r\n", "FROM", from, 2)
		file := filepath.Join(t.TempDir(), "mail.eml")
		if err := os.WriteFile(file, []byte(mail), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "", need(t, "curl"), "-sS", "--url", "smtp://"+p.Addr+"/client.example", "--mail-from", from, "--mail-rcpt", "b@example.net", "--upload-file", file)
	}
	for _, subject := range []string{"from shop@shop.example", "from billing@billing.example", "from a@example.com"} {
		w.arrived(t, subject)
	}
	keys["master"] = postfix.Login{User: w.APIKey, Password: w.SecretKey}
	for name, want := range map[string]string{"shop": "from shop@shop.example", "billing": "from billing@billing.example", "master": "from a@example.com"} {
		a, err := w.CallAs(t.Context(), keys[name].User, keys[name].Password, http.MethodGet, "/v3/REST/message?ShowSubject=1", nil)
		var list struct{ Data []struct{ Subject string } }
		if err == nil {
			err = json.Unmarshal(a.Body, &list)
		}
		if err != nil || len(list.Data) != 1 || list.Data[0].Subject != want {
			t.Errorf("%s has %v %s\n%s", name, err, a.Body, p.Log())
		}
	}
	emptied(t, p)
}

// subaccount makes a subaccount and returns its pair.
func (w *world) subaccount(t *testing.T, name string) postfix.Login {
	t.Helper()
	a, err := w.Call(t.Context(), http.MethodPost, "/v3/REST/apikey", map[string]any{"Name": name})
	var made struct {
		Data []struct{ APIKey, SecretKey string }
	}
	if err == nil {
		err = json.Unmarshal(a.Body, &made)
	}
	if err != nil || len(made.Data) != 1 {
		t.Fatalf("%v %s", err, a.Body)
	}
	return postfix.Login{User: made.Data[0].APIKey, Password: made.Data[0].SecretKey}
}
