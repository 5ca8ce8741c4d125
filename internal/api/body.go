// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"postern/internal/budget"
)

// How slowly a body may come: so much of it in such a time, and all of it within wholeTime, which the server's own
// ReadTimeout says, too.
const (
	paceBytes = 64 << 10
	paceTime  = 30 * time.Second
	wholeTime = 5 * time.Minute
)

// paced gives the reads of a body their deadlines. At its end there is none: the connection is then watched for a client
// that goes away, and whoever waits for the answer may wait longer.
type paced struct {
	io.ReadCloser
	rc    *http.ResponseController
	whole time.Time
	left  int // bytes until the next deadline
}

func newPaced(w http.ResponseWriter, r *http.Request) io.ReadCloser {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body
	}
	return &paced{ReadCloser: r.Body, rc: http.NewResponseController(w), whole: time.Now().Add(wholeTime)}
}

// again begins a new time: the server itself kept the body waiting.
func (p *paced) again() { p.left = 0 }

func (p *paced) Read(b []byte) (int, error) {
	if p.left <= 0 {
		at := time.Now().Add(paceTime)
		if p.whole.Before(at) {
			at = p.whole
		}
		p.rc.SetReadDeadline(at) //nolint:errcheck,gosec // a test's recorder has none
		p.left = paceBytes
	}
	n, err := p.ReadCloser.Read(b)
	if p.left -= n; err != nil {
		p.rc.SetReadDeadline(time.Time{}) //nolint:errcheck,gosec // as above
	}
	return n, err
}

// checkCoding refuses a body in a coding that is not read here (RFC 9110 §8.4, §15.5.16).
func checkCoding(r *http.Request) error {
	coding := strings.Join(r.Header.Values("Content-Encoding"), ", ")
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity", "gzip", "x-gzip":
		return nil
	}
	return &fault{
		status: http.StatusUnsupportedMediaType, code: "mj-0002",
		message: fmt.Sprintf("The Content-Encoding %q is not read here: send the body as it is, or with Content-Encoding: gzip.",
			cut(coding)),
	}
}

func gzipped(r *http.Request) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))), "gzip")
}

// Reasons why a body cannot be read.
var (
	errBodyTooLarge = errors.New("the body is too large")
	errBodyEnded    = errors.New("the body ended early")
	errBodyGzip     = errors.New("the body is not gzip, though Content-Encoding says so")
)

// body reads the request's body, of at most so many bytes, decompressed when it is gzip. What it takes of the memory that
// bodies share is the call's until its end. Errors are faults, or one of the reasons above.
func (c *call) body(most int64) ([]byte, error) {
	if c.ContentLength > most {
		c.drain(2 * most)
		return nil, errBodyTooLarge
	}
	// Compressed bytes are bounded as plain ones are, in case that they say nothing.
	plain := io.LimitReader(c.Body, most+1)
	if !gzipped(c.Request) {
		return c.fill(plain, most, c.ContentLength)
	}
	z, err := gzip.NewReader(plain)
	if err == nil {
		var text []byte
		if text, err = c.fill(z, most, -1); err == nil {
			return text, nil
		}
	}
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.EOF) ||
		strings.HasPrefix(err.Error(), "flate:") {
		return nil, errBodyGzip
	}
	return nil, err
}

// drain reads on where a body is too large, so much at most and at the pace of any body: twice the bound in all. A
// client that sends all before it reads, as Python's do, would else find its connection reset, and never learn why.
func (c *call) drain(most int64) {
	if c.Header.Get("Expect") == "" { // who asks first has sent nothing yet
		io.CopyN(io.Discard, c.Body, most) //nolint:errcheck,gosec // the answer is the same
	}
}

// firstRead is how much memory a body has before any of it came.
const firstRead = 4 << 10

// fill reads to the end. The memory grows with what came: each step is at most as large as what is there, and is asked
// for first. announced is the length that the client named, which bounds the last step; -1: it named none.
func (c *call) fill(from io.Reader, most, announced int64) ([]byte, error) {
	size := int64(firstRead)
	if announced >= 0 && announced < size {
		size = announced + 1 // what is behind it shows the end
	}
	b := make([]byte, 0, size)
	for {
		if err := c.grow(int64(cap(b))); err != nil {
			return nil, err
		}
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > most:
			c.drain(most)
			return nil, errBodyTooLarge
		case errors.Is(err, io.EOF):
			return b, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, &fault{
				status: http.StatusRequestTimeout,
				message: fmt.Sprintf("The body came too slowly: %d bytes are expected every %s, and all of it within %s.", paceBytes,
					paceTime, wholeTime),
			}
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errBodyEnded
		case err != nil:
			return nil, err
		case len(b) < cap(b):
			continue
		}
		size = min(2*int64(cap(b)), most+1)
		if announced >= 0 {
			size = min(size, announced+1)
		}
		if size <= int64(cap(b)) { // more came than was announced: chunks do not say
			size = 2 * int64(cap(b))
		}
		if err := c.grow(size); err != nil {
			return nil, err
		}
		b = append(make([]byte, 0, size), b...)
	}
}

// grow sees that the call may hold n bytes of the memory that bodies share.
func (c *call) grow(n int64) error {
	if n <= c.part.Held() {
		return nil
	}
	err := c.part.Grow(c.Context(), n)
	if p, ok := c.Body.(*paced); ok && n > budget.Small {
		p.again()
	}
	switch {
	case errors.Is(err, budget.ErrBusy):
		return &fault{
			status: http.StatusServiceUnavailable, message: "The server is busy with large messages; try again later.",
			retryAfter: busyRetry,
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &fault{status: http.StatusInternalServerError, message: "The request ended before it could be read.", cause: err}
	}
	return err
}

// busyRetry is when a call that there was no memory for may be made again.
const busyRetry = 20 * time.Second

// sendBody reads the body of a send.
func (c *call) sendBody() ([]byte, error) {
	text, err := c.body(maxSendBody)
	var f *fault
	switch {
	case errors.Is(err, errBodyTooLarge):
		return nil, &fault{status: http.StatusBadRequest, code: "mj-0011", message: fmt.Sprintf("Payload too large. Max allowed - "+
			"%d bytes", maxSendBody)}
	case err != nil && !errors.As(err, &f):
		return nil, malformed(reasonOf(err))
	}
	return text, err
}

// resourceBody reads the body of anything else. Of a caller whose secret ended while it came, nothing is done.
func (c *call) resourceBody(what string, most int64) ([]byte, error) {
	text, err := c.body(most)
	if err == nil && c.alive != nil {
		err = c.alive()
	}
	var f *fault
	switch {
	case errors.Is(err, errBodyTooLarge):
		return nil, &fault{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("The %s has more than %d bytes.", what, most)}
	case err != nil && !errors.As(err, &f):
		return nil, badRequest(sentence(reasonOf(err)))
	}
	return text, err
}

// reasonOf is why a body could not be read; what a library says of it is not the caller's.
func reasonOf(err error) string {
	if errors.Is(err, errBodyGzip) {
		return errBodyGzip.Error()
	}
	return errBodyEnded.Error()
}

// object reads a resource's body: a JSON object, as values under folded names. An empty body is an empty object.
func (c *call) object(most int64) (object, error) {
	text, err := c.resourceBody("body", most)
	switch {
	case err != nil:
		return nil, err
	case len(bytes.TrimSpace(text)) == 0:
		return object{}, nil
	}
	v, err := parseJSON(text)
	if err != nil {
		return nil, badRequest("Invalid json input: " + err.Error())
	}
	if !v.isObject() {
		return nil, badRequest("Invalid json input: expected an object.")
	}
	return v.object(), nil
}
