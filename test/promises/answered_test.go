// SPDX-License-Identifier: Apache-2.0

package promises_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // reads what a server kept
	_ "modernc.org/sqlite"             // likewise

	"postern/test/program"
)

var (
	changes = flag.Int("changes", 20, "changes of each kind under load, on each store")
	kinds   = flag.String("kinds", "reset deactivate suspend delete stop", "kinds of changes")
)

// What SMTP answers about a mail holds, whatever happens to the key or the server meanwhile (RFC 5321 §4.2.5, §6.1): a
// mail that was answered 250 is kept once, one that was answered 4yz or 5yz is not kept. Clients send mails that are
// all different over several sessions, while their key is reset, deactivated, suspended or deleted, or the server is
// stopped.
func TestWhatIsAnsweredHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	each(t, func(t *testing.T, s *program.Server) {
		for _, kind := range strings.Fields(*kinds) {
			l := &load{t: t, s: s, kind: kind}
			l.run()
			l.compare()
		}
	})
}

// outcome is what a client knows of its mail.
type outcome int

const (
	unknown  outcome = iota // the connection ended without an answer: either is right
	accepted                // 250
	refused                 // 4yz or 5yz
)

// access is what clients authenticate with. Each change makes another one.
type access struct {
	key   key
	ready atomic.Int32  // clients that sent a mail with it
	next  chan struct{} // closed when the next is there
}

const clients = 8

type load struct {
	t    *testing.T
	s    *program.Server
	kind string

	access   atomic.Pointer[access]
	answered chan struct{} // one for each mail that was accepted

	mu    sync.Mutex
	mails map[string]outcome // by CustomID
}

func (l *load) run() {
	l.mails, l.answered = map[string]outcome{}, make(chan struct{}, 1000)
	l.access.Store(&access{key: l.create(), next: make(chan struct{})})
	ctx, stop := context.WithCancel(l.t.Context())
	defer stop()
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() { l.client(ctx, i) })
	}
	for range *changes {
		old := l.access.Load()
		for more := rand.IntN(30); more > 0 || old.ready.Load() < clients; more-- {
			select {
			case <-l.answered:
			case <-time.After(2 * time.Minute):
				l.t.Fatalf("%s: no mail is accepted any more\n%s", l.kind, l.s.Tail())
			}
		}
		wait(l.t, time.Duration(rand.IntN(3000))*time.Microsecond) // in the middle of whatever goes on
		l.access.Store(&access{key: l.change(old.key), next: make(chan struct{})})
		close(old.next)
	}
	stop()
	running.Wait()
}

// wait lets the load run: the moment of a change is to be a random one.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func (l *load) create() key {
	l.t.Helper()
	name := "Load " + strconv.FormatUint(rand.Uint64(), 36)
	k := call(l.t, l.s, l.s.APIKey, l.s.SecretKey, http.MethodPost, "/v3/REST/apikey", map[string]any{"Name": name}, http.StatusCreated)
	l.s.Command(l.t, "sender", "add", "*@example.com", "--key", k.APIKey)
	return k
}

// change does what this load is about, and returns what clients authenticate with afterwards.
func (l *load) change(k key) key {
	l.t.Helper()
	path := fmt.Sprintf("/v3/REST/apikey/%d", k.ID)
	owner := func(method, path string, body any, status int) key {
		return call(l.t, l.s, l.s.APIKey, l.s.SecretKey, method, path, body, status)
	}
	switch l.kind {
	case "reset":
		k.SecretKey = owner(http.MethodPost, path+"/reset", map[string]any{}, http.StatusOK).SecretKey
	case "deactivate":
		owner(http.MethodPut, path, map[string]any{"IsActive": false}, http.StatusOK)
		owner(http.MethodPut, path, map[string]any{"IsActive": true}, http.StatusOK)
	case "suspend":
		l.s.Command(l.t, "key", "suspend", k.APIKey, "--reason", "load")
		l.s.Command(l.t, "key", "restore", k.APIKey)
	case "delete":
		if a, err := l.s.Call(l.t.Context(), http.MethodDelete, path, nil); err != nil || a.Status != http.StatusNoContent {
			l.t.Fatalf("DELETE %s: %v %d %s", path, err, a.Status, a.Body)
		}
		return l.create()
	case "stop":
		if err := l.s.Stop(l.t); err != nil {
			l.t.Fatalf("SIGTERM: %v\n%s", err, l.s.Tail())
		}
		l.s.Start(l.t)
	default:
		l.t.Fatalf("there is no kind %q", l.kind)
	}
	return k
}

// client sends mails in sessions, until a session ends; then it waits for the change that ended it.
func (l *load) client(ctx context.Context, number int) {
	for n := 0; ctx.Err() == nil; {
		a := l.access.Load()
		n = l.session(ctx, a, number, n)
		select {
		case <-a.next:
		case <-ctx.Done():
		}
	}
}

// session sends mails number-n and following until one is not accepted, and returns the number of the next.
func (l *load) session(ctx context.Context, a *access, number, n int) int {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.s.SMTP)
	if err != nil {
		return n
	}
	defer conn.Close()                            //nolint:errcheck // over
	conn.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck,gosec // then reading fails
	defer context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck,gosec // likewise
	})()
	c := &client{textproto.NewConn(conn)}
	auth := base64.StdEncoding.EncodeToString([]byte("\x00" + a.key.APIKey + "\x00" + a.key.SecretKey))
	if c.expect(220) != nil || c.command("EHLO client.example", 250) != nil || c.command("AUTH PLAIN "+auth, 235) != nil {
		return n
	}
	for first := true; ctx.Err() == nil; n, first = n+1, false {
		token := fmt.Sprintf("%s-%d-%d", l.kind, number, n)
		out := c.send(number, token)
		l.mu.Lock()
		l.mails[token] = out
		l.mu.Unlock()
		if out != accepted {
			return n + 1
		}
		if first {
			a.ready.Add(1)
		}
		select {
		case l.answered <- struct{}{}:
		default:
		}
	}
	return n
}

