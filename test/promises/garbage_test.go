// SPDX-License-Identifier: Apache-2.0

package promises_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"postern/test/program"
)

var garbage = flag.Int("garbage", 400, "SMTP sessions of garbage, on each store")

// Whatever is sent to the SMTP server, it goes on, answers in replies that are well formed, and keeps exactly the mails
// that it answered 250. Sessions of random commands, right and wrong ones, with mails between them that look like
// commands, are written at once, in pieces that end anywhere; some end in the middle.
func TestGarbage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	each(t, func(t *testing.T, s *program.Server) {
		n := *seed
		if n == 0 {
			n = uint64(time.Now().UnixNano()) //nolint:gosec // any number does
		}
		t.Logf("-seed %d", n)
		s.Command(t, "sender", "add", "*@example.com")
		g := &sessions{t: t, s: s, answered: map[string]bool{}, cut: map[int]bool{}}
		work := make(chan int)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for i := range work {
					g.session(i, rand.New(rand.NewPCG(n, uint64(i)))) //nolint:gosec // it is to be the same again
				}
			})
		}
		for i := range *garbage {
			work <- i
		}
		close(work)
		clients.Wait()
		g.compare()
	})
}

type sessions struct {
	t *testing.T
	s *program.Server

	mu       sync.Mutex
	answered map[string]bool // UUIDs in replies of 250
	cut      map[int]bool    // sessions that ended without all their replies having been read
	replies  int
}

var (
	// RFC 5321 §4.2, and RFC 2034 §4 for what is refused.
	wellFormed = regexp.MustCompile(`^([23][0-9][0-9]([ -][^\x00-\x1f]*)?|4[0-9][0-9][ -]4\.[0-9]{1,3}\.[0-9]{1,3} [^\x00-\x1f]+|` +
		`5[0-9][0-9][ -]5\.[0-9]{1,3}\.[0-9]{1,3} [^\x00-\x1f]+)$`)
	withUUID = regexp.MustCompile(`^250 .*([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`)
)

// session sends one conversation, while it reads all replies to their end.
func (g *sessions) session(i int, r *rand.Rand) {
	// An address of its own for each: failed logins throttle a source.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}, Timeout: 30 * time.Second}
	nc, err := d.DialContext(g.t.Context(), "tcp", g.s.SMTP)
	if err != nil {
		g.t.Errorf("session %d: %v", i, err)
		return
	}
	defer nc.Close()                            //nolint:errcheck // over
	nc.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck,gosec // then reading fails
	read := make(chan error, 1)
	var got bytes.Buffer
	go func() {
		_, err := io.Copy(&got, nc)
		read <- err
	}()
	talk := g.conversation(i, r)
	unicode := bytes.Contains(talk, []byte("SMTPUTF8")) // RFC 6531 §3.7.4: only then are replies in it
	for len(talk) > 0 {
		n := min(len(talk), 1+r.IntN(1+r.IntN(4000)))
		if _, err := nc.Write(talk[:n]); err != nil {
			break // it has closed: its replies say why
		}
		talk = talk[n:]
	}
	nc.(*net.TCPConn).CloseWrite() //nolint:errcheck,gosec,forcetypeassert // it was dialled by TCP
	err = <-read
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.cut[i] = true // closed while it was sent more: RFC 9293 §3.10.7.4 lets replies be lost
		if errors.Is(err, os.ErrDeadlineExceeded) {
			g.t.Errorf("session %d was not ended by the server:\n%q", i, got.Bytes())
		}
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(got.String(), "\r\n"), "\r\n") {
		g.replies++
		ascii := !strings.ContainsFunc(line, func(r rune) bool { return r > '~' })
		if err == nil && (!wellFormed.MatchString(line) || !utf8.ValidString(line) || !ascii && !unicode) {
			g.t.Errorf("session %d: reply %q", i, line)
		}
		if m := withUUID.FindStringSubmatch(line); m != nil {
			g.answered[m[1]] = true
		}
	}
}

