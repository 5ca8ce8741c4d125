// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/mxtest"
	"postern/test/program"
)

// world is a running server with a bit of everything: mail that arrived, bounced, was opened, clicked and complained
// of, senders, webhooks, people. It hands its mail to a scripted relay, and its events to a receiver.
type world struct {
	*program.Server
	*compat
	relay *mxtest.Server
	https string // address with a certificate of ca
	ca    string // file

	names map[string]string // what {names} of compat.yaml stand for

	mu     sync.Mutex
	events []json.RawMessage // bodies that webhooks posted
}

// newWorld starts the server and fills it.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{compat: readCompat(t), names: map[string]string{}}
	w.relay = mxtest.NewServer(t, mxtest.Script{OnRcpt: func(to string) string {
		switch {
		case strings.HasPrefix(to, "gone@"):
			return "550 5.1.1 user unknown"
		case strings.HasPrefix(to, "later@"):
			return "451 4.2.1 try later"
		}
		return ""
	}})
	cert := w.certificate(t)
	w.https = program.FreeAddress(t)
	w.Server = program.New(t, "", append([]string{"--route", "smtp://" + w.relay.Addr, "--webhook-private", "--https", w.https}, cert...)...)
	w.Args = append(w.Args, "--dns-server", "127.0.0.1:1", "--base-url", "http://"+w.HTTP)
	w.Command(t, "sender", "add", "*@example.com")
	w.Start(t)
	w.fill(t)
	return w
}

// certificate writes a certificate for loopback into files, and returns the settings that name them.
func (w *world) certificate(t *testing.T) []string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.TLS = mxtest.Certificate(t)
	c := srv.TLS.Certificates[0]
	key, err := pemKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w.ca = filepath.Join(dir, "cert.pem")
	keyFile := filepath.Join(dir, "key.pem")
	var chain bytes.Buffer
	for _, der := range c.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}) //nolint:errcheck // into memory
	}
	for path, text := range map[string][]byte{w.ca: chain.Bytes(), keyFile: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"--tls-cert", w.ca, "--tls-key", keyFile}
}

// answer is what came back: the envelope, or an error.
type answer struct {
	Status      int
	Body        []byte
	Count       int
	Total       int
	Data        []map[string]json.RawMessage
	ErrorInfo   string
	ErrorMesage string `json:"ErrorMessage"`
}

func (a answer) String() string { return fmt.Sprintf("%d %.400s", a.Status, a.Body) }

// call asks below /v3/REST. A path that begins with / is taken as it is.
func (w *world) call(t testing.TB, method, path string, body any) answer {
	t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/v3/REST/" + path
	}
	got, err := w.Call(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{}
	if len(got.Body) > 0 {
		if err := json.Unmarshal(got.Body, &a); err != nil {
			t.Fatalf("%s %s: %d %s: %v", method, path, got.Status, got.Body, err)
		}
	}
	a.Status, a.Body = got.Status, got.Body
	return a
}

// learn remembers a property of the first row of a path under a name, where the server has it.
func (w *world) learn(t testing.TB, name, path, property string) {
	t.Helper()
	if a := w.call(t, http.MethodGet, path, nil); a.Status == http.StatusOK && len(a.Data) > 0 {
		w.set(name, a.Data[0][property])
	}
}