// client is one side of an SMTP session.
type client struct{ *textproto.Conn }

func (c *client) expect(code int) error {
	_, _, err := c.ReadResponse(code)
	return err
}

func (c *client) command(line string, code int) error {
	if err := c.PrintfLine("%s", line); err != nil {
		return err
	}
	return c.expect(code)
}

// send hands over one mail: each client in its way, the third with a large one.
func (c *client) send(number int, token string) outcome {
	mail := "From: you@example.com\r\nTo: b@example.org\r\nSubject: x\r\nX-MJ-CustomID: " + token + "\r\n\r\n" +
		strings.Repeat("text\r\n", 50)
	const envelope = "MAIL FROM:<you@example.com>\r\nRCPT TO:<b@example.org>\r\n"
	var written error
	switch number % 4 {
	case 0, 1: // RFC 2920
		_, written = c.W.WriteString(envelope + "DATA\r\n")
		if out, ok := c.replies(errors.Join(written, c.W.Flush()), 250, 250, 354); !ok {
			return out
		}
		_, written = c.W.WriteString(mail + ".\r\n")
	case 2: // RFC 3030, all at once
		_, written = c.W.WriteString(envelope + fmt.Sprintf("BDAT %d LAST\r\n", len(mail)) + mail)
		if out, ok := c.replies(errors.Join(written, c.W.Flush()), 250, 250); !ok {
			return out
		}
	default: // one command after the other
		for _, step := range []struct {
			line string
			code int
		}{{"MAIL FROM:<you@example.com>", 250}, {"RCPT TO:<b@example.org>", 250}, {"DATA", 354}} {
			if out, ok := c.replies(c.PrintfLine("%s", step.line), step.code); !ok {
				return out
			}
		}
		_, written = c.W.WriteString(mail + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 3000) + ".\r\n")
	}
	out, _ := c.replies(errors.Join(written, c.W.Flush()), 250)
	return out
}

// replies reads one after the other; ok is false when one is not what was expected. After a failed write there may
// still be an answer to read.
func (c *client) replies(written error, codes ...int) (out outcome, ok bool) {
	for _, code := range codes {
		err := c.expect(code)
		var reply *textproto.Error
		switch {
		case err == nil:
		case errors.As(err, &reply) && reply.Code >= 400 && reply.Code <= 599:
			return refused, false
		default:
			return unknown, false
		}
	}
	if written != nil {
		return unknown, false
	}
	return accepted, true
}

// compare reads from the database what the server kept.
func (l *load) compare() {
	l.t.Helper()
	kept := l.kept()
	count := map[outcome]int{}
	wrong, lost, doubled, unknownKept := 0, 0, 0, 0
	for token, out := range l.mails {
		count[out]++
		n := kept[token]
		delete(kept, token)
		switch {
		case n > 1:
			doubled++
		case out == refused && n > 0:
			wrong++
		case out == accepted && n == 0:
			lost++
		case out == unknown && n > 0:
			unknownKept++
		}
	}
	l.t.Logf("%s, %d times: %d mails answered 250, %d answered 4yz or 5yz, %d not answered (%d of them kept); "+
		"answered with an error and kept: %d; "+
		"answered 250 and lost: %d; kept twice: %d", l.kind, *changes, count[accepted], count[refused], count[unknown], unknownKept,
		wrong, lost, doubled)
	if wrong != 0 || lost != 0 || doubled != 0 || len(kept) != 0 {
		l.t.Errorf("%s: answered with an error and kept: %d; answered 250 and lost: %d; kept twice: %d; kept and never sent: %d",
			l.kind, wrong, lost, doubled, len(kept))
	}
	if count[accepted] < *changes || count[refused] == 0 {
		l.t.Errorf("%s: %d accepted, %d refused: the test showed nothing", l.kind, count[accepted], count[refused])
	}
	// A client that is not answered has to guess: it may be so where the server closes while it is still writing.
	if count[unknown] > clients**changes/4+2 {
		l.t.Errorf("%s: %d mails were not answered", l.kind, count[unknown])
	}
}

// kept counts the messages in the store by CustomID.
func (l *load) kept() map[string]int {
	l.t.Helper()
	out := map[string]int{}
	for _, row := range query(l.t, l.s, `SELECT s.custom_id, m.uuid FROM submission s JOIN message m ON m.submission_id = s.id
		WHERE s.custom_id LIKE $1`, l.kind+"-%") {
		out[row[0]]++
	}
	return out
}

// query reads two columns from the server's database.
func query(t *testing.T, s *program.Server, q string, args ...any) [][2]string {
	t.Helper()
	driver, source := "sqlite", "file:"+s.Data+"/postern.db?mode=ro"
	if s.Database != "" {
		driver, source = "pgx", s.Database
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was read
	rows, err := db.QueryContext(t.Context(), q, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err says
	var out [][2]string
	for rows.Next() {
		var one, other []byte
		if err := rows.Scan(&one, &other); err != nil {
			t.Fatal(err)
		}
		out = append(out, [2]string{string(one), string(other)})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
