// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"postern/internal/submit"
)

const (
	// firstBuffer is what a mail is read into at first; it doubles as the mail comes.
	firstBuffer = 16 << 10
	// keptBuffer is how large a buffer is kept for the next mail at most.
	keptBuffer = 32 << 10
	// minRead is how much room a read has at least.
	minRead = 4 << 10
	// maxRead is how much one read takes: what it takes past the end of the mail is kept as commands.
	maxRead = 128 << 10
	// maxDiscarded is how much of a refused mail is read to find its end.
	maxDiscarded = 4 * submit.MaxSize
	// maxStranger is the longest chunk that is skipped for a client that is not logged in.
	maxStranger = 1 << 20
	// refusedTime is what the rest of a mail has to come whose refusal is said already.
	refusedTime = 10 * time.Second
	// copies is how often a mail is in memory while it is made fit and kept.
	copies = 2
	// slowest is how many bytes a second a mail has to have in the long run.
	slowest = 8 << 10
)

// buffer is an empty buffer for a mail.
func (s *Server) buffer() []byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, firstBuffer)
}

// keep keeps a buffer for the next mail.
func (s *Server) keep(b []byte) {
	if cap(b) <= keptBuffer {
		s.buffers.Put(&b)
	}
}

// text is what came of a mail.
type text struct {
	b      []byte // b[:n] is the mail so far, as it is kept; what is behind it is not looked at yet
	n      int
	inLine bool   // b[:n] does not end with CRLF
	cr     bool   // it ends with CR
	crs    int    // how many CR it has
	lines  int    // how many CRLF
	wrong  string // what it must not have
}

// look looks at what came. What came by DATA loses the dots that were put before dots, and ends at a dot on a line of its
// own (RFC 5321 §4.5.2): CRLF.CRLF, whatever stands before it; rest is what came behind that.
func (t *text) look(dots bool) (rest []byte, done bool) {
	b, from, at := t.b, t.n, t.n
	for at < len(b) {
		if dots && !t.inLine && b[at] == '.' {
			tail := b[at:]
			if len(tail) < len(dotLine) && string(tail) == dotLine[:len(tail)] {
				break // it may be the end
			}
			if done = strings.HasPrefix(string(tail[:min(len(tail), 3)]), dotLine); done {
				rest = tail[len(dotLine):]
				break
			}
			at++
			t.inLine, t.cr = true, false
			continue
		}
		end, ended := len(b), false
		if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
			end = at + i + 1
			if ended = i == 0 && t.cr || i > 0 && b[at+i-1] == '\r'; !ended {
				t.wrong = "a line ends in LF without CR"
			} else {
				t.lines++
			}
		}
		if t.n != at {
			copy(b[t.n:], b[at:end])
		}
		t.n += end - at
		at = end
		t.inLine, t.cr = !ended, b[t.n-1] == '\r'
	}
	t.check(b[from:t.n])
	if done {
		t.b = b[:t.n]
	} else {
		t.b = b[:t.n+copy(b[t.n:], b[at:])]
	}
	return rest, done
}

const dotLine = ".\r\n"

// check finds what no mail may have (RFC 5321 §2.3.8): after a bare CR or LF some servers see a new line and others do not,
// which is how one mail hides another.
func (t *text) check(more []byte) {
	t.crs += bytes.Count(more, []byte{'\r'})
	open := 0 // a CR at the end, whose LF may come
	if t.cr {
		open = 1
	}
	switch {
	case t.wrong != "":
	case t.crs != t.lines+open:
		t.wrong = "there is a CR without LF"
	case bytes.IndexByte(more, 0) >= 0:
		t.wrong = "there is a NUL"
	}
}

// open begins the text of a mail.
func (c *conn) open() {
	c.groups = 0
	c.tx.open, c.tx.began, c.tx.got = true, time.Now(), 0
	c.tx.share = c.s.c.Budget.Share(c.principal.KeyID)
	c.tx.text.b = c.s.buffer()
}

