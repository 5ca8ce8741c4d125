// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Client speaks to the door.
type Client struct{ http http.Client }

// Dial makes a client of the socket at path. Nothing is sent yet.
func Dial(path string) *Client {
	return &Client{http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}}
}

// Local makes a client of a handler in this process: the command line's, when no server runs.
func Local(h http.Handler) *Client { return &Client{http.Client{Transport: local{h}}} }

type local struct{ h http.Handler }

// RoundTrip is part of http.RoundTripper.
func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	l.h.ServeHTTP(w, r)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }

// Get asks for out at path, which may have a query.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, nil, out)
}

// Post sends in to path and reads out, which may be nil.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, bytes.NewReader(body), out)
}

// Upload sends a file's bytes to path and reads out.
func (c *Client) Upload(ctx context.Context, path string, file io.Reader, out any) error {
	return c.do(ctx, http.MethodPost, path, file, out)
}

// do makes a request. What the door refuses is an *Error.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://postern"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("the server did not answer: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("the server's answer broke off: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		e := &Error{Status: res.StatusCode}
		if json.Unmarshal(raw, e) != nil || e.Reason == "" {
			e.Reason = fmt.Sprintf("the server answered %s; is it of another version than this command?", res.Status)
		}
		return e
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}
