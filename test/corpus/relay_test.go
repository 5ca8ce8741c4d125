// SPDX-License-Identifier: Apache-2.0

package corpus_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-msgauth/dkim"

	"postern/test/corpus"
	"postern/test/postfix"
	"postern/test/program"
	"postern/test/sink"
)

// Each mail is handed to the real program for two recipients. It signs the mail and relays it to a real Postfix, which
// relays it to a server with 8BITMIME (example.net), and to one without (7bit.example), for which it has to encode what
// is not 7bit. Both get it with a signature that is valid, and with the same content; mails that are sealed arrive byte
// for byte. Postern refuses, in words, those that are said to be refused, and no other.
func TestSignedMailArrivesBehindPostfix(t *testing.T) {
	if err := postfix.Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	out := sink.Start(t, true)
	relay, err := postfix.Start(t.Context(), postfix.Config{
		Dir: filepath.Join(t.TempDir(), "postfix"), Relay: out.Addr,
		// A relay mends no headers. Its own limits are not what is tried here.
		Main: []string{
			"local_header_rewrite_clients =", "smtputf8_enable = yes", "notify_classes =", "bounce_queue_lifetime = 0",
			"maximal_queue_lifetime = 0",
			"transport_maps = inline:{ {7bit.example = smtp7:[" + host(out.Addr) + "]:" + port(out.Addr) + "} }",
		},
		Master: []string{"smtp7 unix - - n - - smtp -o smtp_discard_ehlo_keywords=8bitmime,smtputf8"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Stop() //nolint:errcheck // the test is over
	s := program.New(t, "", "--route", "smtp://"+relay.Addr)
	s.Command(t, "sender", "add", "*@example.com")
	s.Start(t)
	c := &courier{t: t, s: s, sink: out, relay: relay, mails: corpus.All()}
	c.record, c.key = published(t, s)
	c.handOver()
	c.collect()
	for i := range c.mails {
		c.check(i)
	}
	t.Logf("%d mails were taken and arrived, %d were refused", len(c.taken), len(c.mails)-len(c.taken))
}

func host(addr string) string { h, _, _ := net.SplitHostPort(addr); return h }
func port(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }

// published is the DNS record of the key that Postern signs with.
func published(t *testing.T, s *program.Server) (name, value string) {
	t.Helper()
	a, err := s.Call(t.Context(), http.MethodGet, "/v3/REST/dns/example.com", nil)
	var got struct {
		Data []struct{ DKIMRecordName, DKIMRecordValue string }
	}
	if err != nil || json.Unmarshal(a.Body, &got) != nil || len(got.Data) != 1 || got.Data[0].DKIMRecordValue == "" {
		t.Fatalf("the record to publish: %v %s", err, a.Body)
	}
	return strings.TrimSuffix(got.Data[0].DKIMRecordName, "."), got.Data[0].DKIMRecordValue
}

type courier struct {
	t           *testing.T
	s           *program.Server
	sink        *sink.Sink
	relay       *postfix.Instance
	mails       []corpus.Mail
	record, key string // what the DNS says

	mu      sync.Mutex
	taken   map[int]bool
	refused map[int]string            // by its words
	arrived map[string]map[int][]byte // by domain
}

// handOver sends all mails, over several sessions.
func (c *courier) handOver() {
	c.taken, c.refused = map[int]bool{}, map[int]string{}
	work := make(chan int)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			var conn *textproto.Conn
			for i := range work {
				if conn == nil {
					conn = c.login()
				}
				err := c.send(conn, i)
				var reply *textproto.Error
				c.mu.Lock()
				switch {
				case err == nil:
					c.taken[i] = true
				case errors.As(err, &reply):
					c.refused[i] = reply.Error()
				default:
					c.t.Errorf("%s: no answer: %v", c.mails[i].Name, err)
				}
				c.mu.Unlock()
				if err != nil { // it may close after a refusal
					conn.Close() //nolint:errcheck,gosec // over
					conn = nil
				}
			}
			if conn != nil {
				conn.Close() //nolint:errcheck,gosec // over
			}
		})
	}
	for i := range c.mails {
		work <- i
	}
	close(work)
	clients.Wait()
}

func (c *courier) login() *textproto.Conn {
	nc, err := net.DialTimeout("tcp", c.s.SMTP, 10*time.Second)
	if err != nil {
		c.t.Error(err)
		return textproto.NewConn(struct{ net.Conn }{})
	}
	conn := textproto.NewConn(nc)
	auth := base64.StdEncoding.EncodeToString([]byte("\x00" + c.s.APIKey + "\x00" + c.s.SecretKey))
	if err := errors.Join(expect(conn, 220), command(conn, 250, "EHLO client.example"), command(conn, 235,
		"AUTH PLAIN "+auth)); err != nil {
		c.t.Error(err)
	}
	return conn
}

