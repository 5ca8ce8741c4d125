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
)

// text is the body of every mail: 4 KB, in lines.
var text = strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 56)

// plain is the mail that most figures are of.
var plain = letter("Content-Type: text/plain; charset=us-ascii\r\n", text)

// letter is a mail as a client sends it, up to the final dot.
func letter(fields, body string) string {
	return "From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: bench\r\nMessage-ID: <bench@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n" + fields + "\r\n" + body + ".\r\n"
}

// smtp measures durable acceptance by SMTP beside Postfix: one login a session, then mail after mail.
func (b *bench) smtp() error {
	rival := postfix.Available()
	var rows [][]string
	for _, sessions := range []int{1, 20, 64} {
		var ours, delivering, theirs []float64
		for range b.rounds {
			r, err := b.ourSMTP(sessions, "--hold")
			if err != nil {
				return err
			}
			ours = append(ours, r)
			if r, err = b.ourSMTP(sessions); err != nil {
				return err
			}
			delivering = append(delivering, r)
			if rival == nil {
				if r, err = b.postfixSMTP(sessions); err != nil {
					return err
				}
				theirs = append(theirs, r)
			}
		}
		row := []string{fmt.Sprint(sessions), rate(median(ours)), rate(median(delivering)), "-", "-"}
		if rival == nil {
			row[3], row[4] = rate(median(theirs)), fmt.Sprintf("%.1f", median(ours)/median(theirs))
		}
		rows = append(rows, row)
	}
	fmt.Println("Accepted durably by SMTP. Postern and Postfix both keep the mail and send nothing; \"delivering\" also takes it through the queue (route capture).")
	table("sessions|Postern|delivering|Postfix|ratio", rows)
	if rival != nil {
		fmt.Println("Postfix was not measured:", rival)
	}
	return nil
}

func (b *bench) ourSMTP(sessions int, args ...string) (r float64, err error) {
	err = b.within(func(s *scope) error {
		p := b.start(s, args...)
		elapsed, err := b.load(sessions, p.SMTP, p.APIKey, p.SecretKey, plain)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.Tail())
		}
		n, err := b.held(s, p)
		r = float64(n) / elapsed.Seconds()
		return err
	})
	return r, err
}

func (b *bench) postfixSMTP(sessions int) (r float64, err error) {
	err = b.within(func(s *scope) error {
		p, err := postfix.Start(b.ctx, postfix.Config{Dir: filepath.Join(s.TempDir(), "postfix")})
		if err != nil {
			return err
		}
		defer p.Stop() //nolint:errcheck // it was measured
		elapsed, err := b.load(sessions, p.Addr, "", "", plain)
		if err != nil {
			return err
		}
		n, err := p.Queued()
		r = float64(n) / elapsed.Seconds()
		return err
	})
	return r, err
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
			if err := session(ctx, addr, user, password, mail, i); err != nil {
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
func session(ctx context.Context, addr, user, password, mail string, number int) error {
	c, err := net.Dial("tcp", addr) //nolint:noctx // loopback
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
	}
	return say("QUIT\r\n", "221")
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
