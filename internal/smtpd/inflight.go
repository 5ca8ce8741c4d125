// SPDX-License-Identifier: Apache-2.0

package smtpd

import "time"

// A session is ended from outside when its secret dies, or the server stops. Whether the mail that it is handing over
// is still kept is decided under conn.mu, once: commit moves a session from reading to committing only if it was not
// ended before. Ending a session that commits waits for the outcome; any other session commits nothing from then on.
// So a client that is answered 4yz never has its mail kept by that transaction (RFC 5321 §4.2.5), and a change to a
// credential has taken force only when what was committing has its 250.

// endWrite is what a session that was ended has to write its last words.
const endWrite = 2 * time.Second

// end ends the session with a reply, 421 and why. It waits for nothing: if the session is committing a mail, it returns
// how to wait until that is settled, else nil.
func (c *conn) end(why reply) (wait func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = &why
	}
	if !c.committing {
		c.wake()
		return nil
	}
	if c.settled == nil {
		c.settled = make(chan struct{})
	}
	settled := c.settled
	return func() { <-settled }
}

// wake makes the session's goroutine come back from what it waits for. c.mu is held.
func (c *conn) wake() {
	now := time.Now()
	c.raw.SetReadDeadline(now)                //nolint:errcheck,gosec // if it is closed, the goroutine is back already
	c.raw.SetWriteDeadline(now.Add(endWrite)) //nolint:errcheck,gosec // as above
}

// stop ends a session that is not inside a mail.
func (c *conn) stop() {
	c.mu.Lock()
	inMail := c.inMail
	if !inMail && c.ended == nil {
		c.ended = &stopping
		c.wake()
	}
	c.mu.Unlock()
}

// over is what the session was ended with, nil when it was not.
func (c *conn) over() *reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// enterMail says that a mail is under way, so that a server that stops lets it end, unless the session was ended.
func (c *conn) enterMail() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return false
	}
	c.inMail = true
	return true
}

// leaveMail says that no mail is under way any more: a server that stops need not wait for this session.
func (c *conn) leaveMail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inMail && c.ended == nil && c.s.stopping.Load() {
		c.ended = &stopping
	}
	c.inMail = false
}

// commit begins to commit a mail, unless the session was ended. After true the caller calls settle.
func (c *conn) commit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return false
	}
	c.committing = true
	return true
}

// settle says that the mail is durable, or not kept.
func (c *conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.committing = false
	if c.settled != nil {
		close(c.settled)
		c.settled = nil
	}
	if c.ended != nil {
		c.wake()
	}
}
