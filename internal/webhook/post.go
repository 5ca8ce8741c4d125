// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

var errBusy = errors.New("too many requests to this host are under way")

// slots bound the requests that are under way, in all and to one host.
type slots struct {
	most  int // in all
	mu    sync.Mutex
	all   int
	hosts map[string]int
}

// enter says whether a request to a host may begin, and counts it.
func (s *slots) enter(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.hosts[host] >= perHost {
		return false
	}
	s.all++
	s.hosts[host]++
	return true
}

// leave ends what enter began.
func (s *slots) leave(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}

// parcel is one request.
type parcel struct {
	to      *url.URL
	id      string   // webhook-id
	secrets []string // that sign it
	body    []byte
}

// errAnswer is an answer that is no success.
type errAnswer struct{ status int }

func (e errAnswer) Error() string {
	words := fmt.Sprintf("the answer was %d %s", e.status, http.StatusText(e.status))
	if e.status/100 == 3 {
		words += "; redirects are not followed"
	}
	return words
}

// post makes one request. The status is 0 when there was no answer.
func (w *Webhook) post(ctx context.Context, p parcel) (status int, err error) {
	req, err := w.request(ctx, p)
	if err != nil {
		return 0, err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // what it answers is not looked at
	discard(res.Body)
	if res.StatusCode/100 != 2 {
		return res.StatusCode, errAnswer{res.StatusCode}
	}
	return res.StatusCode, nil
}

// request makes the signed request. A user and password in the URL go as basic auth.
func (w *Webhook) request(ctx context.Context, p parcel) (*http.Request, error) {
	if _, err := Check(p.to.String(), w.Private); err != nil { // the setting may have changed since the URL was set
		return nil, fmt.Errorf("the URL %w", err)
	}
	timestamp := strconv.FormatInt(w.Now().Unix(), 10)
	var signatures []string
	for _, secret := range p.secrets {
		s, err := Sign(secret, p.id, timestamp, p.body)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, s)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to.String(), bytes.NewReader(p.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Postern-Webhook/1")
	req.Header.Set("webhook-id", p.id)
	req.Header.Set("webhook-timestamp", timestamp)
	if len(signatures) > 0 {
		req.Header.Set("webhook-signature", strings.Join(signatures, " "))
	}
	return req, nil
}

// discard reads a bounded part of an answer, so that its connection can be used again.
func discard(r io.Reader) {
	io.Copy(io.Discard, io.LimitReader(r, maxAnswer)) //nolint:errcheck // the status was the answer
}

func jitter() time.Duration {
	return rand.N(retryJitter) //nolint:gosec // spreads load, hides nothing
}