// conversation is what one client says.
func (g *sessions) conversation(i int, r *rand.Rand) []byte {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+g.s.APIKey+"\x00"+g.s.SecretKey)) + "\r\n"
	var out strings.Builder
	if r.IntN(10) > 0 {
		out.WriteString("EHLO client.example\r\n" + login)
	}
	mails := 0
	mail := func() string {
		mails++
		body := ""
		for range r.IntN(8) {
			body += pick("text\r\n", ".hidden\r\n", "..\r\n", "\r\n", "RSET\r\n", "QUIT\r\n", "MAIL FROM:<a@example.com>\r\n",
				"RCPT TO:<smuggled@example.org>\r\nDATA\r\n",
				"BDAT 3 LAST\r\n", strings.Repeat("x", r.IntN(3000))+"\r\n", "ü\r\n", pick("bare\rcr\r\n", "bare\nlf\r\n", "nul\x00\r\n",
					"fine\r\n", "fine\r\n"))
		}
		return fmt.Sprintf("From: a@example.com\r\nX-MJ-CustomID: g%d-%d\r\nSubject: x\r\n\r\n", i, mails) + body
	}
	for range 1 + r.IntN(30) {
		switch r.IntN(12) {
		case 0, 1, 2: // as it should be
			out.WriteString("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + strings.ReplaceAll(mail(), "\r\n.",
				"\r\n..") + "\r\n.\r\n")
		case 3, 4:
			m := mail()
			at := r.IntN(len(m))
			fmt.Fprintf(&out, "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT %d\r\n%sBDAT %d LAST\r\n%s", at, m[:at],
				len(m)-at, m[at:])
		case 5: // a wrong size, or none
			m := mail()
			out.WriteString("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT " + pick(fmt.Sprint(len(m)+r.IntN(9)-4), "-1",
				"x", "99999999999999999999", "") + pick("", " LAST", " LATS") + "\r\n" + m)
		case 6: // without an envelope, or with none that is right
			out.WriteString(pick("", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.org>\r\n",
				"MAIL FROM:<stranger@bank.example>\r\nRCPT TO:<b@example.org>\r\n") + "DATA\r\n" + mail() + ".\r\n")
		case 7, 8:
			out.WriteString(pick("RSET", "NOOP", "HELP", "VRFY a", "EXPN a", "EHLO x", "HELO x", "STARTTLS", "AUTH", "AUTH PLAIN",
				"AUTH PLAIN !!!", "AUTH LOGIN\r\nx\r\n*", "AUTH XX x", "ETRN x",
				"MAIL", "MAIL FROM:", "MAIL FROM:<>", "MAIL FROM:<a@example.com> SIZE=x",
				"MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8", "RCPT TO:<\"a b\"@example.org>", "RCPT TO:<@x,@y:b@example.org>",
				"RCPT TO:<b@example.org> NOTIFY=NEVER", "DATA x", "BDAT", "GET / HTTP/1.1", "\x16\x03\x01\x02\x00\x01\x00", "", " ",
				strings.Repeat("A", 3000)) + pick("\r\n", "\r\n", "\r\n", "\n", "\r"))
		case 9:
			for range r.IntN(60) {
				out.WriteByte(byte(r.IntN(256)))
			}
			out.WriteString("\r\n")
		case 10:
			out.WriteString(login)
		case 11: // cut off in the middle of something
			if r.IntN(6) == 0 {
				out.WriteString("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + mail())
				return []byte(out.String())
			}
		}
	}
	return []byte(out.String())
}

// compare reads from the store what was kept.
func (g *sessions) compare() {
	g.t.Helper()
	cut := map[string]bool{}
	kept := 0
	rows := query(g.t, g.s,
		"SELECT s.custom_id || '/' || CAST(s.id AS TEXT), m.uuid FROM submission s JOIN message m ON m.submission_id = s.id ORDER BY m.id")
	bySubmission := map[string]bool{}
	for _, row := range rows {
		kept++
		id, uuid := row[0], fmt.Sprintf("%x-%x-%x-%x-%x", row[1][:4], row[1][4:6], row[1][6:8], row[1][8:10], row[1][10:])
		if g.answered[uuid] {
			delete(g.answered, uuid)
			bySubmission[id] = true
			continue
		}
		var session, number int
		if n, _ := fmt.Sscanf(id, "g%d-%d", &session, &number); n == 2 && (g.cut[session] || bySubmission[id]) {
			cut[id] = true // another recipient of the same mail, or an answer that could not be read
			continue
		}
		g.t.Errorf("mail %q is kept, and was not answered with 250", id)
	}
	for uuid := range g.answered {
		g.t.Errorf("mail %s was answered with 250, and is not kept", uuid)
	}
	log, err := os.ReadFile(g.s.Log)
	if err != nil || bytes.Contains(log, []byte("panic")) || bytes.Contains(log, []byte(`"level":"ERROR"`)) {
		g.t.Errorf("%v: the log has\n%s", err, g.s.Tail())
	}
	g.t.Logf("%d sessions, %d lines of replies, %d mails kept, as many answered; "+
		"%d sessions were closed while they were sent more; %d mails have no answer of their own",
		*garbage, g.replies, kept, len(g.cut), len(cut))
	if kept < *garbage/4 {
		g.t.Errorf("only %d mails were kept: the test showed nothing", kept)
	}
}
