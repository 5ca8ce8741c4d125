// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postern/test/postfix"
	"postern/test/program"
)

// text is the body of every mail: 4 KB, in lines.
var text = strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56)

// plain is the mail that most figures are of.
var plain = letter("Content-Type: text/plain; charset=us-ascii\r\n", text)

// letter is a mail as a client sends it, up to the final dot.
func letter(fields, body string) string {
	return "From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: bench\r\nMessage-ID: <bench@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n" + fields + "\r\n" + body + ".\r\n"
}

// rival is a server whose SMTP is measured.
type rival struct {
	name string
	run  func(sessions int) (figure, error)
}

// smtp measures durable acceptance by SMTP beside Postfix, and beside a library that throws the mail away: one login a
// session, then mail after mail.
func (b *bench) smtp() error {
	without := postfix.Available()
	rivals := []rival{{"Postern", func(n int) (figure, error) { return b.ourSMTP("", n, "--hold") }}}
	if b.before != "" {
		rivals = append(rivals, rival{"before", func(n int) (figure, error) { return b.ourSMTP(b.before, n, "--hold") }})
	}
	if without == nil {
		rivals = append(rivals, rival{"Postfix", b.postfixSMTP})
	}
	rivals = append(rivals, rival{"go-smtp", b.throwawaySMTP})
	head := "sessions"
	for _, r := range rivals {
		head += "|" + r.name + "|a mail"
	}
	var rows [][]string
	for _, sessions := range []int{1, 20, 64, 256} {
		got, err := b.inTurns(rivals, sessions)
		if err != nil {
			return err
		}
		row := []string{fmt.Sprint(sessions)}
		for _, r := range rivals {
			row = append(row, got[r.name].cells()...)
		}
		ours := got["Postern"]
		rows = append(rows, append(row, ratio(ours.rate, got["Postfix"].rate), ratio(ours.micros, got["go-smtp"].micros)))
	}
	fmt.Println("Accepted by SMTP, and the server's processor time a mail. Postern and Postfix keep the mail durably and send nothing; go-smtp throws it away.")
	table(head+"|rate to Postfix|time to go-smtp", rows)
	if without != nil {
		fmt.Println("Postfix was not measured:", without)
	}
	return nil
}

// inTurns measures the rivals one after the other, as often as asked for.
func (b *bench) inTurns(rivals []rival, sessions int) (map[string]figure, error) {
	got := map[string][]figure{}
	for range b.rounds {
		for _, r := range rivals {
			f, err := r.run(sessions)
			if err != nil {
				return nil, fmt.Errorf("%s, %d sessions: %w", r.name, sessions, err)
			}
			got[r.name] = append(got[r.name], f)
		}
	}
	out := map[string]figure{}
	for name, list := range got {
		out[name] = typical(list)
	}
	return out, nil
}

// ourSMTP measures Postern, or with a path another build of it.
func (b *bench) ourSMTP(path string, sessions int, args ...string) (f figure, err error) {
	err = b.within(func(s *scope) error {
		p := b.startOf(s, path, args...)
		f, err = b.measure(s, p, func() (time.Duration, error) { return b.load(sessions, p.SMTP, p.APIKey, p.SecretKey, plain) })
		return err
	})
	return f, err
}

// measure puts a load on a server that holds what it takes, and stops it.
func (b *bench) measure(s *scope, p *program.Server, load func() (time.Duration, error)) (figure, error) {
	before, err := processorOf(p.PID())
	if err != nil {
		return figure{}, err
	}
	elapsed, err := load()
	if err != nil {
		return figure{}, fmt.Errorf("%w\n%s", err, p.Tail())
	}
	after, err := processorOf(p.PID())
	if err != nil {
		return figure{}, err
	}
	n, err := b.held(s, p)
	return figureOf(n, elapsed, after-before), err
}

func (b *bench) postfixSMTP(sessions int) (f figure, err error) {
	err = b.within(func(s *scope) error {
		p, err := postfix.Start(b.ctx, postfix.Config{Dir: filepath.Join(s.TempDir(), "postfix"), Processes: max(100, sessions+20)})
		if err != nil {
			return err
		}
		defer p.Stop() //nolint:errcheck // it was measured
		before, err := processorOfSession(p.PID())
		if err != nil {
			return err
		}
		elapsed, err := b.load(sessions, p.Addr, "", "", plain)
		if err != nil {
			return err
		}
		after, err := processorOfSession(p.PID())
		if err != nil {
			return err
		}
		n, err := p.Queued()
		f = figureOf(n, elapsed, after-before)
		return err
	})
	return f, err
}

func (b *bench) throwawaySMTP(sessions int) (figure, error) {
	t, err := startChild("-serve-throwaway")
	if err != nil {
		return figure{}, err
	}
	defer t.stop() //nolint:errcheck // it was measured
	before, err := processorOf(t.cmd.Process.Pid)
	if err != nil {
		return figure{}, err
	}
	b.sent.Store(0)
	elapsed, err := b.load(sessions, t.addr, "user", "password", plain)
	if err != nil {
		return figure{}, err
	}
	after, err := processorOf(t.cmd.Process.Pid)
	return figureOf(int(b.sent.Load()), elapsed, after-before), err
}

// load sends over sessions at a time for as long as a figure takes, and says how long it was.
func (b *bench) load(sessions int, addr, user, password, mail string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(b.ctx, b.each)
	defer cancel()
	var wg sync.WaitGroup
	var first atomic.Pointer[error]
	start := time.Now()
	for i := range sessions {
		wg.Go(func() {
			if err := b.session(ctx, addr, user, password, mail, i); err != nil {
				first.CompareAndSwap(nil, &err)
			}
		})
	}
	wg.Wait()
	if err := first.Load(); err != nil {
		return 0, *err
	}
	return time.Since(start), b.ctx.Err()
}

// session is a plain client with pipelining (RFC 2920), the same for both servers.
func (b *bench) session(ctx context.Context, addr, user, password, mail string, number int) error {
	d := net.Dialer{LocalAddr: source(number)}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it is over
	r := bufio.NewReader(c)
	if err := expect(r, "220"); err != nil {
		return err
	}
	say := func(s, want string) error {
		if _, err := c.Write([]byte(s)); err != nil {
			return err
		}
		return expect(r, want)
	}
	if err := say("EHLO bench.example\r\n", "250"); err != nil {
		return err
	}
	if user != "" {
		token := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
		if err := say("AUTH PLAIN "+token+"\r\n", "235"); err != nil {
			return err
		}
	}
	envelope := "MAIL FROM:<a@example.com>\r\nRCPT TO:<b" + fmt.Sprint(number) + "@example.net>\r\nDATA\r\n"
	for ctx.Err() == nil {
		if _, err := c.Write([]byte(envelope)); err != nil {
			return err
		}
		for _, want := range []string{"250", "250", "354"} {
			if err := expect(r, want); err != nil {
				return err
			}
		}
		if err := say(mail, "250"); err != nil {
			return err
		}
		b.sent.Add(1)
	}
	return say("QUIT\r\n", "221")
}

// perSource is how many sessions come from one address: servers bound that.
const perSource = 50

// source is the loopback address that a session comes from.
func source(number int) net.Addr {
	n := number / perSource
	return &net.TCPAddr{IP: net.IPv4(127, 0, byte(n>>8), byte(n)+1)} //nolint:gosec // a thousand sessions are 20 of them
}

func expect(r *bufio.Reader, code string) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("the server said %q instead of %s", line, code)
		}
		if len(line) > 3 && line[3] == ' ' {
			return nil
		}
	}
}
