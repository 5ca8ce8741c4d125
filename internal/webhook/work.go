// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"postern/internal/store"
)

// work is what is under way: of accounts' webhooks and of keys' hooks together. One server has the store, so nobody else
// works on it.
type work struct {
	running sync.WaitGroup

	most int // requests at a time

	mu       sync.Mutex
	all      int
	hosts    map[string]int
	ids      map[int64]bool // of accounts' deliveries
	ended    map[int64]bool // deliveries whose attempt ended since the last look at what is due: a row read before then is stale
	webhooks map[int64]int  // how many of each account's webhook
	more     bool           // something is due that had to wait
}

func newWork(most int) *work {
	return &work{most: most, ids: map[int64]bool{}, ended: map[int64]bool{}, webhooks: map[int64]int{}, hosts: map[string]int{}}
}

// looking is called before what is due is read.
func (w *work) looking() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.ended)
}

// enter says whether a request to a host may begin, and counts it.
func (w *work) enter(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begin(host)
}

func (w *work) begin(host string) bool {
	if w.all >= w.most || w.hosts[host] >= perHost {
		w.more = true
		return false
	}
	w.all++
	w.hosts[host]++
	return true
}

// leave ends what enter began, and says whether something waits for it.
func (w *work) leave(host string) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end(host)
}

func (w *work) end(host string) (more bool) {
	w.all--
	if w.hosts[host]--; w.hosts[host] == 0 {
		delete(w.hosts, host)
	}
	more, w.more = w.more, false
	return more
}

// take says whether an attempt at d may begin, and counts it. A receiver that fails is asked one thing at a time.
func (w *work) take(d store.WebhookDelivery, host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	most := perWebhook
	if d.Failing {
		most = 1
	}
	switch {
	case w.ids[d.ID], w.ended[d.ID]:
		return false
	case w.webhooks[d.WebhookID] >= most:
		w.more = true
		return false
	case !w.begin(host):
		return false
	}
	w.ids[d.ID] = true
	w.webhooks[d.WebhookID]++
	return true
}

// give ends what take began, and says whether something waits for it.
func (w *work) give(d store.WebhookDelivery, host string) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ids, d.ID)
	w.ended[d.ID] = true
	if w.webhooks[d.WebhookID]--; w.webhooks[d.WebhookID] == 0 {
		delete(w.webhooks, d.WebhookID)
	}
	return w.end(host)
}

// parcel is one request to a receiver of either kind.
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
