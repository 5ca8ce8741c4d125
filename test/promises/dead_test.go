// SPDX-License-Identifier: Apache-2.0

package promises_test

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/test/program"
)

var (
	rounds  = flag.Int("rounds", 60, "resets of the hammered key, on each store")
	callers = flag.Int("callers", 64, "HTTP clients, and open SMTP sessions")
)

// Promise 2: when a reset has returned, no request with the old secret is accepted and the sessions that it opened are
// closed, while as many clients as are usual on one key hammer it by both protocols.
func TestADeadSecretOpensNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	each(t, func(t *testing.T, s *program.Server) {
		sub := call(t, s, s.APIKey, s.SecretKey, http.MethodPost, "/v3/REST/apikey", map[string]any{"Name": "Hammered"}, http.StatusCreated)
		h := &hammer{t: t, s: s, key: sub}
		h.secret.Store(&issued{sub.SecretKey, 0})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range *callers {
			running.Go(func() { h.byHTTP(ctx) })
			running.Go(func() { h.bySMTP(ctx) })
		}
		var took []time.Duration
		for range *rounds {
			h.settle(ctx) // all sessions are open under the secret that is about to die
			h.doomed.Add(1)
			began := time.Now()
			k := call(t, s, s.APIKey, s.SecretKey, http.MethodPost, fmt.Sprintf("/v3/REST/apikey/%d/reset", sub.ID), map[string]any{}, http.StatusOK)
			took = append(took, time.Since(began))
			dead := h.dead.Add(1) // what begins from here on with an older secret must be refused
			h.gone(dead)
			h.secret.Store(&issued{k.SecretKey, dead})
		}
		stop()
		running.Wait()
		slices.Sort(took)
		t.Logf("%d resets under %d HTTP clients and %d SMTP sessions: from call to answer %v at the median, %v at most; %d requests let in, %d refused, %d sessions closed",
			len(took), *callers, *callers, took[len(took)/2].Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond), h.let.Load(), h.refused.Load(), h.closed.Load())
		if h.closed.Load() != int64(*rounds**callers) {
			t.Errorf("%d sessions were closed by resets, want %d", h.closed.Load(), *rounds**callers)
		}
	})
}

// issued is a secret with its number: how many resets came before it.
type issued struct {
	secret string
	number int64
}

type hammer struct {
	t   *testing.T
	s   *program.Server
	key key

	secret atomic.Pointer[issued]
	dead   atomic.Int64 // resets that have been answered: secrets of lower numbers are dead
	doomed atomic.Int64 // resets that have been asked for: secrets of lower numbers may be dead

	let, refused, closed atomic.Int64

	mu   sync.Mutex
	open []*session
}

// session is an open SMTP session.
type session struct {
	number int64
	conn   net.Conn
	over   chan struct{} // closed when the server has closed it
}

// byHTTP makes requests with the newest secret that it knows, and goes on with a dead one until it is refused.
func (h *hammer) byHTTP(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		x := h.secret.Load()
		for ctx.Err() == nil {
			dead := h.dead.Load()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.s.HTTP+"/v3/REST/myprofile", nil)
			if err != nil {
				h.t.Error(err)
				return
			}
			req.SetBasicAuth(h.key.APIKey, x.secret)
			res, err := client.Do(req)
			if err != nil {
				break // the end
			}
			io.Copy(io.Discard, res.Body) //nolint:errcheck // so that the connection is used again: one source has 100
			res.Body.Close()              //nolint:errcheck // the status is all
			if res.StatusCode != http.StatusOK {
				h.refused.Add(1)
				if h.doomed.Load() <= x.number {
					h.t.Errorf("a live secret was refused by HTTP: %d", res.StatusCode)
				}
				break
			}
			h.let.Add(1)
			if x.number < dead {
				h.t.Errorf("a secret that was dead before the request was sent was let in by HTTP")
				return
			}
		}
	}
}

