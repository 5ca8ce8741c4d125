// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"postern/test/program"
	"postern/test/sink"
)

// sink measures the whole way: accepted by SMTP, through the queue, delivered to a local SMTP server. The sender's
// domain has a DKIM key, so every mail is signed with RSA-2048.
func (b *bench) sink() error {
	var rows [][]string
	for _, sessions := range []int{1, 20} {
		var got []float64
		for range b.rounds {
			r, err := b.through(sessions)
			if err != nil {
				return err
			}
			got = append(got, r)
		}
		rows = append(rows, []string{fmt.Sprint(sessions), rate(median(got))})
	}
	fmt.Println("From acceptance by SMTP to a local SMTP sink, DKIM-signed: until the last has arrived")
	table("sessions|messages", rows)
	return nil
}

func (b *bench) through(sessions int) (r float64, err error) {
	err = b.within(func(s *scope) error {
		out := sink.Start(s, false)
		p := b.start(s, "--route", "smtp://"+out.Addr)
		r, err = b.deliver(s, p, out, sessions, plain)
		return err
	})
	return r, err
}

// deliver sends a mail again and again and waits until all of it has arrived, and stops the server. It returns the
// messages a second.
func (b *bench) deliver(s *scope, p *program.Server, out *sink.Sink, sessions int, mail string) (float64, error) {
	start := time.Now()
	if _, err := b.load(sessions, p.SMTP, p.APIKey, p.SecretKey, mail); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, p.Tail())
	}
	before := out.Count()
	for quiet := 0; quiet < 20; { // until nothing has arrived for a second
		select {
		case <-out.Got():
			quiet = 0
		case <-time.After(50 * time.Millisecond):
			quiet++
		}
	}
	elapsed := time.Since(start) - time.Second
	n, err := b.held(s, p)
	if err == nil && out.Count() < n {
		err = fmt.Errorf("%d accepted, %d delivered (%d while accepting)", n, out.Count(), before)
	}
	return float64(n) / elapsed.Seconds(), err
}