func expect(c *textproto.Conn, code int) error {
	_, _, err := c.ReadResponse(code)
	return err
}

func command(c *textproto.Conn, code int, line string) error {
	if err := c.PrintfLine("%s", line); err != nil {
		return err
	}
	return expect(c, code)
}

func (c *courier) send(conn *textproto.Conn, i int) error {
	m := c.mails[i]
	params := ""
	if m.EightBit() {
		params += " BODY=8BITMIME"
	}
	if head, _, _ := bytes.Cut(m.Raw, []byte("\r\n\r\n")); m.EightBitHeader() && utf8.Valid(head) {
		params += " SMTPUTF8"
	}
	for _, step := range []struct {
		code int
		line string
	}{{250, "MAIL FROM:<" + corpus.From + ">" + params}, {250, fmt.Sprintf("RCPT TO:<m%d@example.net>", i)}, {
		250,
		fmt.Sprintf("RCPT TO:<m%d@7bit.example>", i),
	}, {354, "DATA"}} {
		if err := command(conn, step.code, step.line); err != nil {
			return err
		}
	}
	body := bytes.ReplaceAll(append([]byte("\r\n"), m.Raw...), []byte("\r\n."), []byte("\r\n.."))[2:]
	if !bytes.HasSuffix(body, []byte("\r\n")) {
		body = append(body, "\r\n"...)
	}
	conn.W.Write(append(body, ".\r\n"...)) //nolint:errcheck,gosec // a server may close at what it refuses; its answer says
	conn.W.Flush()                         //nolint:errcheck,gosec // likewise
	return expect(conn, 250)
}

// collect waits until every mail that was taken has arrived twice, or nothing stays on the way.
func (c *courier) collect() {
	c.arrived = map[string]map[int][]byte{"example.net": {}, "7bit.example": {}}
	deadline := time.Now().Add(3 * time.Minute)
	for seen := 0; time.Now().Before(deadline); {
		mails := c.sink.Mails()
		for _, m := range mails[seen:] {
			for _, to := range m.To {
				local, domain, _ := strings.Cut(to, "@")
				if n, err := strconv.Atoi(strings.TrimPrefix(local, "m")); err == nil && c.arrived[domain] != nil {
					c.arrived[domain][n] = m.Raw
				}
			}
		}
		seen = len(mails)
		if len(c.arrived["example.net"]) == len(c.taken) && len(c.arrived["7bit.example"]) == len(c.taken) {
			return
		}
		select {
		case <-c.sink.Got():
		case <-time.After(time.Second):
			if n, err := c.relay.Queued(); n == 0 && err == nil && strings.Contains(string(c.s.Command(c.t, "queue", "--json")),
				`"Queued":0`) {
				return
			}
		}
	}
}

func (c *courier) check(i int) {
	m := c.mails[i]
	switch {
	case m.Refused != "" && c.taken[i]:
		c.t.Errorf("%s was taken, and is to be refused: %s", m.Name, m.Refused)
		return
	case m.Refused != "":
		if !strings.HasPrefix(c.refused[i], "55") {
			c.t.Errorf("%s was refused by %q", m.Name, c.refused[i])
		}
		return
	case !c.taken[i]:
		c.t.Errorf("%s was refused: %s", m.Name, c.refused[i])
		return
	}
	for _, domain := range slices.Sorted(maps.Keys(c.arrived)) {
		got, ok := c.arrived[domain][i]
		if !ok {
			c.t.Errorf("%s did not arrive at %s\n%s", m.Name, domain, grep(c.relay.Log(), fmt.Sprintf("m%d@%s", i, domain)))
			continue
		}
		if err := c.verify(got); err != nil {
			c.t.Errorf("%s at %s: %v\n%.1500q", m.Name, domain, err, got)
		}
		if err := corpus.Same(m.Raw, got); err != nil {
			c.t.Errorf("%s at %s: %v", m.Name, domain, err)
		}
		if m.Sealed && corpus.Body(m.Raw) != corpus.Body(got) {
			c.t.Errorf("%s at %s is not what it was, byte for byte", m.Name, domain)
		}
	}
}

// verify looks for a valid signature of Postern's.
func (c *courier) verify(raw []byte) error {
	list, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if name == c.record {
			return []string{c.key}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}})
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.Domain == "example.com" {
			return v.Err
		}
	}
	return errors.New("it is not signed")
}

func grep(log, word string) string {
	out := ""
	for line := range strings.Lines(log) {
		if strings.Contains(line, word) {
			out += line
		}
	}
	return out
}
