// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"postern/internal/budget"
	"postern/internal/smtpd"
	"postern/internal/store"
)

// follow reads a conversation from outside: said is what the client sent without waiting, and replies what it got. It
// says which bytes were commands, text and responses by RFC 5321, 3030 and 4954 alone, and finds a reply for each command
// and no other. It returns how many mails were accepted.
func follow(said []byte, replies []string) (accepted int, err error) {
	next := func() (code string, ok bool) {
		if len(replies) == 0 {
			return "", false
		}
		code, replies = replies[0], replies[1:]
		accepted += strings.Count(code, "queued as")
		return code[:3], true
	}
	line := func() (string, bool) {
		l, rest, ok := bytes.Cut(said, []byte("\n"))
		said = rest
		return string(l), ok
	}
	if _, ok := next(); !ok {
		return 0, errors.New("no greeting")
	}
	failures := 0 // of AUTH: the third ends the connection (RFC 4954 §4)
	for failures < 3 {
		l, ok := line()
		if !ok {
			break
		}
		code, ok := next()
		if !ok {
			return accepted, fmt.Errorf("%q has no reply", l)
		}
		if code == "535" || code == "454" {
			failures++
		}
		words := strings.Fields(strings.ToUpper(l) + " ")
		switch {
		case code == "221" || code == "421", !strings.HasSuffix(l, "\r"):
			return accepted, leftOver(replies)
		case code == "334":
			for code == "334" {
				if l, ok = line(); !ok {
					return accepted, leftOver(replies)
				}
				if code, ok = next(); !ok {
					return accepted, fmt.Errorf("the response %q has no reply", l)
				}
				if !strings.HasSuffix(l, "\r") {
					return accepted, leftOver(replies)
				}
				if code == "535" || code == "454" {
					failures++
				}
			}
		case code == "354":
			i := bytes.Index(append([]byte("\r\n"), said...), []byte("\r\n.\r\n"))
			if i < 0 { // it broke inside
				if len(replies) > 2 {
					return accepted, fmt.Errorf("inside a mail: %q", replies)
				}
				return accepted, nil
			}
			said = said[i+3:]
			if _, ok = next(); !ok {
				return accepted, errors.New("a mail has no reply")
			}
		case strings.HasPrefix(strings.ToUpper(l), "BDAT") && (code == "501" || code[0] != '5'), strings.HasPrefix(strings.ToUpper(l), "BDAT ") && code != "500":
			n, err := int64(-1), error(nil)
			if len(words) > 1 {
				n, err = strconv.ParseInt(words[1], 10, 64)
			}
			if code == "501" || err != nil || n < 0 || n > int64(len(said)) {
				return accepted, leftOver(replies) // where the chunk ends nobody knows
			}
			said = said[n:]
		}
	}
	return accepted, leftOver(replies)
}

func leftOver(replies []string) error {
	if len(replies) > 1 || len(replies) == 1 && !strings.HasPrefix(replies[0], "421") {
		return fmt.Errorf("replies to nothing: %q", replies)
	}
	return nil
}

var reply = regexp.MustCompile(`(?:[0-9]{3}-[^\n]*\r\n)*[0-9]{3} [^\n]*\r\n`)

// FuzzConversation lets a client say anything to the whole server. LOGIN in its words becomes a right login. Whatever is
// said: each command has one reply and each mail one, with an enhanced code; no byte of a mail is read as a command; as
// many mails are kept as were accepted, and none without a login; memory stays in proportion, and is given back.
func FuzzConversation(f *testing.F) {
	for _, s := range []string{
		"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nx\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<a@example.com> SIZE=10\r\nRCPT TO:<b@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nx\r\n.\r\nRSET\r\nQUIT\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 5\r\nFrom:BDAT 18 LAST\r\n a@example.com\r\n\r\nQUIT\r\n",
		"HELO x\r\nAUTH LOGIN\r\n*\r\nAUTH PLAIN =\r\nAUTH PLAIN !\r\nVRFY x\r\nNOOP\r\nHELP\r\n\r\n\x00\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\n.\r\nRCPT TO:<c@example.net>\r\n.\r\nNOOP\r\n",
		"EHLO \xff\r\nMAIL FROM:<\"a b\"@x> BODY=BINARYMIME\r\nRCPT TO:<@a,@b:c@d>\r\nSTARTTLS\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<a@example.com> RET=FULL ENVID=x\r\nRCPT TO:<b@example.net> NOTIFY=NEVER ORCPT=rfc822;x\r\nMAIL FROM:<a@example.com>\r\nBDAT 3\r\nx\n\nBDAT 6\r\nQUIT\r\nBDAT x\r\nNOOP\r\n",
		"EHLO x\r\nLOGIN\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\nB\r\n.\r\r\n.\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<c@example.net>\r\nDATA\r\nFrom: a@example.com\r\n\r\n..\r\n.\r\n",
		strings.Repeat("A", 70000) + "\r\nNOOP\r\n",
		"NOOP\nNOOP\r\n",
	} {
		f.Add([]byte(s))
	}
	memory := budget.New(1<<20, time.Millisecond)
	w := start(f, func(c *smtpd.Config) { c.Budget = memory; c.Limits.Commands = 1 << 20 })
	p := w.pipes(f)
	login := []byte("AUTH PLAIN " + plain(w.key.APIKey, w.secret))
	f.Fuzz(func(t *testing.T, said []byte) {
		known := bytes.Contains(said, []byte("LOGIN"))
		said = bytes.ReplaceAll(said, []byte("LOGIN"), login)
		before := w.submissions()
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		c := p.dial(t)
		go func() {
			c.Write(said)
			c.Conn.(duplex).CloseWrite()
		}()
		got, err := c.converse()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("no end within 10 s after %q", said)
		}
		runtime.ReadMemStats(&is)
		if took, most := is.TotalAlloc-was.TotalAlloc, uint64(8<<20+400*len(said)); took > most {
			t.Fatalf("%d bytes of memory for %d said: %q", took, len(said), said)
		}
		replies := reply.FindAllString(got, -1)
		if strings.Join(replies, "") != got {
			t.Fatalf("%q are no replies, to %q", got, said)
		}
		for l := range strings.Lines(got) {
			if !enhanced(l) {
				t.Fatalf("%q has no enhanced code, to %q", l, said)
			}
		}
		accepted, err := follow(said, replies)
		if err != nil {
			t.Fatalf("%v\nsaid: %q\nreplies: %q", err, said, replies)
		}
		kept := w.submissions() - before
		if kept != accepted || !known && kept != 0 {
			t.Fatalf("%d mails were accepted and %d kept: %q", accepted, kept, said)
		}
		until(t, "the memory is given back", func() bool { return memory.Stats().Used == 0 })
	})
}

