// SPDX-License-Identifier: Apache-2.0

package smtpd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/credential"
	"postern/internal/gate"
	"postern/internal/store"
)

// hold keeps the store from committing until release is called. It can where there is one writer; the sessions are the same
// on both engines.
func (w *world) hold(t testing.TB) (release func()) {
	t.Helper()
	if w.store.Engine() != "sqlite" {
		t.Skip("writers of PostgreSQL do not wait for each other")
	}
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- w.store.Update(context.Background(), func(*store.Tx) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	release = sync.OnceFunc(func() {
		close(free)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

// kill are the ways in which a secret dies, at the gate: what keys does after its own commit.
func (w *world) kill(t testing.TB) map[string]func() {
	t.Helper()
	key, err := credential.ParseAPIKey(w.key.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	k := gate.Key{APIKey: key, ID: w.key.ID, AccountID: w.key.AccountID, Master: true}
	state := func(s gate.State) func() {
		return func() {
			k := k
			k.State = s
			w.gate.Put(k)
		}
	}
	return map[string]func(){
		"reset": state(gate.Active), "deactivation": state(gate.Deactivated), "suspension": state(gate.Suspended),
		"deletion": func() { w.gate.Remove(key) },
	}
}

// begun returns a session that has sent all of a mail but the last line.
func (w *world) begun(t testing.TB) *client {
	t.Helper()
	c := w.login(t)
	c.envelope()
	c.say("DATA", "354")
	c.send("From: a@example.com\r\n\r\nx\r\n")
	return c
}

// A mail that is being committed when its credential ends is kept and gets its 250, and the change waits for it; any other
// is not kept and gets 421, and the change waits for nothing.
func TestAMailInFlightWhenItsCredentialEnds(t *testing.T) {
	for _, how := range []string{"reset", "deactivation", "suspension", "deletion"} {
		t.Run(how, func(t *testing.T) {
			w := start(t, nil)
			committing, chunked := w.begun(t), w.login(t)
			chunked.envelope()
			idle, inText, inChunks, stalled := w.login(t), w.begun(t), w.login(t), w.begun(t)
			inChunks.envelope()
			inChunks.send("BDAT 100\r\nFrom: a@example.com\r\n")
			stalled.send("half a line")
			release := w.hold(t)
			committing.send(".\r\n")
			chunked.send("BDAT 25 LAST\r\nFrom: a@example.com\r\n\r\n\r\n")
			until(t, "two mails are being committed", func() bool { return w.server.Committing() == 2 && w.server.InMail() == 5 })
			changed := make(chan struct{})
			go func() {
				w.kill(t)[how]()
				close(changed)
			}()
			for _, c := range []*client{idle, inText, inChunks, stalled} { // at once, whatever is committed
				c.expect("421 4.7.0")
				c.gone()
			}
			select {
			case <-changed:
				t.Error("the change did not wait for the mails that were being committed")
			default:
			}
			release()
			committing.expect("250 2.0.0")
			committing.expect("421 4.7.0")
			committing.gone()
			chunked.expect("250 2.0.0")
			chunked.gone()
			<-changed
			if n := w.count(t); n != 2 {
				t.Errorf("%d mails were kept, want the two that were answered 250", n)
			}
		})
	}
}

// The end of an overlap is like a reset.
func TestAMailInFlightWhenAnOverlapEnds(t *testing.T) {
	w := start(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go w.gate.Run(ctx)
	committing, inText := w.begun(t), w.begun(t)
	release := w.hold(t)
	committing.send(".\r\n")
	until(t, "the mail is being committed", func() bool { return w.server.Committing() == 1 })
	key, err := credential.ParseAPIKey(w.key.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	w.gate.Put(gate.Key{APIKey: key, ID: w.key.ID, AccountID: w.key.AccountID, Master: true, Secrets: []gate.Secret{{ID: w.secretID(t), Digest: w.digester.Digest(w.secret), ExpiresAt: time.Now().Add(50 * time.Millisecond)}}})
	inText.expect("421 4.7.0")
	release()
	committing.expect("250 2.0.0")
	committing.gone()
	if n := w.count(t); n != 1 {
		t.Errorf("%d mails were kept", n)
	}
}

// Sessions that commit are waited for together, and not one after another.
func TestManySessionsEndTogether(t *testing.T) {
	w := start(t, nil)
	var clients []*client
	for range 90 { // of one source there are 100
		clients = append(clients, w.begun(t))
	}
	release := w.hold(t)
	for _, c := range clients {
		c.send(".\r\n")
	}
	until(t, "all are being committed", func() bool { return w.server.Committing() == len(clients) })
	changed := make(chan struct{})
	go func() {
		w.kill(t)["reset"]()
		close(changed)
	}()
	late := w.dial(t)
	release()
	<-changed
	for _, c := range clients {
		c.expect("250 2.0.0")
		c.gone()
	}
	late.say("EHLO client.example", "250")
	late.say("AUTH PLAIN "+plain(w.key.APIKey, w.secret), "535 5.7.8")
	if n := w.count(t); n != len(clients) {
		t.Errorf("%d mails were kept of %d", n, len(clients))
	}
}

// A client that takes no replies is not waited for.
func TestAStalledClientHoldsUpNoReset(t *testing.T) {
	w := start(t, nil)
	p := w.pipes(t)
	fill := w.filler()
	c := p.dial(t)
	c.expect("220")
	c.say("EHLO client.example", "250")
	c.say(fill("AUTH PLAIN {plain}"), "235")
	c.send("NOOP\r\n") // over a pipe the server waits until its answer is read
	began := time.Now()
	w.kill(t)["reset"]()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the reset took %v", took)
	}
	io.ReadAll(c.r)
}

// A client that is sending hears why it is over, though it reads only when it has sent all.
func TestTheAnswerReachesAClientThatIsSending(t *testing.T) {
	w := start(t, nil)
	for name, begin := range map[string]string{"DATA": "DATA\r\nFrom: a@example.com\r\n\r\n", "BDAT": "BDAT 20000000 LAST\r\n"} {
		c := w.login(t)
		c.envelope()
		c.send(begin)
		if name == "DATA" {
			c.expect("354")
		}
		until(t, "the mail has begun", func() bool { return w.server.InMail() == 1 })
		w.reset(t)
		line := strings.Repeat("x", 76) + "\r\n"
		for range 100 {
			if _, err := io.WriteString(c, strings.Repeat(line, 500)); err != nil {
				t.Fatalf("%s: the rest of the mail could not be sent: %v", name, err)
			}
		}
		c.expect("421 4.7.0")
		c.gone()
	}
	w.want(t, nil, nil)
}

// A server that stops lets a mail end, and does not answer one whose commit has not come back.
func TestAMailInFlightWhenTheServerStops(t *testing.T) {
	w := start(t, nil)
	idle, inText, committing := w.login(t), w.begun(t), w.begun(t)
	release := w.hold(t)
	committing.send(".\r\n")
	until(t, "the mail is being committed", func() bool { return w.server.Committing() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- w.server.Shutdown(ctx) }()
	idle.expect("421 4.3.2")
	idle.gone()
	cancel() // the time for it is over
	inText.expect("421 4.3.2")
	inText.gone()
	if got, _ := io.ReadAll(committing.r); len(got) != 0 {
		t.Errorf("of a mail whose commit has not come back the client was told %q", got)
	}
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
}

// Resets while clients send: what was answered 250 is kept, what was answered 4yz is not, and each once.
func TestResetsUnderLoad(t *testing.T) {
	w := start(t, nil)
	var mu sync.Mutex
	kept, lost, told := map[string]bool{}, map[string]bool{}, map[string]string{}
	var secret atomic.Value
	secret.Store(w.secret)
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			n := 0
			for {
				select {
				case <-stop:
					return
				default:
				}
				c := w.dial(t)
				fmt.Fprintf(c, "EHLO x\r\nAUTH PLAIN %s\r\n", plain(w.key.APIKey, secret.Load().(string)))
				if !c.until("235") {
					c.Close()
					continue
				}
				for over := false; !over; {
					n++
					select {
					case <-stop:
						over = true
					default:
					}
					name := fmt.Sprintf("mail-%d-%d", i, n)
					fmt.Fprintf(c, "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
					if !c.until("354") {
						break
					}
					fmt.Fprintf(c, "From: a@example.com\r\nSubject: %s\r\n\r\nx\r\n", name)
					time.Sleep(time.Millisecond) // inside the mail
					io.WriteString(c, ".\r\n")
					line, err := c.r.ReadString('\n')
					mu.Lock()
					switch {
					case err != nil:
						told[name] = err.Error() // nothing was said
					case strings.HasPrefix(line, "250"):
						kept[name] = true
					default:
						lost[name], told[name] = true, line
					}
					mu.Unlock()
					if err != nil || !strings.HasPrefix(line, "250") {
						break
					}
				}
				c.Close()
			}
		})
	}
	for range 30 {
		before := w.server.Stats().Accepted
		until(t, "a mail is accepted", func() bool { return w.server.Stats().Accepted > before })
		time.Sleep(time.Millisecond) // and others have begun
		w.reset(t)
		secret.Store(w.secret)
	}
	close(stop)
	running.Wait()
	got, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for len(got)%1000 == 0 && len(got) > 0 {
		more, err := w.store.Messages(t.Context(), store.OfOperator(), store.MessageFilter{}, store.Page{Limit: 1000, Offset: len(got)})
		if err != nil {
			t.Fatal(err)
		}
		if len(more) == 0 {
			break
		}
		got = append(got, more...)
	}
	there := map[string]int{}
	for _, m := range got {
		there[m.Subject]++
	}
	for name := range kept {
		if there[name] != 1 {
			t.Errorf("%s was answered 250, and is kept %d times", name, there[name])
		}
	}
	for name := range lost {
		if there[name] != 0 {
			t.Errorf("%s was answered %q, and is kept", name, told[name])
		}
	}
	t.Logf("%d mails were kept, %d refused", len(kept), len(lost))
	if len(kept) == 0 {
		t.Error("no mail was kept")
	}
}

// until reads replies until one begins so, and says whether there was one.
func (c *client) until(code string) bool {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil || len(line) > 3 && line[3] == ' ' && line[0] > '3' {
			return false
		}
		if strings.HasPrefix(line, code+" ") {
			return true
		}
	}
}
