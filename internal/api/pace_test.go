// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/budget"
)

// timed is a response writer that keeps the deadlines of its request's body.
type timed struct {
	http.ResponseWriter
	set []time.Time
}

func (w *timed) SetReadDeadline(at time.Time) error {
	w.set = append(w.set, at)
	return nil
}

// slowly gives so many bytes at each read, after a while.
type slowly struct {
	left, each int
	after      time.Duration
}

func (s *slowly) Read(b []byte) (int, error) {
	time.Sleep(s.after)
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(s.left, s.each, len(b))
	s.left -= n
	return n, nil
}

// A body has 30 seconds for each 64 KiB and five minutes in all; at its end the deadline is taken away, so that the answer
// may take longer.
func TestBodiesHaveDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		w := &timed{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "/", &slowly{left: 10 * 64 << 10, each: 64 << 10, after: 29 * time.Second})
		if _, err := io.ReadAll(newPaced(w, r)); err != nil {
			t.Fatal(err)
		}
		if n := len(w.set); n < 5 || !w.set[n-1].IsZero() {
			t.Fatalf("%d deadlines, the last is %s", n, w.set[n-1])
		}
		if !w.set[0].Equal(begin.Add(30*time.Second)) || w.set[1].Before(begin.Add(30*time.Second)) {
			t.Errorf("the first is after %s, the second after %s", w.set[0].Sub(begin), w.set[1].Sub(begin))
		}
		for _, at := range w.set {
			if at.Sub(begin) > 5*time.Minute {
				t.Errorf("a deadline after %s", at.Sub(begin))
			}
		}
	})
}

// broken gives some bytes and then an error.
type broken struct {
	io.Reader
	err error
}

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

func TestBodiesThatBreakOff(t *testing.T) {
	for name, x := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"too slow": {os.ErrDeadlineExceeded, http.StatusRequestTimeout, "too slowly"},
		"cut":      {io.ErrUnexpectedEOF, http.StatusBadRequest, "ended early"},
		"reset":    {errors.New("read tcp 127.0.0.1: connection reset"), http.StatusBadRequest, "ended early"},
	} {
		for _, size := range []int{0, 5, 4 << 10, 100_000} {
			b := budget.New(1<<20, 0)
			r := httptest.NewRequest(http.MethodPost, "/", broken{strings.NewReader(strings.Repeat(" ", size)), x.err})
			c := &call{Request: r, part: b.Share(1)}
			_, err := c.sendBody()
			var f *fault
			if !errors.As(err, &f) || f.status != x.status || !strings.Contains(f.message, x.says) || strings.Contains(f.message, "127.0.0.1") {
				t.Errorf("%s after %d bytes: %v", name, size, err)
			}
			c.part.Release()
			if got := b.Stats().Used; got != 0 {
				t.Errorf("%d bytes are held", got)
			}
		}
	}
}