// converse reads replies until the connection ends.
func (c *client) converse() (string, error) {
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(c.Conn)
	return string(b), err
}

// FuzzClient: what go-smtp's client sends arrives as it is, by DATA and in chunks of any size.
func FuzzClient(f *testing.F) {
	for _, s := range []string{"x", ".", "..\n.\n", "a\n\n\n", "\n", strings.Repeat("line\n", 5000), "QUIT\r\n.\r\n"} {
		f.Add(s, 7)
		f.Add(s, 100_000)
	}
	w := start(f, func(c *smtpd.Config) { c.Limits.Commands = 1 << 20 })
	p := w.pipes(f)
	number := 0
	f.Fuzz(func(t *testing.T, body string, size int) {
		body = plainText(body)
		number++
		name := fmt.Sprintf("%d-%d", os.Getpid(), number)
		head := "From: a@example.com\r\nMessage-ID: <" + name + "@example.com>\r\nDate: Tue, 01 Dec 2026 10:00:00 +0000\r\nSubject: " + name + "\r\n\r\n"
		c := p.dial(t)
		theirs := smtp.NewClient(c.Conn)
		if err := theirs.Hello("client.example"); err != nil {
			t.Fatal(err)
		}
		if err := theirs.Auth(sasl.NewPlainClient("", w.key.APIKey, w.secret)); err != nil {
			t.Fatal(err)
		}
		if err := theirs.SendMail("a@example.com", []string{"data@example.net"}, strings.NewReader(head+body)); err != nil {
			t.Fatalf("%v, to %q", err, body)
		}
		if err := c.inChunks(theirs, head+body, max(64, size%100_000)); err != nil {
			t.Fatalf("%v, to %q", err, body)
		}
		if err := theirs.Quit(); err != nil {
			t.Fatal(err)
		}
		got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{Limit: 2, Desc: true})
		if err != nil || len(got) != 2 {
			t.Fatal(len(got), err)
		}
		for _, m := range got {
			raw, err := w.store.Source(t.Context(), store.OfOperator(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, sent, _ := strings.Cut(string(raw), "\r\nFrom: "); m.Subject != name || "From: "+sent != head+body {
				t.Fatalf("sent %q, kept %q", head+body, raw)
			}
		}
	})
}

// plainText makes of anything a text that travels as it is: lines of at most 900 printable ASCII characters.
func plainText(s string) string {
	var b strings.Builder
	n := 0
	for i := range len(s) {
		if ch := s[i]; ch == '\n' || n == 900 {
			b.WriteString("\r\n")
			n = 0
		} else {
			b.WriteByte(' ' + ch%95)
			n++
		}
	}
	if n > 0 {
		b.WriteString("\r\n")
	}
	return b.String()
}

// inChunks sends a mail by BDAT (RFC 3030 §2), which go-smtp's client cannot, over its connection.
func (c *client) inChunks(theirs *smtp.Client, mail string, size int) error {
	if err := theirs.Mail("a@example.com", nil); err != nil {
		return err
	}
	if err := theirs.Rcpt("bdat@example.net", nil); err != nil {
		return err
	}
	for last := false; !last; {
		part := mail[:min(size, len(mail))]
		mail = mail[len(part):]
		last = mail == ""
		word := ""
		if last {
			word = " LAST"
		}
		fmt.Fprintf(c, "BDAT %d%s\r\n%s", len(part), word, part)
		if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "250 2.0.0") {
			return fmt.Errorf("%q %w", line, err)
		}
	}
	return nil
}

// submissions is how many mails are kept.
func (w *world) submissions() int {
	s := w.submit.Stats()
	return int(s.Accepted + s.Repeated)
}