func (w *world) set(name string, v json.RawMessage) {
	if s := strings.Trim(string(v), `"`); s != "" && s != "null" {
		w.names[name] = s
	}
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// named fills in the {names} of a request; ok is false when one is not known.
func (w *world) named(request string) (s string, ok bool) {
	ok = true
	s = placeholder.ReplaceAllStringFunc(request, func(m string) string {
		v, known := w.names[m[1:len(m)-1]]
		ok = ok && known
		return url.PathEscape(v)
	})
	return s, ok
}

// fill makes what there is to see.
func (w *world) fill(t *testing.T) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.events = append(w.events, b)
		w.mu.Unlock()
	}))
	t.Cleanup(receiver.Close)
	w.names["key"], w.names["email"], w.names["sender"], w.names["domain"] = w.APIKey, w.Email, "*@example.com", "example.com"
	w.names["metasender"], w.names["campaign"] = "lent@example.com", "autumn"
	for i, event := range []string{"open", "click", "bounce", "spam", "blocked", "unsub", "sent"} {
		a := w.call(t, http.MethodPost, "eventcallbackurl", map[string]any{"EventType": event, "Url": receiver.URL + "/" + event, "Version": 1 + i%2})
		if (a.Status == http.StatusCreated) == w.isPending("eventcallbackurl") {
			t.Errorf("eventcallbackurl: %s", a)
		}
	}
	a := w.call(t, http.MethodPost, "sender", map[string]any{"Email": "unproved@elsewhere.example"})
	if a.Status != http.StatusCreated {
		t.Fatalf("sender: %s", a)
	}
	w.set("unproved", a.Data[0]["ID"])
	if a := w.call(t, http.MethodPost, "metasender", map[string]any{"Email": "lent@example.com", "Description": "lent"}); a.Status == http.StatusCreated {
		w.set("metasenderID", a.Data[0]["ID"])
	}
	if a := w.call(t, http.MethodPost, "apikey", map[string]any{"Name": "Sub"}); a.Status != http.StatusCreated {
		t.Fatalf("apikey: %s", a)
	} else {
		w.set("subID", a.Data[0]["ID"])
	}
	w.send(t)
	w.engage(t)
	for _, x := range [][3]string{
		{"keyID", "apikey/" + w.APIKey, "ID"},
		{"accessID", "apikeyaccess", "ID"},
		{"userID", "user", "ID"},
		{"accountID", "myprofile", "ID"},
		{"senderID", "sender?Email=*@example.com", "ID"},
		{"dnsID", "dns", "ID"},
		{"campaignID", "campaign", "ID"},
		{"callbackID", "eventcallbackurl?EventType=6", "ID"},
	} {
		w.learn(t, x[0], x[1], x[2])
	}
}

// told are the events that webhooks posted, of version 1 and 2 alike: waits until each type that compat.yaml knows was
// told, or some seconds are over.
func (w *world) told(t *testing.T) []map[string]json.RawMessage {
	t.Helper()
	var out []map[string]json.RawMessage
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		out = nil
		types := map[string]bool{}
		w.mu.Lock()
		bodies := append([]json.RawMessage(nil), w.events...)
		w.mu.Unlock()
		for _, b := range bodies {
			var list []map[string]json.RawMessage
			if err := json.Unmarshal(b, &list); err != nil {
				list = make([]map[string]json.RawMessage, 1)
				if err := json.Unmarshal(b, &list[0]); err != nil {
					t.Fatalf("a webhook posted %s: %v", b, err)
				}
			}
			for _, e := range list {
				types[string(e["event"])] = true
			}
			out = append(out, list...)
		}
		if len(types) == len(w.Events)-1 {
			break
		}
	}
	return out
}

// complain reports a recipient's complaint, as a feedback loop would.
func (w *world) complain(t *testing.T) {
	t.Helper()
	for _, m := range w.relay.Mails() {
		if m.To[0] != "spam@example.net" {
			continue
		}
		report := "From: fbl@provider.example\r\nTo: abuse@example.com\r\nSubject: complaint\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: Provider/1\r\nVersion: 1\r\nOriginal-Rcpt-To: spam@example.net\r\n" +
			"--b\r\nContent-Type: message/rfc822\r\n\r\n" + string(m.Data) + "\r\n--b--\r\n"
		file := filepath.Join(t.TempDir(), "report.eml")
		if err := os.WriteFile(file, []byte(report), 0o600); err != nil {
			t.Fatal(err)
		}
		w.Command(t, "complaint", file)
		return
	}
	t.Fatal("the mail to complain of has not arrived")
}