// room is where the next bytes of a mail go. The buffer grows with what came; nil: there is no memory for it.
func (c *conn) room() []byte {
	t := &c.tx.text
	size := cap(t.b)
	if size-len(t.b) < minRead {
		size = bufferAfter(size, int(c.tx.size))
	}
	if need := copies * int64(size); !c.tx.refused && need > c.tx.share.Held() && c.tx.share.Grow(c.s.running, need) != nil {
		return nil
	}
	if size > cap(t.b) {
		bigger := make([]byte, len(t.b), size)
		copy(bigger, t.b)
		t.b = bigger
	}
	return t.b[len(t.b):min(cap(t.b), len(t.b)+maxRead)]
}

// bufferAfter is the size of the buffer after one that is full. Where the client has said how long its mail is, that is
// believed when it is less.
func bufferAfter(size, declared int) int {
	next := 2 * size
	if size >= 256<<10 {
		next = size + size/2
	}
	if enough := declared + 2*minRead; enough > size+minRead && enough < next {
		return enough
	}
	return next
}

// drop throws away what was looked at of a mail that is refused, and gives back the memory. One small buffer is left.
func (c *conn) drop() {
	c.tx.refused = true
	t := &c.tx.text
	t.b = t.b[:copy(t.b, t.b[t.n:])]
	t.n = 0
	if cap(t.b) > firstBuffer {
		t.b = append(c.s.buffer(), t.b...)
	}
	c.tx.share.Release()
}

// mailEnd is by when a mail must be complete: the longer, the more of it has come.
func (c *conn) mailEnd() time.Time {
	return c.tx.began.Add(c.s.c.Limits.Mail + time.Duration(c.tx.got/slowest)*time.Second)
}

// more reads more of a mail, into into. Its error is the end of the conversation.
func (c *conn) more(into []byte, wait time.Duration) (int, error) {
	until := time.Now().Add(wait)
	if last := c.mailEnd(); last.Before(until) {
		until = last
	}
	n, err := c.read(into, until)
	c.tx.got += int64(n)
	return n, err
}

// brokenOff ends a conversation that stalled or broke inside a mail. Nothing more is read: it would be text.
func (c *conn) brokenOff(err error) {
	c.closing = true
	switch ended := c.over(); {
	case ended != nil:
		c.close421(*ended)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.close421(reply{421, "4.4.2", "the rest of the message did not arrive in time; nothing of it is kept"})
	default:
		c.close421(reply{421, "4.4.2", "the connection was lost inside a message; nothing of it is kept"})
	}
}

var (
	errSaid = errors.New("the refusal is said")
	errBusy = reply{452, "4.3.1", "the server is busy with large messages; try again later"}
)

// data is DATA (RFC 5321 §4.1.1.4).
func (c *conn) data(string) {
	if !c.enterMail() {
		c.lost(errEnded)
		return
	}
	c.say(reply{354, "", "send the message; end it with a dot on a line of its own"})
	c.open()
	switch why, err := c.readData(); {
	case err != nil: // it is said
	case why != nil:
		c.refuse(*why)
	default:
		c.deliver()
	}
	if !c.closing {
		c.reset()
	}
}

// readData reads the text of a mail. A mail that is refused is read to its end, so that no byte of it is taken for a
// command. The refusal of bare CR, LF and NUL is said immediately, since a client that ends its lines otherwise may take its
// mail for complete; others are returned, and said at the end. An error is said and ends the session.
func (c *conn) readData() (refused *reply, err error) {
	t := &c.tx.text
	t.b = append(t.b, c.buf[c.r:c.w]...)
	c.r, c.w = 0, 0
	said := false
	end := func() (*reply, error) {
		if said {
			return nil, errSaid
		}
		return refused, nil
	}
	discarded := 0
	for {
		rest, done := t.look(true)
		switch {
		case refused != nil:
		case t.wrong != "":
			refused = notMail(t.wrong)
		case t.n > submit.MaxSize:
			refused = &tooLarge
		}
		if done {
			c.unread(rest)
			return end()
		}
		wait := c.s.c.Limits.Block
		if refused != nil {
			if discarded += t.n; discarded > maxDiscarded {
				c.closing = true
				return end()
			}
			c.drop()
			if t.wrong != "" && !said {
				said = true
				c.refuse(*refused)
			}
		}
		if said {
			wait = min(wait, refusedTime)
		}
		room := c.room()
		if room == nil {
			refused = &errBusy
			c.drop()
			room = c.room()
		}
		n, err := c.more(room, wait)
		if err != nil {
			c.brokenOff(err)
			return nil, err
		}
		t.b = t.b[:len(t.b)+n]
	}
}