// bySMTP keeps a session open, and opens another when it is closed.
func (h *hammer) bySMTP(ctx context.Context) {
	for ctx.Err() == nil {
		x := h.secret.Load()
		dead := h.dead.Load()
		n, err := h.login(ctx, x)
		if err != nil {
			var reply *textproto.Error
			crowded := errors.As(err, &reply) && reply.Code == 421 // sessions that are closing still count for their address
			if ctx.Err() == nil && !crowded && h.doomed.Load() <= x.number {
				h.t.Errorf("a live secret was refused by SMTP: %v", err)
			}
			continue
		}
		if x.number < dead {
			h.t.Error("a secret that was dead before the login was let in by SMTP")
			return
		}
		h.use(ctx, n)
	}
}

// login opens a session and adds it to the open ones.
func (h *hammer) login(ctx context.Context, x *issued) (*session, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.s.SMTP)
	if err != nil {
		return nil, err
	}
	c := textproto.NewConn(conn)
	auth := base64.StdEncoding.EncodeToString([]byte("\x00" + h.key.APIKey + "\x00" + x.secret))
	for _, step := range []struct {
		line string
		code int
	}{{"", 220}, {"EHLO client.example", 250}, {"AUTH PLAIN " + auth, 235}} {
		if step.line != "" {
			if err := c.PrintfLine("%s", step.line); err != nil {
				conn.Close() //nolint:errcheck,gosec // refused
				return nil, err
			}
		}
		if _, _, err := c.ReadResponse(step.code); err != nil {
			conn.Close() //nolint:errcheck,gosec // refused
			return nil, err
		}
	}
	n := &session{number: x.number, conn: conn, over: make(chan struct{})}
	h.mu.Lock()
	h.open = append(h.open, n)
	h.mu.Unlock()
	return n, nil
}

// mailEvery is after how many envelopes a session hands over a mail: one that never does is closed after 3,000 commands.
const mailEvery = 1000

// use begins and forgets envelopes, and hands over a mail now and then, until the server closes the session.
func (h *hammer) use(ctx context.Context, n *session) {
	defer close(n.over)
	defer n.conn.Close()                                      //nolint:errcheck // over
	stop := context.AfterFunc(ctx, func() { n.conn.Close() }) //nolint:errcheck,gosec // ends the reading
	defer stop()
	c := textproto.NewConn(n.conn)
	type step struct {
		line string
		code int
	}
	envelope := []step{{"MAIL FROM:<you@example.com>", 250}, {"RSET", 250}}
	mail := []step{
		{"MAIL FROM:<you@example.com>", 250},
		{"RCPT TO:<friend@example.org>", 250},
		{"DATA", 354},
		{"From: you@example.com\r\n\r\nx\r\n.", 250},
	}
	for i := 1; ; i++ {
		steps := envelope
		if i%mailEvery == 0 {
			steps = mail
		}
		for _, x := range steps {
			dead := h.dead.Load()
			if err := c.PrintfLine("%s", x.line); err != nil {
				return
			}
			if _, _, err := c.ReadResponse(x.code); err != nil {
				return // 421, or gone
			}
			if x.line != "RSET" && n.number < dead {
				h.t.Errorf("a session whose secret was dead was answered %d to %q", x.code, x.line)
				return
			}
		}
	}
}

// settle waits until every SMTP client has a session under the newest secret.
func (h *hammer) settle(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	want := h.secret.Load().number
	for {
		n := 0
		h.mu.Lock()
		for _, x := range h.open {
			if x.number == want {
				n++
			}
		}
		h.mu.Unlock()
		if n == *callers {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gone checks that the sessions of dead secrets are over: the reset has been answered, so nothing is waited for but
// the client's own reading.
func (h *hammer) gone(dead int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.open {
		if n.number >= dead {
			continue
		}
		select {
		case <-n.over:
			h.closed.Add(1)
		case <-time.After(time.Minute):
			h.t.Error("a session of a dead secret is still open")
		}
	}
	h.open = slices.DeleteFunc(h.open, func(n *session) bool { return n.number < dead })
}