func notMail(why string) *reply {
	return &reply{554, "5.6.0", "this is not a valid message: " + why}
}

// chunk reads the argument of BDAT (RFC 3030 §2).
func chunk(arg string) (size int64, last, ok bool) {
	number, rest, _ := strings.Cut(arg, " ")
	rest = strings.Trim(rest, " ")
	last = strings.EqualFold(rest, "LAST")
	size, err := strconv.ParseInt(number, 10, 64)
	return size, last, digits(number) && err == nil && (last || rest == "")
}

// bdat is BDAT.
func (c *conn) bdat(arg string) {
	size, last, ok := chunk(arg)
	if !ok {
		c.badChunk()
		return
	}
	if !c.enterMail() {
		c.lost(errEnded)
		return
	}
	if !c.tx.open {
		c.open()
		c.enter(chunks)
	}
	if size > submit.MaxSize-int64(c.tx.text.n) { // not their sum, which may be more than an int64 holds
		c.skip(size, tooLarge)
		if !c.closing {
			c.reset()
		}
		return
	}
	why, err := c.readChunk(int(size), last)
	switch {
	case err != nil:
		return
	case why != nil:
		c.refuse(*why)
	case !last:
		c.say(reply{250, "2.0.0", arg + " octets received"})
		return
	default:
		c.deliver()
	}
	if !c.closing {
		c.reset()
	}
}

// badChunk refuses a BDAT whose size cannot be read: where its chunk ends and the next command begins is unknown.
func (c *conn) badChunk() {
	c.refuse(reply{501, "5.5.4", "syntax: BDAT size [LAST]; the connection is closed, since the length of the chunk is unknown"})
	c.closing = true
}

// readChunk reads a chunk. A refused one is read to its end.
func (c *conn) readChunk(size int, last bool) (refused *reply, err error) {
	t := &c.tx.text
	for {
		room := c.room()
		switch {
		case refused == nil && t.wrong != "":
			refused = notMail(t.wrong)
		case refused == nil && size == 0 && last && t.cr:
			refused = notMail("there is a CR without LF")
		case refused == nil && room == nil:
			refused = &errBusy
		}
		if size == 0 {
			return refused, nil
		}
		if refused != nil {
			c.drop()
			room = c.room()
		}
		room = room[:min(len(room), size)]
		n := copy(room, c.buf[c.r:c.w])
		c.r += n
		if n == 0 {
			if n, err = c.more(room, c.s.c.Limits.Block); err != nil {
				c.brokenOff(err)
				return nil, err
			}
		}
		t.b = t.b[:len(t.b)+n]
		t.look(false)
		size -= n
	}
}

// skipBDAT refuses a BDAT that is out of order. Its chunk is read all the same: it may have been on its way when the one
// before it was refused (RFC 3030 §2).
func (c *conn) skipBDAT(arg string, why reply) {
	size, _, ok := chunk(arg)
	if !ok {
		c.badChunk()
		return
	}
	c.skip(size, why)
}

// skip reads a chunk, throws it away and says why. One that is too long for that ends the conversation. The time for it is
// bounded like that of a mail.
func (c *conn) skip(size int64, why reply) {
	if size > maxDiscarded || c.state < ready && size > maxStranger {
		c.refuse(why)
		c.closing = true
		return
	}
	n := min(size, int64(c.w-c.r))
	c.r += int(n)
	size -= n
	b := c.s.buffer()
	defer c.s.keep(b)
	if !c.tx.open {
		c.tx.began, c.tx.got = time.Now(), 0
	}
	for size > 0 {
		wait := c.s.c.Limits.Block
		if c.state < ready {
			wait = min(wait, time.Until(c.born.Add(c.s.c.Limits.Login)))
		}
		got, err := c.more(b[:min(int64(cap(b)), size)], wait)
		if err != nil {
			c.brokenOff(err)
			return
		}
		size -= int64(got)
	}
	c.refuse(why)
}
